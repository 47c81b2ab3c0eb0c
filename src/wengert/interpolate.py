"""Cubic splines that can be differentiated: with respect to the knots, the values, and where they are evaluated.

Values and coefficients are SciPy's own, bit for bit; for derivatives, the same formulas are run in NumPy calls on
Variables, with one banded system of equations, which costs as little in the derivative as in the value.

Linear interpolation is `np.interp`, which takes Variables for x, xp and fp.
"""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import scipy.interpolate as si
    import scipy.linalg as sl
except ImportError as error:
    raise ImportError("wengert.interpolate needs SciPy: pip install 'wengert[scipy]'") from error

from .declare import general
from .rules.shaping import array, double
from .scipy.composing import apart, composed
from .variable import Variable, data_of

# ---- a tridiagonal system -----------------------------------------------------------------------------------


def _transposed(ab: Any) -> Any:
    """The transpose of a tridiagonal matrix, in the same three rows."""
    zero = np.zeros(1, ab.dtype)
    return np.stack([np.concatenate([zero, ab[2, :-1]]), ab[1], np.concatenate([ab[0, 1:], zero])])


def _band(x: Any, y: Any) -> Any:
    """The three diagonals of x y^T, in the places where `solve_banded` reads them."""
    zero = np.zeros(1, np.result_type(x.dtype, y.dtype))
    above, below = np.sum(x[:-1] * y[1:], -1), np.sum(x[1:] * y[:-1], -1)
    return np.stack([np.concatenate([zero, above]), np.sum(x * y, -1), np.concatenate([below, zero])])


def _times(ab: Any, y: Any) -> Any:
    """The tridiagonal matrix times y."""
    zero = np.zeros((1, y.shape[1]), y.dtype)
    return (
        np.concatenate([ab[0, 1:, None] * y[1:], zero])
        + ab[1, :, None] * y
        + np.concatenate([zero, ab[2, :-1, None] * y[:-1]])
    )


_solve: Any = apart(
    "solve_banded",
    "linalg",
    lambda: general(
        "solve_banded",
        lambda ab, b: sl.solve_banded((1, 1), ab, b, check_finite=False),
        (lambda g, z, ab, _b: -_band(_solve(_transposed(ab), g), z), lambda g, _z, ab, _b: _solve(_transposed(ab), g)),
        (lambda t, z, ab, _b: -_solve(ab, _times(t, z)), lambda t, _z, ab, _b: _solve(ab, t)),
    ),
)


def _solved(ab: Any, b: Any) -> Any:
    """The solution for right-hand sides b of shape (n, ...)."""
    return _solve(ab, b.reshape(b.shape[0], -1)).reshape(b.shape)


# ---- the spline's coefficients (C. de Boor, "A Practical Guide to Splines", chapter IV) ----------------------


def _column(v: Any, y: Any) -> Any:
    """The vector v, along the first axis of y."""
    return v.reshape(-1, *[1] * (y.ndim - 1))


def _slopes(x: Any, y: Any, bc: tuple[Any, Any]) -> Any:
    """The spline's derivatives at the knots, from equations at the knots and one at each end."""
    n, dx = x.shape[0], np.diff(x)
    dxr = _column(dx, y)
    slope = np.diff(y, axis=0) / dxr
    if n == 2:
        bc = tuple([(1, slope[0]) if type(end) is str else end for end in bc])  # type: ignore[assignment]
    elif n == 3 and bc == ("not-a-knot", "not-a-knot"):  # a parabola
        middle = (dxr[0] * slope[1] + dxr[1] * slope[0]) / (dxr[0] + dxr[1])
        return np.stack([2 * slope[0] - middle, middle, 2 * slope[1] - middle])
    if type(bc[0]) is str and bc[0] == "periodic":
        return _periodic_slopes(dx, slope)
    zero = np.zeros(1)
    first, above, b_first = _end(bc[0], dx, slope)
    last, below, b_last = _end(bc[1] if type(bc[1]) is str else _turned(*bc[1]), dx[::-1], slope[::-1])
    ab = [
        np.concatenate([zero, above, dx[:-1]]),
        np.concatenate([first, 2 * (dx[:-1] + dx[1:]), last]),
        np.concatenate([dx[1:], below, zero]),
    ]
    b = 3 * (dxr[1:] * slope[:-1] + dxr[:-1] * slope[1:])
    return _solved(np.stack(ab), np.concatenate([b_first[None], b, b_last[None]]))


