"""`scipy.ndimage` for arrays and Variables: linear filters, with SciPy's values. Differentiable in image and weights."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import scipy.ndimage as nd  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("wengert.scipy needs SciPy: pip install 'wengert[scipy]'") from error

from ..batching.array import any_array
from ..variable import data_of
from .composing import composed
from .ndimage_geometric import (
    affine_transform as affine_transform,
    map_coordinates as map_coordinates,
    rotate as rotate,
    shift as shift,
    spline_filter as spline_filter,
    spline_filter1d as spline_filter1d,
    zoom as zoom,
)
from .signal import convolve as full_convolve

_MODES: dict[str, Any] = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap",
    "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant",
}  # fmt: skip


def _composed(function: Any) -> Any:
    return composed(function, "ndimage")


# ---- correlation with the image continued beyond its edges --------------------------------------------------


def _each(value: Any, n: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * n


def _continued(x: Any, widths: list[tuple[int, int]], modes: list[str], cval: Any) -> Any:
    for axis, (width, mode) in enumerate(zip(widths, modes, strict=True)):
        if width != (0, 0):
            pad: Any = [(0, 0)] * axis + [width] + [(0, 0)] * (x.ndim - axis - 1)
            options: dict[str, Any] = {"constant_values": cval} if _MODES[mode] == "constant" else {}
            x = np.pad(x, pad, mode=_MODES[mode], **options)
    return x


def _correlated(x: Any, weights: Any, mode: Any, cval: Any, origin: Any, axes: Any = None) -> Any:
    """For each element: the sum of the weights times the elements around it."""
    x = any_array(x)
    weights = any_array(weights)
    axes = range(x.ndim) if axes is None else [axes] if np.ndim(axes) == 0 else axes
    axes = [int(a) % x.ndim for a in axes]
    shape, modes, origins = [1] * x.ndim, ["reflect"] * x.ndim, [0] * x.ndim
    for axis, n, m, o in zip(axes, weights.shape, _each(mode, len(axes)), _each(origin, len(axes)), strict=True):
        shape[axis], modes[axis], origins[axis] = n, m, int(o)
    weights = np.transpose(weights, np.argsort(axes))
    weights = weights.reshape(shape)
    before = [n // 2 + o for n, o in zip(shape, origins, strict=True)]
    widths = [(b, n - 1 - b) for b, n in zip(before, shape, strict=True)]
    return full_convolve(_continued(x, widths, modes, cval), np.flip(weights), "valid", "direct")


def _mirrored(weights: Any, origin: Any, n: int) -> tuple[Any, list[int]]:
    """A convolution as a correlation: weights and origins the other way round."""
    weights = any_array(weights)
    sizes = weights.shape
    return np.flip(weights), [-int(o) - (size % 2 == 0) for o, size in zip(_each(origin, n), sizes, strict=True)]


@_composed(nd.correlate)
def correlate(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):  # type: ignore[no-untyped-def]
    return _correlated(input, weights, mode, cval, origin, axes)


@_composed(nd.convolve)
def convolve(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):  # type: ignore[no-untyped-def]
    weights, origin = _mirrored(weights, origin, np.ndim(data_of(weights)))
    return _correlated(input, weights, mode, cval, origin, axes)


@_composed(nd.correlate1d)
def correlate1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):  # type: ignore[no-untyped-def]
    return _correlated(input, weights, mode, cval, origin, axis)


@_composed(nd.convolve1d)
def convolve1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):  # type: ignore[no-untyped-def]
    weights, origin = _mirrored(weights, origin, 1)
    return _correlated(input, weights, mode, cval, origin, axis)


# ---- filters made of one correlation for each axis ----------------------------------------------------------


def _gaussian_weights(sigma: Any, order: int, truncate: float, radius: Any) -> Any:
    """The density at whole distances, times the polynomial of its derivative of this order."""
    radius = int(truncate * float(data_of(sigma)) + 0.5) if radius is None else int(radius)
    x = np.arange(-radius, radius + 1.0)
    density = np.exp(-0.5 / (sigma * sigma) * x**2)
    density = density / np.sum(density)
    factors: list[Any] = [1.0]  # the polynomial's coefficients; d/dx (p f) = (p' - x p / sigma**2) f
    for _ in range(order):
        slopes = [*[k * c for k, c in enumerate(factors)][1:], 0.0, 0.0]
        shifted = [0.0, *[-c / (sigma * sigma) for c in factors]]
        factors = [p + q for p, q in zip(slopes, shifted, strict=True)]
    polynomial = sum([c * x**k for k, c in enumerate(factors)])
    return (polynomial * density)[::-1] if order % 2 else polynomial * density


def _gaussian(x: Any, sigma: Any, order: Any, mode: Any, cval: Any, truncate: float, radius: Any, axes: Any) -> Any:
    axes = range(x.ndim) if axes is None else [axes] if np.ndim(axes) == 0 else axes
    n = len(axes)
    sigmas = [sigma[k] for k in range(n)] if np.ndim(data_of(sigma)) else [sigma] * n
    plan = zip(axes, sigmas, _each(order, n), _each(mode, n), _each(radius, n), strict=True)
    for axis, s, o, m, r in plan:
        if float(data_of(s)) > 1e-15:
            x = _correlated(x, _gaussian_weights(s, int(o), truncate, r).astype(x.dtype), m, cval, 0, axis)
    return x


@_composed(nd.gaussian_filter1d)
def gaussian_filter1d(
    input, sigma, axis=-1, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None
):  # type: ignore[no-untyped-def]
    return _gaussian(input, sigma, order, mode, cval, truncate, radius, axis)


@_composed(nd.gaussian_filter)
def gaussian_filter(
    input, sigma, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None, axes=None
):  # type: ignore[no-untyped-def]
    return _gaussian(input, sigma, order, mode, cval, truncate, radius, axes)


def _boxes(x: Any, size: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Any:
    axes = range(x.ndim) if axes is None else [axes] if np.ndim(axes) == 0 else axes
    n = len(axes)
    for axis, width, m, o in zip(axes, _each(size, n), _each(mode, n), _each(origin, n), strict=True):
        if int(width) > 1:
            x = _correlated(x, np.full(int(width), 1 / int(width), x.dtype), m, cval, o, axis)
    return x


@_composed(nd.uniform_filter1d)
def uniform_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):  # type: ignore[no-untyped-def]
    return _boxes(input, size, mode, cval, origin, axis)


@_composed(nd.uniform_filter)
def uniform_filter(input, size=3, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):  # type: ignore[no-untyped-def]
    return _boxes(input, size, mode, cval, origin, axes)


def _edges(x: Any, axis: int, mode: Any, cval: Any, across: list[float]) -> Any:
    """The difference along one axis, smoothed along the others."""
    modes = _each(mode, x.ndim)
    z = _correlated(x, np.array([-1.0, 0.0, 1.0], x.dtype), modes[axis % x.ndim], cval, 0, axis)
    for other in [a for a in range(x.ndim) if a != axis % x.ndim]:
        z = _correlated(z, np.array(across, x.dtype), modes[other], cval, 0, other)
    return z


@_composed(nd.sobel)
def sobel(input, axis=-1, output=None, mode="reflect", cval=0.0):  # type: ignore[no-untyped-def]
    return _edges(input, axis, mode, cval, [1.0, 2.0, 1.0])


@_composed(nd.prewitt)
def prewitt(input, axis=-1, output=None, mode="reflect", cval=0.0):  # type: ignore[no-untyped-def]
    return _edges(input, axis, mode, cval, [1.0, 1.0, 1.0])


def _over_axes(x: Any, mode: Any, axes: Any, f: Any) -> list[Any]:
    axes = range(x.ndim) if axes is None else [axes] if np.ndim(axes) == 0 else axes
    return [f(axis, m) for axis, m in zip(axes, _each(mode, len(axes)), strict=True)]


@_composed(nd.laplace)
def laplace(input, output=None, mode="reflect", cval=0.0, *, axes=None):  # type: ignore[no-untyped-def]
    weights = np.array([1.0, -2.0, 1.0], input.dtype)
    parts = _over_axes(input, mode, axes, lambda axis, m: _correlated(input, weights, m, cval, 0, axis))
    return sum(parts[1:], parts[0])


def _gaussian_parts(x: Any, sigma: Any, order: int, mode: Any, cval: Any, axes: Any, kwargs: Any) -> list[Any]:
    """The derivative of this order along each axis, smoothed along all."""
    axes = list(range(x.ndim)) if axes is None else [axes] if np.ndim(axes) == 0 else list(axes)
    options = {"truncate": 4.0, "radius": None} | kwargs
    orders = np.eye(len(axes), dtype=int) * order
    return [
        _gaussian(x, sigma, row.tolist(), mode, cval, options["truncate"], options["radius"], axes) for row in orders
    ]


@_composed(nd.gaussian_laplace)
def gaussian_laplace(input, sigma, output=None, mode="reflect", cval=0.0, *, axes=None, **kwargs):  # type: ignore[no-untyped-def]
    parts = _gaussian_parts(input, sigma, 2, mode, cval, axes, kwargs)
    return sum(parts[1:], parts[0])


@_composed(nd.gaussian_gradient_magnitude)
def gaussian_gradient_magnitude(input, sigma, output=None, mode="reflect", cval=0.0, *, axes=None, **kwargs):  # type: ignore[no-untyped-def]
    parts = _gaussian_parts(input, sigma, 1, mode, cval, axes, kwargs)
    return np.sqrt(sum([part * part for part in parts]))


def __getattr__(name: str) -> Any:
    getattr(nd, name)
    raise AttributeError(f"wengert.scipy.ndimage.{name}: not differentiable here; use scipy.ndimage.{name} on .data")
