"""Derivatives of inverses, solutions of linear systems, determinants, and products of many matrices."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import forward, reverse
from ..batching.array import any_array, memory
from ..declare import constant_functions, general, implements, linear, several
from ..recording import recorded
from ..variable import Variable, data_of, wrap
from . import linalg

# ---- what the rules are written in --------------------------------------------------------------------------


def adjoint(x: Any) -> Any:
    """The conjugate transpose of each matrix."""
    return np.conj(np.swapaxes(x, -1, -2)) if x.dtype.kind == "c" else np.swapaxes(x, -1, -2)


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def over(x: Any, y: Any) -> Any:
    """x y^-1, without the inverse."""
    return _t(np.linalg.solve(_t(y), _t(x)))


def diagonal(x: Any) -> Any:
    """The diagonal of each matrix."""
    return np.einsum("...ii->...i", x)


def masked(mask: Any, x: Any) -> Any:
    """x where the mask is set, else 0."""
    return np.where(mask, x, 0)


def largest(w: Any) -> Any:
    """The largest absolute value of each row of w."""
    return np.max(np.abs(data_of(w)), axis=-1, keepdims=True, initial=0)


def repeated(w: Any) -> Any:
    """Which pairs of values are the same up to rounding (each with itself, too)."""
    w, n = data_of(w), w.shape[-1]
    gap = np.abs(w[..., None, :] - w[..., :, None])
    return (gap <= 10 * n * np.finfo(gap.dtype).eps * largest(w)[..., None]) | np.eye(n, dtype=bool)


def vanishing(s: Any) -> Any:
    """Which singular values are zero up to rounding."""
    s = data_of(s)
    return s <= 10 * s.shape[-1] * np.finfo(s.dtype).eps * largest(s)


# ---- inverses and solutions (Giles 2008) --------------------------------------------------------------------


@linear(np.linalg.inv, push=lambda t, z, _x: -z @ t @ z)
def inv(g: Any, z: Any, _x: Any) -> Any:
    return -_t(z) @ g @ _t(z)


def _pull_solve_x(g: Any, z: Any, x: Any, y_shape: Any) -> Any:
    if len(y_shape) == 1:
        return -np.linalg.solve(_t(x), g[..., None]) * z[..., None, :]
    return -np.linalg.solve(_t(x), g) @ _t(z)


def _pull_solve_y(g: Any, _z: Any, x: Any, y_shape: Any) -> Any:
    if len(y_shape) == 1:
        return np.linalg.solve(_t(x), g[..., None])[..., 0]
    return np.linalg.solve(_t(x), g)


def _push_solve_x(t: Any, z: Any, x: Any, y_shape: Any) -> Any:
    if len(y_shape) == 1:
        return -np.linalg.solve(x, t @ z[..., None])[..., 0]
    return -np.linalg.solve(x, t @ z)


solve = implements(np.linalg.solve)(
    general(
        "solve",
        np.linalg.solve,
        (_pull_solve_x, _pull_solve_y),
        (_push_solve_x, lambda t, _z, x, _y: np.linalg.solve(x, t)),
        broadcasts=True,
        below=(0,),
    )
)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """`numpy.linalg.tensorsolve` for arrays and Variables. Differentiable."""
    ndim = np.ndim(a)
    if axes is not None:
        order = list(range(ndim))
        for axis in axes:
            order.remove(axis)
            order.insert(ndim, axis)
        a = np.transpose(a, order)
    shape = np.shape(a)[-(ndim - np.ndim(b)) :]
    n = int(np.prod(shape))
    if np.size(a) != n * n:
        raise np.linalg.LinAlgError(f"tensorsolve: a has shape {np.shape(a)}, which is no square matrix for b's axes")
    return np.reshape(np.linalg.solve(np.reshape(a, (n, n)), np.ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """`numpy.linalg.tensorinv` for arrays and Variables. Differentiable."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = np.shape(a)
    return np.reshape(np.linalg.inv(np.reshape(a, (int(np.prod(shape[ind:])), -1))), shape[ind:] + shape[:ind])


# ---- determinants -------------------------------------------------------------------------------------------