def _turned(order: int, value: Any) -> tuple[int, Any]:
    """A condition at the end as one at the start, with the axis turned round; slopes are kept as they are."""
    return order, value if order == 1 else -value


def _end(bc: Any, dx: Any, slope: Any) -> tuple[Any, Any, Any]:
    """The equation at the first knot: its coefficients of the first two slopes, and its right-hand side."""
    if type(bc) is str:  # "not-a-knot"
        d = dx[0] + dx[1]
        return dx[1:2], d.reshape(1), ((dx[0] + 2 * d) * dx[1] * slope[0] + dx[0] ** 2 * slope[1]) / d
    order, value = bc
    if order == 1:
        return np.ones(1), np.zeros(1), value
    return 2 * dx[:1], dx[:1], 3 * dx[0] * slope[0] - dx[0] ** 2 * value / 2


def _periodic_slopes(dx: Any, slope: Any) -> Any:
    """The slopes at all knots but the last solve a cyclic system: here without its last row and column."""
    n = dx.shape[0]
    dxr = _column(dx, slope)
    if n == 2:
        t = np.sum(slope / dxr, 0) / np.sum(1 / dxr, 0)
        return np.stack([t, t, t])
    zero = np.zeros(1)
    before = np.concatenate([dx[-1:], dx[:-1]])  # the interval that ends at each knot
    ab = [
        np.concatenate([zero, before[: n - 2]]),
        2 * (before + dx)[: n - 1],
        np.concatenate([dx[1 : n - 1], zero]),
    ]
    b = 3 * (dxr * np.concatenate([slope[-1:], slope[:-1]]) + _column(before, slope) * slope)
    column = np.concatenate([dx[:1], np.zeros(n - 3), before[n - 2 : n - 1]])
    s1, s2 = _solved(np.stack(ab), b[:-1]), _column(_solved(np.stack(ab), -column), slope)
    last = (b[-1] - before[-1] * s1[0] - dx[-1] * s1[-1]) / (
        2 * (before[-1] + dx[-1]) + before[-1] * s2[0] + dx[-1] * s2[-1]
    )
    s = s1 + last * s2
    return np.concatenate([s, last[None], s[:1]])


def _condition(end: Any, shape: tuple[int, ...]) -> Any:
    """One end's boundary condition: a name, or (order of the derivative, its value)."""
    if type(end) is str:
        return (1, np.zeros(shape)) if end == "clamped" else (2, np.zeros(shape)) if end == "natural" else end
    order, value = end
    return order, value if isinstance(value, Variable) else np.asarray(value)


def _spline(x: Any, y: Any, axis: Any, bc_type: Any) -> Any:
    return si.CubicSpline(x, y, axis, bc_type).c


@composed(_spline, "interpolate")
def _coefficients(x: Any, y: Any, axis: Any, bc_type: Any) -> Any:
    y = np.moveaxis(y, axis, 0)
    if y.size == 0:
        return np.zeros((4, y.shape[0] - 1, *y.shape[1:]))
    ends = (bc_type, bc_type) if type(bc_type) is str else bc_type
    s = _slopes(x, y, tuple([_condition(end, y.shape[1:]) for end in ends]))  # type: ignore[arg-type]
    dx = _column(np.diff(x), y)
    slope = np.diff(y, axis=0) / dx
    t = (s[:-1] + s[1:] - 2 * slope) / dx
    return np.stack([t / dx, (slope - s[:-1]) / dx - t, s[:-1], y[:-1]])


