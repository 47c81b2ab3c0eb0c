from typing import Any
import numpy as np
from . import tree


def vmap(f: Any, in_axes: Any = 0, out_axes: Any = 0) -> Any:
    def batched(*args: Any) -> Any:
        n = len(tree.leaves(args)[0])
        outs = [f(*[tree.map(lambda a: a[i], x) for x in args]) for i in range(n)]
        return tree.map(lambda *v: np.stack(v), *outs)

    return batched
