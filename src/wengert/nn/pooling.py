"""Pooling over windows, for any number of axes, and its layers. Data are (batch, channels, *places)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import ndarray

from ..declare import linear
from ..variable import data_of
from .convolve import Geometry, _inside, _offsets, geometry_of, sizes
from .module import Module

# ---- the largest of a window; equal ones share the gradient, as everywhere in Wengert ------------------------


def _surrounded(x: Any, geometry: Geometry, value: float) -> ndarray:
    x = np.asarray(x)
    if not any([before or after for before, after in geometry.padding]):
        return x
    z = np.full((*x.shape[:2], *geometry.padded(x.shape[2:])), value, x.dtype)
    z[_inside(x.shape[2:], geometry)] = x
    return z


def _parts(x: Any, kernel: Any, geometry: Geometry, value: float = 0.0) -> Iterator[tuple[Any, ndarray]]:
    """For each place of the window: the index of what is there in each window, and that itself."""
    outputs = geometry.outputs(x.shape[2:], kernel)
    x = _surrounded(x, geometry, value)
    for _, index in _offsets(kernel, outputs, geometry):
        yield index, x[index]


def _largest(x: Any, kernel: Any, geometry: Geometry) -> ndarray:
    """One axis after the other."""
    z = _surrounded(x, geometry, -np.inf)
    outputs = geometry.outputs(np.shape(x)[2:], kernel)
    for axis, (k, n, step, apart) in enumerate(
        zip(kernel, outputs, geometry.stride, geometry.dilation, strict=True), 2
    ):
        lead = (slice(None),) * axis
        parts = [z[(*lead, slice(i * apart, i * apart + (n - 1) * step + 1, step))] for i in range(k)]
        z = np.maximum(parts[0], parts[1]) if k > 1 else parts[0].copy()
        for part in parts[2:]:
            np.maximum(z, part, out=z)
    return z


def _winners(x: Any, z: Any, kernel: Any, geometry: Geometry) -> tuple[list[tuple[Any, Any]], Any]:
    """For each place of the window: its index, and whether it has the largest element there; then, how many have."""
    won = [(index, part == z) for index, part in _parts(np.asarray(x), kernel, geometry, -np.inf)]
    count = np.zeros(z.shape, np.uint8 if len(won) < 256 else np.intp)
    for _, w in won:
        count += w
    return won, count.astype(z.dtype)


def _gathered(t: Any, x: Any, z: Any, kernel: Any, geometry: Geometry) -> ndarray:
    t = _surrounded(t, geometry, 0)
    won, count = _winners(x, np.asarray(z), kernel, geometry)
    with np.errstate(divide="ignore"):  # where a NaN is the largest: it stays one
        return sum([t[index] * w for index, w in won]) / count  # type: ignore[return-value]


def _scattered(g: Any, x: Any, z: Any, kernel: Any, geometry: Geometry) -> ndarray:
    g = np.asarray(g)
    spread = np.zeros((*x.shape[:2], *geometry.padded(x.shape[2:])), g.dtype)
    won, count = _winners(x, np.asarray(z), kernel, geometry)
    with np.errstate(divide="ignore"):
        g = g / count
    rows = zip(geometry.stride, geometry.dilation, kernel, strict=True)
    apart = all([step > d * (k - 1) for step, d, k in rows])  # no element is in two windows
    for index, w in won:
        if apart:
            np.multiply(g, w, out=spread[index])
        else:
            spread[index] += g * w
    return spread if spread.shape == x.shape else spread[_inside(x.shape[2:], geometry)]


@linear(None, name="max_pool_gather", call=_gathered)
def _gather(g: Any, _z: Any, _t: Any, x: Any, z: Any, kernel: Any, geometry: Any) -> Any:
    return _scatter(g, x, z, kernel, geometry)


@linear(None, name="max_pool_scatter", call=_scattered)
def _scatter(g: Any, _z: Any, _g: Any, x: Any, z: Any, kernel: Any, geometry: Any) -> Any:
    return _gather(g, x, z, kernel, geometry)


@linear(None, name="max_pool", call=_largest,
        push=lambda t, z, x, kernel, geometry: _gather(t, data_of(x), data_of(z), kernel, geometry))  # fmt: skip
def _max_pool(g: Any, z: Any, x: Any, kernel: Any, geometry: Any) -> Any:
    return _scatter(g, data_of(x), data_of(z), kernel, geometry)


# ---- the mean of a window -----------------------------------------------------------------------------------


def _summed(x: Any, kernel: Any, geometry: Geometry, places: Any) -> ndarray:
    z: Any = None
    for _, part in _parts(np.asarray(x), kernel, geometry):
        z = part.copy() if z is None else np.add(z, part, out=z)
    return z


def _strewn(g: Any, kernel: Any, geometry: Geometry, places: Any) -> ndarray:
    g = np.asarray(g)
    z = np.zeros((*g.shape[:2], *geometry.padded(places)), g.dtype)
    for _, index in _offsets(kernel, g.shape[2:], geometry):
        z[index] += g
    return z[_inside(places, geometry)]


@linear(None, name="sum_pool", call=_summed)
def _sum_pool(g: Any, _z: Any, _x: Any, kernel: Any, geometry: Any, places: Any) -> Any:
    return _strew(g, kernel, geometry, places)


@linear(None, name="sum_pool_transposed", call=_strewn)
def _strew(g: Any, _z: Any, _x: Any, kernel: Any, geometry: Any, places: Any) -> Any:
    return _sum_pool(g, kernel, geometry, places)


# ---- functions ----------------------------------------------------------------------------------------------


def _arguments(name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Any, Geometry]:
    shape = np.shape(data_of(x))
    if len(shape) < 3:
        raise ValueError(f"{name}: x is (batch, channels, *places), got shape {shape}")
    kernel = sizes(kernel_size, len(shape) - 2, f"{name}: kernel_size")
    geometry = geometry_of(name, kernel, kernel_size if stride is None else stride, padding, dilation, 1)
    if any([2 * max(p) > k for p, k in zip(geometry.padding, kernel, strict=True)]):
        raise ValueError(f"{name}: padding {padding} is more than half of the window {kernel}")
    if any([n < 1 for n in geometry.outputs(shape[2:], kernel)]):
        raise ValueError(f"{name}: a window of {kernel} does not fit into {shape[2:]}")
    return kernel, geometry


def max_pool(x: Any, kernel_size: Any, *, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """The largest element of each window.

    Args:
        x: shape (batch, channels, *places).
        kernel_size: the window: an integer, or one for each axis of places.
        stride: how far the windows are apart; by default the window's own size.
        padding: how far windows reach over the edges, where nothing is.

    Equal largest elements share the gradient evenly. One pass for each place of the window.

    Raises:
        ValueError: arguments that don't fit x, or a padding of more than half a window.

    Example:
        >>> wg.nn.max_pool(np.array([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        array([[[3., 5.]]])
    """
    return _max_pool(x, *_arguments("max_pool", x, kernel_size, stride, padding, dilation))


def avg_pool(x: Any, kernel_size: Any, *, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window, in which padding counts as zeros. Arguments as those of `max_pool`.

    Example:
        >>> wg.nn.avg_pool(np.array([[[1.0, 3.0, 2.0, 5.0]]]), 2)
        array([[[2. , 3.5]]])
    """
    kernel, geometry = _arguments("avg_pool", x, kernel_size, stride, padding, 1)
    return _sum_pool(x, kernel, geometry, np.shape(data_of(x))[2:]) * (1 / int(np.prod(kernel)))


def _cells(name: str, x: Any, output_size: Any) -> list[list[tuple[int, int]]]:
    """For each axis: where each of the cells begins and ends."""
    shape = np.shape(data_of(x))
    if len(shape) < 3 or not all(shape[2:]):
        raise ValueError(f"{name}: x is (batch, channels, *places), got shape {shape}")
    outputs = sizes(output_size, len(shape) - 2, f"{name}: output_size")
    return [[(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(shape[2:], outputs, strict=True)]


def adaptive_avg_pool(x: Any, output_size: Any) -> Any:
    """The means of windows that divide x into so many places: an integer, or one for each axis.

    Example:
        >>> wg.nn.adaptive_avg_pool(np.arange(5.0).reshape(1, 1, 5), 2)
        array([[[1., 3.]]])
    """
    for axis, cells in enumerate(_cells("adaptive_avg_pool", x, output_size), 2):
        if len(cells) == 1:
            x = x.mean(axis, keepdims=True)
            continue
        matrix = np.zeros((np.shape(data_of(x))[axis], len(cells)), x.dtype)
        for i, (begin, end) in enumerate(cells):
            matrix[begin:end, i] = 1 / (end - begin)
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)
    return x


def adaptive_max_pool(x: Any, output_size: Any) -> Any:
    """The largest elements of windows that divide x into so many places: an integer, or one for each axis.

    Example:
        >>> wg.nn.adaptive_max_pool(np.arange(5.0).reshape(1, 1, 5), 2)
        array([[[2., 4.]]])
    """
    cells, places = _cells("adaptive_max_pool", x, output_size), np.shape(data_of(x))[2:]
    if all([n % len(bounds) == 0 for n, bounds in zip(places, cells, strict=True)]):
        return max_pool(x, [n // len(bounds) for n, bounds in zip(places, cells, strict=True)])
    windows = itertools.product(*[[slice(*b) for b in bounds] for bounds in cells])
    axes = tuple(range(2, 2 + len(places)))
    z = np.stack([np.max(x[(..., *window)], axes) for window in windows], -1)
    return z.reshape(*z.shape[:2], *map(len, cells))


# ---- layers -------------------------------------------------------------------------------------------------


class _Pool(Module):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def extra_repr(self) -> str:
        return ", ".join([*map(str, self.args), *[f"{k}={v}" for k, v in self.kwargs.items()]])


class MaxPool(_Pool):
    """`max_pool` as a layer, for any number of axes: `MaxPool(2)`, `MaxPool((2, 3), stride=1, padding=1)`."""

    def forward(self, x: Any) -> Any:
        return max_pool(x, *self.args, **self.kwargs)


class AvgPool(_Pool):
    """`avg_pool` as a layer, for any number of axes: `AvgPool(2)`."""

    def forward(self, x: Any) -> Any:
        return avg_pool(x, *self.args, **self.kwargs)


class AdaptiveMaxPool(_Pool):
    """`adaptive_max_pool` as a layer, for any number of axes: `AdaptiveMaxPool(1)`."""

    def forward(self, x: Any) -> Any:
        return adaptive_max_pool(x, *self.args, **self.kwargs)


class AdaptiveAvgPool(_Pool):
    """`adaptive_avg_pool` as a layer, for any number of axes: `AdaptiveAvgPool((7, 7))`."""

    def forward(self, x: Any) -> Any:
        return adaptive_avg_pool(x, *self.args, **self.kwargs)
