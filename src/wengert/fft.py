"""`numpy.fft` for arrays and Variables: what differentiates, under NumPy's names."""

from typing import Any

import numpy as np

from . import rules
from .declare import CONSTANT, FUNCTIONS

rules.load()


def __getattr__(name: str) -> Any:
    function = getattr(np.fft, name, None)
    if name[:1] != "_" and function is not None:
        return FUNCTIONS.get(function, function)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [name for name in np.fft.__all__ if getattr(np.fft, name) in (*FUNCTIONS, *CONSTANT)]
