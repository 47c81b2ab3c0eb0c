"""What the tests of compiled functions share: both ways of running a program, and how results are compared."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from wengert.compile import run


@pytest.fixture(name="engine", params=["numpy", "native"], autouse=True)
def both_ways(request: Any, monkeypatch: Any) -> str:
    """NumPy replays programs, which changes no bit; or native code runs them, where llvmlite is installed."""
    if request.param == "numpy":
        monkeypatch.setattr(run, "_native", lambda program: None)
    elif importlib.util.find_spec("llvmlite") is None:
        pytest.skip("llvmlite is not installed")
    return str(request.param)


def agree(actual: Any, expected: Any, engine: str, dtype: Any = None, ulps: float = 64) -> None:
    """The same types, shapes and dtypes; the same values, up to the rounding of native code, in dtype or their own."""
    assert type(actual) is type(expected)
    a, b = np.asarray(actual), np.asarray(expected)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if engine == "numpy" or b.dtype.kind not in "fc":
        np.testing.assert_array_equal(a, b)
        return
    eps = ulps * np.finfo(dtype or b.dtype).eps
    scale = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
    np.testing.assert_allclose(a, b, rtol=eps, atol=eps * scale)
