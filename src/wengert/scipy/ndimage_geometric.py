"""Geometric transformations of `scipy.ndimage`: spline interpolation at real coordinates.

The derivatives are with respect to the image and to the coordinates (or shift, matrix, offset, angle). For them the
interpolation is written as a sum of B-splines (P. Thevenaz, T. Blu, M. Unser, "Interpolation revisited", IEEE Trans.
Medical Imaging 19, 2000), whose coefficients are linear in the image. Costs (order + 1)**ndim gathers.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.ndimage as nd  # type: ignore[import-untyped]

from ..variable import Variable, data_of
from .composing import composed

_PADDED = 12  # SciPy pads so many elements for `nearest` and `grid-constant`, where splines have no boundary condition


def _checked(given: dict[str, Any]) -> None:
    if given.get("mode") == "nearest" and not given.get("prefilter", True) and given.get("order", 3) > 1:
        raise NotImplementedError(
            "scipy.ndimage: mode='nearest' with prefilter=False has no derivative rule for order > 1; use another mode"
        )


def _composed(function: Any) -> Any:
    return composed(function, "ndimage", _checked)


def _array(x: Any) -> Any:
    return x if isinstance(x, Variable) else np.asarray(x)


# ---- coefficients -------------------------------------------------------------------------------------------


def _along(x: Any, matrix: Any, axis: int) -> Any:
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def _filtered(x: Any, order: int, axis: int, mode: str) -> Any:
    """The coefficients along one axis, by the matrix that SciPy's filter is."""
    if order < 2 or x.shape[axis] < 2:
        return x
    return _along(x, nd.spline_filter1d(np.eye(x.shape[axis]), order, 0, mode=mode), axis)


@_composed(nd.spline_filter1d)
def spline_filter1d(input, order=3, axis=-1, output=np.float64, mode="mirror"):  # type: ignore[no-untyped-def]
    return _filtered(input, order, axis, mode)


@_composed(nd.spline_filter)
def spline_filter(input, order=3, output=np.float64, mode="mirror"):  # type: ignore[no-untyped-def]
    for axis in range(input.ndim):
        input = _filtered(input, order, axis, mode)
    return input


# ---- where a coordinate is read, and with which weights -----------------------------------------------------


def _inside(c: Any, n: int, mode: str) -> tuple[Any, Any, Any]:
    """What brings the coordinates c into the image: (sign, shift, whether they are read at all)."""
    one, zero, yes = np.ones(c.shape), np.zeros(c.shape), np.ones(c.shape, bool)
    if mode == "constant":
        return one, zero, (c >= 0) & (c <= n - 1)
    if mode == "grid-constant":
        return one, zero, yes
    if mode == "nearest":
        clipped = np.clip(c, 0, n - 1)
        return np.where(clipped == c, one, 0), np.where(clipped == c, 0, clipped), yes
    if mode == "grid-wrap":
        return one, -n * np.floor((c + 0.5) / n), yes
    if mode == "wrap":
        turns = np.floor(c / (n - 1)) if n > 1 else zero
        turns = np.where((c >= 0) & (c <= n - 1), 0, turns)
        return one, -(n - 1) * turns, yes
    if mode == "mirror":  # about the centres of the first and last element
        period = 2 * (n - 1) if n > 1 else 1
        c0 = c - period * np.floor(c / period)
        back = c0 > n - 1
    else:  # reflect, grid-mirror: about their outer edges
        period = 2 * n
        c0 = c + 0.5 - period * np.floor((c + 0.5) / period) - 0.5
        back = c0 > n - 0.5
    shift = c0 - c
    return np.where(back, -one, one), np.where(back, (period - shift) - (mode != "mirror"), shift), yes


def _index(i: Any, n: int, mode: str) -> Any:
    """The element that stands at index i, beyond the edges too."""
    if mode == "grid-wrap":
        return i % n
    if mode in ("reflect", "grid-mirror"):
        i = i % (2 * n)
        return np.where(i >= n, 2 * n - 1 - i, i)
    if n == 1:
        return i * 0
    i = i % (2 * n - 2)
    return np.where(i >= n, 2 * n - 2 - i, i)


def _spline(t: Any, order: int) -> Any:
    """The B-spline of this order at distance t."""
    total, k = 0, order + 1
    for j in range(k + 1):
        u = t + k / 2 - j
        sign = (-1) ** j * float(np.prod([(k - i) / (i + 1) for i in range(j)]))
        total = total + sign * np.where(data_of(u) > 0, u, 0) ** order
    return total / float(np.prod(range(1, order + 1)))


def _weight(t: Any, order: int) -> Any:
    return np.ones(t.shape) if order == 0 else _spline(t, order)


