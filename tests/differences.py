"""Jacobians by differences, to compare with."""

from __future__ import annotations

import numpy as np


def differences(f, x, eps=1e-6):
    """The Jacobian by central differences; of a complex argument, along the real axis."""
    x = np.asarray(x)
    columns = []
    for e in np.eye(x.size).reshape(x.size, *x.shape):
        columns.append((np.asarray(f(x + eps * e)) - np.asarray(f(x - eps * e))) / (2 * eps))
    shape = np.shape(f(x))
    return np.moveaxis(np.array(columns).reshape(x.size, *shape), 0, -1).reshape(shape + x.shape)
