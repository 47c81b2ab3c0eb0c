"""Transforms of batches: functions of arrays whose first axis is the batch.

Any function of one argument is a transform. A `RandomTransform` is also given a NumPy Generator; a `DataLoader` makes
one for each batch, from its seed and the batch's number, so that the same batch always comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator


class RandomTransform:
    """The base of random transforms: a subclass has `__call__(self, x, rng)`."""

    def __call__(self, x: Any, rng: Generator) -> Any:
        """x, transformed by random choices that rng makes."""
        raise NotImplementedError(f"{type(self).__name__} has no method __call__")


def run(transform: Callable[..., Any], x: Any, rng: Generator) -> Any:
    """The transform of x; only a random one gets the Generator."""
    return transform(x, rng) if isinstance(transform, RandomTransform) else transform(x)


class Compose(RandomTransform):
    """One transform after the other.

    Example:
        >>> both = wg.data.Compose([np.sqrt, wg.data.Flatten()])
        >>> both(np.full((1, 2, 2), 4.0), np.random.default_rng(0))
        array([[2., 2., 2., 2.]])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, x: Any, rng: Generator) -> Any:
        for transform in self.transforms:
            x = run(transform, x, rng)
        return x


class At(RandomTransform):
    """A transform of one part of a batch: of the images in (images, labels), say.

    Example:
        >>> wg.data.At(0, np.negative)((np.ones(2), np.ones(2)), np.random.default_rng(0))
        (array([-1., -1.]), array([1., 1.]))
    """

    def __init__(self, key: Any, *transforms: Callable[..., Any]) -> None:
        self.key, self.transform = key, Compose(transforms)

    def __call__(self, x: Any, rng: Generator) -> Any:
        changed = self.transform(x[self.key], rng)
        if isinstance(x, tuple):
            parts = list(x)
            parts[self.key] = changed
            return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
        copy = x.copy()
        copy[self.key] = changed
        return copy


class AsFloat:
    """Numbers times `scale` in a floating-point dtype: images of bytes as numbers from 0 to 1, by default."""

    def __init__(self, scale: float = 1 / 255, dtype: Any = np.float32) -> None:
        self.scale, self.dtype = float(scale), np.dtype(dtype)

    def __call__(self, x: Any) -> Any:
        y = np.array(x, self.dtype)
        y *= self.scale
        return y


class Flatten:
    """All axes but the first as one."""

    def __call__(self, x: Any) -> Any:
        return x.reshape(len(x), -1) if x.size else x.reshape(len(x), int(np.prod(x.shape[1:])))


class Normalize:
    """(x - mean) / std, with one number for all, or one for each index along `axis`, which is that of channels.

    Raises:
        ValueError: a standard deviation that is not positive.

    Example:
        >>> wg.data.Normalize(mean=[1.0, 2.0], std=[1.0, 2.0])(np.full((1, 2, 2), 4.0))
        array([[[3., 3.],
                [1., 1.]]])
    """

    def __init__(self, mean: Any, std: Any, axis: int = 1) -> None:
        self.mean, self.std, self.axis = np.asarray(mean, float), np.asarray(std, float), axis
        if not np.all(self.std > 0):
            raise ValueError(f"Normalize: std must be positive, got {std!r}")

    def __call__(self, x: Any) -> Any:
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
        shape = [1] * x.ndim
        shape[self.axis] = -1
        mean, std = (a if a.ndim == 0 else a.reshape(shape) for a in (self.mean, self.std))
        return (x - mean.astype(dtype)) / std.astype(dtype)


class CenterCrop:
    """The middle of the last two axes."""

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = _pair("CenterCrop", size)

    def __call__(self, x: Any) -> Any:
        rows, columns = _room("CenterCrop", x, self.size)
        return x[..., rows // 2 :, columns // 2 :][..., : self.size[0], : self.size[1]]


class RandomCrop(RandomTransform):
    """For each item, a part of the last two axes at a random place.

    Args:
        size: of the part: one number, or (height, width).
        padding: how many zeros to put around the image before.

    Example:
        >>> crop = wg.data.RandomCrop(3, padding=1)
        >>> crop(np.ones((5, 1, 3, 3)), np.random.default_rng(0)).shape
        (5, 1, 3, 3)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size, self.padding = _pair("RandomCrop", size), padding

    def __call__(self, x: Any, rng: Generator) -> Any:
        if self.padding:
            x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(self.padding, self.padding)] * 2)
        (rows, columns), (h, w) = _room("RandomCrop", x, self.size), self.size
        i, j = rng.integers(rows + 1, size=len(x)), rng.integers(columns + 1, size=len(x))
        windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(-2, -1))
        windows = np.moveaxis(windows, (-4, -3), (1, 2))  # item, place, place, ..., height, width
        return windows[np.arange(len(x)), i, j]


class RandomFlip(RandomTransform):
    """Each item is turned round along `axis` with probability p: left and right, by default; `axis=-2`: up and down.

    Example:
        >>> wg.data.RandomFlip(p=1.0)(np.array([[[1, 2], [3, 4]]]), np.random.default_rng(0))
        array([[[2, 1],
                [4, 3]]])
    """

    def __init__(self, axis: int = -1, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomFlip: p must be in [0, 1], got {p!r}")
        self.axis, self.p = axis, p

    def __call__(self, x: Any, rng: Generator) -> Any:
        chosen = rng.random(len(x)) < self.p
        y = np.array(x)
        y[chosen] = np.flip(x[chosen], self.axis)
        return y


def _pair(name: str, size: Any) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name}: size must be one or two positive integers, got {size!r}")
    return pair


def _room(name: str, x: Any, size: tuple[int, int]) -> tuple[int, int]:
    """By how much images are larger than the part."""
    if x.ndim < 3 or x.shape[-2] < size[0] or x.shape[-1] < size[1]:
        raise ValueError(f"{name}: expected a batch of images of at least {size}, got shape {x.shape}")
    return x.shape[-2] - size[0], x.shape[-1] - size[1]
