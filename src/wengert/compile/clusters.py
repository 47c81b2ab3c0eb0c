"""Which nodes are computed together, in one nest of loops over one space of indices.

A loop's space is a tuple of axes. A node's *level* says on which of them its value depends: an elementwise node of the
whole space on all of them, a reduction on those that are left. Two nodes share a loop where each index reads nothing of
the other but the value at the same index: where the strides with which the one reads, spread over the space, are those
with which the other lies. Axes that one node has split and another merged are refined until they fit.

A reduction over all axes from `split` on is complete after a pass over these inner axes, and nodes that need it can
follow in the same loop. Every other reduction is complete only after the loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from . import elementwise, matmul, neural, products
from .code import REGISTER, kind
from .forms import uniform
from .products import Product
from .program import Node
from .views import View, broadcast, contiguous, dense, reshaped

Level = tuple[bool, ...]
Places = list[tuple[int | None, int]]  # for each axis, the axis of the reader (or none) and what is added to its index
WHOLE = 8192  # a space of at most that many elements may be one pass
NODES, OPERANDS = 96, 28  # the most of a loop
RECOMPUTED = 12  # the most operations that are done again rather than kept for a shifted reader


def used(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without axes of one element."""
    return tuple([n for n in shape if n != 1])


def refined(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The coarsest axes from which both come by merging neighbours, if there are any."""
    if a == b:
        return a
    cuts = {1}
    for shape in (a, b):
        size = 1
        for n in reversed(shape):
            size *= n
            cuts.add(size)
    ordered = sorted(cuts)
    if any([y % x for x, y in pairwise(ordered)]):
        return None
    return tuple([y // x for x, y in pairwise(ordered)][::-1])


def spread(shape: Sequence[int], strides: Sequence[int], space: Sequence[int], level: Level | None = None) -> list[int]:
    """Strides over a shape as strides over the axes of a space, of those at the level."""
    result = [0] * len(space)
    axes = [a for a in range(len(space)) if level is None or level[a]]
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        step, covered = s, 1
        while covered < n:
            a = axes.pop()
            result[a] = step
            step, covered = step * space[a], covered * space[a]
    return result


def extent(node: Node) -> tuple[int, ...]:
    """The shape of the indices that a node runs over."""
    return node.inputs[0].shape if node.op in ("reduce", "reshape") else node.shape


class Loop:
    """Nodes that are computed in one nest of loops."""

    def __init__(self, space: tuple[int, ...]) -> None:
        self.space = space
        self.split: int | None = None
        self.nodes: list[Node] = []
        self.levels: dict[int, Level] = {}
        self.operands: set[int] = set()
        self.rigid = False  # a choice by index: its axes stay as they are

    @property
    def size(self) -> int:
        return math.prod(self.space)

    def refine(self, space: tuple[int, ...]) -> None:
        """Split axes."""
        if space == self.space:
            return
        self.levels = {i: self.expanded(level, space) for i, level in self.levels.items()}
        if self.split is not None:
            self.split = sum(self.expanded(tuple([a < self.split for a in range(len(self.space))]), space))
        self.space = space

    def expanded(self, level: Level, space: tuple[int, ...]) -> Level:
        """A level over axes that some of ours have been split into."""
        result, axes = [], iter(space)
        for n, here in zip(self.space, level, strict=True):
            covered = 1
            while covered < n:
                covered *= next(axes)
                result.append(here)
        return tuple(result)

    def inner(self, level: Level, split: int) -> bool | None:
        """Whether a reduction to that level runs over all axes from `split` on; None if over some of them only."""
        left = set(level[split:])
        return None if len(left) > 1 else left == {False}

    def ready(self, node: Node) -> int | None:
        """The split at which a reduction here is complete within the loop."""
        level = self.levels[node.index]
        s = sum(level)
        if level[:s] != (True,) * s or s == len(level) or (s == 0 and self.size > WHOLE):
            return None
        if self.split is not None:
            return s if s == self.split else None
        whole = [self.levels[n.index] for n in self.nodes if n.op == "reduce"]
        return s if all([self.inner(lv, s) is not None for lv in whole]) else None


class Single:
    """A node that is a step of its own: a product of matrices, or a call of NumPy."""

    def __init__(self, node: Node) -> None:
        self.node = node


Step = Loop | Single


class Clusters:
    """The steps that compute a program's nodes."""

    def __init__(self, nodes: Sequence[Node], views: dict[int, View], roots: set[int]) -> None:
        self.views = views
        self.steps: list[Step] = []
        self.where: dict[int, int] = {}
        self.pieces: dict[int, Any] = {}  # of each choice by index: what it reads, as an expression
        self.products: dict[int, Product] = {}  # of each product with code of its own
        self.operands_of: dict[int, tuple[matmul.Operand, ...]] = {}  # of each product by BLAS
        self.kernels: dict[int, neural.Known] = {}  # of each call in native code
        self._operands: dict[int, list[tuple[Node, int, tuple[int, ...]]]] = {}
        self._inputs_of: dict[int, tuple[Node, ...]] = {}
        self._copies: dict[tuple[int, tuple[int, ...]], Node] = {}
        self._fresh = nodes[-1].index + 1 if nodes else 0
        self._added_to = added = self._sums(nodes, roots)
        for node in _scalars_first(nodes):
            if node.op in ("input", "constant") or views[node.index].root is not node or node.index in added.values():
                continue
            if node.index not in added and is_loop(node):
                self._place(node)
                continue
            if node.op == "call":
                self._call(node)
            else:
                self._product(node, added)
            self.where[node.index] = len(self.steps)
            self.steps.append(Single(node))

    def _sums(self, nodes: Sequence[Node], roots: set[int]) -> dict[int, int]:
        """Additions to products that nobody else reads, which start from what is added: sum -> product."""
        readers: dict[int, int] = {}
        for node in nodes:
            for x in node.inputs:
                readers[x.index] = readers.get(x.index, 0) + 1
        found: dict[int, int] = {}
        for node in nodes:
            if node.op != "ufunc" or node.attributes != "add":
                continue
            for m, x in (node.inputs, node.inputs[::-1]):
                alone = m.op == "matmul" and readers[m.index] == 1 and m.index not in roots and x is not m
                alike = m.shape == node.shape and x.dtype == m.dtype and len(x.shape) > 0 and uniform(x) is None
                if alone and alike and products.small(m) and self._added(node, x) is not None:
                    found[node.index] = m.index
                    break
        return found

    def _added(self, node: Node, x: Node) -> tuple[int, int, int] | None:
        """The strides with which what is added to a product is read."""
        shape = (1,) * (2 - len(x.shape)) + x.shape
        offset = (0,) * (2 - len(x.shape)) + self.views[x.index].strides
        spread = broadcast(shape, offset, node.shape)
        flat = reshaped(node.shape[:-2], spread[:-2], (math.prod(node.shape[:-2]),))
        return None if flat is None or (spread[-1] != 1 and node.shape[-1] > 1) else (spread[-2], spread[-1], flat[0])

    def inputs(self, node: Node) -> tuple[Node, ...]:
        """What a step of its own reads: of a product, what its code can read."""
        return self._inputs_of.get(node.index, node.inputs)

    def _product(self, node: Node, added: dict[int, int]) -> None:
        """How a product is computed: by code of its own, by BLAS from what it can read, or else by NumPy."""
        x: Node | None = None
        m = node
        if node.index in added:
            m, x = node.inputs if node.inputs[0].index == added[node.index] else node.inputs[::-1]
        if m.op != "matmul":
            return
        a, b = m.inputs
        batch = m.shape[:-2]
        if products.small(m):
            a, sa = self._readable(a, batch, False)
            b, sb = self._readable(b, batch, True)
            (rows, columns), k = m.shape[-2:], a.shape[-1]
            sx = None if x is None else self._added(node, x)
            self.products[node.index] = Product(rows, columns, k, kind(m.dtype), sa, sb, sx)
            self._inputs_of[node.index] = (a, b) if x is None else (a, b, x)
        elif matmul.native(m):
            inputs, operands = [], []
            for y in m.inputs:
                found = matmul.operand(y, self.views[y.index], batch)
                for shape in (y.shape, batch + y.shape[-2:]):
                    if found is None:
                        y = self._copy(y, shape)
                        found = matmul.operand(y, self.views[y.index], batch)
                assert found is not None
                inputs.append(y)
                operands.append(found)
            self._inputs_of[node.index], self.operands_of[node.index] = tuple(inputs), tuple(operands)

    def _call(self, node: Node) -> None:
        """How a call is computed: by kernels, from what lies in C order, or else by NumPy."""
        known = neural.native(node)
        if known is not None:
            arrays = {
                name: x if dense(self.views[x.index], x.shape) else self._copy(x, x.shape)
                for name, x in known.arrays.items()
            }
            self.kernels[node.index] = known._replace(arrays=arrays)
            self._inputs_of[node.index] = tuple(arrays.values())

    def _readable(self, x: Node, batch: tuple[int, ...], rows: bool) -> tuple[Node, tuple[int, int, int]]:
        """A matrix that code of its own can read, from a copy if need be: its rows, where these are read in vectors."""
        for shape in (x.shape, batch + x.shape[-2:], ()):
            found = products.strides(x, self.views[x.index], batch)
            if found is not None and (not rows or found[1] == 1 or x.shape[-1] == 1):
                break
            x = self._copy(x, shape)
        assert found is not None
        return x, found

    def _copy(self, x: Node, shape: tuple[int, ...]) -> Node:
        """A copy in C order, one for all that need it."""
        key = x.index, shape
        if key not in self._copies:
            z = self._copies[key] = Node("copy", (x,), None, shape, x.dtype, self._fresh)
            self._fresh += 1
            self.views[z.index] = View(z, 0, contiguous(shape))
            self._place(z)
        return self._copies[key]

    def operands(self, node: Node) -> list[tuple[Node, int, tuple[int, ...]]]:
        """What an elementwise node reads: root, offset, strides over the node's own indices."""
        if node.index in self._operands:
            return self._operands[node.index]
        shape, result = extent(node), []
        for x in node.inputs[:1] if node.op == "assign" else node.inputs:
            if uniform(x) is None:
                root, offset, strides = self.views[x.index]
                result.append((root, offset, broadcast(x.shape, strides, shape)))
        self._operands[node.index] = result
        return result

    def _place(self, node: Node) -> None:
        reads = self.operands(node)
        first = 0
        if node.op == "assign":
            self.pieces[node.index] = expression = self._expression(node)
            for root in leaves(expression):
                first = max(first, self.where.get(root.index, -1) + 1)
        for root, _, _ in reads:  # not before what it reads, which may be in the same loop
            first = max(first, self.where.get(root.index, 0))
        for w in range(first, len(self.steps)):
            loop = self.steps[w]
            if isinstance(loop, Loop) and self._joins(loop, w, node, reads):
                break
        else:
            w = len(self.steps)
            loop = Loop(used(extent(node)))
            self.steps.append(loop)
            self._enter(loop, node, loop.space, self._level(loop.space, node))
        self.where[node.index] = w
        assert isinstance(loop, Loop)
        loop.nodes.append(node)
        loop.operands.update([root.index for root, _, _ in reads if self.where.get(root.index) != w])
        loop.rigid = loop.rigid or node.op == "assign"

    def _level(self, space: tuple[int, ...], node: Node) -> Level:
        """The level of a node that runs over the whole space."""
        if node.op != "reduce":
            return (True,) * len(space)
        shape = extent(node)
        kept = [0 if a in node.attributes[1] else 1 for a in range(len(shape))]
        return tuple([s != 0 for s in spread(shape, kept, space)])

    def _enter(self, loop: Loop, node: Node, space: tuple[int, ...], level: Level) -> None:
        loop.refine(space)
        loop.levels[node.index] = level

    def _joins(self, loop: Loop, w: int, node: Node, reads: list[tuple[Node, int, tuple[int, ...]]]) -> bool:
        """Let the node join the loop if it can."""
        inside = [read for read in reads if self.where.get(read[0].index) == w]
        if any([self.where.get(root.index, -1) > w for root, _, _ in reads]):
            return False
        if len(loop.nodes) >= NODES or len(loop.operands) + len(reads) - len(inside) > OPERANDS:
            return False
        shape = used(extent(node))
        size = math.prod(shape)
        if size == loop.size:
            space = refined(loop.space, shape)
            if space is None or (space != loop.space and not inside):
                return False
            if space != (shape if node.op == "assign" else loop.space if loop.rigid else space):
                return False
            level = self._level(space, node)
            here: Level = (True,) * len(space)
        else:  # of the rows only, by way of what is complete for each
            split = loop.split
            if split is None:
                splits = [loop.ready(root) for root, _, _ in inside if root.op == "reduce"]
                if not splits or splits[0] is None:
                    return False
                split = splits[0]
            if not inside or node.op == "assign" or size != math.prod(loop.space[:split]):
                return False
            space = loop.space
            if refined(space[:split], shape) != space[:split]:
                return False
            rest = (False,) * (len(space) - split)
            level, here = self._level(space[:split], node) + rest, (True,) * split + rest
        split = loop.split
        for root, offset, strides in inside:
            own = loop.expanded(loop.levels[root.index], space)
            if offset or spread(extent(node), strides, space, here) != lies(root, space, own):
                return False
            if root.op == "reduce":
                ready = loop.ready(root)
                if ready is None or sum(own) not in (ready, sum(own)) or (split is not None and ready != split):
                    return False
                split = ready
        if split is not None and node.op == "reduce" and here[-1:] == (True,):
            s = sum(loop.expanded(tuple([a < split for a in range(len(loop.space))]), space))
            if loop.inner(level, s) is None:
                return False
        if loop.split is None:
            loop.split = split
        self._enter(loop, node, space, level)
        return True

    # ---- what a choice by index reads ----

    def _expression(self, node: Node) -> Any:
        """The second input of an assignment, read at the index less where the region starts."""
        y = node.inputs[1]
        extra = len(node.shape) - len(y.shape)
        places: Places = [
            (a + extra, -node.attributes[a + extra][0]) if n != 1 else (None, 0) for a, n in enumerate(y.shape)
        ]
        expression = self._traced(y, places, [RECOMPUTED], len(node.shape))
        return expression if expression is not None else self._read(y, places, len(node.shape))

    def _read(self, x: Node, places: Places, axes: int) -> Any:
        value = uniform(x)
        if value is not None:
            return ("constant", value, kind(x.dtype))
        root, offset, own = self.views[x.index]
        strides = [0] * axes
        for (axis, shift), s in zip(places, own, strict=True):
            offset += shift * s
            if axis is not None:
                strides[axis] += s
        return ("read", root, offset, tuple(strides))

    def _traced(self, x: Node, places: Places, left: list[int], axes: int) -> Any:
        """The value at these places computed once more, or None where that is not cheap."""
        if uniform(x) is not None or x.op in ("input", "constant"):
            return self._read(x, places, axes)
        if x.op in ("broadcast", "transpose", "slice", "reshape"):
            moved = _through(x, places)
            return None if moved is None else self._traced(x.inputs[0], moved, left, axes)
        if x.op not in ("ufunc", "where", "cast") or not is_loop(x) or x.index in self._added_to:
            return self._read(x, places, axes)
        left[0] -= 1
        if left[0] < 0 or costly(x):
            return None
        parts: list[Any] = []
        for y in x.inputs:
            extra = len(x.shape) - len(y.shape)
            own = [(None, 0) if n == 1 else places[a + extra] for a, n in enumerate(y.shape)]
            part = self._traced(y, own, left, axes)
            if part is None:
                return None
            parts.append(part)
        return ("value", operation(x), tuple(parts))


def _scalars_first(nodes: Sequence[Node]) -> list[Node]:
    """What is computed from single numbers that are given (the step of an optimiser) comes before all else."""
    early: set[int] = set()
    for node in nodes:
        given = node.op in ("input", "constant") or (node.size == 1 and is_loop(node) and bool(node.inputs))
        if given and node.size == 1 and all([x.index in early for x in node.inputs]):
            early.add(node.index)
    return [n for n in nodes if n.index in early] + [n for n in nodes if n.index not in early]


def _through(x: Node, places: Places) -> Places | None:
    """The places in the input that places in a view of it are."""
    y = x.inputs[0]
    if x.op == "broadcast":
        extra = len(x.shape) - len(y.shape)
        return [(None, 0) if n == 1 else places[a + extra] for a, n in enumerate(y.shape)]
    if x.op == "transpose":
        moved: Places = [(None, 0)] * len(places)
        for k, a in enumerate(x.attributes):
            moved[a] = places[k]
        return moved
    if x.op == "slice":
        if any([step != 1 for _, _, step in x.attributes]):
            return None
        return [(axis, shift + a) for (axis, shift), (a, _, _) in zip(places, x.attributes, strict=True)]
    if used(x.shape) != used(y.shape):
        return None
    rest = [p for p, n in zip(places, x.shape, strict=True) if n != 1]
    return [rest.pop(0) if n != 1 else (None, 0) for n in y.shape]


def leaves(expression: Any) -> list[Node]:
    """The roots that an expression reads."""
    if expression[0] == "read":
        return [expression[1]]
    return [] if expression[0] == "constant" else [root for part in expression[2] for root in leaves(part)]


def lies(root: Node, space: tuple[int, ...], level: Level) -> list[int]:
    """The strides with which what a loop computes lies in its own buffer."""
    shape = root.shape if root.op == "reduce" else extent(root)
    return spread(shape, contiguous(shape), space, level)


def operation(node: Node) -> tuple[str, str, str, str]:
    """An elementwise node without its inputs: what it is, its name, the type it works on and that of its value."""
    works = node.inputs[-1].dtype if node.inputs else node.dtype
    name = node.attributes if node.op == "ufunc" else node.op
    return node.op, name, kind(works), kind(node.dtype)


def costly(node: Node) -> bool:
    """Whether a value is worth keeping rather than computing it again."""
    return node.op == "ufunc" and (node.attributes in elementwise.COSTLY or node.attributes in elementwise.FUNCTIONS)


def is_loop(node: Node) -> bool:
    """Whether a node that computes something is native, in loops."""
    if node.size == 0 or any([x.size == 0 for x in node.inputs]) or kind(node.dtype) not in REGISTER:
        return False
    op, dtypes = node.op, tuple([x.dtype for x in node.inputs])
    if op == "ufunc":
        return elementwise.native(node.attributes, dtypes)
    if op in ("copy", "reshape", "where", "assign"):
        if op == "assign" and any([step != 1 for _, _, step in node.attributes]):
            return False
        chooses = op == "where"
        alike = all([d == node.dtype for d in dtypes[chooses:]]) and (not chooses or kind(dtypes[0]) == "b1")
        return alike and elementwise.native("copy", (node.dtype,))
    if op == "cast":
        return elementwise.castable(dtypes[0], node.dtype)
    if op == "reduce":
        name = node.attributes[0]
        return (
            name in elementwise.REDUCTIONS
            and elementwise.castable(dtypes[0], node.dtype)
            and elementwise.native(name, (node.dtype,))
        )
    return False
