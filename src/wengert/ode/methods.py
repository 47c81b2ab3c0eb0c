"""The methods by name: what makes a solver, and what takes its steps again on Variables."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any
from warnings import warn

import numpy as np
from numpy import ndarray

from .explicit import Adaptive, ExplicitStep, Fixed
from .radau import RadauStep
from .tableaux import EXPLICIT

_SCIPYS = ("Radau", "BDF", "LSODA")
_OPTIONS = ("rtol", "atol", "max_step", "first_step")
_IMPLICIT_OPTIONS = ("jac", "jac_sparsity", "lband", "uband", "min_step")
_FIXED_OPTIONS = ("n_steps", "step")


def solver_of(method: Any, options: dict[str, Any], span: float) -> tuple[str, Callable[..., Any]]:
    """The method's name, and what makes its solver: `make(f, t, y, t_end, first_step=None, jac=None)`."""
    tableau = EXPLICIT.get(method) if isinstance(method, str) else None
    if tableau is None:
        return _scipys(method, options)
    fixed = not tableau.error_order
    taken = _FIXED_OPTIONS if fixed else _OPTIONS
    _known(options, tableau.name, taken)
    options = {k: v for k, v in options.items() if k in taken}
    if fixed:
        size = _step_size(options, span)
        return tableau.name, lambda f, t, y, end, first=None, jac=None: Fixed(
            tableau, f, t, y, end, max(1, ceil(abs(end - t) / size - 1e-9)) if size else 1
        )

    def make(f: Any, t: float, y: ndarray, end: float, first: Any = None, jac: Any = None) -> Adaptive:
        given = options if first is None else {**options, "first_step": min(first, abs(end - t))}
        return Adaptive(tableau, f, t, y, end, **given)

    return tableau.name, make


def _known(options: dict[str, Any], name: str, taken: Sequence[str]) -> None:
    for key in options:
        if key not in (*_OPTIONS, *_IMPLICIT_OPTIONS, *_FIXED_OPTIONS):
            raise TypeError(f"solve_ivp: unknown option {key}=; {name} takes {', '.join(taken)}")
        if key not in taken and options[key] is not None:
            if key in _FIXED_OPTIONS:
                raise TypeError(f"solve_ivp: {key}= is for method RK4; {name} chooses its steps, up to max_step=")
            warn(f"solve_ivp: {key}= has no effect for {name}", stacklevel=5)


def _step_size(options: dict[str, Any], span: float) -> float:
    n, step = options.get("n_steps"), options.get("step")
    if (n is None) == (step is None):
        raise ValueError("solve_ivp: RK4 takes steps of one size; give either n_steps= or step=")
    if (n is not None and (n != int(n) or n < 1)) or (step is not None and not step > 0):
        raise ValueError(
            f"solve_ivp: n_steps= must be a positive integer and step= positive, got {step if n is None else n}"
        )
    return span / int(n) if n is not None else float(step)  # type: ignore[arg-type]


def _scipys(method: Any, options: dict[str, Any]) -> tuple[str, Callable[..., Any]]:
    """A solver of SciPy's."""
    names = ", ".join([*EXPLICIT, *_SCIPYS])
    known = f"solve_ivp: method must be one of {names}, or a subclass of scipy.integrate.OdeSolver; got {method!r}"
    if not (method in _SCIPYS if isinstance(method, str) else isinstance(method, type)):
        raise ValueError(known)
    try:
        scipy = importlib.import_module("scipy.integrate")
    except ImportError:
        raise ImportError(f"solve_ivp: {method} is SciPy's: pip install 'wengert[scipy]'") from None
    cls = getattr(scipy, method) if isinstance(method, str) else method
    if not issubclass(cls, scipy.OdeSolver):
        raise ValueError(known)
    if cls.__name__ in _SCIPYS:
        _known(options, cls.__name__, (*_OPTIONS, *_IMPLICIT_OPTIONS))

    def make(f: Any, t: float, y: ndarray, end: float, first: Any = None, jac: Any = None) -> Any:
        given = options if first is None else {**options, "first_step": min(first, abs(end - t))}
        given = {k: v for k, v in given.items() if k != "jac"} if jac is None else {**given, "jac": jac}
        return cls(f, t, y, end, vectorized=f.vectorized, **given)

    return cls.__name__, make


# ---- steps taken again ---------------------------------------------------------------------------------------------


def stepper_of(name: str, real: Any) -> Any:
    if name in EXPLICIT:
        return ExplicitStep(EXPLICIT[name], real)
    if name == "Radau":
        return RadauStep()
    raise ValueError(
        f'solve_ivp: gradient="discrete" differentiates one step after another, and {name} looks back at several; use '
        'method="Radau", or gradient="adjoint"'
    )


def tolerance_of(name: str, options: dict[str, Any], dtype: Any) -> tuple[float, float]:
    """How far a replay may be from the first run: by rounding; of Radau, whose stages SciPy solves roughly, by more."""
    if name in EXPLICIT:
        return float(np.finfo(dtype).eps) ** 0.5, 0.0
    return 10 * float(np.max(options.get("rtol", 1e-3))), 10 * float(np.max(options.get("atol", 1e-6)))
