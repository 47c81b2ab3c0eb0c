"""Batching of products and of linear algebra, which NumPy runs on stacks of matrices by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import RULES, Batched, batch_of, full, is_batched, level_of, ranked, rewrapped
from .reductions import shifted
from .shaping import rule

# ---- matmul and its like ------------------------------------------------------------------------------------


@rule(np.matmul)
def matmul(level: int, x: Any, y: Any, out: Any = None, **kwargs: Any) -> Any:
    """`numpy.matmul`: a single product of two matrices where one of them is the same in every example."""
    if out is not None or kwargs:
        return NotImplemented
    nx, ny = np.ndim(x), np.ndim(y)
    if not nx or not ny:
        raise ValueError("matmul: input operand does not have enough dimensions")
    own_x, own_y = is_batched(x, level), is_batched(y, level)
    a, b = x.array if own_x else x, y.array if own_y else y
    if own_x and not own_y:
        if ny == 1 or (nx == 1 and ny == 2):
            return Batched(np.matmul(a, b), level)
        if nx == 2 and ny == 2:  # the rows of all examples
            z = np.matmul(a.reshape(a.shape[0] * a.shape[1], a.shape[2]), b)
            return Batched(z.reshape(*a.shape[:2], b.shape[-1]), level)
    elif own_y and not own_x:
        if ny == 1 and nx <= 2:  # the examples are the rows
            return Batched(np.matmul(b, np.transpose(a)), level)
    # in general: stacks of matrices
    left = a[..., None, :] if nx == 1 else a
    right = b[..., None] if ny == 1 else b
    ndim = max(nx, ny, 2)
    if own_x:
        left = left.reshape((left.shape[0],) + (1,) * (ndim + 1 - left.ndim) + left.shape[1:])
    if own_y:
        right = right.reshape((right.shape[0],) + (1,) * (ndim + 1 - right.ndim) + right.shape[1:])
    z = np.matmul(left, right)
    if ny == 1:
        z = z[..., 0]
        return Batched(z[..., 0] if nx == 1 else z, level)
    return Batched(z[..., 0, :] if nx == 1 else z, level)


@rule(np.linalg.matmul)
def linalg_matmul(level: int, x1: Any, x2: Any, /) -> Any:
    """`numpy.linalg.matmul`."""
    return np.matmul(x1, x2)


@rule(np.dot)
def dot(level: int, a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.dot`."""
    if out is not None:
        return NotImplemented
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, (-1, -2))


@rule(np.inner)
def inner(level: int, a: Any, b: Any) -> Any:
    """`numpy.inner`."""
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.tensordot(a, b, (-1, -1))


@rule(np.vdot)
def vdot(level: int, a: Any, b: Any) -> Any:
    """`numpy.vdot`."""
    return np.matmul(np.conj(np.ravel(a)), np.ravel(b))


