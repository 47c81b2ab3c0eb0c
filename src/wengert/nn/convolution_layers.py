"""Convolutions as layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..variable import data_of
from . import init
from .convolve import convolution, convolution_transposed, sizes
from .module import Module, Parameter


class _Convolution(Module):
    axes: int

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Any,
        options: Any,
        bias: bool,
        rng: Any,
        dtype: Any,
    ) -> None:
        self.in_channels, self.out_channels, self.options = in_channels, out_channels, options
        self.weight: Any = None
        self.bias: Any = None
        self._kernel = sizes(kernel_size, self.axes, f"{type(self).__name__}: kernel_size")
        self._biased, self._uniform = bias, partial(init.uniform, rng=init.generator(rng), dtype=np.dtype(dtype))
        if in_channels is not None:
            self.build(in_channels)

    def _shape(self, in_channels: int) -> tuple[int, ...]:
        raise NotImplementedError

    def build(self, in_channels: int) -> None:
        """Make the parameters, for inputs of so many channels."""
        groups, out_channels = self.options["groups"], self.out_channels
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{type(self).__name__}: {in_channels} channels to {out_channels} can't be divided into {groups} groups"
            )
        self.in_channels, shape = in_channels, self._shape(in_channels)
        bound = max(int(np.prod(shape[1:])), 1) ** -0.5
        self.weight = Parameter(self._uniform(shape, -bound, bound))
        self.bias = Parameter(self._uniform((out_channels,), -bound, bound)) if self._biased else None

    def unready(self) -> str | None:
        if self.weight is not None:
            return None
        return "in_channels is None until the first call: call the network once, or .build(size), before its parameters"

    def _run(self, function: Any, x: Any) -> Any:
        if self.weight is None:
            shape = np.shape(data_of(x))
            if len(shape) != self.axes + 2:
                wanted = f"(batch, channels, *places) with {self.axes} axes of places"
                raise ValueError(f"{type(self).__name__}: x is {wanted}, got shape {shape}")
            self.build(shape[1])
        return function(x, self.weight, self.bias, **self.options)

    def extra_repr(self) -> str:
        usual = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        return ", ".join([f"{k}={v}" for k, v in self.options.items() if v != usual[k]])


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int | None,
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
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, kernel_size, options, bias, rng, dtype)

    def _shape(self, in_channels: int) -> tuple[int, ...]:
        return self.out_channels, in_channels // self.options["groups"], *self._kernel

    def forward(self, x: Any) -> Any:
        return self._run(convolution, x)


class Conv1d(_Conv):
    """`convolution` over one axis: (batch, in_channels, n) to (batch, out_channels, n').

    Args:
        in_channels: the size of x's axis 1; None takes it from the first call.
        out_channels: the size of the result's.
        kernel_size, stride, padding, dilation, groups: see `convolution`.
        bias: whether to add one to each channel.
        rng: a `numpy.random.Generator` or a seed, for the initial values: uniform within 1 / sqrt(inputs).
        dtype: of the parameters.

    `weight` has shape (out_channels, in_channels / groups, *kernel_size), `bias` (out_channels,).

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
        in_channels: int | None,
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
        options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        super().__init__(in_channels, out_channels, kernel_size, {**options, "groups": groups}, bias, rng, dtype)

    def _shape(self, in_channels: int) -> tuple[int, ...]:
        return in_channels, self.out_channels // self.options["groups"], *self._kernel

    def forward(self, x: Any) -> Any:
        return self._run(convolution_transposed, x)


class ConvTranspose1d(_ConvTransposed):
    """`convolution_transposed` over one axis. Arguments as those of `Conv1d`, and `output_padding`.

    `weight` has shape (in_channels, out_channels / groups, *kernel_size).

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
