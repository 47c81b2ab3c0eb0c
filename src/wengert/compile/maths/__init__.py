"""Elementary functions as LLVM code on vectors, without a C library.

>>> from wengert.compile.maths import Library
>>> library = Library(fma=True)
>>> library.function("exp", np.float32, 16)
'@wg_exp_f32_16'
>>> "define internal <16 x float> @wg_exp_f32_16(<16 x float> %x) alwaysinline" in library.text()
True
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from . import arithmetic, exponential, special, trigonometric
from .emitter import FLOAT, Emitter, Value

FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {  # ufunc -> number of inputs, what writes it
    **{
        name: (1, getattr(arithmetic, name))
        for name in (
            *("absolute", "negative", "positive", "sign", "isnan", "isinf", "isfinite", "signbit"),
            *("square", "reciprocal", "deg2rad", "rad2deg", "rint", "floor", "ceil", "trunc", "sqrt", "cbrt"),
        )
    },
    **{
        name: (2, getattr(arithmetic, name))
        for name in (
            *("copysign", "heaviside", "maximum", "minimum", "fmax", "fmin"),
            *("fmod", "remainder", "floor_divide", "hypot"),
        )
    },
    **{
        name: (1, getattr(exponential, name))
        for name in (
            *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
            *("tanh", "sinh", "cosh", "arcsinh", "arccosh", "arctanh"),
        )
    },
    **{name: (2, getattr(exponential, name)) for name in ("power", "logaddexp", "logaddexp2")},
    **{name: (1, getattr(trigonometric, name)) for name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    "arctan2": (2, trigonometric.arctan2),
    "erf": (1, special.erf),
    "erfc": (1, special.erfc),
    "fabs": (1, arithmetic.absolute),
    "radians": (1, arithmetic.deg2rad),
    "degrees": (1, arithmetic.rad2deg),
    "float_power": (2, exponential.power),
}


class Library:
    """The functions that one module of LLVM uses, each defined once.

    `fma` says that the target multiplies and adds with one rounding and rounds to integers in one instruction: x86 with
    the feature "fma", any 64-bit ARM. The results of the two kinds of targets may differ within the stated accuracy.
    """

    def __init__(self, fma: bool) -> None:
        self.fma = fma
        self._texts: dict[str, None] = {}

    def function(self, name: str, dtype: Any, width: int) -> str:
        """The symbol of a ufunc on vectors of `width` floats (on a scalar, if that is 1); bits for `isnan` and the like."""
        symbol, texts = define(name, np.dtype(dtype), width, self.fma)
        self._texts.update(dict.fromkeys(texts))
        return symbol

    def declare(self, line: str) -> None:
        """Adds a line that a module may have only once, such as an intrinsic's declaration."""
        self._texts[line] = None

    def text(self) -> str:
        """All that was asked for, to be put beside the code that uses it."""
        return "\n".join(self._texts) + "\n"


@cache
def define(name: str, dtype: Any, width: int, fma: bool) -> tuple[str, tuple[str, ...]]:
    """A function's symbol, and its text with all that it needs."""
    count, write = FUNCTIONS[name]
    e = Emitter(dtype, width, fma)
    t, names = e.type(FLOAT), ["%x", "%y"][:count]
    result = write(e, *[Value(e, FLOAT, x) for x in names])
    symbol = f"@wg_{name}_f{e.bits}_{width}"
    head = f"define internal {e.type(result.kind)} {symbol}({', '.join([f'{t} {x}' for x in names])}) alwaysinline {{"
    text = "\n".join([head, *e.text.lines, f"  ret {e.type(result.kind)} {result.name}", "}"])
    return symbol, (*sorted(e.text.needs), text)