def _cofactors(z: Any, x: Any) -> Any:
    """The derivative of det: det(x) x^-T, and minors where x has no inverse."""
    a, n = data_of(x), x.shape[-1]
    try:
        inverse = np.linalg.inv(a)
        size = np.sum(np.abs(inverse) ** 2, axis=(-2, -1)) * np.sum(np.abs(a) ** 2, axis=(-2, -1))
        regular = bool(np.all(memory(np.sqrt(size)) < 1e-3 / np.finfo(a.dtype).eps))
    except np.linalg.LinAlgError:
        regular = False
    if regular:
        return z[..., None, None] * _t(np.linalg.inv(x))
    others = np.array([[i for i in range(n) if i != k] for k in range(n)], np.intp).reshape(n, n - 1)
    minors = np.linalg.det(x[..., others[:, None, :, None], others[None, :, None, :]])
    return minors * np.asarray((-1) ** np.add.outer(np.arange(n), np.arange(n)), np.abs(a).dtype)


@linear(np.linalg.det, push=lambda t, z, x: np.sum(t * _cofactors(z, x), axis=(-2, -1)))
def det(g: Any, z: Any, x: Any) -> Any:
    return g[..., None, None] * _cofactors(z, x)


def _inverse_where_used(x: Any, logdet: Any, c: Any) -> Any:
    """x^-1; a singular matrix without a cotangent c has no part in it."""
    unused = np.isneginf(data_of(logdet)) & (data_of(c) == 0)
    return np.linalg.inv(np.where(unused[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x))


def _pull_slogdet(gs: Any, zs: Any, x: Any) -> Any:
    sign, logdet = zs
    g = np.real(gs[1])
    if x.dtype.kind == "c":
        g = g + 1j * np.imag(np.conj(sign) * gs[0])
    return g[..., None, None] * adjoint(_inverse_where_used(x, logdet, g))


def _push_slogdet(t: Any, zs: Any, x: Any) -> Any:
    sign, logdet = zs
    change = np.sum(t * _t(_inverse_where_used(x, logdet, np.any(data_of(t) != 0, axis=(-2, -1)))), axis=(-2, -1))
    return sign * (1j * np.imag(change)) if x.dtype.kind == "c" else sign * 0, np.real(change)


_slogdet = several("slogdet", np.linalg.slogdet, (_pull_slogdet,), (_push_slogdet,))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """`numpy.linalg.slogdet` for arrays and Variables. Differentiable."""
    return _slogdet(a)


# ---- pseudo-inverse and least squares -----------------------------------------------------------------------


def _whole(x: Any, hermitian: Any) -> Any:
    """The matrix that NumPy reads: of a Hermitian one the lower triangle alone."""
    if not hermitian:
        return x
    n = x.shape[-1]
    lower = masked(np.tri(n, k=-1, dtype=bool), x)
    return lower + adjoint(lower) + masked(np.eye(n, dtype=bool), np.real(x))


def _push_pinv(t: Any, z: Any, x: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = None) -> Any:
    x, t, zh = _whole(x, hermitian), adjoint(_whole(t, hermitian)), adjoint(z)
    here = z @ zh @ (t - t @ x @ z)  # the change of the row space, and of the column space
    return here + (t - z @ (x @ t)) @ zh @ z - z @ adjoint(t) @ z


_NOT_GIVEN: Any = object()


@linear(np.linalg.pinv, push=_push_pinv, holomorphic=False)
def _pinv(g: Any, z: Any, x: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = None) -> Any:
    x, zh, gh = _whole(x, hermitian), adjoint(z), adjoint(g)
    here = (gh - x @ (z @ gh)) @ z @ zh
    g_x = here + zh @ z @ (gh - (gh @ z) @ x) - zh @ g @ zh
    if not hermitian:
        return g_x
    n = x.shape[-1]
    both = masked(np.tri(n, k=-1, dtype=bool), g_x + adjoint(g_x))
    return both + masked(np.eye(n, dtype=bool), np.real(g_x))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NOT_GIVEN) -> Any:
    """`numpy.linalg.pinv` for arrays and Variables. Differentiable among matrices of the same rank.

    G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate", SIAM Journal on Numerical Analysis 10 (1973). Where rcond discards singular values that are
    not zero, by way of the singular value decomposition.
    """
    options: dict[str, Any] = {"rcond": data_of(rcond), "hermitian": hermitian}
    if rtol is not _NOT_GIVEN:
        options["rtol"] = data_of(rtol)
    relative = options.get("rtol") if rcond is None else options["rcond"]
    if relative is None or (rcond is not None and "rtol" in options) or np.size(a) == 0:
        return _pinv(a, **options)
    s = np.linalg.svd(data_of(a), compute_uv=False, hermitian=hermitian)
    largest = np.max(s, axis=-1, keepdims=True)
    noise = 10 * max(a.shape[-2:]) * np.finfo(s.dtype).eps * largest
    if not np.any(memory((s > noise) & (s <= any_array(relative)[..., None] * largest))):
        return _pinv(a, **options)
    u, s, vh = np.linalg.svd(np.conj(a), full_matrices=False, hermitian=hermitian)
    kept = data_of(s) > any_array(relative)[..., None] * np.max(data_of(s), axis=-1, keepdims=True)
    s = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return np.matmul(_t(vh), s[..., None] * _t(u))


