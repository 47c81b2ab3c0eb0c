"""What a convolution sums: which places of a padded source each place of the result reads, in any of three axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .microkernel import Writer

Triple = tuple[int, ...]


class Phase(NamedTuple):
    """Places of one axis that are alike: first + member + apart * m for m < places, and what they read."""

    first: int
    places: int
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


def three(sizes: Sequence[int], one: int = 1) -> Triple:
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
    rows = zip(kernel, three(geometry.stride), padding, strict=True)
    return [k == 1 and s == 1 and p == (0, 0) for k, s, p in rows]


def plan_forward(x: Sequence[int], w: Sequence[int], geometry: Any) -> Plan:
    """The plan of a convolution of arrays of these shapes."""
    g, kernel = geometry.groups, three(w[2:])
    places = three(geometry.outputs(x[2:], w[2:]))
    source, places = _merged((three(x[2:]), places), _plain(geometry, kernel))
    padding = ((0, 0),) * (5 - len(x)) + tuple(geometry.padding)
    padded = tuple([n + a + b for n, (a, b) in zip(source, padding, strict=True)])
    dilation = three(geometry.dilation)
    phases = tuple([
        (Phase(0, n, tuple([k * d for k in range(size)]), (tuple(range(size)),)),)
        for n, size, d in zip(places, kernel, dilation, strict=True)
    ])  # fmt: skip
    before = tuple([a for a, _ in padding])
    return Plan(x[0], g, w[1], w[0] // g, source, before, padded, places, three(geometry.stride), (1, 1, 1),
                phases, kernel, False)  # fmt: skip


def plan_to_input(z: Sequence[int], w: Sequence[int], places: Sequence[int], geometry: Any) -> Plan:
    """The plan of what flows back to an input with these places."""
    g, kernel = geometry.groups, three(w[2:])
    source, target = _merged((three(z[2:]), three(places)), _plain(geometry, kernel))
    padding = ((0, 0),) * (5 - len(z)) + tuple(geometry.padding)
    rows = zip(kernel, target, padding, three(geometry.stride), three(geometry.dilation), strict=True)
    axes = [_phases(k, n, a, s, d) for k, n, (a, _), s, d in rows]
    low = [min([0, *[at for p in axis for at in p.offsets]]) for axis in axes]
    high = [max([n, *[p.places + at for p in axis for at in p.offsets]]) for axis, n in zip(axes, source, strict=True)]
    phases = tuple([
        tuple([p._replace(offsets=tuple([at - a for at in p.offsets])) for p in axis])
        for axis, a in zip(axes, low, strict=True)
    ])  # fmt: skip
    padded = tuple([b - a for a, b in zip(low, high, strict=True)])
    before = tuple([-a for a in low])
    return Plan(z[0], g, w[0] // g, w[1], source, before, padded, target, (1, 1, 1), three(geometry.stride),
                phases, kernel, True)  # fmt: skip


def _phases(kernel: int, places: int, before: int, stride: int, dilation: int) -> list[Phase]:
    """Of the input's places, those with the same remainder by the stride; neighbours that are alike are one phase."""
    found: list[Phase] = []
    for first in range(min(stride, places)):
        taps = tuple([k for k in range(kernel) if (first + before - k * dilation) % stride == 0])
        offsets = tuple([(first + before - k * dilation) // stride for k in taps])
        phase = Phase(first, -(-(places - first) // stride), offsets, (taps,))
        last = found[-1] if found else None
        if last and (last.places, last.offsets) == (phase.places, offsets):
            found[-1] = last._replace(taps=(*last.taps, taps))
        else:
            found.append(phase)
    return found


def plane(phases: Sequence[Phase]) -> tuple[int, int]:
    return phases[1].places, phases[2].places


def steps_of(sizes: Sequence[int]) -> Triple:
    return sizes[1] * sizes[2], sizes[2], 1


# ---- parts of kernels ---------------------------------------------------------------------------------------------


def pad(w: Writer, plan: Plan, channels: int, source: str, target: str, padded: Triple | None = None) -> None:
    """An image into its place among zeros; with `padded`, the rows' elements by their remainder by the step."""
    deep, high, wide = plan.source
    sizes = padded or plan.padded
    begin = w.dot(plan.before[:2], steps_of(sizes)[:2])

    def line(c: Any, d: Any, h: Any) -> None:
        at = w.dot((c, d, h), (deep * high * wide, high * wide, wide))
        to = w.dot((c, d, h), (math.prod(sizes), *steps_of(sizes)[:2]))
        p, q = w.moved(source, at), w.moved(target, w.add(to, begin))
        if padded and plan.step[2] > 1:
            w.divide(p, q, wide, plan.step[2], plan.before[2], sizes[2] // plan.step[2])
        else:
            w.copy(p, w.moved(q, plan.before[2]), wide)

    w.each(channels, lambda c: w.each(deep, lambda d: w.each(high, lambda h: line(c, d, h))))


def vectors_of(w: Writer, channels: int, vectors: int, body: Callable[[Any, int], None]) -> None:
    """`body(j, count)` for the vectors of a block, of which so many lanes are channels that there are."""
    if channels >= vectors * w.width:
        w.each(vectors, lambda j: body(j, w.width))
    else:
        for j in range(vectors):
            body(j, max(0, min(w.width, channels - j * w.width)))


def columns_of(w: Writer, count: int, size: int, source: str, step: int, target: str, apart: int) -> None:
    """The columns of `count` rows of `size` elements as vectors, filled up with zeros."""
    if count:
        w.transpose((count, size), source, step, target, apart, pad=True)
    else:
        w.each(size, lambda t: w.store("zeroinitializer", w.moved(target, w.mul(t, apart))))
