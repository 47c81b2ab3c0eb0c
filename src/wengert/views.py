"""Views: a Variable that shares its memory with another, as NumPy's views do.

`v = y[1:3]` remembers y and how it was made. Writing through v writes to y; after y was written to, by whatever way,
v is made again from y when it is next read. Writing never changes an array: it moves the handle y to a new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .recording import Mode
from .variable import Variable

_data: Any = Variable.__dict__["_data"]  # the slots, which the properties below stand before
_node: Any = Variable.__dict__["_node"]
_new = Variable.__new__
_MOST_STEPS = 8


class View(Variable):
    """A Variable whose memory belongs to another one, its base."""

    __slots__ = ("_base", "_steps", "_version")
    _base: Any  # a Variable that is no view; None once this one was given data of its own
    _steps: tuple[Any, ...]  # (op, args, kwargs), in order, from the base to this view
    _version: Any  # the base's at the time

    def _renew(self) -> None:
        base = self._base
        v = base
        with Mode(_node.__get__(self) is not None):  # recorded as it was, wherever it is read
            for op, args, kwargs in self._steps:
                v = op(v, *args, **kwargs)
        _data.__set__(self, v._data)
        _node.__set__(self, v._node)
        if v._node is not None:
            self._serial = v._serial
        self._version = version(base)

    def _get_data(self) -> Any:
        if self._base is not None and version(self._base) is not self._version:
            self._renew()
        return _data.__get__(self)

    def _get_node(self) -> Any:
        if self._base is not None and version(self._base) is not self._version:
            self._renew()
        return _node.__get__(self)

    def _set_data(self, data: Any) -> None:
        self._base = None
        _data.__set__(self, data)

    _data = property(_get_data, _set_data)
    _node = property(_get_node, lambda self, node: _node.__set__(self, node))

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


def as_view(out: Variable, x: Variable, op: Any, args: tuple[Any, ...], kwargs: Any) -> Variable:
    """`out`, made by op from x, as a view of x if the two share memory."""
    z, a = out._data, x._data
    if type(a) is not ndarray or not (z is a or z.base is a or (z.base is not None and z.base is a.base)):
        return out
    base, steps = x, ((op, args, kwargs),)
    if isinstance(x, View) and x._base is not None:
        base = x._base
        steps = (*x._steps, *steps)
    v = _new(View)
    v._base = base
    v._steps = steps
    v._version = version(base)
    _data.__set__(v, z)
    _node.__set__(v, out._node)
    if out._node is not None:
        v._serial = out._serial
    if len(steps) > _MOST_STEPS:
        v._steps = ((_gather, (v.positions(),), {}),)
    return v


def _gather(x: Any, places: ndarray) -> Any:
    """The elements of x at flat indices."""
    return x.reshape(-1)[places]


_gather.moves = True  # type: ignore[attr-defined]
