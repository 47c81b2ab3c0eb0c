"""Reverse mode: from the gradient of a result to those of everything it was computed from."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import ndarray

from .batching.array import memory
from .declare import elementwise, general
from .function import MANY, NeedsVariables, give
from .recording import Mode, Recorder, recorded, recording
from .variable import UNHELD, Variable, as_cotangent, data_of, describe, info_of, is_inexact, references, wrap

_serial = attrgetter("serial")


def history(nodes: Sequence[Any], since: int = 0, ends: Any = MappingProxyType({})) -> list[Any]:
    """These nodes and all that they were computed from, in order, as far back as serial number `since`.

    Nodes whose serial numbers are keys of `ends` are left out, and what is behind them is not looked for.
    """
    found, order = {**ends, **dict(zip(map(_serial, nodes), nodes, strict=True))}, list(nodes)
    for n in order:  # grows while it is walked
        p, q = n.p, n.q
        if p is not None and (s := p.serial) not in found and s >= since:
            found[s] = p
            order.append(p)
        if q is not None:
            for p in n.parents if q is MANY else (q,):
                if p is not None and (s := p.serial) not in found and s >= since:
                    found[s] = p
                    order.append(p)
    return [*filter(None, map(found.__getitem__, sorted(found)))]


def backward(y: Variable, retain_graph: bool = True, create_graph: bool = False) -> None:
    """Add the gradient of y to `grad` of every Variable that y was computed from and that somebody holds.

    Starts from `y.grad` if the user set it, else from ones of y's shape.

    Args:
        retain_graph: False frees the graph; another pass through it is then an error.
        create_graph: the gradients become Variables that can be differentiated again.

    Raises:
        RuntimeError: y is a constant, or its graph was freed.
    """
    if (node := y._node) is None:
        raise RuntimeError(_why_constant(y))
    seed = _ones(y._array) if (given := getattr(getattr(node, "info", None), "seed", None)) is None else data_of(given)
    if create_graph:
        seed = given if isinstance(given, Variable) else wrap(seed, None)
        order = _differentiable_walk(history((node,)), seed)
    else:
        order = _walk(history((node,)), seed)
    if given is None:
        info = info_of(node)
        info.grad = seed if info.grad is None else info.grad + seed
    if not retain_graph:
        for n in order:
            n.release("freed")


def _ones(z: Any) -> Any:
    return np.ones(z.shape, z.dtype) if z.shape else z.dtype.type(1)


def _walk(order: list[Any], seed: Any, apply: Any = None) -> list[Any]:
    """On arrays: hand every node its cotangent; leave gradients where somebody holds a Variable."""
    cotangents, found, mode = {order[-1]: seed}, [], recording()
    # the dtype of cotangents that need no further care
    plain = None if apply or seed.dtype.kind == "c" or isinstance(mode, Recorder) else seed.dtype
    try:
        with np.errstate(invalid="ignore"):  # 0/0 and 0*inf are looked into below
            for n in reversed(order):
                if (g := cotangents.pop(n, None)) is None:
                    continue
                if g.dtype is plain:
                    n.back(g, cotangents)
                else:
                    if isinstance(mode, Recorder):
                        mode.pulled(n, g)
                    n.back_generic(g, cotangents, False, apply)
                    if isinstance(mode, Recorder):
                        mode.passed(n)
                if references(n.serial) != UNHELD and n is not order[-1]:
                    found.append((n, g))
    except NeedsVariables:
        return _differentiable_walk(order, wrap(np.asarray(seed), None), apply, keep=False)
    if apply is None and any([has_nan(g) for _, g in found]):
        return _walk(order, seed, zero_stays_zero)
    for n, g in found:
        shared = references(g) > _ALONE  # before the call, whose argument is a reference too
        _deposit(n, g, shared, order)
    return order


def has_nan(g: Any) -> bool:
    """Whether g, an array or Variable, holds a NaN (or an infinity, if it is complex)."""
    if type(g) is not ndarray:
        g = memory(g._array if isinstance(g, Variable) else g)
    square = np.vdot(g, g) if isinstance(g, ndarray) else g  # one call, which never warns
    return bool(square != square)


def _deposit(n: Any, g: Any, shared: bool, order: list[Any]) -> None:
    """Leave g as the gradient of the Variable on n: an array of its own, of the Variable's shape and dtype."""
    info = info_of(n)
    v = info.handle and info.handle()
    if v is not None and v._node is n:
        if g.shape != v._array.shape:
            rules = {type(child).__name__ for child in order if n in child.parents}
            raise RuntimeError(
                f"internal error: the gradient of {describe(v)} came out with shape {g.shape}, from one of the rules "
                f"of {', '.join(sorted(rules))}"
            )
        if g.dtype is not v._array.dtype and g.dtype != v._array.dtype:
            g, shared = as_cotangent(g, v._array.dtype), False
    if type(g) is ndarray and (shared or g.base is not None):
        g = g.copy()
    info.grad = g if info.grad is None else info.grad + g


def _alone() -> int:
    for _, g in [(None, np.empty(1))]:
        count = references(g)
    return count


_ALONE = _alone()  # references to an array that only such a list of pairs holds


def _differentiable_walk(order: list[Any], seed: Variable, apply: Any = None, keep: bool = True) -> list[Any]:
    """The same on Variables, so that the gradients can be differentiated again; with keep=False they become arrays."""
    cotangents, found = {order[-1]: seed}, []
    with recorded(), np.errstate(invalid="ignore"):
        for n in reversed(order):
            g = cotangents.pop(n, None)
            if g is None:
                continue
            n.back_generic(g, cotangents, True, apply)
            if references(n.serial) != UNHELD and n is not order[-1]:
                found.append((n, g))
        if apply is None and any([has_nan(g) for _, g in found]):
            return _differentiable_walk(order, seed, zero_stays_zero, keep)
        for n, g in found:
            if not keep:
                _deposit(n, data_of(g), True, order)
                continue
            info = info_of(n)
            v = info.handle and info.handle()
            own = g.astype(v.dtype) if v is not None and g.dtype != v.dtype else wrap(g._array, g._node)
            info.grad = own if info.grad is None else info.grad + own
    return order


