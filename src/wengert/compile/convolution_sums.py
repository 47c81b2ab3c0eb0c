"""The kernels of a convolution and of its transpose in the input, from a plan."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .convolution_plan import Phase, Plan, Triple, columns_of, pad, plane, steps_of, vectors_of
from .microkernel import CHAIN, Tile, Writer, best_tile, fits, registers, step_cost
from .steps import Emitted, Step, aligned, emitted, function

UNROLLED = 4, 9  # taps that are written out, where elements are used once each, and more often


class Summing:
    """The two kernels of a plan: one packs the weights, the other sums."""

    def __init__(self, plan: Plan, dtype: Any, machine: Any, bias: bool = False, relu: bool = False) -> None:
        self.plan, self.dtype, self.machine, self.bias, self.relu = plan, np.dtype(dtype), machine, bias, relu
        width = Writer(dtype, machine).width
        count = -(-plan.outputs // width)
        biggest = max(plan.classes, key=lambda c: math.prod([p.places for p in c]))
        self.vectors = best_tile(plane(biggest), count, machine).vectors
        self.block = self.vectors * width  # channels of a block
        self.blocks = -(-plan.outputs // self.block)
        self.volume = math.prod(plan.padded)
        self.split = plan.batch * plan.groups < 8  # then blocks of channels are steps of their own
        self.starts: dict[tuple[int, ...], int] = {}  # where the weights of each phase begin, by its first places
        size = 0
        for phases in plan.classes:
            self.starts[tuple([p.first for p in phases])] = size
            size += math.prod([p.members for p in phases]) * self._weights(phases) * self.blocks
        self.packed = size  # of a group
        self.cost = sum(map(self._cost, plan.classes)) + self._cost_of_transpose(width)

    def _cost(self, phases: tuple[Phase, ...]) -> float:
        (high, wide), tile = plane(phases), self._tile_of(phases)
        pieces = -(-high // tile.places[0]) * -(-wide // tile.places[1]) * phases[0].places
        pieces *= math.prod([p.members for p in phases]) * self.blocks
        terms = self.plan.inputs * math.prod([len(p.offsets) for p in phases])
        return pieces * (terms * step_cost(tile.rows, self.vectors) + 2 * tile.rows * self.vectors)

    def _cost_of_transpose(self, width: int) -> float:
        """Of the result, and of the weights for each of at most 64 images that share them."""
        columns = self.blocks * self.vectors
        weights = self.plan.inputs * math.prod(self.plan.kernel) / min(max(self.plan.batch, 1), 64)
        return (math.prod(self.plan.places) + weights) * columns * 6.0

    def _tile_of(self, phases: tuple[Phase, ...]) -> Tile:
        return best_tile(plane(phases), self.blocks * self.vectors, self.machine, self.vectors)

    def _weights(self, phases: Sequence[Phase]) -> int:
        """Elements of a block of a phase's weights."""
        return self.plan.inputs * math.prod([len(p.offsets) for p in phases]) * self.block

    def _start(self, w: Writer, number: Any) -> Any:
        """The first channel of a block."""
        if self.plan.outputs < self.block:
            return 0
        return w.least(w.mul(number, self.block), self.plan.outputs - self.block)

    def emitted(self, name: str) -> Emitted:
        plan, size = self.plan, self.dtype.itemsize
        padded = 0 if plan.direct else plan.inputs * self.volume
        scratch = aligned(padded * size) + aligned(math.prod(plan.places) * self.block * size)
        steps = (self._pack(f"{name}_pack"), self._sum(name, aligned(padded * size), scratch))
        buffers = {"packed": plan.groups * self.packed * size}
        return emitted(name, steps, buffers, self.dtype, self.machine, scratch)

    # ---- weights ----

    def _pack(self, name: str) -> Step:
        """The kernel as [group][phase][member][block][input][tap][channel of the block]."""
        plan, w = self.plan, Writer(self.dtype, self.machine)
        size = plan.inputs * math.prod(plan.kernel)
        square = w.e(f"alloca [{w.width * w.width} x {w.scalar}], align 64") if plan.turned else ""

        def index(i: str) -> None:
            group, number = w.div(i, self.blocks)
            start = self._start(w, number)

            def vector(j: Any, count: int) -> None:
                channel = w.add(start, w.mul(j, w.width))
                to = w.moved("%p1", w.add(w.mul(group, self.packed), w.mul(j, w.width)))
                if plan.turned:
                    self._pack_turned(w, square, group, number, channel, count, to)
                else:
                    first = w.add(w.mul(group, plan.outputs), channel)
                    target = w.moved(to, w.mul(number, size * self.block))
                    columns_of(w, count, size, w.moved("%p0", w.mul(first, size)), size, target, self.block)

            vectors_of(w, plan.outputs, self.vectors, vector)

        return function(w, name, ("weights", "packed"), plan.groups * self.blocks, index)

    def _pack_turned(self, w: Writer, square: str, group: Any, number: Any, channel: Any, count: int, to: str) -> None:
        """The vectors of a block of channels: each tap's goes where its phase has it."""
        plan, taps = self.plan, math.prod(self.plan.kernel)
        places, size = self._tap_places(), min(w.width, taps)

        def of_input(i: Any) -> None:
            row = w.add(w.mul(w.add(w.mul(group, plan.inputs), i), plan.outputs), channel)
            source = w.moved("%p0", w.mul(row, taps))
            for t0 in [min(t, taps - size) for t in range(0, taps, w.width)]:
                columns_of(w, count, size, w.moved(source, t0), taps, square, w.width)
                for t in range(size):
                    if t0 + t in places:
                        start, each, at = places[t0 + t]
                        offset = w.add(w.mul(number, each), w.add(w.mul(i, each // plan.inputs), start + at))
                        w.store(w.load(w.moved(square, t * w.width)), w.moved(to, offset))

        w.each(plan.inputs, of_input)

    def _tap_places(self) -> dict[int, tuple[int, int, int]]:
        """For each tap: where its phase's weights begin, how many a block has, and its own among an input's."""
        plan, found = self.plan, {}
        for phases in plan.classes:
            start, each = self.starts[tuple([p.first for p in phases])], self._weights(phases)
            for m, member in enumerate(itertools.product(*[p.taps for p in phases])):
                for at, tap in enumerate(itertools.product(*member)):
                    number = int(np.ravel_multi_index(tap, plan.kernel))
                    found[number] = start + m * each * self.blocks, each, at * self.block
        return found

    # ---- sums ----

    def _sum(self, name: str, padded: int, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)
        names = ("source", "packed", "result", *(["bias"] if self.bias else []))
        size = math.prod(plan.places)

        def start() -> None:
            self.image = "%mine"
            self.buffer = w.e(f"getelementptr i8, ptr %mine, i64 {padded}")
            if not plan.direct:
                w.clear("%mine", plan.inputs * self.volume)

        def index(i: str) -> None:
            image, number = w.div(i, self.blocks) if self.split else (i, None)
            source = w.moved("%p0", w.mul(image, plan.inputs * math.prod(plan.source)))
            if plan.direct:
                self.image = source
            else:
                pad(w, plan, plan.inputs, source, self.image)
            group = w.div(image, plan.groups)[1]
            weights = w.moved("%p1", w.mul(group, self.packed))
            result = w.moved("%p2", w.mul(image, plan.outputs * size))

            def block(number: Any) -> None:
                first = self._start(w, number)
                bias = w.moved("%p3", w.add(w.mul(group, plan.outputs), first)) if self.bias else ""
                for phases in plan.classes:
                    self._phase(w, phases, weights, number, bias)
                to = w.moved(result, w.mul(first, size))
                w.transpose((size, min(self.block, plan.outputs)), self.buffer, self.block, to, size)

            if self.split:
                block(number)
            else:
                w.each(self.blocks, block)

        end = plan.batch * plan.groups * (self.blocks if self.split else 1)
        return function(w, name, names, end, index, start, scratch)

    def _phase(self, w: Writer, phases: tuple[Phase, ...], weights: str, number: Any, bias: str) -> None:
        """All places of a phase."""
        plan, each = self.plan, self._weights(phases)
        tile = self._tile_of(phases)
        begin = self.starts[tuple([p.first for p in phases])]

        def member(index: tuple[Any, ...], m: Any) -> None:
            offset = w.add(w.mul(w.add(w.mul(m, self.blocks), number), each), begin)
            packed = w.moved(weights, offset)
            first = [w.add(p.first, r) for p, r in zip(phases, index, strict=True)]

            def block(d: Any, h: Any, v: Any) -> None:
                place = [w.mul(i, s) for i, s in zip((d, h, v), plan.step, strict=True)]
                source = w.moved(self.image, w.dot(place, steps_of(plan.padded)))
                place = [w.add(a, w.mul(i, s)) for a, i, s in zip(first, (d, h, v), plan.apart, strict=True)]
                target = w.moved(self.buffer, w.mul(w.dot(place, steps_of(plan.places)), self.block))
                self._tile(w, phases, tile, source, packed, target, bias)

            rows, columns = plane(phases)
            if rows and columns:
                w.each(phases[0].places, lambda d: w.blocks(phases[1].places, tile.places[0], lambda _, h: w.blocks(
                    phases[2].places, tile.places[1], lambda _, v: block(d, h, v))))  # fmt: skip

        sizes = [p.members for p in phases]
        w.every(sizes, lambda index: member(index, w.dot(index, steps_of(sizes))))

    def _tile(self, w: Writer, phases: tuple[Phase, ...], tile: Tile, source: str, packed: str, target: str,
              bias: str) -> None:  # fmt: skip
        """The sums of one block of places."""
        plan, (high, wide), nb = self.plan, tile.places, self.vectors
        places = list(itertools.product(range(high), range(wide)))
        _, row, column = steps_of(plan.padded)
        rows = [r * plan.step[1] * row + c * plan.step[2] * column for r, c in places]
        _, row, column = steps_of(plan.places)
        to = [(r * plan.apart[1] * row + c * plan.apart[2] * column) * self.block for r, c in places]
        targets = [w.moved(target, t + j * w.width) for t in to for j in range(nb)]

        def product(p: str, q: str, sums: list[str]) -> list[str]:
            columns = [w.load(w.moved(q, j * w.width)) for j in range(nb)]
            return w.products(sums, lambda r: w.moved(p, rows[r]), columns)

        def finished(sums: list[str]) -> list[str]:
            if bias:
                columns = [w.load(w.moved(bias, j * w.width), max(plan.outputs - j * w.width, 0)) for j in range(nb)]
                sums = [w.arithmetic("fadd", x, columns[k % nb]) for k, x in enumerate(sums)]
            return [positive(w, x) for x in sums] if self.relu else sums

        a, b, c = [len(p.offsets) for p in phases]
        lines = (b * c * self.block, c * self.block, self.block)
        terms = _Terms([p.offsets for p in phases], steps_of(plan.padded), self.volume, a * b * c * self.block,
                       (range(a), range(b), range(c)), lines, UNROLLED[nb > 1])  # fmt: skip
        get, put = [functools.partial(w.load, p) for p in targets], [functools.partial(w.store, p=p) for p in targets]
        _accumulated(
            w,
            plan.inputs,
            CHAIN >> plan.turned,
            terms,
            source,
            packed,
            product,
            get,
            put,
            finished if bias or self.relu else None,
        )


class Across:
    """The kernel of a plan with vectors over places rather than channels: for few channels, or kernels of one tap.

        z[o, place...]  +=  w[o, c, tap]  x[c, (place * stride + tap * dilation)...]

    The source's last axis is divided by the stride, so that what a vector reads lies together.
    """

    def __init__(self, plan: Plan, dtype: Any, machine: Any, bias: bool = False, relu: bool = False) -> None:
        self.plan, self.dtype, self.machine, self.bias, self.relu = plan, np.dtype(dtype), machine, bias, relu
        self.width = Writer(dtype, machine).width
        self.row = -(-plan.padded[2] // plan.step[2])  # elements of a row with the same remainder
        self.padded = (*plan.padded[:2], self.row * plan.step[2])
        self.direct = plan.direct and plan.step[2] == 1
        self.volume = math.prod(self.padded)
        self.blocking = {phases: self._block(phases) for phases in plan.classes}
        self.cost = sum([cost for *_, cost in self.blocking.values()])

    def _block(self, phases: tuple[Phase, ...]) -> tuple[int, int, int, float]:
        """Outputs, rows of places, and vectors of a row in a block; and what the phase costs."""
        plan, free = self.plan, registers(self.machine)
        high, wide = plane(phases)
        vectors = -(-wide // self.width)
        times = plan.inputs * math.prod([len(p.offsets) for p in phases]) * phases[0].places
        times *= math.prod([p.members for p in phases])

        def cost(r: int, h: int, v: int) -> float:
            pieces = -(-plan.outputs // r) * -(-high // h) * -(-vectors // v)
            scattered = 16 if plan.apart[2] > 1 else 2
            return pieces * (times * (step_cost(r, h * v, 2.0) + 0.02) + scattered * r * h * v)

        found = [
            (r, h, v, cost(r, h, v))
            for r in range(1, min(plan.outputs, 16) + 1)
            for v in range(1, min(vectors, 8) + 1)
            for h in range(1, min(high, 8) + 1)
            if fits(h * v, r, free) and (h == 1 or v == vectors) and r * h * v <= 24
        ]
        return min(found, key=lambda f: f[3]) if found else (1, 1, 1, 0.0)

    def emitted(self, name: str) -> Emitted:
        size = self.dtype.itemsize
        scratch = 0 if self.direct else aligned((self.plan.inputs * self.volume + self.width) * size)
        return emitted(name, (self._sum(name, scratch),), {}, self.dtype, self.machine, scratch)

    def _sum(self, name: str, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)
        names = ("source", "weights", "result", *(["bias"] if self.bias else []))
        taps, size = math.prod(plan.kernel), math.prod(plan.places)

        def start() -> None:
            self.image = "%mine"
            if not self.direct:
                w.clear("%mine", plan.inputs * self.volume + self.width)

        def index(i: str) -> None:
            group = w.div(i, plan.groups)[1]
            source = w.moved("%p0", w.mul(i, plan.inputs * math.prod(plan.source)))
            if self.direct:
                self.image = source
            else:
                pad(w, plan, plan.inputs, source, self.image, self.padded)
            weights = w.moved("%p1", w.mul(group, plan.inputs * plan.outputs * taps))
            result = w.moved("%p2", w.mul(i, plan.outputs * size))
            bias = w.moved("%p3", w.mul(group, plan.outputs)) if self.bias else ""
            for phases in plan.classes:
                self._phase(w, phases, weights, result, bias)

        return function(w, name, names, plan.batch * plan.groups, index, start, scratch)

    def _phase(self, w: Writer, phases: tuple[Phase, ...], weights: str, result: str, bias: str) -> None:
        plan, (rows, high, vectors, _) = self.plan, self.blocking[phases]
        across = -(-phases[2].places // self.width)  # vectors of a row
        steps = (plan.outputs * math.prod(plan.kernel), math.prod(plan.kernel))
        of_input, of_output = steps if plan.turned else steps[::-1]
        if not plan.turned:
            of_input, of_output = math.prod(plan.kernel), plan.inputs * math.prod(plan.kernel)
        taps = [np.array(p.taps) for p in phases]  # (member, tap)
        apart = [int(t[1, 0] - t[0, 0]) if t.shape[0] > 1 and t.shape[1] else 0 for t in taps]
        lines = steps_of(plan.kernel)

        def member(index: tuple[Any, ...]) -> None:
            start = w.dot(index, [a * b for a, b in zip(apart, lines, strict=True)])
            first = [w.add(p.first, r) for p, r in zip(phases, index, strict=True)]

            def block(o: Any, d: Any, h: Any, v: Any) -> None:
                place = (w.mul(d, plan.step[0]), w.mul(h, plan.step[1]), v)
                source = w.moved(self.image, w.dot(place, steps_of(self.padded)))
                spot = [w.add(a, w.mul(i, s)) for a, i, s in zip(first, (d, h, v), plan.apart, strict=True)]
                at = w.add(w.mul(o, math.prod(plan.places)), w.dot(spot, steps_of(plan.places)))
                kernel = w.moved(weights, w.add(start, w.mul(o, of_output)))
                self._tile(w, phases, source, kernel, w.moved(result, at), bias and w.moved(bias, o),
                           (of_input, of_output))  # fmt: skip

            def line(d: Any, h: Any) -> None:
                def over(v: Any) -> None:  # what is read of the image stays in the cache
                    w.blocks(plan.outputs, rows, lambda _, o: block(o, d, h, v))

                if across == vectors:
                    over(0)
                else:
                    w.blocks(phases[2].places, self.width * vectors, lambda _, v: over(v))

            w.each(phases[0].places, lambda d: w.blocks(phases[1].places, high, lambda _, h: line(d, h)))

        if all([p.places for p in phases]):
            w.every([p.members for p in phases], member)

    def _tile(self, w: Writer, phases: tuple[Phase, ...], source: str, weights: str, target: str, bias: str,
              steps: tuple[int, int]) -> None:  # fmt: skip
        plan, (outputs, high, vectors, _) = self.plan, self.blocking[phases]
        wide, size = phases[2].places, math.prod(plan.places)
        lanes = min(wide, w.width)
        starts = [(r, min(v * w.width, wide - lanes)) for r in range(high) for v in range(vectors)]
        if -(-wide // w.width) > vectors:
            starts = [(r, v * w.width) for r in range(high) for v in range(vectors)]
        columns = [r * plan.step[1] * self.padded[2] + v for r, v in starts]
        places = [r * plan.apart[1] * plan.places[2] + v * plan.apart[2] for r, v in starts]
        targets = [w.moved(target, o * size + at) for o in range(outputs) for at in places]
        known = lanes if self.direct else None  # behind the scratch memory's rows is more of it

        def product(p: str, q: str, sums: list[str]) -> list[str]:
            xs = [w.load(w.moved(p, at), known) for at in columns]
            return w.products(sums, lambda r: w.moved(q, r * steps[1]), xs)

        def finished(sums: list[str]) -> list[str]:
            if bias:
                rows = [w.everywhere(w.moved(bias, r)) for r in range(outputs)]
                sums = [w.arithmetic("fadd", x, rows[k // len(columns)]) for k, x in enumerate(sums)]
            return [positive(w, x) for x in sums] if self.relu else sums

        offsets: list[Sequence[int]] = [p.offsets for p in phases]
        offsets[2] = [at % plan.step[2] * self.row + at // plan.step[2] for at in offsets[2]]
        taps = [p.taps[0] for p in phases]
        get = [functools.partial(w.load_apart, p, lanes, plan.apart[2]) for p in targets]
        put = [functools.partial(w.store_apart, p=p, n=lanes, apart=plan.apart[2]) for p in targets]
        terms = _Terms(offsets, steps_of(self.padded), self.volume, steps[0], taps, steps_of(plan.kernel))
        _accumulated(w, plan.inputs, CHAIN >> plan.turned, terms, source, weights, product, get, put,
                     finished if bias or self.relu else None)  # fmt: skip


class _Terms(NamedTuple):
    """What is summed over. Of the source: the taps' offsets on each axis, an index's step there, a channel's step; of
    the weights: a channel's step, the taps on each axis, and their steps."""

    offsets: Sequence[Sequence[int]]
    steps: Triple
    channel: int
    weights: int
    taps: Sequence[Sequence[int]]
    apart: Triple
    unrolled: int = UNROLLED[0]


def _accumulated(w: Writer, channels: int, chain: int, terms: _Terms, source: str, weights: str,
                 product: Callable[[str, str, list[str]], list[str]], get: list[Any], put: list[Any],
                 finished: Callable[[list[str]], list[str]] | None) -> None:  # fmt: skip
    """A block of sums over channels and taps, put where it belongs; `product` adds one term."""
    taps = math.prod([len(axis) for axis in terms.offsets])
    zeros = ["zeroinitializer"] * len(put)
    pieces = -(-channels * taps // chain)
    each = -(-channels // pieces) if pieces else 0
    pieces = -(-channels // each) if each else 0
    if pieces <= 1:
        sums = _channels(w, channels, terms, source, weights, product, zeros) if pieces else zeros
        for x, store in zip(finished(sums) if finished else sums, put, strict=True):
            store(x)
        return
    for store in put:
        store("zeroinitializer")

    def piece(i: Any) -> None:
        c = w.mul(i, each)
        count = w.least(w.e(f"sub i64 {channels}, {c}"), each) if channels % each else each
        part = w.moved(source, w.mul(c, terms.channel)), w.moved(weights, w.mul(c, terms.weights))
        sums = _channels(w, count, terms, *part, product, zeros)
        sums = [w.arithmetic("fadd", load(), x) for x, load in zip(sums, get, strict=True)]
        for x, store in zip(sums, put, strict=True):  # which may overlap: nothing is stored before all is loaded
            store(x)

    w.each(pieces, piece)
    if finished:
        for x, store in zip(finished([load() for load in get]), put, strict=True):
            store(x)


def _channels(w: Writer, count: Any, terms: _Terms, source: str, weights: str,
              product: Callable[[str, str, list[str]], list[str]], sums: list[str]) -> list[str]:  # fmt: skip
    """The sums over that many channels and all taps."""
    loops, taps = _unrolled(terms)
    unroll = 1
    if isinstance(count, int) and not loops:
        unroll = next(u for u in (4, 2, 1) if count % u == 0 and (u == 1 or u * len(taps) <= terms.unrolled))

    def channel(c: Any, sums: list[str]) -> list[str]:
        image, block = w.moved(source, w.mul(c, terms.channel)), w.moved(weights, w.mul(c, terms.weights))

        def inner(index: list[Any], sums: list[str]) -> list[str]:
            p = w.moved(image, w.dot(index, [step for _, step, _ in loops]))
            q = w.moved(block, w.dot(index, [step for _, _, step in loops]))
            for u in range(unroll):
                for at, weight in taps:
                    sums = product(w.moved(p, u * terms.channel + at), w.moved(q, u * terms.weights + weight), sums)
            return sums

        return w.nested([n for n, _, _ in loops], sums, inner)

    if count == unroll:
        return channel(0, sums)
    return w.loop("0", str(count), unroll, [(w.v, x) for x in sums], channel)


def _unrolled(terms: _Terms) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Loops over taps, each (how many, step in the source, step in the weights), and the offsets in both of those taps
    that are written out in the innermost."""
    loops: list[tuple[int, int, int]] = []
    inner = [(0, 0)]
    axes = [
        [(at * step, tap * line) for at, tap in zip(offsets, taps, strict=True)]
        for offsets, step, taps, line in zip(terms.offsets, terms.steps, terms.taps, terms.apart, strict=True)
    ]
    for axis in reversed(axes):
        apart = {(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(axis)}
        if len(apart) > 1 or (not loops and len(axis) * len(inner) <= terms.unrolled):
            inner = [(a + c, b + d) for a, b in axis for c, d in inner]
        else:  # the first is in the innermost's offsets
            inner = [(axis[0][0] + c, axis[0][1] + d) for c, d in inner]
            loops.insert(0, (len(axis), *(apart.pop() if apart else (0, 0))))
    return loops, inner


def positive(w: Writer, x: str) -> str:
    """The positive part; a NaN is handed on, as by `np.maximum`."""
    return w.select(w.compare("ole", x, "zeroinitializer", w.t), "zeroinitializer", x, w.t)
