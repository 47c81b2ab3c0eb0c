"""The list in the forms that there is native code for: shorter, and without a change of any value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import neural, picks
from .program import Call, Check, Node, Program, Update, evaluate, live, value_of

FOLDED = 4096  # the largest constant that is computed beforehand
PIECES = 8  # the most parts of a concatenation that is chosen from, part by part


def uniform(node: Node) -> Any:
    """The one value that all elements of a constant have, bit for bit; else None."""
    if node.op == "broadcast":
        return uniform(node.inputs[0])
    if node.op != "constant" or node.size == 0:
        return None
    data, size = node.attributes, node.dtype.itemsize
    if data[:size] != data[-size:] or data != data[:size] * node.size:
        return None
    return value_of(node).reshape(-1)[0]


def simplified(program: Program) -> Program:
    """A program of the same inputs, outputs, updates and checks."""
    new = Program()
    made: dict[int, Node] = {}
    for x in program.inputs:
        made[x.index] = new.input(x.shape, x.dtype)
    nodes = live(program.roots)
    part_of = _positive(program, nodes)
    whole = set(part_of.values())
    for node in nodes:
        inputs = tuple([made[x.index] for x in node.inputs])
        if node.op == "input":
            continue
        if node.index in part_of:
            z = made[part_of[node.index]]
        elif node.index in whole:
            function, args, kwargs = node.attributes
            z = new.add("call", inputs, Call(neural.Positive(function), args, kwargs), node.shape, node.dtype)
        else:
            z = _simple(new, node, inputs)
        made[node.index] = z
        z.line = z.line or node.line
    new.outputs = [made[n.index] for n in program.outputs]
    new.updates = [Update(made[u.input.index], made[u.node.index]) for u in program.updates]
    new.checks += [Check(made[c.node.index], c.value, c.line) for c in program.checks]
    return new


def _positive(program: Program, nodes: list[Node]) -> dict[int, int]:
    """Positive parts of convolutions of which nothing else is asked but whether they are positive: they are one call.

    The part's index, and that of the convolution.
    """
    readers: dict[int, list[Node]] = {node.index: [] for node in nodes}
    for node in nodes:
        for x in node.inputs:
            readers[x.index].append(node)
    roots = {node.index for node in program.roots}
    found: dict[int, int] = {}
    for node in nodes:
        if node.op != "call" or node.index in roots:
            continue
        names = {r.attributes for r in readers[node.index] if r.op == "ufunc" and _with_zero(r, node)}
        alone = all([r.op == "ufunc" and _with_zero(r, node) for r in readers[node.index]])
        if alone and "maximum" in names and names <= {"maximum", "greater"}:
            known = neural.native(node)
            if known is not None and known.kernels.sums:
                found |= {r.index: node.index for r in readers[node.index] if r.attributes == "maximum"}
    return found


def _with_zero(node: Node, x: Node) -> bool:
    """Whether a ufunc is of x and zero."""
    return len(node.inputs) == 2 and node.inputs[0] is x and node.shape == x.shape and uniform(node.inputs[1]) == 0


def _simple(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node:
    op = node.op
    known = bool(inputs) and all([x.op == "constant" for x in inputs])
    if known and op not in ("call", "item", "broadcast") and node.size <= FOLDED:
        with np.errstate(all="ignore"):
            return new.constant(np.asarray(evaluate(node, [value_of(x) for x in inputs])))
    rewrite = _REWRITES.get(op)
    z = rewrite(new, node, inputs) if rewrite is not None else None
    return z if z is not None else new.add(op, inputs, node.attributes, node.shape, node.dtype)


def _shaped(new: Program, x: Node, node: Node) -> Node:
    return x if x.shape == node.shape else new.add("broadcast", (x,), None, node.shape, node.dtype)


def _ufunc(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    if len(inputs) != 2 or node.dtype.kind != "f" or any([x.dtype != node.dtype for x in inputs]):
        return None
    name, (x, y) = node.attributes, inputs
    a, b = uniform(x), uniform(y)

    def ufunc(name: str, *xs: Node) -> Node:
        return new.add("ufunc", xs, name, node.shape, node.dtype)

    if name == "multiply" and (z := _flowed(new, x, y) or _flowed(new, y, x)) is not None:
        return z
    if name == "multiply" and (a == 1 or b == 1):
        return _shaped(new, y if a == 1 else x, node)
    if name in ("multiply", "divide") and b == -1:
        return _shaped(new, new.add("ufunc", (x,), "negative", x.shape, node.dtype), node)
    if name == "divide" and b is not None and b != 0 and np.isfinite(b) and abs(np.frexp(b)[0]) == 0.5:
        inverse = node.dtype.type(1) / b
        if np.isfinite(inverse) and abs(np.frexp(inverse)[1]) < 120:
            return ufunc("multiply", x, new.constant(inverse)) if b != 1 else _shaped(new, x, node)
    if name == "subtract" and b is not None and b == 0 and not np.signbit(b):
        return _shaped(new, x, node)
    if name == "power" and b is not None and b in (1, 2, 3, -1):
        if b == 1:
            return _shaped(new, x, node)
        z = new.add("ufunc", (x,), "reciprocal" if b == -1 else "square", x.shape, node.dtype)
        if b == 3:
            z = new.add("ufunc", (z, x), "multiply", x.shape, node.dtype)
        return _shaped(new, z, node)
    return None


def _flowed(new: Program, s: Node, mask: Node) -> Node | None:
    """What flows back through max pooling, where the array is positive: only what comes from positive maxima flows.

    An element gets something from windows alone of which it is the largest. There are fewer windows than elements.
    """
    greater = mask.inputs[0] if mask.op == "cast" else mask
    if greater.op != "ufunc" or greater.attributes != "greater" or not neural.is_scattered(s) or mask.shape != s.shape:
        return None
    g, x, z = s.inputs
    y, zero = greater.inputs
    part = x.op == "ufunc" and x.attributes == "maximum" and x.inputs[0] is y and uniform(x.inputs[1]) == 0
    if not (y is x or part) or uniform(zero) != 0 or zero.shape or z.dtype != y.dtype:
        return None
    positive = new.add("ufunc", (z, zero), "greater", z.shape, greater.dtype)
    g = new.add("ufunc", (g, new.add("cast", (positive,), None, z.shape, g.dtype)), "multiply", z.shape, g.dtype)
    return new.add("call", (g, x, z), s.attributes, s.shape, s.dtype)


def _cast(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    return inputs[0] if inputs[0].dtype == node.dtype else None


def _broadcast(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    return inputs[0] if inputs[0].shape == node.shape else None


def _transpose(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    x, axes = inputs[0], tuple(node.attributes)
    if x.op == "transpose":
        x, axes = x.inputs[0], tuple([x.attributes[a] for a in axes])
    if axes == tuple(range(len(axes))):
        return x
    return new.add("transpose", (x,), axes, node.shape, node.dtype)


def _reduce(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """A reduction over axes of one element."""
    x, name = inputs[0], node.attributes[0]
    if x.size != node.size or not x.size or x.dtype != node.dtype:
        return None
    if name == "add" and x.dtype.kind == "f":  # 0.0 of -0.0
        x = new.add("ufunc", (x, new.constant(x.dtype.type(0))), "add", x.shape, x.dtype)
    return new.add("reshape", (x,), None, node.shape, node.dtype)


def _concatenate(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """Parts put one after the other into zeros: a choice by the index, which can be fused with what comes after."""
    if len(inputs) > PIECES or node.size == 0 or any([x.dtype != node.dtype for x in inputs]):
        return None
    zero = new.constant(np.zeros((), node.dtype))
    z, at = new.add("broadcast", (zero,), None, node.shape, node.dtype), 0
    for x in inputs:
        n = x.shape[node.attributes]
        if n:
            region = tuple([(at, at + n, 1) if a == node.attributes else (0, m, 1) for a, m in enumerate(node.shape)])
            z, at = new.add("assign", (z, x), region, node.shape, node.dtype), at + n
    return z


_REWRITES: dict[str, Callable[[Program, Node, tuple[Node, ...]], Node | None]] = {
    "ufunc": _ufunc,
    "cast": _cast,
    "broadcast": _broadcast,
    "reshape": _broadcast,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "reduce": _reduce,
    "call": picks.rewritten,
}
