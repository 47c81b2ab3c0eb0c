"""numpy.linalg: what the rows cannot say. Containers, refusals, choices of vectors, kinks, and torch's derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

L = np.linalg
RNG = np.random.default_rng(5)
A = RNG.standard_normal((4, 4))
B = RNG.standard_normal((4, 4)) + 1j * RNG.standard_normal((4, 4))
SYMMETRIC = A + A.T + np.diag([0.0, 4.0, 8.0, 12.0])
TALL = RNG.standard_normal((5, 3))
ONE = np.eye(3)


def gradient(f, *xs):
    y, pullback = wg.vjp(f, *xs)
    return pullback(np.ones_like(y))[0]


# ---- containers, constants, refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [L.slogdet, L.qr, L.eigh, L.eig, L.svd, lambda x: L.svd(x, False, hermitian=True), lambda x: L.qr(x, "complete")],
)
def test_named_tuples_of_variables(f):
    x, expected = wg.Variable(A), f(A)
    y = f(x)
    assert type(y) is type(expected)
    assert y._fields == expected._fields
    for part, value in zip(y, expected, strict=True):
        assert isinstance(part, wg.Variable)
        np.testing.assert_array_equal(part.data, value)


@pytest.mark.parametrize("b", [np.ones(5), np.ones((5, 2))])
@pytest.mark.parametrize("rcond", [None, 1e-3, -1])
def test_lstsq_gives_a_tuple_and_a_plain_rank(b, rcond):
    expected = L.lstsq(TALL, b, rcond)
    got = L.lstsq(wg.Variable(TALL), b, rcond)
    assert type(got) is tuple
    assert type(got[2]) is type(expected[2])
    for part, value in zip(got, expected, strict=True):
        np.testing.assert_array_equal(part.data if isinstance(part, wg.Variable) else part, value)
    wg.check_grads(lambda a, b: L.lstsq(a, b, rcond)[:2], TALL, b)


def test_lstsq_of_a_matrix_without_full_rank():
    low = TALL[:, :1] @ np.array([[1.0, 2.0, 3.0]])
    _, residuals, rank, s = L.lstsq(wg.Variable(low), np.ones(5), 1e-10)
    assert (residuals.shape, rank, s.shape) == ((0,), 1, (3,))
    wg.check_grads(lambda u, b: L.lstsq(u @ np.array([[1.0, 2.0, 3.0]]), b, 1e-10)[0], TALL[:, :1], np.ones(5))


def test_the_rank_is_a_constant():
    assert L.matrix_rank(wg.Variable(A)) == 4
    assert type(L.matrix_rank(wg.Variable(A), rtol=0.1)) is not wg.Variable


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: L.qr(x, "raw"), TypeError, "qr: mode='raw'"),
        (lambda x: L.qr(x, "no"), ValueError, "Unrecognized mode"),
        (lambda x: L.eigh(x, "M"), ValueError, "UPLO"),
        (lambda x: L.multi_dot([x, x], out=np.empty((4, 4))), TypeError, "multi_dot: out="),
        (lambda x: L.multi_dot([x]), ValueError, "two arrays"),
        (lambda x: L.matrix_power(x, 0.5), TypeError, "matrix_power: n"),
        (lambda x: L.matrix_power(x[:2], 2), L.LinAlgError, "square"),
        (lambda x: L.inv(x[:2]), L.LinAlgError, "square"),
        (lambda x: L.inv(x * 0), L.LinAlgError, "Singular"),
        (lambda x: L.solve(x, np.ones(3)), ValueError, r"solve: .*\(4, 4\)"),
        (lambda x: L.norm(x, 3), ValueError, "Invalid norm order"),
        (lambda x: L.cholesky(-x @ x.T), L.LinAlgError, "positive definite"),
        (lambda x: L.pinv(x, rcond=0.1, rtol=0.1), ValueError, "can't be both set"),
        (lambda x: L.tensorsolve(x, np.ones((2, 2))), L.LinAlgError, "tensorsolve"),
        (lambda x: L.tensorinv(x, 0), ValueError, "ind"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(wg.Variable(A))


def test_errors_where_there_is_no_derivative():
    with pytest.raises(L.LinAlgError, match="linearly dependent"):
        gradient(lambda x: L.qr(x).Q, np.ones((3, 2)))
    with pytest.raises(L.LinAlgError, match="defective"):
        gradient(L.eigvals, np.array([[1.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(L.LinAlgError, match="Singular"):
        gradient(lambda x: L.slogdet(x)[1], np.zeros((2, 2)))


def test_more_than_numpy_says_about_products():
    chain = [RNG.standard_normal(s) for s in ((7,), (7, 2), (2, 9), (9, 3), (3, 4))]
    np.testing.assert_array_equal(L.multi_dot([wg.Variable(chain[0]), *chain[1:]]).data, L.multi_dot(chain))
    wg.check_grads(lambda *xs: L.multi_dot(xs), *chain)
    x, y = B[0], B[1]
    (gx,) = wg.vjp(lambda x: L.vecdot(x, y), x)[1](1 + 0j)
    np.testing.assert_allclose(gx, y)  # Re(conj(x) y): the first argument is conjugated


def test_the_power_0_is_the_identity_with_derivative_zero():
    for x in (A, B, np.stack([A, np.full((4, 4), np.inf)])):
        y = L.matrix_power(wg.Variable(x), 0)
        np.testing.assert_array_equal(y.data, L.matrix_power(x, 0))
        np.testing.assert_array_equal(gradient(lambda x: L.matrix_power(x, 0), x), np.zeros_like(x))


# ---- determinants of singular matrices ----------------------------------------------------------------------


def test_det_of_singular_matrices():
    cofactors = np.array([[-3.0, 6.0, -3.0], [6.0, -12.0, 6.0], [-3.0, 6.0, -3.0]])
    np.testing.assert_allclose(gradient(L.det, np.arange(1.0, 10.0).reshape(3, 3)), cofactors, atol=1e-12)
    for rank in (2, 1, 0):
        x = TALL[:3, :rank] @ TALL[2:, :rank].T if rank else np.zeros((3, 3))
        wg.check_grads(L.det, x)
        wg.check_grads(L.det, x * (1 + 1j))
    wg.check_grads(L.det, np.stack([A[:3, :3], np.ones((3, 3))]))
    np.testing.assert_array_equal(gradient(L.det, np.zeros((1, 1))), [[1.0]])
    assert gradient(L.det, np.zeros((0, 0))).shape == (0, 0)


def test_slogdet_of_a_singular_matrix_that_nothing_reads():
    x = np.stack([A, np.ones((4, 4))])
    g = gradient(lambda x: np.where([True, False], L.slogdet(x).logabsdet, 0.0), x)
    np.testing.assert_allclose(g, np.stack([L.inv(A).T, np.zeros((4, 4))]))


# ---- the choice of eigenvectors and singular vectors --------------------------------------------------------


def through(w_and_v, f):
    w, v = w_and_v
    return np.trace((v * f(w)) @ np.conj(v.T))


def through_inverse(x):
    w, v = L.eig(x)
    return np.sum(np.einsum("ij,ji->i", v * np.exp(w), L.inv(v)))


def through_svd(x):
    u, s, vh = L.svd(x)
    return np.sum(np.abs((u * s**2) @ vh) ** 2)


ROTATION = L.qr(A[:3, :3])[0]


@pytest.mark.parametrize("basis", [ONE, ROTATION])
@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [2.0, 2.0, 5.0], [5.0, 2.0, 2.0]])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_repeated_values_and_a_loss_that_does_not_depend_on_the_vectors(values, basis, dtype):
    x = ((basis * values) @ basis.T).astype(dtype)
    x = (x + x.T) / 2
    expected = (basis * np.exp(values)) @ basis.T
    tol = {"atol": 1e-4 if dtype == "float32" else 1e-10, "rtol": 1e-4 if dtype == "float32" else 1e-10}
    g = gradient(lambda x: np.real(through(L.eigh(x), np.exp)), x)
    np.testing.assert_allclose((g + np.conj(g.T)) / 2, expected, **tol)
    np.testing.assert_allclose(gradient(lambda x: np.real(through_inverse(x)), x), expected, **tol)
    np.testing.assert_allclose(gradient(through_svd, x), 4 * (basis * np.array(values) ** 3) @ basis.T, **tol)
    for f in (L.eigvalsh, L.eigvals, L.svdvals):
        g = gradient(lambda x, f=f: np.real(np.sum(f(x) ** 2)), x)
        np.testing.assert_allclose((g + np.conj(g.T)) / 2, 2 * x, **tol)


FIRST_VECTORS = [
    lambda x: L.eigh(x).eigenvectors[0, 0],
    lambda x: L.eigh(x).eigenvectors[0, 1],
    lambda x: np.sum(L.eigh(x).eigenvectors),
    lambda x: L.eigh(x).eigenvalues[0],
    lambda x: L.svd(x).U[0, 0],
    lambda x: L.svd(x).Vh[0, 1],
    lambda x: np.sum(L.svd(x).U),
    lambda x: L.eig(x).eigenvectors[0, 1],
    lambda x: L.eig(x).eigenvectors[0, 0],
    lambda x: np.sum(L.eig(x).eigenvectors),
]


@pytest.mark.parametrize("f", FIRST_VECTORS)
def test_repeated_values_and_a_loss_that_depends_on_the_vectors(f):
    with pytest.raises(L.LinAlgError, match="depends on the choice of the vectors of a repeated value"):
        gradient(f, 2 * ONE)


WEIGHTS = A[:3, :3] + 1j * A[1:4, 1:4]
WITHOUT_CHOICE = [
    lambda w, v: np.sum(np.real(WEIGHTS * ((v * np.sqrt(9.0 + w)) @ np.conj(v.T)))),
    lambda w, v: np.real((v * w) @ np.conj(v.T))[0, 1],  # nothing flows to the vectors of 0
    lambda w, v: np.sum(np.abs((v * np.sin(w)) @ np.conj(v.T) * WEIGHTS) ** 2) * np.sum(w**2),
    lambda w, v: np.sum(np.real(WEIGHTS * (v[:, :2] @ np.conj(v[:, :2].T)))),  # the space, whatever the values
    lambda w, v: np.abs(v[1, 2]) ** 2 + w[2],
]


@pytest.mark.parametrize("f", WITHOUT_CHOICE)
@pytest.mark.parametrize("basis", [ONE, ROTATION, L.qr(WEIGHTS)[0]])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_vectors_of_a_repeated_value_and_a_loss_that_does_not_depend_on_their_choice(f, basis, value):
    x = (basis * [value, value, 3.0]) @ np.conj(basis.T)
    x = (x + np.conj(x.T)) / 2
    for many in (False, True):
        y = np.stack([x, x + ONE]) if many else x

        def loss(y, many=many):
            w, v = L.eigh(y)
            return f(w[0], v[0]) * f(w[1], v[1]) if many else f(w, v)

        wg.check_grads(loss, y, order=1, modes=["reverse"])
        v = wg.Variable(y)
        loss(v).backward()
        np.testing.assert_array_equal(v.grad, gradient(loss, y))


@pytest.mark.parametrize(
    "f",
    [
        lambda w, v: np.abs(v[0, 0]),  # does not change in a turn, to first order
        lambda w, v: w[0],
        lambda w, v: np.sum(w * np.abs(v[:, 0]) ** 2),
        lambda w, v: np.sum((w - 2) * np.abs(v[0]) ** 4),
    ],
)
def test_losses_that_depend_on_the_choice_and_do_not_show_it_at_once(f):
    with pytest.raises(L.LinAlgError, match="depends on the choice of the vectors of a repeated value"):
        gradient(lambda x: f(*L.eigh(x)), 2 * ONE)


@pytest.mark.parametrize("f", FIRST_VECTORS[:3] + FIRST_VECTORS[4:10])
def test_forward_mode_cannot_tell_and_says_so(f):
    with pytest.raises(L.LinAlgError, match=r"forward mode: .* repeated value"):
        wg.jvp(f, (2 * ONE,), (A[:3, :3],))


def test_the_vector_of_a_single_value_beside_repeated_ones():
    x = (ROTATION * [2.0, 2.0, 5.0]) @ ROTATION.T
    x = (x + x.T) / 2
    f = lambda x: np.abs(L.eigh(x + x.T).eigenvectors[:, 2])  # noqa: E731
    wg.check_grads(f, x, order=1, modes=["reverse"])
    f = lambda x: np.abs(L.svd(x).U[:, 0])  # noqa: E731
    wg.check_grads(f, x, order=1, modes=["reverse"])
    low = TALL[:, :1] @ TALL[:3, :1].T  # rank 1: repeated singular values 0
    wg.check_grads(lambda x: np.abs(L.svd(x, False).U[:, 0]), low, order=1, modes=["reverse"])
    with pytest.raises(L.LinAlgError, match=r"singular value 0|repeated value"):
        gradient(lambda x: np.sum(L.svd(x, False).U[:, 1]), low)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.real(L.eigh(x).eigenvectors[0, 0]) + np.imag(L.eigh(x).eigenvectors[1, 0]),
        lambda x: np.real(np.sum(L.svd(x).U)),
        lambda x: np.imag(np.sum(L.eig(x).eigenvectors)),
    ],
)
def test_phases_of_complex_vectors(f):
    with pytest.raises(L.LinAlgError, match="phases of complex vectors"):
        gradient(f, B)


def test_vectors_that_complete_a_basis():
    for f in (lambda x: np.sum(L.svd(x).U), lambda x: np.sum(L.qr(x, "complete").Q)):
        with pytest.raises(L.LinAlgError, match=r"complete U or V|beyond those of A"):
            gradient(f, TALL[:, :2])
    wg.check_grads(lambda x: L.svd(x).U[:, :2] * L.svd(x).Vh[0], TALL[:, :2])


# ---- kinks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_the_norm_of_a_zero_matrix(ord, dtype):
    x = np.zeros((2, 3), dtype)
    np.testing.assert_array_equal(gradient(lambda x: L.norm(x, ord), x), x)
    assert wg.jvp(lambda x: L.norm(x, ord), (x,), (np.ones_like(x),))[1] == 0


@pytest.mark.parametrize("ord", [None, 0, 0.5, 1, -1, 2, 3, -2, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_norm_of_a_zero_vector(ord):
    x = np.zeros(3)
    np.testing.assert_array_equal(gradient(lambda x: L.norm(x, ord), x), x)
    np.testing.assert_array_equal(gradient(lambda x: L.vector_norm(x) ** 2, x), x)


def test_ties_share():
    np.testing.assert_allclose(gradient(lambda x: L.norm(x, np.inf), np.array([1.0, -1.0])), [0.5, -0.5])
    np.testing.assert_allclose(gradient(lambda x: L.norm(x, 2), 3 * ONE), ONE / 3, atol=1e-15)
    np.testing.assert_allclose(gradient(lambda x: L.norm(x, -2), 3 * ONE), ONE / 3, atol=1e-15)
    np.testing.assert_allclose(gradient(lambda x: L.norm(x, 1), np.ones((2, 2))), np.full((2, 2), 0.5))
    np.testing.assert_allclose(gradient(lambda x: L.eigvalsh(x)[-1], ONE), ONE / 3, atol=1e-15)
    np.testing.assert_allclose(gradient(lambda x: L.svdvals(x)[0], ONE), ONE / 3, atol=1e-15)


def test_a_norm_that_counts_has_derivative_zero():
    np.testing.assert_array_equal(gradient(lambda x: L.norm(x, 0), np.array([1.0, 0.0, 2.0])), np.zeros(3))


def test_only_the_triangle_that_numpy_reads_gets_a_gradient():
    for f in (L.eigvalsh, lambda x: L.eigh(x).eigenvalues, lambda x: L.cholesky(x @ np.eye(4) + 9 * np.eye(4))):
        assert not np.triu(gradient(lambda x, f=f: np.sum(f(x) ** 2), SYMMETRIC), 1).any()
    g = gradient(lambda x: np.sum(L.eigvalsh(x, "U") ** 2), SYMMETRIC)
    np.testing.assert_allclose((g + g.T) / 2, 2 * SYMMETRIC)


def test_pinv_that_discards_singular_values():
    x = np.diag([3.0, 2.0, 0.1]) + 0.01 * A[:3, :3]
    for options in ({"rcond": 0.1}, {"rtol": 0.1}, {"rcond": 0.1, "hermitian": True}):
        np.testing.assert_array_equal(L.pinv(wg.Variable(x), **options).data, L.pinv(x, **options))
        wg.check_grads(lambda x, options=options: L.pinv(x, **options), x)
    wg.check_grads(lambda x: L.pinv(x, 1e-10) @ np.ones(3), ONE)


def test_second_derivatives_through_repeated_values_are_finite_or_refused():
    with pytest.raises(L.LinAlgError, match="repeated value"):
        wg.check_grads(wg.grad(lambda x: np.sum(L.eigvalsh(x) ** 3)), 2 * ONE, order=1)
    wg.check_grads(lambda x: L.norm(x) ** 2, 2 * ONE)


# ---- torch --------------------------------------------------------------------------------------------------

SPD = A @ A.T + np.eye(4)
AGAINST_TORCH = [
    ("inv", L.inv, lambda t: t.linalg.inv, A),
    ("inv, complex", L.inv, lambda t: t.linalg.inv, B),
    ("det", L.det, lambda t: t.linalg.det, A),
    ("det, complex", L.det, lambda t: t.linalg.det, B),
    ("slogdet", lambda x: L.slogdet(x)[1], lambda t: lambda x: t.linalg.slogdet(x)[1], A),
    ("slogdet, sign", lambda x: L.slogdet(x)[0], lambda t: lambda x: t.linalg.slogdet(x)[0], B),
    ("solve", lambda x: L.solve(x, TALL[:4]), lambda t: lambda x: t.linalg.solve(x, t.tensor(TALL[:4])), A),
    ("cholesky", lambda x: L.cholesky((x + x.T) / 2), lambda t: lambda x: t.linalg.cholesky((x + x.T) / 2), SPD),
    ("qr, Q", lambda x: L.qr(x)[0], lambda t: lambda x: t.linalg.qr(x)[0], TALL),
    ("qr, R", lambda x: L.qr(x)[1], lambda t: lambda x: t.linalg.qr(x)[1], TALL),
    ("qr, Q complex", lambda x: L.qr(x)[0], lambda t: lambda x: t.linalg.qr(x)[0], B),
    ("svd, U", lambda x: L.svd(x, False)[0] ** 2, lambda t: lambda x: t.linalg.svd(x, False)[0] ** 2, TALL),
    ("svd, Vh", lambda x: L.svd(x, False)[2] ** 2, lambda t: lambda x: t.linalg.svd(x, False)[2] ** 2, TALL),
    ("svd, abs U", lambda x: abs(L.svd(x, False)[0]), lambda t: lambda x: abs(t.linalg.svd(x, False)[0]), B),
    ("svdvals", L.svdvals, lambda t: t.linalg.svdvals, B),
    (
        "eigh",
        lambda x: L.eigh((x + x.T) / 2)[1] ** 2,
        lambda t: lambda x: t.linalg.eigh((x + x.T) / 2)[1] ** 2,
        SYMMETRIC,
    ),
    (
        "eigvalsh",
        lambda x: L.eigvalsh((x + np.conj(x.T)) / 2),
        lambda t: lambda x: t.linalg.eigvalsh((x + x.mH) / 2),
        B,
    ),
    ("pinv", L.pinv, lambda t: t.linalg.pinv, TALL),
    ("pinv, complex", L.pinv, lambda t: t.linalg.pinv, B[:, :3]),
    ("matrix_power", lambda x: L.matrix_power(x, -3), lambda t: lambda x: t.linalg.matrix_power(x, -3), A),
    ("cond", L.cond, lambda t: t.linalg.cond, A),
    *[
        (f"norm {p}", lambda x, p=p: L.norm(x, p), lambda t, p=p: lambda x: t.linalg.matrix_norm(x, p), A)
        for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ],
    *[
        (f"vector norm {p}", lambda x, p=p: L.norm(x, p), lambda t, p=p: lambda x: t.linalg.vector_norm(x, p), A[0])
        for p in (1, 2, 3, 0.5, -1, np.inf, -np.inf)
    ],
    ("vecdot", lambda x: L.vecdot(x, B), lambda t: lambda x: t.linalg.vecdot(x, t.tensor(B)), B[::-1].copy()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("f", "make", "x"), [c[1:] for c in AGAINST_TORCH], ids=[c[0] for c in AGAINST_TORCH])
def test_first_derivatives_are_torchs(f, make, x):
    torch = pytest.importorskip("torch", reason="compares with torch")
    t = torch.tensor(x, requires_grad=True)
    expected = make(torch)(t)
    y, pullback = wg.vjp(f, x)
    np.testing.assert_allclose(y, expected.detach().resolve_conj().numpy(), atol=1e-10)
    seed = np.arange(1.0, np.size(y) + 1).reshape(np.shape(y)).astype(np.asarray(y).dtype)
    expected.backward(torch.tensor(seed))
    np.testing.assert_allclose(pullback(seed)[0], t.grad.resolve_conj().numpy(), rtol=1e-8, atol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_eigenvalues_and_vectors_are_torchs():
    """The order of the eigenvalues, and the phases of the vectors, are each library's own."""
    torch = pytest.importorskip("torch", reason="compares with torch")
    for x in (A, B):
        t = torch.tensor(x, requires_grad=True)
        w, v = torch.linalg.eig(t)
        (torch.sum(torch.abs(v) ** 4) + torch.sum(torch.abs(w) ** 3)).backward()
        g = gradient(lambda x: np.sum(np.abs(L.eig(x)[1]) ** 4) + np.sum(np.abs(L.eig(x)[0]) ** 3), x)
        np.testing.assert_allclose(g, t.grad.resolve_conj().numpy(), rtol=1e-8)
        t.grad = None
        torch.sum(torch.abs(torch.linalg.eigvals(t)) ** 3).backward()
        np.testing.assert_allclose(
            gradient(lambda x: np.sum(np.abs(L.eigvals(x)) ** 3), x), t.grad.resolve_conj().numpy(), rtol=1e-8
        )
