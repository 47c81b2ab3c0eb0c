"""Derivatives, one file for each area of NumPy. A rule is declared once and serves every mode (`declare.py`)."""

from . import (
    cumulative,
    decompositions,
    elementwise,
    fourier,
    indexing,
    joining,
    linalg,
    polynomials,
    reductions,
    selection,
    shaping,
    sorting,
    statistics,
)

__all__ = [
    "cumulative",
    "decompositions",
    "elementwise",
    "fourier",
    "indexing",
    "joining",
    "linalg",
    "polynomials",
    "reductions",
    "selection",
    "shaping",
    "sorting",
    "statistics",
]
