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
from .linalg_structured import (
    adjoint as _h,
    block_diag as block_diag,
    cho_solve_banded as cho_solve_banded,
    cholesky_banded as cholesky_banded,
    circulant as circulant,
    companion as companion,
    diagonal_part as _diagonal,
    eigvals_banded as eigvals_banded,
    eigvalsh_tridiagonal as eigvalsh_tridiagonal,
    from_triangle as _from_triangle,
    hankel as hankel,
    khatri_rao as khatri_rao,
    lower_part as _lower,
    matmul_toeplitz as matmul_toeplitz,
    solve_banded as solve_banded,
    solve_toeplitz as solve_toeplitz,
    solveh_banded as solveh_banded,
    toeplitz as toeplitz,
    transposed as _t,
    upper_part as _upper,
)


def _composed(function: Any) -> Any:
    return composed(function, "linalg")


# ---- systems of equations -----------------------------------------------------------------------------------


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


@_composed(sl.pinvh)
def pinvh(a, atol=None, rtol=None, lower=True, return_rank=False, check_finite=True):  # type: ignore[no-untyped-def]
    a = _from_triangle(a, lower, True)
    sizes = np.abs(np.linalg.eigvalsh(data_of(a)))
    rtol = a.shape[-1] * np.finfo(a.dtype).eps if rtol is None else rtol
    z = np.linalg.pinv(a, rtol + (atol or 0.0) / (np.max(sizes, initial=0) or 1.0), hermitian=True)
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


def _order(piv: Any, rows: int | None = None) -> Any:
    """The rows' order after the interchanges that LAPACK notes."""
    piv = np.asarray(data_of(piv))
    rows = piv.shape[-1] if rows is None else rows
    order = np.broadcast_to(np.arange(rows), (*piv.shape[:-1], rows)).copy()
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


def _factors(a: Any, order: Any) -> tuple[Any, Any]:
    """L and U of any shape, the rows' order given: of the leading square block, and what follows for the others."""
    m, n = a.shape[-2:]
    k = min(m, n)
    a = _rows(a, order)
    lower, upper = _parts(_lu_factor(a[..., :k, :k])[0])
    if m > k:
        below = _t(np.linalg.solve(_t(upper), _t(a[..., k:, :])))
        return np.concatenate([lower, below], -2), upper
    return lower, np.concatenate([upper, np.linalg.solve(lower, a[..., k:])], -1) if n > k else upper


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """`scipy.linalg.lu_factor` for arrays and Variables. Differentiable."""
    if not isinstance(a, Variable):
        return sl.lu_factor(a, overwrite_a, check_finite)
    if a.shape[-1] != a.shape[-2]:
        return _lu_factor_oblong(a, check_finite=check_finite)
    z, piv = _lu_factor(a)
    return z, data_of(piv)


@_composed(sl.lu_factor)
def _lu_factor_oblong(a, check_finite=True):  # type: ignore[no-untyped-def]
    lower, upper = _factors(a, _order(sl.lu_factor(data_of(a))[1], a.shape[-2]))
    rows, columns = lower.shape[-1], upper.shape[-1]
    z = np.concatenate([lower[..., :rows, :] + upper[..., :rows] - np.eye(rows), lower[..., rows:, :]], -2)
    return (z if columns == rows else np.concatenate([z, upper[..., rows:]], -1)), None


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
    back = sl.lu(data_of(a), p_indices=True)[0]  # the rows of L at which A's are
    lower, upper = _factors(a, np.argsort(back, -1))
    if permute_l:
        return _back_rows(lower, np.argsort(back, -1)), upper
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
    """`scipy.linalg.eigh` for arrays and Variables, with b too. Differentiable, as `numpy.linalg.eigh`."""
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return sl.eigh(a, b, lower=lower, eigvals_only=eigvals_only, **options)
    if eigvals_only:
        return eigvalsh(a, b, lower=lower, **options)
    if b is None and not {"subset_by_index", "subset_by_value"} & {k for k, v in options.items() if v is not None}:
        options = _rest("eigh", options, type=1, check_finite=True, subset_by_index=None, subset_by_value=None)
        return _eigh(a, UPLO="L" if lower else "U", driver=options.pop("driver", None), **options)
    return _eigh_of_two(a, b, lower=lower, **options)


