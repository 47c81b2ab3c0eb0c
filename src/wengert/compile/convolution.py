"""Convolutions over one to three axes, and their two transposes, as native code: for any stride, dilation, padding and
groups. What they compute is said in `wengert.nn.convolve`, whose signatures the functions at the end have.

All three are the microkernel, which multiplies elements of a padded image (in every lane; so it may lie as it likes)
with vectors over channels:

    forward    z[place, o...]  += x[c, place * stride + tap * dilation]  w[c, tap, o...]
    to input   the same, of g, with the kernel turned around; with a stride, once for each remainder of the places
    to kernel  w[(c, tap), o...] += x[c, place * stride + tap * dilation]  g[place, o...]

Arrays are (batch, channels, *places) outside; the kernel is repacked, and what has channels last, z above and g below,
is transposed in the cache, image by image. Sums have at most a few hundred terms before they are added to others'.
Images are independent; the gradient to the kernel has a copy for each of a few runs of images, which are added in their
order. So nothing depends on the number of threads. Where there are few channels, vectors go over places instead.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from . import machine as machines
from .convolution_kernel import Along, Correlating
from .convolution_plan import Plan, plan_forward, plan_to_input
from .convolution_sums import Across, Summing
from .steps import Emitted, Native

# ---- for a table of kernels ------------------------------------------------------------------------------------


def emit_sum(name: str, plan: Plan, dtype: Any, machine: Any, *, bias: bool = False, relu: bool = False) -> Emitted:
    """The kernels of a convolution or of its transpose, from "source", "weights" (and "bias") to "result"."""
    ways: tuple[Any, ...] = Summing(plan, dtype, machine, bias, relu), Across(plan, dtype, machine, bias, relu)
    return min(ways, key=lambda way: way.cost).emitted(name)


def emit_to_kernel(name: str, plan: Plan, dtype: Any, machine: Any) -> Emitted:
    """The kernels of what flows back to a kernel, from "source" and "gradient" to "result"."""
    ways: tuple[Any, ...] = Correlating(plan, dtype, machine), Along(plan, dtype, machine)
    return min(ways, key=lambda way: way.cost).emitted(name)


# ---- on arrays -------------------------------------------------------------------------------------------------


@functools.cache
def _native(emit: Any, plan: Plan, dtype: Any, machine: Any, options: tuple[tuple[str, bool], ...] = ()) -> Native:
    return Native(lambda name: emit(name, plan, dtype, machine, **dict(options)), machine)


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


def to_kernel(
    x: Any, g: Any, kernel: Sequence[int], geometry: Any, *, threads: int = 1, machine: Any = None
) -> ndarray:
    """What flows back to a kernel of these sizes, as `wengert.nn.convolve.convolve_kernel`."""
    x, g = _alike(x, g)
    z = np.empty((g.shape[1], x.shape[1] // geometry.groups, *kernel), x.dtype)
    if not (z.size and g.size and x.size):
        z[...] = 0
        return z
    plan = plan_forward(x.shape, z.shape, geometry)
    _native(emit_to_kernel, plan, x.dtype, machine or machines.host())(
        {"source": x, "gradient": g, "result": z}, threads
    )
    return z