@rule(np.outer)
def outer(level: int, a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.outer`."""
    if out is not None:
        return NotImplemented
    return np.ravel(a)[:, None] * np.ravel(b)[None, :]


RULES[np.linalg.outer] = lambda level, x1, x2: np.outer(x1, x2)


@rule(np.tensordot)
def tensordot(level: int, a: Any, b: Any, axes: Any = 2) -> Any:
    """`numpy.tensordot`: one product of matrices."""
    na, nb = np.ndim(a), np.ndim(b)
    if isinstance(axes, (int, np.integer)):
        ax, ay = list(range(na - axes, na)), list(range(axes))
    else:
        ax, ay = [[i] if isinstance(i, (int, np.integer)) else list(i) for i in axes]
    ax, ay = [i % na for i in ax], [i % nb for i in ay]
    free_a, free_b = [i for i in range(na) if i not in ax], [i for i in range(nb) if i not in ay]
    sa, sb = np.shape(a), np.shape(b)
    if [sa[i] for i in ax] != [sb[i] for i in ay]:
        raise ValueError("shape-mismatch for sum")
    k = int(np.prod([sa[i] for i in ax]))
    m, n = int(np.prod([sa[i] for i in free_a])), int(np.prod([sb[i] for i in free_b]))
    x = np.reshape(np.transpose(a, (*free_a, *ax)), (m, k))
    y = np.reshape(np.transpose(b, (*ay, *free_b)), (k, n))
    return np.reshape(np.matmul(x, y), [*[sa[i] for i in free_a], *[sb[i] for i in free_b]])


RULES[np.linalg.tensordot] = lambda level, x1, x2, *, axes=2: np.tensordot(x1, x2, axes)


@rule(np.einsum)
def einsum(level: int, *operands: Any, out: Any = None, **options: Any) -> Any:
    """`numpy.einsum`: the batch is one more letter."""
    from ..rules.linalg import _explicit, _letters

    if out is not None:
        return NotImplemented
    if isinstance(operands[0], str):
        subscripts, xs = operands[0].replace(" ", ""), operands[1:]
    else:
        xs, lists = operands[0 : len(operands) // 2 * 2 : 2], operands[1::2]
        target = "->" + _letters(operands[-1]) if len(operands) % 2 else ""
        subscripts = ",".join(map(_letters, lists[: len(xs)])) + target
    terms, output = _explicit(subscripts, [np.ndim(x) for x in xs])
    free = next(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in "".join(terms) + output)
    own = [is_batched(x, level) for x in xs]
    terms = [free + t if o else t for t, o in zip(terms, own, strict=True)]
    arrays = [x.array if o else x for x, o in zip(xs, own, strict=True)]
    return Batched(np.einsum(f"{','.join(terms)}->{free}{output}", *arrays, **options), level)


# ---- functions of matrices: NumPy's work on stacks ----------------------------------------------------------


def _stacked(function: Any) -> Any:
    def apply(level: int, a: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_batched(a, level) or level_of((args, kwargs)) == level:
            return NotImplemented
        return rewrapped(function(a.array, *args, **kwargs), level)

    return apply


for _name in (
    "inv", "det", "slogdet", "eig", "eigh", "eigvals", "eigvalsh", "svd", "svdvals", "qr", "cholesky", "pinv",
    "matrix_power", "matrix_rank", "cond",
):  # fmt: skip
    RULES[getattr(np.linalg, _name)] = _stacked(getattr(np.linalg, _name))


@rule(np.linalg.solve)
def solve(level: int, a: Any, b: Any) -> Any:
    """`numpy.linalg.solve`: with one matrix for all examples, their right-hand sides are columns."""
    vector = np.ndim(b) == 1
    if not is_batched(a, level) and np.ndim(a) == 2 and vector:
        return Batched(np.transpose(np.linalg.solve(a, np.transpose(b.array))), level)
    ndim = max(np.ndim(a), np.ndim(b) + vector)
    batch = batch_of((a, b), level)
    x = full(b, level, batch)
    x = x[..., None] if vector else x
    x = x.reshape((batch,) + (1,) * (ndim + 1 - x.ndim) + x.shape[1:])
    z = np.linalg.solve(ranked(a, level, ndim), x)
    return Batched(z[..., 0] if vector else z, level)


@rule(np.linalg.norm)
def norm(level: int, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """`numpy.linalg.norm`."""
    a = x.array
    if axis is None:
        if ord is None:
            z = Batched(np.linalg.norm(a.reshape(x.batch, -1), axis=1), level)
            return z.reshape((1,) * x.ndim) if keepdims else z
        if x.ndim > 2 or not x.ndim:
            return NotImplemented
        axis = tuple(range(x.ndim)) if x.ndim == 2 else 0
    return Batched(np.linalg.norm(a, ord, shifted(axis, x.ndim), keepdims), level)


@rule(np.linalg.vector_norm)
def vector_norm(level: int, x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """`numpy.linalg.vector_norm`."""
    if axis is None:
        z = Batched(np.linalg.vector_norm(x.array.reshape(x.batch, -1), axis=1, ord=ord), level)
        return z.reshape((1,) * x.ndim) if keepdims else z
    return Batched(np.linalg.vector_norm(x.array, axis=shifted(axis, x.ndim), keepdims=keepdims, ord=ord), level)


RULES[np.linalg.matrix_norm] = _stacked(np.linalg.matrix_norm)
