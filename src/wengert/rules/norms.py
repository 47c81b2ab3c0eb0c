"""Derivatives of norms of vectors and matrices, and of the condition number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..composed import composed
from ..declare import implements, linear
from ..variable import data_of
from .elementwise import nonzero
from .reductions import kept
from .solving import repeated, vanishing

# A norm is real: its derivative is a field W with dz = Re sum(conj(W) dx), which serves both modes. At a kink it is
# the subgradient of least norm: 0 at 0, and equal shares for those that are tied.


def _winners(values: Any, best: Any, axis: Any) -> Any:
    """Which values are the extreme along axis: 1/k each for k tied ones."""
    values = data_of(values)
    won = values == best(values, axis=axis, keepdims=True)
    return won / np.sum(won, axis=axis, keepdims=True).astype(values.dtype)


def _vector(x: Any, z: Any, ord: Any, axis: Any) -> Any:
    if ord == 0:
        return np.zeros_like(x)  # a count
    if ord in (np.inf, -np.inf):
        return np.sign(x) * _winners(np.abs(x), np.max if ord > 0 else np.min, axis)
    if ord == 1:
        return np.sign(x)
    ratio = nonzero(np.abs(x)) / nonzero(z)
    return np.where(data_of(z) == 0, 0, np.sign(x) * ratio ** (ord - 1))


def _sums(x: Any, ord: Any, axis: Any) -> Any:
    """The largest or smallest sum of absolute values, of columns (1, -1) or rows (inf, -inf)."""
    along, across = axis if abs(ord) == 1 else axis[::-1]
    sums = np.sum(np.abs(data_of(x)), axis=along, keepdims=True)
    return np.sign(x) * _winners(sums, np.max if ord > 0 else np.min, across)


def _spectral(x: Any, ord: Any, axis: Any) -> Any:
    """The largest singular value (2), the smallest (-2), or the sum of all (nuc)."""
    u, s, vh = np.linalg.svd(np.moveaxis(x, axis, (-2, -1)), full_matrices=False)
    s, share = data_of(s), 1.0
    if ord != "nuc":
        same = repeated(s)[..., 0 if ord == 2 else -1, :]
        share = same / np.sum(same, axis=-1, keepdims=True).astype(s.dtype)
    return np.moveaxis((u * (share * ~vanishing(s))[..., None, :]) @ vh, (-2, -1), axis)


def _slope(x: Any, z: Any, ord: Any, axis: Any, keepdims: Any) -> Any:
    """The field W."""
    z, ndim = kept(z, x.shape, axis, keepdims), x.ndim
    if ord is None or (axis is None and ((ord in ("f", "fro") and ndim == 2) or (ord == 2 and ndim == 1))):
        return x / nonzero(z)
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (int(axis),)
    if len(axes) == 1:
        return x / nonzero(z) if ord == 2 else _vector(x, z, ord, axes[0])
    if ord in ("f", "fro"):
        return x / nonzero(z)
    return _spectral(x, ord, axes) if ord in (2, -2, "nuc") else _sums(x, ord, axes)


def _push_norm(t: Any, z: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    w = _slope(x, z, ord, axis, bool(keepdims))
    axis = axis if axis is None or isinstance(axis, tuple) else int(axis)
    return np.sum(np.real(np.conj(w) * t), axis=axis, keepdims=bool(keepdims))


@linear(np.linalg.norm, push=_push_norm, holomorphic=False)
def norm(g: Any, z: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    return kept(np.real(g), x.shape, axis, bool(keepdims)) * _slope(x, z, ord, axis, bool(keepdims))


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    """`numpy.linalg.matrix_norm` for arrays and Variables. Differentiable."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    """`numpy.linalg.vector_norm` for arrays and Variables. Differentiable."""
    shape = np.shape(x)
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = [a % len(shape) for a in axes]
    if axis is None:
        x, axis = np.ravel(x), 0
    elif isinstance(axis, tuple):
        rest = tuple([i for i in range(len(shape)) if i not in gone])
        count = int(np.prod([shape[i] for i in gone]))
        x, axis = np.reshape(np.transpose(x, (*axis, *rest)), (count, *[shape[i] for i in rest])), 0
    z = norm(x, ord, axis)
    return np.reshape(z, [1 if i in gone else n for i, n in enumerate(shape)]) if keepdims else z


@composed(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p is None or p in (2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))
