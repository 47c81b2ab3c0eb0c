"""`wg.compile`: a function's calls are recorded once, turned into native code, and replayed."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .compiled import Compiled as Compiled, CompileWarning as CompileWarning, compile as compile


class _Callable(ModuleType):
    """This package and the function `compile` have one name in `wengert`, whichever of them is loaded first."""

    def __call__(self, function: Callable[..., Any]) -> Compiled:
        return compile(function)


sys.modules[__name__].__class__ = _Callable
