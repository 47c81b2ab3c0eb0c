"""Rows of the test table: running sums, differences, interpolation, convolution."""

import numpy as np
from rowkit import REAL, Row, row

import wengert as wg

XP = np.array([-2.5, -1.0, 0.3, 2.5])


def _zeroed(x):
    """Zeros among the factors: twice in a row, and once."""
    return x * np.array([1.0, 0.0, 1.0, 0.0, 1.0, 1.0], x.dtype)


def _both(ys):
    return ys[0] * 2 + ys[1]


def _spaced(x):
    return np.cumsum(np.abs(x) + 0.2)


def _since_numpy_2_1():
    return [
        row("cumulative_sum", np.cumulative_sum, (4,)),
        row("cumulative_sum", np.cumulative_sum, ()),
        row("cumulative_sum", lambda x: np.cumulative_sum(x, axis=-1), (2, 3)),
        row("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), (2, 3, 2)),
        row("cumulative_sum", lambda x: np.cumulative_sum(x, include_initial=True), (0,)),
        row("cumulative_prod", np.cumulative_prod, (4,)),
        row("cumulative_prod", lambda x: np.cumulative_prod(x, axis=0), (2, 3)),
        row("cumulative_prod", lambda x: np.cumulative_prod(x, axis=-2, include_initial=True), (2, 3, 2)),
        row("cumulative_prod", lambda x: np.cumulative_prod(x, include_initial=True), (3,)),
    ]


ROWS: list[Row] = [
    # running sums and products
    row("cumsum", np.cumsum, (4,)),
    row("cumsum", np.cumsum, ()),
    row("cumsum", np.cumsum, (2, 3)),
    row("cumsum", lambda x: np.cumsum(x, 1), (2, 3, 2)),
    row("cumsum", lambda x: np.cumsum(x.T, axis=-1), (2, 3)),
    row("cumsum", lambda x: np.cumsum(x, axis=0), (0, 3)),
    row("cumsum", lambda x: np.cumsum(x, dtype=np.complex128), (3,)),
    row("cumprod", np.cumprod, (4,)),
    row("cumprod", np.cumprod, ()),
    row("cumprod", np.cumprod, (2, 3)),
    row("cumprod", lambda x: np.cumprod(x, axis=1), (2, 5, 2)),
    row("cumprod", lambda x: np.cumprod(x.T, axis=-2), (2, 3)),
    row("cumprod", lambda x: np.cumprod(x, axis=0), (0, 3)),
    row("cumprod", lambda x: np.cumprod(_zeroed(x)), (6,)),
    *(_since_numpy_2_1() if hasattr(np, "cumulative_sum") else []),
    # differences
    row("diff", np.diff, (4,)),
    row("diff", lambda x: np.diff(x, 2), (5,)),
    row("diff", lambda x: np.diff(x, axis=0), (3, 2)),
    row("diff", lambda x: np.diff(x.T, n=2, axis=-2), (2, 4)),
    row("diff", lambda x: np.diff(x, 5) + np.sum(x), (3,)),
    row("diff", lambda x: np.diff(x, axis=1), (0, 3)),
    row("diff", lambda x, y, z: np.diff(x, prepend=y, append=z), (2, 3), (), (2, 2)),
    row("diff", lambda x: np.diff(x, 2, 0, append=0.5), (2, 3)),
    row("diff", lambda x, y: np.diff(x, 3, prepend=[1.0, 2.0], append=y), (3,), (1,)),
    row("ediff1d", np.ediff1d, (4,)),
    row("ediff1d", np.ediff1d, (2, 3)),
    row("ediff1d", lambda x, y, z: np.ediff1d(x, y, to_begin=z), (3,), (), (2, 2)),
    row("ediff1d", lambda x: np.ediff1d(x, to_end=[1, 2]), (4,)),
    row("gradient", np.gradient, (4,)),
    row("gradient", np.gradient, (2,)),
    row("gradient", lambda x, h: np.gradient(x, h), (5,), (), domain=(0.3, 2.0)),
    row("gradient", lambda x, h: np.gradient(x, h, edge_order=2), (5,), (), domain=(0.3, 2.0)),
    row("gradient", lambda x: np.gradient(x, 2.0, axis=-1, edge_order=2), (2, 3)),
    row("gradient", lambda x, y: np.gradient(x, _spaced(y)), (5,), (5,), dtypes=REAL, domain=(0.3, 2.0)),
    row("gradient", lambda x, y: np.gradient(x, _spaced(y), edge_order=2), (5,), (5,), dtypes=REAL, domain=(0.3, 2.0)),
    row("gradient", lambda x, y: np.gradient(x, y * np.arange(4.0)), (4,), (), dtypes=REAL, domain=(0.3, 2.0)),
    row("gradient", lambda x: _both(np.gradient(x)), (3, 4)),
    row("gradient", lambda x, h: _both(np.gradient(x, h, np.array([0.0, 1, 3, 4]), axis=(2, 0), edge_order=2)), (4, 2, 3), (), domain=(0.3, 2.0)),
    # integrals
    row("trapezoid", np.trapezoid, (4,)),
    row("trapezoid", lambda y, h: np.trapezoid(y, dx=h * 2), (3,), ()),
    row("trapezoid", lambda y, x: np.trapezoid(y, x, axis=0), (4, 2), (4,)),
    row("trapezoid", lambda y, x: np.trapezoid(y, x), (2, 4), (2, 4)),
    row("trapezoid", lambda y, x: np.trapezoid(y.T, x, axis=-2), (2, 4), (4, 1)),
    row("trapezoid", lambda x: np.trapezoid([1.0, 2.0, 3.0], x), (3,)),
    # interpolation
    row("interp", lambda x, y: np.interp(x, XP, y), (5,), (4,), dtypes=REAL),
    row("interp", lambda x, p, y: np.interp(x, _spaced(p) - 2.0, y), (2, 3), (4,), (4,), dtypes=REAL),
    row("interp", lambda x, y, a: np.interp(x * 3, XP, y, a, right=2.0), (9,), (4,), (), dtypes=("float64",)),
    row("interp", lambda x, y: np.interp(x * 3, XP, y, period=1.7), (9,), (4,), dtypes=("float64",)),
    row("interp", lambda x, y: np.interp(x, XP, y * 1j + y**2), (5,), (4,), dtypes=REAL),
    row("interp", lambda x, y: np.interp(x, [0.5], y) + x, (), (1,), dtypes=REAL),
    row("interp", lambda y: np.interp(np.array([-3.0, -1.0, 0.1, 4.0]), XP, y, left=1j), (4,), dtypes=("complex128",)),
    # convolution
    *[
        row(name, lambda x, y, f=f, mode=mode: f(x, y, mode), (n,), (m,))
        for name, f in (("convolve", np.convolve), ("correlate", np.correlate))
        for mode in ("full", "same", "valid")
        for n, m in ((4, 3), (2, 5), (1, 1), (4, 4))
    ],
    row("convolve", np.convolve, (), (3,)),
    row("convolve", lambda x: np.convolve([1.0, 2.0], x, "same"), (3,)),
    row("convolve", lambda x: np.convolve(x, x[::-1]), (3,)),
    row("correlate", np.correlate, (5,), (2,)),
    # phase
    row("unwrap", lambda x: np.unwrap(x * 4), (6,), dtypes=REAL),
    row("unwrap", lambda x: np.unwrap(x.T * 4, axis=0), (2, 3), dtypes=REAL),
    row("unwrap", lambda x, p: np.unwrap(x * 3, period=p), (6,), (), dtypes=REAL, domain=(1.3, 1.9)),
    # special functions
    *[row("sinc", np.sinc, s) for s in ((4,), (), (2, 3), (0,))],
    *[row("sinc_derivative", lambda x, n=n: wg.rules.cumulative.sinc_derivative(x, n), (4,)) for n in (1, 2, 3, 6)],
    *[row("i0", np.i0, s, dtypes=REAL) for s in ((4,), (), (2, 3), (0,))],
    *[row("bessel_i", lambda x, n=n: wg.rules.cumulative.bessel_i(x, n), (4,), dtypes=REAL) for n in (1, 2, 5)],
]  # fmt: skip
