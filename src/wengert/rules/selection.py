"""Derivatives of what chooses between values: maximum, where, clip, and the largest and smallest along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import elementwise, general, implements
from ..variable import data_of
from .elementwise import positive

# ---- between two arrays: a tie gives half to each -----------------------------------------------------------


def _won(g: Any, loses: Any, ties: Any) -> Any:
    return np.where(loses, 0, np.where(ties, g * 0.5, g))


maximum = elementwise(
    np.maximum,
    lambda g, _z, x, y: _won(g, x < y, x == y),
    lambda g, _z, x, y: _won(g, y < x, x == y),
    domain=((-2.0, -0.1), (0.1, 2.0)),
)
minimum = elementwise(
    np.minimum,
    lambda g, _z, x, y: _won(g, x > y, x == y),
    lambda g, _z, x, y: _won(g, y > x, x == y),
    domain=((-2.0, -0.1), (0.1, 2.0)),
)
# these ignore a NaN on one side
fmax = elementwise(
    np.fmax,
    lambda g, _z, x, y: _won(g, ~(x >= y) & (y == y), x == y),
    lambda g, _z, x, y: _won(g, ~(y >= x) & (x == x), x == y),
    domain=((-2.0, -0.1), (0.1, 2.0)),
)
fmin = elementwise(
    np.fmin,
    lambda g, _z, x, y: _won(g, ~(x <= y) & (y == y), x == y),
    lambda g, _z, x, y: _won(g, ~(y <= x) & (x == x), x == y),
    domain=((-2.0, -0.1), (0.1, 2.0)),
)

# ---- by a condition -----------------------------------------------------------------------------------------

_where = general(
    "where",
    lambda x, y, *, condition: np.where(condition, x, y),
    (
        lambda g, _z, _x, _y, *, condition: np.where(condition, g, 0),
        lambda g, _z, _x, _y, *, condition: np.where(condition, 0, g),
    ),
    (
        lambda t, _z, _x, _y, *, condition: np.where(condition, t, 0),
        lambda t, _z, _x, _y, *, condition: np.where(condition, 0, t),
    ),
    broadcasts=True,
)


@implements(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """`numpy.where` for arrays and Variables. Differentiable in the two choices; the condition is a constant."""
    condition = data_of(condition)
    if len(choices) != 2:
        return np.where(condition, *choices)
    return _where(*choices, condition=condition)


_LOWEST, _HIGHEST = float("-inf"), float("inf")  # stand for a bound that is not given

_clip = general(
    "clip",
    lambda x, lo, hi: np.clip(x, None if lo is _LOWEST else lo, None if hi is _HIGHEST else hi),
    (
        lambda g, _z, x, lo, hi: np.where((x < lo) | (x > hi), 0, g),
        lambda g, _z, x, lo, hi: np.where((x < lo) & ~(lo > hi), g, 0),
        lambda g, _z, x, lo, hi: np.where((x > hi) | (lo > hi), g, 0),
    ),
    (
        lambda t, _z, x, lo, hi: np.where((x < lo) | (x > hi), 0, t),
        lambda t, _z, x, lo, hi: np.where((x < lo) & ~(lo > hi), t, 0),
        lambda t, _z, x, lo, hi: np.where((x > hi) | (lo > hi), t, 0),
    ),
    broadcasts=True,
)


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """`numpy.clip` for arrays and Variables. Differentiable in all three; the bounds included, x passes through."""
    lo, hi = a_min if min is None else min, a_max if max is None else max
    if lo is None and hi is None:
        return positive(a)
    return _clip(a, _LOWEST if lo is None else lo, _HIGHEST if hi is None else hi)
