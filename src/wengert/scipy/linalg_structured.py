"""Matrices of special structure in `scipy.linalg`: triangles, bands, Toeplitz and circulant ones, blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sl  # type: ignore[import-untyped]

from ..variable import Variable
from .composing import composed


def _composed(function: Any) -> Any:
    return composed(function, "linalg")


def transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    return np.conj(transposed(x))


# ---- triangles ----------------------------------------------------------------------------------------------


def lower_part(x: Any) -> Any:
    return np.where(np.tri(x.shape[-2], x.shape[-1], dtype=bool), x, 0)


def upper_part(x: Any) -> Any:
    return np.where(~np.tri(x.shape[-2], x.shape[-1], -1, dtype=bool), x, 0)


def diagonal_part(x: Any) -> Any:
    return np.where(np.eye(x.shape[-1], dtype=bool), x, 0)


def from_triangle(x: Any, lower: Any, hermitian: bool) -> Any:
    """The symmetric or Hermitian matrix of which one triangle is read."""
    half = lower_part(x) if lower else upper_part(x)
    strict = half - diagonal_part(x)
    if not hermitian or x.dtype.kind != "c":
        return half + transposed(strict)
    return strict + adjoint(strict) + np.real(diagonal_part(x))


# ---- bands --------------------------------------------------------------------------------------------------


def dense(ab: Any, below: int, above: int) -> Any:
    """The matrix whose diagonals are the rows of ab."""
    n = ab.shape[-1]
    i, j = np.indices((n, n))
    row = above + i - j
    inside = (row >= 0) & (row <= below + above)
    return np.where(inside, ab[..., np.where(inside, row, 0), j], 0)


def from_band(ab: Any, lower: Any) -> Any:
    """The Hermitian matrix of which half the diagonals are given."""
    width = ab.shape[-2] - 1
    return from_triangle(dense(ab, width, 0) if lower else dense(ab, 0, width), lower, True)


def _banded(a: Any, width: int, lower: Any) -> Any:
    """The rows that hold a's diagonals: `dense` the other way round, with zeros in the corners."""
    n = a.shape[-1]
    row, j = np.indices((width + 1, n))
    i = row + j if lower else row + j - width
    inside = (i >= 0) & (i < n)
    return np.where(inside, a[..., np.where(inside, i, 0), j], 0)


@_composed(sl.solve_banded)
def solve_banded(l_and_u, ab, b, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.solve(dense(ab, *l_and_u), b)


@_composed(sl.solveh_banded)
def solveh_banded(ab, b, lower=False, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.solve(from_band(ab, lower), b)


def _corners(width: int, n: int, lower: Any) -> Any:
    """The elements that belong to no diagonal: SciPy hands them through."""
    row, j = np.indices((width + 1, n))
    return row + j >= n if lower else row + j < width


@_composed(sl.cholesky_banded)
def cholesky_banded(ab, lower=False, check_finite=True):  # type: ignore[no-untyped-def]
    width = ab.shape[-2] - 1
    factor = _banded(np.linalg.cholesky(from_band(ab, lower), upper=not lower), width, lower)
    return np.where(_corners(width, ab.shape[-1], lower), ab, factor)


@_composed(sl.cho_solve_banded)
def cho_solve_banded(cb_and_lower, b, check_finite=True):  # type: ignore[no-untyped-def]
    cb, lower = cb_and_lower
    width = cb.shape[-2] - 1
    factor = dense(cb, width, 0) if lower else adjoint(dense(cb, 0, width))
    return np.linalg.solve(adjoint(factor), np.linalg.solve(factor, b))


def _tridiagonal(d: Any, e: Any) -> Any:
    """The symmetric matrix with the diagonals d and e."""
    return np.diag(d) + np.diag(e, 1) + np.diag(e, -1)


@_composed(sl.eigvalsh_tridiagonal)
def eigvalsh_tridiagonal(d, e, select="a", select_range=None, check_finite=True, tol=0.0, lapack_driver="auto"):  # type: ignore[no-untyped-def]
    return _selected(np.linalg.eigvalsh(_tridiagonal(d, e)), select, select_range)


@_composed(sl.eigvals_banded)
def eigvals_banded(a_band, lower=False, select="a", select_range=None, check_finite=True):  # type: ignore[no-untyped-def]
    return _selected(np.linalg.eigvalsh(from_band(a_band, lower)), select, select_range)


def _selected(w: Any, select: Any, select_range: Any) -> Any:
    if select in ("a", "all", 0):
        return w
    if select in ("i", "index", 2):
        return w[select_range[0] : select_range[1] + 1]
    values = w.data if isinstance(w, Variable) else w
    return w[(values > select_range[0]) & (values <= select_range[1])]


# ---- Toeplitz, Hankel, circulant and block matrices ---------------------------------------------------------


@_composed(sl.block_diag)
def block_diag(*arrs):  # type: ignore[no-untyped-def]
    blocks = [x if x.ndim > 1 else x.reshape(1, -1) for x in [x if hasattr(x, "ndim") else np.asarray(x) for x in arrs]]
    width, at, rows = sum([x.shape[-1] for x in blocks]), 0, []
    for x in blocks:
        left = np.zeros((*x.shape[:-1], at), x.dtype)
        at += x.shape[-1]
        rows.append(np.concatenate([left, x, np.zeros((*x.shape[:-1], width - at), x.dtype)], -1))
    return np.concatenate(rows, -2)


@_composed(sl.toeplitz)
def toeplitz(c, r=None):  # type: ignore[no-untyped-def]
    c = np.ravel(c)
    r = np.conj(c) if r is None else np.ravel(r)
    rows, columns = np.indices((c.shape[0], r.shape[0]))
    return np.concatenate([c[::-1], r[1:]])[c.shape[0] - 1 + columns - rows]


@_composed(sl.hankel)
def hankel(c, r=None):  # type: ignore[no-untyped-def]
    c = np.ravel(c)
    r = np.zeros(c.shape, c.dtype) if r is None else np.ravel(r)
    rows, columns = np.indices((c.shape[0], r.shape[0]))
    return np.concatenate([c, r[1:]])[rows + columns]


@_composed(sl.circulant)
def circulant(c):  # type: ignore[no-untyped-def]
    n = c.shape[-1]
    return c[..., np.subtract.outer(np.arange(n), np.arange(n)) % n]


@_composed(sl.companion)
def companion(a):  # type: ignore[no-untyped-def]
    n = a.shape[-1] - 1
    below = np.broadcast_to(np.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return np.concatenate([(-a[..., 1:] / a[..., :1])[..., None, :], below], -2)


def _toeplitz_of(c_or_cr: Any) -> Any:
    return toeplitz(*c_or_cr) if isinstance(c_or_cr, tuple) else toeplitz(c_or_cr)


@_composed(sl.solve_toeplitz)
def solve_toeplitz(c_or_cr, b, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.solve(_toeplitz_of(c_or_cr), b)


@_composed(sl.matmul_toeplitz)
def matmul_toeplitz(c_or_cr, x, check_finite=False, workers=None):  # type: ignore[no-untyped-def]
    return _toeplitz_of(c_or_cr) @ x


@_composed(sl.khatri_rao)
def khatri_rao(a, b):  # type: ignore[no-untyped-def]
    z = a[..., :, None, :] * b[..., None, :, :]
    return z.reshape(*z.shape[:-3], -1, z.shape[-1])