def _fit(a: Any, b: Any, rcond: Any) -> tuple[Any, Any, Any]:
    """The solution, the sums of squared residuals, and the singular values."""
    x = np.linalg.pinv(a, rcond) @ b
    r = b - a @ x
    squares = np.sum(np.real(np.conj(r) * r), axis=0, keepdims=b.ndim == 1)
    return x, squares, np.linalg.svdvals(a)


def _traced_fit(zs: Any, xs: Any, rcond: Any) -> Any:
    """The fit on Variables, and which of its results those of lstsq correspond to."""
    if rcond is None:
        rcond = np.finfo(np.float64).eps * max(np.shape(xs[0]))
    with recorded():
        a, b = [reverse.argument(x) for x in xs]
        return (a, b), list(zip(_fit(a, b, max(rcond, 0.0)), (zs[0], zs[1], zs[3]), strict=True))


def _pull_lstsq(i: int, gs: Any, zs: Any, xs: Any, rcond: Any) -> Any:
    vs, results = _traced_fit(zs, xs, rcond)
    graph = any([isinstance(g, Variable) for g in gs])
    pairs = [(y, g) for (y, z), g in zip(results, (gs[0], gs[1], gs[3]), strict=True) if z.size and y._node is not None]
    seeds = [wrap(g, None) if graph and not isinstance(g, Variable) else g for _, g in pairs]
    (t,) = reverse.pull([y._node for y, _ in pairs], seeds, [vs[i]._node], graph)
    return vs[i]._array * 0 if t is None else t


def _push_lstsq(i: int, t: Any, zs: Any, xs: Any, rcond: Any) -> Any:
    vs, results = _traced_fit(zs, xs, rcond)
    nodes = [y._node for y, z in results if z.size and y._node is not None]
    found = dict(zip(nodes, forward.push(nodes, [vs[i]._node], [t], isinstance(t, Variable)), strict=True))
    ts = [found.get(y._node) if y._node is not None else None for y, _ in results]
    tx, tr, s = [np.zeros_like(data_of(z)) if t is None else t for t, (_, z) in zip(ts, results, strict=True)]
    return tx, tr, np.zeros(()), s


_lstsq = several(
    "lstsq",
    np.linalg.lstsq,
    (
        lambda gs, zs, a, b, *, rcond: _pull_lstsq(0, gs, zs, (a, b), rcond),
        lambda gs, zs, a, b, *, rcond: _pull_lstsq(1, gs, zs, (a, b), rcond),
    ),
    (
        lambda t, zs, a, b, *, rcond: _push_lstsq(0, t, zs, (a, b), rcond),
        lambda t, zs, a, b, *, rcond: _push_lstsq(1, t, zs, (a, b), rcond),
    ),
)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """`numpy.linalg.lstsq` for arrays and Variables. The solution, residuals and singular values are differentiable."""
    x, residuals, rank, s = _lstsq(a, b, rcond=data_of(rcond))
    return x, residuals, data_of(rank)[()], s


