"""`checkpoint`: keep the arguments of a function instead of its intermediate results, and compute these again."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import generic, ndarray

from . import forward, reverse, tree
from .function import Node, Parts, Pick
from .recording import recorded, recording
from .saved import fingerprint, watch
from .variable import Leaf, Variable, tick, tie, wrap

_COPIED = 1 << 12  # bytes up to which an argument that somebody may change is copied; above, it is watched


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, for a graph that keeps the arguments of each call and its result, and no intermediate result.

    A derivative runs f once more for each walk (reverse or forward) that passes the call. So a chain of n steps that is
    run as sqrt(n) checkpointed stretches of sqrt(n) steps needs memory for about 2 sqrt(n) steps, and each step runs
    twice; a checkpointed function may call others, for less memory and more runs (Griewank and Walther, Evaluating
    Derivatives, 2nd ed. (2008), chapter 12).

    Arguments and results are anything, arrays in containers included (see `wg.tree`). Variables that f finds in its
    closure get their gradients like arguments. It works in every mode, to any order, with any value of `retain_graph`.

    f has to give the same each time. NumPy Generators among the arguments draw the same numbers again, and are then put
    back to where they were. What f prints or counts, it does twice.

    Raises:
        TypeError: f writes to one of its arguments.
        RuntimeError: in a derivative, if f computes something else than before, reads other Variables, or an array that
            it read (an argument, a constant, the data of a Variable in the closure) was changed in place.

    Example:
        >>> def stretch(x):
        ...     for _ in range(10):
        ...         x = np.sin(x)
        ...     return x
        >>> def chain(x):
        ...     for _ in range(10):
        ...         x = wg.checkpoint(stretch)(x)
        ...     return x
        >>> wg.grad(chain)(1.0)
        array(0.00369862)
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if recording() is False:
            return f(*args, **kwargs)
        return _checkpointed(f, args, kwargs)

    return checkpointed


def _checkpointed(f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    leaves, structure = tree.flatten((args, kwargs))
    random = _states(leaves)
    sources = [x._node if isinstance(x, Variable) else None for x in leaves]
    run = _Run(f, structure, [x if p is None else Variable(x._array) for x, p in zip(leaves, sources, strict=True)])
    if not run.ys:
        return run.result.unflatten(run.leaves)
    n = Checkpoint(f, structure, leaves, sources, run, random)
    results = list(run.leaves)
    for k, (place, z) in enumerate(zip(run.places, n.zs, strict=True)):
        whole = run.ys[k] in run.xs  # an argument itself, whose array is the caller's
        results[place] = wrap(z.copy() if whole else z, Pick(n, k))
    return run.result.unflatten(results)


class _Run:
    """One run of f, apart from the graph around it: arguments are nodes of their own, and `outside` are those met."""

    def __init__(self, f: Callable[..., Any], structure: tree.Structure, given: Sequence[Any], since: int = 0) -> None:
        self.since = since or min([v._node.serial for v in given if _tracked(v)], default=tick())
        self.xs = [v._node if _tracked(v) else None for v in given]
        args, kwargs = structure.unflatten(given)
        with recorded():
            self.leaves, self.result = tree.flatten(f(*args, **kwargs))
        for v, x in zip(given, self.xs, strict=True):
            if isinstance(v, Variable) and v._node is not x:
                raise TypeError(f"checkpoint: {_name(f)} writes to one of its arguments; let it write to a copy")
        self.places = [i for i, y in enumerate(self.leaves) if _tracked(y) and y._node.serial >= self.since]
        self.ys = [self.leaves[i]._node for i in self.places]
        self.zs = [self.leaves[i]._array for i in self.places]
        own = {x for x in self.xs if x is not None}
        inner = [n for n in reverse.history(self.ys, self.since) if n not in own]
        outside = [p for n in inner for p in n.parents if p is not None and p.serial < self.since]
        self.outside = list(dict.fromkeys(outside))
        self.constants = hash(tuple([_constants(n) for n in inner]))


def _tracked(v: Any) -> bool:
    return isinstance(v, Variable) and v._node is not None


def _name(f: Any) -> str:
    return getattr(f, "__qualname__", type(f).__name__)


def _constants(n: Any) -> tuple[Any, ...]:
    """A node's operation, and fingerprints of what its rules read that no Variable holds."""
    pairs = zip(n.parents, n.saved()[1:], strict=False)
    read = [x for p, x in pairs if p is None], getattr(n, "args", ()), list(getattr(n, "kwargs", {}).values())
    return type(n).__name__, *[fingerprint(np.asarray(x)) for x in tree.leaves(read) if isinstance(x, _values)]


