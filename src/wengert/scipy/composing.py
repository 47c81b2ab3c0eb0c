"""SciPy functions that stay outside NumPy's protocols: value by SciPy, derivative by a composition of NumPy calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .. import declare, forward, reverse
from ..batching.array import by_example
from ..recording import recorded
from ..variable import Variable, wrap


def apart(name: str, where: str, make: Callable[[], Any]) -> Any:
    """What `make` declares, kept out of the table of NumPy's operations, which has names of its own."""
    before = declare.OPERATIONS.get(name)
    op = make()
    del declare.OPERATIONS[name]
    if before is not None:
        declare.OPERATIONS[name] = before
    return documented(op, name, where)


def documented(op: Any, name: str, where: str) -> Any:
    """op, under SciPy's name."""
    op.__name__ = op.__qualname__ = name
    op.__module__ = f"wengert.scipy.{where}"
    op.__doc__ = f"`scipy.{where}.{name}` for arrays and Variables. Differentiable."
    return op


def composed(function: Any, where: str, check: Callable[[dict[str, Any]], None] | None = None) -> Callable[[Any], Any]:
    """Stand for a SciPy function; decorates a composition with the same parameters.

    The value is SciPy's, bit for bit. The composition is written in differentiable calls and gives the same up to
    rounding, or a tuple of results with None for those that have no derivative; it is run for derivatives only.

    Args:
        check: raises for arguments (by name, defaults left out) of a tracked call that have no rule.
    """
    name = function.__name__
    signature = inspect.signature(function)

    def declare_composition(composition: Any) -> Any:
        op = apart(name, where, lambda: declare.several(name, _value, declare._Each(_pull), declare._Each(_push)))

        def call(*args: Any, **kwargs: Any) -> Any:
            found: list[Any] = []
            places = _places((args, kwargs), found)
            tracked = tuple([isinstance(x, Variable) for x in found])
            if not any(tracked):
                return function(*args, **kwargs)
            args, kwargs = _kept(signature, *places)
            bound = signature.bind(*args, **kwargs)
            if isinstance(bound.arguments.get("output"), _Here):  # a dtype is no array
                raise TypeError(f"{name}: output= would write a tracked result into a plain array; leave it out")
            if check is not None:
                check(signature.bind(*_rebuilt(places[0], found), **_rebuilt(places[1], found)).arguments)
            mine = (bound.args, bound.kwargs)
            if not any([p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()]):
                mine = (), _named(signature, bound.arguments)
            box: list[Any] = []
            run = _Run(function, (args, kwargs), composition, mine, tracked, box)
            parts = iter(op(*found, run=run))
            (result,) = box
            if not isinstance(result, tuple):
                return next(parts)
            return tuple([next(parts) if _has_derivative(part) else part for part in result])

        return documented(by_example(call), name, where)

    return declare_composition


def _kept(signature: inspect.Signature, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments without `overwrite_*`: what the graph holds is not overwritten."""
    names = list(signature.parameters)
    args = tuple([False if i < len(names) and _overwrites(names[i]) else x for i, x in enumerate(args)])
    return args, {k: v for k, v in kwargs.items() if not _overwrites(k)}


def _overwrites(name: str) -> bool:
    return name.startswith("overwrite_")


def _named(signature: inspect.Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name, for the composition."""
    named = {k: v for k, v in arguments.items() if not _overwrites(k)}
    for name, p in signature.parameters.items():
        if p.kind is p.VAR_KEYWORD:
            named |= named.pop(name, {})
    return named


class _Run:
    """One call: what SciPy's function and the composition are given, and which arrays are tracked."""

    def __init__(self, *state: Any) -> None:
        self.function, self.given, self.composition, self.mine, self.tracked, self.box = state


def _has_derivative(part: Any) -> bool:
    return isinstance(part, (ndarray, np.generic, float, complex)) and np.asarray(part).dtype.kind in "fc"


def _value(*xs: Any, run: _Run) -> Any:
    args, kwargs = _rebuilt(run.given, xs)
    result = run.function(*args, **kwargs)
    run.box[:] = [result]
    parts = result if isinstance(result, tuple) else (result,)
    return tuple([np.asarray(p)[()] if isinstance(p, float) else p for p in parts if _has_derivative(p)])


def _traced(run: _Run, zs: Any, xs: Any) -> tuple[list[Any], list[Any]]:
    """The arguments as Variables of their own, and for each result what the composition makes of them."""
    with recorded():
        vs = [reverse.argument(x) if t else x for x, t in zip(xs, run.tracked, strict=True)]
        args, kwargs = _rebuilt(run.mine, vs)
        y = run.composition(*args, **kwargs)
    ys = [part for part in (y if isinstance(y, tuple) else (y,)) if part is not None]
    return vs, [part if isinstance(part, Variable) and part._node is not None else None for part in ys]


def _pull(i: int, gs: Any, zs: Any, xs: Any, *, run: _Run) -> Any:
    vs, ys = _traced(run, zs, xs)
    graph = any([isinstance(g, Variable) for g in (*gs, *xs)])
    pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y is not None and y.size]
    if not pairs:
        return vs[i]._array * 0
    seeds = [wrap(g, None) if graph and not isinstance(g, Variable) else g for _, g in pairs]
    (t,) = reverse.pull([y._node for y, _ in pairs], seeds, [vs[i]._node], graph)
    return vs[i]._array * 0 if t is None else t


def _push(i: int, t: Any, zs: Any, xs: Any, *, run: _Run) -> Any:
    vs, ys = _traced(run, zs, xs)
    nodes = [y._node for y in ys if y is not None]
    graph = any([isinstance(x, Variable) for x in (t, *xs)])
    t = wrap(t, None) if graph and not isinstance(t, Variable) else t
    found = dict(zip(nodes, forward.push(nodes, [vs[i]._node], [t], graph), strict=True)) if nodes else {}
    ts = [None if y is None else found.get(y._node) for y in ys]
    return tuple([np.zeros_like(z) if u is None else u for u, z in zip(ts, zs, strict=True)])


# ---- arrays and Variables anywhere in the arguments ---------------------------------------------------------


class _Here:
    """The place of an array or Variable, by its number."""

    def __init__(self, number: int) -> None:
        self.number = number


def _places(x: Any, found: list[Any]) -> Any:
    """x with its arrays and Variables moved to `found`, in order. Arrays too: what is saved of them is private."""
    if isinstance(x, (Variable, ndarray)):
        found.append(x)
        return _Here(len(found) - 1)
    if isinstance(x, (list, tuple)):
        return type(x)([_places(item, found) for item in x])
    if isinstance(x, dict):
        return {k: _places(item, found) for k, item in x.items()}
    return x


def _rebuilt(places: Any, xs: Any) -> Any:
    if isinstance(places, _Here):
        return xs[places.number]
    if isinstance(places, (list, tuple)):
        return type(places)([_rebuilt(item, xs) for item in places])
    if isinstance(places, dict):
        return {k: _rebuilt(item, xs) for k, item in places.items()}
    return places
