"""Reverse mode: from the gradient of a result to those of everything it was computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy import ndarray

from .function import give
from .recording import Mode, Recorder, recorded, recording
from .variable import UNHELD, Variable, as_cotangent, describe, info_of, is_inexact, references, wrap

_serial = attrgetter("serial")


def history(nodes: Iterable[Any], since: int = 0) -> list[Any]:
    """These nodes and all that they were computed from, as far back as serial number `since`, in order."""
    order = list(dict.fromkeys(nodes))
    seen = {None, *order}
    for n in order:  # grows while it is walked
        arity = n.arity
        if arity == 0:
            parents = n.parents
        else:
            p = n.p
            if p not in seen and p.serial >= since:
                seen.add(p)
                order.append(p)
            if arity == 1:
                continue
            parents = (n.q,)
        for p in parents:
            if p not in seen and p.serial >= since:
                seen.add(p)
                order.append(p)
    order.sort(key=_serial)
    return order


def backward(y: Variable, retain_graph: bool = True, create_graph: bool = False) -> None:
    """Add the gradient of y to `grad` of every Variable that y was computed from and that somebody holds.

    Starts from `y.grad` if the user set it, else from ones of y's shape.

    Args:
        retain_graph: False frees the graph on the way; another pass through it is then an error.
        create_graph: the gradients become Variables that can be differentiated again.

    Raises:
        RuntimeError: y is a constant, or its graph was freed.
    """
    node = y._node
    if node is None:
        raise RuntimeError(_why_constant(y))
    seed = getattr(node, "info", None)
    seed = None if seed is None else seed.seed
    seeded = node if seed is not None else None
    if seed is None:
        seed = np.ones(y._data.shape, y._data.dtype)
    order = history((node,))
    if create_graph:
        with recorded():
            seed = seed if isinstance(seed, Variable) else wrap(seed, None)
            _walk_variables(order, {node: seed}, seeded, retain_graph)
        return
    mode = recording()
    if isinstance(seed, Variable):
        seed = seed._data
    _walk(order, {node: seed}, seeded, retain_graph, mode if isinstance(mode, Recorder) else None)


def _walk(order: list[Any], cotangents: dict[Any, Any], seeded: Any, retain_graph: bool, recorder: Any) -> None:
    """On arrays: hand every node its cotangent; leave gradients where somebody holds a Variable."""
    take = cotangents.pop
    count, unheld = references, UNHELD
    real = None  # the latest dtype seen, while it is not complex: comparing by identity is cheaper
    for n in reversed(order):
        g = take(n, None)
        if g is None:
            continue
        if count(n.serial) != unheld and n is not seeded:
            _deposit(n, g, count(g) > _ALONE, order)
        if recorder is not None:
            recorder.pulled(n, g)
        if g.dtype is real:
            n.back(g, cotangents)
        elif g.dtype.kind == "c":
            n.back_generic(g, cotangents)
        else:
            real = g.dtype
            n.back(g, cotangents)
        if not retain_graph:
            n.release("freed")


def _deposit(n: Any, g: Any, shared: bool, order: list[Any]) -> None:
    """Leave g as the gradient of the Variable on n: an array of its own, of the Variable's shape and dtype."""
    info = info_of(n)
    v = info.handle and info.handle()
    if v is not None and v._node is n:
        if g.shape != v._data.shape:
            rules = {type(child).__name__ for child in order if n in child.parents}
            raise RuntimeError(
                f"internal error: the gradient of {describe(v)} came out with shape {g.shape}, from one of the rules "
                f"of {', '.join(sorted(rules))}"
            )
        if g.dtype != v._data.dtype:
            g, shared = as_cotangent(g, v._data.dtype), False
    if type(g) is ndarray and (shared or g.base is not None):
        g = g.copy()
    info.grad = g if info.grad is None else info.grad + g


def _alone() -> int:
    g = np.empty(1)
    return references(g)


_ALONE = _alone()  # references to an array that only one local name holds


def _walk_variables(order: list[Any], cotangents: dict[Any, Any], seeded: Any, retain_graph: bool) -> None:
    """The same on Variables, so that the gradients can be differentiated again."""
    for n in reversed(order):
        g = cotangents.pop(n, None)
        if g is None:
            continue
        if references(n.serial) != UNHELD and n is not seeded:
            info = info_of(n)
            v = info.handle and info.handle()
            own = g.astype(v.dtype) if v is not None and g.dtype != v.dtype else wrap(g._data, g._node)
            info.grad = own if info.grad is None else info.grad + own
        n.back_generic(g, cotangents, True)
        if not retain_graph:
            n.release("freed")


def pull(ys: Sequence[Any], gs: Sequence[Any], xs: Sequence[Any], graph: bool) -> list[Any]:
    """What flows back from the nodes ys, given their cotangents gs, to the nodes xs; None where nothing does.

    Touches no `grad`. On Variables and differentiable where `graph` is set, else on arrays.
    """
    order = history(ys, min([x.serial for x in xs]))
    wanted = set(xs)
    reached = set(xs)
    for n in order:
        if n not in reached and any([p in reached for p in n.parents]):
            reached.add(n)
    cotangents: dict[Any, Any] = {}
    for y, g in zip(ys, gs, strict=True):
        give(cotangents, y, g)
    found: dict[Any, Any] = {}
    mode = recording()
    with recorded() if graph else Mode(mode):
        for n in reversed(order):
            g = cotangents.pop(n, None)
            if g is None or n not in reached:
                continue
            if n in wanted:
                found[n] = g
            elif isinstance(mode, Recorder) and not graph:
                mode.pulled(n, g)
                n.back_generic(g, cotangents, False)
            elif graph or g.dtype.kind == "c":
                n.back_generic(g, cotangents, graph)
            else:
                n.back(g, cotangents)
    return [found.get(x) for x in xs]


def _why_constant(y: Variable) -> str:
    if not is_inexact(y):
        return f"backward: {describe(y)} is a constant: integers and booleans have no derivative; use .astype(float)"
    return (
        f"backward: {describe(y)} is a constant: nothing it was computed from is tracked, or it was computed under "
        "no_grad() or from .data"
    )
