"""Convolutions as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import init
from .convolve import convolution, convolution_transposed, sizes
from .module import Module, Parameter


class _Convolution(Module):
    axes: int

    def _start(self, shape: tuple[int, ...], outputs: int, bias: bool, rng: Any, dtype: Any) -> None:
        rng, bound = init.generator(rng), max(int(np.prod(shape[1:])), 1) ** -0.5
        self.weight = Parameter(init.uniform(shape, -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(init.uniform((outputs,), -bound, bound, rng=rng, dtype=dtype)) if bias else None

    def _divided(self, in_channels: int, out_channels: int, groups: int) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{type(self).__name__}: {in_channels} channels to {out_channels} can't be divided into {groups} groups"
            )

    def extra_repr(self) -> str:
        options = self.options  # type: ignore[attr-defined]
        usual = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        return ", ".join([f"{k}={v}" for k, v in options.items() if v != usual[k]])


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        self._divided(in_channels, out_channels, groups)
        self.options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        kernel = sizes(kernel_size, self.axes, f"{type(self).__name__}: kernel_size")
        self._start((out_channels, in_channels // groups, *kernel), out_channels, bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        return convolution(x, self.weight, self.bias, **self.options)


class Conv1d(_Conv):
    """`convolution` over one axis: (batch, in_channels, n) to (batch, out_channels, n').

    Args:
        in_channels, out_channels: the sizes of axis 1.
        kernel_size, stride, padding, dilation, groups: see `convolution`.
        bias: whether to add one to each channel.
        rng: a `numpy.random.Generator` or a seed, for the initial values: uniform within 1 / sqrt(inputs).
        dtype: of the parameters.

    Raises:
        ValueError: channels that cannot be divided into the groups, or arguments that don't fit.

    Example:
        >>> layer = wg.nn.Conv1d(2, 4, 3, padding="same", rng=np.random.default_rng(0))
        >>> layer(np.zeros((1, 2, 8), np.float32)).shape
        (1, 4, 8)
    """

    axes = 1


class Conv2d(_Conv):
    """`convolution` over two axes: (batch, in_channels, height, width). Arguments as those of `Conv1d`.

    Example:
        >>> layer = wg.nn.Conv2d(1, 8, 3, stride=2, padding=1, rng=np.random.default_rng(0))
        >>> layer(np.zeros((5, 1, 28, 28), np.float32)).shape
        (5, 8, 14, 14)
    """

    axes = 2


class Conv3d(_Conv):
    """`convolution` over three axes: (batch, in_channels, depth, height, width). Arguments as those of `Conv1d`."""

    axes = 3


class _ConvTransposed(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        self._divided(in_channels, out_channels, groups)
        self.options = {
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "dilation": dilation,
            "groups": groups,
        }
        kernel = sizes(kernel_size, self.axes, f"{type(self).__name__}: kernel_size")
        self._start((in_channels, out_channels // groups, *kernel), out_channels, bias, rng, dtype)

    def forward(self, x: Any) -> Any:
        return convolution_transposed(x, self.weight, self.bias, **self.options)


class ConvTranspose1d(_ConvTransposed):
    """`convolution_transposed` over one axis. Arguments as those of `Conv1d`, and `output_padding`.

    Example:
        >>> layer = wg.nn.ConvTranspose1d(2, 3, 4, stride=2, padding=1, rng=np.random.default_rng(0))
        >>> layer(np.zeros((1, 2, 8), np.float32)).shape
        (1, 3, 16)
    """

    axes = 1


class ConvTranspose2d(_ConvTransposed):
    """`convolution_transposed` over two axes. Arguments as those of `Conv1d`, and `output_padding`."""

    axes = 2


class ConvTranspose3d(_ConvTransposed):
    """`convolution_transposed` over three axes. Arguments as those of `Conv1d`, and `output_padding`."""

    axes = 3
