"""Layers without much of their own: activations as modules, containers, Dropout, Flatten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..variable import data_of
from . import activations, init
from .module import Module, Parameter

# ---- containers ---------------------------------------------------------------------------------------------


class Sequential(Module):
    """Modules and functions, one after the other. They go by their positions: `0.weight`, and `net[0]`.

    Raises:
        TypeError: one of them cannot be called.

    Example:
        >>> net = wg.nn.Sequential(wg.nn.Linear(2, 3, rng=0), np.tanh, wg.nn.Linear(3, 1, rng=1))
        >>> net
        Sequential(13 parameters
          0: Linear(weight (3, 2), bias (3,), 9 parameters)
          1: tanh
          2: Linear(weight (1, 3), bias (1,), 4 parameters)
        )
        >>> [name for name, _ in net.named_parameters()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Callable[..., Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"Sequential: layer {i} is a {type(layer).__name__}, which cannot be called")
        self.layers = list(layers)

    def members(self) -> Iterator[tuple[str, Any]]:
        yield from ((str(i), layer) for i, layer in enumerate(self.layers))

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def __getitem__(self, i: Any) -> Any:
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]


class Residual(Module):
    """x + body(x), or shortcut(x) + body(x).

    Args:
        body: a module or function.
        shortcut: what brings x to the shape of body's result, where that is another.

    Raises:
        ValueError: the shapes of the two sides differ.
    """

    def __init__(self, body: Callable[..., Any], shortcut: Callable[..., Any] | None = None) -> None:
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Any:
        y, x = self.body(x), x if self.shortcut is None else self.shortcut(x)
        if np.shape(data_of(x)) != np.shape(data_of(y)):
            raise ValueError(f"Residual: x has shape {np.shape(data_of(x))}, the body's result {np.shape(data_of(y))}")
        return x + y


class Identity(Module):
    """x."""

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """x with the axes from `start` on made one."""

    def __init__(self, start: int = 1) -> None:
        self.start = start

    def forward(self, x: Any) -> Any:
        shape = np.shape(data_of(x))
        return np.reshape(x, (*shape[: self.start], int(np.prod(shape[self.start :]))))


# ---- dropout ------------------------------------------------------------------------------------------------


def dropout(x: Any, p: float = 0.5, *, rng: Any = None, axes: tuple[int, ...] | None = None) -> Any:
    """x with elements set to 0 with probability p, and the others divided by 1 - p (Srivastava et al., JMLR 2014).

    Args:
        rng: a `numpy.random.Generator` or a seed.
        axes: where one draw decides for a whole slice: the axes along which draws differ, such as (0, 1) for the
            channels of images.

    Raises:
        ValueError: p is not from 0 to 1.

    Example:
        >>> wg.nn.dropout(np.ones(6), 0.5, rng=np.random.default_rng(0))
        array([2., 2., 2., 0., 0., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, got {p}")
    shape, dtype = np.shape(data_of(x)), x.dtype if hasattr(x, "dtype") else np.float64
    if axes is not None:
        axes = tuple([a % len(shape) for a in axes])
        shape = tuple([n if i in axes else 1 for i, n in enumerate(shape)])
    kept = init.generator(rng).random(shape, np.float32) >= p
    return x * (kept * np.asarray(1 / (1 - p) if p < 1 else 0, dtype))


class Dropout(Module):
    """In training, `dropout` with numbers from `rng`; in eval mode, x itself.

    Args:
        p: the probability of a 0.
        rng: a `numpy.random.Generator` or a seed; kept as `rng`, whose state a checkpoint has to save.
        axes: the axes along which draws differ; by default all.

    Raises:
        ValueError: p is not from 0 to 1.
    """

    def __init__(self, p: float = 0.5, *, rng: Any = None, axes: tuple[int, ...] | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, got {p}")
        self.p, self.rng, self.axes = p, init.generator(rng), axes

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def forward(self, x: Any) -> Any:
        return dropout(x, self.p, rng=self.rng, axes=self.axes) if self.training and self.p else x


# ---- activations as modules ---------------------------------------------------------------------------------


class Activation(Module):
    """A function with its other arguments, as a module: `Activation(wg.nn.leaky_relu, 0.1)`.

    A function alone needs none: a Sequential takes it as it is.
    """

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs

    def extra_repr(self) -> str:
        given = [*map(str, self.args), *[f"{k}={v}" for k, v in self.kwargs.items()]]
        return ", ".join([self.function.__name__, *given])

    def forward(self, x: Any) -> Any:
        return self.function(x, *self.args, **self.kwargs)


class PReLU(Module):
    """x where it is positive, else slope * x with a learned slope: one, or one for each channel of axis 1."""

    def __init__(self, channels: int = 1, initial: float = 0.25, *, dtype: Any = np.float32) -> None:
        self.weight = Parameter(np.full(channels, initial, dtype))

    def forward(self, x: Any) -> Any:
        slope: Any = self.weight
        if slope.size > 1:
            slope = slope.reshape(-1, *(1,) * (np.ndim(data_of(x)) - 2))
        return activations.prelu(x, slope)
