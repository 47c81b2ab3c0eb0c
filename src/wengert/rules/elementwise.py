"""Derivatives of arithmetic and of the elementary functions, element by element."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..declare import UFUNCS, elementwise, implements, linear
from ..variable import Variable, data_of


def nonzero(d: Any) -> Any:
    """A denominator with 1 in place of 0, where the numerator is 0 too and the convention says 0."""
    return np.where(d == 0, 1, d)


# ---- arithmetic ---------------------------------------------------------------------------------------------

add = elementwise(np.add, lambda g, _z, _x, _y: g, lambda g, _z, _x, _y: g, call=operator.add)
subtract = elementwise(np.subtract, lambda g, _z, _x, _y: g, lambda g, _z, _x, _y: -g, call=operator.sub)
multiply = elementwise(np.multiply, lambda g, _z, _x, y: g * y, lambda g, _z, x, _y: g * x, call=operator.mul)
divide = elementwise(
    np.divide,
    lambda g, _z, _x, y: g / y,
    lambda g, z, _x, y: -g * z / y,
    call=operator.truediv,
    domain=((-2.0, 2.0), (0.3, 2.0)),
)
divide.node.below = (1,)
negative = elementwise(np.negative, lambda g, _z, _x: -g, call=operator.neg)
positive = elementwise(np.positive, lambda g, _z, _x: g)
reciprocal = elementwise(np.reciprocal, lambda g, z, _x: -g * z * z, domain=(0.3, 3.0))
remainder = elementwise(
    np.remainder,
    lambda g, _z, _x, _y: g,
    lambda g, _z, x, y: -g * np.floor_divide(x, y),
    domain=((0.72, 0.78), (0.31, 0.33)),
)
fmod = elementwise(
    np.fmod, lambda g, _z, _x, _y: g, lambda g, _z, x, y: -g * np.trunc(x / y), domain=((0.72, 0.78), (0.31, 0.33))
)
square = elementwise(np.square, lambda g, _z, x: 2 * x * g)
sqrt = elementwise(np.sqrt, lambda g, z, _x: g / (2 * z), domain=(0.3, 3.0))
cbrt = elementwise(np.cbrt, lambda g, z, _x: g / (3 * z * z), domain=(0.3, 3.0))


def _power_x(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if isinstance(y, (int, float)):  # by far the most common, and without a search for zeros
        return g * (y * (x if y == 2 else x ** (y - 1))) if y else g * 0
    return g * (y * x ** np.where(y == 0, 1, y - 1))  # x**0 has derivative 0, at 0 too


def _power_y(g: Any, z: Any, x: Any, _y: Any) -> Any:
    return g * (z * np.log(np.where(z == 0, z.dtype.type(1), x)))  # 0**y is 0 on both sides of y > 0


power = elementwise(np.power, _power_x, _power_y, domain=((0.3, 2.0), (-2.0, 2.0)))
float_power = elementwise(np.float_power, _power_x, _power_y, domain=((0.3, 2.0), (-2.0, 2.0)))
pow_operator = elementwise(
    np.power, _power_x, _power_y, name="pow_operator", call=operator.pow, domain=((0.3, 2.0), (-2.0, 2.0))
)

# ---- exponentials and logarithms ----------------------------------------------------------------------------

LN2, LN10 = float(np.log(2)), float(np.log(10))

exp = elementwise(np.exp, lambda g, z, _x: g * z)
exp2 = elementwise(np.exp2, lambda g, z, _x: g * (z * LN2))
expm1 = elementwise(np.expm1, lambda g, z, _x: g * (z + 1))
log = elementwise(np.log, lambda g, _z, x: g / x, domain=(0.3, 3.0))
log2 = elementwise(np.log2, lambda g, _z, x: g / (x * LN2), domain=(0.3, 3.0))
log10 = elementwise(np.log10, lambda g, _z, x: g / (x * LN10), domain=(0.3, 3.0))
log1p = elementwise(np.log1p, lambda g, _z, x: g / (1 + x), domain=(-0.7, 2.0))


def _difference(x: Any, y: Any) -> Any:
    return np.where(x == y, 0, x - y)  # the same infinity twice makes no NaN


logaddexp = elementwise(
    np.logaddexp,
    lambda g, _z, x, y: g * sigmoid(_difference(x, y)),
    lambda g, _z, x, y: g * sigmoid(_difference(y, x)),
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda g, _z, x, y: g * sigmoid(_difference(x, y) * LN2),
    lambda g, _z, x, y: g * sigmoid(_difference(y, x) * LN2),
)


def _sigmoid(x: Any) -> Any:
    return np.tanh(x * 0.5) * 0.5 + 0.5


sigmoid = elementwise(None, lambda g, z, _x: g * z * (1.0 - z), name="sigmoid", call=_sigmoid)


def _relu(x: Any) -> Any:
    if type(x) is np.float64:  # np.maximum takes five times as long
        return x if x > 0 or x != x else _ZERO
    return np.maximum(x, 0)


_ZERO = np.float64(0)

relu = elementwise(None, lambda g, _z, x: g * (x > 0), name="relu", call=_relu, domain=(0.3, 2.0))

# ---- trigonometric and hyperbolic functions -----------------------------------------------------------------

sin = elementwise(np.sin, lambda g, _z, x: g * np.cos(x))
cos = elementwise(np.cos, lambda g, _z, x: g * -np.sin(x))
tan = elementwise(np.tan, lambda g, z, _x: g * (1 + z * z), domain=(-1.2, 1.2))


def _cosine(x: Any) -> Any:
    """sqrt(1 - x**2), on NumPy's side of the branch cuts."""
    return np.sqrt(-(x - 1)) * np.sqrt(x + 1)


