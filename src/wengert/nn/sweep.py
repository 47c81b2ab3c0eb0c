"""A recurrent layer's run over a whole sequence, as one operation.

On arrays, each step is written into arrays made once, and the derivative is backpropagation through time in closed form:
one product of matrices a step, and one at the end for the recurrent weight. For all else (derivatives of derivatives,
batches under vmap, complex numbers) the same steps are put together from NumPy calls, in `compose`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .. import forward, reverse
from ..declare import _Each, several
from ..recording import recorded
from ..variable import Variable, wrap
from .activations import relu, sigmoid
from .affine import linear


class Sweep:
    """One run of a cell over a sequence, in one direction.

    Args:
        mask: (batch, length), True where there is a step; elsewhere the state stays as it is. Or None.
        backwards: whether the run begins at the end.

    Called with the input's part of the gates (batch, length, gates * hidden), the recurrent weight and bias, and the
    first states (batch, hidden). Gives the states after each step, (batch, length, hidden) each.
    """

    states = 1
    kept = 1  # numbers for each unit and step that `back` reads

    def __init__(self, mask: Any = None, backwards: bool = False) -> None:
        self.mask, self.backwards = mask, backwards
        self._values: Any = None  # the states of the latest run, and what `step` kept
        self._flows: Any = None  # the cotangents of the latest pull, and what flows to each argument

    # ---- what a cell is ---------------------------------------------------------------------------------------

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        """The next states, the output first, from the two parts of the gates: in differentiable calls."""
        raise NotImplementedError

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        """The same on arrays, into `new`; may change gh."""
        raise NotImplementedError

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        """From the cotangents of new: into ga and gb those of gx and gh, and what flows to now by other ways."""
        raise NotImplementedError

    # ---- a run ------------------------------------------------------------------------------------------------

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        arrays = [x._array if isinstance(x, Variable) else x for x in xs]
        if all([type(a) is ndarray and a.dtype.kind == "f" for a in arrays]):
            return _sweep(*xs, sweep=self)  # type: ignore[no-any-return]
        return self.compose(*xs)

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

    def run(self, gates: Any, weight: Any, bias: Any, *states: Any) -> tuple[Any, ...]:
        """The run on arrays."""
        batch, length, rows = gates.shape
        n, dtype = weight.shape[1], np.result_type(gates, weight, bias, *states)
        matrix = np.ascontiguousarray(weight.T)
        found = tuple([np.empty((batch, length, n), dtype) for _ in states])
        kept, gh = np.empty((batch, length, self.kept * n), dtype), np.empty((batch, rows), dtype)
        now: Sequence[Any] = states
        for t in self._order(length):
            np.matmul(now[0], matrix, out=gh)
            gh += bias
            new = [z[:, t] for z in found]
            self.step(gates[:, t], gh, now, new, kept[:, t])
            if self.mask is not None:
                for a, b in zip(new, now, strict=True):
                    np.copyto(a, b, where=~self.mask[:, t, None])
            now = new
        self._values = found, kept
        return found

    def pull(self, gs: Sequence[Any], zs: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        """What flows to each argument, on arrays."""
        values = self._values
        if values[0][0] is not zs[0]:  # there was another run
            self.run(*xs)
            values = self._values
        zs, kept = values
        gates, weight, _, *first = xs
        batch, length, rows = gates.shape
        n, dtype = weight.shape[1], zs[0].dtype
        order = self._order(length)
        ga, gb = np.empty((batch, rows), dtype), np.empty((batch, rows), dtype)
        gx = np.empty((batch, length, rows), dtype)
        gh = np.empty((batch, length, rows), dtype) if self.apart else gx
        flows = [np.zeros((batch, n), dtype) for _ in zs]
        for k in range(length - 1, -1, -1):
            t = order[k]
            now = [z[:, order[k - 1]] for z in zs] if k else first
            for flow, g in zip(flows, gs, strict=True):
                flow += g[:, t]
            past = self.back(flows, now, [z[:, t] for z in zs], kept[:, t], ga, gb)
            if self.mask is not None:
                held = ~self.mask[:, t, None]
                for flow, before in zip(flows, past, strict=True):
                    np.copyto(before, flow, where=held)
                for g in (ga, gb):
                    np.copyto(g, 0, where=held)
            gx[:, t] = ga
            if self.apart:
                gh[:, t] = gb
            past[0] += (gb if self.apart else ga) @ weight
            flows = past
        behind = zs[0][:, 1:] if self.backwards else zs[0][:, :-1]
        parts = [behind, first[0][:, None]] if self.backwards else [first[0][:, None], behind]
        before = np.concatenate(parts, 1) if length else zs[0]
        flat = gh.reshape(-1, rows)
        return [gx, flat.T @ before.reshape(-1, n), flat.sum(0), *flows]

    apart = False  # whether gx and gh have different cotangents


# ---- the operation ------------------------------------------------------------------------------------------


def _value(*xs: Any, sweep: Sweep) -> tuple[Any, ...]:
    return sweep.run(*xs)


def _composed(xs: Sequence[Any], sweep: Sweep) -> tuple[list[Variable], list[Any]]:
    """The arguments as Variables of their own, and what the composition makes of them."""
    with recorded():
        vs = [reverse.argument(x) for x in xs]
        return vs, [y._node for y in sweep.compose(*vs)]


def _flows(gs: Any, zs: Any, xs: Any, sweep: Sweep) -> list[Any]:
    graph = any([isinstance(x, Variable) for x in (*gs, *xs)])
    if not graph and all([type(x) is ndarray for x in (*gs, *xs)]):
        return sweep.pull(gs, zs, xs)
    vs, ys = _composed(xs, sweep)
    seeds = [wrap(g, None) if graph and not isinstance(g, Variable) else g for g in gs]
    ts = reverse.pull(ys, seeds, [v._node for v in vs], graph)
    return [v._array * 0 if t is None else t for v, t in zip(vs, ts, strict=True)]


def _pull(i: int, gs: Any, zs: Any, xs: Any, *, sweep: Sweep) -> Any:
    """One walk serves all arguments: they are asked for one after the other with the same list gs."""
    kept = sweep._flows
    if kept is None or kept[0] is not gs or kept[1][i] is None:
        kept = sweep._flows = gs, _flows(gs, zs, xs, sweep)
    t, kept[1][i] = kept[1][i], None
    return t


def _push(i: int, t: Any, zs: Any, xs: Any, *, sweep: Sweep) -> Any:
    vs, ys = _composed(xs, sweep)
    graph = any([isinstance(x, Variable) for x in (t, *xs)])
    t = wrap(t, None) if graph and not isinstance(t, Variable) else t
    ts = forward.push(ys, [vs[i]._node], [t], graph)
    return tuple([np.zeros_like(z) if u is None else u for u, z in zip(ts, zs, strict=True)])


_sweep: Callable[..., Any] = several("sweep", _value, _Each(_pull), _Each(_push))

# ---- cells --------------------------------------------------------------------------------------------------


def _sigmoid_in_place(x: Any) -> None:
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


def _parts(x: Any, count: int) -> list[Any]:
    n = x.shape[1] // count
    return [x[:, i * n : (i + 1) * n] for i in range(count)]


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
        new[0][...] = kept

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        np.multiply(gs[0], kept > 0 if self.relu else 1 - kept * kept, out=ga)
        return [np.zeros_like(gs[0])]


class ReluElman(Elman):
    """relu(gx + gh)."""

    relu = True


class Gru(Sweep):
    """Gates r, z and new: new = tanh(gx + r * gh), and the state goes from new to the old one by z."""

    kept = 4
    apart = True

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        (h,) = now
        n = h.shape[1]
        both = sigmoid(gx[:, : 2 * n] + gh[:, : 2 * n])
        new = np.tanh(gx[:, 2 * n :] + both[:, :n] * gh[:, 2 * n :])
        return (new + both[:, n:] * (h - new),)

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        n = gh.shape[1] // 3
        r, z, candidate, m = _parts(kept, 4)
        m[...] = gh[:, 2 * n :]
        both = gh[:, : 2 * n]
        both += gx[:, : 2 * n]
        _sigmoid_in_place(both)
        kept[:, : 2 * n] = both
        np.multiply(r, m, out=candidate)
        candidate += gx[:, 2 * n :]
        np.tanh(candidate, out=candidate)
        h = np.subtract(now[0], candidate, out=new[0])
        h *= z
        h += candidate

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        (g,), (h,) = gs, now
        r, z, candidate, m = _parts(kept, 4)
        gr, gz, gn = _parts(ga, 3)
        np.multiply(g * (1 - z), 1 - candidate * candidate, out=gn)
        np.multiply(gn * m, r * (1 - r), out=gr)
        np.multiply(g * (h - candidate), z * (1 - z), out=gz)
        gb[...] = ga
        _parts(gb, 3)[2][...] *= r
        return [g * z]


class Lstm(Sweep):
    """Gates i, f, g and o: c = f * c + i * g, and h = o * tanh(c)."""

    states = 2
    kept = 4

    def next(self, gx: Any, gh: Any, now: Sequence[Any]) -> tuple[Any, ...]:
        n, c, a = now[1].shape[1], now[1], gx + gh
        first = sigmoid(a[:, : 2 * n])
        c = first[:, n:] * c + first[:, :n] * np.tanh(a[:, 2 * n : 3 * n])
        return sigmoid(a[:, 3 * n :]) * np.tanh(c), c

    def step(self, gx: Any, gh: Any, now: Sequence[Any], new: Sequence[Any], kept: Any) -> None:
        (h, c), gh = new, np.add(gh, gx, out=gh)
        i, f, g, o = _parts(gh, 4)
        candidate = np.tanh(g)
        _sigmoid_in_place(gh)
        g[...] = candidate
        kept[...] = gh
        np.multiply(f, now[1], out=c)
        c += np.multiply(i, g, out=i)
        np.tanh(c, out=h)
        h *= o

    def back(self, gs: Sequence[Any], now: Sequence[Any], new: Sequence[Any], kept: Any, ga: Any, gb: Any) -> list[Any]:
        gh, gc = gs
        i, f, g, o = _parts(kept, 4)
        gi, gf, gg, go = _parts(ga, 4)
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
        gi *= t
        gi *= g
        gf *= t
        gf *= now[1]
        gg *= t
        gg *= i
        t *= f
        return [np.zeros_like(gh), t]
