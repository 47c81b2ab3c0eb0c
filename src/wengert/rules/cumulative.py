"""Derivatives of running sums and products, differences, integrals, interpolation and convolution."""

from __future__ import annotations

from math import factorial, pi, sqrt
from typing import Any

import numpy as np

from ..batching.array import any_array
from ..composed import composed
from ..declare import general, implements, linear
from ..operation import spread
from ..variable import Variable, data_of
from .reductions import computed_in

# ---- parts along an axis ------------------------------------------------------------------------------------


def _part(x: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> Any:
    """x[start:stop:step] along an axis."""
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop, step),)]


def _reversed(x: Any, axis: int) -> Any:
    return _part(x, axis, None, None, -1)


def _after(x: Any, axis: int, first: float) -> Any:
    """x moved on by one along the axis, with `first` in front."""
    head = _part(x, axis, 0, 1)
    return np.concatenate([np.full_like(data_of(head), first), _part(x, axis, 0, -1)], axis)


# ---- running sums -------------------------------------------------------------------------------------------


def _pull_cumsum(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Sums from each element to the end: the transpose of running sums."""
    axis = 0 if axis is None else axis
    return _reversed(np.cumsum(_reversed(g, axis), axis), axis).reshape(shape)


@linear(np.cumsum)
def cumsum(g: Any, _z: Any, x_shape: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _pull_cumsum(g, x_shape, axis)


# ---- running products: exact and division-free, so that zeros do no harm ------------------------------------


def _recurrence(a: Any, b: Any, axis: int) -> Any:
    """s with s[i] = a[i] * s[i - 1] + b[i] along an axis, by doubling (Hillis and Steele, CACM 29, 1986)."""
    step, n = 1, b.shape[axis]
    while step < n:
        rest = _part(a, axis, step, None)
        new = _part(b, axis, step, None) + rest * _part(b, axis, 0, -step)
        b = np.concatenate([_part(b, axis, 0, step), new], axis)
        a = np.concatenate([_part(a, axis, 0, step), rest * _part(a, axis, 0, -step)], axis)
        step *= 2
    return b


def _pull_cumprod(g: Any, z: Any, x: Any, axis: Any) -> Any:
    if x.size == 0:
        return x * 0
    if axis is None:
        return _pull_cumprod(g, z, x.reshape(-1), 0).reshape(x.shape)
    later = _after(_reversed(x, axis), axis, 1.0)
    return _after(z, axis, 1.0) * _reversed(_recurrence(later, _reversed(g, axis), axis), axis)


def _push_cumprod(t: Any, z: Any, x: Any, axis: Any = None, dtype: Any = None) -> Any:
    if x.size == 0:
        return z * 0
    if axis is None:
        return _push_cumprod(t.reshape(-1), z, x.reshape(-1), 0, dtype)
    x, t = computed_in(x, dtype), computed_in(t, dtype)
    return _recurrence(x, _after(z, axis, 1.0) * t, axis)


@linear(np.cumprod, push=_push_cumprod)
def cumprod(g: Any, z: Any, x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _pull_cumprod(g, z, computed_in(x, dtype), axis)


def _without_initial(z: Any, axis: Any, include_initial: bool) -> Any:
    return _part(z, axis or 0, 1, None) if include_initial else z


def _push_cumulative_prod(t, z, x, axis=None, dtype=None, include_initial=False):  # type: ignore[no-untyped-def]
    z = _without_initial(z, axis, include_initial)
    tz = _push_cumprod(t, z, x, axis, dtype)
    if not include_initial:
        return tz
    axis = axis or 0
    first = np.zeros([1 if i == axis % z.ndim else n for i, n in enumerate(z.shape)], z.dtype)
    return np.concatenate([first, tz], axis)


if hasattr(np, "cumulative_sum"):  # since NumPy 2.1

    @linear(np.cumulative_sum)
    def cumulative_sum(
        g: Any, _z: Any, x_shape: Any, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        return _pull_cumsum(_without_initial(g, axis, include_initial), x_shape, axis)

    @linear(np.cumulative_prod, push=_push_cumulative_prod)
    def cumulative_prod(
        g: Any, z: Any, x: Any, axis: Any = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        g, z = _without_initial(g, axis, include_initial), _without_initial(z, axis, include_initial)
        return _pull_cumprod(g, z, computed_in(x, dtype), axis)


# ---- differences --------------------------------------------------------------------------------------------


@linear(None, name="diff", call=np.diff)
def _diff(g: Any, _z: Any, x_shape: Any, n: int = 1, axis: int = -1) -> Any:
    if n >= x_shape[axis]:
        return spread(np.sum(g), x_shape)  # of nothing: 0
    zero = np.zeros([1 if i == axis % g.ndim else k for i, k in enumerate(g.shape)], g.dtype)
    for _ in range(n):
        g = -_diff(np.concatenate([zero, g, zero], axis), 1, axis)
    return g


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    """`numpy.diff` for arrays and Variables. Differentiable in a, prepend and append."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    ends: list[Any] = [prepend, append]
    ends = [x if x is np._NoValue or isinstance(x, Variable) else np.asanyarray(x) for x in ends]
    if ends[0] is ends[1] is np._NoValue:
        return _diff(a, n, axis)
    a = any_array(a)
    one = [1 if i == axis % a.ndim else k for i, k in enumerate(a.shape)]
    before, after = [x if x is np._NoValue or x.ndim else np.broadcast_to(x, one) for x in ends]
    return _diff(np.concatenate([x for x in (before, a, after) if x is not np._NoValue], axis), n, axis)


@composed(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [np.reshape(x, -1) for x in (to_begin, np.diff(np.reshape(ary, -1)), to_end) if x is not None]
    return np.concatenate(parts)


def _shaped(x: Any, axis: int, ndim: int) -> Any:
    """A number, or an array of one axis that is to lie along `axis`."""
    return x.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)]) if np.ndim(x) else x


