"""Random programs, compiled and plain: equal in every bit, but for sums of arrays that lie otherwise in memory.

`WENGERT_PROGRAMS=10000` draws so many.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from compilekit import both_ways  # noqa: F401
from hypothesis import HealthCheck, given, settings, strategies as st

import wengert as wg

UNARY = [np.tanh, np.negative, np.sin, np.square, np.abs, lambda x: x * 2.5, lambda x: 1 - x, lambda x: x**2, np.exp,
         lambda x: x.astype(x.dtype), lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, x, -0.5),
         lambda x: np.clip(x, -1, 1), lambda x: x > 0.1, np.sign]  # fmt: skip
SHAPING = [lambda x: x.T, lambda x: x.reshape(-1), lambda x: x[..., ::-1], lambda x: x[:1], lambda x: x[None],
           lambda x: np.concatenate([x, x], 0), lambda x: np.stack([x, x * 2], -1), lambda x: np.swapaxes(x, 0, -1),
           lambda x: x[1:] if len(x) > 1 else x, lambda x: np.broadcast_to(x, (2, *x.shape)), np.cumsum,
           lambda x: np.sort(x, -1), lambda x: x.ravel()[:3], lambda x: x[np.array([0, 0])] if len(x) else x,
           lambda x: np.squeeze(x) if np.squeeze(x).ndim else x, lambda x: np.expand_dims(x, -1)]  # fmt: skip
REDUCTIONS = [lambda x, k: x.sum(k, keepdims=True), lambda x, k: x.mean(k, keepdims=True),
              lambda x, k: np.max(x, k, keepdims=True), lambda x, k: np.var(x, axis=k, keepdims=True),
              lambda x, k: np.prod(x, k, keepdims=True), lambda x, k: np.any(x, k, keepdims=True)]  # fmt: skip
BINARY = [np.add, np.multiply, np.subtract, np.maximum, np.arctan2, lambda x, y: x / (1 + y * y), np.less]


def _write(x: Any, y: Any) -> Any:
    z = np.zeros_like(x)
    view = z[..., ::2]
    view += 1
    z[:1] = x[:1]
    z *= 2
    return view + z[..., ::2]


def _branch(x: Any, _: Any) -> Any:
    return x + 1 if np.sum(x) > 0 else x - 1


STEP = st.one_of(
    st.tuples(st.just("unary"), st.integers(0, len(UNARY) - 1), st.integers(0, 99)),
    st.tuples(st.just("shaping"), st.integers(0, len(SHAPING) - 1), st.integers(0, 99)),
    st.tuples(st.just("reduction"), st.integers(0, len(REDUCTIONS) - 1), st.integers(0, 99)),
    st.tuples(st.just("binary"), st.integers(0, len(BINARY) - 1), st.integers(0, 99)),
    st.tuples(st.just("write"), st.just(0), st.integers(0, 99)),
    st.tuples(st.just("branch"), st.just(0), st.integers(0, 99)),
)


def program(steps: list[tuple[str, int, int]]) -> Any:
    """A function of two arrays that makes these steps, each on one of the values so far."""

    def f(x, y):
        values = [x, y]
        for kind, which, k in steps:
            a, b = values[k % len(values)], values[(k // 7) % len(values)]
            try:
                if kind == "unary":
                    z = UNARY[which](a)
                elif kind == "shaping":
                    z = SHAPING[which](a)
                elif kind == "reduction":
                    if not a.size:  # an error that a program catches is a reason to fall back
                        continue
                    z = REDUCTIONS[which](a, k % a.ndim if k % 3 else None)
                elif kind == "binary":
                    z = BINARY[which](a, b)
                else:
                    z = (_write if kind == "write" else _branch)(a, b)
            except (ValueError, TypeError, IndexError):
                continue
            if z.ndim and z.size < 2000:
                values.append(z)
        return values[-3:]

    return f


SHAPES = st.sampled_from(
    [((3, 4), (3, 4)), ((4,), (3, 4)), ((1,), (1,)), ((0, 3), (3,)), ((2, 3, 2), (2, 1, 2)), ((7,), (7,))]
)


@given(st.lists(STEP, min_size=1, max_size=40), SHAPES, st.sampled_from(["f4", "f8"]), st.booleans(), st.integers(0, 9))
@settings(
    max_examples=int(os.environ.get("WENGERT_PROGRAMS", 150)),
    deadline=None,
    derandomize="WENGERT_PROGRAMS" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
def test_random_programs(engine: str, steps: Any, shapes: Any, dtype: str, strided: bool, seed: int):
    f = program(steps)
    c = wg.compile(f)
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(3):
            x, y = [rng.normal(size=s).astype(dtype) for s in shapes]
            if strided:
                x = np.asfortranarray(x)
            before = x.copy(), y.copy()
            expected, actual = f(x, y), c(x, y)
            for a, b in zip(actual, expected, strict=True):
                assert (type(a), a.dtype, a.shape) == (type(b), b.dtype, b.shape)
                if b.dtype.kind == "f":
                    near = 1e-4 if dtype == "f4" else 1e-11
                    if engine == "native":  # rounding, and what cancellation makes of it
                        near *= 10
                        scale = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
                        np.testing.assert_allclose(a, b, rtol=near, atol=near * scale)
                    else:
                        np.testing.assert_allclose(a, b, rtol=near, atol=1e-30)
                else:
                    np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(x, before[0])
            np.testing.assert_array_equal(y, before[1])
    assert c._why is None, c._why
