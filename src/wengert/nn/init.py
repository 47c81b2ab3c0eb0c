"""Initial values of parameters, as arrays: shape, then what the distribution takes, then `rng` and `dtype`.

`rng` is a `numpy.random.Generator`, a seed, or None for one that nobody can repeat. For weights, the first axis counts
outputs and the second inputs, as in `Linear` and the convolutions; further axes are those of a kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

Shape = tuple[int, ...]

# What keeps the variance of activations from layer to layer (He et al., ICCV 2015; Klambauer et al., NeurIPS 2017).
GAINS = {
    "linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": (2 / (1 + 0.01**2)) ** 0.5,
    "selu": 0.75,
}  # fmt: skip


def generator(rng: Any = None) -> np.random.Generator:
    """The generator itself, or a new one from a seed.

    Raises:
        TypeError: neither a Generator, nor a seed, nor None.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or isinstance(rng, (int, np.integer)):
        return np.random.default_rng(rng)
    raise TypeError(f"rng: expected a numpy.random.Generator, an integer seed or None, got {type(rng).__name__}")


def gain(nonlinearity: str) -> float:
    """The factor by which a weight's standard deviation makes up for an activation function.

    Raises:
        ValueError: the name is not known.
    """
    if nonlinearity not in GAINS:
        raise ValueError(f"gain: nonlinearity is one of {', '.join(GAINS)}; got {nonlinearity!r}")
    return GAINS[nonlinearity]


def _fans(shape: Shape) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input."""
    if len(shape) < 2:
        raise ValueError(f"a weight with inputs and outputs has at least two axes, got shape {shape}")
    kernel = int(np.prod(shape[2:]))
    return shape[1] * kernel, shape[0] * kernel


def zeros(shape: Shape, dtype: Any = np.float32) -> ndarray:
    """Zeros."""
    return np.zeros(shape, dtype)


def ones(shape: Shape, dtype: Any = np.float32) -> ndarray:
    """Ones."""
    return np.ones(shape, dtype)


def uniform(shape: Shape, low: float = 0.0, high: float = 1.0, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Uniform between low and high."""
    return generator(rng).uniform(low, high, shape).astype(dtype)


def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Normal with this mean and standard deviation."""
    return generator(rng).normal(mean, std, shape).astype(dtype)


def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, limit: float = 2.0, rng: Any = None, dtype: Any = np.float32
) -> ndarray:
    """Normal, with everything beyond `limit` standard deviations drawn again."""
    rng = generator(rng)
    z = rng.standard_normal(shape)
    while (outside := np.abs(z) > limit).any():
        z[outside] = rng.standard_normal(int(outside.sum()))
    return (mean + std * z).astype(dtype)


def xavier_uniform(shape: Shape, gain: float = 1.0, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Uniform with variance gain**2 * 2 / (inputs + outputs) (Glorot and Bengio, AISTATS 2010).

    Example:
        >>> w = wg.nn.init.xavier_uniform((3, 3), rng=0)
        >>> bool(np.all(np.abs(w) <= 1)), w.dtype
        (True, dtype('float32'))
    """
    bound = gain * (6 / max(sum(_fans(shape)), 1)) ** 0.5
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def xavier_normal(shape: Shape, gain: float = 1.0, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Normal with variance gain**2 * 2 / (inputs + outputs) (Glorot and Bengio, AISTATS 2010)."""
    return normal(shape, 0.0, gain * (2 / max(sum(_fans(shape)), 1)) ** 0.5, rng=rng, dtype=dtype)


def kaiming_uniform(shape: Shape, gain: float = 2**0.5, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Uniform with variance gain**2 / inputs (He et al., ICCV 2015)."""
    bound = gain * (3 / max(_fans(shape)[0], 1)) ** 0.5
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def kaiming_normal(shape: Shape, gain: float = 2**0.5, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Normal with variance gain**2 / inputs (He et al., ICCV 2015)."""
    return normal(shape, 0.0, gain / max(_fans(shape)[0], 1) ** 0.5, rng=rng, dtype=dtype)


def lecun_normal(shape: Shape, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """Normal with variance 1 / inputs (LeCun et al., Efficient BackProp, 1998)."""
    return kaiming_normal(shape, 1.0, rng=rng, dtype=dtype)


def orthogonal(shape: Shape, gain: float = 1.0, *, rng: Any = None, dtype: Any = np.float32) -> ndarray:
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., ICLR 2014).

    Further axes are taken together with the second.
    """
    _fans(shape)
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr(generator(rng).standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1, 1)  # or it would not be uniformly distributed
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)
