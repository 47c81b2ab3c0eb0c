"""Nodes of built-in operations, one class for each arity, and what the engine does for every rule.

The declarations in `declare.py` make a subclass for each operation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import generic, ndarray

from .batching.array import one_by_one
from .function import Function, Node, Parts, Pick, give
from .variable import Variable, as_data, info_of, is_inexact, tie, wrap

Rule = Callable[..., Any]

# ---- what the engine does for every rule --------------------------------------------------------------------


@lru_cache(4096)
def _summed_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    extra = len(shape) - len(target)
    axes = tuple([i for i, n in enumerate(shape) if i < extra or target[i - extra] != n])
    return axes, axes == tuple(range(extra))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an operand of this shape was broadcast."""
    if g.shape == shape:
        return g
    axes, leading = _summed_axes(g.shape, shape)
    if type(g) is ndarray:  # np.add.reduce is what ndarray.sum calls, and what other array libraries lack
        return np.add.reduce(g, axes) if leading else np.add.reduce(g, axes, keepdims=True).reshape(shape)
    return g.sum(axes) if leading else g.sum(axes, keepdims=True).reshape(shape)


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """x broadcast to shape."""
    if x.shape == shape:
        return x
    if isinstance(x, (ndarray, generic)):
        z = np.empty(shape, x.dtype)
        z[...] = x
        return z
    return np.broadcast_to(x, shape)


# ---- nodes, one class for each arity ------------------------------------------------------------------------


class Operation(Node):
    """A recorded call of a declared operation."""

    __slots__ = ()
    pulls: Any  # a rule for each input
    pushes: Any
    holomorphic = True  # complex data: the pull-back is the conjugate of the rule
    below: tuple[int, ...] = ()  # the places of operands whose product with the result gives the other: y in x / y
    matrix_function = False  # a power series of square matrices
    elementwise = False  # a zero in the cotangent gives a zero in the same place, whatever the derivative
    op: Callable[..., Any]
    shapes: Any = None  # of the inputs and the result, where broadcasting has to be undone
    args: tuple[Any, ...] = ()
    kwargs: Any = MappingProxyType({})

    # An instance that a user makes, `wg.Sin()`, is no recorded call: it has no serial number, and marks the
    # nodes of its calls as its own.

    def __call__(self, *inputs: Any) -> Any:
        if type(self) is not self.op.node:  # type: ignore[attr-defined]
            return super().__call__(*inputs)  # a subclass with rules of its own
        if hasattr(self, "serial"):
            raise TypeError(f"this {type(self).__name__} is a recorded call; make an instance of its class to call")
        handles = tuple([v if isinstance(v, Variable) else wrap(as_data(v), None) for v in inputs])
        y = self.op(*handles, *self.args, **self.kwargs)
        info = info_of(self)
        info.inputs, info.handle = handles, weakref.ref(y)
        if y._node is not None:
            info_of(y._node).creator = self
        return y

    def forward(self, *xs: Any) -> Any:
        return self.op(*xs, *self.args, **self.kwargs)

    def backward(self, *gys: Any) -> Any:
        if hasattr(self, "serial"):
            return super().backward(*gys)
        return Node.backward(self.output._node, *gys)

    @property
    def inputs(self) -> tuple[Variable, ...]:  # type: ignore[override]
        if hasattr(self, "serial"):
            return super().inputs
        return self.__dict__["inputs"] if hasattr(self, "__dict__") else info_of(self).inputs

    @property
    def outputs(self) -> tuple[Variable, ...]:
        if hasattr(self, "serial"):
            return super().outputs
        if hasattr(self, "__dict__"):
            return Function.outputs.fget(self)  # type: ignore[attr-defined]
        y = info_of(self).handle and info_of(self).handle()
        if y is None:
            raise RuntimeError(f"{type(self).__name__}.output: nobody holds it, or there was no call yet")
        return (y,)

    def _operands(self, graph: bool) -> tuple[Any, ...]:
        saved = self.saved()
        return tuple(map(tie, saved, (self, *self.parents))) if graph else saved

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        operands = self._operands(graph)
        conjugate = self.holomorphic and g.dtype.kind == "c"
        if conjugate:
            g = np.conj(g)
        for i, p in enumerate(self.parents):
            if p is None:
                continue
            if apply is not None and self.elementwise:
                t = apply(self.pulls[i], g, operands, self.args, self.kwargs)
            else:
                t = one_by_one(self.pulls[i], g, *operands, *self.args, **self.kwargs)
            if conjugate:
                t = np.conj(t)
            yield p, t if self.shapes is None else unbroadcast(t, self.shapes[i])

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        total = None
        for i, p in enumerate(self.parents):
            t = None if p is None else tangents.get(p)
            if t is None:
                continue
            if apply is not None and self.elementwise:
                t = apply(self.pushes[i], t, self._operands(graph), self.args, self.kwargs)
            else:
                t = one_by_one(self.pushes[i], t, *self._operands(graph), *self.args, **self.kwargs)
            total = t if total is None else total + t
        if total is not None:
            tangents[self] = total if self.shapes is None else spread(total, self.shapes[-1])


