"""`vmap`: a function of one example, run once for a whole batch.

In the function, a mapped array is a `Batched`, or a Variable that holds one. `enter` and `leave` are the operations
that make such Variables and take them apart, so that derivatives pass through. A tracked Variable from outside, which
every example shares, goes through `shared` where it first meets the function's code: its pull-back is the sum over the
examples. A Recorder finds these places, so that nothing is looked for when no `vmap` is running.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..declare import linear
from ..function import Function, Node
from ..recording import Recorder, recording
from ..rules.shaping import stack
from ..variable import Variable, as_data, tick
from . import derived, indexing, linalg, reductions, shaping  # noqa: F401  the rules
from .array import OPS, Batched, BatchedError, is_batched, looped

_levels = itertools.count(1).__next__  # of a vmap inside another: a higher one


# ---- into the batch, and out of it ---------------------------------------------------------------------------


# A walk over what an earlier `vmap` recorded may itself run in a batch, of a higher level, which is outside.


def _enter(x: Any, axis: int, size: int, level: int) -> Any:
    if type(x) is Batched and x.level > level:
        return Batched(_enter(x.array, axis + (axis >= 0), size, level), x.level)
    return Batched(np.copy(np.moveaxis(x, axis, 0), "C"), level)  # a copy: the caller may write to x later


def _leave(x: Any, axis: int, size: int, level: int) -> Any:
    if type(x) is Batched and x.level > level:
        return Batched(_leave(x.array, axis + (axis >= 0), size, level), x.level)
    if is_batched(x, level):
        return np.moveaxis(x.array, 0, axis)
    return np.moveaxis(np.copy(np.broadcast_to(x, (size, *np.shape(x)))), 0, axis)


def _summed(x: Any, size: int, level: int) -> Any:
    if type(x) is Batched and x.level > level:
        return Batched(_summed(x.array, size, level), x.level)
    return np.add.reduce(x.array, 0) if is_batched(x, level) else x * size


@linear(None, name="enter_batch", call=_enter)
def enter(g: Any, _z: Any, _x: Any, axis: int, size: int, level: int) -> Any:
    """An array, of which each example has a part along an axis."""
    return leave(g, axis, size, level)


@linear(None, name="leave_batch", call=_leave)
def leave(g: Any, _z: Any, _x: Any, axis: int, size: int, level: int) -> Any:
    """The examples together along an axis."""
    return enter(g, axis, size, level)


@linear(None, name="shared_by_batch", call=lambda x, size, level: x)
def shared(g: Any, _z: Any, _x: Any, size: int, level: int) -> Any:
    """An array that is the same for every example."""
    return summed(g, size, level)


@linear(None, name="sum_over_batch", call=_summed)
def summed(g: Any, _z: Any, _x: Any, size: int, level: int) -> Any:
    """The sum over the examples."""
    return shared(g, size, level)


def _example(x: Variable, level: int, i: int) -> Any:
    return leave(x, 0, x._array.batch, level)[i]


def _together(results: list[Any], level: int) -> Any:
    return enter(stack(results), 0, len(results), level)


OPS["example"], OPS["together"] = _example, _together


class _Batching(Recorder):
    """What is active while a function runs on a batch."""

    def __init__(self, level: int, size: int) -> None:
        self.level, self.size = level, size
        self.start = tick()  # nodes from before belong to Variables from outside
        self.known: dict[Any, Variable] = {}  # node -> the Variable as the examples share it

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args = tuple([self.inside(x) for x in args])
        kwargs = {k: self.inside(x) for k, x in kwargs.items()} if kwargs else kwargs
        try:
            return self.run(op, args, kwargs)
        except BatchedError:
            if isinstance(op, Function) and not isinstance(op, Node):
                return looped(lambda *xs: copy.copy(op)(*xs), args, kwargs)
            return looped(op, args, kwargs)

    def pulled(self, node: Any, gy: Any) -> None:
        if isinstance(self._outer, Recorder):
            self._outer.pulled(node, gy)

    def inside(self, x: Any) -> Any:
        """An argument as the function's examples see it, and so that writing to it later does no harm."""
        if isinstance(x, Variable):
            n = x._node
            if n is None or n.serial >= self.start:
                return x
            v = self.known.get(n)
            if v is None or v._array is not x._array:
                v = self.known[n] = self.run(shared, (x, self.size, self.level), {})
            return v
        if type(x) is Batched:
            return x.copy()
        if type(x) in (list, tuple):
            return type(x)([self.inside(item) for item in x])
        return x


