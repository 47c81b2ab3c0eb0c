"""`linear`, `bilinear` and `embedding`, and their layers."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from ..declare import general
from ..function import give
from ..operation import spread
from ..variable import data_of
from . import init
from .module import Module, Parameter


def _rows(x: Any) -> Any:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _by_rows(x: Any, w: Any) -> Any:
    """x @ w as one product of matrices, where `@` would make one for each leading index of x."""
    if x.ndim < 3 or not type(x) is type(w) is ndarray or x.dtype is not w.dtype:
        return x @ w
    z = np.empty((*x.shape[:-1], w.shape[1]), x.dtype)
    np.matmul(_rows(x), w, out=_rows(z))
    return z


def _linear_value(x: Any, w: Any, b: Any) -> Any:
    z = _by_rows(x, w.T)
    if type(z) is type(b) is ndarray and z.dtype is b.dtype:
        z += b
        return z
    return z + b


def _for_weight(g: Any, x: Any) -> Any:
    return g[:, None] * x if x.ndim == 1 else _rows(g).T @ _rows(x)


def _for_bias(g: Any) -> Any:
    return g if g.ndim == 1 else _rows(g).sum(0)


def _back(self: Any, g: Any, cotangents: dict[Any, Any]) -> None:
    """The rules, without what the engine does for others between them."""
    x, w = self.xs[:2]
    if not type(g) is type(x) is type(w) is ndarray:
        self.back_generic(g, cotangents)
        return
    p, q, *r = self.parents
    if r and r[0] is not None:
        give(cotangents, r[0], _for_bias(g))
    if q is not None:
        give(cotangents, q, _for_weight(g, x))
    if p is not None:
        give(cotangents, p, _by_rows(g, w))


_linear = general(
    "linear",
    _linear_value,
    (
        lambda g, _z, _x, w, _b: _by_rows(g, w),
        lambda g, _z, x, _w, _b: _for_weight(g, x),
        lambda g, _z, _x, _w, _b: _for_bias(g),
    ),
    (
        lambda t, _z, _x, w, _b: _by_rows(t, w.T),
        lambda t, _z, x, _w, _b: _by_rows(x, t.T),
        lambda t, _z, x, _w, _b: spread(t, (*x.shape[:-1], *t.shape)),
    ),
    back=_back,
)
_unbiased = general(
    "linear_unbiased",
    lambda x, w: _by_rows(x, w.T),
    (lambda g, _z, _x, w: _by_rows(g, w), lambda g, _z, x, _w: _for_weight(g, x)),
    (lambda t, _z, _x, w: _by_rows(t, w.T), lambda t, _z, x, _w: _by_rows(x, t.T)),
    back=_back,
)


def _shape(x: Any) -> Any:
    return x.shape if hasattr(x, "shape") else np.shape(data_of(x))


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias.

    Args:
        x: shape (..., inputs).
        weight: shape (outputs, inputs).
        bias: shape (outputs,), or None.

    One operation; its derivative takes two products of matrices.

    Raises:
        ValueError: shapes that don't fit.

    Example:
        >>> wg.nn.linear(np.ones(2), np.array([[1.0, 2.0]]), np.array([0.5]))
        array([3.5])
    """
    xs, ws = _shape(x), _shape(weight)
    if not xs or len(ws) != 2 or xs[-1] != ws[1]:
        raise ValueError(f"linear: x has shape {xs}, but a weight of shape {ws} takes (..., {ws[-1] if ws else '?'})")
    if bias is None:
        return _unbiased(x, weight)
    if _shape(bias) != ws[:1]:
        raise ValueError(f"linear: bias has shape {_shape(bias)}, but a weight of shape {ws} needs {ws[:1]}")
    return _linear(x, weight, bias)


