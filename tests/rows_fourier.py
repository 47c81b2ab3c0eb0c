"""Rows of the test table: numpy.fft, the less common ufuncs, and the ufunc methods."""

from __future__ import annotations

from typing import Any

import numpy as np
from rowkit import REAL, Row, row

V, T = (5,), (3, 4, 2)
NORMS = ("backward", "ortho", "forward")
HALF = {"domain": (0.3, 2.0), "dtypes": REAL}


def _into(ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """A ufunc method that writes to its first argument, on a copy of it."""

    def call(x: Any, *others: Any) -> Any:
        y = x + 0.0
        getattr(ufunc, method)(y, *args, *others, **kwargs)
        return y

    return call


def _out(ufunc: Any, **kwargs: Any) -> Any:
    """`ufunc(x, ..., out=y)` for the last argument y."""

    def call(*xs: Any) -> Any:
        y = xs[-1] + 0.0
        return ufunc(*xs[:-1], out=y, **kwargs)

    return call


MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, True, False]])

FOURIER = [
    *[row(f.__name__, lambda x, f=f, n=n, norm=norm: f(x, n, norm=norm), V)
      for f in (np.fft.fft, np.fft.ifft, np.fft.irfft) for n in (None, 4, 7) for norm in NORMS],
    *[row("rfft", lambda x, n=n, norm=norm: np.fft.rfft(x, n, norm=norm), V, dtypes=REAL) for n in (None, 4, 7) for norm in NORMS],
    *[row(f.__name__, lambda x, f=f, axis=axis: f(x, axis=axis), T) for f in (np.fft.fft, np.fft.ifft, np.fft.irfft) for axis in (0, -2)],
    *[row("rfft", lambda x, axis=axis: np.fft.rfft(x.T, axis=axis), T, dtypes=REAL) for axis in (0, -2)],
    *[row("fft", lambda x, n=n: np.fft.fft(x, n, 1), T) for n in (1, 2)],
    *[row("irfft", lambda x, n=n: np.fft.irfft(x, n, 1), T) for n in (1, 2, 3)],
    *[row("rfft", lambda x, n=n: np.fft.rfft(x, n, 1), T, dtypes=REAL) for n in (1, 2, 3)],
    row("fft", np.fft.fft, (0, 3)),
    *[row("irfft", lambda x, n=n, norm=norm: np.fft.hfft(x, n, norm=norm), V) for n in (None, 5) for norm in NORMS],
    *[row("rfft", lambda x, n=n, norm=norm: np.fft.ihfft(x, n, norm=norm), V, dtypes=REAL) for n in (None, 4) for norm in NORMS],
    *[row(name, lambda x, f=f: f(x), T) for name, f in [
        ("fft", np.fft.fft2), ("ifft", np.fft.ifft2), ("irfft", np.fft.irfft2), ("fft", np.fft.fftn), ("ifft", np.fft.ifftn), ("irfft", np.fft.irfftn)]],
    *[row("rfft", lambda x, f=f: f(x), T, dtypes=REAL) for f in (np.fft.rfft2, np.fft.rfftn)],
    *[row(name, lambda x, f=f: f(x, s=(2, -1), axes=(2, 0), norm="ortho"), T) for name, f in [
        ("fft", np.fft.fftn), ("ifft", np.fft.ifftn), ("irfft", np.fft.irfftn), ("fft", np.fft.fft2), ("irfft", np.fft.irfft2)]],
    row("rfft", lambda x: np.fft.rfftn(x, s=(3, 5), axes=(0, 1), norm="forward"), T, dtypes=REAL),
    row("fft", lambda x: np.fft.fftn(x, axes=(0, 0, 1)), T),
    *[row(f.__name__, lambda x, f=f, axes=axes: f(x, axes), T) for f in (np.fft.fftshift, np.fft.ifftshift) for axes in (None, 0, (1, -1))],
]  # fmt: skip

UFUNCS = [
    *[row("heaviside", lambda h: np.heaviside(np.array([0.0, -1.0, 0.0, 2.0, 0.0], h.dtype), h), s, dtypes=REAL) for s in (V, (), (1, 5))],
    row("heaviside", lambda h: np.heaviside(0.0, h), (), dtypes=REAL),
    *[row("ldexp", lambda x: np.ldexp(x, np.array([1, -2, 0, 3, 5])), s, dtypes=REAL) for s in (V, (), (2, 5))],
    row("ldexp", lambda x: np.ldexp(x, 3), T, dtypes=REAL),
    *[row("mantissa", lambda x: np.frexp(x)[0], s, domain=(1.1, 1.9), dtypes=REAL) for s in ((), V, (0, 3))],
    row("fractional_part", lambda x: np.modf(x)[0], V, domain=(1.1, 1.9), dtypes=REAL),
    row("remainder", lambda x: np.divmod(x, 0.32)[1], V, domain=(0.72, 0.78), dtypes=REAL),
    row("clip", lambda x: np._core.umath.clip(x, -0.51, 0.52), T, dtypes=REAL, distinct=True),
]  # fmt: skip

