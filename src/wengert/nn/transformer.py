"""Blocks of a transformer (Vaswani et al., NeurIPS 2017). Sequences are (batch, length, features)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import init
from .activations import relu
from .affine import Linear
from .attend import KeyValueCache, MultiHeadAttention
from .layers import Dropout
from .module import Module
from .normalisation import LayerNorm


class _Block(Module):
    """What encoder and decoder blocks share: norms before or behind each part, and the feed-forward part."""

    norms = 2

    def __init__(
        self,
        features: int,
        heads: int,
        hidden: int | None = None,
        *,
        activation: Callable[..., Any] = relu,
        dropout: float = 0.0,
        norm_first: bool = True,
        rotary: bool = False,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        rng, hidden = init.generator(rng), hidden or 4 * features
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiHeadAttention(features, heads, dropout=dropout, rotary=rotary, rng=rng, dtype=dtype)
        self.linear1 = Linear(features, hidden, rng=rng, dtype=dtype)
        self.linear2 = Linear(hidden, features, rng=rng, dtype=dtype)
        for i in range(1, self.norms + 1):
            setattr(self, f"norm{i}", LayerNorm(features, dtype=dtype))
        self.dropout = Dropout(dropout, rng=rng)

    def _part(self, x: Any, norm: LayerNorm, part: Callable[[Any], Any]) -> Any:
        if self.norm_first:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))

    def _feed(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderBlock(_Block):
    """Self-attention and a feed-forward part, each with a residual, a LayerNorm and dropout.

    With `causal=True` it is the block of a language model of the GPT kind; then a `cache` serves generation.

    Args:
        features: of the sequence.
        heads: of the attention.
        hidden: features inside the feed-forward part; by default four times as many.
        activation: a function.
        dropout: its probability, with numbers from `rng`.
        norm_first: LayerNorm before each part (which trains without warm-up; Xiong et al., ICML 2020); False for
            behind the sum, as in the paper, and in PyTorch's layer unless it is told otherwise.
        rotary: whether the attention turns queries and keys by their positions.

    Parameters have the names and shapes of PyTorch's `TransformerEncoderLayer`, whose defaults are hidden=2048,
    dropout=0.1 and norm_first=False.

    Example:
        >>> block = wg.nn.TransformerEncoderBlock(8, 2, rng=np.random.default_rng(0))
        >>> block(np.zeros((1, 5, 8), np.float32), causal=True).shape
        (1, 5, 8)
    """

    norm1: LayerNorm
    norm2: LayerNorm

    def forward(self, x: Any, *, mask: Any = None, causal: bool = False, cache: KeyValueCache | None = None) -> Any:
        x = self._part(x, self.norm1, lambda x: self.self_attn(x, mask=mask, causal=causal, cache=cache))
        return self._part(x, self.norm2, self._feed)


class TransformerDecoderBlock(_Block):
    """Causal self-attention, attention to the encoder's result, and a feed-forward part. Arguments as the encoder's.

    Called with x and memory, the encoder's result; `mask` is for the former, `memory_mask` for the latter.

    Example:
        >>> block = wg.nn.TransformerDecoderBlock(8, 2, rng=np.random.default_rng(0))
        >>> block(np.zeros((1, 5, 8), np.float32), np.zeros((1, 7, 8), np.float32)).shape
        (1, 5, 8)
    """

    norms = 3
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm

    def __init__(self, features: int, heads: int, hidden: int | None = None, **options: Any) -> None:
        rng = options["rng"] = init.generator(options.get("rng"))
        super().__init__(features, heads, hidden, **options)
        self.multihead_attn = MultiHeadAttention(
            features, heads, dropout=options.get("dropout", 0.0), rng=rng, dtype=options.get("dtype", np.float32)
        )

    def forward(
        self,
        x: Any,
        memory: Any,
        *,
        mask: Any = None,
        memory_mask: Any = None,
        causal: bool = True,
        cache: KeyValueCache | None = None,
    ) -> Any:
        x = self._part(x, self.norm1, lambda x: self.self_attn(x, mask=mask, causal=causal, cache=cache))
        x = self._part(x, self.norm2, lambda x: self.multihead_attn(x, memory, mask=memory_mask))
        return self._part(x, self.norm3, self._feed)


def _stack(block: type[_Block], count: int, final_norm: bool, features: int, args: Any, options: Any) -> Any:
    options["rng"] = init.generator(options.get("rng"))
    layers = [block(features, *args, **options) for _ in range(count)]
    return layers, LayerNorm(features, dtype=options.get("dtype", np.float32)) if final_norm else None


class TransformerEncoder(Module):
    """`count` encoder blocks and a last LayerNorm. Other arguments as those of `TransformerEncoderBlock`.

    Args:
        count: the number of blocks.
        final_norm: whether there is a last LayerNorm, which blocks with norm_first need.
    """

    def __init__(self, count: int, features: int, *args: Any, final_norm: bool = True, **options: Any) -> None:
        self.layers, self.norm = _stack(TransformerEncoderBlock, count, final_norm, features, args, options)

    def forward(self, x: Any, *, mask: Any = None, causal: bool = False, caches: Any = None) -> Any:
        """`caches`: a KeyValueCache for each block."""
        for i, layer in enumerate(self.layers):
            x = layer(x, mask=mask, causal=causal, cache=None if caches is None else caches[i])
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """`count` decoder blocks and a last LayerNorm. Arguments as those of `TransformerEncoder`."""

    def __init__(self, count: int, features: int, *args: Any, final_norm: bool = True, **options: Any) -> None:
        self.layers, self.norm = _stack(TransformerDecoderBlock, count, final_norm, features, args, options)

    def forward(
        self,
        x: Any,
        memory: Any,
        *,
        mask: Any = None,
        memory_mask: Any = None,
        causal: bool = True,
        caches: Any = None,
    ) -> Any:
        """`caches`: a KeyValueCache for each block."""
        for i, layer in enumerate(self.layers):
            cache = None if caches is None else caches[i]
            x = layer(x, memory, mask=mask, memory_mask=memory_mask, causal=causal, cache=cache)
        return x if self.norm is None else self.norm(x)
