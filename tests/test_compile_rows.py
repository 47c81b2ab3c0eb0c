"""Rows of the test table, compiled: value and pull-back as in a plain run. `WENGERT_ROWS=all` takes every row."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
from compilekit import agree, both_ways  # noqa: F401
from rowkit import Row
from table import ROWS

import wengert as wg
from wengert.compile import CompileWarning

ILL_CONDITIONED = {"lagmul", "lagpow"}  # the order of a sum, which depends on alignment, shows
CASES = [(r, d) for r in ROWS for d in r.dtypes]
if os.environ.get("WENGERT_ROWS") != "all":
    first: dict[Any, Any] = {}
    for case in CASES:
        first.setdefault((case[0].name, case[1] == "complex128"), case)
    CASES = list(first.values())


def pulled(row: Row) -> Any:
    def run(*xs):
        y, pullback = wg.vjp(row.function, *xs)
        return y, pullback(np.ones_like(y))

    return run


@pytest.mark.parametrize(("row", "dtype"), [pytest.param(r, d, id=f"{r}-{d}-{i}") for i, (r, d) in enumerate(CASES)])
def test_row(row: Row, dtype: str):
    plain = pulled(row)
    compiled = wg.compile(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", CompileWarning)
        for seed in (0, 0, 1):
            xs = row.arguments(dtype, seed)
            before = [x.copy() for x in xs]
            expected, actual = wg.tree.leaves(plain(*xs)), wg.tree.leaves(compiled(*xs))
            assert len(actual) == len(expected)
            for a, b in zip(actual, expected, strict=True):
                agree(a, b, "native", ulps=1 << 14 if row.name in ILL_CONDITIONED else 64)
            for x, was in zip(xs, before, strict=True):
                np.testing.assert_array_equal(x, was)
