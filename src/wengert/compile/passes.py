"""Rewriting a list into a shorter one that means the same, in every bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .program import Check, Node, Program, Update, evaluate, live, value_of
from .traced import broadcast, cast, is_whole, reshaped, transposed

FOLDED = 1 << 12  # bytes up to which what depends on constants alone is computed once


def simplified(program: Program, constants: dict[int, Any] | None = None) -> tuple[Program, list[int]]:
    """The list without what no root needs, with the simplest nodes; and which inputs are left, by position.

    Args:
        constants: inputs that turned out to be the same at each call, by position.
    """
    new, made, kept = Program(), {}, []
    for node in live([*program.roots, *[u.input for u in program.updates]]):
        if node.op == "input":
            if constants and node.attributes in constants:
                made[node.index] = new.constant(constants[node.attributes])
                continue
            kept.append(node.attributes)
            z = new.input(node.shape, node.dtype)
        else:
            z = _simplest(new, node, tuple([made[x.index] for x in node.inputs]))
        z.line = z.line or node.line
        made[node.index] = z
    new.outputs = [made[n.index] for n in program.outputs]
    new.updates = [Update(made[u.input.index], made[u.node.index]) for u in program.updates]
    new.checks = [Check(made[c.node.index], c.value, c.line) for c in program.checks]
    return new, kept


def _simplest(program: Program, node: Node, xs: tuple[Node, ...]) -> Node:
    if (
        xs
        and node.op != "call"
        and all([x.op == "constant" for x in xs])
        and _size(node) <= FOLDED
        and node.op != "item"
    ):
        with np.errstate(all="ignore"):
            return program.constant(evaluate(node, [value_of(x) for x in xs]))
    rule = _RULES.get(node.op)
    z = rule(program, node, xs) if rule else None
    return z or program.add(node.op, xs, node.attributes, node.shape, node.dtype)


def _size(node: Node) -> int:
    return node.size * node.dtype.itemsize


def _ufunc(program: Program, node: Node, xs: tuple[Node, ...]) -> Node | None:
    """x * 1 and x / 1."""
    if node.attributes in ("multiply", "divide") and len(xs) == 2 and node.dtype.kind == "f":
        for x, y in ((xs[0], xs[1]), (xs[1], xs[0])):
            if (
                x.shape == node.shape
                and x.dtype == node.dtype
                and y.op == "constant"
                and y.size == 1
                and value_of(y) == 1
            ):
                return x
            if node.attributes == "divide":
                break
    return None


def _reshape(program: Program, node: Node, xs: tuple[Node, ...]) -> Node:
    (x,) = xs
    while x.op == "reshape":
        (x,) = x.inputs
    return reshaped(program, x, node.shape)


def _transpose(program: Program, node: Node, xs: tuple[Node, ...]) -> Node:
    (x,), axes = xs, node.attributes
    while x.op == "transpose":
        axes = tuple([x.attributes[a] for a in axes])
        (x,) = x.inputs
    return transposed(program, x, axes)


def _broadcast(program: Program, node: Node, xs: tuple[Node, ...]) -> Node:
    (x,) = xs
    while x.op == "broadcast":
        (x,) = x.inputs
    return broadcast(program, x, node.shape)


def _cast(program: Program, node: Node, xs: tuple[Node, ...]) -> Node:
    (x,) = xs
    while x.op == "cast" and _exact(x.inputs[0].dtype, x.dtype, node.dtype):
        (x,) = x.inputs
    return cast(program, x, node.dtype)


def _exact(a: np.dtype[Any], b: np.dtype[Any], c: np.dtype[Any]) -> bool:
    """Whether numbers of dtype a are the same in c, by way of b and without."""
    if a.kind == b.kind:
        return a.itemsize <= b.itemsize
    if a.kind == "b":
        return True
    # integers too large for c wrap around, and floats do not
    return a.kind in "iu" and a.itemsize <= 4 and b.itemsize >= {"f": 8, "c": 16}.get(b.kind, 99) and c.kind in "fc"


def _slice(program: Program, node: Node, xs: tuple[Node, ...]) -> Node | None:
    return xs[0] if is_whole(node.attributes, xs[0].shape) else None


def _where(program: Program, node: Node, xs: tuple[Node, ...]) -> Node | None:
    if xs[0].op == "constant" and xs[0].size == 1:
        x = xs[1] if bool(value_of(xs[0]).reshape(())) else xs[2]
        return x if x.shape == node.shape else None
    return None


_RULES: dict[str, Callable[[Program, Node, tuple[Node, ...]], Node | None]] = {
    "ufunc": _ufunc, "reshape": _reshape, "transpose": _transpose, "broadcast": _broadcast, "cast": _cast,
    "slice": _slice, "where": _where,
}  # fmt: skip
