"""Activation functions: elementwise, and softmax and its like along an axis. float32 stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from ..declare import elementwise, linear
from ..rules.elementwise import relu as relu, sigmoid as sigmoid, tanh as tanh
from ..variable import Variable, data_of
from .fused import by_blocks

SQRT_2PI = float(np.sqrt(2 * np.pi))
C = float(np.sqrt(2 / np.pi))  # of the approximation of gelu by tanh
A = 0.044715

# ---- piecewise linear ---------------------------------------------------------------------------------------


@linear(None, name="leaky_relu", call=lambda x, slope: np.where(x > 0, x, x * slope),
        push=lambda t, _z, x, slope: np.where(x > 0, t, t * slope))  # fmt: skip
def _leaky_relu(g: Any, _z: Any, x: Any, slope: float) -> Any:
    return np.where(x > 0, g, g * slope)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, else slope * x; the derivative at 0 is the slope.

    Example:
        >>> wg.nn.leaky_relu(np.array([-1.0, 2.0]), 0.1)
        array([-0.1,  2. ])
    """
    return _leaky_relu(x, float(slope))


def prelu(x: Any, slope: Any) -> Any:
    """x where it is positive, else slope * x, with a slope that is learned: it broadcasts against x."""
    return np.where(data_of(x) > 0, x, slope * x)


def relu6(x: Any) -> Any:
    """x between 0 and 6."""
    return np.clip(x, 0, 6)


def hardtanh(x: Any, low: float = -1.0, high: float = 1.0) -> Any:
    """x between low and high."""
    return np.clip(x, low, high)


def hard_sigmoid(x: Any) -> Any:
    """x / 6 + 1/2 between 0 and 1."""
    return np.clip(x / 6 + 0.5, 0, 1)


def hard_silu(x: Any) -> Any:
    """x * hard_sigmoid(x), also named hard swish (Howard et al., ICCV 2019)."""
    return x * hard_sigmoid(x)


# ---- smooth -------------------------------------------------------------------------------------------------


def _elu(x: Any, alpha: float, scale: float) -> Any:
    z = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return z if scale == 1 else z * scale


def _elu_rule(g: Any, z: Any, x: Any, alpha: float, scale: float) -> Any:
    return np.where(x > 0, g * scale, g * (z + alpha * scale))


@linear(None, name="elu", call=_elu, push=_elu_rule)
def _elu_of(g: Any, z: Any, x: Any, alpha: float, scale: float) -> Any:
    return _elu_rule(g, z, x, alpha, scale)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, else alpha * (exp(x) - 1) (Clevert et al., ICLR 2016)."""
    return _elu_of(x, float(alpha), 1.0)


def selu(x: Any) -> Any:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al., NeurIPS 2017)."""
    return _elu_of(x, 1.6732632423543772, 1.0507009873554805)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, else alpha * (exp(x / alpha) - 1): smooth for every alpha."""
    return alpha * elu(x / alpha)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


_softplus_of = elementwise(None, lambda g, _z, x: g * sigmoid(x), name="softplus", call=by_blocks(_softplus))


def softplus(x: Any, beta: float = 1.0) -> Any:
    """log(1 + exp(beta * x)) / beta, without overflow.

    Example:
        >>> wg.nn.softplus(np.array([-1000.0, 0.0, 1000.0]))
        array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    return _softplus_of(x) if beta == 1 else _softplus_of(x * beta) / beta


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without underflow."""
    return -_softplus_of(-x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


def _silu_slope(s: Any, x: Any) -> Any:
    return s * (1 + x * (1 - s))


silu = elementwise(
    None, lambda g, _z, x: g * _silu_slope(sigmoid(x), x), name="silu", call=by_blocks(lambda x: x * sigmoid(x))
)
silu.__doc__ = "x * sigmoid(x), also named swish (Hendrycks and Gimpel, 2016; Ramachandran et al., 2017)."


def mish(x: Any) -> Any:
    """x * tanh(softplus(x)) (Misra, BMVC 2020)."""
    return x * np.tanh(_softplus_of(x))


def _inner(x: Any) -> Any:
    return x * (C + C * A * (x * x))


def _gelu_tanh_curve(x: Any) -> Any:
    """The second derivative: with t = tanh(u), t' = (1 - t**2) u', gelu'' = t' + x/2 t''."""
    t = np.tanh(_inner(x))
    slope = C + 3 * C * A * (x * x)
    return (1 - t * t) * (slope + x * (3 * C * A * x - t * slope * slope))


def _gelu_tanh_slope(x: Any) -> Any:
    t = np.tanh(_inner(x))
    return (0.5 + 0.5 * t) + (0.5 * x) * (1 - t * t) * (C + 3 * C * A * (x * x))


_slope_tanh = elementwise(
    None, lambda g, _z, x: g * _gelu_tanh_curve(x), name="gelu_tanh_slope", call=by_blocks(_gelu_tanh_slope)
)
_gelu_tanh = elementwise(
    None,
    lambda g, _z, x: g * _slope_tanh(x),
    name="gelu_tanh",
    call=by_blocks(lambda x: (0.5 * x) * (1 + np.tanh(_inner(x)))),
)


def _ndtr(x: Any) -> Any:
    try:
        from scipy import special
    except ImportError as error:
        raise ImportError("gelu needs SciPy, unless approximate=True: pip install 'wengert[scipy]'") from error
    return special.ndtr(x)


