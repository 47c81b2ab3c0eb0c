"""Sorting, quantiles and sets: ties, NaNs, refusals, constants, containers, and torch's gradients."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable
from wengert.rules import sorting


def _grad(f, x):
    return wg.grad(lambda v: np.sum(f(v)))(np.asarray(x, float))


# ---- ties share ---------------------------------------------------------------------------------------------


def test_tied_elements_share_what_flows_to_the_places_that_they_take():
    x = [2.0, 1.0, 2.0, 2.0]
    weights = np.array([1.0, 2.0, 3.0, 7.0])
    np.testing.assert_array_equal(_grad(lambda v: np.sort(v) * weights, x), [4, 1, 4, 4])
    np.testing.assert_array_equal(_grad(lambda v: np.sort(v, kind="stable") * weights, x), [4, 1, 4, 4])
    np.testing.assert_array_equal(_grad(lambda v: np.partition(v, 2) * weights, x), [4, 1, 4, 4])
    np.testing.assert_array_equal(_grad(lambda v: np.sort(v)[-1], x), _grad(np.max, x))
    np.testing.assert_array_equal(_grad(lambda v: np.sort(v, axis=0)[0], [[1.0, 2], [1, 0]]), [[0.5, 0], [0.5, 1]])


@pytest.mark.parametrize(
    "f",
    [
        np.median,
        np.nanmedian,
        lambda v: np.quantile(v, 0.5),
        lambda v: np.nanquantile(v, 0.5),
        lambda v: np.percentile(v, 50, method="lower"),
        lambda v: np.percentile(v, 50, method="midpoint"),
        lambda v: np.quantile(v, 0.5, method="inverted_cdf", weights=np.ones(5)),
    ],
)
def test_tied_medians_share(f):
    np.testing.assert_allclose(_grad(f, [3.0, 2, 2, 1, 2]), [0, 1 / 3, 1 / 3, 0, 1 / 3], atol=1e-15)
    tangent = wg.jvp(f, (np.array([3.0, 2, 2, 1, 2]),), (np.array([5.0, 1, 2, 5, 6]),))[1]
    np.testing.assert_allclose(tangent, 3)


def test_unique_values_share_between_all_that_are_equal():
    x = np.array([2.0, 1.0, 2.0])
    np.testing.assert_array_equal(_grad(lambda v: np.unique(v) * [3, 4], x), [2, 3, 2])
    np.testing.assert_array_equal(_grad(lambda v: np.union1d(v, [2.0, 5.0]), x), [1 / 3, 1, 1 / 3])
    np.testing.assert_array_equal(_grad(lambda v: np.intersect1d(v, [2.0, 5.0]), x), [1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(_grad(lambda v: np.setdiff1d(v, [1.0]), x), [0.5, 0, 0.5])
    np.testing.assert_array_equal(_grad(lambda v: np.setxor1d(v, [1.0, 4.0]), x), [0.5, 0, 0.5])
    rows = np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])
    np.testing.assert_array_equal(_grad(lambda v: np.unique(v, axis=0), rows), [[0.5, 0.5], [1, 1], [0.5, 0.5]])


# ---- NaN ----------------------------------------------------------------------------------------------------


def test_a_nan_is_the_last_and_the_median_of_its_line():
    x = np.array([[3.0, np.nan, 1.0, np.nan], [4.0, 2.0, 1.0, 3.0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.median(Variable(x), 1).data).tolist() == [True, False]
        np.testing.assert_array_equal(_grad(lambda v: np.median(v, 1), x), [[0, 0.5, 0, 0.5], [0, 0.5, 0, 0.5]])
        np.testing.assert_array_equal(_grad(lambda v: np.quantile(v, 0.0, axis=1)[1], x), [[0] * 4, [0, 0, 1, 0]])
    np.testing.assert_array_equal(_grad(lambda v: np.sort(v)[0, 1:] * [1, 2, 4], x), [[1, 3, 0, 3], [0, 0, 0, 0]])
    np.testing.assert_array_equal(_grad(lambda v: np.unique(v)[-1], x), [[0, 0.5, 0, 0.5], [0, 0, 0, 0]])


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize(
    "f",
    [
        lambda v: np.nanmedian(v, 1),
        lambda v: np.nanquantile(v, 0.4, axis=1),
        lambda v: np.nanpercentile(v, 40, axis=1, method="nearest"),
    ],
)
def test_nothing_flows_to_a_nan(f):
    x = np.array([[3.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    g = wg.vjp(f, x)[1](np.ones(2))[0]
    np.testing.assert_array_equal(g[np.isnan(x)], 0)
    assert np.sum(g) == pytest.approx(1)


# ---- constants, containers, methods, refusals ---------------------------------------------------------------


def test_indices_are_plain_arrays():
    v, x = Variable([3.0, 1.0, np.nan]), np.array([3.0, 1.0, np.nan])
    for f in (
        np.argsort, np.nanargmax, np.nanargmin, np.argmax, lambda a: np.argpartition(a, 1),
        lambda a: np.lexsort((a, a)),
        lambda a: np.searchsorted([0.0, 2.0], a), lambda a: np.digitize(a, [0.0, 2.0]), lambda a: np.isin(a, [1.0]),
        lambda a: np.any(a > 1, axis=0), lambda a: np.count_nonzero(a, axis=0),
    ):  # fmt: skip
        assert not isinstance(f(v), Variable)
        np.testing.assert_array_equal(f(v), f(x))


def test_unique_gives_numpys_containers():
    x = np.array([[2.0, 1.0], [2.0, 3.0]])
    for f in (np.unique_all, np.unique_counts, np.unique_inverse):
        got, expected = f(Variable(x)), f(x)
        assert type(got) is type(expected)
        assert isinstance(got.values, Variable)
        assert not any(isinstance(part, Variable) for part in got[1:])
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.data if isinstance(a, Variable) else a, b)
    values, index, counts = np.unique(Variable(x), return_index=True, return_counts=True)
    np.testing.assert_array_equal(values.data, [1, 2, 3])
    np.testing.assert_array_equal(index, [1, 0, 3])
    np.testing.assert_array_equal(counts, [1, 2, 1])
    common, i, j = np.intersect1d(Variable(x), np.array([3.0, 2.0]), return_indices=True)
    assert isinstance(common, Variable)
    assert (i.tolist(), j.tolist()) == ([0, 3], [1, 0])


def test_sorting_in_place_moves_the_handle():
    x = Variable([3.0, 1.0, 2.0])
    y = x * 1.0
    before = np.sum(y * [1, 10, 100])
    sorting.sort_method(y)
    np.testing.assert_array_equal(y.data, [1, 2, 3])
    (before + np.sum(y * [1000, 2000, 3000])).backward()
    np.testing.assert_array_equal(x.grad, [3001, 1010, 2100])
    sorting.partition_method(y, 0)
    assert y.data[0] == 1


def test_overwrite_input_leaves_the_data_alone():
    x = np.array([3.0, 1.0, 2.0])
    v = Variable(x)
    np.median(v, overwrite_input=True)
    np.quantile(v, 0.3, overwrite_input=True)
    np.testing.assert_array_equal(v.data, [3, 1, 2])


def test_quantiles_that_jump_are_constant_in_q():
    q = Variable([0.3, 0.6])
    x = np.array([3.0, 1.0, 2.0])
    assert not isinstance(np.quantile(x, q, method="nearest"), Variable)
    y = np.quantile(Variable(x), q, method="nearest")
    np.sum(y).backward()
    assert q.grad is None
    np.testing.assert_allclose(wg.grad(lambda q: np.quantile(x, q))(0.3), 2.0)
    np.testing.assert_allclose(wg.grad(lambda q: np.percentile(x, q))(30.0), 0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: np.median(v, out=np.empty(())), "median: out="),
        (lambda v: np.quantile(v, 0.5, out=np.empty(())), "quantile: out="),
        (lambda v: np.nanpercentile(v, 50, out=np.empty(())), "nanpercentile: out="),
        (lambda v: np.ptp(v, out=np.empty(())), "ptp: out="),
        (lambda v: np.median(v * 1j, 0, None, False, True, 3), "median"),
        (lambda v: np.nanquantile(v[:, None, None], [[0.1, 0.2]], axis=(0, 1)), "nanquantile: .*q="),
    ],
)
def test_refusals(call, message):
    with pytest.raises(TypeError, match=message):
        call(Variable([1.0, 2.0, 4.0]))


# ---- torch --------------------------------------------------------------------------------------------------

X = np.random.default_rng(3).permutation(np.linspace(-2, 2, 24)).reshape(4, 6)
CASES = {
    "sort": (lambda x: np.sort(x, 0), lambda t, x: t.sort(x, 0).values),
    "ptp": (lambda x: np.ptp(x, 1), lambda t, x: x.amax(1) - x.amin(1)),
    "median": (lambda x: np.median(x, 1), lambda t, x: t.quantile(x, 0.5, 1)),
    "quantile": (
        lambda x: np.quantile(x, [0.2, 0.7], 0),
        lambda t, x: t.quantile(x, t.tensor([0.2, 0.7], dtype=t.float64), 0),
    ),
    "lower": (lambda x: np.quantile(x, 0.3, method="lower"), lambda t, x: t.quantile(x, 0.3, interpolation="lower")),
    "midpoint": (
        lambda x: np.percentile(x, 30, 1, method="midpoint"),
        lambda t, x: t.quantile(x, 0.3, 1, interpolation="midpoint"),
    ),
    "nanquantile": (
        lambda x: np.nanquantile(np.where(x > 1.5, np.nan, x), 0.4, 1),
        lambda t, x: t.nanquantile(t.where(x > 1.5, t.nan, x), 0.4, 1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_torchs(name):
    torch = pytest.importorskip("torch", reason="compares gradients with torch")
    f, torch_f = CASES[name]
    y, pullback = wg.vjp(f, X)
    g = np.random.default_rng(0).standard_normal(np.shape(y))
    t = torch.tensor(X, requires_grad=True)
    torch_f(torch, t).backward(torch.tensor(g))
    np.testing.assert_allclose(pullback(g)[0], t.grad.numpy(), atol=1e-12)
