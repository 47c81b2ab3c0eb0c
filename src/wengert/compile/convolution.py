"""Convolutions over one to three axes, and their two transposes, as native code: for any stride, dilation, padding and
groups. What they compute is said in `wengert.nn.convolve`, whose signatures the functions at the end have.

All three are the microkernel, which multiplies elements of a padded image (in every lane; so it may lie as it likes)
with vectors over channels:

    forward    z[place, o...]  += x[c, place * stride + tap * dilation]  w[c, tap, o...]
    to input   the same, of g, with the kernel turned around; with a stride, once for each remainder of the places
    to kernel  w[(c, tap), o...] += x[c, place * stride + tap * dilation]  g[place, o...]

Arrays are (batch, channels, *places) outside; the kernel is repacked, and what has channels last, z above and g below,
is transposed in the cache, image by image. Sums have at most `CHAIN` terms before they are added to others'. Images are
independent; the gradient to the kernel has a copy for each of at most `PARTS` runs of images, which are added in their
order. So nothing depends on the number of threads.

A kernel is `name(arguments, lo, hi, thread)`: the indices lo ... hi - 1 of its steps, with scratch memory that belongs
to the thread.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from wengert.compile import machine as machines
from wengert.compile.microkernel import Tile, Writer, best_tile, fits, registers, step_cost

CHAIN = 512  # the most products that are added up plainly
PIXELS = 256  # places of a block of the gradient to a kernel
PARTS = 16
UNROLLED = 4  # taps that are written out
Triple = tuple[int, ...]


class Step(NamedTuple):
    """A kernel of a table: its function, the names of the arrays it is given, and how many indices it has."""

    name: str
    text: str
    declared: tuple[str, ...]
    helpers: tuple[str, ...]  # functions that it calls
    arguments: tuple[str, ...]
    end: int


class Emitted(NamedTuple):
    """Kernels to be run one after the other, and the bytes of buffers they need; of "scratch", each thread."""

    steps: tuple[Step, ...]
    buffers: dict[str, int]


# ---- what is summed --------------------------------------------------------------------------------------------


class Phase(NamedTuple):
    """Places of one axis that are alike: first + member + apart * m for m < count, and what they read."""

    first: int
    count: int
    offsets: tuple[int, ...]  # of the taps, in the padded source
    taps: tuple[tuple[int, ...], ...]  # for each member, their indices in the kernel

    @property
    def members(self) -> int:
        return len(self.taps)


class Plan(NamedTuple):
    """A sum over channels and taps of a padded source times a kernel, in each group of channels."""

    batch: int
    groups: int
    inputs: int  # channels of a group
    outputs: int
    source: Triple  # places
    before: Triple  # zeros before each axis
    padded: Triple
    places: Triple  # of the result
    step: Triple  # in the source
    apart: Triple  # in the result
    phases: tuple[tuple[Phase, ...], ...]  # of each axis
    kernel: Triple
    turned: bool  # whether the kernel's first axis is that of the inputs

    @property
    def direct(self) -> bool:
        """Whether the source needs no padding."""
        return self.padded == self.source

    @property
    def classes(self) -> list[tuple[Phase, ...]]:
        """The phases of all axes together, but those without a place."""
        return list(itertools.product(*self.phases))


def _three(sizes: Sequence[int], one: int = 1) -> Triple:
    return (one,) * (3 - len(sizes)) + tuple(sizes)


def _merged(sizes: Sequence[Sequence[int]], plain: Sequence[bool]) -> list[Triple]:
    """Sizes of three axes, where neighbours on which nothing but copying happens are one."""
    found = [list(n) for n in sizes]
    for a in (0, 1):
        if plain[a] and plain[a + 1]:
            for n in found:
                n[a], n[a + 1] = 1, n[a] * n[a + 1]
    return [tuple(n) for n in found]


def _plain(geometry: Any, kernel: Triple) -> list[bool]:
    padding = ((0, 0),) * (3 - len(geometry.padding)) + tuple(geometry.padding)
    rows = zip(kernel, _three(geometry.stride), padding, strict=True)
    return [k == 1 and s == 1 and p == (0, 0) for k, s, p in rows]


def plan_forward(x: Sequence[int], w: Sequence[int], geometry: Any) -> Plan:
    """The plan of a convolution of arrays of these shapes."""
    g, kernel = geometry.groups, _three(w[2:])
    places = _three(geometry.outputs(x[2:], w[2:]))
    source, places = _merged((_three(x[2:]), places), _plain(geometry, kernel))
    padding = ((0, 0),) * (5 - len(x)) + tuple(geometry.padding)
    padded = tuple([n + a + b for n, (a, b) in zip(source, padding, strict=True)])
    dilation = _three(geometry.dilation)
    phases = tuple([
        (Phase(0, n, tuple([k * d for k in range(size)]), (tuple(range(size)),)),)
        for n, size, d in zip(places, kernel, dilation, strict=True)
    ])  # fmt: skip
    before = tuple([a for a, _ in padding])
    return Plan(x[0], g, w[1], w[0] // g, source, before, padded, places, _three(geometry.stride), (1, 1, 1),
                phases, kernel, False)  # fmt: skip


def plan_to_input(z: Sequence[int], w: Sequence[int], places: Sequence[int], geometry: Any) -> Plan:
    """The plan of what flows back to an input with these places."""
    g, kernel = geometry.groups, _three(w[2:])
    source, target = _merged((_three(z[2:]), _three(places)), _plain(geometry, kernel))
    padding = ((0, 0),) * (5 - len(z)) + tuple(geometry.padding)
    rows = zip(kernel, target, padding, _three(geometry.stride), _three(geometry.dilation), strict=True)
    axes = [_phases(k, n, a, s, d) for k, n, (a, _), s, d in rows]
    low = [min([0, *[at for p in axis for at in p.offsets]]) for axis in axes]
    high = [max([n, *[p.count + at for p in axis for at in p.offsets]]) for axis, n in zip(axes, source, strict=True)]
    phases = tuple([
        tuple([p._replace(offsets=tuple([at - a for at in p.offsets])) for p in axis])
        for axis, a in zip(axes, low, strict=True)
    ])  # fmt: skip
    padded = tuple([b - a for a, b in zip(low, high, strict=True)])
    before = tuple([-a for a in low])
    return Plan(z[0], g, w[0] // g, w[1], source, before, padded, target, (1, 1, 1), _three(geometry.stride),
                phases, kernel, True)  # fmt: skip


def _phases(kernel: int, places: int, before: int, stride: int, dilation: int) -> list[Phase]:
    """Of the input's places, those with the same remainder by the stride; neighbours that are alike are one phase."""
    found: list[Phase] = []
    for first in range(min(stride, places)):
        taps = tuple([k for k in range(kernel) if (first + before - k * dilation) % stride == 0])
        offsets = tuple([(first + before - k * dilation) // stride for k in taps])
        phase = Phase(first, -(-(places - first) // stride), offsets, (taps,))
        last = found[-1] if found else None
        if last and (last.count, last.offsets) == (phase.count, offsets):
            found[-1] = last._replace(taps=(*last.taps, taps))
        else:
            found.append(phase)
    return found


# ---- forward and to input --------------------------------------------------------------------------------------


class _Summing:
    """The two kernels of a plan: one packs the weights, the other sums."""

    def __init__(self, plan: Plan, dtype: Any, machine: Any, bias: bool = False, relu: bool = False) -> None:
        self.plan, self.dtype, self.machine, self.bias, self.relu = plan, np.dtype(dtype), machine, bias, relu
        width = Writer(dtype, machine).width
        count = -(-plan.outputs // width)
        biggest = max(plan.classes, key=lambda c: math.prod([p.count for p in c]))
        self.vectors = best_tile(_plane(biggest), count, machine).vectors
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
        (high, wide), tile = _plane(phases), self._tile_of(phases)
        pieces = -(-high // tile.places[0]) * -(-wide // tile.places[1]) * phases[0].count
        pieces *= math.prod([p.members for p in phases]) * self.blocks
        terms = self.plan.inputs * math.prod([len(p.offsets) for p in phases])
        return pieces * (terms * step_cost(tile.rows, self.vectors) + 2 * tile.rows * self.vectors)

    def _cost_of_transpose(self, width: int) -> float:
        """Of the result, and of the weights for each of at most 64 images that share them."""
        columns = self.blocks * self.vectors
        weights = self.plan.inputs * math.prod(self.plan.kernel) / min(max(self.plan.batch, 1), 64)
        return (math.prod(self.plan.places) + weights) * columns * 6.0

    def _tile_of(self, phases: tuple[Phase, ...]) -> Tile:
        return best_tile(_plane(phases), self.blocks * self.vectors, self.machine, self.vectors)

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
        scratch = _aligned(padded * size) + _aligned(math.prod(plan.places) * self.block * size)
        steps = (self._pack(f"{name}_pack"), self._sum(name, _aligned(padded * size), scratch))
        return Emitted(steps, {"packed": plan.groups * self.packed * size, "scratch": scratch})

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
                    _columns(w, count, size, w.moved("%p0", w.mul(first, size)), size, target, self.block)

            _vectors(w, plan.outputs, self.vectors, vector)

        return _function(w, name, ("weights", "packed"), plan.groups * self.blocks, index)

    def _pack_turned(self, w: Writer, square: str, group: Any, number: Any, channel: Any, count: int, to: str) -> None:
        """The vectors of a block of channels: each tap's goes where its phase has it."""
        plan, taps = self.plan, math.prod(self.plan.kernel)
        places, size = self._tap_places(), min(w.width, taps)

        def of_input(i: Any) -> None:
            row = w.add(w.mul(w.add(w.mul(group, plan.inputs), i), plan.outputs), channel)
            source = w.moved("%p0", w.mul(row, taps))
            for t0 in [min(t, taps - size) for t in range(0, taps, w.width)]:
                _columns(w, count, size, w.moved(source, t0), taps, square, w.width)
                for t in range(size):
                    if t0 + t in places:
                        start, each, at = places[t0 + t]
                        offset = w.add(w.mul(number, each), w.add(w.mul(i, each // plan.inputs), start + at))
                        w.store(w.load(w.moved(square, t * w.width)), w.moved(to, offset))

        w.each(plan.inputs, of_input)

    def _tap_places(self) -> dict[int, tuple[int, int, int]]:
        """For each tap: where its phase's weights begin, how many a block has, and its place among those of an input."""
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
        names = ("source", "packed", "result", "scratch", *(["bias"] if self.bias else []))
        size = math.prod(plan.places)

        def start() -> None:
            _scratch(w, 3, scratch)
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
                _pad(w, plan, plan.inputs, source, self.image)
            group = w.div(image, plan.groups)[1]
            weights = w.moved("%p1", w.mul(group, self.packed))
            result = w.moved("%p2", w.mul(image, plan.outputs * size))

            def block(number: Any) -> None:
                first = self._start(w, number)
                bias = w.moved("%p4", w.add(w.mul(group, plan.outputs), first)) if self.bias else ""
                for phases in plan.classes:
                    self._phase(w, phases, weights, number, bias)
                to = w.moved(result, w.mul(first, size))
                w.transpose((size, min(self.block, plan.outputs)), self.buffer, self.block, to, size)

            if self.split:
                block(number)
            else:
                w.each(self.blocks, block)

        end = plan.batch * plan.groups * (self.blocks if self.split else 1)
        return _function(w, name, names, end, index, start)

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
                source = w.moved(self.image, w.dot(place, _steps(plan.padded)))
                place = [w.add(a, w.mul(i, s)) for a, i, s in zip(first, (d, h, v), plan.apart, strict=True)]
                target = w.moved(self.buffer, w.mul(w.dot(place, _steps(plan.places)), self.block))
                self._tile(w, phases, tile, source, packed, target, bias)

            rows, columns = _plane(phases)
            if rows and columns:
                w.each(phases[0].count, lambda d: w.blocks(phases[1].count, tile.places[0], lambda _, h: w.blocks(
                    phases[2].count, tile.places[1], lambda _, v: block(d, h, v))))  # fmt: skip

        a, b, c = [p.members for p in phases]
        w.each(a, lambda i: w.each(b, lambda j: w.each(c, lambda k: member((i, j, k), w.dot((i, j, k), (b * c, c, 1))))))

    def _tile(self, w: Writer, phases: tuple[Phase, ...], tile: Tile, source: str, packed: str, target: str,
              bias: str) -> None:  # fmt: skip
        """The sums of one block of places."""
        plan, (high, wide), nb = self.plan, tile.places, self.vectors
        places = list(itertools.product(range(high), range(wide)))
        _, row, column = _steps(plan.padded)
        rows = [r * plan.step[1] * row + c * plan.step[2] * column for r, c in places]
        _, row, column = _steps(plan.places)
        to = [(r * plan.apart[1] * row + c * plan.apart[2] * column) * self.block for r, c in places]
        targets = [w.moved(target, t + j * w.width) for t in to for j in range(nb)]

        def product(p: str, q: str, sums: list[str]) -> list[str]:
            columns = [w.load(w.moved(q, j * w.width)) for j in range(nb)]
            return w.products(sums, lambda r: w.moved(p, rows[r]), columns)

        def finished(sums: list[str]) -> list[str]:
            if bias:
                columns = [w.load(w.moved(bias, j * w.width), max(plan.outputs - j * w.width, 0)) for j in range(nb)]
                sums = [w.arithmetic("fadd", x, columns[k % nb]) for k, x in enumerate(sums)]
            return [_relu(w, x) for x in sums] if self.relu else sums

        a, b, c = [len(p.offsets) for p in phases]
        lines = (b * c * self.block, c * self.block, self.block)
        terms = _Terms([p.offsets for p in phases], _steps(plan.padded), self.volume, a * b * c * self.block,
                       (range(a), range(b), range(c)), lines)  # fmt: skip
        get, put = [functools.partial(w.load, p) for p in targets], [functools.partial(w.store, p=p) for p in targets]
        _accumulated(w, plan.inputs, terms, source, packed, product, get, put, finished if bias or self.relu else None)


class _Across:
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
        high, wide = _plane(phases)
        vectors = -(-wide // self.width)
        times = plan.inputs * math.prod([len(p.offsets) for p in phases]) * phases[0].count
        times *= math.prod([p.members for p in phases])

        def cost(r: int, h: int, v: int) -> float:
            pieces = -(-plan.outputs // r) * -(-high // h) * -(-vectors // v)
            scattered = 16 if plan.apart[2] > 1 else 2
            return pieces * (times * (step_cost(r, h * v, 1.5) + 0.02) + scattered * r * h * v)

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
        scratch = 0 if self.direct else _aligned((self.plan.inputs * self.volume + self.width) * size)
        return Emitted((self._sum(name, scratch),), {"scratch": scratch})

    def _sum(self, name: str, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)
        names = ("source", "weights", "result", "scratch", *(["bias"] if self.bias else []))
        taps, size = math.prod(plan.kernel), math.prod(plan.places)

        def start() -> None:
            _scratch(w, 3, scratch)
            self.image = "%mine"
            if not self.direct:
                w.clear("%mine", plan.inputs * self.volume + self.width)

        def index(i: str) -> None:
            group = w.div(i, plan.groups)[1]
            source = w.moved("%p0", w.mul(i, plan.inputs * math.prod(plan.source)))
            if self.direct:
                self.image = source
            else:
                _pad(w, plan, plan.inputs, source, self.image, self.padded)
            weights = w.moved("%p1", w.mul(group, plan.inputs * plan.outputs * taps))
            result = w.moved("%p2", w.mul(i, plan.outputs * size))
            bias = w.moved("%p4", w.mul(group, plan.outputs)) if self.bias else ""
            for phases in plan.classes:
                self._phase(w, phases, weights, result, bias)

        return _function(w, name, names, plan.batch * plan.groups, index, start)

    def _phase(self, w: Writer, phases: tuple[Phase, ...], weights: str, result: str, bias: str) -> None:
        plan, (rows, high, vectors, _) = self.plan, self.blocking[phases]
        across = -(-phases[2].count // self.width)  # vectors of a row
        steps = (plan.outputs * math.prod(plan.kernel), math.prod(plan.kernel))
        of_input, of_output = steps if plan.turned else steps[::-1]
        if not plan.turned:
            of_input, of_output = math.prod(plan.kernel), plan.inputs * math.prod(plan.kernel)
        taps = [np.array(p.taps) for p in phases]  # (member, tap)
        apart = [int(t[1, 0] - t[0, 0]) if t.shape[0] > 1 and t.shape[1] else 0 for t in taps]
        lines = _steps(plan.kernel)

        def member(index: tuple[Any, ...]) -> None:
            start = w.dot(index, [a * b for a, b in zip(apart, lines, strict=True)])
            first = [w.add(p.first, r) for p, r in zip(phases, index, strict=True)]

            def block(o: Any, d: Any, h: Any, v: Any) -> None:
                place = (w.mul(d, plan.step[0]), w.mul(h, plan.step[1]), v)
                source = w.moved(self.image, w.dot(place, _steps(self.padded)))
                place = [w.add(a, w.mul(i, s)) for a, i, s in zip(first, (d, h, v), plan.apart, strict=True)]
                at = w.add(w.mul(o, math.prod(plan.places)), w.dot(place, _steps(plan.places)))
                kernel = w.moved(weights, w.add(start, w.mul(o, of_output)))
                self._tile(w, phases, source, kernel, w.moved(result, at), bias and w.moved(bias, o),
                           (of_input, of_output))  # fmt: skip

            def line(o: Any, d: Any, h: Any) -> None:
                if across == vectors:
                    block(o, d, h, 0)
                else:
                    w.blocks(phases[2].count, self.width * vectors, lambda _, v: block(o, d, h, v))

            w.blocks(plan.outputs, rows, lambda _, o: w.each(phases[0].count, lambda d: w.blocks(
                phases[1].count, high, lambda _, h: line(o, d, h))))  # fmt: skip

        if all([p.count for p in phases]):
            a, b, c = [p.members for p in phases]
            w.each(a, lambda i: w.each(b, lambda j: w.each(c, lambda k: member((i, j, k)))))

    def _tile(self, w: Writer, phases: tuple[Phase, ...], source: str, weights: str, target: str, bias: str,
              steps: tuple[int, int]) -> None:  # fmt: skip
        plan, (outputs, high, vectors, _) = self.plan, self.blocking[phases]
        wide, size = phases[2].count, math.prod(plan.places)
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
            return [_relu(w, x) for x in sums] if self.relu else sums

        offsets: list[Sequence[int]] = [p.offsets for p in phases]
        offsets[2] = [at % plan.step[2] * self.row + at // plan.step[2] for at in offsets[2]]
        taps = [p.taps[0] for p in phases]
        get = [functools.partial(w.load_apart, p, lanes, plan.apart[2]) for p in targets]
        put = [functools.partial(w.store_apart, p=p, n=lanes, apart=plan.apart[2]) for p in targets]
        terms = _Terms(offsets, _steps(self.padded), self.volume, steps[0], taps, _steps(plan.kernel))
        _accumulated(w, plan.inputs, terms, source, weights, product, get, put,
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


def _accumulated(w: Writer, channels: int, terms: _Terms, source: str, weights: str,
                 product: Callable[[str, str, list[str]], list[str]], get: list[Any], put: list[Any],
                 finished: Callable[[list[str]], list[str]] | None) -> None:  # fmt: skip
    """A block of sums over channels and taps, put where it belongs; `product` adds one term."""
    taps = math.prod([len(axis) for axis in terms.offsets])
    zeros = ["zeroinitializer"] * len(put)
    pieces = -(-channels * taps // CHAIN)
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
        for x, load, store in zip(_channels(w, count, terms, *part, product, zeros), get, put, strict=True):
            store(w.arithmetic("fadd", load(), x))

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
        unroll = next(u for u in (4, 2, 1) if count % u == 0 and (u == 1 or u * len(taps) <= UNROLLED))

    def channel(c: Any, sums: list[str]) -> list[str]:
        image, block = w.moved(source, w.mul(c, terms.channel)), w.moved(weights, w.mul(c, terms.weights))

        def inner(index: list[Any], sums: list[str]) -> list[str]:
            p = w.moved(image, w.dot(index, [step for _, step, _ in loops]))
            q = w.moved(block, w.dot(index, [step for _, _, step in loops]))
            for u in range(unroll):
                for at, weight in taps:
                    place, weight = w.moved(p, u * terms.channel + at), w.moved(q, u * terms.weights + weight)
                    sums = product(place, weight, sums)
            return sums

        return w.nested([n for n, _, _ in loops], sums, inner)

    if count == unroll:
        return channel(0, sums)
    return w.loop("0", str(count), unroll, [(w.v, x) for x in sums], channel)


# ---- to kernel -------------------------------------------------------------------------------------------------


class _Correlating:
    """The kernels that give the gradient to a kernel: sums for each run of images, their sum, its rearrangement."""

    def __init__(self, plan: Plan, dtype: Any, machine: Any) -> None:
        self.plan, self.dtype, self.machine = plan, np.dtype(dtype), machine
        self.width = Writer(dtype, machine).width
        self.shape, self.vectors = self._tile()
        self.rows = math.prod(self.shape)
        self.block = self.vectors * self.width
        self.blocks = -(-plan.outputs // self.block)
        self.counts = [-(-n // b) for n, b in zip((plan.inputs, *plan.kernel), self.shape, strict=True)]
        self.tiles = math.prod(self.counts)
        self.region = self.blocks * self.tiles * self.rows * self.block  # of a group
        self.volume = math.prod(plan.padded)
        self.split = plan.batch * plan.groups < 8
        most = max(1, (32 << 20) // max(1, plan.groups * self.region * self.dtype.itemsize))
        self.parts = max(1, min(plan.batch, PARTS, most))

    def _tile(self) -> tuple[tuple[int, ...], int]:
        """The channels and taps, neighbours in the kernel, and the vectors of a block of sums."""
        plan, free = self.plan, registers(self.machine)
        sizes = (plan.inputs, *plan.kernel)
        count = -(-plan.outputs // self.width)
        shapes = [
            ((1,) * a + (n,) + sizes[a + 1 :], nb)
            for a in range(4)
            for n in range(1, min(sizes[a], free) + 1)
            for nb in range(1, min(count, 6) + 1)
            if fits(n * math.prod(sizes[a + 1 :]), nb, free)
        ]

        def cost(pair: tuple[tuple[int, ...], int]) -> float:
            shape, nb = pair
            pieces = math.prod([-(-n // b) for n, b in zip(sizes, shape, strict=True)]) * -(-count // nb)
            return pieces * (step_cost(math.prod(shape), nb) + 0.02)

        return min(shapes, key=cost)

    def emitted(self, name: str) -> Emitted:
        plan, size = self.plan, self.dtype.itemsize
        padded = 0 if plan.direct else plan.inputs * self.volume
        scratch = _aligned(padded * size) + _aligned(math.prod(plan.places) * self.block * size)
        steps = [self._sums(f"{name}_sums", _aligned(padded * size), scratch)]
        if self.parts > 1:
            steps.append(self._total(f"{name}_total"))
        steps.append(self._arranged(name))
        return Emitted(tuple(steps), {"parts": self.parts * plan.groups * self.region * size, "scratch": scratch})

    def _start(self, w: Writer, number: Any) -> Any:
        if self.plan.outputs < self.block:
            return 0
        return w.least(w.mul(number, self.block), self.plan.outputs - self.block)

    def _sums(self, name: str, padded: int, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)
        size, region = math.prod(plan.places), self.region

        def start() -> None:
            _scratch(w, 3, scratch)
            self.image = "%mine"
            self.buffer = w.e(f"getelementptr i8, ptr %mine, i64 {padded}")
            if not plan.direct:
                w.clear("%mine", plan.inputs * self.volume)

        def index(i: str) -> None:
            rest, number = w.div(i, self.blocks) if self.split else (i, None)
            part, group = w.div(rest, plan.groups)
            sums = w.moved("%p2", w.mul(rest, region))
            if self.split:
                sums = w.moved(sums, w.mul(number, region // self.blocks))
            w.clear(sums, region // self.blocks if self.split else region)
            low = w.e(f"udiv i64 {w.mul(part, plan.batch)}, {self.parts}")
            high = w.e(f"udiv i64 {w.mul(w.add(part, 1), plan.batch)}, {self.parts}")

            def image(n: str, _: list[str]) -> list[str]:
                at = w.add(w.mul(n, plan.groups), group)
                source = w.moved("%p0", w.mul(at, plan.inputs * math.prod(plan.source)))
                if plan.direct:
                    self.image = source
                else:
                    _pad(w, plan, plan.inputs, source, self.image)
                g = w.moved("%p1", w.mul(at, plan.outputs * size))
                if self.split:
                    self._block(w, g, number, sums)
                else:
                    w.each(self.blocks, lambda k: self._block(w, g, k, w.moved(sums, w.mul(k, region // self.blocks))))
                return []

            w.loop(low, high, 1, [], image)

        end = self.parts * plan.groups * (self.blocks if self.split else 1)
        return _function(w, name, ("source", "gradient", "parts", "scratch"), end, index, start)

    def _block(self, w: Writer, g: str, number: Any, sums: str) -> None:
        """What an image adds for one block of channels."""
        plan, size = self.plan, math.prod(self.plan.places)
        start = self._start(w, number)

        def vector(j: Any, count: int) -> None:
            first = w.add(start, w.mul(j, w.width))
            to = w.moved(self.buffer, w.mul(j, w.width))
            _columns(w, count, size, w.moved(g, w.mul(first, size)), size, to, self.block)

        _vectors(w, plan.outputs, self.vectors, vector)
        deep, high, wide = plan.places
        columns = min(wide, PIXELS)
        rows = min(high, max(1, PIXELS // wide))

        def places(d: Any, h: Any, v: Any) -> None:
            h0, v0 = w.mul(h, rows), w.mul(v, columns)
            many = [n if n % b == 0 and n else None for n, b in ((high, rows), (wide, columns))]
            counts = [
                b if exact else w.least(w.e(f"sub i64 {n}, {i}"), b)
                for exact, n, b, i in zip(many, (high, wide), (rows, columns), (h0, v0), strict=True)
            ]
            self._tiles(w, (d, h0, v0), counts, sums)

        w.each(deep, lambda d: w.each(-(-high // rows), lambda h: w.each(-(-wide // columns), lambda v: places(d, h, v))))

    def _tiles(self, w: Writer, first: tuple[Any, ...], counts: list[Any], sums: str) -> None:
        """The sums over a rectangle of places, for every channel and tap."""
        plan = self.plan
        steps = _steps(plan.padded)
        source = w.moved(self.image, w.dot([w.mul(i, s) for i, s in zip(first, plan.step, strict=True)], steps))
        gradient = w.moved(self.buffer, w.mul(w.dot(first, _steps(plan.places)), self.block))
        offsets = [p[0].offsets for p in plan.phases]
        dilation = [o[1] - o[0] if len(o) > 1 else 0 for o in offsets]
        each = (self.volume, *[d * s for d, s in zip(dilation, steps, strict=True)])
        at = [sum([i * e for i, e in zip(r, each, strict=True)]) for r in itertools.product(*map(range, self.shape))]
        sizes = (plan.inputs, *plan.kernel)

        def tile(index: list[Any]) -> None:
            starts = [w.least(w.mul(i, b), n - b) for i, b, n in zip(index, self.shape, sizes, strict=True)]
            image = w.moved(source, w.dot(starts, each))
            number = w.dot(index, [math.prod(self.counts[a + 1 :]) for a in range(4)])
            to = w.moved(sums, w.mul(number, self.rows * self.block))
            zeros = ["zeroinitializer"] * (self.rows * self.vectors)
            for k, x in enumerate(self._pixels(w, image, gradient, counts, at, zeros)):
                p = w.moved(to, k * w.width)
                w.store(w.arithmetic("fadd", w.load(p), x), p)

        def over(index: list[Any]) -> None:
            if len(index) == 4:
                tile(index)
            else:
                w.each(self.counts[len(index)], lambda i: over([*index, i]))

        over([])

    def _pixels(self, w: Writer, image: str, gradient: str, counts: list[Any], at: list[int], sums: list[str]) -> list[str]:
        plan, (high, wide) = self.plan, counts
        _, row, column = [a * b for a, b in zip(_steps(plan.padded), plan.step, strict=True)]
        unroll = 1
        if isinstance(wide, int):
            unroll = next(u for u in (4, 2, 1) if wide % u == 0 and (u == 1 or u * len(sums) <= 96))

        def line(h: Any, sums: list[str]) -> list[str]:
            p, q = w.moved(image, w.mul(h, row)), w.moved(gradient, w.mul(h, plan.places[2] * self.block))

            def place(v: Any, sums: list[str]) -> list[str]:
                x, g = w.moved(p, w.mul(v, column)), w.moved(q, w.mul(v, self.block))
                for u in range(unroll):
                    columns = [w.load(w.moved(g, (u * self.vectors + j) * w.width)) for j in range(self.vectors)]
                    sums = w.products(sums, lambda r, u=u: w.moved(x, at[r] + u * column), columns)
                return sums

            if wide == unroll:
                return place(0, sums)
            return w.loop("0", str(wide), unroll, [(w.v, x) for x in sums], place)

        return line(0, sums) if high == 1 else w.loop("0", str(high), 1, [(w.v, x) for x in sums], line)

    def _total(self, name: str) -> Step:
        """The copies' sum, in the first."""
        w, size = Writer(self.dtype, self.machine), self.plan.groups * self.region
        chunk = self.rows * self.block

        def index(i: str) -> None:
            first = w.moved("%p0", w.mul(i, chunk))

            def vector(j: Any) -> None:
                p = w.moved(first, j)
                total = w.loop("1", str(self.parts), 1, [(w.v, w.load(p))], lambda k, xs: [
                    w.arithmetic("fadd", xs[0], w.load(w.moved(p, w.mul(k, size))))])  # fmt: skip
                w.store(total[0], p)

            w.each(chunk, vector, w.width)

        return _function(w, name, ("parts",), size // chunk, index)

    def _arranged(self, name: str) -> Step:
        """The gradient in the kernel's own order."""
        plan, w = self.plan, Writer(self.dtype, self.machine)
        sizes = (plan.inputs, *plan.kernel)
        total, steps = math.prod(sizes), [math.prod(sizes[a + 1 :]) for a in range(4)]

        def index(i: str) -> None:
            group, number = w.div(i, self.blocks)
            first = w.add(w.mul(group, plan.outputs), self._start(w, number))
            source = w.moved("%p0", w.mul(i, self.tiles * self.rows * self.block))
            target = w.moved("%p1", w.mul(first, total))

            def over(index: list[Any]) -> None:
                if len(index) < 4:
                    w.each(self.counts[len(index)], lambda i: over([*index, i]))
                    return
                starts = [w.least(w.mul(i, b), n - b) for i, b, n in zip(index, self.shape, sizes, strict=True)]
                number = w.dot(index, [math.prod(self.counts[a + 1 :]) for a in range(4)])
                p = w.moved(source, w.mul(number, self.rows * self.block))
                q = w.moved(target, w.dot(starts, steps))
                w.transpose((self.rows, min(self.block, plan.outputs)), p, self.block, q, total)

            over([])

        return _function(w, name, ("parts", "result"), plan.groups * self.blocks, index)


# ---- parts of kernels ------------------------------------------------------------------------------------------


def _aligned(size: int) -> int:
    return -(-size // 64) * 64


def _plane(phases: Sequence[Phase]) -> tuple[int, int]:
    return phases[1].count, phases[2].count


def _steps(sizes: Triple) -> Triple:
    return sizes[1] * sizes[2], sizes[2], 1


def _relu(w: Writer, x: str) -> str:
    """The positive part; a NaN is handed on, as by `np.maximum`."""
    return w.select(w.compare("ole", x, "zeroinitializer", w.t), "zeroinitializer", x, w.t)


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
        if len(apart) > 1 or (not loops and len(axis) * len(inner) <= UNROLLED):
            inner = [(a + c, b + d) for a, b in axis for c, d in inner]
        else:  # the first is in the innermost's offsets
            inner = [(axis[0][0] + c, axis[0][1] + d) for c, d in inner]
            loops.insert(0, (len(axis), *(apart.pop() if apart else (0, 0))))
    return loops, inner


def _pad(w: Writer, plan: Plan, channels: int, source: str, target: str, padded: Triple | None = None) -> None:
    """An image into its place among zeros; with `padded`, the rows' elements by their remainder by the step."""
    deep, high, wide = plan.source
    sizes = padded or plan.padded
    begin = w.dot(plan.before[:2], _steps(sizes)[:2])

    def line(c: Any, d: Any, h: Any) -> None:
        at = w.dot((c, d, h), (deep * high * wide, high * wide, wide))
        to = w.dot((c, d, h), (math.prod(sizes), *_steps(sizes)[:2]))
        p, q = w.moved(source, at), w.moved(target, w.add(to, begin))
        if padded and plan.step[2] > 1:
            w.divide(p, q, wide, plan.step[2], plan.before[2], sizes[2] // plan.step[2])
        else:
            w.copy(p, w.moved(q, plan.before[2]), wide)

    w.each(channels, lambda c: w.each(deep, lambda d: w.each(high, lambda h: line(c, d, h))))


def _vectors(w: Writer, channels: int, vectors: int, body: Callable[[Any, int], None]) -> None:
    """`body(j, count)` for the vectors of a block, of which so many lanes are channels that there are."""
    if channels >= vectors * w.width:
        w.each(vectors, lambda j: body(j, w.width))
    else:
        for j in range(vectors):
            body(j, max(0, min(w.width, channels - j * w.width)))


def _columns(w: Writer, count: int, size: int, source: str, step: int, target: str, apart: int) -> None:
    """The columns of `count` rows of `size` elements as vectors, filled up with zeros."""
    if count:
        w.transpose((count, size), source, step, target, apart, pad=True)
    else:
        w.each(size, lambda t: w.store("zeroinitializer", w.moved(target, w.mul(t, apart))))


def _scratch(w: Writer, number: int, size: int) -> None:
    """The thread's part of the scratch memory."""
    at = w.mul("%thread", size)
    w.do(f"%mine = getelementptr i8, ptr %p{number}, i64 {at}")


def _function(w: Writer, name: str, arguments: Sequence[str], end: int, index: Callable[[str], None],
              start: Callable[[], None] | None = None) -> Step:  # fmt: skip
    """A kernel that does `index(i)` for each of its indices."""
    for k in range(len(arguments)):
        w.do(f"%q{k} = getelementptr ptr, ptr %args, i64 {k}")
        w.do(f"%p{k} = load ptr, ptr %q{k}")
    if start:
        start()

    def inside(i: str, _: list[str]) -> list[str]:
        index(i)
        return []

    w.loop("%lo", "%hi", 1, [], inside)
    w.do("ret void")
    text = f"define void @{name}(ptr %args, i64 %lo, i64 %hi, i64 %thread) {{\nentry:\n{w.text()}\n}}"
    return Step(name, text, tuple(w.declared), tuple(w.helpers.values()), tuple(arguments), end)


# ---- for a table of kernels ------------------------------------------------------------------------------------


def emit_sum(name: str, plan: Plan, dtype: Any, machine: Any, *, bias: bool = False, relu: bool = False) -> Emitted:
    """The kernels of a convolution or of its transpose, from "source", "weights" (and "bias") to "result"."""
    ways = _Summing(plan, dtype, machine, bias, relu), _Across(plan, dtype, machine, bias, relu)
    return min(ways, key=lambda way: way.cost).emitted(name)


def emit_to_kernel(name: str, plan: Plan, dtype: Any, machine: Any) -> Emitted:
    """The kernels of what flows back to a kernel, from "source" and "gradient" to "result"."""
    return _Correlating(plan, dtype, machine).emitted(name)


def module(emitted: Emitted) -> str:
    """One module of these kernels."""
    declared = sorted({line for step in emitted.steps for line in step.declared})
    helpers = {text: None for step in emitted.steps for text in step.helpers}
    return "\n".join([*declared, *helpers, *[step.text for step in emitted.steps]])


# ---- on arrays -------------------------------------------------------------------------------------------------


class Native:
    """Kernels that are compiled, to be called on arrays."""

    def __init__(self, emitted: Emitted, machine: Any) -> None:
        self.emitted = emitted
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        addresses = machines.link(module(emitted), machine, [step.name for step in emitted.steps])
        self.functions = [signature(address) for address in addresses]

    def __call__(self, arrays: dict[str, ndarray], threads: int = 1) -> None:
        """Run them on these arrays, all C-contiguous."""
        buffers = {name: np.empty(size * (threads if name == "scratch" else 1) + 64, np.uint8)
                   for name, size in self.emitted.buffers.items()}  # fmt: skip
        places = {name: array.ctypes.data for name, array in arrays.items()}
        places |= {name: -(-array.ctypes.data // 64) * 64 for name, array in buffers.items()}
        for step, function in zip(self.emitted.steps, self.functions, strict=True):
            words = (ctypes.c_void_p * len(step.arguments))(*[places[name] for name in step.arguments])
            if threads == 1 or step.end == 1:
                function(words, 0, step.end, 0)
                continue
            indices = itertools.count()

            def work(thread: int, f: Any = function, words: Any = words, step: Step = step, indices: Any = indices) -> None:
                while (i := next(indices)) < step.end:
                    f(words, i, i + 1, thread)

            others = [threading.Thread(target=work, args=(k,)) for k in range(1, threads)]
            for t in others:
                t.start()
            work(0)
            for t in others:
                t.join()


@functools.cache
def _native(emit: Any, plan: Plan, dtype: Any, machine: Any, options: tuple[tuple[str, bool], ...] = ()) -> Native:
    name = f"c{abs(hash((emit.__name__, plan, dtype, options))):x}"
    return Native(emit(name, plan, dtype, machine, **dict(options)), machine)


def _alike(*arrays: Any) -> list[ndarray]:
    xs = [np.asarray(x) for x in arrays]
    dtype = np.result_type(*xs)
    return [np.ascontiguousarray(x, dtype) for x in xs]


def forward(x: Any, w: Any, geometry: Any, *, bias: Any = None, relu: bool = False, threads: int = 1,
            machine: Any = None) -> ndarray:  # fmt: skip
    """The convolution of arrays, as `wengert.nn.convolve.convolve`; then a bias and the positive part, if asked for."""
    x, w, *more = _alike(x, w, *([] if bias is None else [bias]))
    z = np.empty((x.shape[0], w.shape[0], *geometry.outputs(x.shape[2:], w.shape[2:])), x.dtype)
    if not (z.size and x.size and w.size):
        z[...] = 0 if bias is None else np.reshape(more[0], (-1, *(1,) * (x.ndim - 2)))
        return np.maximum(z, 0) if relu else z
    options = tuple([pair for pair in (("bias", bias is not None), ("relu", relu)) if pair[1]])
    plan = plan_forward(x.shape, w.shape, geometry)
    run = _native(emit_sum, plan, x.dtype, machine or machines.host(), options)
    run({"source": x, "weights": w, "result": z, **({} if bias is None else {"bias": more[0]})}, threads)
    return z


def to_input(g: Any, w: Any, places: Sequence[int], geometry: Any, *, threads: int = 1, machine: Any = None) -> ndarray:
    """What flows back to an input with these places, as `wengert.nn.convolve.convolve_transposed`."""
    g, w = _alike(g, w)
    z = np.empty((g.shape[0], w.shape[1] * geometry.groups, *places), g.dtype)
    if not (z.size and g.size and w.size):
        z[...] = 0
        return z
    plan = plan_to_input(g.shape, w.shape, places, geometry)
    _native(emit_sum, plan, g.dtype, machine or machines.host())({"source": g, "weights": w, "result": z}, threads)
    return z


def to_kernel(x: Any, g: Any, kernel: Sequence[int], geometry: Any, *, threads: int = 1, machine: Any = None) -> ndarray:
    """What flows back to a kernel of these sizes, as `wengert.nn.convolve.convolve_kernel`."""
    x, g = _alike(x, g)
    z = np.empty((g.shape[1], x.shape[1] // geometry.groups, *kernel), x.dtype)
    if not (z.size and g.size and x.size):
        z[...] = 0
        return z
    plan = plan_forward(x.shape, z.shape, geometry)
    _native(emit_to_kernel, plan, x.dtype, machine or machines.host())({"source": x, "gradient": g, "result": z}, threads)
    return z
