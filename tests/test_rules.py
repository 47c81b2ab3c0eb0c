"""Every rule against finite differences: both modes, two orders, all dtypes and shapes of the table."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from rowkit import Row
from table import ROWS

import wengert as wg
from wengert.declare import OPERATIONS

CASES = [pytest.param(r, d, id=f"{r}-{d}-{i}") for i, r in enumerate(ROWS) for d in r.dtypes]


def test_every_operation_has_a_row():
    missing = set(OPERATIONS) - {r.name for r in ROWS}
    assert not missing, f"operations without a row in tests/table.py: {sorted(missing)}"


@pytest.mark.parametrize(("row", "dtype"), CASES)
def test_value_is_numpys(row: Row, dtype: str):
    xs = row.arguments(dtype)
    expected = (row.numpy or row.function)(*xs)
    y = row.function(*[wg.Variable(x) for x in xs])
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)


@pytest.mark.parametrize(("row", "dtype"), CASES)
def test_derivatives(row: Row, dtype: str):
    xs = row.arguments(dtype)
    order = 1 if dtype == "float32" and row.name in ("remainder", "fmod") else 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        wg.check_grads(row.function, *xs, order=order)


@pytest.mark.parametrize(("row", "dtype"), CASES)
def test_gradients_have_shape_and_dtype_of_the_arguments(row: Row, dtype: str):
    xs = [wg.Variable(x) for x in row.arguments(dtype)]
    y = row.function(*xs)
    y.backward()
    for x in xs:
        if x.grad is not None:
            assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