constant_functions(np.linalg.matrix_rank)

# ---- products of many matrices ------------------------------------------------------------------------------


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """`numpy.linalg.matrix_power` for arrays and Variables. Differentiable."""
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError("matrix_power: n, the exponent, must be an integer") from None
    shape = np.shape(a)
    if not isinstance(a, Variable) or len(shape) < 2 or shape[-1] != shape[-2]:
        return np.linalg.matrix_power(data_of(a), n)
    return _power(a, n)


def _power(a: Any, n: int) -> Any:
    if n == 0:
        return np.where(True, np.eye(a.shape[-1], dtype=a.dtype), a).astype(a.dtype, copy=False)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 3:
        return (a @ a) @ a  # in NumPy's order, whose rounding is the same
    power = result = None
    while n > 0:
        power = a if power is None else power @ power
        n, bit = divmod(n, 2)
        if bit:
            result = power if result is None else result @ power
    return result


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """`numpy.linalg.multi_dot` for arrays and Variables, in the order of least work. Differentiable.

    T. H. Cormen et al., "Introduction to Algorithms", chapter 15.2.
    """
    if out is not None:
        raise TypeError("multi_dot: out= would write a tracked result into a plain array; leave it out")
    arrays = [any_array(x) for x in arrays]
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(arrays) == 2:
        return np.dot(*arrays)
    first, last = arrays[0].ndim, arrays[-1].ndim
    if first == 1:
        arrays[0] = arrays[0][None, :]
    if last == 1:
        arrays[-1] = arrays[-1][:, None]
    for x in arrays:
        if x.ndim != 2:
            raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    z = _chain(arrays, _cheapest([len(arrays[0]), *[x.shape[1] for x in arrays]]), 0, len(arrays) - 1)
    return z[0, 0] if first == last == 1 else np.ravel(z) if 1 in (first, last) else z


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """For matrices i to j of these sizes: after which of them to split the product."""
    n = len(sizes) - 1
    costs, splits = {(i, i): 0 for i in range(n)}, {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            work = {k: costs[i, k] + costs[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            splits[i, j] = min(work, key=work.__getitem__)
            costs[i, j] = work[splits[i, j]]
    return splits


def _chain(arrays: Any, splits: Any, i: int, j: int) -> Any:
    if i == j:
        return arrays[i]
    return np.dot(_chain(arrays, splits, i, splits[i, j]), _chain(arrays, splits, splits[i, j] + 1, j))


# ---- products of stacked vectors and matrices; vecdot and vecmat conjugate their first argument -------------

implements(np.linalg.matmul)(linalg.matmul)
implements(np.linalg.tensordot)(linalg.tensordot)

vecdot = general(
    "vecdot",
    np.vecdot,
    (lambda g, _z, _x, y: np.conj(g)[..., None] * y, lambda g, _z, x, _y: g[..., None] * x),
    (lambda t, _z, _x, y: np.vecdot(t, y), lambda t, _z, x, _y: np.vecdot(x, t)),
    broadcasts=True,
    holomorphic=False,
)
implements(np.vecdot)(vecdot)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.linalg.vecdot` for arrays and Variables. Differentiable."""
    return vecdot(x1, x2) if axis == -1 else vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


if hasattr(np, "matvec"):  # NumPy 2.2 and newer
    matvec = general(
        "matvec",
        np.matvec,
        (lambda g, _z, _x, y: g[..., None] * y[..., None, :], lambda g, _z, x, _y: np.matvec(_t(x), g)),
        (lambda t, _z, _x, y: np.matvec(t, y), lambda t, _z, x, _y: np.matvec(x, t)),
        broadcasts=True,
    )
    vecmat = general(
        "vecmat",
        np.vecmat,
        (lambda g, _z, _x, y: np.matvec(y, np.conj(g)), lambda g, _z, x, _y: x[..., None] * g[..., None, :]),
        (lambda t, _z, _x, y: np.vecmat(t, y), lambda t, _z, x, _y: np.vecmat(x, t)),
        broadcasts=True,
        holomorphic=False,
    )
    implements(np.matvec)(matvec)
    implements(np.vecmat)(vecmat)
