"""Integrals over (0, inf) for derivatives that SciPy has no function for, by double-exponential quadrature.

Takahasi and Mori, "Double exponential formulas for numerical integration", Publ. RIMS 9, 1974. The substitutions take
an endpoint singularity in their stride; the errors are near the rounding error for integrands on one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_BLOCK = 2048  # elements at a time, so that the nodes' axis does not need much memory

_tau = np.arange(-4.2, 6.6, 1 / 18)
_s = np.exp(_tau - np.exp(-_tau))
EXPONENTIAL = _s, _s * (1 + np.exp(-_tau)) / 18  # nodes and weights for integrands that decay as exp(-s)

_tau = np.arange(-4.6, 4.6, 1 / 26)
_s = np.exp(np.pi / 2 * np.sinh(_tau))
ALGEBRAIC = _s, _s * np.pi / 2 * np.cosh(_tau) / 26  # the same for a power of s


def integral(f: Callable[..., Any], nodes: Any, scale: Any, *xs: Any) -> Any:
    """For each element: the integral of f(s, *xs) ds over (0, inf), where f changes on the length `scale`."""
    s, weights = nodes[0][:, None], nodes[1][:, None]
    return in_blocks(lambda c, *block: np.sum(f(s * c, *block) * weights, axis=0) * c, scale, *xs)


def in_blocks(f: Callable[..., Any], *xs: Any) -> Any:
    """f of the broadcast arrays, of which it gets a block at a time, flat."""
    xs = tuple(np.broadcast_arrays(*xs))
    flat = [x.reshape(-1) for x in xs]
    parts = [f(*[x[start : start + _BLOCK] for x in flat]) for start in range(0, xs[0].size, _BLOCK)]
    return np.concatenate(parts or [np.zeros(0)]).reshape(xs[0].shape)
