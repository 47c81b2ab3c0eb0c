"""`scipy.linalg` for arrays and Variables, by SciPy's names and with its values.

`scipy.linalg`'s own functions refuse a tracked Variable; these take one. `overwrite_*` arguments are ignored: what the
graph holds is never overwritten. Where SciPy reads one triangle of a matrix, the gradient is of that triangle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import scipy.linalg as sl  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("wengert.scipy needs SciPy: pip install 'wengert[scipy]'") from error

from .. import declare
from ..rules import decompositions
from ..variable import Variable, data_of
from .composing import apart, composed


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    return np.conj(_t(x))


def _composed(function: Any) -> Any:
    return composed(function, "linalg")


# ---- systems of equations -----------------------------------------------------------------------------------


def _lower(x: Any) -> Any:
    return np.where(np.tri(x.shape[-2], x.shape[-1], dtype=bool), x, 0)


def _upper(x: Any) -> Any:
    return np.where(~np.tri(x.shape[-2], x.shape[-1], -1, dtype=bool), x, 0)


def _diagonal(x: Any) -> Any:
    return np.where(np.eye(x.shape[-1], dtype=bool), x, 0)


def _from_triangle(x: Any, lower: Any, hermitian: bool) -> Any:
    """The symmetric or Hermitian matrix of which one triangle is read."""
    half = _lower(x) if lower else _upper(x)
    strict = half - _diagonal(x)
    if not hermitian or x.dtype.kind != "c":
        return half + _t(strict)
    return strict + _h(strict) + np.real(_diagonal(x))


def _structured(a: Any, assume_a: Any, lower: Any) -> Any:
    """The matrix that SciPy reads under an assumption about its structure."""
    if assume_a in (None, "gen", "general"):
        return a
    if assume_a in ("sym", "symmetric"):
        return _from_triangle(a, lower, False)
    if assume_a in ("her", "hermitian", "pos", "positive definite"):
        return _from_triangle(a, lower, True)
    if assume_a in ("lower triangular", "upper triangular"):
        return _lower(a) if assume_a.startswith("lower") else _upper(a)
    if assume_a == "diagonal":
        return _diagonal(a)
    if assume_a == "tridiagonal":
        n = a.shape[-1]
        return np.where(np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 1, a, 0)
    return a  # banded: as wide as its elements that are not 0


@_composed(sl.solve)
def solve(a, b, lower=False, check_finite=True, assume_a=None, transposed=False):  # type: ignore[no-untyped-def]
    a = _structured(a, assume_a, lower)
    return np.linalg.solve(_t(a) if transposed else a, b)


@_composed(sl.inv)
def inv(a, check_finite=True, assume_a=None, lower=False):  # type: ignore[no-untyped-def]
    return np.linalg.inv(_structured(a, assume_a, lower))


@_composed(sl.det)
def det(a, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.det(a)


@_composed(sl.solve_triangular)
def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, check_finite=True):  # type: ignore[no-untyped-def]
    a = _lower(a) if lower else _upper(a)
    if unit_diagonal:
        a = np.where(np.eye(a.shape[-1], dtype=bool), 1, a)
    return np.linalg.solve(a if trans in (0, "N") else _t(a) if trans in (1, "T") else _h(a), b)


def _dense(ab: Any, below: int, above: int) -> Any:
    """The matrix whose diagonals are the rows of ab."""
    n = ab.shape[-1]
    i, j = np.indices((n, n))
    row = above + i - j
    inside = (row >= 0) & (row <= below + above)
    return np.where(inside, ab[..., np.where(inside, row, 0), j], 0)


@_composed(sl.solve_banded)
def solve_banded(l_and_u, ab, b, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.solve(_dense(ab, *l_and_u), b)


@_composed(sl.solveh_banded)
def solveh_banded(ab, b, lower=False, check_finite=True):  # type: ignore[no-untyped-def]
    width = ab.shape[-2] - 1
    a = _dense(ab, width, 0) if lower else _dense(ab, 0, width)
    return np.linalg.solve(_from_triangle(a, lower, True), b)


@_composed(sl.lstsq)
def lstsq(a, b, cond=None, check_finite=True, lapack_driver=None):  # type: ignore[no-untyped-def]
    s = np.linalg.svdvals(a)
    cond = float(np.finfo(s.dtype).eps) if cond is None else cond
    x = np.linalg.pinv(a, cond) @ b
    rank = np.sum(data_of(s) > cond * np.max(data_of(s), initial=0))
    residuals = data_of(x)[:0]
    if a.shape[0] > a.shape[1] and rank == a.shape[1] and lapack_driver != "gelsy":
        r = b - a @ x
        residuals = np.sum(np.real(np.conj(r) * r), axis=0)
    return (x, residuals, None) if lapack_driver == "gelsy" else (x, residuals, None, s)


@_composed(sl.pinv)
def pinv(a, *, atol=None, rtol=None, return_rank=False, check_finite=True):  # type: ignore[no-untyped-def]
    largest = np.max(np.linalg.svdvals(data_of(a)), initial=0)
    rtol = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else rtol
    z = np.linalg.pinv(a, rtol + (atol or 0.0) / (largest or 1.0))
    return (z, None) if return_rank else z


# ---- factorizations -----------------------------------------------------------------------------------------


@_composed(sl.cholesky)
def cholesky(a, lower=False, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.cholesky(a, upper=not lower)


@_composed(sl.cho_factor)
def cho_factor(a, lower=False, check_finite=True):  # type: ignore[no-untyped-def]
    factor = np.linalg.cholesky(a, upper=not lower)
    mine = np.tri(a.shape[-1], dtype=bool)
    return np.where(mine if lower else mine.T, factor, a), None  # the other triangle is the argument's


@_composed(sl.cho_solve)
def cho_solve(c_and_lower, b, check_finite=True):  # type: ignore[no-untyped-def]
    c, lower = c_and_lower
    factor = _lower(c) if lower else _h(_upper(c))
    return np.linalg.solve(_h(factor), np.linalg.solve(factor, b))


def _parts(lu: Any) -> tuple[Any, Any]:
    """L and U of one array that holds both."""
    return _lower(np.where(np.eye(lu.shape[-1], dtype=bool), 1, lu)), _upper(lu)


def _order(piv: Any) -> Any:
    """The rows' order after the interchanges that LAPACK notes."""
    piv = np.asarray(data_of(piv))
    order = np.broadcast_to(np.arange(piv.shape[-1]), piv.shape).copy()
    for where in np.ndindex(piv.shape[:-1]):
        for i, k in enumerate(piv[where]):
            order[where][[i, k]] = order[where][[k, i]]
    return order


