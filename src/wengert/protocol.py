"""NumPy's two protocols: what `np.f(variable)` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from .declare import CONSTANT, FUNCTIONS, REFUSED, UFUNCS
from .variable import Variable, data_of

REDUCTIONS: dict[Any, Any] = {}  # ufunc -> what `ufunc.reduce` becomes


_VALUE_ALONE = "call it on .data if you need its value alone"


def array_ufunc(self: Variable, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """`__array_ufunc__`: the operation declared for the ufunc."""
    if method == "__call__" and ufunc in UFUNCS:
        if kwargs:
            refuse_keywords(ufunc.__name__, kwargs)
        return UFUNCS[ufunc](*inputs)
    if method == "__call__":
        if ufunc in CONSTANT:
            if isinstance(out := kwargs.get("out"), tuple) and any(isinstance(o, Variable) for o in out):
                refuse_keywords(ufunc.__name__, kwargs)
            return ufunc(*[data_of(x) for x in inputs], **kwargs)
    elif method == "reduce" and ufunc in REDUCTIONS:
        x, *rest = inputs
        kwargs.setdefault("axis", 0)
        return REDUCTIONS[ufunc](x, *rest, **kwargs)
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    raise TypeError(f"{name} has no derivative rule; {REFUSED.get(ufunc, _VALUE_ALONE)}")


def array_function(self: Variable, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """`__array_function__`: the operation declared for the function."""
    op = FUNCTIONS.get(function)
    if op is not None:
        if "out" in kwargs and kwargs["out"] is None:
            del kwargs["out"]
        return op(*args, **kwargs)
    name = f"{getattr(function, '__module__', 'numpy')}.{function.__name__}".replace("numpy", "np", 1)
    if function in CONSTANT:
        return function(*[data_of(x) for x in args], **{k: data_of(x) for k, x in kwargs.items()})
    raise TypeError(f"{name} has no derivative rule; {REFUSED.get(function, _VALUE_ALONE)}")


def refuse_keywords(name: str, kwargs: dict[str, Any]) -> None:
    """out=, where=, dtype= and the like on a ufunc."""
    if "out" in kwargs:
        raise TypeError(
            f"np.{name}: out= would write a tracked result into an array that cannot remember it (so does `a += v` "
            "with an ndarray a); write `a = a + v`"
        )
    raise TypeError(f"np.{name}: {next(iter(kwargs))}= has no derivative rule; use np.where or .astype instead")
