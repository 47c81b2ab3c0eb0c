"""Max pooling over one to three axes, and the gradient's way back, as native code: vectors go over windows.

As in `wengert.nn.pooling`: equal largest elements share the gradient, and a NaN is larger than everything. A plane (one
channel of one image) is copied among minus infinities, its rows' elements sorted by their remainder by the stride, so
that what the windows of a vector have at one place lies together.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from . import machine as machines
from .convolution_plan import Plan, pad, plan_forward, steps_of
from .microkernel import Writer
from .steps import Emitted, Native, aligned, emitted, function


def plan_pool(x: Sequence[int], kernel: Sequence[int], geometry: Any) -> Plan:
    """The plan of windows of these sizes over an array of this shape: each plane is an image."""
    return plan_forward((x[0] * x[1], 1, *x[2:]), (1, 1, *kernel), geometry)


class _Pooling:
    """The kernels of a plan; with `back`, from "source" and "gradient", else from "source"."""

    def __init__(self, plan: Plan, dtype: Any, machine: Any, back: bool) -> None:
        self.plan, self.dtype, self.back = plan, np.dtype(dtype), back
        self.w = Writer(dtype, machine)
        self.row = -(-plan.padded[2] // plan.step[2])
        self.padded = (*plan.padded[:2], self.row * plan.step[2])
        self.volume = math.prod(self.padded)
        lines, step = steps_of(self.padded), plan.step[2]
        self.gradient = self.tops = self.shares = ""
        axes = zip(plan.phases, plan.step, plan.places, strict=True)
        self.overlap = any([p[0].offsets[-1] >= s and n > 1 for p, s, n in axes])
        self.taps = [
            a * lines[0] + b * lines[1] + c % step * self.row + c // step
            for a, b, c in itertools.product(*[p[0].offsets for p in plan.phases])
        ]

    def emitted(self, name: str) -> Emitted:
        plan, w, size = self.plan, self.w, self.dtype.itemsize
        plane = aligned((self.volume + w.width) * size)
        values = aligned(math.prod(plan.places) * size) if self.back and self.overlap else 0
        scratch = plane * (1 + self.back) + 2 * values
        names = ("source", *(["gradient"] if self.back else []), "result")
        result = f"%p{len(names) - 1}"

        def start() -> None:
            low = w.constant(-np.inf, w.t)
            w.each(plane // size, lambda i: w.store(low, w.moved("%mine", i)), w.width)
            if self.back:
                places = (plane, 2 * plane, 2 * plane + values)
                self.gradient, self.tops, self.shares = [w.e(f"getelementptr i8, ptr %mine, i64 {p}") for p in places]

        def index(i: str) -> None:
            pad(w, plan, 1, w.moved("%p0", w.mul(i, math.prod(plan.source))), "%mine", self.padded)
            if self.back:
                w.clear(self.gradient, self.volume)
            windows = "%p1" if self.back else result
            self._windows(w.moved(windows, w.mul(i, math.prod(plan.places))))
            if self.back:
                self._out(w.moved(result, w.mul(i, math.prod(plan.source))))

        step = function(w, name, names, plan.batch, index, start, scratch)
        step = step._replace(chunk=max(1, 16384 // self.volume))
        return emitted(name, (step,), {}, self.dtype, w.machine, scratch)

    def _vectors(self, body: Callable[[Any, Any, int | None], None]) -> None:
        """`body(place, number, lanes)` for each vector of windows: where it lies in the plane, and its first window."""
        w, plan = self.w, self.plan
        deep, high, wide = plan.places

        def line(d: Any, h: Any) -> None:
            place = w.dot((w.mul(d, plan.step[0]), w.mul(h, plan.step[1])), steps_of(self.padded)[:2])
            number, whole = w.dot((d, h), (high * wide, wide)), wide // w.width * w.width
            if whole:
                w.each(whole, lambda v: body(w.add(place, v), w.add(number, v), None), w.width)
            if wide > whole:
                body(w.add(place, whole), w.add(number, whole), wide - whole)

        w.every([deep, high], lambda index: line(*index))

    def _windows(self, values: str) -> None:
        """The largest of each window, or what flows back from it."""
        w = self.w

        def largest(place: Any, number: Any, n: int | None) -> None:
            source, value = w.moved("%mine", place), w.moved(values, number)
            z = self._largest(source)
            if not self.back:
                w.store(z, value, n)
                return
            share = self._share(source, value, z, n)
            if self.overlap:
                w.store(z, w.moved(self.tops, number), n)
                w.store(share, w.moved(self.shares, number), n)
            else:
                for at in self.taps:
                    self._given(source, w.moved(self.gradient, place), at, z, share, n)

        self._vectors(largest)
        if self.back and self.overlap:  # one place of all windows after the other: what was just stored is not read
            for at in self.taps:
                self._vectors(lambda place, number, n, at=at: self._given(  # type: ignore[misc]
                    w.moved("%mine", place), w.moved(self.gradient, place), at,
                    w.load(w.moved(self.tops, number), n), w.load(w.moved(self.shares, number), n), n))  # fmt: skip

    def _largest(self, p: str) -> str:
        w = self.w
        z = w.load(w.moved(p, self.taps[0]))
        for at in self.taps[1:]:
            x = w.load(w.moved(p, at))
            z = w.larger(x, z)
        return z

    def _share(self, source: str, gradient: str, z: str, n: int | None) -> str:
        return self._shared([self.w.load(self.w.moved(source, at)) for at in self.taps], gradient, z, n)

    def _shared(self, xs: Sequence[str], gradient: str, z: str, n: int | None) -> str:
        """What each of the largest elements of a window gets."""
        w = self.w
        one, count = w.constant(1, w.t), "zeroinitializer"
        for x in xs:
            here = w.compare("oeq", x, z, w.t)
            count = w.arithmetic("fadd", count, w.select(here, one, "zeroinitializer", w.t))
        g, mask = w.load(gradient, n), w.vector("b1")
        several = w.compare("une", count, one, w.t)
        if n is not None:
            several = w.e(f"and {mask} {several}, {w.lanes_below(n)}")
        some = w.call("i1", f"llvm.vector.reduce.or.v{w.width}i1", (mask, several))
        return w.when(some, [(w.v, g)], lambda xs: [w.arithmetic("fdiv", xs[0], count)])[0]

    def _given(self, source: str, target: str, at: int, z: str, share: str, n: int | None) -> None:
        """One place's part of what windows give."""
        w = self.w
        x, p = self._part(w.load(w.moved(source, at)), z, share), w.moved(target, at)
        w.store(w.arithmetic("fadd", w.load(p, n), x) if self.overlap else x, p, n)

    def _part(self, x: str, z: str, share: str) -> str:
        """What an element gets of a window."""
        w = self.w
        won = w.select(w.compare("oeq", x, z, w.t), w.constant(1, w.t), "zeroinitializer", w.t)
        return w.arithmetic("fmul", share, won)

    def _out(self, result: str) -> None:
        """The gradient of what is no padding, in its own order."""
        w, plan = self.w, self.plan
        deep, high, wide = plan.source
        begin = w.dot(plan.before[:2], steps_of(self.padded)[:2])

        def line(d: Any, h: Any) -> None:
            p = w.moved(self.gradient, w.add(begin, w.dot((d, h), steps_of(self.padded)[:2])))
            q = w.moved(result, w.dot((d, h), (high * wide, wide)))
            if plan.step[2] == 1:
                w.copy(w.moved(p, plan.before[2]), q, wide)
            else:
                w.join(p, q, wide, plan.step[2], plan.before[2], self.row)

        w.each(deep, lambda d: w.each(high, lambda h: line(d, h)))


