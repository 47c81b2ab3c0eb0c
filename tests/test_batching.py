"""Batching rules: for every row of the test table, a batch gives what a loop over its examples gives, in every mode."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from rowkit import Row
from table import ROWS

import wengert as wg

BATCH = 3


def _case(r: Row) -> str:
    return "complex128" if r.dtypes[-1] == "complex128" else r.dtypes[0]


CASES = [pytest.param(r, _case(r), id=f"{r}-{i}") for i, r in enumerate(ROWS)]


def stacked(results: Any) -> Any:
    if isinstance(results[0], tuple):
        return tuple(map(np.stack, zip(*results, strict=True)))
    return np.stack(results)


def assert_same(found: Any, expected: Any, dtype: Any) -> None:
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b, dtype)
        return
    assert isinstance(found, np.ndarray)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    tolerance = 2e-4 if found.dtype in (np.float32, np.complex64) else 1e-9
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def value(function: Any) -> Any:
    """The function's value on a tracked Variable, as an array."""

    def run(*xs: Any) -> Any:
        return wg.vjp(function, *xs)[0]

    return run


@pytest.mark.parametrize(("row", "dtype"), CASES)
def test_a_batch_is_a_loop(row: Row, dtype: str):
    examples = [row.arguments(dtype, seed) for seed in range(BATCH)]
    batch = [np.stack(x) for x in zip(*examples, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        f = value(row.function)
        values = [f(*xs) for xs in examples]
        if len({np.shape(v) for v in values}) > 1:
            with pytest.raises(TypeError, match="depends on the values"):
                wg.vmap(f)(*batch)
            return
        expected = np.stack(values)
        assert_same(wg.vmap(f)(*batch), expected, dtype)
        assert_same(wg.vmap(f, in_axes=-1, out_axes=-1)(*[np.moveaxis(x, 0, -1) for x in batch]), np.moveaxis(expected, 0, -1), dtype)

        rng = np.random.default_rng(0)
        gs = rng.uniform(-1, 1, expected.shape).astype(expected.dtype)
        ts = [rng.uniform(-1, 1, x.shape).astype(x.dtype) for x in batch]

        # cotangents and tangents of one run: what Jacobians are made of
        _, pullback = wg.vjp(row.function, *examples[0])
        assert_same(wg.vmap(pullback)(gs), stacked([pullback(g) for g in gs]), dtype)

        def push(*ts: Any) -> Any:
            return wg.jvp(row.function, examples[0], ts)[1]

        assert_same(wg.vmap(push)(*ts), stacked([push(*t) for t in zip(*ts, strict=True)]), dtype)

        # everything differs between examples
        def pulled(g: Any, *xs: Any) -> Any:
            return wg.vjp(row.function, *xs)[1](g)

        assert_same(
            wg.vmap(pulled)(gs, *batch), stacked([pulled(g, *xs) for g, xs in zip(gs, examples, strict=True)]), dtype
        )

        def pushed(ts: Any, xs: Any) -> Any:
            return wg.jvp(row.function, xs, ts)[1]

        pairs = zip(zip(*ts, strict=True), examples, strict=True)
        assert_same(wg.vmap(pushed)(tuple(ts), tuple(batch)), stacked([pushed(t, xs) for t, xs in pairs]), dtype)