def _gradient_value(f: Any, spacing: Any, axis: int, edge_order: Any) -> Any:
    return np.gradient(f, spacing, axis=axis, edge_order=edge_order)


@composed(_gradient_value, name="gradient")
def _gradient(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """The formula for unequal steps, whose derivative in the coordinates is right where they are equal too."""
    n, f = np.shape(f)[axis], any_array(f)
    steps = np.diff(spacing) if np.ndim(spacing) else spacing * np.ones(n - 1, data_of(f).real.dtype)

    def at(start: int, stop: int | None) -> Any:
        return _part(f, axis, start, stop)

    def step(start: int, stop: int | None) -> Any:
        return _shaped(steps[start:stop], axis, f.ndim)

    h, k = step(0, -1), step(1, None)
    a, b, c = at(0, -2), at(1, -1), at(2, None)
    inner = -k / (h * (h + k)) * a + (k - h) / (h * k) * b + h / (k * (h + k)) * c
    if edge_order == 1:
        first = (at(1, 2) - at(0, 1)) / step(0, 1)
        last = (at(n - 1, n) - at(n - 2, n - 1)) / step(n - 2, n - 1)
        return np.concatenate([first, inner, last], axis)
    h, k = step(0, 1), step(1, 2)
    first = -(2 * h + k) / (h * (h + k)) * at(0, 1) + (h + k) / (h * k) * at(1, 2) - h / (k * (h + k)) * at(2, 3)
    h, k = step(n - 3, n - 2), step(n - 2, n - 1)
    a, b, c = at(n - 3, n - 2), at(n - 2, n - 1), at(n - 1, n)
    last = k / (h * (h + k)) * a - (h + k) / (h * k) * b + (2 * k + h) / (k * (h + k)) * c
    return np.concatenate([first, inner, last], axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """`numpy.gradient` for arrays and Variables. Differentiable in f and in the spacings."""
    f = any_array(f)
    ndim = f.ndim
    axes = range(ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    spacings: Any = varargs or (1.0,) * len(axes)
    if len(varargs) == 1 and np.ndim(varargs[0]) == 0:
        spacings = varargs * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes; give none, one number, or one each")
    spacings = [any_array(s) if np.ndim(s) else s for s in spacings]
    for s in spacings:
        if f.dtype.kind != "c" and any_array(data_of(s)).dtype.kind == "c":
            raise TypeError("gradient: a complex spacing needs complex f; use f.astype(complex)")
    results = [_gradient(f, s, i, edge_order) for s, i in zip(spacings, axes, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


# ---- integrals ----------------------------------------------------------------------------------------------


@composed(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = any_array(y)
    if x is not None:
        dx = _shaped(np.diff(x), axis, y.ndim) if np.ndim(x) == 1 else np.diff(x, axis=axis)
    return np.sum(dx * (_part(y, axis, 1, None) + _part(y, axis, 0, -1)) / 2, axis)


# ---- interpolation: at a knot, the slope of the interval that NumPy takes; bounds included ------------------


@composed(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, xp, fp = [any_array(v) for v in (x, xp, fp)]
    if period is not None:
        period, left, right = np.abs(period), None, None
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    at, knots = data_of(x), data_of(xp)
    inside = fp[0] + x * 0
    if len(knots) > 1:
        i = np.clip(np.searchsorted(knots, at, "right") - 1, 0, len(knots) - 2)
        jump = knots[i + 1] == knots[i]  # only at the last knot, where the value is the last one
        slope = (fp[i + 1] - fp[i]) / np.where(jump, 1, xp[i + 1] - xp[i])
        inside = np.where(jump, fp[i + 1], fp[i] + (x - xp[i]) * slope)
    return np.where(at < knots[0], left, np.where(at > knots[-1], right, inside))


# ---- convolution --------------------------------------------------------------------------------------------

_MODES: dict[Any, str] = {0: "valid", 1: "same", 2: "full", "valid": "valid", "same": "same", "full": "full"}


def _window(n: int, m: int, mode: str) -> tuple[int, int]:
    """Where the result of a mode lies in the full convolution of n and m elements: the first and the length."""
    short = min(n, m)
    if mode == "full":
        return 0, n + m - 1
    return ((short - 1) // 2, max(n, m)) if mode == "same" else (short - 1, max(n, m) - short + 1)


def _padded(g: Any, n: int, m: int, mode: str) -> Any:
    """g, the cotangent of a part of the full convolution, with zeros in place of the rest."""
    start, length = _window(n, m, mode)
    return np.concatenate([np.zeros(start, g.dtype), g, np.zeros(n + m - 1 - start - length, g.dtype)])


_convolve = general(
    "convolve",
    lambda a, v, *, mode: np.convolve(a, v, mode),
    (
        lambda g, _z, a, v, *, mode: np.convolve(_padded(g, a.shape[0], v.shape[0], mode), v[::-1], "valid"),
        lambda g, _z, a, v, *, mode: np.convolve(_padded(g, a.shape[0], v.shape[0], mode), a[::-1], "valid"),
    ),
    (
        lambda t, _z, _a, v, *, mode: np.convolve(t, v, mode),
        lambda t, _z, a, _v, *, mode: np.convolve(a, t, mode),
    ),
)


def _mode(mode: Any, name: str) -> str:
    if mode not in _MODES:
        raise ValueError(f"{name}: mode is 'full', 'same' or 'valid', got {mode!r}")
    return _MODES[mode]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """`numpy.convolve` for arrays and Variables. Differentiable."""
    a, v = [any_array(x) for x in (a, v)]
    a, v = [x if x.ndim else x.reshape(1) for x in (a, v)]
    return _convolve(a, v, mode=_mode(mode, "convolve"))


@composed(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = [any_array(x) for x in (a, v)]
    n, m, mode = a.shape[0], v.shape[0], _mode(mode, "correlate")
    start, length = _window(n, m, mode)
    if n < m:  # NumPy exchanges the two and turns the result round
        start = n + m - 1 - start - length
    return np.convolve(a, np.conj(v)[::-1])[start : start + length]


# ---- phase --------------------------------------------------------------------------------------------------


@composed(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * pi) -> Any:
    """Whole turns are added, whose number is constant."""
    p0, discont0, period0 = data_of(p), data_of(discont), data_of(period)
    return p + np.round((np.unwrap(p0, discont0, axis, period=period0) - p0) / period0) * period


# ---- sinc: its n-th derivative is exact everywhere, at 0 too ------------------------------------------------


def _sinc_derivative(x: Any, n: int) -> Any:
    """The n-th derivative of sin(pi x) / (pi x).

    For f(y) = sin(y) / y, y f[n] = sin(y + n pi / 2) - n f[n - 1]; near 0, where that cancels, the Taylor series.
    """
    y = pi * x
    small = np.abs(y) < max(n, 1)
    far, near = np.where(small, 1, y), np.where(small, y, 0)
    turns = [np.sin(far), np.cos(far), -np.sin(far), -np.cos(far)]
    z = turns[0] / far
    for i in range(1, n + 1):
        z = (turns[i % 4] - i * z) / far
    series = near * 0
    for k in range(n + 12, (n + 1) // 2 - 1, -1):  # Horner's scheme; the terms at the end are below 1e-17
        power = 2 * k - n
        series = series * near * near / ((power + 1) * (power + 2)) + (-1) ** k / (2 * k + 1)
    return (np.where(small, series * (near if n % 2 else 1), z) * pi**n).astype(x.dtype)


@linear(None, name="sinc_derivative", call=_sinc_derivative, push=lambda t, _z, x, n: t * sinc_derivative(x, n + 1))
def sinc_derivative(g: Any, _z: Any, x: Any, n: int) -> Any:
    return g * sinc_derivative(x, n + 1)


@linear(np.sinc, push=lambda t, _z, x: t * sinc_derivative(x, 1))
def sinc(g: Any, _z: Any, x: Any) -> Any:
    return g * sinc_derivative(x, 1)


# ---- i0, whose derivatives are the other modified Bessel functions ------------------------------------------


def _bessel_i(x: Any, n: int) -> Any:
    """The modified Bessel function of the first kind of whole order n: Abramowitz and Stegun 9.6.10 and 9.7.1."""
    near, far = np.clip(x, -30, 30), np.maximum(np.abs(x), 30)
    quarter = near * near / 4
    series = np.ones_like(x)
    for k in range(60, 0, -1):
        series = series * quarter / (k * (k + n)) + 1
    series = series * (near / 2) ** n / factorial(n)
    tail = np.ones_like(x)
    for k in range(28, 0, -1):
        tail = tail * ((2 * k - 1) ** 2 - 4 * n * n) / (8 * k * far) + 1
    tail = tail * np.exp(far) / (sqrt(2 * pi) * np.sqrt(far)) * (np.sign(x) if n % 2 else 1)
    return np.where(np.abs(x) <= 30, series, tail).astype(x.dtype)


def _bessel_slope(x: Any, n: int) -> Any:
    return bessel_i(x, 1) if n == 0 else (bessel_i(x, n - 1) + bessel_i(x, n + 1)) / 2


@linear(None, name="bessel_i", call=_bessel_i, push=lambda t, _z, x, n: t * _bessel_slope(x, n))
def bessel_i(g: Any, _z: Any, x: Any, n: int) -> Any:
    return g * _bessel_slope(x, n)


@linear(np.i0, push=lambda t, _z, x: t * bessel_i(x, 1))
def i0(g: Any, _z: Any, x: Any) -> Any:
    return g * bessel_i(x, 1)