def _sampled(x: Any, coordinates: list[Any], order: int, mode: str, cval: Any, prefilter: bool) -> Any:
    """x at these coordinates: an array for each of its axes."""
    padded = mode == "nearest" or (mode == "grid-constant" and order > 1)
    if padded and order > 1 and prefilter:
        x = np.pad(x, _PADDED, **({"mode": "edge"} if mode == "nearest" else {"constant_values": cval}))
        coordinates = [c + _PADDED for c in coordinates]
    if prefilter:
        for axis in range(x.ndim):
            x = _filtered(x, order, axis, mode)
    read: Any = True
    places, weights = [], []
    for c, n in zip(coordinates, x.shape, strict=True):
        sign, shift, inside = _inside(data_of(c), n, mode)
        c, read = c * sign + shift, read & inside
        start = np.floor(data_of(c) + (0 if order % 2 else 0.5)).astype(int) - order // 2
        steps = range(order + 1)
        if mode == "grid-constant":
            places.append([np.where((start + k >= 0) & (start + k < n), start + k, n) for k in steps])
        else:
            places.append([_index(start + k, n, mode) for k in steps])
        weights.append([_weight(c - (start + k), order) for k in steps])
    if mode == "grid-constant":
        x = np.pad(x, [(0, 1)] * x.ndim, constant_values=cval)  # what lies outside is its last element
    total: Any = 0
    for choice in itertools.product(range(order + 1), repeat=x.ndim):
        term = x[tuple([p[k] for p, k in zip(places, choice, strict=True)])]
        for w, k in zip(weights, choice, strict=True):
            term = term * w[k]
        total = total + term
    return np.where(read, total, cval)


# ---- the transformations ------------------------------------------------------------------------------------


@_composed(nd.map_coordinates)
def map_coordinates(input, coordinates, output=None, order=3, mode="constant", cval=0.0, prefilter=True):  # type: ignore[no-untyped-def]
    coordinates = _array(coordinates)
    return _sampled(_array(input), [coordinates[k] for k in range(coordinates.shape[0])], order, mode, cval, prefilter)


def _affine(x: Any, matrix: Any, offset: Any, shape: Any, order: int, mode: str, cval: Any, prefilter: bool) -> Any:
    """x at matrix @ index + offset; a vector is a diagonal matrix."""
    grid = np.indices(shape).astype(float)
    n = x.ndim
    if matrix.ndim == 1:
        places = [grid[k] * matrix[k] + offset[k] for k in range(n)]
    else:
        places = [sum([grid[k] * matrix[j, k] for k in range(n)], offset[j]) for j in range(n)]
    return _sampled(x, places, order, mode, cval, prefilter)


def _each(value: Any, n: int) -> Any:
    value = _array(value)
    return np.broadcast_to(value, (n,)) if value.ndim == 0 else value


@_composed(nd.affine_transform)
def affine_transform(
    input, matrix, offset=0.0, output_shape=None, output=None, order=3, mode="constant", cval=0.0, prefilter=True
):  # type: ignore[no-untyped-def]
    x, matrix = _array(input), _array(matrix)
    n, offset = x.ndim, _each(offset, x.ndim)
    if matrix.ndim == 2 and matrix.shape[1] == n + 1:
        offset, matrix = matrix[:n, n], matrix[:n, :n]
    shape = x.shape if output_shape is None else output_shape
    return _affine(x, matrix, offset, shape, order, mode, cval, prefilter)


@_composed(nd.shift)
def shift(input, shift, output=None, order=3, mode="constant", cval=0.0, prefilter=True):  # type: ignore[no-untyped-def]
    x = _array(input)
    return _affine(x, np.ones(x.ndim), -_each(shift, x.ndim), x.shape, order, mode, cval, prefilter)


@_composed(nd.zoom)
def zoom(input, zoom, output=None, order=3, mode="constant", cval=0.0, prefilter=True, *, grid_mode=False):  # type: ignore[no-untyped-def]
    x = _array(input)
    shape = [round(n * float(z)) for n, z in zip(x.shape, _each(data_of(zoom), x.ndim), strict=True)]
    pairs = list(zip(x.shape, shape, strict=True))
    if grid_mode:
        scale = np.array([n / m for n, m in pairs])
        return _affine(x, scale, (scale - 1) / 2, shape, order, mode, cval, prefilter)
    scale = np.array([(n - 1) / (m - 1) if m > 1 else 1.0 for n, m in pairs])
    return _affine(x, scale, np.zeros(x.ndim), shape, order, mode, cval, prefilter)


@_composed(nd.rotate)
def rotate(input, angle, axes=(1, 0), reshape=True, output=None, order=3, mode="constant", cval=0.0, prefilter=True):  # type: ignore[no-untyped-def]
    x = _array(input)
    i, j = sorted([a % x.ndim for a in axes])
    radians = _array(angle) * float(np.pi / 180)
    cos, sin = np.cos(radians), np.sin(radians)
    before = np.array([x.shape[i], x.shape[j]])
    after = before
    if reshape:
        c, s = float(data_of(cos)), float(data_of(sin))
        corners = np.array([[0, 0, before[0], before[0]], [0, before[1], 0, before[1]]])
        after = (np.ptp(np.array([[c, s], [-s, c]]) @ corners, axis=1) + 0.5).astype(int)
    shape = list(x.shape)
    shape[i], shape[j] = [int(n) for n in after]
    a, b = (after - 1) / 2, (before - 1) / 2
    grid = [g.astype(float) for g in np.indices(shape)]
    places = list(grid)
    places[i] = b[0] - (cos * a[0] + sin * a[1]) + cos * grid[i] + sin * grid[j]
    places[j] = b[1] - (cos * a[1] - sin * a[0]) - sin * grid[i] + cos * grid[j]
    return _sampled(x, places, order, mode, cval, prefilter)