class Unary(Operation):
    """An elementwise operation of one array."""

    __slots__ = ("p", "x", "z")
    p: Any
    x: Any
    z: Any
    parents = property(lambda self: (self.p,))  # type: ignore[assignment]
    q = None

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x


class Binary(Operation):
    """An operation of two arrays that broadcast against each other."""

    __slots__ = ("p", "q", "shapes", "x", "y", "z")
    p: Any
    q: Any
    x: Any
    y: Any
    z: Any
    parents = property(lambda self: (self.p, self.q))  # type: ignore[assignment]

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x, self.y


class Linear(Operation):
    """A function of one array with other arguments."""

    __slots__ = ("args", "kwargs", "p", "x", "z")
    p: Any
    x: Any
    z: Any
    pull: Rule
    parents = property(lambda self: (self.p,))  # type: ignore[assignment]
    q = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        t = self.pull(g, self.z, self.x, *self.args, **self.kwargs)
        p = self.p
        if p in cotangents:
            give(cotangents, p, t)
        else:
            cotangents[p] = t


class General(Operation):
    """A function of any number of arrays with other arguments, given by keyword."""

    __slots__ = ("kwargs", "parents", "shapes", "xs", "z")
    xs: tuple[Any, ...]
    z: Any

    def saved(self) -> tuple[Any, ...]:
        return self.z, *self.xs


class Several(Operation):
    """A function of any number of arrays with several results, which are all saved."""

    __slots__ = ("kwargs", "parents", "xs", "zs")
    holomorphic = False
    xs: tuple[Any, ...]
    zs: tuple[Any, ...]

    def saved(self) -> tuple[Any, ...]:
        return None, *self.xs

    def _read(self, graph: bool) -> tuple[Any, Any]:
        if not graph:
            return self.zs, self.xs
        zs = tuple([tie(z, Pick(self, k)) if is_inexact(z) else z for k, z in enumerate(self.zs)])
        return zs, tuple(map(tie, self.xs, self.parents))

    @property
    def outputs(self) -> tuple[Variable, ...]:
        return tuple([wrap(z, Pick(self, k) if is_inexact(z) else None) for k, z in enumerate(self.zs)])

    def backward(self, *gys: Any) -> Any:
        if len(gys) != len(self.zs):
            raise TypeError(f"{type(self).__name__}.backward: expected {len(self.zs)} cotangents, got {len(gys)}")
        graph = any([isinstance(g, Variable) for g in gys])
        gs = [g if g is None or isinstance(g, Variable) else np.asarray(g) for g in gys]
        table = [t for _, t in self.cotangents(gs, graph)]
        return table[0] if len(table) == 1 else tuple(table)

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        zs, xs = self._read(graph)
        gs = [np.zeros_like(z) if t is None else t for t, z in zip(g, self.zs, strict=True)]
        for i, p in enumerate(self.parents):
            if p is not None:
                yield p, one_by_one(self.pulls[i], gs, zs, *xs, **self.kwargs)

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        zs, xs = self._read(graph)
        total: Any = None
        for i, p in enumerate(self.parents):
            t = None if p is None else tangents.get(p)
            if t is not None:
                ts = one_by_one(self.pushes[i], t, zs, *xs, **self.kwargs)
                total = ts if total is None else [a + b for a, b in zip(total, ts, strict=True)]
        if total is not None:
            tangents[self] = Parts(total)
