"""Reverse mode: from the gradient of a result to those of everything it was computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy import ndarray

from .function import give
from .recording import Mode, Recorder, recorded, recording
from .variable import UNHELD, Info, Variable, as_cotangent, data_of, describe, info_of, is_inexact, references, wrap

_serial = attrgetter("serial")


def history(nodes: Iterable[Any], since: int = 0) -> list[Any]:
    """These nodes and all that they were computed from, as far back as serial number `since`, in order."""
    order = list(dict.fromkeys(nodes))
    seen = {None, *order}
    for n in order:  # grows while it is walked
        for p in n.parents:
            if p not in seen and p.serial >= since:
                seen.add(p)
                order.append(p)
    return sorted(order, key=_serial)


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
    given = getattr(node, "info", _NO_INFO).seed
    seed = np.ones(y._data.shape, y._data.dtype) if given is None else data_of(given)
    if create_graph:
        seed = given if isinstance(given, Variable) else wrap(seed, None)
        with recorded():
            _walk_variables(history((node,)), {node: seed}, given, retain_graph)
    else:
        _walk(history((node,)), node, seed, given is not None, retain_graph)


_NO_INFO = Info()


def _walk(order: list[Any], root: Any, seed: Any, given: bool, retain_graph: bool) -> None:
    """On arrays: hand every node its cotangent; leave gradients where somebody holds a Variable."""
    cotangents, mode, count, unheld = {root: seed}, recording(), references, UNHELD
    plain = None if isinstance(mode, Recorder) or seed.dtype.kind == "c" else seed.dtype  # what needs no further care
    for n in reversed(order):
        g = cotangents.pop(n, None)
        if g is None:
            continue
        if g.dtype is plain:
            n.back(g, cotangents)
        else:
            if isinstance(mode, Recorder):
                mode.pulled(n, g)
            (n.back_generic if g.dtype.kind == "c" else n.back)(g, cotangents)
        if count(n.serial) != unheld and not (given and n is root):
            _deposit(n, g, count(g) > _ALONE, order)
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


def _walk_variables(order: list[Any], cotangents: dict[Any, Any], given: Any, retain_graph: bool) -> None:
    """The same on Variables, so that the gradients can be differentiated again."""
    for n in reversed(order):
        g = cotangents.pop(n, None)
        if g is None:
            continue
        if references(n.serial) != UNHELD and (given is None or n is not order[-1]):
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