def _rows(x: Any, order: Any) -> Any:
    """x with its rows in this order."""
    return np.eye(order.shape[-1], dtype=x.dtype)[order] @ x


def _back_rows(x: Any, order: Any) -> Any:
    return _t(np.eye(order.shape[-1], dtype=x.dtype)[order]) @ x


def _pull_lu(gs: Any, zs: Any, _x: Any) -> Any:
    (z, piv), g = zs, np.conj(gs[0])
    lower, upper = _parts(z)
    inside = np.where(np.tri(z.shape[-1], k=-1, dtype=bool), _t(lower) @ g, g @ _t(upper))
    return np.conj(_back_rows(np.linalg.solve(_t(lower), _t(np.linalg.solve(upper, _t(inside)))), _order(piv)))


def _push_lu(t: Any, zs: Any, _x: Any) -> Any:
    z, piv = zs
    lower, upper = _parts(z)
    inside = _t(np.linalg.solve(_t(upper), _t(np.linalg.solve(lower, _rows(t, _order(piv))))))
    strict = np.where(np.tri(z.shape[-1], k=-1, dtype=bool), inside, 0)
    return lower @ strict + (inside - strict) @ upper, np.zeros_like(data_of(piv))


_lu_factor = apart("lu_factor", "linalg", lambda: declare.several("lu_factor", sl.lu_factor, (_pull_lu,), (_push_lu,)))