# ---- piecewise polynomials ----------------------------------------------------------------------------------


def _ppoly(c: Any, x: Any, at: Any, nu: Any, extrapolate: Any) -> Any:
    return si.PPoly(c, x, extrapolate)(at, nu)


@composed(_ppoly, "interpolate")
def _evaluated(c: Any, x: Any, at: Any, nu: Any, extrapolate: Any) -> Any:
    knots = data_of(x)
    if extrapolate == "periodic":
        at = x[0] + (at - x[0]) % (x[-1] - x[0])
    i = np.clip(np.searchsorted(knots, data_of(at), "right") - 1, 0, len(knots) - 2)
    c = _differentiated(c, nu)
    if c.shape[0] == 0:
        return np.zeros((*i.shape, *c.shape[2:]), c.dtype)
    h = np.reshape(at - x[i], (*i.shape, *[1] * (c.ndim - 2)))
    z = c[0][i]
    for k in range(1, c.shape[0]):
        z = z * h + c[k][i]
    if not extrapolate:
        outside = (data_of(at) < knots[0]) | (data_of(at) > knots[-1])
        z = np.where(outside.reshape(h.shape), np.nan, z)
    return z


def _differentiated(c: Any, nu: int) -> Any:
    """The coefficients of the derivative of order nu."""
    powers = np.arange(c.shape[0] - 1.0, nu - 1, -1)
    factors = np.prod([powers - i for i in range(nu)], axis=0) if nu else np.ones(len(powers))
    return c[: len(powers)] * _column(factors, c)


def _integrated(c: Any, x: Any) -> Any:
    """The coefficients of the antiderivative that is 0 at the first knot."""
    k, h = c.shape[0], _column(np.diff(x), c[0])
    c = c / _column(np.arange(k, 0.0, -1), c)
    area = sum([c[i] * h ** (k - i) for i in range(k)])
    start = np.concatenate([np.zeros((1, *c.shape[2:])), np.cumsum(area, 0)[:-1]])
    return np.concatenate([c, start[None]])


def _definite(c: Any, x: Any, a: Any, b: Any, extrapolate: Any) -> Any:
    return si.PPoly(c, x, extrapolate).integrate(a, b)


@composed(_definite, "interpolate")
def _integral(c: Any, x: Any, a: Any, b: Any, extrapolate: Any) -> Any:
    whole = _integrated(c, x)
    if extrapolate != "periodic":
        return _evaluated(whole, x, b, 0, extrapolate) - _evaluated(whole, x, a, 0, extrapolate)
    period = x[-1] - x[0]
    once = _evaluated(whole, x, x[-1], 0, True)
    turns = [np.floor(data_of((v - x[0]) / period)) for v in (a, b)]
    ends = [n * once + _evaluated(whole, x, v - n * period, 0, True) for v, n in zip((a, b), turns, strict=True)]
    return ends[1] - ends[0]