class Linear(Module):
    """x @ weight.T + bias, along the last axis.

    Args:
        in_features: the size of x's last axis; None takes it from the first call.
        out_features: the size of the result's.
        bias: whether to add one.
        rng: a `numpy.random.Generator` or a seed, for the initial values: uniform within 1 / sqrt(in_features).
        dtype: of the parameters.

    `weight` has shape (out_features, in_features), `bias` (out_features,).

    Raises:
        ValueError: x's last axis has another size.

    Example:
        >>> layer = wg.nn.Linear(None, 3, rng=np.random.default_rng(0))
        >>> layer(np.ones((5, 2), np.float32)).shape
        (5, 3)
        >>> layer
        Linear(weight (3, 2), bias (3,), 9 parameters)
    """

    def __init__(
        self, in_features: int | None, out_features: int, *, bias: bool = True, rng: Any = None, dtype: Any = np.float32
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        self.weight: Any = None
        self.bias: Any = Parameter(np.zeros(out_features, dtype)) if bias else None
        self._uniform = partial(init.uniform, rng=init.generator(rng), dtype=np.dtype(dtype))
        if in_features is not None:
            self.build(in_features)

    def build(self, in_features: int) -> None:
        """Make the parameters, for inputs of this size."""
        self.in_features = in_features
        bound = max(in_features, 1) ** -0.5
        self.weight = Parameter(self._uniform((self.out_features, in_features), -bound, bound))
        if self.bias is not None:
            self.bias.data = self._uniform((self.out_features,), -bound, bound)

    def unready(self) -> str | None:
        if self.weight is not None:
            return None
        return "in_features is None until the first call: call the network once, or .build(size), before its parameters"

    def forward(self, x: Any) -> Any:
        if self.weight is None:
            self.build(np.shape(data_of(x))[-1])
        return linear(x, self.weight, self.bias)


def bilinear(x: Any, y: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight[k] @ y for each k, plus bias.

    Args:
        x, y: shapes (..., n) and (..., m), with equal leading axes.
        weight: shape (outputs, n, m).
        bias: shape (outputs,), or None.

    Raises:
        ValueError: shapes that don't fit.
    """
    xs, ys, ws = [np.shape(data_of(a)) for a in (x, y, weight)]
    if xs[:-1] != ys[:-1] or len(ws) != 3 or ws[1:] != (*xs[-1:], *ys[-1:]):
        raise ValueError(
            f"bilinear: x {xs} and y {ys} do not fit a weight of shape {ws}: (..., n), (..., m), (k, n, m)"
        )
    z = np.einsum("...km,...m->...k", np.tensordot(x, weight, ((len(xs) - 1,), (1,))), y)
    return z if bias is None else z + bias


class Bilinear(Module):
    """x @ weight[k] @ y + bias[k] for each output k. `weight` has shape (out_features, in1_features, in2_features)."""

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        rng, bound = init.generator(rng), max(in1_features, 1) ** -0.5
        shape = out_features, in1_features, in2_features
        self.weight = Parameter(init.uniform(shape, -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(init.uniform(shape[:1], -bound, bound, rng=rng, dtype=dtype)) if bias else None

    def forward(self, x: Any, y: Any) -> Any:
        return bilinear(x, y, self.weight, self.bias)


# ---- embedding ----------------------------------------------------------------------------------------------


def _lookup(w: Any, *, index: Any) -> Any:
    return np.take(w, index, axis=0)


def _gathered(g: Any, *, index: Any, rows: int) -> Any:
    """The transpose of a look-up: rows of g added up by index. Sorted, so that each row is written once."""
    flat, g = index.reshape(-1), g.reshape(index.size, -1)
    z = np.zeros((rows, g.shape[1]), g.dtype, like=g)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        where = flat[order]
        first = np.flatnonzero(np.concatenate(([True], where[1:] != where[:-1])))
        z[where[first]] = np.add.reduceat(g[order], first, axis=0)
    return z


def _gather_rows(g: Any, *, index: Any, rows: int, width: tuple[int, ...]) -> Any:
    return _gathered(g, index=index, rows=rows).reshape(rows, *width)


_gather = general(
    "embedding_gather",
    _gather_rows,
    (lambda g, _z, _x, *, index, rows, width: _embedding(g, index=index),),
    (lambda t, _z, _x, *, index, rows, width: _gather(t, index=index, rows=rows, width=width),),
)
_embedding = general(
    "embedding",
    _lookup,
    (lambda g, _z, w_shape, *, index: _gather(g, index=index, rows=w_shape[0], width=w_shape[1:]),),
    (lambda t, _z, _w, *, index: _embedding(t, index=index),),
)


def embedding(index: Any, weight: Any) -> Any:
    """The rows of weight at these integers: shape (*index.shape, *weight.shape[1:]).

    Rows that are read several times get the sum of their gradients, exactly.

    Raises:
        TypeError: index is not of integers.
        IndexError: an integer is not from 0 to rows - 1.

    Example:
        >>> wg.nn.embedding(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([[3., 4.],
               [3., 4.]])
    """
    index = np.asarray(data_of(index))
    rows = np.shape(data_of(weight))[0]
    if index.dtype.kind not in "iu":
        raise TypeError(f"embedding: index is of integers, got {index.dtype}")
    if index.size and not 0 <= index.min() <= index.max() < rows:
        wrong = index[(index < 0) | (index >= rows)][0]
        raise IndexError(f"embedding: index {wrong} is not one of 0 to {rows - 1}")
    return _embedding(weight, index=index)


class Embedding(Module):
    """A vector for each of some integers. `weight` has shape (num_embeddings, embedding_dim), drawn from N(0, 1).

    Args:
        padding_idx: an integer whose vector is 0 at first and stays as it is: no gradient flows to it.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        self.padding_idx = padding_idx
        weight = init.normal((num_embeddings, embedding_dim), rng=rng, dtype=dtype)
        if padding_idx is not None:
            weight[padding_idx] = 0
        self.weight = Parameter(weight)

    def forward(self, index: Any) -> Any:
        z = embedding(index, self.weight)
        if self.padding_idx is None:
            return z
        index, padding = np.asarray(data_of(index)), self.padding_idx % self.weight.shape[0]
        return np.where((index != padding)[..., None], z, self.weight.data[padding])
