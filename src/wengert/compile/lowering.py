"""A loop as a specification that nothing but its code depends on: loops that are alike have one, and one code.

    argument    ("value", k) of the loop | ("read", parameter, strides) | ("constant", literal, type)
    value       (op, name, works, type, arguments, here, level, region): computed at the level `here`, where all but
                "reduce" have their value too; an "assign" of an argument and an expression has a region
    expression  argument | ("value", (op, name, works, type), expressions), which is computed where it is read
    region      (axis, start, stop) of each axis on which the second expression has not every index

Strides are given for each axis of the space, in elements. Neighbouring axes are merged where everything allows.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .clusters import Clusters, Level, Loop, costly, extent, lies, operation, spread
from .code import kind, literal
from .forms import uniform
from .program import Node

CHUNK = 16384  # elements that are done in one piece
PARTIAL = 64  # the most pieces that have a copy each of a result that is an array


class Spec(NamedTuple):
    """A loop without its nodes."""

    space: tuple[int, ...]
    split: int | None
    values: tuple[Any, ...]
    stores: tuple[tuple[int, int, tuple[int, ...]], ...]  # (value, parameter, strides)
    parameters: tuple[str, ...]  # their types
    chunk: int  # of the first axis
    cost: int  # of one index, where an addition costs one


class Lowered(NamedTuple):
    """A specification and what its parameters are: (root, offset in elements), or (root, None) of what is stored."""

    spec: Spec
    parameters: tuple[tuple[Node, int | None], ...]
    partial: tuple[int, ...]  # the parameters of which each chunk has a copy

    @property
    def chunks(self) -> int:
        return -(-(self.spec.space[0] if self.spec.space else 1) // self.spec.chunk)


def lowered(loop: Loop, clusters: Clusters, stored: set[int]) -> Lowered:
    """The specification of a loop whose nodes of these indices have buffers."""
    return _Lowering(loop, clusters, stored).result()


class _Lowering:
    def __init__(self, loop: Loop, clusters: Clusters, stored: set[int]) -> None:
        self.loop, self.clusters = loop, clusters
        self.parameters: dict[tuple[int, int | None], int] = {}
        self.roots: list[tuple[Node, int | None]] = []
        self.number = {node.index: k for k, node in enumerate(loop.nodes)}
        self.values = [self._value(node) for node in loop.nodes]
        self.stores = [
            (self.number[n.index], self._parameter(n, None), tuple(lies(n, loop.space, loop.levels[n.index])))
            for n in loop.nodes
            if n.index in stored
        ]

    def _parameter(self, root: Node, offset: int | None) -> int:
        key = root.index, offset
        if key not in self.parameters:
            self.parameters[key] = len(self.roots)
            self.roots.append((root, offset))
        return self.parameters[key]

    def _here(self, node: Node) -> Level:
        """The level at which a node is evaluated: that of its value, but of a reduction's input."""
        space, level = self.loop.space, self.loop.levels[node.index]
        if node.op != "reduce":
            return level
        size = math.prod(extent(node))
        if size == self.loop.size:
            return (True,) * len(space)
        split = self.loop.split or 0
        return tuple([a < split for a in range(len(space))])

    def _value(self, node: Node) -> Any:
        loop, here = self.loop, self._here(node)
        level = loop.levels[node.index]
        arguments: list[Any] = []
        reads = iter(self.clusters.operands(node))
        for x in node.inputs[:1] if node.op == "assign" else node.inputs:
            value = uniform(x)
            if value is not None:
                arguments.append(("constant", literal(value, kind(x.dtype)), kind(x.dtype)))
                continue
            root, offset, strides = next(reads)
            if root.index in self.number:
                arguments.append(("value", self.number[root.index]))
            else:
                place = tuple(spread(extent(node), strides, loop.space, here))
                arguments.append(("read", self._parameter(root, offset), place))
        if node.op == "reduce":
            works, t = kind(node.inputs[0].dtype), kind(node.dtype)
            op = "reduce" if level != here else "cast"
            return op, node.attributes[0], works, t, tuple(arguments), here, level, ()
        op, name, works, t = operation(node)
        if node.op != "assign":
            return op, name, works, t, tuple(arguments), level, level, ()
        region, axis = [], 0
        for (start, stop, _), n in zip(node.attributes, node.shape, strict=True):
            if n != 1:
                if stop - start != n:
                    region.append((axis, start, stop))
                axis += 1
        arguments.append(self._expression(self.clusters.pieces[node.index], node))
        return "assign", "", t, t, tuple(arguments), level, level, tuple(region)

    def _expression(self, expression: Any, node: Node) -> Any:
        if expression[0] == "constant":
            return ("constant", literal(expression[1], expression[2]), expression[2])
        if expression[0] == "read":
            _, root, offset, strides = expression
            place = tuple(spread(node.shape, strides, self.loop.space, None))
            return ("read", self._parameter(root, offset), place)
        return ("value", expression[1], tuple([self._expression(part, node) for part in expression[2]]))

    # ---- merging ----

    def _strides(self, value: Any, found: list[tuple[int, ...]]) -> None:
        stack = list(value[4])
        while stack:
            a = stack.pop()
            if a[0] == "read":
                found.append(a[2])
            elif a[0] == "value" and len(a) == 3:
                stack.extend(a[2])

    def result(self) -> Lowered:
        loop = self.loop
        space, split = list(loop.space), loop.split
        everything: list[tuple[int, ...]] = [s for _, _, s in self.stores]
        bounded: set[int] = set()
        for value in self.values:
            self._strides(value, everything)
            bounded |= {axis for axis, _, _ in value[7]}
        groups: list[list[int]] = []
        for a in range(len(space)):
            joins = groups and a != split and a not in bounded and groups[-1][-1] not in bounded
            if joins:
                b = groups[-1][-1]
                joins = all([s[b] == s[a] * space[a] for s in everything]) and all(
                    [v[5][b] == v[5][a] and v[6][b] == v[6][a] for v in self.values]
                )
            if joins:
                groups[-1].append(a)
            else:
                groups.append([a])
        last = [g[-1] for g in groups]
        new = tuple([math.prod([space[a] for a in g]) for g in groups])
        if split is not None:
            split = sum([g[0] < split for g in groups])
        axis = {a: k for k, g in enumerate(groups) for a in g}

        def pick(strides: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple([strides[a] for a in last])

        def merged(a: Any) -> Any:
            if a[0] == "read":
                return ("read", a[1], pick(a[2]))
            return ("value", a[1], tuple([merged(part) for part in a[2]])) if len(a) == 3 and a[0] == "value" else a

        values = []
        for value in self.values:
            region = tuple([(axis[a], start, stop) for a, start, stop in value[7]])
            arguments = tuple([merged(a) for a in value[4]])
            values.append((*value[:4], arguments, pick(value[5]), pick(value[6]), region))
        stores = tuple([(k, p, pick(s)) for k, p, s in self.stores])
        cost = sum([8 if costly(node) else 1 for node in loop.nodes])
        chunk = self._chunk(new, split, values, stores)
        types = tuple([kind(root.dtype) for root, _ in self.roots])
        spec = Spec(new, split, tuple(values), stores, types, chunk, cost)
        partial = tuple(
            [p for k, p, _ in stores if new and chunk < new[0] and values[k][0] == "reduce" and not values[k][6][0]]
        )
        return Lowered(spec, tuple(self.roots), partial)

    def _chunk(self, space: tuple[int, ...], split: int | None, values: list[Any], stores: Any) -> int:
        """How many indices of the first axis are done in one piece; it does not depend on the number of threads."""
        if not space or split == 0:
            return max(space[:1], default=1)
        row = math.prod(space[1:])
        chunk = max(1, CHUNK // row)
        if any([values[k][0] == "reduce" and not values[k][6][0] and any(values[k][6]) for k, _, _ in stores]):
            chunk = max(chunk, -(-space[0] // PARTIAL))
        if len(space) == 1:
            chunk = max(-(-chunk // 1024) * 1024, 1024)
        return min(chunk, space[0])