def pull(
    ys: Sequence[Any], gs: Sequence[Any], xs: Sequence[Any], graph: bool, apply: Any = None, since: int | None = None
) -> list[Any]:
    """What flows back from the nodes ys, given their cotangents gs, to the nodes xs; None where nothing does.

    Touches no `grad`. On Variables and differentiable where `graph` is set, else on arrays. With `since`, the walk ends
    at nodes that are older, which may be among xs.
    """
    ends = {x.serial: None for x in xs}
    order = history(ys, min(ends) if since is None else since, ends)
    wanted = set(xs)
    reached = set(xs)
    for n in order:
        if n not in reached and any([p in reached for p in n.parents]):
            reached.add(n)
    cotangents: dict[Any, Any] = {}
    for y, g in zip(ys, gs, strict=True):
        give(cotangents, y, g)
    mode = recording()
    try:
        with recorded() if graph else Mode(mode), np.errstate(invalid="ignore"):
            for n in reversed(order):
                if n in wanted or n not in reached or (g := cotangents.pop(n, None)) is None:
                    continue
                if graph or apply is not None or g.dtype.kind == "c" or isinstance(mode, Recorder):
                    if isinstance(mode, Recorder) and not graph:
                        mode.pulled(n, g)
                    n.back_generic(g, cotangents, graph, apply)
                    if isinstance(mode, Recorder) and not graph:
                        mode.passed(n)
                else:
                    n.back(g, cotangents)
    except NeedsVariables:
        gs = [wrap(g if hasattr(g, "dtype") else np.asarray(g), None) for g in gs]
        return [g if g is None else g.data for g in pull(ys, gs, xs, True, apply, since)]
    found = [cotangents.get(x) for x in xs]
    if apply is None and any([g is not None and has_nan(g) for g in found]):
        return pull(ys, gs, xs, graph, zero_stays_zero, since)
    return found


# ---- a zero cotangent contributes exactly zero ----------------------------------------------------------------
# A walk first runs the rules as they are. Only where a NaN comes out is it run again, with this between an
# elementwise rule and its call: 0 times a singular derivative is 0, and a NaN that is really there stays.


def zero_stays_zero(rule: Any, g: Any, operands: Sequence[Any], args: Any, kwargs: Any) -> Any:
    """rule(g, *operands, *args, **kwargs), and 0 where g is 0: on arrays, or on Variables to any order."""
    if not isinstance(g, Variable):
        return _zeroed_value(g, operands=operands, places=(), rule=rule, args=args, kwargs=kwargs)
    places = [i for i, x in enumerate(operands) if isinstance(x, (Variable, ndarray, np.generic))]
    arrays = [operands[i] for i in places]
    return _zeroed(g, *arrays, operands=operands, places=places, rule=rule, args=args, kwargs=kwargs)


def _zeroed_value(g: Any, *arrays: Any, operands: Any, places: Any, rule: Any, args: Any, kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        t = rule(g, *_filled(operands, places, arrays), *args, **kwargs)
    return np.where(g == 0, np.zeros((), t.dtype), t)[()]


def _filled(operands: Any, places: Any, arrays: Any) -> list[Any]:
    filled = list(operands)
    for i, x in zip(places, arrays, strict=True):
        filled[i] = x
    return filled


def _zeroed_rule(
    i: int, t: Any, _z: Any, xs: Any, *, operands: Any, places: Any, rule: Any, args: Any, kwargs: Any
) -> Any:
    """Linear in g: the rule again. In an operand: the rule's own derivative, in which g and t stand linearly."""
    filled = _filled(operands, places, xs[1:])
    if i == 0:
        return zero_stays_zero(rule, t, filled, args, kwargs)
    place = places[i - 1]

    def derivative(g: Any, *filled_and_t: Any) -> Any:
        *filled, t = filled_and_t
        with recorded():
            x = argument(filled[place])
            y = rule(g, *filled[:place], x, *filled[place + 1 :], *args, **kwargs)
        if not isinstance(y, Variable) or y._node is None:
            return t * 0
        graph = any([isinstance(v, Variable) for v in (g, *filled_and_t)])
        h = np.conj(t)
        (gx,) = pull([y._node], [wrap(h, None) if graph and not isinstance(h, Variable) else h], [x._node], graph)
        return t * 0 if gx is None else np.conj(gx)

    return zero_stays_zero(derivative, xs[0], (*filled, t), (), {})


_argument = elementwise(
    None, lambda g, _z, _x: g, name="argument", call=lambda x: x.view() if isinstance(x, ndarray) else x
)


def argument(x: Any) -> Variable:
    """x on a node of its own, linked to the one it has, so that a walk can end there."""
    if isinstance(x, Variable):
        return _argument(x) if x._node is not None else Variable(x._array)
    return Variable(x)


_zeroed = general("zero_stays_zero", _zeroed_value, _zeroed_rule, _zeroed_rule, reads=(False, True))


def _why_constant(y: Variable) -> str:
    if not is_inexact(y):
        return f"backward: {describe(y)} is a constant: integers and booleans have no derivative; use .astype(float)"
    return (
        f"backward: {describe(y)} is a constant: nothing it was computed from is tracked, or it was computed under "
        "no_grad() or from .data"
    )
