"""`scipy.signal` for arrays and Variables: convolution, correlation and linear filters, with SciPy's values."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import scipy.signal as ss  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("wengert.scipy needs SciPy: pip install 'wengert[scipy]'") from error

from .. import declare
from ..batching.array import any_array
from .composing import apart, composed
from .signal_more import (
    constant as _constant,
    decimate as decimate,
    deconvolve as deconvolve,
    detrend as detrend,
    freqz as freqz,
    hilbert as hilbert,
    refuse as _refuse,
    resample as resample,
    resample_poly as resample_poly,
    savgol_filter as savgol_filter,
    sosfiltfilt as sosfiltfilt,
    upfirdn as upfirdn,
)


def _composed(function: Any) -> Any:
    return composed(function, "signal")


# ---- convolution: bilinear ----------------------------------------------------------------------------------
# The full convolution of x and y has n + m - 1 elements along an axis; "same" and "valid" are parts of it. What flows
# to x is the valid part of the convolution of what flows to the full one with y reversed.


def _zeros(g: Any, axis: int, n: int) -> Any:
    return np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)


def _whole(g: Any, x: Any, y: Any, mode: str, axes: Any) -> Any:
    """g in its place in the full convolution, with zeros around it."""
    for axis in range(g.ndim) if mode != "full" else ():
        n, m = x.shape[axis], y.shape[axis]
        full = n + m - 1 if axis in axes else max(n, m)
        before = (full - g.shape[axis]) // 2 if mode == "same" else min(n, m) - 1 if axis in axes else 0
        after = full - before - g.shape[axis]
        if before or after:
            g = np.concatenate([_zeros(g, axis, before), g, _zeros(g, axis, after)], axis)
    return g


def _pull(g: Any, x: Any, y: Any, other: Any, mode: str, axes: Any, method: str) -> Any:
    """What flows to x or y, from the other one; summed over axes along which it was broadcast."""
    mine = y if other is x else x
    whole = _whole(g, x, y, mode, axes)
    t = _convolve(whole, np.flip(other, axes), mode="valid", axes=axes, method=method) if axes else whole * other
    for axis in set(range(t.ndim)) - set(axes):
        if t.shape[axis] != mine.shape[axis]:
            t = np.sum(t, axis, keepdims=True)
    return t


def _value(x: Any, y: Any, *, mode: str, axes: Any, method: str) -> Any:
    if method == "fft of axes":
        return ss.fftconvolve(x, y, mode, axes)
    if method == "overlap-add":
        return ss.oaconvolve(x, y, mode, axes)
    return ss.convolve(x, y, mode, method)


_convolve = apart(
    "convolve",
    "signal",
    lambda: declare.general(
        "convolve",
        _value,
        (
            lambda g, _z, x, y, *, mode, axes, method: _pull(g, x, y, y, mode, axes, method),
            lambda g, _z, x, y, *, mode, axes, method: _pull(g, x, y, x, mode, axes, method),
        ),
        (
            lambda t, _z, _x, y, *, mode, axes, method: _convolve(t, y, mode=mode, axes=axes, method=method),
            lambda t, _z, x, _y, *, mode, axes, method: _convolve(x, t, mode=mode, axes=axes, method=method),
        ),
    ),
)


def _axes(in1: Any, in2: Any, axes: Any = None) -> tuple[Any, ...]:
    """The arguments' axes to convolve along, as SciPy reads them: an axis of length 1 in both is none."""
    ndim = in1.ndim
    if axes is None:
        return tuple(range(ndim))
    axes = (axes,) if isinstance(axes, (int, np.integer)) else axes
    return tuple(sorted({int(a) % ndim for a in axes}))


def _arrays(*xs: Any) -> Any:
    return [any_array(x) for x in xs]


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """`scipy.signal.convolve` for arrays and Variables. Differentiable in both."""
    in1, in2 = _arrays(in1, in2)
    return _convolve(in1, in2, mode=mode, axes=tuple(range(in1.ndim)), method=method)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """`scipy.signal.fftconvolve` for arrays and Variables. Differentiable in both."""
    in1, in2 = _arrays(in1, in2)
    return _convolve(in1, in2, mode=mode, axes=_axes(in1, in2, axes), method="fft of axes")


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """`scipy.signal.oaconvolve` for arrays and Variables. Differentiable in both."""
    in1, in2 = _arrays(in1, in2)
    return _convolve(in1, in2, mode=mode, axes=_axes(in1, in2, axes), method="overlap-add")


def _reversed(x: Any) -> Any:
    return np.conj(np.flip(x))


@_composed(ss.correlate)
def correlate(in1, in2, mode="full", method="auto"):  # type: ignore[no-untyped-def]
    return convolve(in1, _reversed(in2), mode, method)


_BEYOND: dict[str, Any] = {"wrap": "wrap", "circular": "wrap", "symm": "symmetric", "symmetric": "symmetric"}


def _plane(in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, centre: Any) -> Any:
    """Convolution of two matrices, the first one continued beyond its edges; "same" begins at `centre`."""
    if mode == "valid":  # needs nothing beyond the edges
        return convolve(in1, in2, mode, "direct")
    width: Any = [(n - 1, n - 1) for n in in2.shape]
    if boundary == "fill" or boundary == "pad":
        z = np.pad(in1, width, constant_values=fillvalue)
    else:
        z = np.pad(in1, width, mode=_BEYOND[boundary])
    z = convolve(z, in2, "valid", "direct")
    if mode == "full":
        return z
    i, j = centre
    return z[i : i + in1.shape[0], j : j + in1.shape[1]]


