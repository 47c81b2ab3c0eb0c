"""Rows of the test table: sorting and order statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
from rowkit import REAL, Row, row

V, T, E = (5,), (2, 3, 4), (0, 3)
CONTINUOUS = ("interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased")
STEPS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "lower", "higher", "midpoint", "nearest",
)  # fmt: skip
QS = np.array([[0.0, 0.31, 0.5], [0.77, 0.9, 1.0]])
WEIGHTS = np.array([0.3, 1.2, 0.1, 0.8])
FLAT_WEIGHTS = np.linspace(0.1, 2.0, 24).reshape(T)


def _nan(x: Any) -> Any:
    """x with NaNs in it."""
    gone = np.arange(x.size).reshape(x.shape) % 5 == 1
    return np.where(gone, np.nan, x)


def _ordered(name: str, function: Any, *shapes: Any, **options: Any) -> Row:
    """Values apart from each other, in real dtypes."""
    return row(name, function, *shapes, **{"distinct": True, "dtypes": REAL} | options)


def _quantiles(name: str, function: Any, scale: float) -> list[Row]:
    return [
        _ordered(name, lambda x: function(x, 0.3 * scale), V),
        _ordered(name, lambda x: function(x, np.float32(0.3 * scale), axis=1), T),
        _ordered(name, lambda x: function(x, QS[0] * scale, axis=(0, 2)), T),
        _ordered(name, lambda x: function(x.T, [0.1 * scale, 0.62 * scale], axis=-1, keepdims=True), T),
        _ordered(name, lambda x: function(x, 0.25 * scale, axis=None, keepdims=True), T),
        _ordered(name, lambda x: function(x, 1.0 * scale), (1,)),
        *[_ordered(name, lambda x, m=m: function(x, QS * scale, axis=-1, method=m), T) for m in CONTINUOUS + STEPS],
        *[_ordered(name, lambda x, m=m: function(x, 0.4 * scale, method=m), V) for m in CONTINUOUS + STEPS],
        _ordered(
            name,
            lambda x: function(x, QS * scale, axis=2, weights=np.broadcast_to(WEIGHTS, T), method="inverted_cdf"),
            T,
        ),
        _ordered(name, lambda x: function(x, 0.6 * scale, weights=FLAT_WEIGHTS, method="inverted_cdf"), T),
        *[
            _ordered(name, lambda x, q, m=m: function(x, (0.2 * q + 0.5) * scale, axis=0, method=m), T, (2, 3))
            for m in CONTINUOUS
        ],
        _ordered(
            name, lambda q: function(np.array([3.0, -1.0, 2.0, 0.5]), q), (3,), domain=(0.36 * scale, 0.6 * scale)
        ),
    ]


ROWS: list[Row] = [
    # sort
    *[row("sort", np.sort, s, distinct=True) for s in (V, T, E)],
    row("sort", lambda x: np.sort(x, axis=None), (), distinct=True),
    row("sort", lambda x: np.sort(x, axis=None), T, distinct=True),
    row("sort", lambda x: np.sort(x, axis=0, kind="mergesort"), T, distinct=True),
    row("sort", lambda x: np.sort(x.T, axis=1, stable=True), T, distinct=True),
    row("sort", lambda x: np.sort(x, -2, "heapsort"), T, distinct=True),
    _ordered("sort", lambda x: np.sort(_nan(x))[..., :2], T),
    row("sort", np.sort_complex, T, distinct=True),
    _ordered("sort", np.ptp, T),
    _ordered("sort", lambda x: np.ptp(x, axis=(0, 2), keepdims=True), T),
    # partition
    row("partition", lambda x: np.partition(x, 2), V, distinct=True),
    row("partition", lambda x: np.partition(x, (0, -1), axis=1), T, distinct=True),
    row("partition", lambda x: np.partition(x.T, kth=3, axis=0), (3, 9), distinct=True),
    row("partition", lambda x: np.partition(x, 7, axis=None), T, distinct=True),
    # medians
    *[row("median", np.median, s, distinct=True) for s in ((), V, T, (1,))],
    row("median", lambda x: np.median(x, axis=0), T, distinct=True),
    row("median", lambda x: np.median(x, axis=(1, -1), keepdims=True), T, distinct=True),
    row("median", lambda x: np.median(x.T, -1, overwrite_input=True), (3, 4), distinct=True),
    _ordered("median", lambda x: np.median(x, axis=0), (3, 0)),
    *[_ordered("nanmedian", np.nanmedian, s) for s in ((), V, T)],
    _ordered("nanmedian", lambda x: np.nanmedian(_nan(x), axis=1), T),
    _ordered("nanmedian", lambda x: np.nanmedian(_nan(x), axis=(0, 1), keepdims=True), T),
    _ordered("nanmedian", lambda x: np.nanmedian(_nan(x).T, axis=1), (4, 6)),
    # quantiles
    *_quantiles("quantile", np.quantile, 1.0),
    _ordered("quantile", lambda x: np.quantile(x, QS, axis=(0, 2)), T),
    _ordered("quantile", lambda x: np.quantile(x, QS, axis=2, weights=WEIGHTS, method="inverted_cdf"), T),
    *_quantiles("percentile", np.percentile, 100.0),
    *_quantiles("nanquantile", lambda x, *args, **kwargs: np.nanquantile(_nan(x), *args, **kwargs), 1.0),
    *_quantiles("nanpercentile", lambda x, *args, **kwargs: np.nanpercentile(_nan(x), *args, **kwargs), 100.0),
    # sets
    *[row("unique", np.unique, s, distinct=True) for s in ((), V, T, (0,))],
    row("unique", lambda x: np.unique(np.concatenate([x, x[::-2]])), V, distinct=True),
    row("unique", lambda x: np.unique(np.stack([x[0], x[1], x[0]]), axis=0), (2, 3), distinct=True),
    row(
        "unique",
        lambda x: np.unique(np.stack([x[0], x[1], x[0]], 1), axis=1, return_counts=True)[0],
        (2, 3),
        distinct=True,
    ),
    row("unique", lambda x: np.unique(np.stack([x, x]), return_inverse=True, return_index=True)[0], V, distinct=True),
    _ordered("unique", lambda x: np.unique(_nan(x), equal_nan=False)[:-5], T),
    _ordered("unique", lambda x: np.unique(_nan(x))[:-1], T),
    row("unique", lambda x: np.sort(np.unique_values(np.concatenate([x, x]))), V, distinct=True),
    row("unique", lambda x: np.unique_all(np.concatenate([x, x])).values, V, distinct=True),
    row("unique", lambda x, y: np.union1d(x, y + 0.05), V, (2, 2), distinct=True),
    row("unique", lambda x, y: np.setdiff1d(x, np.concatenate([y + 0.05, x[1:3]])), V, V, distinct=True),
    row("unique", lambda x, y: np.setxor1d(x, np.concatenate([y + 0.05, x[1:3]])), V, (3,), distinct=True),
    row("intersect1d", lambda x, y: np.intersect1d(np.concatenate([y + 0.05, x]), x), V, V, distinct=True),
]
