"""Derivatives of the discrete Fourier transforms (numpy.fft).

The matrix of a transform is symmetric, so `fft` and `ifft` are their own transposes. A real transform keeps half of a
spectrum that is its own mirror image: what flows through it counts the frequencies that were left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..declare import constant_functions, implements, linear
from .indexing import put

# ---- along one axis -----------------------------------------------------------------------------------------


def _fit(t: Any, shape: tuple[int, ...], axis: int) -> Any:
    """t cut off, or filled up with zeros, along axis: the transpose of what a transform does to its argument."""
    n, m = t.shape[axis], shape[axis]
    if n == m:
        return t
    key = (slice(None),) * (axis % len(shape)) + (slice(min(n, m)),)
    return t[key] if n > m else put(t, shape, key)


def _weights(g: Any, n: int, axis: int, inner: float) -> Any:
    """1 for the frequency 0 and for the highest of an even n, which have no mirror image; `inner` for the others."""
    w = np.full(n // 2 + 1, inner, np.finfo(g.dtype).dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return w.reshape((-1,) + (1,) * (-axis - 1 if axis < 0 else g.ndim - 1 - axis))


def _opposite(norm: Any) -> Any:
    """The normalisation with which the inverse transform has the factor of this one."""
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


@linear(np.fft.fft)
def fft(g: Any, _z: Any, x_shape: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return _fit(np.fft.fft(g, axis=axis, norm=norm), x_shape, axis)


@linear(np.fft.ifft)
def ifft(g: Any, _z: Any, x_shape: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return _fit(np.fft.ifft(g, axis=axis, norm=norm), x_shape, axis)


@linear(np.fft.rfft, holomorphic=False)
def rfft(g: Any, _z: Any, x_shape: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    n = x_shape[axis] if n is None else n
    return _fit(np.fft.irfft(g * _weights(g, n, axis, 0.5), n, axis, _opposite(norm)), x_shape, axis)


@linear(np.fft.irfft, holomorphic=False)
def irfft(g: Any, _z: Any, x_shape: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    t = np.fft.rfft(np.real(g), axis=axis, norm=_opposite(norm))
    return _fit(t * _weights(g, g.shape[axis], axis, 2), x_shape, axis)


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.hfft` for arrays and Variables. Differentiable."""
    _refuse_out("hfft", out)
    return np.fft.irfft(np.conjugate(a), (a.shape[axis] - 1) * 2 if n is None else n, axis, _opposite(norm))


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ihfft` for arrays and Variables. Differentiable."""
    _refuse_out("ihfft", out)
    return np.conjugate(np.fft.rfft(a, n, axis, _opposite(norm)))


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise TypeError(f"{name}: out= would write a tracked result into a plain array; leave it out")


# ---- along several axes, one after the other, in NumPy's order ----------------------------------------------


def _steps(name: str, a: Any, s: Any, axes: Any, out: Any, half: bool = False) -> list[tuple[Any, Any]]:
    """The length and the axis of each one-dimensional transform."""
    _refuse_out(name, out)
    if s is None:
        s = list(a.shape) if axes is None else [a.shape[i] for i in axes]
        if half and s:
            s[-1] = (a.shape[-1 if axes is None else axes[-1]] - 1) * 2
    else:
        for _ in _deprecated(s, axes):
            warnings.warn(_, DeprecationWarning, stacklevel=3)
    axes = range(-len(s), 0) if axes is None else axes
    if len(s) != len(axes):
        raise ValueError(f"{name}: s has {len(s)} lengths for {len(axes)} axes")
    return [(a.shape[i] if n == -1 else n, i) for n, i in zip(s, axes, strict=True)]


def _deprecated(s: Any, axes: Any) -> Iterator[str]:
    if None in s:
        yield "`s` must not contain `None` (NumPy 2.0); use -1 for the whole axis"
    if axes is None:
        yield "`axes` must not be `None` where `s` is given (NumPy 2.0)"


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.fftn` for arrays and Variables. Differentiable."""
    for n, axis in reversed(_steps("fftn", a, s, axes, out)):
        a = np.fft.fft(a, n, axis, norm)
    return a


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ifftn` for arrays and Variables. Differentiable."""
    for n, axis in reversed(_steps("ifftn", a, s, axes, out)):
        a = np.fft.ifft(a, n, axis, norm)
    return a


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.rfftn` for arrays and Variables. Differentiable."""
    *others, (n, axis) = _steps("rfftn", a, s, axes, out)
    a = np.fft.rfft(a, n, axis, norm)
    for n, axis in reversed(others):
        a = np.fft.fft(a, n, axis, norm)
    return a


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.irfftn` for arrays and Variables. Differentiable."""
    *others, last = _steps("irfftn", a, s, axes, out, half=True)
    for n, axis in others:
        a = np.fft.ifft(a, n, axis, norm)
    return np.fft.irfft(a, *last, norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.fft2` for arrays and Variables. Differentiable."""
    return np.fft.fftn(a, s, axes, norm, out)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ifft2` for arrays and Variables. Differentiable."""
    return np.fft.ifftn(a, s, axes, norm, out)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.rfft2` for arrays and Variables. Differentiable."""
    return np.fft.rfftn(a, s, axes, norm, out)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.irfft2` for arrays and Variables. Differentiable."""
    return np.fft.irfftn(a, s, axes, norm, out)


# ---- the order of the frequencies ---------------------------------------------------------------------------


@linear(np.fft.fftshift)
def fftshift(g: Any, _z: Any, _x: Any, axes: Any = None) -> Any:
    return np.fft.ifftshift(g, axes)


@linear(np.fft.ifftshift)
def ifftshift(g: Any, _z: Any, _x: Any, axes: Any = None) -> Any:
    return np.fft.fftshift(g, axes)


constant_functions(np.fft.fftfreq, np.fft.rfftfreq)
