"""Attention, and where a token is in its sequence. Sequences are (batch, length, features)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..variable import data_of
from . import init
from .activations import softmax, softmax_in_place
from .affine import linear
from .fused import Fused, blocks, fused
from .layers import dropout
from .module import Module, Parameter

# ---- positions ----------------------------------------------------------------------------------------------


def sinusoidal_positions(length: int, features: int, *, base: float = 10000.0, dtype: Any = np.float32) -> Any:
    """A vector for each position: sines (even places) and cosines (odd ones) of position / base**(2 i / features).

    To be added to embeddings; shape (length, features) (Vaswani et al., NeurIPS 2017).

    Example:
        >>> wg.nn.sinusoidal_positions(2, 2).round(3)
        array([[0.   , 1.   ],
               [0.841, 0.54 ]], dtype=float32)
    """
    angles = np.arange(length)[:, None] * base ** (-(np.arange(features) // 2 * 2) / features)
    return np.where(np.arange(features) % 2 == 0, np.sin(angles), np.cos(angles)).astype(dtype)


def rotary_positions(x: Any, *, start: int = 0, base: float = 10000.0) -> Any:
    """x with its features turned, in pairs, by angles that grow with the position (Su et al., 2021).

    The product of two such vectors depends on the difference of their positions alone. Pair i is made of the features
    i and i + features / 2, and turned by position / base**(2 i / features).

    Args:
        x: shape (..., length, features), as queries and keys are.
        start: the position of the first.

    Raises:
        ValueError: an odd number of features.
    """
    length, features = np.shape(data_of(x))[-2:]
    if features % 2:
        raise ValueError(f"rotary_positions: features come in pairs, got {features} of them")
    half = features // 2
    angles = np.arange(start, start + length)[:, None] * base ** (-np.arange(half) / half)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], -1)


# ---- attention ----------------------------------------------------------------------------------------------


def causal_mask(queries: int, keys: int) -> Any:
    """Which keys each query may look at: those up to its own place, the last query's being the last key's."""
    return np.tri(queries, keys, keys - queries, dtype=bool)


def _allowed(mask: Any, causal: bool, queries: int, keys: int) -> Any:
    """Which keys each query may look at: an array of its own, or True."""
    where: Any = True
    if mask is not None:
        where = np.array(data_of(mask))
        if where.dtype != bool:
            raise TypeError(f"attention: mask is boolean, True where a query may look, got {where.dtype}")
    return where & causal_mask(queries, keys) if causal else where


def attention(
    query: Any, key: Any, value: Any, *, mask: Any = None, causal: bool = False, p: float = 0.0, rng: Any = None
) -> Any:
    """softmax(query @ key.T / sqrt(features)) @ value (Vaswani et al., NeurIPS 2017).

    Args:
        query: shape (..., queries, features).
        key, value: shapes (..., keys, features) and (..., keys, other features).
        mask: True where a query may look at a key; broadcasts to (..., queries, keys). A query without any gets zeros.
        causal: whether a query may only look at keys up to its own place (the last query's is the last key's).
        p, rng: dropout of the weights.

    Raises:
        ValueError: shapes that don't fit.
        TypeError: the mask is not boolean.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> wg.nn.attention(x, x, x, causal=True)[0]
        array([1., 0.])
    """
    qs, ks, vs = [np.shape(data_of(a)) for a in (query, key, value)]
    if min(map(len, (qs, ks, vs))) < 2 or qs[-1] != ks[-1] or ks[-2] != vs[-2]:
        raise ValueError(f"attention: query {qs}, key {ks} and value {vs} are (..., n, d), (..., m, d) and (..., m, e)")
    where = _allowed(mask, causal, qs[-2], ks[-2])
    scores = (query * qs[-1] ** -0.5) @ np.swapaxes(key, -1, -2)
    weights = softmax(scores, -1, where=where)
    return (dropout(weights, p, rng=rng) if p else weights) @ value


@fused("self_attention")
class SelfAttention(Fused):
    """`attention` in several heads among queries, keys and values that lie behind each other in one array.

    Args:
        heads: the number of heads.
        where: which keys a query may look at; broadcasts to (batch, heads, queries, keys). Or True.
        kept: what the weights are multiplied with, for dropout. Or None.

    Called with an array of shape (batch, length, 3 features); gives (batch, length, features). On arrays it works on
    some of the examples at a time, whose scores stay in the cache.
    """

    def __init__(self, heads: int, where: Any = True, kept: Any = None) -> None:
        self.heads, self.where, self.kept = heads, where, kept
        self._weights: Any = None  # of the latest call, with its result

    def _parts(self, x: Any, count: int) -> Any:
        """(batch, length, count features) as (count, batch, heads, length, features of one): a view."""
        batch, length, features = x.shape
        return x.reshape(batch, length, count, self.heads, features // count // self.heads).transpose(2, 0, 3, 1, 4)

    def compose(self, x: Any) -> tuple[Any, ...]:
        batch, length, features = x.shape
        q, k, v = self._parts(x, 3)
        weights = softmax((q * q.shape[-1] ** -0.5) @ np.swapaxes(k, -1, -2), -1, where=self.where)
        z = (weights if self.kept is None else weights * self.kept) @ v
        return (np.swapaxes(z, 1, 2).reshape(batch, length, features // 3),)

    def _blocks(self, shape: tuple[int, ...]) -> Iterator[tuple[slice, Any, Any]]:
        """Examples at a time, with what belongs to them of `where` and `kept`."""
        for block in blocks(shape[0], self.heads * shape[1] ** 2 // 4):
            yield block, *[a[block] if np.ndim(a) == 4 and len(a) > 1 else a for a in (self.where, self.kept)]

    def value(self, x: Any) -> tuple[Any, ...]:
        batch, length, features = x.shape
        z = np.empty((batch, length, features // 3), x.dtype)
        weights = np.empty((batch, self.heads, length, length), x.dtype)
        for block, where, kept in self._blocks(x.shape):
            q, k, v = self._parts(x[block], 3)
            w = np.matmul(q, k.swapaxes(-1, -2), out=weights[block])
            w *= q.shape[-1] ** -0.5
            softmax_in_place(w, where)
            self._parts(z[block], 1)[0] = (w if kept is None else w * kept) @ v
        self._weights = z, weights
        return (z,)

    def flops(self, *shapes: tuple[int, ...]) -> int:
        ((batch, length, features),) = shapes
        return batch * length**2 * (4 * features // 3 + 5 * self.heads)

    def pull(self, gs: Sequence[Any], zs: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        (g,), (x,) = gs, xs
        if self._weights[0] is not zs[0]:  # there was another call
            self.value(x)
        gx = np.empty_like(x)
        for block, _, kept in self._blocks(x.shape):
            w, ((gz,), (q, k, v), (gq, gk, gv)) = (
                self._weights[1][block],
                [self._parts(a[block], n) for a, n in ((g, 1), (x, 3), (gx, 3))],
            )
            gv[...] = (w if kept is None else w * kept).swapaxes(-1, -2) @ gz
            gw = gz @ v.swapaxes(-1, -2)
            if kept is not None:
                gw *= kept
            gw *= w
            gw -= w * gw.sum(-1, keepdims=True)
            gw *= q.shape[-1] ** -0.5
            gq[...] = gw @ k
            gk[...] = gw.swapaxes(-1, -2) @ q
        return [gx]


class KeyValueCache:
    """The keys and values of the tokens seen so far, for generating one token after the other. Starts empty.

    `length` is how many tokens it has. Untracked: it is for use, not for training.
    """

    def __init__(self) -> None:
        self.key: Any = None
        self.value: Any = None

    @property
    def length(self) -> int:
        """The number of tokens."""
        return 0 if self.key is None else self.key.shape[-2]

    def extend(self, key: Any, value: Any) -> tuple[Any, Any]:
        """Take in those of new tokens; gives all."""
        key, value = data_of(key), data_of(value)
        self.key = key if self.key is None else np.concatenate([self.key, key], -2)
        self.value = value if self.value is None else np.concatenate([self.value, value], -2)
        return self.key, self.value


class MultiHeadAttention(Module):
    """Attention in several heads, each on its part of the features, between learned projections.

    Args:
        features: of queries and of the result; divided among the heads.
        heads: the number of heads.
        key_features, value_features: of keys and values, where they are others.
        bias: whether the projections have biases.
        dropout: of the weights, in training, with numbers from `rng`.
        rotary: whether queries and keys are turned by `rotary_positions`.
        rng: a `numpy.random.Generator` or a seed, for the initial values and the dropout.

    Called with query (batch, n, features), and key and value (batch, m, ...), which are by default the query and the
    key. `mask` is True where a query may look: (n, m), (batch, m) for keys that are padding, (batch, n, m), or (batch,
    heads, n, m). `causal` lets no query look at later keys. With a `cache`, key and value are taken in, and the queries
    look at all that it holds.

    Parameters: `in_proj_weight` (3 features, features) with `in_proj_bias`, or (where keys and values have other
    features) `q_proj_weight`, `k_proj_weight` and `v_proj_weight`; `out_proj.weight` and `out_proj.bias`.

    Raises:
        ValueError: features that cannot be divided into the heads, or shapes that don't fit.

    Example:
        >>> layer = wg.nn.MultiHeadAttention(8, 2, rng=np.random.default_rng(0))
        >>> x = np.random.default_rng(1).normal(size=(1, 3, 8)).astype(np.float32)
        >>> cache = wg.nn.KeyValueCache()
        >>> steps = [layer(x[:, i : i + 1], cache=cache, causal=True).data for i in range(3)]
        >>> bool(np.allclose(np.concatenate(steps, 1), layer(x, causal=True).data, atol=1e-6))
        True
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        key_features: int | None = None,
        value_features: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: bool = False,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        from .affine import Linear

        if heads < 1 or features % heads:
            raise ValueError(f"MultiHeadAttention: {features} features cannot be divided into {heads} heads")
        self.features, self.heads, self.p, self.rotary = features, heads, dropout, rotary
        self.rng = rng = init.generator(rng)
        k, v = key_features or features, value_features or features
        if k == v == features:
            self.in_proj_weight: Any = Parameter(init.xavier_uniform((3 * features, features), rng=rng, dtype=dtype))
        else:
            self.in_proj_weight = None
            self.q_proj_weight = Parameter(init.xavier_uniform((features, features), rng=rng, dtype=dtype))
            self.k_proj_weight = Parameter(init.xavier_uniform((features, k), rng=rng, dtype=dtype))
            self.v_proj_weight = Parameter(init.xavier_uniform((features, v), rng=rng, dtype=dtype))
        self.in_proj_bias: Any = Parameter(np.zeros(3 * features, dtype)) if bias else None
        self.out_proj = Linear(features, features, bias=bias, rng=rng, dtype=dtype)
        if bias:
            self.out_proj.bias.data = np.zeros(features, dtype)

    def extra_repr(self) -> str:
        return f"{self.heads} heads"

    def _projected(self, query: Any, key: Any, value: Any) -> list[Any]:
        n, b = self.features, self.in_proj_bias
        if self.in_proj_weight is None:
            ws = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        elif query is key is value:
            z = linear(query, self.in_proj_weight, b)
            return [z[..., i * n : (i + 1) * n] for i in range(3)]
        else:
            ws = [self.in_proj_weight[i * n : (i + 1) * n] for i in range(3)]
        bs = [None if b is None else b[i * n : (i + 1) * n] for i in range(3)]
        return [linear(x, w, c) for x, w, c in zip((query, key, value), ws, bs, strict=True)]

    def _together(self, x: Any, mask: Any, causal: bool, p: float) -> Any:
        """Attention of a sequence to itself, before the last projection."""
        z = linear(x, self.in_proj_weight, self.in_proj_bias)
        batch, length, _ = z.shape
        kept = dropout(np.ones((batch, self.heads, length, length), z.dtype), p, rng=self.rng) if p else None
        return SelfAttention(self.heads, _allowed(mask, causal, length, length), kept)(z)[0]

    def _apart(self, x: Any) -> Any:
        """(batch, length, features) as (batch, heads, length, features of one)."""
        batch, length, _ = x.shape
        return np.swapaxes(x.reshape(batch, length, self.heads, -1), 1, 2)

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        mask: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Any:
        key = query if key is None else key
        value = key if value is None else value
        shapes = [np.shape(data_of(x)) for x in (query, key, value)]
        if any([len(s) != 3 for s in shapes]) or shapes[1][:2] != shapes[2][:2] or shapes[0][0] != shapes[1][0]:
            raise ValueError(f"MultiHeadAttention: query, key and value are (batch, length, features), got {shapes}")
        p = self.p if self.training else 0.0
        if query is key is value and self.in_proj_weight is not None and cache is None and not self.rotary:
            return self.out_proj(self._together(query, _for_heads(mask, shapes[0], shapes[0][1]), causal, p))
        q, k, v = [self._apart(x) for x in self._projected(query, key, value)]
        if self.rotary:
            start = cache.length if cache is not None else 0
            q, k = rotary_positions(q, start=start), rotary_positions(k, start=start)
        if cache is not None:
            k, v = cache.extend(k, v)
        z = attention(q, k, v, mask=_for_heads(mask, shapes[0], k.shape[-2]), causal=causal, p=p, rng=self.rng)
        return self.out_proj(np.swapaxes(z, 1, 2).reshape(*shapes[0][:2], self.features))


def _for_heads(mask: Any, shape: tuple[int, ...], keys: int) -> Any:
    """A mask that broadcasts to (batch, heads, queries, keys)."""
    if mask is None:
        return None
    mask = np.asarray(data_of(mask))
    batch, n = shape[:2]
    if mask.shape == (n, keys) == (batch, keys):
        raise ValueError(
            f"MultiHeadAttention: a mask of shape {mask.shape} could be (queries, keys) or (batch, keys); "
            "give it as mask[None] or mask[:, None]"
        )
    if mask.shape == (batch, keys):
        return mask[:, None, None]
    if mask.ndim == 3:
        mask = mask[:, None]
    try:
        if mask.ndim in (2, 4) and np.broadcast_shapes(mask.shape, (batch, 1, n, keys))[2:] == (n, keys):
            return mask
    except ValueError:
        pass
    raise ValueError(
        f"MultiHeadAttention: mask has shape {mask.shape} for {batch} examples, {n} queries and {keys} keys"
    )