def _reduced(a: Any, b: Any, lower: Any, type: int) -> tuple[Any, Any, Any]:
    """The ordinary problem for a generalized one: its matrix, and B's factor L and its adjoint (None without b)."""
    a = _from_triangle(a, lower, True)
    if b is None:
        return a, None, None
    factor = np.linalg.cholesky(_from_triangle(b, lower, True))
    if type == 1:  # A v = w B v
        return np.linalg.solve(factor, _h(np.linalg.solve(factor, _h(a)))), factor, _h(factor)
    return _h(factor) @ a @ factor, factor, _h(factor)  # A B v = w v, B A v = w v


def _chosen(w: Any, index: Any, value: Any) -> Any:
    """Which of the eigenvalues are asked for."""
    if index is not None:
        return slice(index[0], index[1] + 1)
    return slice(None) if value is None else np.flatnonzero((data_of(w) > value[0]) & (data_of(w) <= value[1]))


@_composed(sl.eigh)
def _eigh_of_two(
    a, b=None, *, lower=True, eigvals_only=False, type=1, check_finite=True, subset_by_index=None, subset_by_value=None,
    driver=None,
):  # type: ignore[no-untyped-def]  # fmt: skip
    matrix, factor, turned = _reduced(a, b, lower, type)
    w, y = np.linalg.eigh(matrix)
    keep = _chosen(w, subset_by_index, subset_by_value)
    w, y = w[keep], y[:, keep]
    v = y if factor is None else factor @ y if type == 3 else np.linalg.solve(turned, y)
    options = {"lower": lower, "type": type, "subset_by_index": subset_by_index, "subset_by_value": subset_by_value}
    found = sl.eigh(data_of(a), data_of(b), driver=driver, **options)[1]
    phase = np.sum(np.conj(data_of(v)) * found, 0)  # the vectors that SciPy has chosen
    return w, v * (phase / np.abs(phase))


@_composed(sl.eigvalsh)
def eigvalsh(
    a, b=None, *, lower=True, type=1, check_finite=True, subset_by_index=None, subset_by_value=None, driver=None
):  # type: ignore[no-untyped-def]
    w = np.linalg.eigvalsh(_reduced(a, b, lower, type)[0])
    return w[_chosen(w, subset_by_index, subset_by_value)]


def _plain_eigvals(given: dict[str, Any]) -> None:
    _default("eigvals", homogeneous_eigvals=(given.get("homogeneous_eigvals", False), False))


@composed(sl.eigvals, "linalg", _plain_eigvals)
def eigvals(a, b=None, check_finite=True, homogeneous_eigvals=False):  # type: ignore[no-untyped-def]
    matrix = a if b is None else np.linalg.solve(b, a)
    w, found = np.linalg.eigvals(matrix), sl.eigvals(data_of(a), data_of(b))
    order: list[int] = []
    for value in found:  # in SciPy's order
        distance = np.abs(data_of(w) - value)
        distance[order] = np.inf
        order.append(int(np.argmin(distance)))
    return w[order] * np.ones((), found.dtype)


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


def _with_pivots(rule: Any) -> Any:
    """A rule of QR for that of the columns in the order P."""

    def pull(gs: Any, zs: Any, x: Any, *, mode: Any) -> Any:
        p = data_of(zs[2])
        return rule(gs[:2], zs[:2], x[:, p], mode=mode)[:, np.argsort(p)]

    return pull


def _push_pivoted(t: Any, zs: Any, x: Any, *, mode: Any) -> Any:
    p = data_of(zs[2])
    tq, tr = decompositions._qr.node.pushes[0](t[:, p], zs[:2], x[:, p], mode=mode)
    return tq, tr, np.zeros(p.shape)


