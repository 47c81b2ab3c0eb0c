"""Derivatives of `numpy.pad`, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..composed import composed
from ..declare import implements, linear
from ..variable import data_of
from .joining import as_array
from .shaping import _holds_variable as holds_variable, astype


def _pairs(x: Any, ndim: int) -> list[Any]:
    """For each axis: what belongs before it and what behind, from any of the ways in which NumPy takes them."""
    if isinstance(x, dict):
        both = {axis % ndim: w if isinstance(w, tuple) else (w, w) for axis, w in x.items()}
        return [both.get(axis, (0, 0)) for axis in range(ndim)]
    pairs = np.broadcast_to(as_array(x), (ndim, 2))
    return [(pairs[i, 0], pairs[i, 1]) for i in range(ndim)]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    pad_width = data_of(pad_width)
    if not isinstance(pad_width, dict) and np.asarray(pad_width).dtype.kind != "i":
        raise TypeError("pad: `pad_width` must be of integral type.")
    return [(int(before), int(after)) for before, after in _pairs(pad_width, ndim)]


@linear(None, name="pad", call=np.pad, push=lambda t, _z, _x, pad_width, *_, **__: np.pad(t, pad_width))
def _pad_constant(g: Any, _z: Any, x_shape: Any, pad_width: Any, mode: Any, **_: Any) -> Any:
    return g[tuple([slice(before, before + n) for (before, _), n in zip(pad_width, x_shape, strict=True)])]


# ---- along one axis -----------------------------------------------------------------------------------------


def _by_constant(x: Any, axis: int, widths: Any, values: Any = 0) -> Any:
    ends = []
    for width, v in zip(widths, values, strict=True):
        shape = [width if i == axis else n for i, n in enumerate(x.shape)]
        ends.append(astype(np.broadcast_to(v, shape), x.dtype))
    return np.concatenate([ends[0], x, ends[1]], axis)


def _mixed(x: Any, axis: int, places: Any, weights: Any) -> Any:
    """Elements of x along an axis, times weights."""
    return np.take(x, places, axis) * np.asarray(weights, x.dtype).reshape((-1,) + (1,) * (x.ndim - 1 - axis))


def _by_copies(x: Any, axis: int, widths: Any, mode: str) -> Any:
    n = x.shape[axis]
    places = np.pad(np.arange(n), widths, mode)  # type: ignore[call-overload]
    before, after = places[: widths[0]], places[widths[0] + n :]
    return np.concatenate([np.take(x, before, axis), x, np.take(x, after, axis)], axis)


def _by_reflection(x: Any, axis: int, widths: Any, mode: str, odd: bool) -> Any:
    if not odd or not any(widths):
        return _by_copies(x, axis, widths, mode)
    # every element is a multiple of the first, the last, and the one that an even reflection has in its place
    n = x.shape[axis]
    probes = np.eye(n, 2, k=0)[:, 0], np.eye(n, 1, k=1 - n)[:, 0] * (n > 1), np.ones(n)
    first, last, total = [np.pad(p, widths, mode, reflect_type="odd") for p in probes]  # type: ignore[call-overload]
    places = np.pad(np.arange(n), widths, mode)  # type: ignore[call-overload]
    z = _mixed(x, axis, np.zeros_like(places), first) + _mixed(x, axis, np.full_like(places, n - 1), last)
    return z + _mixed(x, axis, places, total - first - last)


def _by_ramp(x: Any, axis: int, widths: Any, ends: Any) -> Any:
    n, (before, after) = x.shape[axis], widths
    inside = np.pad(np.ones(n), widths, "linear_ramp")  # falls from 1 to 0 over each pad
    outside = 1 - inside
    places = np.arange(n + before + after)
    z = _mixed(x, axis, np.pad(np.arange(n), widths, "edge"), inside)
    for side, end in zip((places < before, places >= before + n), ends, strict=True):
        weights = np.asarray(outside * side, x.dtype).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        z = z + weights * astype(as_array(end), x.dtype)
    return z


def _by_statistic(x: Any, axis: int, widths: Any, function: Any, lengths: Any) -> Any:
    n = x.shape[axis]
    count = [n if k is None else min(int(k), n) for k in lengths]
    ends = []
    for width, part in zip(widths, (slice(0, count[0]), slice(n - count[1], n)), strict=True):
        value = function(x[(slice(None),) * axis + (part,)], axis, keepdims=True)
        ends.append(np.repeat(value, width, axis))
    return np.concatenate([ends[0], x, ends[1]], axis)


# ---- along all axes -----------------------------------------------------------------------------------------

_STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}


@composed(np.pad, name="pad_from_values")
def _pad_composed(x: Any, pad_width: Any, mode: Any, **options: Any) -> Any:
    """The pads from the values of x, axis by axis, the later ones around the earlier ones."""
    settings = {k: _pairs(v, x.ndim) for k, v in options.items() if k != "reflect_type" and v is not None}
    for axis, widths in enumerate(pad_width):
        if mode in ("reflect", "symmetric"):
            x = _by_reflection(x, axis, widths, mode, options.get("reflect_type") == "odd")
        elif mode in ("edge", "wrap"):
            x = _by_copies(x, axis, widths, mode)
        elif mode == "constant":
            x = _by_constant(x, axis, widths, settings["constant_values"][axis])
        elif mode == "linear_ramp":
            x = _by_ramp(x, axis, widths, settings["end_values"][axis] if settings else (0, 0))
        elif any(widths):
            lengths = settings["stat_length"][axis] if settings else (None, None)
            x = _by_statistic(x, axis, widths, _STATISTICS[mode], lengths)
    return x


def _pad_by(function: Any, x: Any, widths: Any, options: Any) -> Any:
    """As NumPy: the function writes into each lane of the array padded with zeros."""
    z = _pad_constant(x, tuple(widths), "constant")
    for axis, width in enumerate(np.array(widths)):
        lanes = np.moveaxis(z, axis, -1)
        for i in np.ndindex(lanes.shape[:-1]):
            function(lanes[(*i, Ellipsis)], width, axis, options)
    return z


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """`numpy.pad` for arrays and Variables, in every mode. Differentiable, also in constant_values and end_values."""
    x, widths = as_array(array), tuple(_widths(pad_width, np.ndim(array)))
    if not x.ndim:
        return np.copy(x)
    if callable(mode):
        return _pad_by(mode, x, widths, kwargs)
    if mode == "empty" or (mode == "constant" and not holds_variable(list(kwargs.values()))):
        return _pad_constant(x, widths, mode, **kwargs)
    if x.dtype.kind not in "fc" and holds_variable(list(kwargs.values())):
        raise TypeError(
            f"pad: array is {x.dtype} and cannot hold floating-point values; convert it with .astype(float)"
        )
    return _pad_composed(x, widths, mode, **kwargs)
