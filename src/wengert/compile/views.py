"""Where a node's elements lie: reshapes, transposes, slices and broadcasts are other looks at a buffer, not work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .program import Node, Program


class View(NamedTuple):
    """A node's elements in the buffer of the node `root`, which computes them: counted in elements."""

    root: Node
    offset: int
    strides: tuple[int, ...]


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of C order."""
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size)
        size *= n
    return tuple(strides[::-1])


def dense(view: View, shape: Sequence[int]) -> bool:
    """Whether a view is a whole buffer in C order, from `offset` on."""
    return all([n == 1 or s == c for n, s, c in zip(shape, view.strides, contiguous(shape), strict=True)])


def reshaped(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of a reshape without a copy, if there are any. Nothing is empty."""
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    merged: list[tuple[int, int]] = []
    for n, s in old:  # axes that step on without a gap are one
        if merged and merged[-1][1] == n * s:
            merged[-1] = merged[-1][0] * n, s
        else:
            merged.append((n, s))
    result: list[int] = []
    rest, step = 1, 0
    for n in reversed(new):
        if n == 1:
            result.append(0)
            continue
        if rest == 1:
            rest, step = merged.pop()
        if rest % n:
            return None
        result.append(step)
        rest, step = rest // n, step * n
    return tuple(result[::-1])


def broadcast(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...]:
    """The strides with which an array of one shape is read as another."""
    extra = len(new) - len(shape)
    return (0,) * extra + tuple([0 if n == 1 else s for n, s in zip(shape, strides, strict=True)])


def views(program: Program, nodes: Sequence[Node]) -> dict[int, View]:
    """The view of each node, by its index. What computes something is its own root."""
    found: dict[int, View] = {}
    for node in nodes:
        own = View(node, 0, contiguous(node.shape))
        found[node.index] = own
        if node.op not in ("broadcast", "reshape", "transpose", "slice") or node.size == 0:
            continue
        x = node.inputs[0]
        root, offset, strides = found[x.index]
        if x.size == 0:
            continue
        if node.op == "broadcast":
            strides = broadcast(x.shape, strides, node.shape)
        elif node.op == "transpose":
            strides = tuple([strides[a] for a in node.attributes])
        elif node.op == "slice":
            offset += sum([a * s for (a, _, _), s in zip(node.attributes, strides, strict=True)])
            strides = tuple([k * s for (_, _, k), s in zip(node.attributes, strides, strict=True)])
        else:
            flat = reshaped(x.shape, strides, node.shape)
            if flat is None:
                continue
            strides = flat
        found[node.index] = View(root, offset, strides)
    return found