_qr_pivoted = apart(
    "qr",
    "linalg",
    lambda: declare.several(
        "qr",
        lambda x, *, mode: sl.qr(x, mode="full" if mode == "complete" else "economic", pivoting=True),
        (_with_pivots(decompositions._qr.node.pulls[0]),),
        (_push_pivoted,),
    ),
)


def qr(
    a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False, **options: Any
) -> Any:
    """`scipy.linalg.qr` for arrays and Variables. Differentiable, as `numpy.linalg.qr`."""
    if not isinstance(a, Variable):
        return sl.qr(a, overwrite_a, lwork, mode, pivoting, **options)
    _rest("qr", options, check_finite=True)
    if mode not in ("full", "economic", "r"):
        raise NotImplementedError(f"scipy.linalg.qr: mode={mode!r} has no derivative rule; use 'full' or 'economic'")
    kind = "reduced" if mode == "economic" else "complete"
    if pivoting:
        q, r, p = _qr_pivoted(a, mode=kind)
        return (r, data_of(p)) if mode == "r" else (q, r, data_of(p))
    z = _qr(a, mode=kind)
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


def _riccati(a: Any, b: Any, q: Any, r: Any, x: Any, discrete: bool) -> Any:
    """Newton's method from the solution x, a constant: each step doubles the order up to which derivatives are right.

    Kleinman, "On an iterative technique for Riccati equation computations", IEEE Trans. Automatic Control 13, 1968.
    """
    for _ in range(3):
        gain = np.linalg.solve(r + _h(b) @ x @ b, _h(b) @ x @ a) if discrete else np.linalg.solve(r, _h(b) @ x)
        closed, cost = _h(a - b @ gain), q + _h(gain) @ r @ gain
        x = solve_discrete_lyapunov(closed, cost) if discrete else solve_continuous_lyapunov(closed, -cost)
    return x


def _solution(name: str, function: Any, discrete: bool) -> Any:
    @_composed(function)
    def are(a, b, q, r, e=None, s=None, balanced=True):  # type: ignore[no-untyped-def]
        x = data_of(np.asarray(function(*[data_of(v) for v in (a, b, q, r)], balanced=balanced)))
        return _riccati(a, b, q, r, x, discrete)

    def call(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
        if e is not None or s is not None:
            raise NotImplementedError(f"scipy.linalg.{name}: e= and s= have no derivative rule; leave them out")
        return are(a, b, q, r, balanced=balanced)

    call.__name__, call.__doc__ = name, are.__doc__
    return call


solve_continuous_are = _solution("solve_continuous_are", sl.solve_continuous_are, False)
solve_discrete_are = _solution("solve_discrete_are", sl.solve_discrete_are, True)


@_composed(sl.polar)
def polar(a, side="right"):  # type: ignore[no-untyped-def]
    w, s, vh = np.linalg.svd(a, full_matrices=False)
    u = w @ vh
    return u, (_h(vh) * s) @ vh if side == "right" else (w * s) @ _h(w)


@_composed(sl.norm)
def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):  # type: ignore[no-untyped-def]
    return np.linalg.norm(a, ord, axis, keepdims)


def fractional_matrix_power(A: Any, t: Any) -> Any:
    """`scipy.linalg.fractional_matrix_power` for arrays and Variables. Differentiable in A."""
    if not isinstance(A, Variable):
        return sl.fractional_matrix_power(A, data_of(t))
    return _power(A, t=data_of(t))


_power = apart(
    "fractional_matrix_power",
    "linalg",
    lambda: declare.general(
        "fractional_matrix_power",
        lambda x, *, t: np.asarray(sl.fractional_matrix_power(x, t)),
        (lambda g, _z, x, *, t: _along(lambda v: _power(v, t=t), _t(x), g),),
        (lambda d, _z, x, *, t: _along(lambda v: _power(v, t=t), x, d),),
    ),
)


def __getattr__(name: str) -> Any:
    getattr(sl, name)
    raise AttributeError(f"wengert.scipy.linalg.{name}: not differentiable here; use scipy.linalg.{name} on .data")
