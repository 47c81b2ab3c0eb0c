"""scipy.linalg on Variables: values bit for bit, derivatives in both modes to the second order, refusals."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import wengert as wg

sl = pytest.importorskip("scipy.linalg", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")

import wengert.scipy.linalg as wsl  # noqa: E402

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
B, C = RNG.normal(size=(3, 3)) - 3 * np.eye(3), RNG.normal(size=(3, 2))
V, W = RNG.normal(size=3), RNG.normal(size=3)
S = A @ A.T + np.eye(3)
TALL = RNG.normal(size=(4, 3))
BANDS = RNG.normal(size=(3, 3)) + np.array([[0], [4], [0]])
FIRST = np.array([5, 0, 0])
STACK = np.stack([A, A.T + 1])
TURN = np.array([[1.0, 2.0, 0.3], [-1.5, 0.8, 0.1], [0.2, 0.4, -2.0]])  # two of its eigenvalues are complex


# name, a call of the module's function, the arguments that vary
CASES: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("solve", lambda m, a, b: m.solve(a, b), (A, V)),
    ("solve", lambda m, a, b: m.solve(a, b, transposed=True), (A, C)),
    *[("solve", lambda m, a, b, s=s, low=low: m.solve(a, b, assume_a=s, lower=low), (S, C)) for s in ("sym", "pos", "her", "gen")
      for low in (False, True)],
    *[("solve", lambda m, a, b, s=s: m.solve(a, b, assume_a=s), (A, V))
      for s in ("upper triangular", "lower triangular", "diagonal", "tridiagonal")],
    ("solve", lambda m, a, b: m.solve(a, b), (STACK, np.stack([C, C + 1]))),
    ("inv", lambda m, a: m.inv(a), (A,)), ("inv", lambda m, a: m.inv(a), (STACK,)),
    ("inv", lambda m, a: m.inv(a, assume_a="pos", lower=True), (S,)),
    ("det", lambda m, a: m.det(a), (A,)), ("det", lambda m, a: m.det(a), (STACK,)),
    *[("solve_triangular", lambda m, a, b, t=t, low=low, u=u: m.solve_triangular(a, b, t, low, u), (A, C))
      for t, low, u in ((0, False, False), (1, True, False), ("C", False, True), ("N", True, True))],
    ("solve_banded", lambda m, ab, b: m.solve_banded((1, 1), ab, b), (BANDS, V)),
    ("solveh_banded", lambda m, ab, b: m.solveh_banded(ab, b), (BANDS[:2], V)),
    ("solveh_banded", lambda m, ab, b: m.solveh_banded(ab, b, lower=True), (BANDS[1:], V)),
    ("lstsq", lambda m, a, b: m.lstsq(a, b)[0], (TALL, RNG.normal(size=4))),
    ("lstsq", lambda m, a, b: m.lstsq(a, b)[1], (TALL, RNG.normal(size=(4, 2)))),
    ("lstsq", lambda m, a, b: m.lstsq(a, b)[3], (TALL, RNG.normal(size=4))),
    ("lstsq", lambda m, a, b: m.lstsq(a, b, lapack_driver="gelsy")[0], (TALL.T, V)),
    ("pinv", lambda m, a: m.pinv(a), (TALL,)), ("pinv", lambda m, a: m.pinv(a, atol=1e-3, return_rank=True)[0], (TALL.T,)),
    ("cholesky", lambda m, a: m.cholesky(a), (S,)), ("cholesky", lambda m, a: m.cholesky(a, True), (S,)),
    ("cho_factor", lambda m, a: m.cho_factor(a)[0], (S,)), ("cho_factor", lambda m, a: m.cho_factor(a, True)[0], (S,)),
    ("cho_solve", lambda m, c, b: m.cho_solve((c, False), b), (A, V)),
    ("cho_solve", lambda m, c, b: m.cho_solve((c, True), b), (A, C)),
    ("lu_factor", lambda m, a: m.lu_factor(a)[0], (A,)), ("lu_factor", lambda m, a: m.lu_factor(a)[0], (STACK,)),
    ("lu_factor", lambda m, a: m.lu_factor(a)[0], (TALL[[3, 1, 0]],)),
    *[("lu_solve", lambda m, lu, b, t=t: m.lu_solve((lu, np.array([2, 1, 2])), b, t), (A, b)) for t in (0, 1, 2) for b in (V, C)],
    ("lu", lambda m, a: m.lu(a)[1:], (TALL[:3],)), ("lu", lambda m, a: m.lu(a, permute_l=True), (TALL[:3],)),
    ("lu", lambda m, a: m.lu(a, p_indices=True)[1:], (TALL[:3],)),
    ("eigh", lambda m, a: m.eigh(a)[0], (S,)), ("eigh", lambda m, a: np.abs(m.eigh(a, lower=False)[1]), (S,)),
    ("eigh", lambda m, a: m.eigh(a, eigvals_only=True), (S,)),
    ("eigvalsh", lambda m, a: m.eigvalsh(a, subset_by_index=[0, 1]), (S,)),
    ("eigvalsh", lambda m, a: m.eigvalsh(a, subset_by_value=[1.5, 99.0]), (S,)),
    *[("eigvalsh", lambda m, a, b, t=t: m.eigvalsh(a, b, type=t, lower=False), (S, S[::-1, ::-1] + 2)) for t in (1, 2, 3)],
    *[("eigh_two", lambda m, a, b, t=t: m.eigh(a, b, type=t), (S, S[::-1, ::-1] + 2)) for t in (1, 2, 3)],
    ("eigh_two", lambda m, a, b: m.eigh(a, b, subset_by_index=[1, 2]), (S, S[::-1, ::-1] + 2)),
    ("eigh_two", lambda m, a: m.eigh(a, subset_by_index=[0, 1]), (S,)),
    ("eigh_two", lambda m, a: m.eigh(a, subset_by_value=[1.5, 99.0])[0], (S,)),
    ("eigvals", lambda m, a: np.real(m.eigvals(a)), (A,)), ("eigvals", lambda m, a: np.imag(m.eigvals(a)), (TURN,)),
    ("eigvals", lambda m, a, b: m.eigvals(a, b), (TURN, A)),
    ("eigvalsh_tridiagonal", lambda m, d, e: m.eigvalsh_tridiagonal(d, e), (V, W[:2])),
    ("eigvalsh_tridiagonal", lambda m, d, e: m.eigvalsh_tridiagonal(d, e, "i", (1, 2)), (V, W[:2])),
    ("eigvals_banded", lambda m, a: m.eigvals_banded(a), (BANDS[:2],)),
    ("eigvals_banded", lambda m, a: m.eigvals_banded(a, lower=True, select="v", select_range=(4.0, 99.0)), (BANDS[1:],)),
    *[("qr_pivoted", lambda m, a, k=k: m.qr(a, mode=k, pivoting=True)[:-1], (x,)) for k, x in (("economic", TALL), ("full", A), ("r", A))],
    *[(f, lambda m, a, f=f: getattr(m, f)(a)[0], (x,)) for f in ("lu_factor",) for x in (TALL, TALL.T)],
    *[("lu", lambda m, a: m.lu(a)[1:], (x,)) for x in (TALL, TALL.T)], ("lu", lambda m, a: m.lu(a)[1:], (STACK,)),
    ("lu", lambda m, a: m.lu(a, permute_l=True), (TALL,)), ("lu", lambda m, a: m.lu(a, permute_l=True), (STACK,)),
    ("pinvh", lambda m, a: m.pinvh(a), (S,)), ("pinvh", lambda m, a: m.pinvh(a, lower=False, return_rank=True)[0], (S,)),
    ("cholesky_banded", lambda m, a: m.cholesky_banded(a), (BANDS[:2],)),
    ("cholesky_banded", lambda m, a: m.cholesky_banded(a, lower=True), (BANDS[1:],)),
    ("cho_solve_banded", lambda m, c, b: m.cho_solve_banded((c, False), b), (BANDS[:2], V)),
    ("cho_solve_banded", lambda m, c, b: m.cho_solve_banded((c, True), b), (BANDS[1:], C)),
    ("companion", lambda m, a: m.companion(a), (V,)),
    ("matmul_toeplitz", lambda m, c, x: m.matmul_toeplitz(c, x), (V, W)),
    ("matmul_toeplitz", lambda m, c, r, x: m.matmul_toeplitz((c, r), x), (V, TALL[:, 0], np.ones((4, 2)))),
    ("fractional_matrix_power", lambda m, a: m.fractional_matrix_power(a, 0.3), (S,)),
    *[(f, lambda m, a, b, q, r, f=f: getattr(m, f)(a, b, q @ q.T, r @ r.T), (A, C, B, 1 + np.eye(2)))
      for f in ("solve_continuous_are", "solve_discrete_are")],
    ("svd", lambda m, a: m.svd(a)[1], (TALL,)), ("svd", lambda m, a: np.abs(m.svd(a, full_matrices=False)[0]), (TALL,)),
    ("svd", lambda m, a: m.svd(a, compute_uv=False), (TALL,)), ("svdvals", lambda m, a: m.svdvals(a), (TALL,)),
    ("qr", lambda m, a: m.qr(a, mode="economic"), (TALL,)), ("qr", lambda m, a: m.qr(a), (A,)),
    ("qr", lambda m, a: m.qr(a, mode="r"), (A,)),
    ("eig", lambda m, a: np.real(m.eig(a)[0]), (A,)), ("eig", lambda m, a: np.abs(m.eig(a)[1]), (A,)),
    ("expm", lambda m, a: m.expm(a), (A / 3,)), ("expm", lambda m, a: m.expm(a), (STACK / 3,)),
    ("logm", lambda m, a: m.logm(a), (S,)), ("sqrtm", lambda m, a: m.sqrtm(a), (S,)),
    ("solve_sylvester", lambda m, a, b, q: m.solve_sylvester(a, b, q), (A, B + 6 * np.eye(3), C @ C.T)),
    ("expm_frechet", lambda m, a, e: m.expm_frechet(a, e), (A / 3, B)),
    ("expm_frechet", lambda m, a, e: m.expm_frechet(a, e, compute_expm=False), (A / 3, B)),
    *[(n, lambda m, a, n=n: getattr(m, n)(a), (A / 4,)) for n in ("cosm", "sinm", "coshm", "sinhm", "tanm", "tanhm")],
    ("solve_continuous_lyapunov", lambda m, a, q: m.solve_continuous_lyapunov(a, q), (A, S)),
    ("solve_discrete_lyapunov", lambda m, a, q: m.solve_discrete_lyapunov(a, q), (A / 9, S)),
    ("polar", lambda m, a: m.polar(a), (A,)), ("polar", lambda m, a: m.polar(a, "left"), (A,)),
    *[("norm", lambda m, a, o=o: m.norm(a, o), (A,)) for o in (None, "fro", 2, "nuc", 1, np.inf)],
    ("norm", lambda m, a: m.norm(a, 3, axis=1, keepdims=True), (A,)),
    ("block_diag", lambda m, a, v, b: m.block_diag(a, v, [[7.0]], b), (A, V, C)),
    ("toeplitz", lambda m, c: m.toeplitz(c), (V,)), ("toeplitz", lambda m, c, r: m.toeplitz(c, r), (V, TALL[:, 0])),
    ("hankel", lambda m, c: m.hankel(c), (V,)), ("hankel", lambda m, c, r: m.hankel(c, r), (V, TALL[:, 0])),
    ("circulant", lambda m, c: m.circulant(c), (V,)),
    ("solve_toeplitz", lambda m, c, b: m.solve_toeplitz(c, b), (V + FIRST, W)),
    ("solve_toeplitz", lambda m, c, r, b: m.solve_toeplitz((c, r), b), (V + FIRST, W + FIRST, C)),
    ("khatri_rao", lambda m, a, b: m.khatri_rao(a, b), (C, TALL[:, :2])),
]  # fmt: skip
if "assume_a" not in inspect.signature(sl.inv).parameters:  # SciPy before 1.17
    CASES.remove(next(case for case in CASES if case[0] == "inv" and case[2][0] is S))
PARAMETERS = [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(CASES)]


def parts(z: Any) -> tuple[Any, ...]:
    return z if isinstance(z, tuple) else (z,)


@pytest.mark.filterwarnings("ignore:logm result may be inaccurate:RuntimeWarning")  # SciPy's, of float32
@pytest.mark.parametrize(("name", "call", "xs"), PARAMETERS)
def test_value_is_scipys(name: str, call: Any, xs: Any):
    for dtype in ("float64", "float32"):
        ys = [np.asarray(x, dtype) for x in xs]
        got, expected = call(wsl, *[wg.Variable(y) for y in ys]), call(sl, *ys)
        for z, e in zip(parts(got), parts(expected), strict=True):
            np.testing.assert_array_equal(z.data, e)
            assert np.asarray(e).dtype == z.dtype
        np.testing.assert_array_equal(parts(call(wsl, *ys))[0], parts(expected)[0])


@pytest.mark.parametrize(("name", "call", "xs"), PARAMETERS)
def test_derivatives(name: str, call: Any, xs: Any):
    wg.check_grads(lambda *ys: call(wsl, *ys), *xs, order=1 if name == "polar" else 2)


@pytest.mark.parametrize(("name", "call", "xs"), PARAMETERS)
def test_complex_derivatives(name: str, call: Any, xs: Any):
    if name in ("svd", "eig", "qr", "eigh", "qr_pivoted", "eigh_two") or name.endswith("_are"):
        return  # their vectors have phases of their own: tested with numpy.linalg's rules
    rng = np.random.default_rng(1)
    zs = [x + 0.2j * rng.normal(size=x.shape) for x in xs]
    try:
        call(sl, *zs)
    except (NotImplementedError, TypeError):
        return  # SciPy has it for real matrices only
    wg.check_grads(lambda *ys: call(wsl, *ys), *zs, order=1)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("solve", (A, V)), ("inv", (A,)), ("det", (A,)), ("cholesky", (S,)), ("expm", (A,)), ("logm", (S,)), ("sqrtm", (S,)),
     ("eigh", (S,)), ("svd", (A,)), ("qr", (A,)), ("lu_factor", (A,)), ("lu", (A,)), ("lstsq", (A, V)), ("pinv", (A,)),
     ("norm", (A,)), ("toeplitz", (V,)), ("circulant", (V,)), ("block_diag", (A, A)), ("solve_triangular", (A, V)),
     ("eigvals", (A,)), ("schur", (A,)), ("orth", (A,)), ("funm", (A, np.sin)), ("hankel", (V,)), ("polar", (A,))],
)  # fmt: skip
def test_scipys_own_functions_refuse_a_tracked_variable(name: str, arguments: Any):
    for i, x in enumerate(arguments):
        if isinstance(x, np.ndarray):
            changed = [wg.Variable(x) if k == i else y for k, y in enumerate(arguments)]
            with pytest.raises(TypeError):
                getattr(sl, name)(*changed)


def test_containers_and_constants():
    lu, piv = wsl.lu_factor(wg.Variable(A))
    assert isinstance(lu, wg.Variable)
    assert type(piv) is np.ndarray
    c, lower = wsl.cho_factor(wg.Variable(S), lower=True)
    assert lower is True
    x = wsl.cho_solve((c, lower), V)
    np.testing.assert_array_equal(x.data, sl.cho_solve(sl.cho_factor(S, lower=True), V))
    x, residuals, rank, s = wsl.lstsq(wg.Variable(TALL), np.ones(4))
    assert rank == 3
    assert all(isinstance(v, wg.Variable) for v in (x, residuals, s))


def test_a_system_by_its_factors_has_the_gradient_of_solve():
    a, b = wg.Variable(S), wg.Variable(V)
    ways = (
        lambda: wsl.solve(a, b),
        lambda: wsl.lu_solve(wsl.lu_factor(a), b),
        lambda: wsl.cho_solve(wsl.cho_factor(a), b),
    )
    grads = []
    for way in ways:
        a.cleargrad()
        np.sum(way() ** 2).backward()
        grads.append(a.grad if len(grads) < 2 else (a.grad + a.grad.T) / 2)
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-10)
    np.testing.assert_allclose((grads[0] + grads[0].T) / 2, grads[2], rtol=1e-10)


def test_arguments_by_name_in_any_order():
    x = wsl.solve(b=wg.Variable(V), overwrite_b=True, a=A)
    np.testing.assert_array_equal(x.data, sl.solve(A, V))
    wg.check_grads(lambda a, b: wsl.solve(b=b, a=a), A, V)


def test_overwriting_is_ignored():
    a = A.copy()
    y = wsl.inv(wg.Variable(a), overwrite_a=True)
    np.testing.assert_array_equal(a, A)
    np.testing.assert_array_equal(y.data, sl.inv(A))


def test_a_constant_changed_before_backward_does_no_harm():
    a, b = wg.Variable(A), V.copy()
    y = np.sum(wsl.solve(a, b))
    b *= 100
    y.backward()
    expected = wg.grad(lambda a: np.sum(np.linalg.solve(a, V)))(A)
    np.testing.assert_allclose(a.grad, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: wsl.qr(a, mode="raw"), lambda a: wsl.eig(a, left=True), lambda a: wsl.eig(a, S),
        lambda a: wsl.eigvals(a, homogeneous_eigvals=True), lambda a: wsl.solve_continuous_are(a, S, S, S, e=A),
    ],
)  # fmt: skip
def test_what_has_no_rule_is_refused(call: Any):
    with pytest.raises(NotImplementedError, match=r"scipy\.linalg\."):
        call(wg.Variable(S))


def test_what_is_not_there_is_named():
    with pytest.raises(AttributeError, match=r"wengert\.scipy\.linalg\.schur"):
        wsl.schur  # noqa: B018


def test_errors_of_scipys_functions_name_ours():
    import scipy.ndimage as nd
    import scipy.signal as ss
    import scipy.special as sp

    x = wg.Variable(A)
    for call, name in (
        (lambda: sl.solve(x, V), "linalg.solve"), (lambda: sl.expm(x), "linalg.expm"), (lambda: sl.toeplitz(x[0]), "linalg.toeplitz"),
        (lambda: ss.lfilter([1.0], [1.0], x), "signal.lfilter"), (lambda: nd.zoom(x, 2), "ndimage.zoom"),
        (lambda: sp.logsumexp(x), "special.logsumexp"), (lambda: sp.spherical_jn(1, x), "special.spherical_jn"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=rf"scipy\.{name} would turn .*: use wengert\.scipy\.{name}"):
            call()
    with pytest.raises(TypeError, match=r"scipy\.linalg\.schur would .*no derivative rule"):
        sl.schur(x)
