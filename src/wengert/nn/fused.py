"""Operations that do several things at once on arrays, with a derivative in closed form; and work in blocks.

Arrays that do not fit into a core's cache are gone through in blocks that do, so that a formula of several NumPy calls
reads and writes main memory once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .. import forward, reverse
from ..declare import _Each, several
from ..recording import recorded
from ..variable import Variable, wrap

# glibc gives large blocks back to the system when they are free, and the arrays of the next step come from there again
# as zeroed pages, one fault each: up to a fifth of a step. The limit from which blocks are large follows the largest
# that was freed, up to 32 MiB (see mallopt(3)). This frees one, whose pages were never touched.
np.empty((32 << 20) - (8 << 10), np.uint8)

BLOCK = 1 << 14  # elements: a few arrays of so many stay in a core's cache


class Fused:
    """One call of such an operation, with what its derivative reads. A subclass is declared by `fused`.

    On arrays of floating-point numbers, `value` and `pull` do the work. For all else (derivatives of derivatives,
    batches under vmap, forward mode) the same is put together from differentiable calls by `compose`. An instance is
    called once by its layer; where a Recorder calls it again, `pull` has to see that what `value` kept is of that call.
    """

    operation: Callable[..., Any]
    _flows: Any = None  # the cotangents of the latest pull, and what flows to each argument

    def value(self, *xs: Any) -> tuple[Any, ...]:
        """The results, from arrays."""
        raise NotImplementedError

    def pull(self, gs: Sequence[Any], zs: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        """What flows to each argument, on arrays. What `value` kept is that of its latest call, maybe not of this."""
        raise NotImplementedError

    def compose(self, *xs: Any) -> tuple[Any, ...]:
        """The results, in differentiable calls."""
        raise NotImplementedError

    def flops(self, *shapes: tuple[int, ...]) -> int:
        """Floating-point operations of a call on arguments of these shapes: see `Module.summary`."""
        raise NotImplementedError

    def __call__(self, *xs: Any) -> tuple[Any, ...]:
        arrays = [x._array if isinstance(x, Variable) else x for x in xs]
        if all([type(a) is ndarray and a.dtype.kind == "f" for a in arrays]):
            return self.operation(*xs, call=self)  # type: ignore[no-any-return]
        return self.compose(*xs)


def fused(name: str) -> Callable[[type[Fused]], type[Fused]]:
    """Declares an operation; decorates its class."""

    def declare(cls: Any) -> Any:
        cls.operation = staticmethod(several(name, _value, _Each(_pull), _Each(_push)))
        return cls

    return declare


def _value(*xs: Any, call: Fused) -> tuple[Any, ...]:
    return call.value(*xs)


def _composed(xs: Sequence[Any], call: Fused) -> tuple[list[Variable], list[Any]]:
    """The arguments as Variables of their own, and the nodes of what the composition makes of them."""
    with recorded():
        vs = [reverse.argument(x) for x in xs]
        return vs, [y._node for y in call.compose(*vs)]


def _flows(gs: Any, zs: Any, xs: Any, call: Fused) -> list[Any]:
    graph = any([isinstance(x, Variable) for x in (*gs, *xs)])
    if all([type(x) is ndarray for x in (*gs, *xs)]):
        return call.pull(gs, zs, xs)
    vs, ys = _composed(xs, call)
    seeds = [wrap(g, None) if graph and not isinstance(g, Variable) else g for g in gs]
    ts = reverse.pull(ys, seeds, [v._node for v in vs], graph)
    return [v._array * 0 if t is None else t for v, t in zip(vs, ts, strict=True)]


def _pull(i: int, gs: Any, zs: Any, xs: Any, *, call: Fused) -> Any:
    """One pull serves all arguments: they are asked for one after the other with the same list gs."""
    kept = call._flows
    if kept is None or kept[0] is not gs or kept[1][i] is None:
        kept = call._flows = gs, _flows(gs, zs, xs, call)
    t, kept[1][i] = kept[1][i], None
    if not any([u is not None for u in kept[1]]):
        call._flows = None
    return t


def _push(i: int, t: Any, zs: Any, xs: Any, *, call: Fused) -> Any:
    vs, ys = _composed(xs, call)
    graph = any([isinstance(x, Variable) for x in (t, *xs)])
    t = wrap(t, None) if graph and not isinstance(t, Variable) else t
    ts = forward.push(ys, [vs[i]._node], [t], graph)
    return tuple([np.zeros_like(z) if u is None else u for u, z in zip(ts, zs, strict=True)])


# ---- in blocks ----------------------------------------------------------------------------------------------


def blocks(count: int, size: int) -> Iterator[slice]:
    """Slices of `count` things of `size` elements each."""
    step = max(1, BLOCK // max(size, 1))
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def by_blocks(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An elementwise formula, gone through in blocks where the array is large."""

    def call(x: Any) -> Any:
        if type(x) is not ndarray or x.size <= BLOCK or x.dtype.kind != "f" or not x.flags.c_contiguous:
            return f(x)
        z = np.empty_like(x)
        flat, out = x.reshape(-1), z.reshape(-1)
        for block in blocks(x.size, 1):
            out[block] = f(flat[block])
        return z

    return call
