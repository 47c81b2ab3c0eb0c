"""Pictures of a graph: `wg.view` and its like, and `wg.profile`.

`graph.py` reads what there is; `layout.py` says where it goes; the other files write it down.
"""

import sys
from types import ModuleType
from typing import Any

from .dot import to_dot as to_dot, to_mermaid as to_mermaid
from .names import name_scope as name_scope
from .page import Page as Page, view as view
from .profile import profile as profile
from .svg import to_png as to_png, to_svg as to_svg
from .text import print_graph as print_graph


class _Callable(ModuleType):
    """This package and the function `view` have one name in `wengert`, whichever of them is loaded first."""

    def __call__(self, *outputs: Any, **options: Any) -> Page:
        return view(*outputs, **options)


sys.modules[__name__].__class__ = _Callable