def _square(a: Any, name: str) -> None:
    if np.shape(a)[-1] != np.shape(a)[-2]:
        raise NotImplementedError(f"scipy.linalg.{name}: only of square matrices is there a derivative rule")


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """`scipy.linalg.lu_factor` for arrays and Variables. Differentiable for square matrices."""
    if not isinstance(a, Variable):
        return sl.lu_factor(a, overwrite_a, check_finite)
    _square(a, "lu_factor")
    lu, piv = _lu_factor(a)
    return lu, data_of(piv)


@_composed(sl.lu_solve)
def lu_solve(lu_and_piv, b, trans=0, check_finite=True):  # type: ignore[no-untyped-def]
    lower, upper = _parts(lu_and_piv[0])
    order = _order(lu_and_piv[1])
    column = b.ndim == 1
    b = b[:, None] if column else b
    if trans == 0:
        x = np.linalg.solve(upper, np.linalg.solve(lower, _rows(b, order)))
    else:
        turn = _t if trans == 1 else _h
        x = _back_rows(np.linalg.solve(turn(lower), np.linalg.solve(turn(upper), b)), order)
    return x[:, 0] if column else x


@_composed(sl.lu)
def lu(a, permute_l=False, check_finite=True, p_indices=False):  # type: ignore[no-untyped-def]
    _square(a, "lu")
    z, piv = _lu_factor(a)
    lower, upper = _parts(z)
    if permute_l:
        return _back_rows(lower, _order(piv)), upper
    return (None, lower, upper) if p_indices else (np.zeros(()), lower, upper)


def _again(name: str, function: Any, op: Any) -> Any:
    """A SciPy function with the rules of NumPy's, where its results are the same but for bits and signs."""
    (pull,), (push,) = op.node.pulls, op.node.pushes

    def without_driver(rule: Any) -> Any:
        return lambda g, zs, x, *, driver=None, **options: rule(g, zs, x, **options)

    return apart(
        name, "linalg", lambda: declare.several(name, function, (without_driver(pull),), (without_driver(push),))
    )


_eigh = _again("eigh", lambda x, *, UPLO, driver: sl.eigh(x, lower=UPLO == "L", driver=driver), decompositions._eigh)
_svd = _again(
    "svd",
    lambda x, *, full_matrices, driver: sl.svd(x, full_matrices, lapack_driver=driver),
    decompositions._svd,
)
_qr = _again("qr", lambda x, *, mode: sl.qr(x, mode="full" if mode == "complete" else "economic"), decompositions._qr)
_eig = _again("eig", sl.eig, decompositions._eig)


def _default(name: str, **options: Any) -> None:
    """Refuse what has no rule by its name."""
    for option, (value, default) in options.items():
        if value is not default and (default is None or value != default):
            raise NotImplementedError(f"scipy.linalg.{name}: {option}= has no derivative rule; leave it at {default!r}")


