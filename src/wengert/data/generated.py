"""Data sets that are made: points in the plane by classes, and curves. Each takes a seed or a NumPy Generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import default_rng

from .dataset import ArrayDataset


def spiral(n: int = 100, classes: int = 3, noise: float = 0.2, seed: Any = 0) -> ArrayDataset:
    """Arms of a spiral, one for each class, with n points each: (x, y) and the number of the arm, in random order.

    `noise` is the standard deviation of the angle, in radians; each arm turns by 4.

    Example:
        >>> points, labels = wg.data.spiral(n=100, classes=3).arrays
        >>> points.shape, np.bincount(labels).tolist()
        ((300, 2), [100, 100, 100])
    """
    rng, labels = default_rng(seed), np.repeat(np.arange(_count("spiral: classes", classes)), _count("spiral: n", n))
    r = np.tile(np.arange(n) / n, classes)
    angle = 4.0 * (labels + r) + noise * rng.standard_normal(len(labels))
    return _shuffled(rng, np.stack([r * np.sin(angle), r * np.cos(angle)], 1), labels)


def moons(n: int = 100, noise: float = 0.1, seed: Any = 0) -> ArrayDataset:
    """Two half circles that reach into one another, n points each, with normal noise."""
    rng, angle = default_rng(seed), np.linspace(0, np.pi, _count("moons: n", n))
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([upper, [1.0, 0.5] - upper])
    return _shuffled(rng, points + noise * rng.standard_normal(points.shape), np.repeat([0, 1], n))


def circles(n: int = 100, factor: float = 0.5, noise: float = 0.05, seed: Any = 0) -> ArrayDataset:
    """A circle in a circle, n points each; `factor` is the radius of the inner one, class 1."""
    rng, angle = default_rng(seed), np.linspace(0, 2 * np.pi, _count("circles: n", n), endpoint=False)
    outer = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([outer, factor * outer])
    return _shuffled(rng, points + noise * rng.standard_normal(points.shape), np.repeat([0, 1], n))


def blobs(n: int = 100, classes: int = 3, features: int = 2, spread: float = 1.0, seed: Any = 0) -> ArrayDataset:
    """Normal clouds of n points around centres that lie at random in [-10, 10)."""
    rng, labels = default_rng(seed), np.repeat(np.arange(_count("blobs: classes", classes)), _count("blobs: n", n))
    centres = rng.uniform(-10, 10, (classes, _count("blobs: features", features)))
    return _shuffled(rng, centres[labels] + spread * rng.standard_normal((len(labels), features)), labels)


def xor(n: int = 100, noise: float = 0.1, seed: Any = 0) -> ArrayDataset:
    """n points around each corner of the unit square; opposite corners have the same class."""
    rng, corners = default_rng(seed), np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], _count("xor: n", n), axis=0)
    return _shuffled(rng, corners + noise * rng.standard_normal(corners.shape), corners[:, 0] ^ corners[:, 1])


def sine(n: int = 100, noise: float = 0.1, seed: Any = 0) -> ArrayDataset:
    """x, uniform in [0, 1), and sin(2 pi x) with normal noise: two columns of n numbers."""
    rng = default_rng(seed)
    x = rng.random((_count("sine: n", n), 1))
    return ArrayDataset(x, np.sin(2 * np.pi * x) + noise * rng.standard_normal((n, 1)))


def sequences(n: int = 1000, length: int = 50, step: float = 0.1, noise: float = 0.0, seed: Any = 0) -> ArrayDataset:
    """Pieces of a sine curve for models of sequences: `length` numbers, and those moved on by one; shape (length, 1).

    The curve has n numbers, `step` radians apart.
    """
    if not 1 <= length < n:
        raise ValueError(f"sequences: length must be from 1 to {n - 1}, got {length}")
    curve = np.sin(step * np.arange(n)) + noise * default_rng(seed).standard_normal(n)
    pieces = np.lib.stride_tricks.sliding_window_view(curve, length)[..., None]
    return ArrayDataset(pieces[:-1], pieces[1:])


def _shuffled(rng: np.random.Generator, points: Any, labels: Any) -> ArrayDataset:
    order = rng.permutation(len(labels))
    return ArrayDataset(points[order], labels[order])


def _count(what: str, n: int) -> int:
    if n < 1:
        raise ValueError(f"{what} must be a positive integer, got {n!r}")
    return n
