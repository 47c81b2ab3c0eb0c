"""Normalisation over features, channels, groups or the batch. One operation serves all: `standardise`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..declare import linear
from ..variable import data_of
from .fused import Fused, blocks, fused
from .module import Module, Parameter


def _standardised(x: Any, axis: Any, eps: float) -> Any:
    x = x - x.mean(axis=axis, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=axis, keepdims=True) + eps)


def _standardise_rule(g: Any, z: Any, x: Any, axis: Any, eps: float) -> Any:
    """The Jacobian is symmetric: (1 - 1 1^T / n - z z^T / n) / s, with s**2 = var(x) + eps."""
    away = x - np.mean(x, axis=axis, keepdims=True)
    s = np.sqrt(np.mean(away * away, axis=axis, keepdims=True) + eps)
    t = g - np.mean(g, axis=axis, keepdims=True) - z * np.mean(g * z, axis=axis, keepdims=True)
    return t / s


@linear(None, name="standardise", call=_standardised, push=_standardise_rule)
def _standardise(g: Any, z: Any, x: Any, axis: Any, eps: float) -> Any:
    return _standardise_rule(g, z, x, axis, eps)


def standardise(x: Any, axis: int | tuple[int, ...] = -1, eps: float = 1e-5) -> Any:
    """x less its mean, divided by sqrt(variance + eps), both over `axis`.

    Example:
        >>> wg.nn.standardise(np.array([1.0, 3.0]), eps=0.0)
        array([-1.,  1.])
    """
    return _standardise(x, axis, float(eps))


def _rms_normalised(x: Any, axis: Any, eps: float) -> Any:
    return x / np.sqrt((x * x).mean(axis=axis, keepdims=True) + eps)


def _rms_rule(g: Any, z: Any, x: Any, axis: Any, eps: float) -> Any:
    """Symmetric too: (1 - z z^T / n) / r, with r**2 = mean(x**2) + eps."""
    return (g - z * np.mean(g * z, axis=axis, keepdims=True)) / np.sqrt(np.mean(x * x, axis=axis, keepdims=True) + eps)


@linear(None, name="rms_normalise", call=_rms_normalised, push=_rms_rule)
def _rms_normalise(g: Any, z: Any, x: Any, axis: Any, eps: float) -> Any:
    return _rms_rule(g, z, x, axis, eps)


@fused("layer_norm")
class _LayerNorm(Fused):
    """`standardise` over the last axes, which are the weight's, times weight, plus bias."""

    def __init__(self, eps: float) -> None:
        self.eps = eps
        self._kept: Any = None  # of the latest call: the result, and rows of x standardised and their deviations

    def compose(self, x: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
        return (standardise(x, tuple(range(-len(weight.shape), 0)), self.eps) * weight + bias,)

    def value(self, x: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
        n, dtype = weight.size, np.result_type(x, weight, bias)
        rows, w, b = x.reshape(x.size // n, n), weight.reshape(n), bias.reshape(n)
        z, y, s = np.empty(x.shape, dtype), np.empty(rows.shape, dtype), np.empty((len(rows), 1), dtype)
        out = z.reshape(rows.shape)
        for block in blocks(len(rows), n):
            part = np.subtract(rows[block], rows[block].mean(axis=1, keepdims=True), out=y[block])
            s[block] = np.sqrt(np.square(part).mean(axis=1, keepdims=True) + self.eps)
            part /= s[block]
            np.multiply(part, w, out=out[block])
            out[block] += b
        self._kept = z, y, s
        return (z,)

    def pull(self, gs: Sequence[Any], zs: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        x, weight, _ = xs
        if self._kept[0] is not zs[0]:  # there was another call
            self.value(*xs)
        _, y, s = self._kept
        g, w = gs[0].reshape(y.shape), weight.reshape(weight.size)
        gx, gw, gb = np.empty(x.shape, y.dtype), np.zeros(w.shape, y.dtype), np.zeros(w.shape, y.dtype)
        out = gx.reshape(y.shape)
        for block in blocks(len(y), weight.size):
            here, part = g[block], y[block]
            gb += here.sum(0)
            scaled = here * part
            gw += scaled.sum(0)
            scaled *= w
            t = np.multiply(here, w, out=out[block])
            t -= t.mean(axis=1, keepdims=True)
            t -= part * scaled.mean(axis=1, keepdims=True)
            t /= s[block]
        return [gx, gw.reshape(weight.shape), gb.reshape(weight.shape)]


# ---- functions ----------------------------------------------------------------------------------------------


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, ndim: int = 1, eps: float = 1e-5) -> Any:
    """`standardise` over the last `ndim` axes, times weight, plus bias (Ba, Kiros and Hinton, 2016)."""
    shape = np.shape(data_of(x))[-ndim:]
    if 0 in shape or any([p is None or np.shape(data_of(p)) != shape for p in (weight, bias)]):
        return _scaled(standardise(x, tuple(range(-ndim, 0)), eps), weight, bias)
    return _LayerNorm(float(eps))(x, weight, bias)[0]


def rms_norm(x: Any, weight: Any = None, *, ndim: int = 1, eps: float = 1e-6) -> Any:
    """x divided by its root mean square over the last `ndim` axes, times weight (Zhang and Sennrich, NeurIPS 2019)."""
    return _scaled(_rms_normalise(x, tuple(range(-ndim, 0)), float(eps)), weight, None)


def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """Standardise each example's channels (axis 1) in groups (Wu and He, ECCV 2018).

    Raises:
        ValueError: the channels cannot be divided into the groups.
    """
    shape = np.shape(data_of(x))
    if len(shape) < 2 or groups < 1 or shape[1] % groups:
        raise ValueError(f"group_norm: x is (batch, channels, ...) with channels in {groups} equal groups, got {shape}")
    apart = np.reshape(x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    z = standardise(apart, tuple(range(2, len(shape) + 1)), eps).reshape(shape)
    return _scaled(z, _channels(weight, shape), _channels(bias, shape))


def _channels(p: Any, shape: tuple[int, ...]) -> Any:
    """A value for each channel, so that it broadcasts along axis 1."""
    return p if p is None or len(shape) == 2 else p.reshape(-1, *(1,) * (len(shape) - 2))


# ---- layers -------------------------------------------------------------------------------------------------


def _shape(value: Any) -> tuple[int, ...]:
    return (int(value),) if isinstance(value, (int, np.integer)) else tuple(value)


class _OverLast(Module):
    weight: Any

    def _check(self, x: Any) -> None:
        if np.shape(data_of(x))[-len(self.shape) :] != self.shape:  # type: ignore[attr-defined]
            raise ValueError(
                f"{type(self).__name__}: the last axes of x are {self.shape}, got shape {np.shape(data_of(x))}"  # type: ignore[attr-defined]
            )


class LayerNorm(_OverLast):
    """`layer_norm` over the last axes, which have this shape (a number or a tuple), with learned weight and bias.

    Raises:
        ValueError: x's last axes have another shape.
    """

    def __init__(
        self, shape: Any, *, eps: float = 1e-5, affine: bool = True, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        self.shape, self.eps = _shape(shape), eps
        self.weight = Parameter(np.ones(self.shape, dtype)) if affine else None
        self.bias = Parameter(np.zeros(self.shape, dtype)) if affine and bias else None

    def forward(self, x: Any) -> Any:
        self._check(x)
        return layer_norm(x, self.weight, self.bias, ndim=len(self.shape), eps=self.eps)


class RMSNorm(_OverLast):
    """`rms_norm` over the last axes, which have this shape, with a learned weight.

    Raises:
        ValueError: x's last axes have another shape.
    """

    def __init__(self, shape: Any, *, eps: float = 1e-6, affine: bool = True, dtype: Any = np.float32) -> None:
        self.shape, self.eps = _shape(shape), eps
        self.weight = Parameter(np.ones(self.shape, dtype)) if affine else None

    def forward(self, x: Any) -> Any:
        self._check(x)
        return rms_norm(x, self.weight, ndim=len(self.shape), eps=self.eps)


class GroupNorm(Module):
    """`group_norm` with a learned weight and bias for each channel."""

    def __init__(
        self, groups: int, channels: int, *, eps: float = 1e-5, affine: bool = True, dtype: Any = np.float32
    ) -> None:
        if groups < 1 or channels % groups:
            raise ValueError(f"GroupNorm: {channels} channels cannot be divided into {groups} groups")
        self.groups, self.eps = groups, eps
        self.weight = Parameter(np.ones(channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(channels, dtype)) if affine else None

    def forward(self, x: Any) -> Any:
        return group_norm(x, self.groups, self.weight, self.bias, eps=self.eps)


class BatchNorm(Module):
    """Standardise each channel (axis 1) over the batch and all places (Ioffe and Szegedy, ICML 2015), for any axes.

    In training with the batch's own mean and variance, of which running means are kept; in eval mode with these.

    Args:
        channels: the size of axis 1; None takes it from the first call.
        momentum: the weight of a batch in the running statistics; None for the mean of all batches.
        affine: whether to learn a weight and a bias for each channel.
        track: whether to keep running statistics; without them every batch is standardised by itself.

    Buffers: `running_mean`, `running_var` (unbiased) and `num_batches_tracked`.

    Raises:
        ValueError: axis 1 has another size, or a batch in training has one value for each channel.

    Example:
        >>> norm = wg.nn.BatchNorm(2)
        >>> norm(np.array([[1.0, 0.0], [3.0, 0.0]], np.float32)).data.round(3)
        array([[-1.,  0.],
               [ 1.,  0.]], dtype=float32)
        >>> norm.running_mean
        array([0.2, 0. ], dtype=float32)
    """

    def __init__(
        self,
        channels: int | None,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self.eps, self.momentum, self.channels = eps, momentum, channels
        self.weight: Any = None
        self.bias: Any = None
        self.running_mean: Any = None
        self.running_var: Any = None
        self.num_batches_tracked: Any = None
        self._start = affine, track, np.dtype(dtype)
        if channels is not None:
            self.build(channels)

    def build(self, channels: int) -> None:
        """Make parameters and buffers, for inputs of so many channels."""
        self.channels, (affine, track, dtype) = channels, self._start
        if affine:
            self.weight, self.bias = Parameter(np.ones(channels, dtype)), Parameter(np.zeros(channels, dtype))
        if track:
            self.running_mean, self.running_var = np.zeros(channels, dtype), np.ones(channels, dtype)
            self.num_batches_tracked = np.zeros((), np.int64)

    def unready(self) -> str | None:
        if self.channels is not None:
            return None
        return "channels is None until the first call: call the network once, or .build(size), before its parameters"

    def forward(self, x: Any) -> Any:
        shape = np.shape(data_of(x))
        if self.channels is None and len(shape) > 1:
            self.build(shape[1])
        if len(shape) < 2 or shape[1] != self.channels:
            raise ValueError(f"BatchNorm: x is (batch, {self.channels or 'channels'}, ...), got shape {shape}")
        axes = (0, *range(2, len(shape)))
        if self.training or self.running_mean is None:
            if int(np.prod(shape)) <= shape[1]:
                raise ValueError(f"BatchNorm: x of shape {shape} has no more than one value a channel to learn from")
            if self.running_mean is not None:
                self._note(data_of(x), axes)
            z = standardise(x, axes, self.eps)
        else:
            mean, var = _channels(self.running_mean, shape), _channels(self.running_var, shape)
            z = (x - mean) * (1 / np.sqrt(var + self.eps))
        return _scaled(z, _channels(self.weight, shape), _channels(self.bias, shape))

    def _note(self, x: Any, axes: tuple[int, ...]) -> None:
        """Let the running statistics, in place, take in a batch."""
        n = x.size // x.shape[1]
        self.num_batches_tracked += 1
        part = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
        for running, now in ((self.running_mean, x.mean(axes)), (self.running_var, x.var(axes) * (n / (n - 1)))):
            running *= 1 - part
            running += part * now


class InstanceNorm(GroupNorm):
    """Standardise each channel of each example by itself: `GroupNorm` with as many groups as channels."""

    def __init__(self, channels: int, *, eps: float = 1e-5, affine: bool = False, dtype: Any = np.float32) -> None:
        super().__init__(channels, channels, eps=eps, affine=affine, dtype=dtype)