# ---- vmap ----------------------------------------------------------------------------------------------------


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that does for each example of a batch what f does for one, by vectorised NumPy calls.

    Args:
        f: takes and gives arrays in any containers (`wengert.tree`), for one example.
        in_axes: the axis of each positional argument along which the examples are; None for an argument that all
            examples share. One for all arguments, or a tuple with one for each; in place of a container's axis, a
            container of axes. Keyword arguments are mapped along axis 0.
        out_axes: in the same way, where the examples are in the results; None for a result that is the same for all.

    f runs once, on arrays whose axes are those of one example: each NumPy call works on all examples at once, and so
    do derivatives inside and outside: `vmap(grad(loss), in_axes=(None, 0, 0))` gives per-example gradients, and
    `vmap` may be nested. NumPy functions without a rule run on one example after the other, and so does a user's
    Function that is not written in NumPy calls: the results are the same. Arrays that f itself makes, random ones too,
    are the same for every example. A tracked Variable in f's closure is shared, and its gradient is the sum over the
    examples. What f writes to with `x[i] = v` is its own: the caller's arrays stay as they are. Results have the
    dtypes that f gives.

    Raises:
        ValueError: the examples differ in number between arguments, none is mapped, or an axis does not exist.
        TypeError: f branches on values, or takes them out of arrays (`if x > 0`, `float(x)`, `np.asarray(x)`).

    Example:
        >>> rows = np.arange(6.0).reshape(3, 2)
        >>> wg.vmap(np.dot, in_axes=(0, None))(rows, np.array([1.0, 10.0]))
        array([10., 32., 54.])
        >>> wg.vmap(wg.grad(lambda w, x: np.tanh(w @ x)), in_axes=(None, 0))(np.zeros(2), rows)
        array([[0., 1.],
               [2., 3.],
               [4., 5.]])
    """

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        axes = [*_in_axes(in_axes, args), *[0] * (len(leaves) - len(tree.leaves(args)))]
        size = _size(leaves, axes, structure)
        batching = _Batching(level := _levels(), size)
        inner = [
            x if axis is None else _entered(x, axis % np.ndim(x), size, level)
            for x, axis in zip(leaves, axes, strict=True)
        ]
        args, kwargs = structure.unflatten(inner)
        if recording() is False:
            y = f(*args, **kwargs)
        else:
            with batching:
                y = f(*args, **kwargs)
        results, made = tree.flatten(y)
        placed = _prefix(out_axes, y, "out_axes", "the result")
        return made.unflatten(
            [_left(z, axis, batching, path) for z, axis, path in zip(results, placed, made.paths(), strict=True)]
        )

    return mapped


def _entered(x: Any, axis: int, size: int, level: int) -> Any:
    return enter(x if isinstance(x, Variable) else as_data(x), axis, size, level)


def _left(z: Any, axis: int | None, batching: _Batching, path: str) -> Any:
    if not isinstance(z, Variable):
        z = as_data(z, f"vmap: the result{path}")
    tracked = isinstance(z, Variable) and z._node is not None
    z = batching.inside(z) if tracked else z._array if isinstance(z, Variable) else z
    data = z._array if tracked else z
    if axis is None:
        if is_batched(data, batching.level):
            raise ValueError(f"vmap: out_axes is None for the result{path}, which differs between the examples")
        return leave(z, 0, batching.size, batching.level)[0] if tracked and batching.size else z
    if not -data.ndim - 1 <= axis <= data.ndim:
        raise ValueError(f"vmap: out_axes is {axis} for the result{path}, whose shape is {data.shape} for one example")
    z = leave(z, axis, batching.size, batching.level)
    return z if tracked or not isinstance(z, np.ndarray) or z.flags.writeable else z.copy()


def _in_axes(in_axes: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The axis for each leaf of the arguments."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ValueError(f"vmap: in_axes has {len(in_axes)} items, but the call has {len(args)} positional arguments")
    return _prefix(in_axes, args, "in_axes", "args")


def _prefix(axes: Any, x: Any, what: str, path: str) -> list[int | None]:
    """The axis for each leaf of x, where `axes` has one in place of a whole container."""
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        return [axes if axes is None else int(axes)] * len(tree.leaves(x))
    parts, given = tree._parts(x), tree._parts(axes)
    if given is None:
        raise TypeError(f"vmap: {what}: expected an integer, None or a container of them, got {axes!r}")
    alike = parts is not None and (type(x) is type(axes) or (type(axes) in (tuple, list) and type(x) in (tuple, list)))
    if not alike or sorted(map(str, parts[0])) != sorted(map(str, given[0])):  # type: ignore[index]
        raise ValueError(f"vmap: {what} has {axes!r} for {path}, which is built in another way: {tree.structure(x)}")
    ((keys, children, _), by_key) = parts, dict(zip(given[0], given[1], strict=True))  # type: ignore[misc]
    found: list[int | None] = []
    for key, child in zip(keys, children, strict=True):
        found += _prefix(by_key[key], child, what, f"{path}[{key!r}]")
    return found


def _size(leaves: Sequence[Any], axes: Sequence[int | None], structure: Any) -> int:
    """How many examples there are."""
    labels = [_label(path) for path in structure.paths()]
    sizes = {}
    for x, axis, label in zip(leaves, axes, labels, strict=True):
        if axis is None:
            continue
        shape = x.shape if isinstance(x, Variable) else as_data(x, f"vmap: {label}").shape
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"vmap: in_axes is {axis} for {label}, whose shape is {shape}")
        sizes[label] = f"{shape[axis]} along axis {axis}", shape[axis]
    if not sizes:
        raise ValueError("vmap: no argument is mapped: in_axes needs an integer for one that holds an array")
    if len({n for _, n in sizes.values()}) > 1:
        found = ", ".join([f"{label} has {text}" for label, (text, _) in sizes.items()])
        raise ValueError(f"vmap: the examples differ in number: {found}")
    return next(n for _, n in sizes.values())


def _label(path: str) -> str:
    """A leaf of (args, kwargs) as a user would write it."""
    return f"args{path[3:]}" if path.startswith("[0]") else f"kwargs{path[3:]}"
