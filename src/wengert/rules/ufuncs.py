"""Derivatives of the less common ufuncs, and of the ufunc methods: reduce, accumulate, reduceat, at."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching.array import any_array, memory
from ..composed import composed
from ..declare import constant_functions, elementwise, general, implements, refused_functions
from ..variable import Variable, data_of
from .elementwise import LN2, remainder
from .indexing import put
from .selection import clip

umath: Any = np._core.umath  # type: ignore[attr-defined]  # the ufuncs without a public name

# ---- signs and floating-point parts -------------------------------------------------------------------------

copysign = elementwise(
    np.copysign,
    lambda g, _z, x, y: g * (np.sign(x) * np.copysign(1, y)),
    lambda g, _z, _x, _y: g * 0,
    domain=((0.3, 2.0), (-2.0, -0.3)),
)
nextafter = elementwise(np.nextafter, lambda g, _z, _x, _y: g, lambda g, _z, _x, _y: g * 0)


def _power_of_2(g: Any, exponent: Any) -> Any:
    """2**exponent in the precision of g, which may be complex, unlike what `ldexp` takes."""
    return np.ldexp(np.finfo(g.dtype).dtype.type(1), exponent)


def _mantissa_rule(g: Any, _z: Any, x: Any) -> Any:
    return g * _power_of_2(g, -np.frexp(x)[1])


def _same(g: Any, _z: Any, _x: Any) -> Any:
    return g


_mantissa = general("mantissa", lambda x: np.frexp(x)[0], (_mantissa_rule,), (_mantissa_rule,))
_fraction = general("fractional_part", lambda x: np.modf(x)[0], (_same,), (_same,))


@implements(np.frexp)
def frexp(x: Any) -> tuple[Any, Any]:
    """`numpy.frexp` for arrays and Variables. The mantissa is differentiable; the exponent is a constant."""
    return _mantissa(x), np.frexp(data_of(x))[1]


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """`numpy.modf` for arrays and Variables. The fraction is differentiable; the integral part is a constant."""
    return _fraction(x), np.modf(data_of(x))[1]


@implements(np.divmod)
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """`numpy.divmod` for arrays and Variables. The remainder is differentiable; the quotient is a constant."""
    return np.floor_divide(data_of(x), data_of(y)), remainder(x, y)


_ldexp = general(
    "ldexp",
    lambda x, *, exponent: np.ldexp(x, exponent),
    (lambda g, _z, _x, *, exponent: g * _power_of_2(g, exponent),),
    (lambda t, _z, _x, *, exponent: t * _power_of_2(t, exponent),),
    broadcasts=True,
)


@implements(np.ldexp)
def ldexp(x: Any, exponent: Any) -> Any:
    """`numpy.ldexp` for arrays and Variables. Differentiable in x; the exponent is an integer."""
    return _ldexp(x, exponent=data_of(exponent))


_heaviside = general(
    "heaviside",
    lambda h, *, x: np.heaviside(x, h),
    (lambda g, _z, _h, *, x: np.where(x == 0, g, 0),),
    (lambda t, _z, _h, *, x: np.where(x == 0, t, 0),),
    broadcasts=True,
)


@implements(np.heaviside)
def heaviside(x: Any, h: Any) -> Any:
    """`numpy.heaviside` for arrays and Variables. A constant in x; differentiable in h, its value where x is 0."""
    x = data_of(x)
    return _heaviside(h, x=np.asarray(x) if isinstance(x, (list, tuple)) else x)


implements(umath.clip)(clip)

# ---- constants, and what is refused -------------------------------------------------------------------------

constant_functions(
    np.spacing, np.signbit, np.floor_divide, np.gcd, np.lcm, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
    np.bitwise_count, np.invert, np.left_shift, np.right_shift, np.isnat, np.logical_and, np.logical_or,
    np.logical_xor, np.logical_not, umath._ones_like,
)  # fmt: skip


def _of_text() -> list[Any]:
    """The functions of numpy.strings and numpy.char, without the ufuncs that are for numbers too."""
    names = [(module, name) for module in (np.strings, np.char) for name in module.__all__]
    functions = [getattr(module, name) for module, name in names]
    functions += [f for f in vars(umath).values() if isinstance(f, np.ufunc)]
    return [f for f in functions if callable(f) and not isinstance(f, type) and not getattr(f, "types", None)]


refused_functions("it works on text, which a Variable never holds", *_of_text())

# ---- ufunc methods: NumPy's value, and the derivative of a composition --------------------------------------


def _merged(x: Any, axes: tuple[int, ...]) -> Any:
    """x with these axes made into one, in front of the others."""
    others = [i for i in range(x.ndim) if i not in axes]
    shape = [x.shape[i] for i in others]
    return np.reshape(np.transpose(x, (*axes, *others)), (int(np.prod([x.shape[i] for i in axes])), *shape))


def _as(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


def _call_reduce(ufunc: Any, x: Any, **kwargs: Any) -> Any:
    return ufunc.reduce(x, **kwargs)


@composed(_call_reduce, name="ufunc_reduce")
def reduce(
    ufunc: Any,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    """`ufunc.reduce` for arrays and Variables. Differentiable where the ufunc is."""
    x = _as(any_array(x), dtype)
    shape = x.shape
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple([a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]) if shape else ()
    if initial is np._NoValue:  # NumPy starts with the identity: the hypot of -3 alone is 3
        initial = None if ufunc in _FOLDS else ufunc.identity
    where = None if where is True else _merged(np.broadcast_to(data_of(where), shape), axes)
    z = _reduced(ufunc, _merged(x, axes), initial, where)
    return z.reshape([1 if i in axes else n for i, n in enumerate(shape)]) if keepdims else z


def _reduced(ufunc: Any, x: Any, initial: Any, where: Any) -> Any:
    """The reduction of x along its first axis."""
    fold = _FOLDS.get(ufunc)
    if fold is None or len(x) == 0:
        return _folded(ufunc, x, initial, where)
    function, neutral = fold
    x = x if where is None else np.where(where, x, neutral)
    if initial is not None:
        initial = initial.astype(x.dtype) if isinstance(initial, Variable) else np.asarray(initial, x.dtype)
        x = np.concatenate([np.broadcast_to(initial, (1, *x.shape[1:])), x])
    return function(x)


def _folded(ufunc: Any, x: Any, initial: Any, where: Any) -> Any:
    """One element after the other through the ufunc."""
    z = initial
    if z is None and (where is not None or len(x) == 0):
        z = ufunc.identity
    if z is not None:
        z = z + np.sum(x[:0], 0)  # of the result's shape
    for i in range(len(x)):
        step = x[i] if z is None else ufunc(z, x[i])
        z = step if where is None else np.where(where[i], step, z)
    return z


def _log_sum_exp(x: Any) -> Any:
    top = np.max(data_of(x), 0)
    if not np.all(memory(np.isfinite(top))):  # the ufunc's own rule knows what the same infinity twice gives
        return _folded(np.logaddexp, x, None, None)
    return np.log(np.sum(np.exp(x - top), 0)) + top


# what a reduction along the first axis is, with one call, and what an element that does not count is replaced by
_FOLDS: dict[Any, tuple[Any, Any]] = {
    np.add: (lambda x: np.sum(x, 0), 0),
    np.multiply: (lambda x: np.prod(x, 0), 1),
    np.maximum: (lambda x: np.max(x, 0), -np.inf),
    np.minimum: (lambda x: np.min(x, 0), np.inf),
    np.fmax: (lambda x: np.max(np.where(np.isnan(x), -np.inf, x), 0), -np.inf),
    np.fmin: (lambda x: np.min(np.where(np.isnan(x), np.inf, x), 0), np.inf),
    np.logaddexp: (_log_sum_exp, -np.inf),
    np.logaddexp2: (lambda x: _log_sum_exp(x * LN2) / LN2, -np.inf),
}


def _call_accumulate(ufunc: Any, x: Any, **kwargs: Any) -> Any:
    return ufunc.accumulate(x, **kwargs)


@composed(_call_accumulate, name="ufunc_accumulate")
def accumulate(ufunc: Any, x: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """`ufunc.accumulate` for arrays and Variables. Differentiable where the ufunc is."""
    x = np.moveaxis(_as(x, dtype), axis, 0)
    if ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):  # k tied winners get 1/k each
        parts = [_reduced(ufunc, x[: i + 1], None, None) for i in range(len(x))]
    else:
        parts = []
        for i in range(len(x)):
            parts.append(ufunc(parts[-1], x[i]) if parts else x[i])
    return np.moveaxis(np.stack(parts) if parts else x * 1, 0, axis)


def _call_reduceat(ufunc: Any, x: Any, indices: Any, **kwargs: Any) -> Any:
    return ufunc.reduceat(x, indices, **kwargs)


@composed(_call_reduceat, name="ufunc_reduceat")
def reduceat(ufunc: Any, x: Any, indices: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """`ufunc.reduceat` for arrays and Variables. Differentiable where the ufunc is."""
    x = np.moveaxis(_as(x, dtype), axis, 0)
    starts = np.asarray(indices, np.intp)
    if ufunc is np.add and np.all(starts[1:] > starts[:-1]) and len(starts):
        part = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(x)))
        z = put(x[int(starts[0]) :], (len(starts), *x.shape[1:]), part)
    else:
        ends = [*starts[1:].tolist(), len(x)]
        pairs = list(zip(starts.tolist(), ends, strict=True))
        parts = [_reduced(ufunc, x[i:k], None, None) if i < k else x[i] for i, k in pairs]
        z = np.stack(parts) if parts else x[:0]
    return np.moveaxis(z, 0, axis)


def _call_at(ufunc: Any, x: Any, indices: Any, *b: Any) -> Any:
    z = np.array(x)
    ufunc.at(z, indices, *b)
    return z


@composed(_call_at, name="ufunc_at")
def at(ufunc: Any, x: Any, indices: Any, *b: Any) -> Any:
    """What x becomes by `ufunc.at(x, indices, b)`. Differentiable in x and b where the ufunc is."""
    places = np.arange(x.size).reshape(x.shape)[indices]
    b = tuple([np.broadcast_to(v, places.shape).reshape(-1).astype(x.dtype) for v in b])
    places = places.reshape(-1)
    if ufunc in (np.add, np.subtract):
        return x + ufunc(0, put(b[0], (x.size,), places)).reshape(x.shape)
    turns = _turns(places)
    z = np.reshape(x, -1) * 1
    for turn in range(int(np.max(turns, initial=-1)) + 1):  # a repeated index: one after the other
        now = np.flatnonzero(turns == turn)
        z[places[now]] = ufunc(z[places[now]], *[v[now] for v in b]).astype(x.dtype)
    return z.reshape(x.shape)


def _turns(places: Any) -> Any:
    """For each place: how many equal ones come before it."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered)
    turns = np.empty_like(places)
    turns[order] = np.arange(len(places)) - first
    return turns
