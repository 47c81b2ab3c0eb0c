"""Derivatives, one file for each area of NumPy. A rule is declared once and serves every mode (`declare.py`).

The common ones are declared when Wengert is imported, the others when a function is met that none of these declares.
"""

from importlib import import_module

from . import elementwise, indexing, linalg, reductions, selection, shaping

LATER = (
    "cumulative", "decompositions", "filling", "fourier", "joining", "norms", "padding", "polynomials", "solving",
    "sorting", "statistics", "ufuncs",
)  # fmt: skip


def load() -> None:
    """Declare every rule."""
    for name in LATER:
        import_module(f"{__name__}.{name}")


__all__ = ["elementwise", "indexing", "linalg", "load", "reductions", "selection", "shaping"]
