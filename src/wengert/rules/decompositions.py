"""Derivatives of factorizations: Cholesky, QR, eigenvalues and eigenvectors, singular values and vectors.

Eigenvectors and singular vectors are determined up to a phase only, and those of a repeated value up to a change of
basis. A loss that does not depend on that choice has a gradient; one that is seen to depend on it gets an error. The
rules are pull-backs themselves, for complex matrices too: what flows to X is the G with dL = Re tr(G^H dX).

Sources: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008); M. Seeger et al., "Auto-differentiating linear algebra" (2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import reverse
from ..batching.array import memory
from ..declare import implements, linear, several
from ..function import NeedsVariables, Once, Pick
from ..variable import Variable, data_of, wrap
from . import norms, solving
from .solving import adjoint, diagonal, largest, masked, over, repeated, vanishing

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "norms", "qr", "solving", "svd", "svdvals"]


def _like(g: Any, z: Any) -> Any:
    """The cotangent of z: where z is real, an imaginary part means nothing."""
    return g if z.dtype.kind == "c" else np.real(g)


def _strict(n: int, uplo: str) -> Any:
    lower = np.tri(n, k=-1, dtype=bool)
    return lower if uplo == "L" else lower.T


def _completed(t: Any, uplo: str) -> Any:
    """The Hermitian matrix that NumPy makes of one triangle of t."""
    part = masked(_strict(t.shape[-1], uplo), t)
    return part + adjoint(part) + masked(np.eye(t.shape[-1], dtype=bool), np.real(t))


def _folded(g: Any, uplo: str) -> Any:
    """The transpose of `_completed`: what flows to the triangle that NumPy reads."""
    return masked(_strict(g.shape[-1], uplo), g + adjoint(g)) + masked(np.eye(g.shape[-1], dtype=bool), np.real(g))


# ---- Cholesky: A = L L^H (Seeger et al. 2017) ---------------------------------------------------------------


def _half(x: Any) -> Any:
    """The lower triangle with half the diagonal, which is real."""
    n = x.shape[-1]
    return masked(_strict(n, "L"), x) + masked(np.eye(n, dtype=bool), np.real(x) / 2)


def _push_cholesky(t: Any, z: Any, _x: Any, *, upper: Any = False) -> Any:
    factor = adjoint(z) if upper else z
    x = np.linalg.solve(factor, _completed(t, "U" if upper else "L"))
    change = factor @ _half(adjoint(np.linalg.solve(factor, adjoint(x))))
    return adjoint(change) if upper else change


@linear(np.linalg.cholesky, push=_push_cholesky, holomorphic=False)
def cholesky(g: Any, z: Any, _x: Any, *, upper: Any = False) -> Any:
    g, factor = (adjoint(g), adjoint(z)) if upper else (g, z)
    x = np.linalg.solve(adjoint(factor), _half(adjoint(factor) @ _like(g, z)))
    return _folded(over(x, factor), "U" if upper else "L")


# ---- QR: R has a real diagonal, so that Q is determined -----------------------------------------------------


def _rotation(x: Any) -> Any:
    """The anti-Hermitian part that leaves an upper triangle with a real diagonal."""
    n = x.shape[-1]
    lower = masked(_strict(n, "L"), x)
    rotation = lower - adjoint(lower)
    return rotation + masked(np.eye(n, dtype=bool), 1j * np.imag(x)) if x.dtype.kind == "c" else rotation


def _blocks(x_shape: tuple[int, ...], q: Any, r: Any) -> tuple[int, Any, Any]:
    """The first k = min(m, n) columns of q, and the triangle that belongs to them."""
    k = min(x_shape[-2:])
    diag = np.abs(data_of(diagonal(r[..., :k, :k])))
    least = diag.shape[-1] * np.finfo(diag.dtype).eps * np.max(diag, axis=-1, keepdims=True, initial=0)
    if np.any(memory(diag <= least)):
        raise np.linalg.LinAlgError("qr: the columns are linearly dependent, where Q and R have no derivative")
    return k, q[..., :k], r[..., :k, :k]


def _pull_qr(gs: Any, zs: Any, x: Any, *, mode: Any) -> Any:
    gq, gr = _like(gs[0], zs[0]), _like(gs[1], zs[1])
    (m, n), (k, q, r) = x.shape[-2:], _blocks(x.shape, *zs)
    g, wide = gq[..., :k], gr[..., :k, k:]
    if n > k:
        g = g + x[..., k:] @ adjoint(wide)
    middle = gr[..., :k, :k] @ adjoint(r)
    inside = adjoint(q) @ g
    w = inside - middle
    strict = masked(_strict(k, "L"), w - adjoint(w))
    if x.dtype.kind == "c":
        strict = strict + masked(np.eye(k, dtype=bool), 1j * np.imag(w))
    g_x = q @ (middle + strict)
    if m > k:
        g_x = g_x + g - q @ inside
        if zs[0].shape[-1] > k:
            rest, g_rest = zs[0][..., k:], gq[..., k:]
            _independent("qr", "the columns of Q beyond those of A", _skew(adjoint(rest) @ g_rest), g_rest)
            g_x = g_x - rest @ (adjoint(g_rest) @ q)
    g_x = over(g_x, adjoint(r))
    return np.concatenate([g_x, q @ wide], -1) if n > k else g_x


def _push_qr(t: Any, zs: Any, x: Any, *, mode: Any) -> Any:
    (m, n), (k, q, r) = x.shape[-2:], _blocks(x.shape, *zs)
    change = over(t[..., :k], r)
    inside = adjoint(q) @ change
    rotation = _rotation(inside)
    tq, tr = q @ rotation, masked(~_strict(k, "L"), (inside - rotation) @ r)
    if m > k:
        tq = tq + change - q @ inside
    if n > k:
        tr = np.concatenate([tr, adjoint(q) @ t[..., k:] + adjoint(tq) @ x[..., k:]], -1)
    if zs[0].shape[-1] > k:
        rest = zs[0][..., k:]
        tq = np.concatenate([tq, -q @ (adjoint(change) @ rest)], -1)
        tr = np.concatenate([tr, np.zeros((*tr.shape[:-2], m - k, n), tr.dtype)], -2)
    return tq, tr


_qr = several("qr", lambda x, *, mode: np.linalg.qr(x, mode), (_pull_qr,), (_push_qr,))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """`numpy.linalg.qr` for arrays and Variables. Differentiable where the columns are independent.

    Roberts and Roberts, "QR and LQ decomposition matrix backpropagation algorithms" (2020).
    """
    if mode in ("raw", "e", "economic"):
        raise TypeError(f"qr: mode={mode!r} has no derivative rule; use 'reduced', 'complete' or 'r'")
    return _qr(a, mode="reduced")[1] if mode == "r" else _qr(a, mode=mode)


# ---- what does not depend on the choice of vectors ----------------------------------------------------------


def _skew(k: Any) -> Any:
    return k - adjoint(k)


def _independent(name: str, of: str, bad: Any, scale: Any) -> None:
    """Refuse a loss for which `bad`, where it should vanish, does not in comparison with `scale`."""
    bad, scale = np.abs(data_of(bad)), np.abs(data_of(scale))
    most = np.sqrt(np.finfo(bad.dtype).eps) * np.max(scale, axis=(-2, -1), keepdims=True, initial=0)
    if np.any(memory(bad > most)):
        raise np.linalg.LinAlgError(
            f"{name}: the derivative is not determined: the result depends on the choice of {of}, or cannot be told "
            "from one that does; use what needs no such choice (a norm, a trace, inv, eigvalsh or svdvals alone)"
        )


def _inverse(d: Any, zero: Any) -> Any:
    """1 / d, and 0 where d is zero up to rounding."""
    return ~zero / np.where(zero, 1, d)


def _inverse_gaps(w: Any, same: Any) -> Any:
    """1 / (w_j - w_i), and 0 for a repeated value."""
    return _inverse(w[..., None, :] - w[..., :, None], same)


def _shared(g: Any, same: Any) -> Any:
    """Repeated values share their cotangents equally: the subgradient of least norm."""
    share = same / np.sum(same, axis=-1, keepdims=True).astype(np.abs(data_of(g)).dtype)
    return (share @ g[..., None])[..., 0]


def _weights(k: Any, g: Any, w: Any) -> Any:
    """The size of the cotangents k (of vectors) and g (of the values w), in the units of k."""
    size = largest(w)
    return np.abs(data_of(k)) + (np.abs(data_of(g)) * np.where(size == 0, 1, size))[..., None, :]


def _told_apart(same: Any, k: Any, g: Any, w: Any) -> Any:
    """How far a loss tells the vectors of a repeated value apart, for each pair.

    A change of basis among them must leave it as it is. Of k = V^H dL/dV and the cotangents g of the values, nothing
    but a multiple of the identity in that block is known to come from such a loss.
    """
    n, size, d = k.shape[-1], largest(w), diagonal(k)
    g = g * np.where(size == 0, 1, size)
    apart = np.abs(k) + np.abs(d[..., None, :] - d[..., :, None]) + np.abs(g[..., None, :] - g[..., :, None])
    return masked(same & ~np.eye(n, dtype=bool), apart)


def _check_choice(name: str, same: Any, k: Any, g: Any, w: Any) -> None:
    """Refuse a loss that depends on the phases of complex vectors, or on the vectors of a repeated value."""
    k, g = data_of(k), data_of(g)
    if k.dtype.kind == "c":
        phases = masked(np.eye(k.shape[-1], dtype=bool), np.imag(k))
        _independent(name, "the phases of complex vectors", phases, _weights(k, g, w))
    if some_repeated(same):
        _independent(name, "the vectors of a repeated value", _told_apart(same, k, g, w), _weights(k, g, w))


def some_repeated(same: Any) -> bool:
    """Whether a value is repeated, given which pairs are the same."""
    return bool(np.any(memory(same & ~np.eye(same.shape[-1], dtype=bool))))


def _on_diagonal(x: Any) -> Any:
    """The diagonal matrices of the vectors x."""
    return masked(np.eye(x.shape[-1], dtype=bool), x[..., None, :])


# ---- repeated values: what flows to their vectors, differentiated ---------------------------------------------
# Let B be the vectors of a repeated eigenvalue, and L a loss that does not depend on their choice. A small change E of
# A turns them to B Q, where Q diagonalises B^H E B, and moves their values by d, its eigenvalues, so that
# dL = sum_i g_i(Q) d_i with g_i(Q) = dL/dw_i at B Q. Since L is differentiable, g(Q) is the diagonal of Q^H G Q for a
# Hermitian G, and dL = tr(G B^H E B). The cotangent of w at hand, g(1), is the diagonal of G alone. The rest of G shows
# in a turn of the vectors: with Q = exp(W), sum_i r_i g_i has the derivative 2 Re sum_(i<j) (r_i - r_j) G_ij W_ji for
# any r. So these rules differentiate what flows to them. The same holds for singular values: U and V turn together.


def _variables(name: str, v: Any) -> None:
    """Let the walk be run again on Variables, if it runs on arrays."""
    if not isinstance(v, Variable):
        raise NeedsVariables(f"{name}: the gradient at a repeated value is found by backward, grad and vjp alone")


def _turned(name: str, gw: Any, gvs: Any, vs: Any, same: Any, gradients: Any) -> Any:
    """G outside its diagonal. Variables gw and gvs are what flows to the values and to the vectors, vs.

    gradients(y, graph) gives those of the scalar y in vs. An error if the loss changes in a turn, to second order, or
    gw otherwise than a G would let it.
    """
    g, n = data_of(gw), same.shape[-1]
    k = sum([adjoint(v.data) @ data_of(gv) for gv, v in zip(gvs, vs, strict=True)])
    one = np.eye(n, dtype=bool)
    rng, pairs = np.random.default_rng(0), same & ~one

    def off_diagonal(r: Any, found: Any) -> Any:
        m = sum([adjoint(v.data) @ data_of(t) for t, v in zip(found, vs, strict=True)])
        return masked(pairs, adjoint(m) - m) * _inverse(2 * (r[:, None] - r), one)

    r, other = [np.asarray(rng.permutation(n) + rng.uniform(1.0, 1.5), g.dtype) for _ in range(2)]
    off, bent = off_diagonal(r, gradients(np.sum(gw * r), False)), gradients(np.sum(gw * other), True)
    whole = off + _on_diagonal(g)
    turn = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if k.dtype.kind == "c" else 0)
    turn = masked(pairs, _skew(np.asarray(turn, k.dtype)))

    def second(found: Any) -> Any:
        """Of what has these gradients: the second derivative along the turn, for each matrix."""
        along = sum([np.sum(np.real(np.conj(t) * (v @ turn))) for t, v in zip(found, vs, strict=True)])
        pairs = zip(gradients(along, False), vs, strict=True)
        return sum([np.sum(np.real(np.conj(t) * (v.data @ turn)), axis=(-2, -1), keepdims=True) for t, v in pairs])

    expected = whole @ turn @ turn + turn @ turn @ whole - 2 * turn @ whole @ turn
    excess = second(bent) - np.sum(other * np.real(diagonal(expected)), -1)[..., None, None]
    wrong = np.abs(masked(pairs, _skew(k))) + np.abs(off - off_diagonal(other, bent))
    wrong = wrong + (np.abs(second(gvs)) + np.abs(excess)) / n**3
    scale = np.abs(k) + np.abs(whole)
    if k.dtype.kind == "c":
        _independent(name, "the phases of complex vectors", masked(one, np.imag(k)), scale)
    _independent(name, "the vectors of a repeated value", wrong, scale)
    return off


def _gradient_in(y: Any, v: Variable, graph: bool = False) -> Any:
    """The gradient of the real scalar y in v, one of the results of a call."""
    made = v._node
    places = []
    if isinstance(y, Variable) and y._node is not None:
        history = reverse.history([y._node], made.p.serial)
        places = [n for n in history if isinstance(n, Pick) and n.p is made.p and n.k == made.k]
    if not places:
        return v.data * 0
    one = np.ones((), y.dtype)
    found = reverse.pull([y._node], [wrap(one, None) if graph else one], places, graph)
    return sum([t for t in found if t is not None], v.data * 0)


def _last(name: str, t: Any, same: Any, *sources: Any) -> Any:
    """t; at a repeated value without a derivative: its formula is that of the point alone."""
    if not isinstance(t, Variable) or not some_repeated(same):
        return t
    error = np.linalg.LinAlgError(f"{name}: there is no second derivative here at a repeated value")
    return wrap(t._array, Once(error, (t._node, *[x._node for x in sources if isinstance(x, Variable)])))


# ---- Hermitian eigenvalues and eigenvectors (Giles 2008) ----------------------------------------------------


def _pull_eigh(gs: Any, zs: Any, _x: Any, *, UPLO: str) -> Any:
    w, v = zs
    gw, k, same = np.real(gs[0]), adjoint(v) @ _like(gs[1], v), repeated(w)
    inside = _on_diagonal(gw) + _inverse_gaps(w, same) * k
    if not some_repeated(same):
        _check_choice("eigh", same, k, gw, w)
        return _folded(v @ inside @ adjoint(v), UPLO.upper())
    _variables("eigh", v)
    inside = inside + _turned("eigh", gw, [_like(gs[1], v)], [v], same, lambda y, graph: [_gradient_in(y, v, graph)])
    return _last("eigh", _folded(v @ inside @ adjoint(v), UPLO.upper()), same, *gs)


def _push_eigh(t: Any, zs: Any, _x: Any, *, UPLO: str) -> Any:
    w, v = zs
    change, same = adjoint(v) @ _completed(t, UPLO.upper()) @ v, repeated(w)
    tw = np.real(diagonal(change))
    _check_choice("eigh in forward mode", same, change, tw, w * 0)
    return tw, v @ (_inverse_gaps(w, same) * change)


_eigh = several("eigh", lambda x, *, UPLO: np.linalg.eigh(x, UPLO), (_pull_eigh,), (_push_eigh,))


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """`numpy.linalg.eigh` for arrays and Variables. Differentiable; the gradient is of the triangle that NumPy reads.

    With repeated eigenvalues, first derivatives in reverse mode of losses that do not depend on the choice of
    eigenvectors (a function of the matrix, a projection); an error otherwise.
    """
    return _eigh(a, UPLO=UPLO)


def _push_eigvalsh(t: Any, z: Any, x: Any, UPLO: Any = "L") -> Any:
    v, same = np.linalg.eigh(x, UPLO)[1], repeated(z)
    tz = _shared(np.real(diagonal(adjoint(v) @ _completed(t, UPLO.upper()) @ v)), same)
    return _last("eigvalsh", tz, same)


@linear(np.linalg.eigvalsh, push=_push_eigvalsh, holomorphic=False)
def eigvalsh(g: Any, z: Any, x: Any, UPLO: Any = "L") -> Any:
    v, same = np.linalg.eigh(x, UPLO)[1], repeated(z)
    t = _folded((v * _shared(np.real(g), same)[..., None, :]) @ adjoint(v), UPLO.upper())
    return _last("eigvalsh", t, same)


# ---- eigenvalues and eigenvectors of any square matrix, these of length 1 (Giles 2008) ----------------------


def _check_defective(name: str, same: Any, v: Any) -> None:
    if some_repeated(same):
        s = np.linalg.svdvals(data_of(v))
        if np.any(memory(s[..., -1] <= 100 * s.shape[-1] * np.finfo(s.dtype).eps * s[..., 0])):
            raise np.linalg.LinAlgError(
                f"{name}: the matrix has too few eigenvectors (it is defective), and its eigenvalues no derivative"
            )


def _pull_eig(gs: Any, zs: Any, x: Any) -> Any:
    w, v = zs
    vh, same = adjoint(v), repeated(w)
    gw, k = _like(gs[0], w), vh @ _like(gs[1], v)
    along = np.real(diagonal(k))[..., None, :]
    across = k - (vh @ v) * along  # a change of length does not show
    _check_defective("eig", same, v)
    _check_choice("eig", same, across + masked(np.eye(w.shape[-1], dtype=bool), along), gw, w)
    if some_repeated(same):
        _variables("eig", v)
        r = np.asarray(np.arange(1, w.shape[-1] + 1) * (1 + 0.5j if gw.dtype.kind == "c" else 1), gw.dtype)
        turns = adjoint(v.data) @ _gradient_in(np.sum(np.real(np.conj(r) * gw)), v)
        turns = turns - (adjoint(v.data) @ v.data) * np.real(diagonal(turns))[..., None, :]
        _independent(
            "eig",
            "the vectors of a repeated value",
            masked(same, turns),
            np.abs(data_of(k)) + np.abs(data_of(gw))[..., None, :],
        )
    inside = _on_diagonal(gw) + np.conj(_inverse_gaps(w, same)) * across
    return _last("eig", _like(np.linalg.solve(vh, inside @ vh), x), same, *gs)


def _push_eig(t: Any, zs: Any, _x: Any) -> Any:
    w, v = zs
    change, same = np.linalg.solve(v, t @ v), repeated(w)
    tw = diagonal(change)
    _check_defective("eig", same, v)
    if some_repeated(same):
        apart = _told_apart(same, data_of(change), data_of(tw), data_of(w) * 0)
        _independent("eig in forward mode", "the vectors of a repeated value", apart, change)
    tv = v @ (_inverse_gaps(w, same) * change)
    return tw, tv - v * np.real(diagonal(adjoint(v) @ tv))[..., None, :]


_eig = several("eig", np.linalg.eig, (_pull_eig,), (_push_eig,))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """`numpy.linalg.eig` for arrays and Variables. Differentiable.

    With repeated eigenvalues, for losses to which all their vectors count alike (a trace, those of other values); an
    error otherwise.
    """
    return _eig(a)


def _nearest(w: Any, z: Any) -> Any:
    """For each of w where it is among z, which holds the same values, perhaps in another order."""
    if not w.size:
        return np.zeros(w.shape, np.intp)
    return np.argmin(np.abs(data_of(w)[..., :, None] - data_of(z)[..., None, :]), axis=-1)


def taken(x: Any, places: Any) -> Any:
    """The elements of x at places along the last axis."""
    return x[(*np.indices(places.shape, sparse=True)[:-1], places)]


def _push_eigvals(t: Any, z: Any, x: Any) -> Any:
    w, v = np.linalg.eig(x)
    _check_defective("eigvals", repeated(w), v)
    tz = taken(_shared(diagonal(np.linalg.solve(v, t @ v)), repeated(w)), _nearest(z, w))
    return _last("eigvals", tz, repeated(w))


@linear(np.linalg.eigvals, push=_push_eigvals, holomorphic=False)
def eigvals(g: Any, z: Any, x: Any) -> Any:
    w, v = np.linalg.eig(x)
    _check_defective("eigvals", repeated(w), v)
    gw = taken(_shared(_like(g, z), repeated(z)), _nearest(w, z))
    return _last("eigvals", _like(np.linalg.solve(adjoint(v), gw[..., None] * adjoint(v)), x), repeated(w))


# ---- singular values and vectors ----------------------------------------------------------------------------
# With dU = U P and dV = V Q, P and Q anti-Hermitian, and E = U^H dX V: the equation dX = d(U S V^H) splits into
# P + Q = (E + E^H) / (s_j - s_i) and P - Q = (E - E^H) / (s_i + s_j).


def _divisors(s: Any) -> tuple[Any, Any, Any, Any]:
    """The repeated and the zero singular values, 1 / (s_j - s_i) and 1 / (s_i + s_j)."""
    same, zero = repeated(s), vanishing(s)
    both = zero[..., None, :] & zero[..., :, None]
    return same, zero, _inverse_gaps(s, same), _inverse(s[..., None, :] + s[..., :, None], both)


def _apart_from_zero(s: Any) -> Any:
    """The repeated singular values other than 0."""
    zero = vanishing(s)
    return repeated(s) & ~(zero[..., None, :] & zero[..., :, None]) | np.eye(s.shape[-1], dtype=bool)


def _check_svd(name: str, same: Any, zero: Any, both: Any, apart: Any, g: Any, s: Any) -> None:
    """`_check_choice` for the sum `both`; for the difference `apart` too where a singular value is zero."""
    _check_choice(name, same, both, g, s)
    if np.any(memory(zero)):
        diag = np.eye(s.shape[-1], dtype=bool)
        k, g = data_of(apart), data_of(g)
        bad = np.abs(np.where(diag, np.imag(k), k)) * zero[..., :, None] + masked(diag, np.abs(g)[..., None, :])
        _independent(name, "the vectors of a singular value 0", masked(zero[..., None, :], bad), _weights(k, g, s))


def _beyond(u: Any, g: Any, inside: Any, zero: Any) -> Any:
    """What flows to dU outside the span of the first k columns of u; those after them are any basis of the rest."""
    k = inside.shape[-1]
    out = g[..., :k] - u[..., :k] @ inside
    if u.shape[-1] > k:
        rest, g_rest = u[..., k:], g[..., k:]
        _independent("svd", "the vectors that complete U or V", _skew(adjoint(rest) @ g_rest), g_rest)
        out = out - rest @ (adjoint(g_rest) @ u[..., :k])
    _independent("svd", "the vectors of a singular value 0", masked(zero[..., None, :], out), g)
    return out


def _pull_svd(gs: Any, zs: Any, x: Any, *, full_matrices: Any) -> Any:
    u, s, v = zs[0], zs[1], adjoint(zs[2])
    gu, g, gv = _like(gs[0], u), np.real(gs[1]), adjoint(_like(gs[2], v))
    (m, n), k = x.shape[-2:], s.shape[-1]
    uk, vk = u[..., :k], v[..., :k]
    ku, kv = adjoint(uk) @ gu[..., :k], adjoint(vk) @ gv[..., :k]
    same, zero, gaps, sums = _divisors(s)
    inside = _on_diagonal(g) + (gaps * _skew(ku + kv) + sums * _skew(ku - kv)) / 2
    _check_svd("svd", same & ~_apart_from_zero(s) | np.eye(k, dtype=bool), zero, ku + kv, ku - kv, g, s)
    if some_repeated(same):
        _variables("svd", u)

        def gradients(y: Any, graph: bool) -> Any:
            return _gradient_in(y, zs[0], graph)[..., :k], adjoint(_gradient_in(y, zs[2], graph))[..., :k]

        inside = inside + _turned("svd", g, [gu[..., :k], gv[..., :k]], [uk, vk], _apart_from_zero(s), gradients)
        for t in gradients(np.sum(g * np.arange(1, k + 1, dtype=g.dtype)), False):
            _independent(
                "svd",
                "the vectors of a singular value 0",
                masked(zero[..., None, :], t),
                np.abs(data_of(g))[..., None, :],
            )
    inverse = _inverse(s, zero)[..., None, :]
    left = uk @ inside
    if m > k:
        left = left + _beyond(u, gu, ku, zero) * inverse
    g_x = left @ adjoint(vk)
    return _last(
        "svd", g_x if n == k else g_x + uk @ adjoint(_beyond(v, gv, kv, zero) * inverse), _apart_from_zero(s), *gs
    )


def _moved(u: Any, change: Any, rotation: Any, inverse: Any) -> Any:
    """The tangent of u: what its first k columns are rotated by, and how they leave their span."""
    k = rotation.shape[-1]
    uk = u[..., :k]
    out = (change - uk @ (adjoint(uk) @ change)) * inverse if u.shape[-2] > k else change * 0
    t = uk @ rotation + out
    return t if u.shape[-1] == k else np.concatenate([t, -uk @ (adjoint(out) @ u[..., k:])], -1)


def _push_svd(t: Any, zs: Any, _x: Any, *, full_matrices: Any) -> Any:
    u, s, v = zs[0], zs[1], adjoint(zs[2])
    k = s.shape[-1]
    uk, vk = u[..., :k], v[..., :k]
    e = adjoint(uk) @ t @ vk
    same, zero, gaps, sums = _divisors(s)
    ts = np.real(diagonal(e))
    _check_svd("svd in forward mode", same, zero, e + adjoint(e), _skew(e), ts, s * 0)
    both, apart = gaps * (e + adjoint(e)) / 2, sums * _skew(e) / 2
    inverse = _inverse(s, zero)[..., None, :]
    tv = _moved(v, adjoint(t) @ uk, both - apart, inverse)
    return _moved(u, t @ vk, both + apart, inverse), ts, adjoint(tv)


_svd = several(
    "svd", lambda x, *, full_matrices: np.linalg.svd(x, full_matrices=full_matrices), (_pull_svd,), (_push_svd,)
)


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """`numpy.linalg.svd` for arrays and Variables. Differentiable, as `eigh` is.

    J. Townsend, "Differentiating the singular value decomposition" (2016); Z.-Q. Wan and S.-X. Zhang, "Automatic
    differentiation for complex valued SVD" (2019).
    """
    if not hermitian:
        return _svd(a, full_matrices=full_matrices) if compute_uv else svdvals(a)
    w, u = eigh(a) if compute_uv else (eigvalsh(a), None)
    s = np.abs(w)
    order = np.argsort(data_of(s))[..., ::-1]
    if u is None:
        return taken(s, order)
    sign = taken(np.copysign(1.0, data_of(w)), order)
    u = taken(u, np.broadcast_to(order[..., None, :], u.shape))
    result = type(np.linalg.svd(np.eye(1)))  # NumPy's named tuple
    return result(u, taken(s, order), np.conj(np.swapaxes(u * sign[..., None, :], -1, -2)))


def _push_svdvals(t: Any, z: Any, x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    tz = _shared(np.real(diagonal(adjoint(u) @ t @ adjoint(vh))), repeated(z)) * ~vanishing(z)
    return _last("svdvals", tz, _apart_from_zero(z))


@linear(np.linalg.svdvals, push=_push_svdvals, holomorphic=False)
def svdvals(g: Any, z: Any, x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    t = (u * (_shared(np.real(g), repeated(z)) * ~vanishing(z))[..., None, :]) @ vh  # the kink at 0: 0
    return _last("svdvals", t, _apart_from_zero(z))
