"""The kernels of the gradient to a convolution's kernel, from a plan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .convolution_plan import Plan, columns_of, pad, steps_of, vectors_of
from .microkernel import Writer, fits, registers, step_cost
from .steps import Emitted, Step, aligned, emitted, function

PIXELS = 128  # places that are added up plainly
PARTS = 16  # runs of images that have a sum each


class Correlating:
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
        self.parts = _parts(plan, self.region * self.dtype.itemsize)
        size, columns = math.prod(plan.places), self.blocks * self.vectors
        self.cost = size * columns * 6.0 + size * self.blocks * self.tiles * step_cost(self.rows, self.vectors)
        self.cost += self.region / self.width * (2 * -(-size // PIXELS) + 3)

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
        scratch = aligned(padded * size) + aligned(math.prod(plan.places) * self.block * size)
        steps = [self._sums(f"{name}_sums", aligned(padded * size), scratch)]
        if self.parts > 1:
            whole = plan.groups * self.region
            steps.append(_total(f"{name}_total", self.dtype, self.machine, self.parts, whole, self.rows * self.block))
        steps.append(self._arranged(name))
        buffers = {"parts": self.parts * plan.groups * self.region * size}
        return emitted(name, steps, buffers, self.dtype, self.machine, scratch)

    def _start(self, w: Writer, number: Any) -> Any:
        if self.plan.outputs < self.block:
            return 0
        return w.least(w.mul(number, self.block), self.plan.outputs - self.block)

    def _sums(self, name: str, padded: int, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)
        size, region = math.prod(plan.places), self.region

        def start() -> None:
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

            def image(at: Any) -> None:
                source = w.moved("%p0", w.mul(at, plan.inputs * math.prod(plan.source)))
                if plan.direct:
                    self.image = source
                else:
                    pad(w, plan, plan.inputs, source, self.image)
                g = w.moved("%p1", w.mul(at, plan.outputs * size))
                if self.split:
                    self._block(w, g, number, sums)
                else:
                    w.each(self.blocks, lambda k: self._block(w, g, k, w.moved(sums, w.mul(k, region // self.blocks))))

            _images(w, plan, self.parts, part, group, image)

        end = self.parts * plan.groups * (self.blocks if self.split else 1)
        return function(w, name, ("source", "gradient", "parts"), end, index, start, scratch)

    def _block(self, w: Writer, g: str, number: Any, sums: str) -> None:
        """What an image adds for one block of channels."""
        plan, size = self.plan, math.prod(self.plan.places)
        start = self._start(w, number)

        def vector(j: Any, count: int) -> None:
            first = w.add(start, w.mul(j, w.width))
            to = w.moved(self.buffer, w.mul(j, w.width))
            columns_of(w, count, size, w.moved(g, w.mul(first, size)), size, to, self.block)

        vectors_of(w, plan.outputs, self.vectors, vector)
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

        w.every([deep, -(-high // rows), -(-wide // columns)], lambda index: places(*index))

    def _tiles(self, w: Writer, first: tuple[Any, ...], counts: list[Any], sums: str) -> None:
        """The sums over a rectangle of places, for every channel and tap."""
        plan = self.plan
        steps = steps_of(plan.padded)
        source = w.moved(self.image, w.dot([w.mul(i, s) for i, s in zip(first, plan.step, strict=True)], steps))
        gradient = w.moved(self.buffer, w.mul(w.dot(first, steps_of(plan.places)), self.block))
        offsets = [p[0].offsets for p in plan.phases]
        dilation = [o[1] - o[0] if len(o) > 1 else 0 for o in offsets]
        each = (self.volume, *[d * s for d, s in zip(dilation, steps, strict=True)])
        at = [sum([i * e for i, e in zip(r, each, strict=True)]) for r in itertools.product(*map(range, self.shape))]
        sizes = (plan.inputs, *plan.kernel)

        def tile(index: tuple[Any, ...]) -> None:
            starts = [w.least(w.mul(i, b), n - b) for i, b, n in zip(index, self.shape, sizes, strict=True)]
            image = w.moved(source, w.dot(starts, each))
            number = w.dot(index, [math.prod(self.counts[a + 1 :]) for a in range(4)])
            to = w.moved(sums, w.mul(number, self.rows * self.block))
            zeros = ["zeroinitializer"] * (self.rows * self.vectors)
            for k, x in enumerate(self._pixels(w, image, gradient, counts, at, zeros)):
                p = w.moved(to, k * w.width)
                w.store(w.arithmetic("fadd", w.load(p), x), p)

        w.every(self.counts, tile)

    def _pixels(
        self, w: Writer, image: str, gradient: str, counts: list[Any], at: list[int], sums: list[str]
    ) -> list[str]:
        """The sums over a rectangle of places."""
        plan, (high, wide) = self.plan, counts
        _, row, column = [a * b for a, b in zip(steps_of(plan.padded), plan.step, strict=True)]
        unroll = 1
        if isinstance(wide, int):
            unroll = next(u for u in (4, 2, 1) if wide % u == 0 and (u == 1 or u * len(sums) <= 96))

        def line(h: Any, sums: list[str]) -> list[str]:
            p, q = w.moved(image, w.mul(h, row)), w.moved(gradient, w.mul(h, plan.places[2] * self.block))

            def place(v: Any, sums: list[str]) -> list[str]:
                x, g = w.moved(p, w.mul(v, column)), w.moved(q, w.mul(v, self.block))
                for u in range(unroll):
                    columns = [w.load(w.moved(g, (u * self.vectors + j) * w.width)) for j in range(self.vectors)]
                    pixel = w.moved(x, u * column)
                    sums = w.products(sums, lambda r, p=pixel: w.moved(p, at[r]), columns)  # type: ignore[misc]
                return sums

            if wide == unroll:
                return place(0, sums)
            return w.loop("0", str(wide), unroll, [(w.v, x) for x in sums], place)

        return line(0, sums) if high == 1 else w.loop("0", str(high), 1, [(w.v, x) for x in sums], line)

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

            def block(index: tuple[Any, ...]) -> None:
                starts = [w.least(w.mul(i, b), n - b) for i, b, n in zip(index, self.shape, sizes, strict=True)]
                number = w.dot(index, [math.prod(self.counts[a + 1 :]) for a in range(4)])
                p = w.moved(source, w.mul(number, self.rows * self.block))
                q = w.moved(target, w.dot(starts, steps))
                w.transpose((self.rows, min(self.block, plan.outputs)), p, self.block, q, total)

            w.every(self.counts, block)

        return function(w, name, ("parts", "result"), plan.groups * self.blocks, index)


class Along:
    """The kernels of the gradient to a kernel of few channels, with vectors over places:

        w[o, c, tap]  +=  g[o, place...]  x[c, (place * stride + tap * dilation)...]

    Each sum has a vector, whose lanes are added up in the end.
    """

    def __init__(self, plan: Plan, dtype: Any, machine: Any) -> None:
        self.plan, self.dtype, self.machine = plan, np.dtype(dtype), machine
        self.width = Writer(dtype, machine).width
        self.row = -(-plan.padded[2] // plan.step[2])
        self.padded = (*plan.padded[:2], self.row * plan.step[2])
        self.direct = plan.direct and plan.step[2] == 1
        self.volume = math.prod(self.padded)
        self.sizes = (plan.outputs, plan.inputs, *plan.kernel)
        self.shape, self.cost = self._tile()
        self.counts = [-(-n // b) for n, b in zip(self.sizes, self.shape, strict=True)]
        self.sums = math.prod(self.shape)
        self.region = math.prod(self.counts) * self.sums * self.width  # of a group
        self.parts = _parts(plan, self.region * self.dtype.itemsize)
        self.cost += self.region / self.width * (2 * -(-math.prod(plan.places) // PIXELS) + 8)

    def _tile(self) -> tuple[tuple[int, ...], float]:
        """Outputs, channels and taps of a block; with a stride, all taps of the last axis."""
        plan, free = self.plan, registers(self.machine)
        times = plan.places[0] * plan.places[1] * -(-plan.places[2] // self.width)
        found = []
        for r in range(1, min(plan.outputs, 8) + 1):
            for a in range(4):
                for n in range(1, min(self.sizes[a + 1], free) + 1):
                    shape = (r, *(1,) * a, n, *self.sizes[a + 2 :])
                    columns = math.prod(shape[1:])
                    if r * columns + r + 2 > free - 4 or (plan.step[2] > 1 and shape[4] < plan.kernel[2]):
                        continue
                    pieces = math.prod([-(-m // b) for m, b in zip(self.sizes, shape, strict=True)])
                    each = max(r * columns / 2, (1.2 * r + 2.0 * columns) / 2, 4.0) + 0.5
                    found.append((shape, pieces * times * each))
        return min(found, key=lambda f: f[1]) if found else ((1, 1, 1, 1, 1), math.inf)

    def emitted(self, name: str) -> Emitted:
        size = self.dtype.itemsize
        scratch = 0 if self.direct else aligned((self.plan.inputs * self.volume + self.width) * size)
        steps = [self._sums(f"{name}_sums", scratch)]
        if self.parts > 1:
            whole = self.plan.groups * self.region
            steps.append(_total(f"{name}_total", self.dtype, self.machine, self.parts, whole, self.sums * self.width))
        steps.append(self._added(name))
        buffers = {"parts": self.parts * self.plan.groups * self.region * size}
        return emitted(name, steps, buffers, self.dtype, self.machine, scratch)

    def _over(self, w: Writer, body: Callable[[Any, list[Any]], None]) -> None:
        """`body(number, starts)` for each block of sums."""

        def block(index: tuple[Any, ...]) -> None:
            starts = [w.least(w.mul(i, b), n - b) for i, b, n in zip(index, self.shape, self.sizes, strict=True)]
            body(w.dot(index, [math.prod(self.counts[a + 1 :]) for a in range(5)]), starts)

        w.every(self.counts, block)

    def _sums(self, name: str, scratch: int) -> Step:
        plan, w = self.plan, Writer(self.dtype, self.machine)

        def start() -> None:
            if not self.direct:
                w.clear("%mine", plan.inputs * self.volume + self.width)

        def index(i: str) -> None:
            part, group = w.div(i, plan.groups)
            sums = w.moved("%p2", w.mul(i, self.region))
            w.clear(sums, self.region)

            def image(at: Any) -> None:
                source = w.moved("%p0", w.mul(at, plan.inputs * math.prod(plan.source)))
                if not self.direct:
                    pad(w, plan, plan.inputs, source, "%mine", self.padded)
                    source = "%mine"
                g = w.moved("%p1", w.mul(at, plan.outputs * math.prod(plan.places)))
                self._places(w, source, g, sums)

            _images(w, plan, self.parts, part, group, image)

        end = self.parts * plan.groups
        return function(w, name, ("source", "gradient", "parts"), end, index, start, scratch)

    def _places(self, w: Writer, source: str, g: str, sums: str) -> None:
        """What an image adds: rows of places, as many as make a block."""
        deep, high, wide = self.plan.places
        rows = min(high, max(1, PIXELS * 4 // wide))

        def block(d: Any, h0: Any) -> None:
            count = rows if high % rows == 0 else w.least(w.e(f"sub i64 {high}, {h0}"), rows)
            at = w.dot((w.mul(d, self.plan.step[0]), w.mul(h0, self.plan.step[1])), steps_of(self.padded)[:2])
            image, gradient = w.moved(source, at), w.moved(g, w.dot((d, h0), (high * wide, wide)))
            self._over(w, lambda number, starts: self._tile_of(
                w, image, gradient, count, starts, w.moved(sums, w.mul(number, self.sums * w.width))))  # fmt: skip

        w.each(deep, lambda d: w.each(-(-high // rows), lambda h: block(d, w.mul(h, rows))))

    def _tile_of(self, w: Writer, image: str, gradient: str, count: Any, starts: list[Any], to: str) -> None:
        plan, step = self.plan, self.plan.step[2]
        size, wide = math.prod(plan.places), plan.places[2]
        offsets = [p[0].offsets for p in plan.phases]
        dilation = [o[1] - o[0] if len(o) > 1 else 0 for o in offsets]
        lines = steps_of(self.padded)
        each = (self.volume, dilation[0] * lines[0], dilation[1] * lines[1], dilation[2])
        x0 = w.moved(image, w.dot(starts[1:], each))  # (with a stride, the last start is 0)
        g0 = w.moved(gradient, w.mul(starts[0], size))

        def of_tap(c: int, d: int, h: int, v: int) -> int:
            at = v * dilation[2]
            return c * self.volume + d * each[1] + h * each[2] + at % step * self.row + at // step

        columns = [of_tap(*t) for t in itertools.product(*map(range, self.shape[1:]))]
        rest = wide % w.width

        def vector(p: str, q: str, xs: list[str], n: int | None) -> list[str]:
            gs = [w.load(w.moved(q, r * size), n) for r in range(self.shape[0])]
            after = list(xs)
            for k, at in enumerate(columns):
                x = w.load(w.moved(p, at), n)
                for r, g in enumerate(gs):
                    after[r * len(columns) + k] = w.muladd(x, g, after[r * len(columns) + k])
            return after

        def line(h: Any, xs: list[str]) -> list[str]:
            p, q = w.moved(x0, w.mul(h, plan.step[1] * self.padded[2])), w.moved(g0, w.mul(h, wide))
            if wide // w.width:

                def whole(i: list[Any], xs: list[str]) -> list[str]:
                    at = w.mul(i[0], w.width)
                    return vector(w.moved(p, at), w.moved(q, at), xs, None)

                xs = w.nested([wide // w.width], xs, whole)
            if rest:
                xs = vector(w.moved(p, wide - rest), w.moved(q, wide - rest), xs, rest)
            return xs

        pairs = [(w.v, "zeroinitializer")] * self.sums
        for k, x in enumerate(w.loop("0", str(count), 1, pairs, line)):
            p = w.moved(to, k * w.width)
            w.store(w.arithmetic("fadd", w.load(p), x), p)

    def _added(self, name: str) -> Step:
        """The lanes' sums, each in its place."""
        plan, w = self.plan, Writer(self.dtype, self.machine)
        steps = [math.prod(self.sizes[a + 1 :]) for a in range(5)]

        def index(i: str) -> None:
            source = w.moved("%p0", w.mul(i, self.region))
            target = w.moved("%p1", w.mul(i, math.prod(self.sizes)))

            def block(number: Any, starts: list[Any]) -> None:
                p, q = w.moved(source, w.mul(number, self.sums * w.width)), w.moved(target, w.dot(starts, steps))
                for k, at in enumerate(itertools.product(*map(range, self.shape))):
                    x = w.total(w.load(w.moved(p, k * w.width)))
                    to = w.moved(q, w.dot(at, steps))
                    w.do(f"store {w.scalar} {x}, ptr {to}, align {w.size}")

            self._over(w, block)

        return function(w, name, ("parts", "result"), plan.groups, index)