def _density(x: Any) -> Any:
    return np.exp(-0.5 * (x * x)) * (1 / SQRT_2PI)


_slope = elementwise(
    None,
    lambda g, _z, x: g * _density(x) * (2 - x * x),
    name="gelu_slope",
    call=by_blocks(lambda x: _ndtr(x) + x * _density(x)),
)
_gelu = elementwise(None, lambda g, _z, x: g * _slope(x), name="gelu", call=by_blocks(lambda x: x * _ndtr(x)))


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x (Hendrycks and Gimpel, 2016).

    Args:
        approximate: the paper's formula with tanh, within 5e-4, which needs no SciPy.

    Raises:
        ImportError: not approximate, and SciPy is not installed.

    Example:
        >>> wg.nn.gelu(np.array([-1.0, 0.0, 1.0]))
        array([-0.15865525,  0.        ,  0.84134475])
    """
    return _gelu_tanh(x) if approximate else _gelu(x)


def glu(x: Any, axis: int = -1) -> Any:
    """The first half along an axis times the sigmoid of the second (Dauphin et al., ICML 2017).

    Raises:
        ValueError: the axis has an odd length.
    """
    if np.shape(data_of(x))[axis] % 2:
        raise ValueError(f"glu: axis {axis} has the odd length {np.shape(data_of(x))[axis]}; it is cut in halves")
    first, second = np.split(x, 2, axis)
    return first * sigmoid(second)


# ---- along an axis ------------------------------------------------------------------------------------------


def _shifted(x: Any, axis: Any) -> Any:
    """x less its largest element, so that exp does not overflow."""
    return x - x.max(axis=axis, keepdims=True, initial=-np.inf)


def softmax_array(x: Any, axis: Any = -1, where: Any = True) -> Any:
    """The softmax of an array; exactly 0 where `where` is False."""
    if where is not True:
        return _masked_softmax(x, axis, where)
    z = np.exp(_shifted(x, axis))
    total = z.sum(axis=axis, keepdims=True)
    if type(z) is ndarray:
        z /= total
        return z
    return z / total


def _masked_softmax(x: Any, axis: Any, where: Any) -> Any:
    x = np.where(where, x, -np.inf)
    top = x.max(axis=axis, keepdims=True, initial=-np.inf)
    z = np.exp(x - np.where(top == -np.inf, 0, top))  # 0 where nothing is left
    total = z.sum(axis=axis, keepdims=True)
    return z / np.where(total == 0, 1, total)


def softmax_in_place(x: ndarray, where: Any = True) -> None:
    """The softmax along the last axis, written into x; exactly 0 where `where` is False."""
    if where is not True:
        np.copyto(x, -np.inf, where=~where)
    top = x.max(axis=-1, keepdims=True, initial=-np.inf)
    top[top == -np.inf] = 0  # nothing is left: exp gives 0
    x -= top
    np.exp(x, out=x)
    total = x.sum(axis=-1, keepdims=True)
    total[total == 0] = 1
    x /= total


def softmax_rule(g: Any, z: Any, axis: Any) -> Any:
    """What flows through a softmax with the value z, in either direction: its Jacobian is symmetric."""
    t = g * z
    return t - z * np.sum(t, axis=axis, keepdims=True)


@linear(None, name="softmax", call=softmax_array, push=lambda t, z, _x, axis, where: softmax_rule(t, z, axis))
def _softmax(g: Any, z: Any, _x: Any, axis: Any, where: Any) -> Any:
    return softmax_rule(g, z, axis)


def softmax(x: Any, axis: int | tuple[int, ...] = -1, *, where: Any = True) -> Any:
    """exp(x) / sum(exp(x)) along an axis, without overflow.

    Args:
        axis: an axis, or several.
        where: a boolean array that broadcasts to x's shape; what it leaves out gets exactly 0, and no gradient. A row
            of which nothing is left is all 0.

    Example:
        >>> wg.nn.softmax(np.array([0.0, 0.0, 5.0]), where=np.array([True, True, False]))
        array([0.5, 0.5, 0. ])
    """
    return _softmax(_floating(x, "softmax"), axis, True if where is True else data_of(where))


def log_softmax_array(x: Any, axis: Any = -1) -> Any:
    """The logarithm of the softmax of an array."""
    x = _shifted(x, axis)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


@linear(None, name="log_softmax", call=log_softmax_array,
        push=lambda t, z, _x, axis: t - np.sum(np.exp(z) * t, axis=axis, keepdims=True))  # fmt: skip
def _log_softmax(g: Any, z: Any, _x: Any, axis: Any) -> Any:
    return g - np.exp(z) * np.sum(g, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """The logarithm of `softmax`, without underflow.

    Example:
        >>> wg.nn.log_softmax(np.array([0.0, 1000.0]))
        array([-1000.,     0.])
    """
    return _log_softmax(_floating(x, "log_softmax"), axis)


def _floating(x: Any, name: str) -> Any:
    """x, an array or Variable of floating-point numbers."""
    if not isinstance(x, Variable):
        x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: expected floating-point numbers, got {x.dtype}; use .astype(float)")
    return x


def normalize(x: Any, axis: int | tuple[int, ...] = -1, eps: float = 1e-12) -> Any:
    """x divided by its Euclidean norm along an axis, or by eps where the norm is smaller."""
    return x / np.maximum(np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), eps)
