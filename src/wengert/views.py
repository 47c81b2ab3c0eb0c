"""Views: a Variable that shares its memory with another, as NumPy's views do.

`v = y[1:3]` remembers y and how it was made. Writing through v writes to y; after y was written to, by whatever way,
v is made again from y when it is next read. Writing never changes an array: it moves the handle y to a new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .batching.array import memory
from .recording import Mode
from .variable import Variable, stands_for_ndarray

_new = Variable.__new__
_MOST_STEPS = 8


class View(Variable):
    """A Variable whose memory belongs to another one, its base."""

    __slots__ = ("_base", "_held_array", "_held_node", "_steps", "_version")
    _base: Any  # a Variable that is no view; None once this one was given data of its own
    _steps: tuple[Any, ...]  # (op, args, kwargs), in order, from the base to this view
    _version: Any  # the base's at the time
    _held_array: Any
    _held_node: Any

    def _renew(self) -> None:
        base = self._base
        v = base
        with Mode(self._held_node is not None):  # recorded as it was, wherever it is read
            for op, args, kwargs in self._steps:
                v = op(v, *args, **kwargs)
        self._held_array, self._held_node = v._array, v._node
        if v._node is not None:
            self._serial = v._serial
        self._version = version(base)

    def _get_data(self) -> Any:
        if self._base is not None and version(self._base) is not self._version:
            self._renew()
        return self._held_array

    def _get_node(self) -> Any:
        if self._base is not None and version(self._base) is not self._version:
            self._renew()
        return self._held_node

    def _set_data(self, data: Any) -> None:
        self._base = None
        self._held_array = data

    def _set_node(self, node: Any) -> None:
        self._held_node = node

    _array = property(_get_data, _set_data)  # these stand before the slots of a Variable
    _node = property(_get_node, _set_node)

    def positions(self) -> ndarray:
        """Where this view's elements are in its base: flat indices, in this view's shape."""
        shape = self._base.shape
        places = np.arange(self._base.size).reshape(shape)
        for op, args, kwargs in self._steps:
            if not op.moves:
                raise TypeError(
                    f"x[i] = v: x is a view made by {op.__name__}, through which its base cannot be written; write to "
                    "the base, or to a copy: x = x.copy()"
                )
            places = op(places, *args, **kwargs)
        return places


def version(x: Variable) -> Any:
    """What changes when x is written to."""
    return getattr(x, "_written", None)


def written(x: Variable) -> None:
    """Note that x was written to, so that its views are made again."""
    x._written = object()


def share_memory(z: Any, a: Any) -> bool:
    """Whether NumPy's result z is a view of a."""
    z, a = memory(z), memory(a)
    if type(z) is not ndarray and stands_for_ndarray(z):
        return z.shares(a)
    if type(z) is not ndarray or z.base is None or type(a) is not ndarray:
        return False
    if isinstance(z.base, ndarray):
        return z.base is a or z.base is a.base
    return np.may_share_memory(z, a)  # an object that holds the memory stands between


def view_of(x: Variable, z: ndarray, node: Any, op: Any, args: tuple[Any, ...], kwargs: Any) -> Variable:
    """The result z of op on x, a view of x."""
    v = _new(View)
    v._held_array, v._held_node = z, node
    if node is not None:
        v._serial = node.serial
    if isinstance(x, View) and x._base is not None:
        v._base = x._base
        v._steps = (*x._steps, (op, args, kwargs))
    else:
        v._base = x
        v._steps = ((op, args, kwargs),)
    v._version = version(v._base)
    if len(v._steps) > _MOST_STEPS:
        v._steps = ((_gather, (v.positions(),), {}),)
    return v


def _gather(x: Any, places: ndarray) -> Any:
    """The elements of x at flat indices."""
    return x.reshape(-1)[places]


_gather.moves = True  # type: ignore[attr-defined]
