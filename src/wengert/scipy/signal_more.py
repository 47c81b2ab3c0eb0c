"""`scipy.signal`: resampling, smoothing, detrending and the analytic signal. All are linear in the signal."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import scipy.signal as ss  # type: ignore[import-untyped]

from ..variable import Variable, data_of
from .composing import composed


def _array(x: Any) -> Any:
    return x if isinstance(x, Variable) else np.asarray(x)


def refuse(name: str, option: str, instead: str) -> None:
    raise NotImplementedError(f"scipy.signal.{name}: {option} has no derivative rule; {instead}")


def constant(name: str, given: dict[str, Any], *arguments: str) -> None:
    """Refuse a tracked argument that has no rule."""
    for argument in arguments:
        if isinstance(given.get(argument), Variable):
            refuse(name, f"a tracked {argument}", f"pass {argument}.data")


def _zeros(x: Any, n: int) -> Any:
    return np.zeros((*x.shape[:-1], n), x.dtype)


# ---- in the frequency domain --------------------------------------------------------------------------------


@composed(ss.hilbert, "signal")
def hilbert(x, N=None, axis=-1):  # type: ignore[no-untyped-def]
    n = x.shape[axis] if N is None else N
    h = np.zeros(n)
    h[0] = 1
    h[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        h[n // 2] = 1
    z = np.fft.fft(np.moveaxis(x, axis, -1), n) * h
    return np.moveaxis(np.fft.ifft(z), -1, axis)


def _resampled(given: dict[str, Any]) -> None:
    if given.get("domain", "time") != "time":
        refuse("resample", "domain='freq'", "use domain='time'")
    constant("resample", given, "window", "t")


@composed(ss.resample, "signal", _resampled)
def resample(x, num, t=None, axis=0, window=None, domain="time"):  # type: ignore[no-untyped-def]
    x = np.moveaxis(x, axis, -1)
    n, real = x.shape[-1], x.dtype.kind != "c"
    z = np.fft.fft(x)
    if window is not None:
        if callable(window):
            w = window(np.fft.fftfreq(n))
        else:
            w = window if isinstance(window, np.ndarray) else np.fft.ifftshift(ss.get_window(window, n))
        if real:  # SciPy makes the window of a real signal symmetric
            w = np.concatenate([w[:1], (w[1:] + w[:0:-1]) / 2])
        z = z * w
    m = min(n, num)
    low, high = z[..., : (m + 1) // 2], z[..., n - (m - 1) // 2 :]
    middle: Any = _zeros(z, num - m)
    if m % 2 == 0:  # the frequency that stands for both signs
        at = z[..., m // 2 : m // 2 + 1]
        if num < n:
            middle = at + z[..., n - m // 2 : n - m // 2 + 1]
        elif num > n:
            middle = np.concatenate([at / 2, _zeros(z, num - m - 1), at / 2], -1)
        else:
            middle = at
    y = np.fft.ifft(np.concatenate([low, middle, high], -1)) * (num / n)
    y = np.moveaxis(np.real(y) if real else y, -1, axis)
    return y if t is None else (y, np.zeros(num))


# ---- polynomials fitted ------------------------------------------------------------------------------------


@composed(ss.detrend, "signal")
def detrend(data, axis=-1, type="linear", bp=0):  # type: ignore[no-untyped-def]
    x = np.moveaxis(data, axis, -1)
    if type in ("constant", "c"):
        return np.moveaxis(x - np.mean(x, -1, keepdims=True), -1, axis)
    n = x.shape[-1]
    breaks = np.sort(np.unique(np.concatenate([np.atleast_1d([0]), np.atleast_1d(bp), np.atleast_1d([n])])))
    parts = []
    for start, stop in itertools.pairwise(breaks):
        part = x[..., int(start) : int(stop)]
        line = np.stack([np.ones(stop - start), np.arange(1.0, stop - start + 1)], -1).astype(x.dtype)
        q = np.linalg.qr(line)[0]
        parts.append(part - (part @ q) @ q.T)
    return np.moveaxis(np.concatenate(parts, -1), -1, axis)


def _real(given: dict[str, Any]) -> None:
    if given["x"].dtype.kind == "c":
        refuse("savgol_filter", "a complex signal", "filter its real and imaginary parts, as SciPy cannot")


@composed(ss.savgol_filter, "signal", _real)
def savgol_filter(x, window_length, polyorder, deriv=0, delta=1.0, axis=-1, mode="interp", cval=0.0):  # type: ignore[no-untyped-def]
    from .ndimage import convolve1d

    options = {"deriv": deriv, "delta": delta}
    weights = ss.savgol_coeffs(window_length, polyorder, **options)
    x = np.moveaxis(x, axis, -1)
    if mode != "interp":
        return np.moveaxis(convolve1d(x, weights, -1, mode=mode, cval=cval), -1, axis)
    half = window_length // 2
    y = convolve1d(x, weights, -1, mode="constant")
    ends = ss.savgol_filter(np.eye(window_length), window_length, polyorder, axis=0, **options)  # fits, at each end
    first, last = (
        x[..., :window_length] @ ends[:half].T,
        x[..., x.shape[-1] - window_length :] @ ends[window_length - half :].T,
    )
    return np.moveaxis(np.concatenate([first, y[..., half : x.shape[-1] - half], last], -1), -1, axis)


# ---- changes of rate ----------------------------------------------------------------------------------------


def _with_zeros(given: dict[str, Any]) -> None:
    if given.get("mode", "constant") not in (None, "constant") or given.get("cval"):
        refuse("upfirdn", "mode= other than 'constant' with cval=0", "pad the signal with np.pad")


@composed(ss.upfirdn, "signal", _with_zeros)
def upfirdn(h, x, up=1, down=1, axis=-1, mode="constant", cval=0):  # type: ignore[no-untyped-def]
    from .signal import convolve

    h, x = _array(h), np.moveaxis(_array(x), axis, -1)
    n = x.shape[-1]
    spread = np.concatenate([x[..., None], np.zeros((*x.shape, up - 1), x.dtype)], -1).reshape(*x.shape[:-1], n * up)
    spread = spread[..., : (n - 1) * up + 1]
    y = convolve(spread, h.reshape((1,) * (x.ndim - 1) + h.shape), method="direct")
    return np.moveaxis(y[..., ::down], -1, axis)


def _padded_with_zeros(given: dict[str, Any]) -> None:
    constant("resample_poly", given, "window")
    if given.get("padtype", "constant") not in (None, "constant") or given.get("cval"):
        refuse("resample_poly", "padtype= other than 'constant' with cval=0", "pad the signal with np.pad")


def _length(taps: int, n: int, up: int, down: int) -> int:
    return ((n - 1) * up + taps - 1) // down + 1


@composed(ss.resample_poly, "signal", _padded_with_zeros)
def resample_poly(x, up, down, axis=0, window=("kaiser", 5.0), padtype="constant", cval=None):  # type: ignore[no-untyped-def]
    common = math.gcd(int(up), int(down))
    up, down = int(up) // common, int(down) // common
    if up == down == 1:
        return x * 1
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    count = -(-n * up // down)
    if isinstance(window, (list, np.ndarray)):
        taps = np.asarray(window) * 1.0
        half = (taps.size - 1) // 2
    else:
        half = 10 * max(up, down)
        taps = ss.firwin(2 * half + 1, 1 / max(up, down), window=window)
    before = down - half % down
    removed, after = (half + before) // down, 0
    while _length(taps.size + before + after, n, up, down) < count + removed:
        after += 1
    taps = np.concatenate([np.zeros(before), up * taps, np.zeros(after)])
    return np.moveaxis(upfirdn(taps.astype(x.dtype), x, up, down)[..., removed : removed + count], -1, axis)


def _by_sections(given: dict[str, Any]) -> None:
    if not isinstance(given.get("ftype", "iir"), str):
        refuse("decimate", "a filter object as ftype", "use 'iir' or 'fir', or lfilter and x[::q]")


@composed(ss.decimate, "signal", _by_sections)
def decimate(x, q, n=None, ftype="iir", axis=-1, zero_phase=True):  # type: ignore[no-untyped-def]
    from .signal import sosfilt

    x = np.moveaxis(x, axis, -1)
    if ftype == "fir":
        taps = ss.firwin((20 * q if n is None else n) + 1, 1 / q, window="hamming")
        if zero_phase:
            y = resample_poly(x, 1, q, axis=-1, window=taps)
        else:
            y = upfirdn(taps, x, 1, q)[..., : -(-x.shape[-1] // q)]
        return np.moveaxis(y, -1, axis)
    sos = ss.cheby1(8 if n is None else n, 0.05, 0.8 / q, output="sos").astype(x.dtype)
    y = sosfiltfilt(sos, x) if zero_phase else sosfilt(sos, x)
    return np.moveaxis(y[..., ::q], -1, axis)


def _of_the_signal(given: dict[str, Any]) -> None:
    constant("sosfiltfilt", given, "sos")


@composed(ss.sosfiltfilt, "signal", _of_the_signal)
def sosfiltfilt(sos, x, axis=-1, padtype="odd", padlen=None):  # type: ignore[no-untyped-def]
    from .signal import continued, sosfilt

    sos = np.asarray(sos)
    taps = 2 * len(sos) + 1 - min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum())
    n = 0 if padtype is None else int(3 * taps if padlen is None else padlen)
    x = continued(np.moveaxis(x, axis, -1), n, padtype)
    steady = ss.sosfilt_zi(sos).astype(x.dtype)
    steady = steady.reshape(len(sos), *(1,) * (x.ndim - 1), 2)
    for _ in range(2):
        x = np.flip(sosfilt(sos, x, zi=steady * x[..., :1])[0], -1)
    return np.moveaxis(x[..., n : x.shape[-1] - n], -1, axis)


# ---- quotients, and a filter's response ---------------------------------------------------------------------


@composed(ss.deconvolve, "signal")
def deconvolve(signal, divisor):  # type: ignore[no-untyped-def]
    from .signal import convolve, lfilter

    signal, divisor = _array(signal), _array(divisor)
    n = signal.shape[0] - divisor.shape[0] + 1
    if n < 1:
        return None, signal
    impulse = np.zeros(n)
    impulse[0] = 1
    quotient = lfilter(signal, divisor, impulse)
    return quotient, signal - convolve(divisor, quotient)


def _points(given: dict[str, Any]) -> None:
    constant("freqz", given, "worN")
    if np.ndim(data_of(given["b"])) > 1 or np.ndim(data_of(given.get("a", 1))) > 1:
        refuse("freqz", "coefficients of more than one axis", "call it for each filter")


@composed(ss.freqz, "signal", _points)
def freqz(b, a=1, worN=512, whole=False, plot=None, fs=2 * np.pi, include_nyquist=False):  # type: ignore[no-untyped-def]
    w = ss.freqz(1, 1, worN, whole, None, fs, include_nyquist)[0]

    def response(c: Any) -> Any:
        c = _array(c)
        c = c.reshape(1) if c.ndim == 0 else c
        return np.exp(-2j * np.pi / fs * np.multiply.outer(w, np.arange(c.shape[0]))) @ c

    return np.zeros(w.shape), response(b) / response(a)
