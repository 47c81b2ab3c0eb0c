"""Elementary functions as LLVM code on vectors, without a C library.

>>> library = Library(fma=True)
>>> library.function("exp", np.float32, 16)
'@wg_exp_f32_16'
>>> print(library.text()[:65])
declare <16 x float> @llvm...

"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from . import exponential
from .emitter import FLOAT, Emitter, Value

FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {  # ufunc -> number of inputs, what writes it
    "exp": (1, exponential.exp),
}


class Library:
    """The functions that one module of LLVM uses, each defined once."""

    def __init__(self, fma: bool) -> None:
        self.fma = fma
        self._texts: dict[str, str] = {}  # symbol or declaration -> text

    def function(self, name: str, dtype: Any, width: int) -> str:
        """The symbol of a ufunc on vectors of `width` floats (on a scalar, if that is 1)."""
        symbol, text, needs = define(name, np.dtype(dtype), width, self.fma)
        if symbol not in self._texts:
            self._texts[symbol] = text
            for line in needs:
                self.declare(line)
        return symbol

    def declare(self, line: str) -> None:
        """A line that a module may have only once."""
        self._texts[line] = line

    def text(self) -> str:
        """All that was asked for, to be put before or behind the code that uses it."""
        return "\n".join(sorted(self._texts.values())) + "\n"


@cache
def define(name: str, dtype: Any, width: int, fma: bool) -> tuple[str, str, tuple[str, ...]]:
    """A function's symbol, its text, and the declarations that it needs."""
    count, write = FUNCTIONS[name]
    e = Emitter(dtype, width, fma)
    t = e.type(FLOAT)
    result = write(e, *[Value(e, FLOAT, f"%{x}") for x in "xy"[:count]])
    symbol = f"@wg_{name}_f{e.bits}_{width}"
    arguments = ", ".join([f"{t} %{x}" for x in "xy"[:count]])
    body = "\n".join(e.lines)
    text = f"define internal {e.type(result.kind)} {symbol}({arguments}) alwaysinline {{\n{body}\n  ret {e.type(result.kind)} {result.name}\n}}"
    return symbol, text, tuple(sorted(e.needs))
