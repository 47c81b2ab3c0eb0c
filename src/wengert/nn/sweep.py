"""A recurrent layer's run over a whole sequence, as one operation.

On arrays, each step is written into arrays made once, and the derivative is backpropagation through time in closed
form: one product of matrices a step, and one at the end for the recurrent weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .activations import relu, sigmoid
from .affine import linear
from .fused import Fused, fused


@fused("sweep")
class Sweep(Fused):
    """One run of a cell over a sequence, in one direction.

    Args:
        mask: (batch, length), True where there is a step; elsewhere the state stays as it is. Or None.
        backwards: whether the run begins at the end.

    Called with the input's part of the gates (batch, length, gates * hidden), the recurrent weight and bias, and the
    first states (batch, hidden). Gives the states after each step, (batch, length, hidden) each.
    """

    states = 1
    gates = 1
    kept = 1  # numbers for each unit and step that `back` reads
    apart = False  # whether gx and gh have different cotangents

    def __init__(self, mask: Any = None, backwards: bool = False) -> None:
        self.mask, self.backwards = mask, backwards
        self._values: Any = None  # of the latest run: the result, and by step, the states and what `step` kept

    # ---- what a cell is ---------------------------------------------------------------------------------------

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        """The next states, the output first, from the two parts of the gates: in differentiable calls."""
        raise NotImplementedError

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        """The same on arrays, into `new`. gh may be changed.

        gx and gh have shape (self.gates, batch, hidden), and kept (self.kept, batch, hidden).
        """
        raise NotImplementedError

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        """From the cotangents of new: into ga and gb those of gx and gh, and what flows to now by other ways.

        ga and gb have shape (self.gates, batch, hidden).
        """
        raise NotImplementedError

    # ---- a run ------------------------------------------------------------------------------------------------

    def _order(self, length: int) -> Sequence[int]:
        return range(length - 1, -1, -1) if self.backwards else range(length)

    def compose(self, gates: Any, weight: Any, bias: Any, *states: Any) -> tuple[Any, ...]:
        """The run, put together from differentiable calls."""
        found: list[Any] = [None] * gates.shape[1]
        now = states
        for t in self._order(len(found)):
            new = self.next(gates[:, t], linear(now[0], weight, bias), now)
            if self.mask is not None:
                here = self.mask[:, t, None]
                new = tuple([np.where(here, a, b) for a, b in zip(new, now, strict=True)])
            found[t] = now = new
        return tuple([np.stack(parts, 1) for parts in zip(*found, strict=True)])

    def value(self, gates: Any, weight: Any, bias: Any, *states: Any) -> tuple[Any, ...]:
        """The run on arrays. Inside, what belongs to a step is contiguous."""
        (batch, length, _), n = gates.shape, weight.shape[1]
        dtype = np.result_type(gates, weight, bias, *states)
        matrix = weight.reshape(self.gates, n, n).swapaxes(1, 2).astype(dtype, order="C")
        bias = bias.reshape(self.gates, 1, n)
        found = [np.empty((length, batch, n), dtype) for _ in states]
        kept, gh = np.empty((length, self.kept, batch, n), dtype), np.empty((self.gates, batch, n), dtype)
        now: Sequence[Any] = states
        for t in self._order(length):
            np.matmul(now[0], matrix, out=gh)
            gh += bias
            new = [z[t] for z in found]
            self.step(_blocks(gates[:, t], self.gates), gh, now, new, kept[t])
            if self.mask is not None:
                for a, b in zip(new, now, strict=True):
                    np.copyto(a, b, where=~self.mask[:, t, None])
            now = new
        result = tuple([z.swapaxes(0, 1).copy() for z in found])
        self._values = result, found, kept
        return result

    def flops(self, *shapes: tuple[int, ...]) -> int:
        (batch, length, rows), (_, n), *_ = shapes
        return batch * length * rows * (2 * n + 5)

    def pull(self, gs: Sequence[Any], zs: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        """What flows to each argument, on arrays."""
        values = self._values
        if values[0][0] is not zs[0]:  # there was another run
            self.value(*xs)
            values = self._values
        _, found, kept = values
        gates, weight, _, *first = xs
        (batch, length, rows), n, dtype = gates.shape, weight.shape[1], found[0].dtype
        order = self._order(length)
        gx = np.empty((batch, length, rows), dtype)
        gh = np.empty((batch, length, rows), dtype) if self.apart else gx
        ga = np.empty((self.gates, batch, n), dtype)
        gb = np.empty_like(ga) if self.apart else ga
        flows = [np.zeros((batch, n), dtype) for _ in found]
        for k in range(length - 1, -1, -1):
            t = order[k]
            now = [z[order[k - 1]] for z in found] if k else first
            for flow, g in zip(flows, gs, strict=True):
                flow += g[:, t]
            past = self.back(flows, now, [z[t] for z in found], kept[t], ga, gb)
            if self.mask is not None:
                held = ~self.mask[:, t, None]
                for flow, before in zip(flows, past, strict=True):
                    np.copyto(before, flow, where=held)
                for g in (ga, gb):
                    np.copyto(g, 0, where=held)
            _blocks(gx[:, t], self.gates)[...] = ga
            if self.apart:
                _blocks(gh[:, t], self.gates)[...] = gb
            past[0] += gh[:, t] @ weight
            flows = past
        before = np.empty((batch, length, n), dtype)
        for k, t in enumerate(order):
            before[:, t] = found[0][order[k - 1]] if k else first[0]
        flat = gh.reshape(-1, rows)
        return [gx, flat.T @ before.reshape(-1, n), flat.sum(0), *flows]


def _blocks(x: Any, count: int) -> Any:
    """(batch, count * hidden) as (count, batch, hidden): a view."""
    return x.reshape(len(x), count, x.shape[1] // count).swapaxes(0, 1)


# ---- cells --------------------------------------------------------------------------------------------------


def _sigmoid_in_place(x: Any) -> None:
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


class Elman(Sweep):
    """tanh(gx + gh), or relu."""

    relu = False

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        return ((relu if self.relu else np.tanh)(gx + gh),)

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        gh += gx
        if self.relu:
            np.maximum(gh, 0, out=kept)
        else:
            np.tanh(gh, out=kept)
        new[0][...] = kept[0]

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        np.multiply(gs[0], kept[0] > 0 if self.relu else 1 - kept[0] * kept[0], out=ga[0])
        return [np.zeros_like(gs[0])]


class ReluElman(Elman):
    """relu(gx + gh)."""

    relu = True


class Gru(Sweep):
    """Gates r, z and new: new = tanh(gx + r * gh), and the state goes from new to the old one by z."""

    gates = 3
    kept = 4
    apart = True

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        (h,) = now
        n = h.shape[1]
        both = sigmoid(gx[:, : 2 * n] + gh[:, : 2 * n])
        new = np.tanh(gx[:, 2 * n :] + both[:, :n] * gh[:, 2 * n :])
        return (new + both[:, n:] * (h - new),)

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        r, z, candidate, m = kept
        np.add(gx[:2], gh[:2], out=kept[:2])
        _sigmoid_in_place(kept[:2])
        m[...] = gh[2]
        np.multiply(r, m, out=candidate)
        candidate += gx[2]
        np.tanh(candidate, out=candidate)
        h = np.subtract(now[0], candidate, out=new[0])
        h *= z
        h += candidate

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        (g,), (h,) = gs, now
        r, z, candidate, m = kept
        np.subtract(1, kept[:2], out=ga[:2])
        ga[:2] *= kept[:2]  # the slopes of r and z
        np.multiply(g * (1 - z), 1 - candidate * candidate, out=ga[2])
        ga[0] *= ga[2] * m
        ga[1] *= g * (h - candidate)
        gb[:2] = ga[:2]
        np.multiply(ga[2], r, out=gb[2])
        return [g * z]


class Lstm(Sweep):
    """Gates i, f, g and o: c = f * c + i * g, and h = o * tanh(c)."""

    states = 2
    gates = 4
    kept = 4

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        n, c, a = now[1].shape[1], now[1], gx + gh
        first = sigmoid(a[:, : 2 * n])
        c = first[:, n:] * c + first[:, :n] * np.tanh(a[:, 2 * n : 3 * n])
        return sigmoid(a[:, 3 * n :]) * np.tanh(c), c

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        (i, f, g, o), (h, c) = kept, new
        np.add(gh, gx, out=kept)
        for gate in (kept[:2], o):
            gate *= 0.5
        np.tanh(kept, out=kept)
        for gate in (kept[:2], o):  # sigmoid(x) is (tanh(x / 2) + 1) / 2
            gate *= 0.5
            gate += 0.5
        np.multiply(f, now[1], out=c)
        np.multiply(i, g, out=h)
        c += h
        np.tanh(c, out=h)
        h *= o

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        gh, gc = gs
        i, f, g, o = kept
        gi, gf, gg, go = ga
        np.subtract(1, kept, out=ga)
        ga *= kept  # the slopes of the gates
        np.multiply(g, g, out=gg)
        np.subtract(1, gg, out=gg)
        t = np.tanh(new[1])
        go *= gh
        go *= t
        t *= t
        np.subtract(1, t, out=t)
        t *= o
        t *= gh
        t += gc  # all that flows to c
        gi *= g
        gf *= now[1]
        gg *= i
        ga[:3] *= t
        t *= f
        return [np.zeros_like(gh), t]
