"""Masked reductions, averages, covariances, histograms and NaN-free reductions: what the rows cannot say."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

NAN = np.nan


def _grad(f, x):
    return wg.grad(lambda v: np.sum(f(v)))(np.asarray(x, float))


# ---- where=, initial= and mean= -----------------------------------------------------------------------------


def test_initial_takes_part_in_a_tie():
    np.testing.assert_array_equal(_grad(lambda v: np.max(v, initial=2.0), [2.0, 2.0, 1.0]), [1 / 3, 1 / 3, 0])
    np.testing.assert_array_equal(_grad(lambda v: np.min(v, initial=0.0), [2.0, 1.0]), [0, 0])
    np.testing.assert_array_equal(_grad(lambda v: np.max(v, where=[True, False], initial=-9), [1.0, 5.0]), [1, 0])


@pytest.mark.parametrize("f", [np.sum, np.mean, np.prod, np.var, np.std, np.nansum, np.nanmean, np.nanvar, np.nanstd])
def test_nothing_flows_to_what_is_left_out(f):
    x = np.array([[1.0, 2.0, NAN, 3.0], [4.0, NAN, 5.0, 2.0]])
    keep = ~np.isnan(x)
    g = _grad(lambda v: f(v, 1, where=keep), x)
    np.testing.assert_array_equal(g[~keep], 0)
    assert np.isfinite(g).all()
    expected = np.zeros_like(x)
    for i in range(2):
        expected[i, keep[i]] = _grad(f, x[i, keep[i]])
    np.testing.assert_allclose(g, expected)


def test_a_mask_is_copied():
    keep, v = np.array([True, False]), Variable([1.0, 2.0])
    y = np.sum(v, where=keep)
    keep[:] = False
    y.backward()
    np.testing.assert_array_equal(v.grad, [1, 0])


def test_a_given_mean_is_differentiated_too():
    x = np.array([1.0, 2.0, 4.0])
    m = np.mean(x, keepdims=True)
    gx, gm = wg.grad(lambda x, m: np.var(x, mean=m), argnums=(0, 1))(x, m + 1)
    np.testing.assert_allclose(gx, 2 / 3 * (x - m - 1))
    np.testing.assert_allclose(gm, [2.0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.std(x, mean=np.array([1.0])))(np.ones(3)), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: np.max(v, initial=Variable(1.0)), "initial="),
        (lambda v: np.var(v, out=np.empty(())), "var: out="),
        (lambda v: np.var(v, mean=0.0, out=np.empty(())), "var: out="),
        (lambda v: np.nansum(v, out=np.empty(())), "nansum: out="),
        (lambda v: np.nancumsum(v, 0, None, np.empty(2)), "nancumsum: out="),
        (lambda v: np.nanmax(v, out=np.empty(())), "nanmax: out="),
        (lambda v: np.average(v, weights=np.ones(3)), "average: axis="),
    ],
)
def test_refusals(call, message):
    with pytest.raises(TypeError, match=message):
        call(Variable([1.0, 2.0]))


# ---- averages and covariances -------------------------------------------------------------------------------


def test_average_returns_the_sum_of_weights():
    x, w = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 1.0])
    for got in (np.average(Variable(x), 1, w, returned=True), np.average(x, 1, Variable(w), returned=True)):
        expected = np.average(x, 1, w, returned=True)
        assert isinstance(got, tuple)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.data if isinstance(a, Variable) else a, b)
    _, total = np.average(Variable(x), 0, returned=True)
    np.testing.assert_array_equal(total, np.average(x, 0, returned=True)[1])
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        np.average(Variable(x), 1, np.array([1.0, -1.0, 0.0]))


def test_a_correlation_with_oneself_is_constant():
    np.testing.assert_allclose(_grad(np.corrcoef, [1.0, 2.0, 4.0]), 0, atol=1e-12)


# ---- histograms ---------------------------------------------------------------------------------------------


def test_counts_are_constants():
    v = Variable([0.1, 0.4, 0.9, 0.35])
    counts, edges = np.histogram(v, 3)
    assert counts.dtype == np.intp
    assert not isinstance(counts, Variable)
    assert isinstance(edges, Variable)
    counts, edges = np.histogram(v, [0.0, 0.5, 1.0])
    assert not isinstance(counts, Variable)
    assert not isinstance(edges, Variable)
    assert not isinstance(np.bincount(Variable(np.array([1, 2, 1]))), Variable)
    h, x_edges, y_edges = np.histogram2d(v, v, (2, 3))
    assert not isinstance(h, Variable)
    assert (x_edges.shape, y_edges.shape) == ((3,), (4,))


def test_edges_follow_the_smallest_and_the_largest():
    np.testing.assert_allclose(_grad(lambda v: np.histogram_bin_edges(v, 4), [0.3, 0.0, 1.0]), [0, 2.5, 2.5])
    np.testing.assert_allclose(_grad(lambda v: np.histogram_bin_edges(v, 2), [1.0, 1.0]), [1.5, 1.5])
    np.testing.assert_allclose(
        wg.grad(lambda hi: np.sum(np.histogram_bin_edges(np.array([0.3]), 2, (0.0, hi))))(1.0), 1.5
    )


def test_weights_outside_and_on_the_last_edge():
    a = np.array([-1.0, 0.0, 0.5, 1.0, 1.5])
    expected = [0, 10, 20, 20, 0]
    for edges in ([0.0, 0.5, 1.0], np.array([0.0, 0.5, 1.0])):
        got = _grad(lambda w, e=edges: np.histogram(a, e, weights=w)[0] * [10, 20], np.ones(5))
        np.testing.assert_array_equal(got, expected)
        got = _grad(lambda w, e=edges: np.histogramdd([a], [e], weights=w)[0] * [10, 20], np.ones(5))
        np.testing.assert_array_equal(got, expected)
    got = _grad(lambda w: np.histogram(a, 2, (0, 1), weights=w)[0] * [10, 20], np.ones(5))
    np.testing.assert_array_equal(got, expected)


# ---- without NaN --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Mean of empty", "ignore:Degrees of freedom", "ignore:All-NaN")
@pytest.mark.parametrize("f", [np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin])
def test_the_gradient_at_a_nan_is_zero(f):
    x = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN]])
    g = wg.vjp(lambda v: f(v, 1), x)[1](np.ones(2))[0]
    np.testing.assert_array_equal(g[np.isnan(x)], 0)
    np.testing.assert_allclose(g[0, [0, 2]], _grad(f, [1.0, 3.0]))


def test_tied_winners_share_beside_a_nan():
    np.testing.assert_array_equal(_grad(np.nanmax, [NAN, 2.0, 2.0, 1.0]), [0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(_grad(np.nanmax, [NAN, -np.inf]), [0, 1])


# ---- torch --------------------------------------------------------------------------------------------------

X = np.random.default_rng(1).standard_normal((3, 5))
W = np.array([0.5, 1.0, 0.2, 2.0, 0.7])
GAPS = np.where(X > 0.8, NAN, X)
CASES = {
    "cov": (np.cov, lambda t, x: t.cov(x), X),
    "cov_weights": (
        lambda x: np.cov(x, aweights=W, fweights=[1, 2, 1, 3, 1]),
        lambda t, x: t.cov(x, aweights=t.tensor(W), fweights=t.tensor([1, 2, 1, 3, 1])),
        X,
    ),
    "corrcoef": (np.corrcoef, lambda t, x: t.corrcoef(x), X),
    "nansum": (lambda x: np.nansum(x, 1), lambda t, x: t.nansum(x, 1), GAPS),
    "nanmean": (lambda x: np.nanmean(x, 1), lambda t, x: t.nanmean(x, 1), GAPS),
    "var": (lambda x: np.var(x, 1, ddof=1), lambda t, x: t.var(x, 1), X),
    "bincount": (
        lambda w: np.bincount([0, 2, 2, 1, 0], w),
        lambda t, w: t.zeros(3).double().index_add(0, t.tensor([0, 2, 2, 1, 0]), w),
        W,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_torchs(name):
    torch = pytest.importorskip("torch", reason="compares gradients with torch")
    f, torch_f, x = CASES[name]
    y, pullback = wg.vjp(f, x)
    g = np.random.default_rng(0).standard_normal(np.shape(y))
    t = torch.tensor(x, requires_grad=True)
    torch_f(torch, t).backward(torch.tensor(g))
    np.testing.assert_allclose(pullback(g)[0], t.grad.numpy(), atol=1e-12)
