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


def instead() -> str | None:
    """What to say about the SciPy function that is being called: from where the error comes, its name and ours."""
    frame, found = sys._getframe(1), None
    while frame is not None:  # the outermost frame in one of SciPy's modules is the call that the user made
        place, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if name == "wrapper" and place.startswith(
            "scipy."
        ):  # a decorator's, which holds the function that it stands for
            function = frame.f_locals.get("f", frame.f_locals.get("fun"))
            place, name = getattr(function, "__module__", place), getattr(function, "__name__", name)
        package = place.split(".")
        if package[0] == "scipy" and len(package) > 1 and package[1] in MODULES:
            found = package[1], name
        frame = frame.f_back  # type: ignore[assignment]
    if found is None or not hasattr(sys.modules[f"scipy.{found[0]}"], found[1]):
        return None
    module, name = found
    ours = importlib.import_module(f".{module}", __name__)
    there = name in vars(ours)
    do = f"use wengert.scipy.{module}.{name}" if there else "it has no derivative rule; pass .data for its value alone"
    return f"scipy.{module}.{name} would turn a tracked Variable into a plain array and lose its graph: {do}"


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*MODULES, "declare_scipy", "instead"]
