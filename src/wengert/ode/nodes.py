"""Nodes whose derivatives come from running a function again, and what such a function reads besides its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy import ndarray

from .. import forward, reverse
from ..function import Node
from ..recording import Recorder, recorded, recording
from ..saved import fingerprint
from ..variable import Variable, tick, tie, wrap


class Sources(Recorder):
    """Sees which tracked Variables, older than itself, a function reads while it is entered: its closure, its `args`.

    Whatever the function reads arrives here as an operand of some call, in the branch that is taken.
    """

    def __init__(self) -> None:
        self.since = tick()
        self.handles: list[Variable] = []
        self.nodes: list[Any] = []
        self._seen: set[Any] = set()
        self._prints: list[int] = []

    def __enter__(self) -> Self:
        super().__enter__()
        self._outer = True  # whoever observes from outside wants to see the solve, not the calls of each step
        return self

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._look(args)
        return self.run(op, args, kwargs)

    def _look(self, items: Sequence[Any]) -> None:
        for v in items:
            if isinstance(v, Variable):
                n = v._node
                if n is not None and n.serial < self.since and n not in self._seen:
                    self._seen.add(n)
                    self.handles.append(v)
                    self.nodes.append(n)
                    self._prints.append(fingerprint(np.asarray(v._array)))
            elif isinstance(v, (list, tuple)):
                self._look(v)

    def check(self) -> None:
        """Raises RuntimeError if one of them is not what it was: the function would now run on other values."""
        for v, n, was in zip(self.handles, self.nodes, self._prints, strict=True):
            if v._node is not n or fingerprint(np.asarray(v._array)) != was:
                raise RuntimeError(
                    f"solve_ivp: a Variable of shape {v.shape} that the function reads was changed after the call, so "
                    "its derivative would be that of another solution; differentiate before the change, or solve again"
                )


class Recomputed(Node):
    """The value of f(*inputs), known already; f runs again, recorded, when a derivative is asked for."""

    __slots__ = ("f", "parents", "sources", "tolerance", "xs", "z")
    f: Callable[..., Any]
    sources: Sources
    tolerance: tuple[float, float]
    xs: tuple[Any, ...]
    z: ndarray

    def saved(self) -> tuple[Any, ...]:
        return self.z, *self.xs, *[v._array for v in self.sources.handles]

    def rerun(self, graph: bool, *first: Any) -> tuple[Variable, list[Any]]:
        """The result, and the nodes that stand for the parents in this run (None for a constant)."""
        self.sources.check()
        with recorded():
            pairs = list(zip(self.xs, self.parents, strict=False))
            xs = [x if p is None else reverse.argument(tie(x, p)) if graph else Variable(x) for x, p in pairs]
            y = self.f(*first, *xs)
        y = y if isinstance(y, Variable) else wrap(y, None)
        return y, [x._node if isinstance(x, Variable) else None for x in xs] + self.sources.nodes

    def compare(self, y: Variable) -> None:
        """Raises RuntimeError if y is not what the first run gave."""
        rtol, atol = self.tolerance
        if not np.allclose(y._array, self.z, rtol, atol + rtol * np.max(np.abs(self.z), initial=0), equal_nan=True):
            raise RuntimeError(
                "solve_ivp: the function gave other values when it was run again for the derivative; it must be pure, "
                "and the arrays that it reads must not be changed before backward"
            )

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        y, nodes = self.rerun(graph)
        self.compare(y)
        return self._flows(pulled(y, g, nodes, graph))

    def _flows(self, found: list[Any]) -> Iterator[tuple[Any, Any]]:
        return iter([(p, t) for p, t in zip(self.parents, found, strict=True) if p is not None and t is not None])

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        if any([p in tangents for p in self.parents]):
            y, nodes = self.rerun(graph)
            self.compare(y)
            t = self._pushed(y, nodes, tangents, graph)
            if t is not None:
                tangents[self] = t

    def _pushed(self, y: Variable, nodes: list[Any], tangents: dict[Any, Any], graph: bool, *fixed: Any) -> Any:
        """The tangent of y, where those of the parents are given, and some nodes are held fixed."""
        xs, ts = list(fixed), [np.zeros_like(self.z) for _ in fixed]
        for n, p, x in zip(nodes, self.parents, self.saved()[1:], strict=True):
            if n is not None:
                t = tangents.get(p)
                xs.append(n)
                ts.append(np.zeros_like(x) if t is None else t)
        return forward.push([y._node], xs, [_like(t, graph) for t in ts], graph)[0] if y._node is not None else None


class Implicit(Recomputed):
    """The solution z of residual(z, *inputs) = 0, differentiated by the implicit function theorem.

    With J the derivative of the residual by z, the pull-back solves `J.T λ = g` and pulls -λ through the residual;
    the push-forward solves `J tz = -t`. J is dense: one pull for each element of z.
    """

    __slots__ = ("what",)
    what: str

    def _linearized(self, graph: bool) -> tuple[Variable, list[Any], Any, Any]:
        """The residual, the nodes that stand for the parents and for z in it, and J.T (complex: as a real matrix)."""
        with recorded():
            z = reverse.argument(tie(self.z, self)) if graph else Variable(self.z)
        r, nodes = self.rerun(graph, z)
        basis = np.eye(self.z.size, dtype=self.z.dtype)
        if self.z.dtype.kind == "c":
            basis = np.concatenate([basis, 1j * basis])
        columns = [pulled(r, e, [z._node], graph)[0] for e in basis]
        zeros = np.zeros_like(self.z)
        return r, nodes, z._node, np.stack([_real(zeros if c is None else c) for c in columns], 1)

    def _solve(self, a: Any, b: Any) -> Any:
        try:
            v = np.linalg.solve(a, _real(b))
        except np.linalg.LinAlgError:
            raise RuntimeError(f"solve_ivp: {self.what}, so it has no derivative there") from None
        half = self.z.size
        return v[:half] + 1j * v[half:] if self.z.dtype.kind == "c" else v

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        r, nodes, z, transposed = self._linearized(graph)
        found = pulled(r, -self._solve(transposed, g), [z, *nodes], graph)  # z itself is held fixed
        return self._flows(found[1:])

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        if any([p in tangents for p in self.parents]):
            r, nodes, z, transposed = self._linearized(graph)
            t = self._pushed(r, nodes, tangents, graph, z)
            if t is not None:
                tangents[self] = -self._solve(transposed.T, t)


class Underivable(Node):
    """A value whose derivative is an error."""

    __slots__ = ("error", "parents")
    error: Exception

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Any:
        raise self.error

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        if any([p in tangents for p in self.parents]):
            raise self.error


def pulled(y: Variable, g: Any, nodes: Sequence[Any], graph: bool) -> list[Any]:
    """What flows from y to each of these nodes; None where nothing does, and for None."""
    wanted = [n for n in nodes if n is not None]
    if y._node is None or not wanted:
        return [None] * len(nodes)
    found = iter(reverse.pull([y._node], [_like(g, graph)], wanted, graph))
    return [None if n is None else next(found) for n in nodes]


def _like(t: Any, graph: bool) -> Any:
    return wrap(t, None) if graph and not isinstance(t, Variable) else t


def _real(v: Any) -> Any:
    """v as real numbers."""
    return np.concatenate([np.real(v), np.imag(v)]) if v.dtype.kind == "c" else v


def linked(cls: type[Node], value: ndarray, parents: Sequence[Any], name: str, **slots: Any) -> Variable:
    """`value` on a new node of class `cls`; a call of its own to whoever observes the calls."""

    def op(*handles: Any) -> Variable:
        mode = recording()
        if mode is not True:
            return wrap(value, None) if mode is False else mode.call(op, handles, {})
        n: Any = object.__new__(cls)
        n.serial, n.parents = tick(), tuple([v._node if isinstance(v, Variable) else None for v in handles])
        for slot, x in slots.items():
            setattr(n, slot, x)
        return wrap(value, n)

    op.__name__ = name
    return op(*parents)


def recompute(
    f: Callable[..., Any], inputs: Sequence[Any], sources: Sources, value: ndarray, tolerance: tuple[float, Any]
) -> Variable:
    """`value`, which is f(*inputs) within the tolerance, differentiable by the inputs and by what f reads besides."""
    xs = tuple([x._array if isinstance(x, Variable) else x for x in inputs])
    parents = [*inputs, *sources.handles]
    return linked(Recomputed, value, parents, "solve_ivp", f=f, xs=xs, sources=sources, tolerance=tolerance, z=value)


def implicit(residual: Callable[..., Any], z: ndarray, inputs: Sequence[Any], what: str) -> Variable:
    """z, which solves residual(z, *inputs) = 0, differentiable by the inputs and by what the residual reads besides.

    `what` says in words what it means that there is no derivative.
    """
    xs = tuple([x._array if isinstance(x, Variable) else x for x in inputs])
    sources = Sources()
    with sources:
        residual(z, *xs)
    parents = [*inputs, *sources.handles]
    return linked(
        Implicit, z, parents, "solve_ivp", f=residual, xs=xs, sources=sources, tolerance=(0, 0), z=z, what=what
    )