class PPoly:
    """A piecewise polynomial that can be differentiated, as `scipy.interpolate.PPoly`: what CubicSpline's methods give.

    Args:
        c: coefficients, shape `(k, m, ...)`, highest power first, of powers of the distance from the left knot.
        x: m + 1 increasing knots.
        extrapolate: True, False (NaN outside), "periodic".
        axis: where the axes of the points go in a result.
    """

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        c, x = [v if isinstance(v, Variable) else array(v) for v in (c, x)]
        self._dtype = np.result_type(c.dtype, x.dtype)
        if self._dtype.kind not in "fc":
            self._dtype = np.result_type(self._dtype, np.float64)
        self.c, self.x, self.axis = double(c), double(x), axis
        self.extrapolate = True if extrapolate is None else extrapolate

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        """The value, or the derivative of order nu, at points x of any shape, which takes the place of the axis.

        float32 if x and all that the polynomial was made of are.

        Raises:
            ValueError: nu < 0.
        """
        x = x if isinstance(x, Variable) else array(x)
        if x.dtype.kind not in "fiub":
            raise TypeError(f"CubicSpline: x: expected real points, got {x.dtype}")
        weak = x.dtype.kind != "f" or (x.ndim == 0 and x.dtype == np.float64 and not isinstance(x, Variable))
        z = _evaluated(self.c, self.x, double(x), nu, self._outside(extrapolate))
        z = np.moveaxis(z, range(x.ndim), range(self.axis, self.axis + x.ndim))
        return _cast(z, self._dtype if weak else np.result_type(self._dtype, x.dtype))

    def derivative(self, nu: int = 1) -> PPoly:
        """The derivative of order nu; a negative one is an antiderivative."""
        if nu < 0:
            return self.antiderivative(-nu)
        c = _differentiated(self.c, nu)
        if c.shape[0] == 0:
            c = np.zeros((1, *c.shape[1:]))
        return self._with(c, self.extrapolate)

    def antiderivative(self, nu: int = 1) -> PPoly:
        """The antiderivative of order nu, which is 0 at the first knot; it does not extrapolate periodically."""
        if nu <= 0:
            return self.derivative(-nu)
        c = self.c
        for _ in range(nu):
            c = _integrated(c, self.x)
        return self._with(c, False if self.extrapolate == "periodic" else self.extrapolate)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from a to b, numbers; b < a changes the sign."""
        a, b = [double(v if isinstance(v, Variable) else array(v)) for v in (a, b)]
        return _cast(_integral(self.c, self.x, a, b, self._outside(extrapolate)), self._dtype)

    def _outside(self, extrapolate: Any) -> Any:
        return self.extrapolate if extrapolate is None else extrapolate

    def _with(self, c: Any, extrapolate: Any) -> PPoly:
        made = PPoly(c, self.x, extrapolate, self.axis)
        made._dtype = self._dtype
        return made


class CubicSpline(PPoly):
    """`scipy.interpolate.CubicSpline`, differentiable: the cubic spline through points.

    Args:
        x: n increasing knots, n >= 2.
        y: values; n of them along `axis`. Real or complex.
        bc_type: "not-a-knot", "natural", "clamped", "periodic", or a pair of one of the first three or of
            `(order, value)` of a derivative for each end.
        extrapolate: True, False (NaN outside), "periodic"; by default True, or periodic where bc_type is.

    Call it at points of any shape: `spline(x, nu=0)` is the derivative of order nu; the points' shape takes the place
    of the axis. `derivative`, `antiderivative` and `integrate` are SciPy's, as are all values. A result is a Variable
    where x, y, the values in bc_type, the points or the limits of `integrate` are. Computed in double precision;
    float32 knots, values and points give float32. At a knot, a third derivative is that of the interval to the right.

    Cost: O(n) for the coefficients and for their derivatives, O(log n) for a point. Needs the extra `scipy`.

    Raises:
        ValueError: SciPy's: knots that do not increase, shapes that do not fit, values that are not finite, a
            periodic spline whose ends differ.

    Example:
        >>> x = np.linspace(0, np.pi, 9)
        >>> spline = wg.CubicSpline(x, np.sin(x))
        >>> wg.grad(spline)(1.0).round(3)
        np.float64(0.54)
        >>> wg.grad(lambda y: wg.CubicSpline(x, y).integrate(0, np.pi))(np.sin(x)).shape
        (9,)
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        x, y = [v if isinstance(v, Variable) else array(v) for v in (x, y)]
        if extrapolate is None and type(bc_type) is str and bc_type == "periodic":
            extrapolate = "periodic"
        dtypes = [v.dtype for v in (x, y) if v.dtype.kind in "fc"]
        c = _coefficients(double(x), double(y), axis, bc_type)
        super().__init__(c, double(x), extrapolate, axis % max(y.ndim, 1))
        self._dtype = np.result_type(*dtypes) if len(dtypes) == 2 else self._dtype


def _cast(z: Any, dtype: Any) -> Any:
    """z in this precision."""
    if z.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    return z if z.dtype == dtype else z.astype(dtype)