class _Tiles(_Pooling):
    """Windows that lie side by side, two places wide, over the whole of a plane: nothing has to be copied."""

    @staticmethod
    def fits(plan: Plan) -> bool:
        """Whether a plan's windows are such ones."""
        offsets = [p[0].offsets for p in plan.phases]
        side_by_side = all([o == tuple(range(s)) for o, s in zip(offsets, plan.step, strict=True)])
        whole = plan.source == tuple([n * s for n, s in zip(plan.places, plan.step, strict=True)])
        return plan.direct and side_by_side and whole and plan.step[2] == 2

    def emitted(self, name: str) -> Emitted:
        plan, w = self.plan, self.w
        names = ("source", *(["gradient"] if self.back else []), "result")
        size = math.prod(plan.source)

        def index(i: str) -> None:
            source, windows = w.moved("%p0", w.mul(i, size)), w.moved("%p1", w.mul(i, math.prod(plan.places)))
            self._planes(source, windows, w.moved("%p2", w.mul(i, size)) if self.back else "")

        step = function(w, name, names, plan.batch, index)
        return Emitted((step._replace(chunk=max(1, 16384 // size)),), {})

    def _planes(self, source: str, windows: str, result: str) -> None:
        w, plan = self.w, self.plan
        lines = steps_of(plan.source)[:2]
        rows = [w.dot(at, lines) for at in itertools.product(range(plan.step[0]), range(plan.step[1]))]
        deep, high, wide = plan.places
        even = list(range(0, 2 * w.width, 2))
        low, top = [[h + k // 2 + k % 2 * w.width for k in range(w.width)] for h in (0, w.width // 2)]

        def vector(start: Any, number: Any, n: int) -> None:
            halves = [(k, min(w.width, 2 * n - k)) for k in (0, w.width) if k < 2 * n]

            def row(at: int) -> list[str]:
                """What the windows have in a row: their first elements, and their second."""
                p = w.moved(source, w.add(start, at))
                x, y = [w.load(w.moved(p, k), count) for k, count in halves] + ["zeroinitializer"] * (2 - len(halves))
                return [w.shuffled(x, y, even), w.shuffled(x, y, [k + 1 for k in even])]

            parts = [row(at) for at in rows]
            xs = [x for part in parts for x in part]
            z = xs[0]
            for x in xs[1:]:
                z = w.larger(x, z)
            value = w.moved(windows, number)
            if not self.back:
                w.store(z, value, n)
                return
            share = self._shared(xs, value, z, n)
            for at, part in zip(rows, parts, strict=True):
                a, b = [self._part(x, z, share) for x in part]
                q = w.moved(result, w.add(start, at))
                for (k, count), lanes in zip(halves, (low, top), strict=False):
                    w.store(w.shuffled(a, b, lanes), w.moved(q, k), count)

        def line(d: Any, h: Any) -> None:
            start = w.dot((w.mul(d, plan.step[0]), w.mul(h, plan.step[1])), lines)
            number, whole = w.dot((d, h), (high * wide, wide)), wide // w.width * w.width
            if whole:
                w.each(whole, lambda v: vector(w.add(start, w.mul(v, 2)), w.add(number, v), w.width), w.width)
            if wide > whole:
                vector(w.add(start, 2 * whole), w.add(number, whole), wide - whole)

        w.every([deep, high], lambda index: line(*index))


def _written(name: str, plan: Plan, dtype: Any, machine: Any, back: bool) -> Emitted:
    return (_Tiles if _Tiles.fits(plan) else _Pooling)(plan, dtype, machine, back).emitted(name)


def emit_max_pool(name: str, plan: Plan, dtype: Any, machine: Any) -> Emitted:
    """The kernel of the largest elements of windows, from "source" to "result"."""
    return _written(name, plan, dtype, machine, False)


def emit_max_pool_back(name: str, plan: Plan, dtype: Any, machine: Any) -> Emitted:
    """The kernel of what flows back, from "source" and "gradient" to "result"."""
    return _written(name, plan, dtype, machine, True)


# ---- on arrays -------------------------------------------------------------------------------------------------


@functools.cache
def _native(emit: Callable[..., Emitted], plan: Plan, dtype: Any, machine: Any) -> Native:
    return Native(lambda name: emit(name, plan, dtype, machine), machine)


def max_pool(x: Any, kernel: Sequence[int], geometry: Any, *, threads: int = 1, machine: Any = None) -> ndarray:
    """The largest element of each window."""
    x = np.ascontiguousarray(x)
    z = np.empty((*x.shape[:2], *geometry.outputs(x.shape[2:], kernel)), x.dtype)
    if z.size:
        run = _native(emit_max_pool, plan_pool(x.shape, kernel, geometry), x.dtype, machine or machines.host())
        run({"source": x, "result": z}, threads)
    return z


def max_pool_back(g: Any, x: Any, kernel: Sequence[int], geometry: Any, *, threads: int = 1,
                  machine: Any = None) -> ndarray:  # fmt: skip
    """What flows back to x."""
    x, g = np.ascontiguousarray(x), np.ascontiguousarray(g, np.asarray(x).dtype)
    z = np.empty_like(x)
    if not g.size:
        z[...] = 0
    elif z.size:
        run = _native(emit_max_pool_back, plan_pool(x.shape, kernel, geometry), x.dtype, machine or machines.host())
        run({"source": x, "gradient": g, "result": z}, threads)
    return z
