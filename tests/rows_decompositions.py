"""Rows of the test table: numpy.linalg. Of vectors that are determined up to a choice, a function that is not."""

from typing import Any

import numpy as np
from rowkit import Row, row

L = np.linalg
M, B, E = (3, 3), (2, 3, 3), (0, 0)  # a matrix, a stack, an empty one
BASE = np.diag([1.0, 2.0, 3.5])


def _near(f: Any, base: Any = BASE) -> Any:
    """f of a matrix that is far from singular, and whose eigenvalues are far apart."""
    return lambda x, *rest: f(0.1 * x + base.astype(x.real.dtype), *rest)


def _positive(x: Any) -> Any:
    return 0.1 * (x @ np.conj(np.swapaxes(x, -1, -2))) + np.eye(x.shape[-1], dtype=x.real.dtype)


def _h(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def _spectral(x: Any, uplo: str = "L") -> Any:
    w, v = L.eigh(x, uplo)
    return (v * np.exp(w)[..., None, :]) @ _h(v) + np.abs(v) ** 2


def _by_eig(x: Any) -> Any:
    w, v = L.eig(x)
    return (v * np.exp(w * 0.5)[..., None, :]) @ L.inv(v) + np.abs(v) ** 2


def _by_svd(x: Any, full: bool = False, hermitian: bool = False) -> Any:
    u, s, vh = L.svd(x, full, hermitian=hermitian)
    k = s.shape[-1]
    z = (u[..., :k] * np.sin(s)[..., None, :]) @ vh[..., :k, :]
    if full:
        rest, more = u[..., k:], vh[..., k:, :]
        z = rest @ (_h(rest) @ (z + 1)) + ((z + 1) @ _h(more)) @ more + z
    return z


def _by_qr(x: Any, mode: str = "reduced") -> Any:
    q, r = L.qr(x, mode)
    k = min(x.shape[-2:])
    z = q[..., :k] @ np.sin(r[..., :k, :]) + q[..., :k] @ np.ones((k, x.shape[-1]), x.real.dtype)
    rest = q[..., k:]
    return z + rest @ (_h(rest) @ (z + 1)) if mode == "complete" else z


def _fit(x: Any, y: Any, part: int, rcond: Any = None) -> Any:
    return L.lstsq(x, y, rcond)[part]


ROWS: list[Row] = [
    *[row("inv", _near(L.inv), s) for s in (M, B)],
    row("inv", lambda x: L.inv(x.T + 3 * np.eye(3, dtype=x.real.dtype)), M, domain=(-0.5, 0.5)),
    row("inv", L.inv, E),
    row("inv", lambda x: L.tensorinv(0.1 * x + np.eye(6, dtype=x.real.dtype).reshape(2, 3, 6), ind=2), (2, 3, 6)),
    *[row("solve", _near(L.solve), a, b) for a, b in [(M, (3,)), (M, (3, 2)), (B, (3,)), (B, (2, 3, 1)), (M, (2, 3, 2)), (B, (3, 2))]],
    row("solve", _near(lambda x: L.solve(x, np.ones(3, x.real.dtype))), M),
    row("solve", lambda y: L.solve(BASE.astype(y.real.dtype), y), (3,)),
    row("solve", lambda x, y: L.tensorsolve(0.1 * x + np.eye(6, dtype=x.real.dtype).reshape(6, 2, 3), y), (6, 2, 3), (6,)),
    row("solve", lambda x, y: L.tensorsolve(0.1 * x + np.eye(6, dtype=x.real.dtype).reshape(2, 6, 3).transpose(1, 0, 2), y, axes=(0,)), (6, 2, 3), (2, 3), domain=(-0.5, 0.5)),
    *[row("det", L.det, s) for s in (M, B, (1, 1), (2, 2))],
    *[row("slogdet", _near(lambda x: L.slogdet(x)[1]), s) for s in (M, B)],
    row("slogdet", _near(lambda x: L.slogdet(x)[0] * L.slogdet(x)[1]), B),
    *[row("cholesky", lambda x: L.cholesky(_positive(x)), s) for s in (M, B)],
    row("cholesky", lambda x: L.cholesky(_positive(x), upper=True), B),
    row("cholesky", _near(L.cholesky), M),
    row("cholesky", _near(lambda x: L.cholesky(x, upper=True)), M),
    *[row("qr", _near(_by_qr, np.eye(*s[-2:])), s) for s in (M, (2, 4, 3), (2, 4))],
    *[row("qr", _near(lambda x: _by_qr(x, "complete"), np.eye(*s[-2:])), s) for s in ((4, 2), (2, 2, 3))],
    row("qr", _near(lambda x: L.qr(x, "r"), np.eye(4, 3)), (4, 3)),
    *[row("eigh", _near(_spectral), s) for s in (M, B)],
    row("eigh", _near(lambda x: _spectral(x, "U")), M),
    row("eigh", _near(lambda x: L.eigh(x).eigenvalues), M),
    *[row("eigvalsh", _near(L.eigvalsh), s) for s in (M, B)],
    row("eigvalsh", _near(lambda x: L.eigvalsh(x, UPLO="U")), M),
    *[row("eig", _near(_by_eig), s) for s in (M, B)],
    row("eig", _near(_by_eig, np.array([[1.0, -2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 4.0]])), M),
    *[row("eigvals", _near(L.eigvals), s) for s in (M, B)],
    row("eigvals", _near(L.eigvals, np.array([[1.0, -2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 4.0]])), M),
    *[row("svd", _near(_by_svd, np.eye(*s[-2:]) * np.arange(1.0, s[-1] + 1)), s) for s in (M, (2, 4, 3), (2, 4))],
    *[row("svd", _near(lambda x: _by_svd(x, True), np.eye(*s[-2:]) * np.arange(1.0, s[-1] + 1)), s) for s in ((4, 2), (2, 2, 4), M)],
    row("svd", _near(lambda x: L.svd(x)[1], np.eye(4, 3) * np.arange(1.0, 4.0)), (4, 3)),
    row("eigh", _near(lambda x: _by_svd(x, hermitian=True), np.diag([1.0, -2.0, 3.5])), B),
    row("eigvalsh", _near(lambda x: L.svd(x, compute_uv=False, hermitian=True), np.diag([1.0, -2.0, 3.5])), B),
    *[row("svdvals", _near(L.svdvals, np.eye(*s[-2:]) * np.arange(1.0, s[-1] + 1)), s) for s in (M, (2, 4, 3), (2, 4))],
    row("svdvals", _near(lambda x: L.svd(x, compute_uv=False)), B),
    *[row("pinv", L.pinv, s) for s in ((4, 2), (2, 2, 3))],
    row("pinv", _near(L.pinv), M),
    row("pinv", _near(lambda x: L.pinv(x, rtol=None)), M),
    row("pinv", lambda x, y: L.pinv(x @ y, rcond=1e-4), (4, 2), (2, 3)),
    row("pinv", _near(lambda x: L.pinv(x, hermitian=True)), B),
    row("svd", _near(lambda x: L.pinv(x, rcond=0.5)), M),
    *[row("lstsq", lambda x, y: _fit(x, y, 0), a, b) for a, b in [((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2,)), ((2, 4), (2, 2))]],
    *[row("lstsq", lambda x, y: _fit(x, y, 1), (4, 2), b) for b in ((4,), (4, 3))],
    row("lstsq", lambda x, y: _fit(x, y, 3) + 0 * np.sum(np.real(y)), (4, 2), (4,)),
    *[row("matmul", _near(lambda x, n=n: L.matrix_power(x, n)), s) for n in (1, 2, 3, 6, -2) for s in (M, B)],
    *[row("dot", lambda *xs: L.multi_dot(xs), *s) for s in [((2, 3), (3, 4)), ((2, 3), (3, 4), (4, 2)), ((3,), (3, 4), (4, 2)), ((2, 3), (3, 4), (4, 2), (2,)), ((3,), (3, 4), (4,)), ((2, 2), (2, 2), (2, 2), (2, 2))]],
    # norms
    *[row("norm", L.norm, s) for s in ((), (4,), (2, 3), (2, 3, 2))],
    *[row("norm", lambda x, p=p: L.norm(x, p), (4,)) for p in (1, 2, 3, 0.5, -1, -2, np.inf, -np.inf)],
    *[row("norm", lambda x, p=p: L.norm(x, p, axis=-2, keepdims=True), (2, 3, 2)) for p in (None, 1, 3, np.inf)],
    *[row("norm", lambda x, p=p: L.norm(x, p), (3, 2)) for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
    *[row("norm", lambda x, p=p: L.norm(x, p, axis=(2, 0), keepdims=True), (3, 2, 2)) for p in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
    *[row("norm", lambda x, p=p: L.norm(x, p, axis=(0, 1)), (3, 2, 2)) for p in ("nuc", 1, -np.inf)],
    row("norm", lambda x: L.norm(x, keepdims=True), (2, 3)),
    row("norm", lambda x: L.norm(x, axis=(0,)), (2, 3)),
    row("norm", lambda x: L.matrix_norm(x, ord="nuc", keepdims=True), (2, 3, 2)),
    row("norm", L.vector_norm, (2, 3)),
    row("norm", lambda x: L.vector_norm(x, axis=(2, 0), keepdims=True, ord=3), (2, 3, 2)),
    row("norm", lambda x: L.vector_norm(x, axis=-2, keepdims=True), (2, 3, 2)),
    *[row("cond", _near(lambda x, p=p: L.cond(x, p)), s) for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc") for s in (M, B)],
    row("cond", lambda x: L.cond(x), (4, 2)),
    # products
    *[row("vecdot", np.vecdot, a, b) for a, b in [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((0,), (0,))]],
    row("vecdot", lambda x, y: L.vecdot(x, y, axis=0), (3, 2), (3, 2)),
    row("matmul", L.matmul, (2, 3), (3, 4)),
    row("tensordot", lambda x, y: L.tensordot(x, y, axes=1), (2, 3), (3, 4)),
]  # fmt: skip
if hasattr(np, "matvec"):
    ROWS += [
        row("matvec", np.matvec, a, b)
        for a, b in [((2, 3), (3,)), ((4, 2, 3), (3,)), ((2, 3), (4, 3)), ((4, 2, 3), (4, 3))]
    ]
    ROWS += [
        row("vecmat", np.vecmat, a, b)
        for a, b in [((2,), (2, 3)), ((2,), (4, 2, 3)), ((4, 2), (2, 3)), ((4, 2), (4, 2, 3))]
    ]