def _parts(plan: Plan, size: int) -> int:
    """Of how many runs of images there are sums, of so many bytes a group."""
    return max(1, min(plan.batch, PARTS, (32 << 20) // max(1, plan.groups * size)))


def _images(w: Writer, plan: Plan, parts: int, part: Any, group: Any, body: Callable[[Any], None]) -> None:
    """`body` for a group of channels of each image of a run."""
    low = w.e(f"udiv i64 {w.mul(part, plan.batch)}, {parts}")
    high = w.e(f"udiv i64 {w.mul(w.add(part, 1), plan.batch)}, {parts}")

    def inside(n: str, _: list[str]) -> list[str]:
        body(w.add(w.mul(n, plan.groups), group))
        return []

    w.loop(low, high, 1, [], inside)


def _total(name: str, dtype: Any, machine: Any, parts: int, size: int, chunk: int) -> Step:
    """The sum of `parts` arrays of `size` elements, in the first."""
    w = Writer(dtype, machine)

    def index(i: str) -> None:
        first = w.moved("%p0", w.mul(i, chunk))

        def vector(j: Any) -> None:
            p = w.moved(first, j)
            total = w.loop("1", str(parts), 1, [(w.v, w.load(p))], lambda k, xs: [
                w.arithmetic("fadd", xs[0], w.load(w.moved(p, w.mul(k, size))))])  # fmt: skip
            w.store(total[0], p)

        w.each(chunk, vector, w.width)

    return function(w, name, ("parts",), size // chunk, index)