def _rest(name: str, kwargs: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The options of a call, with `overwrite_*` left out and those refused that have no rule."""
    kwargs = {k: v for k, v in kwargs.items() if not k.startswith("overwrite_")}
    for option, default in defaults.items():
        if option in kwargs:
            _default(name, **{option: (kwargs.pop(option), default)})
    return kwargs


def eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, **options: Any) -> Any:
    """`scipy.linalg.eigh` for arrays and Variables, of the ordinary problem. Differentiable, as `numpy.linalg.eigh`."""
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return sl.eigh(a, b, lower=lower, eigvals_only=eigvals_only, **options)
    if eigvals_only:
        return eigvalsh(a, b, lower=lower, **options)
    _default("eigh", b=(b, None))
    options = _rest("eigh", options, type=1, check_finite=True, subset_by_index=None, subset_by_value=None)
    return _eigh(a, UPLO="L" if lower else "U", driver=options.pop("driver", None), **options)


@_composed(sl.eigvalsh)
def eigvalsh(
    a, b=None, *, lower=True, type=1, check_finite=True, subset_by_index=None, subset_by_value=None, driver=None
):  # type: ignore[no-untyped-def]
    w = np.linalg.eigvalsh(a, "L" if lower else "U")
    return w if subset_by_index is None else w[..., subset_by_index[0] : subset_by_index[1] + 1]


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, **options: Any) -> Any:
    """`scipy.linalg.svd` for arrays and Variables. Differentiable, as `numpy.linalg.svd`."""
    if not isinstance(a, Variable):
        return sl.svd(a, full_matrices, compute_uv, **options)
    if not compute_uv:
        return svdvals(a)
    options = _rest("svd", options, check_finite=True)
    return _svd(a, full_matrices=full_matrices, driver=options.pop("lapack_driver", "gesdd"), **options)


@_composed(sl.svdvals)
def svdvals(a, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.svdvals(a)


def qr(
    a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False, **options: Any
) -> Any:
    """`scipy.linalg.qr` for arrays and Variables. Differentiable, as `numpy.linalg.qr`."""
    if not isinstance(a, Variable):
        return sl.qr(a, overwrite_a, lwork, mode, pivoting, **options)
    _default("qr", pivoting=(pivoting, False))
    _rest("qr", options, check_finite=True)
    if mode not in ("full", "economic", "r"):
        raise NotImplementedError(f"scipy.linalg.qr: mode={mode!r} has no derivative rule; use 'full' or 'economic'")
    z = _qr(a, mode="reduced" if mode == "economic" else "complete")
    return z[1:] if mode == "r" else z


def eig(a: Any, b: Any = None, left: bool = False, right: bool = True, **options: Any) -> Any:
    """`scipy.linalg.eig` for arrays and Variables: eigenvalues and right eigenvectors. Differentiable."""
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return sl.eig(a, b, left, right, **options)
    _default("eig", b=(b, None), left=(left, False), right=(right, True))
    _rest("eig", options, check_finite=True, homogeneous_eigvals=False)
    return _eig(a)


# ---- functions of matrices ----------------------------------------------------------------------------------
# The upper right block of f([[X, E], [0, X]]) is f's derivative at X along E (R. Mathias, "A chain rule for matrix
# functions and applications", SIAM J. Matrix Anal. Appl. 17, 1996).


def _along(f: Any, x: Any, e: Any) -> Any:
    n = x.shape[-1]
    zero = np.zeros(x.shape, x.dtype)
    upper, lower = np.concatenate([x, e], -1), np.concatenate([zero, x], -1)
    return f(np.concatenate([upper, lower], -2))[..., :n, n:]


def _matrix_function(function: Any) -> Any:
    """Declare a holomorphic function of square matrices."""
    name = function.__name__
    rule = (lambda g, _z, x: _along(op, _t(x), g),)
    push = (lambda t, _z, x: _along(op, x, t),)
    op = apart(name, "linalg", lambda: declare.general(name, function, rule, push, matrix_function=True))
    return op


expm = _matrix_function(sl.expm)
_logm = _matrix_function(sl.logm)
_sqrtm = apart(
    "sqrtm",
    "linalg",
    lambda: declare.general(
        "sqrtm",
        sl.sqrtm,
        (lambda g, z, _x: _sylvester(_t(z), _t(z), g),),
        (lambda t, z, _x: _sylvester(z, z, t),),
    ),
)
_sylvester = apart(
    "solve_sylvester",
    "linalg",
    lambda: declare.general(
        "solve_sylvester",
        sl.solve_sylvester,
        (
            lambda g, z, a, b, _q: -_sylvester(_t(a), _t(b), g) @ _t(z),
            lambda g, z, a, b, _q: -_t(z) @ _sylvester(_t(a), _t(b), g),
            lambda g, _z, a, b, _q: _sylvester(_t(a), _t(b), g),
        ),
        (
            lambda t, z, a, b, _q: -_sylvester(a, b, t @ z),
            lambda t, z, a, b, _q: -_sylvester(a, b, z @ t),
            lambda t, _z, a, b, _q: _sylvester(a, b, t),
        ),
        below=(0, 1),
    ),
)


def logm(A: Any) -> Any:
    """`scipy.linalg.logm` for arrays and Variables. Differentiable."""
    return _logm(A)


def sqrtm(A: Any) -> Any:
    """`scipy.linalg.sqrtm` for arrays and Variables. Differentiable where the root is."""
    return _sqrtm(A)


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """`scipy.linalg.solve_sylvester` for arrays and Variables. Differentiable."""
    return _sylvester(a, b, q)


@_composed(sl.expm_frechet)
def expm_frechet(A, E, method=None, compute_expm=True, check_finite=True):  # type: ignore[no-untyped-def]
    z = _along(expm, A, E)
    return (expm(A), z) if compute_expm else z


def _both(sign: int, factor: Any) -> Any:
    def value(A: Any) -> Any:
        if factor == 1:
            return (expm(A) + sign * expm(-A)) / 2
        if A.dtype.kind == "c":
            return (expm(1j * A) + sign * expm(-1j * A)) / (2 if sign > 0 else 2j)
        return np.real(expm(1j * A)) if sign > 0 else np.imag(expm(1j * A))

    return value


cosm = _composed(sl.cosm)(_both(1, 1j))
sinm = _composed(sl.sinm)(_both(-1, 1j))
coshm = _composed(sl.coshm)(_both(1, 1))
sinhm = _composed(sl.sinhm)(_both(-1, 1))
tanm = _composed(sl.tanm)(lambda A: np.linalg.solve(_both(1, 1j)(A), _both(-1, 1j)(A)))
tanhm = _composed(sl.tanhm)(lambda A: np.linalg.solve(_both(1, 1)(A), _both(-1, 1)(A)))


@_composed(sl.solve_continuous_lyapunov)
def solve_continuous_lyapunov(a, q):  # type: ignore[no-untyped-def]
    return _sylvester(a, _h(a), q)


@_composed(sl.solve_discrete_lyapunov)
def solve_discrete_lyapunov(a, q, method=None):  # type: ignore[no-untyped-def]
    n = a.shape[-1]
    both = np.einsum("ij,kl->ikjl", a, np.conj(a)).reshape(n * n, n * n)
    return np.linalg.solve(np.eye(n * n) - both, q.reshape(n * n)).reshape(n, n)


@_composed(sl.polar)
def polar(a, side="right"):  # type: ignore[no-untyped-def]
    w, s, vh = np.linalg.svd(a, full_matrices=False)
    u = w @ vh
    return u, (_h(vh) * s) @ vh if side == "right" else (w * s) @ _h(w)


@_composed(sl.norm)
def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.norm(a, ord, axis, keepdims)


# ---- matrices of special structure --------------------------------------------------------------------------


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


@_composed(sl.solve_toeplitz)
def solve_toeplitz(c_or_cr, b, check_finite=True):  # type: ignore[no-untyped-def]
    a = toeplitz(*c_or_cr) if isinstance(c_or_cr, tuple) else toeplitz(c_or_cr)
    return np.linalg.solve(a, b)


@_composed(sl.khatri_rao)
def khatri_rao(a, b):  # type: ignore[no-untyped-def]
    z = a[..., :, None, :] * b[..., None, :, :]
    return z.reshape(*z.shape[:-3], -1, z.shape[-1])


def __getattr__(name: str) -> Any:
    getattr(sl, name)
    raise AttributeError(f"wengert.scipy.linalg.{name}: not differentiable here; use scipy.linalg.{name} on .data")