@_composed(ss.convolve2d)
def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):  # type: ignore[no-untyped-def]
    return _plane(in1, in2, mode, boundary, fillvalue, [(n - 1) // 2 for n in in2.shape])


@_composed(ss.correlate2d)
def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):  # type: ignore[no-untyped-def]
    return _plane(in1, _reversed(in2), mode, boundary, fillvalue, [n // 2 for n in in2.shape])


# ---- recursive filters: a * y = b * x, from rest ------------------------------------------------------------


def _against(g: Any, x: Any, taps: Any) -> Any:
    """For each delay k: the sum of g[n] x[n - k] over all that there is."""
    n = x.shape[-1]
    rows = [np.sum(g[..., k:] * x[..., : n - k]) if k < n else np.sum(g * 0) for k in range(taps.shape[0])]
    return np.stack(rows)


def _impulse(a: Any) -> Any:
    return np.ones(1, a.dtype)


_filter = apart(
    "lfilter",
    "signal",
    lambda: declare.general(
        "lfilter",
        ss.lfilter,
        (
            lambda g, _z, b, a, x: _against(g, _filter(_impulse(a), a, x), b),
            lambda g, z, b, a, x: -_against(g, _filter(_impulse(a), a, z), a),
            lambda g, _z, b, a, x: np.flip(_filter(b, a, np.flip(g, -1)), -1),
        ),
        (
            lambda t, _z, b, a, x: _filter(t, a, x),
            lambda t, z, b, a, x: -_filter(t, a, z),
            lambda t, _z, b, a, x: _filter(b, a, t),
        ),
    ),
)


def _along_last(b: Any, a: Any, x: Any, zi: Any) -> tuple[Any, Any]:
    """The filtered x and the final state, from the initial state zi (both along the last axis).

    The state is what remains to be added to the next outputs, so it enters like an input; the final one is read from
    the outputs that would follow if x went on with zeros.
    """
    b, a = [v if v.ndim else v.reshape(1) for v in _arrays(b, a)]
    n, order = x.shape[-1], max(a.shape[0], b.shape[0]) - 1
    longer = np.concatenate([x, np.zeros((*x.shape[:-1], order), x.dtype)], -1)
    start = np.concatenate([zi, np.zeros((*zi.shape[:-1], n), zi.dtype)], -1)
    y = _filter(b, a, longer) + _filter(a[:1], a, start)
    later = [y[..., n + k] for k in range(order)]
    state = [sum([a[k] / a[0] * later[i - k] for k in range(min(i + 1, a.shape[0]))]) for i in range(order)]
    return y[..., :n], np.stack(state, -1) if state else y[..., :0]


@_composed(ss.lfilter)
def lfilter(b, a, x, axis=-1, zi=None):  # type: ignore[no-untyped-def]
    b, a, x = [v if v.ndim else v.reshape(1) for v in _arrays(b, a, x)]
    x = np.moveaxis(x, axis, -1)
    if zi is None:
        return np.moveaxis(_filter(b, a, x), -1, axis)
    y, zf = _along_last(b, a, x, np.moveaxis(_arrays(zi)[0], axis, -1))
    return np.moveaxis(y, -1, axis), np.moveaxis(zf, -1, axis)


@_composed(ss.sosfilt)
def sosfilt(sos, x, axis=-1, zi=None):  # type: ignore[no-untyped-def]
    sos, x = _arrays(sos, x)
    x, states = np.moveaxis(x, axis, -1), []
    if zi is None:
        for k in range(sos.shape[0]):
            x = _filter(sos[k, :3], sos[k, 3:], x)
        return np.moveaxis(x, -1, axis)
    zi = np.moveaxis(_arrays(zi)[0], axis + 1 if axis >= 0 else axis, -1)
    for k in range(sos.shape[0]):
        x, zf = _along_last(sos[k, :3], sos[k, 3:], x, zi[k])
        states.append(zf)
    return np.moveaxis(x, -1, axis), np.moveaxis(np.stack(states), -1, axis + 1 if axis >= 0 else axis)


def continued(x: Any, n: int, kind: Any) -> Any:
    """x continued by n elements on both sides of the last axis, as `filtfilt` does."""
    if kind is None or n == 0:
        return x
    before, after = x[..., n:0:-1], x[..., -2 : -n - 2 : -1]
    if kind == "odd":
        before, after = 2 * x[..., :1] - before, 2 * x[..., -1:] - after
    elif kind == "constant":
        before, after = before * 0 + x[..., :1], after * 0 + x[..., -1:]
    return np.concatenate([before, x, after], -1)


def _padded(given: dict[str, Any]) -> None:
    if given.get("method", "pad") != "pad":
        _refuse("filtfilt", "method='gust'", "use method='pad'")
    _constant("filtfilt", given, "b", "a")


@composed(ss.filtfilt, "signal", _padded)
def filtfilt(b, a, x, axis=-1, padtype="odd", padlen=None, method="pad", irlen=None):  # type: ignore[no-untyped-def]
    b, a, x = [v if v.ndim else v.reshape(1) for v in _arrays(b, a, x)]
    n = 0 if padtype is None else 3 * max(len(a), len(b)) if padlen is None else padlen
    x = continued(np.moveaxis(x, axis, -1), n, padtype)
    steady = ss.lfilter_zi(b, a).astype(x.dtype)
    for _ in range(2):
        x = np.flip(_along_last(b, a, x, steady * x[..., :1])[0], -1)
    return np.moveaxis(x[..., n : x.shape[-1] - n], -1, axis)


def __getattr__(name: str) -> Any:
    getattr(ss, name)
    raise AttributeError(f"wengert.scipy.signal.{name}: not differentiable here; use scipy.signal.{name} on .data")