_values = (ndarray, generic, float, int, complex)


class Checkpoint(Node):
    """A call whose intermediate results were dropped. Its parents are the arguments, then what the closure holds."""

    __slots__ = ("closure", "constants", "f", "given", "parents", "random", "structure", "zs")

    def __init__(
        self, f: Any, structure: tree.Structure, leaves: list[Any], sources: list[Any], run: _Run, random: list[Any]
    ) -> None:
        self.serial = tick()
        self.f = f
        self.random = random  # generators and their states before the call
        self.structure = structure
        self.parents = (*sources, *run.outside)
        self.given = [self._own(x, p) for x, p in zip(leaves, sources, strict=True)]
        self.zs = run.zs
        self.constants = run.constants
        held = [(p, p.info.handle()) for p in run.outside if isinstance(p, Leaf)]
        self.closure = [(p, weakref.ref(v), _print(v)) for p, v in held if v is not None]

    def _own(self, x: Any, p: Any) -> Any:
        """What to keep of an argument, so that it cannot change unseen: the array, where p is its node."""
        a = x._array if isinstance(x, Variable) else x
        if type(a) is ndarray and (p is None or p.leaf or a.base is not None):
            a = a.copy() if a.nbytes <= _COPIED else watch(self, a)
        return wrap(a, None) if isinstance(x, Variable) and p is None else a

    def saved(self) -> tuple[Any, ...]:
        return (None,) * (1 + len(self.parents))

    def _again(self, graph: bool) -> _Run:
        """The run once more, on the arguments' values or (graph) linked to their nodes."""
        for v, was in [(v, was) for p, ref, was in self.closure if (v := ref()) is not None and v._node is p]:
            if _print(v) != was:
                raise RuntimeError(
                    f"checkpoint: the data of a Variable of shape {v.shape} that {_name(self.f)} reads was changed "
                    "before its derivative was computed, which would be wrong; change it afterwards"
                )
        since = tick()
        given = [
            x if p is None else reverse.argument(tie(x, p)) if graph else Variable(x)
            for x, p in zip(self.given, self.parents, strict=False)
        ]
        now = _states(self.given)
        _set(self.random)
        try:
            run = _Run(self.f, self.structure, given, since)
        finally:
            _set(now)
        if set(run.outside) != set(self.parents[len(given) :]):
            raise RuntimeError(
                f"checkpoint: {_name(self.f)} read other Variables when it was run again, so that its derivative would "
                "be wrong; pass them as arguments"
            )
        same = len(run.zs) == len(self.zs) and all(map(_same, run.zs, self.zs))
        if not same or run.constants != self.constants:
            raise RuntimeError(
                f"checkpoint: {_name(self.f)} computed something else when it was run again, so that its derivative "
                "would be wrong. It drew random numbers from a generator that is no argument, or read something that "
                "has changed; make that an argument"
            )
        return run

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        run = self._again(graph)
        ys, gs = zip(*[(y, t) for y, t in zip(run.ys, g, strict=True) if t is not None], strict=True)
        given = len(run.xs)
        ends = {i: run.xs[i] if i < given else p for i, p in enumerate(self.parents) if p is not None}
        found = reverse.pull(ys, gs, list(ends.values()), graph, apply, run.since)
        for i, t in zip(ends, found, strict=True):
            if t is not None:
                yield self.parents[i], t

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        moving = {i: tangents[p] for i, p in enumerate(self.parents) if p is not None and p in tangents}
        if not moving:
            return
        run = self._again(graph)
        given = len(run.xs)
        xs = [run.xs[i] if i < given else self.parents[i] for i in moving]
        found = forward.push(run.ys, xs, list(moving.values()), graph, apply, run.since)
        tangents[self] = Parts(found)


def _states(leaves: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The random generators among the arguments, each with its state."""
    return [(x.bit_generator, x.bit_generator.state) for x in leaves if isinstance(x, np.random.Generator)]


def _set(states: Sequence[tuple[Any, Any]]) -> None:
    for bits, state in states:
        bits.state = state


def _print(v: Variable) -> tuple[Any, ...]:
    return v.shape, v.dtype, fingerprint(np.asarray(v._array))


def _same(a: Any, b: Any) -> bool:
    """Whether two results are one up to rounding."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not isinstance(a, (ndarray, generic)) or np.array_equal(a, b, equal_nan=True):
        return True
    scale = np.max(np.abs(b), initial=0, where=np.isfinite(b))
    return bool(np.allclose(a, b, rtol=0, atol=64 * np.finfo(b.dtype).eps * scale, equal_nan=True))