ALL = (np.add, np.subtract, np.multiply, np.divide, np.hypot, np.power, np.logaddexp, np.logaddexp2)
REDUCED = (np.add, np.subtract, np.multiply, np.divide, np.hypot, np.logaddexp, np.logaddexp2)
EXTREMES = (np.maximum, np.minimum, np.fmax, np.fmin)
W = np.arange(3 * 4 * 2).reshape(T) % 3 != 0

METHODS = [
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, initial=1.5), s, **HALF) for u in REDUCED for s in (T, V)],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, 1, where=W, initial=1.5, keepdims=True), T, **HALF) for u in REDUCED],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x), T, **HALF) for u in (np.subtract, np.divide, np.hypot, np.logaddexp, np.float_power, np.copysign)],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, axis=(0, -1), where=W), T, **HALF) for u in (np.add, np.multiply, np.hypot, np.logaddexp)],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, -1, initial=0.93, where=W), T, distinct=True, **HALF) for u in EXTREMES],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, None), T, distinct=True, **HALF) for u in (np.fmax, np.fmin)],
    *[row("ufunc_reduce", lambda x, u=u: u.reduce(x, 1, initial=2.0), (2, 3)) for u in (np.add, np.multiply, np.subtract)],
    row("ufunc_reduce", lambda x, i: np.add.reduce(x, 1, initial=i), (2, 3), ()),
    row("ufunc_reduce", lambda x, i: np.multiply.reduce(x, 0, initial=i), (0, 3), ()),
    row("ufunc_reduce", lambda x: np.add.reduce(x, 0, np.float64), T, **HALF),
    row("sum", lambda x: np.add.reduce(x), T),
    row("prod", lambda x: np.multiply.reduce(x, axis=(0, 1), keepdims=True), T),
    row("max", lambda x: np.maximum.reduce(x, -1), T, dtypes=REAL, distinct=True),
    *[row("ufunc_accumulate", lambda x, u=u: u.accumulate(x), s, **HALF) for u in ALL for s in (V, (3, 2))],
    *[row("ufunc_accumulate", lambda x, u=u: u.accumulate(x, axis=-1), T, distinct=True, **HALF) for u in EXTREMES],
    *[row("ufunc_accumulate", lambda x, u=u: u.accumulate(x.T, 1), (3, 2)) for u in (np.add, np.multiply, np.subtract, np.divide)],
    row("ufunc_accumulate", lambda x: np.add.accumulate(x, 0), (0, 3)),
    *[row("ufunc_reduceat", lambda x, u=u: u.reduceat(x, [1, 3, 2, 2, 4]), V, distinct=True, **HALF) for u in REDUCED + EXTREMES],
    *[row("ufunc_reduceat", lambda x, u=u: u.reduceat(x, [0, 2, 3], axis=1), T) for u in (np.add, np.multiply)],
    *[row("ufunc_at", _into(u, "at", [3, 0, 3, 3]), V, (4,), **HALF) for u in (np.add, np.subtract, np.multiply, np.divide, np.hypot, np.power)],
    *[row("ufunc_at", lambda x, b, u=u: _into(u, "at", [3, 0, 3, 3])(x, b * 0.91), V, (4,), distinct=True, **HALF) for u in EXTREMES],
    row("ufunc_at", _into(np.add, "at", (slice(None), [0, 0])), (2, 3), (2,)),
    row("ufunc_at", _into(np.multiply, "at", (Ellipsis, 0)), (2, 3), ()),
    row("ufunc_at", _into(np.square, "at", [1, 1, 0]), V),
    row("ufunc_at", _into(np.add, "at", np.array([True, False, True, True, False]), 2.0), V),
    row("add", np.add.outer, (2, 3), V),
    row("multiply", np.multiply.outer, V, ()),
    row("hypot", lambda x, y: np.hypot.outer(x, y), V, (2,), **HALF),
]  # fmt: skip

KEYWORDS = [
    row("multiply", _out(np.multiply), V, V, V),
    row("multiply", _out(np.multiply), (), (1,), V),
    row("setitem", _out(np.multiply, where=MASK), (3, 4), (4,), (3, 4)),
    row("setitem", _out(np.exp, where=MASK[0]), (4,), (3, 4)),
    row("sum", lambda x, y: np.add.reduce(x, 1, out=y + 0.0), (2, 3), (2,), dtypes=REAL),
    row("astype", lambda x, y: np.add(x, y, dtype=np.float64), V, V, dtypes=REAL),
    row("astype", lambda x: np.multiply(x, 1.1, dtype=np.complex128), V),
    row("copy", lambda x: np.exp(x, order="F"), T),
    row("matmul", lambda x, y: np.matmul(x, y, axes=[(0, 1), (-1, -2), (1, 0)]), (2, 3), (4, 3)),
]  # fmt: skip

ROWS: list[Row] = [*FOURIER, *UFUNCS, *METHODS, *KEYWORDS]
