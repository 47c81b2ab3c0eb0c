"""SciPy's functions on Variables. SciPy is optional: nothing here imports it before one of its functions is used.

`scipy.special`'s ufuncs find their rules by themselves; its other functions, `scipy.linalg`, `scipy.signal` and
`scipy.ndimage` do not ask NumPy's protocols, so what differentiates is `wengert.scipy.linalg.solve` and so on.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

MODULES = ("special", "linalg", "signal", "ndimage")


def declare_scipy(ufunc: np.ufunc) -> bool:
    """Declare the rules of scipy.special if `ufunc` is one of its functions; whether it is."""
    private = sys.modules.get("scipy.special._ufuncs")
    public = sys.modules.get("scipy.special")
    if not any([getattr(module, ufunc.__name__, None) is ufunc for module in (public, private)]):
        return False
    return bool(importlib.import_module(".special_declare", __name__).known(ufunc))


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*MODULES, "declare_scipy"]
