"""Rows of the test table: averages, covariances, histograms, and reductions with masks or without NaNs."""

from __future__ import annotations

from typing import Any

import numpy as np
from rowkit import REAL, Row, row

V, T, E = (5,), (2, 3, 4), (0, 3)
MASK = np.arange(24).reshape(T) % 3 != 1
COMPLEX_ONLY = ("complex128",)
DATA = np.array([0.2, 1.7, 0.4, 2.9, 1.1])
PLANE = np.array([[0.1, 0.5], [0.9, 0.4], [0.3, 0.2], [0.8, 0.9], [5.0, 0.1]])
EDGES = np.array([0.0, 0.5, 2.0, 2.9])
WEIGHTS = np.array([0.5, 1.0, 0.2, 2.0, 0.7])


def _nan(x: Any) -> Any:
    """x with NaNs in it."""
    gone = np.arange(x.size).reshape(x.shape) % 5 == 1
    return np.where(gone, np.nan, x)


def _weighted_average(x: Any, w: Any, **options: Any) -> Any:
    z, total = np.average(x, weights=w, returned=True, **options)
    return z * total


ROWS: list[Row] = [
    # sums and their like, with where=, initial= and mean=
    row("sum", lambda x: np.sum(x, where=MASK, initial=2.0), T),
    row("sum", lambda x: np.sum(x, 1, where=MASK[0, 0], keepdims=True), T),
    row("sum", lambda x: np.add.reduce(x, axis=(0, 2), where=MASK), T),
    row("mean", lambda x: np.mean(x, 2, where=MASK), T),
    row("mean", lambda x: x.mean(axis=(0, 1), keepdims=True, where=MASK), T),
    row("prod", lambda x: np.prod(x, 1, where=MASK, initial=3.0), T),
    row("prod", lambda x: np.prod(x, initial=0.5), V),
    row("var", lambda x: np.var(x, 2, where=MASK), T),
    row("var", lambda x: np.var(x, keepdims=True, where=MASK, ddof=1), T),
    row("var", lambda x: np.var(x, 1, keepdims=1), T),
    row("var", lambda x: np.var(_nan(x), 1, where=~np.isnan(_nan(x)), ddof=0.5), T),
    row("std", lambda x: np.std(x, (0, 2), where=MASK, correction=1), T),
    row("std", lambda x: np.std(x, where=MASK), T),
    row("var_about", lambda x: np.var(x, 0, mean=np.mean(x, 0, keepdims=True)), T),
    row("var_about", lambda x, m: np.var(x, 1, mean=m, where=MASK, ddof=0.5, keepdims=True), T, (2, 1, 4)),
    row("var_about", lambda x: np.var(x, mean=0.3), V),
    row("std_about", lambda x: np.std(x, mean=np.mean(x, keepdims=True)), T),
    row("std_about", lambda x, m: np.std(x, 2, mean=m, correction=0.5), T, (2, 3, 1)),
    *[
        row(f.__name__, lambda x, f=f, options=options: f(x, **options), T, distinct=True, dtypes=REAL)
        for f in (np.max, np.min, np.nanmax, np.nanmin)
        for options in (
            {"axis": 1, "where": MASK, "initial": 0.15}, {"initial": 0.15, "keepdims": True}, {"axis": (0, 2)}, {},
        )
    ],
    # averages
    row("mean", np.average, T),
    row("mean", lambda x: np.average(x, (0, 1), keepdims=True), T),
    row("divide", lambda x: np.average(x, weights=WEIGHTS), V),
    row("divide", lambda x, w: np.average(x, 0, weights=w), V, V, domain=(0.2, 2.0)),
    row("divide", lambda x, w: np.average(x, 2, weights=w), T, (4,), domain=(0.2, 2.0)),
    row("divide", lambda x, w: np.average(x, (2, 0), weights=w), T, (4, 2), domain=(0.2, 2.0)),
    row("divide", lambda x, w: np.average(x, (0, 1), weights=w, keepdims=True), T, T, domain=(0.2, 2.0)),
    row("divide", lambda w: np.average(np.arange(5), weights=w), V, domain=(0.2, 2.0)),
    row("divide", lambda x, w: _weighted_average(x, w, axis=1), T, (3,), domain=(0.2, 2.0)),
    # covariances
    *[row("cov", np.cov, s) for s in (V, (3, 5), (1, 4))],
    row("cov", lambda x: np.cov(x, rowvar=False), (5, 3)),
    row("cov", lambda x: np.cov(x, rowvar=False), V),
    row("cov", lambda x, y: np.cov(x, y), V, V),
    row("cov", lambda x, y: np.cov(x, y, bias=True), (2, 5), (3, 5)),
    row("cov", lambda x, y: np.cov(x, y, rowvar=False, ddof=0), (5, 2), (5, 1)),
    row("cov", lambda x: np.cov(x, fweights=[1, 2, 1, 3, 1]), (2, 5)),
    row("cov", lambda x: np.cov(x, dtype=np.complex128), (2, 5)),
    row("cov", lambda x, w: np.cov(x, aweights=w), (2, 5), V, domain=(0.2, 2.0), dtypes=REAL),
    row("cov", lambda x, w: np.cov(x, aweights=w, ddof=0), (2, 5), V, domain=(0.2, 2.0), dtypes=REAL),
    row("cov", lambda x, w: np.cov(x, None, True, True, 1, [1, 2, 1, 3, 1], w), (2, 5), V, domain=(0.2, 2.0), dtypes=REAL),
    *[row("corrcoef", np.corrcoef, s) for s in ((3, 5),)],
    row("corrcoef", lambda x: np.corrcoef(x, rowvar=False), (5, 2)),
    row("corrcoef", lambda x, y: np.corrcoef(x, y), V, V),
    # histograms
    row("histogram_weights", lambda w: np.histogram(DATA, EDGES, weights=w)[0], V, dtypes=REAL),
    row("histogram_weights", lambda w: np.histogram(DATA, 3, weights=w)[0], V),
    row("histogram_weights", lambda w: np.histogram(DATA, 3, (0.3, 1.5), weights=w)[0], V),
    row("histogram_weights", lambda w: np.histogram(DATA, EDGES, weights=w, density=True)[0], V, domain=(0.2, 2.0)),
    row("histogram_weights", lambda w: np.histogram(PLANE, 3, weights=w)[0], (5, 2)),
    row("histogram_bin_edges", lambda x: np.histogram_bin_edges(x, 4), V, distinct=True, dtypes=REAL),
    row("histogram_bin_edges", lambda x: np.histogram_bin_edges(x, "sqrt"), T, distinct=True, dtypes=REAL),
    row("histogram_bin_edges", lambda x: np.histogram(x, 3)[1], V, distinct=True, dtypes=REAL),
    row("histogram_bin_edges", lambda x: np.histogram_bin_edges(DATA, np.sort(x)), V, distinct=True, dtypes=REAL),
    row("histogram_bin_edges", lambda x: np.histogram(x, 3, density=True)[0], V, distinct=True, dtypes=REAL),
    row("histogram_bin_edges", lambda x: np.histogram(DATA, np.sort(x), density=True)[0], V, distinct=True, dtypes=REAL),
    row("histogramdd_weights", lambda w: np.histogramdd(PLANE, (2, 3), ((0, 1), (0, 1)), weights=w)[0], V, dtypes=REAL),
    row("histogramdd_weights", lambda w: np.histogramdd(PLANE, [EDGES, 2], weights=w)[0], V, dtypes=REAL),
    row("histogramdd_weights", lambda w: np.histogramdd([DATA], 3, weights=w)[0], V, dtypes=REAL),
    row(
        "histogramdd_weights",
        lambda w: np.histogram2d(PLANE[:, 0], DATA, 2, weights=w, density=True)[0],
        V,
        dtypes=REAL,
        domain=(0.2, 2.0),
    ),
    row("histogramdd_edges", lambda x: np.histogramdd(x, 3)[1][1], (5, 2), distinct=True, dtypes=REAL),
    row("histogramdd_edges", lambda x: np.histogramdd(x, (3, 2), density=True)[0], (5, 2), distinct=True, dtypes=REAL),
    row("histogramdd_edges", lambda x, y: np.histogram2d(x, y * 1.1, (2, 3))[2], V, V, distinct=True, dtypes=REAL),
    row("bincount", lambda w: np.bincount([0, 3, 1, 1, 0], w), V, dtypes=REAL),
    row("bincount", lambda w: np.bincount(np.array([0, 3, 1, 1, 0]), weights=w, minlength=6), V, dtypes=REAL),
    # without NaN
    *[
        row(f.__name__, lambda x, f=f, options=options: f(_nan(x), **options), T)
        for f in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd)
        for options in ({}, {"axis": 1}, {"axis": (0, -1), "keepdims": True}, {"axis": 2, "where": MASK})
    ],
    *[row(f.__name__, f, V) for f in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nancumsum, np.nancumprod)],
    row("nansum", lambda x: np.nansum(_nan(x), initial=2.0), T),
    row("nanprod", lambda x: np.nanprod(_nan(x), axis=0, initial=2.0), T),
    row("nanvar", lambda x: np.nanvar(_nan(x), 1, ddof=0.5), T),
    row("nanvar", lambda x: np.nanvar(_nan(x), 1, mean=np.nanmean(_nan(x), 1, keepdims=True)), T),
    row("nanstd", lambda x: np.nanstd(_nan(x), (0, 1), correction=0.5), T),
    *[
        row(f.__name__, lambda x, f=f, axis=axis: f(_nan(x), axis), T)
        for f in (np.nancumsum, np.nancumprod)
        for axis in (None, 0, -1)
    ],
    *[
        row(f.__name__, lambda x, f=f: f(_nan(x), (0, 1)), T, distinct=True, dtypes=REAL)
        for f in (np.nanmax, np.nanmin)
    ],
]  # fmt: skip