arcsin = elementwise(np.arcsin, lambda g, _z, x: g / _cosine(x), domain=(-0.8, 0.8))
arccos = elementwise(np.arccos, lambda g, _z, x: -g / _cosine(x), domain=(-0.8, 0.8))
arctan = elementwise(np.arctan, lambda g, _z, x: g / (1 + x * x))
sinh = elementwise(np.sinh, lambda g, _z, x: g * np.cosh(x))
cosh = elementwise(np.cosh, lambda g, _z, x: g * np.sinh(x))
tanh = elementwise(np.tanh, lambda g, z, _x: g * (1 - z * z))
arcsinh = elementwise(np.arcsinh, lambda g, _z, x: g / np.sqrt(x * x + 1))
arccosh = elementwise(np.arccosh, lambda g, _z, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)), domain=(1.3, 3.0))
arctanh = elementwise(np.arctanh, lambda g, _z, x: g / (1 - x * x), domain=(-0.8, 0.8))
arctan2 = elementwise(
    np.arctan2,
    lambda g, _z, x, y: g * y / (x * x + y * y),
    lambda g, _z, x, y: -g * x / (x * x + y * y),
    domain=(0.3, 2.0),
)
hypot = elementwise(
    np.hypot, lambda g, z, x, _y: g * x / nonzero(z), lambda g, z, _x, y: g * y / nonzero(z), domain=(0.3, 2.0)
)
deg2rad = elementwise(np.deg2rad, lambda g, _z, _x: g * (np.pi / 180))
rad2deg = elementwise(np.rad2deg, lambda g, _z, _x: g * (180 / np.pi))
UFUNCS[np.radians] = deg2rad
UFUNCS[np.degrees] = rad2deg

# ---- absolute value, sign, and the parts of a complex number ------------------------------------------------
# Not holomorphic: both the pull-back (of the gradient dL/dRe + i dL/dIm) and the push-forward are written out.
# The cotangent of a real value may come with an imaginary part, from complex values further on, which means nothing:
# where a complex value turns into a real one, the rule drops it. What flows to a complex value is always complex.


def _pull_sign(g: Any, z: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return g * 0
    along = np.real(np.conj(z) * g)
    return (g - z * along) / nonzero(np.abs(x))


absolute = elementwise(
    np.absolute,
    lambda g, _z, x: np.real(g) * np.sign(x) if x.dtype.kind == "c" else g * np.sign(x),
    pushes=(lambda t, _z, x: np.real(np.conj(np.sign(x)) * t) if x.dtype.kind == "c" else t * np.sign(x),),
    holomorphic=False,
    domain=(0.3, 2.0),
)
fabs = elementwise(np.fabs, lambda g, _z, x: g * np.sign(x), domain=(0.3, 2.0))
sign = elementwise(np.sign, _pull_sign, holomorphic=False, domain=(0.3, 2.0))
conjugate = elementwise(np.conjugate, lambda g, _z, _x: np.conj(g), holomorphic=False)


@linear(
    None, name="real_part", call=np.real, views=True, moves=False, push=lambda t, _z, _x: np.real(t), holomorphic=False
)
def _real_part(g: Any, _z: Any, _x: Any) -> Any:
    return np.real(g) + 0j


@linear(
    None, name="imag_part", call=np.imag, views=True, moves=False, push=lambda t, _z, _x: np.imag(t), holomorphic=False
)
def _imag_part(g: Any, _z: Any, _x: Any) -> Any:
    return np.real(g) * 1j


@linear(
    None,
    name="complex_angle",
    call=np.angle,
    push=lambda t, _z, x: np.imag(np.conj(x) * t) / np.real(x * np.conj(x)),
    holomorphic=False,
)
def _complex_angle(g: Any, _z: Any, x: Any) -> Any:
    return np.real(g) * 1j * x / np.real(x * np.conj(x))


def _is_complex(x: Any) -> bool:
    return isinstance(x, Variable) and x.dtype.kind == "c"


@implements(np.real)
def real(val: Any) -> Any:
    """`numpy.real` for arrays and Variables. Differentiable."""
    return _real_part(val) if _is_complex(val) else val if isinstance(val, Variable) else np.real(val)


@implements(np.imag)
def imag(val: Any) -> Any:
    """`numpy.imag` for arrays and Variables. Differentiable where val is complex; else a constant 0."""
    return _imag_part(val) if _is_complex(val) else np.imag(data_of(val))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """`numpy.angle` for arrays and Variables. Differentiable where z is complex; else a constant."""
    if not _is_complex(z):
        return np.angle(data_of(z), deg)
    theta = _complex_angle(z)
    return theta * (180 / np.pi) if deg else theta
