"""Batching of what runs along axes: reductions, running sums, sorting, Fourier transforms."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .array import METHODS, RULES, Batched, batch_of, full, is_batched, level_of, ranked

_ALIGNED = ("where", "mean")  # arguments that broadcast against the array


@lru_cache(None)
def _parameters(function: Any) -> tuple[list[str], dict[str, Any]]:
    import inspect

    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters], {p.name: p.default for p in parameters}


def given(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by name."""
    names, _ = _parameters(function)
    return dict(zip(names, args, strict=False)) | kwargs


def shifted(axis: Any, ndim: int) -> Any:
    """An axis, or several, of one example, counted with the batch in front."""
    if isinstance(axis, (tuple, list)):
        return tuple([a + 1 for a in normalize_axis_tuple(axis, ndim)])
    return normalize_axis_index(axis, ndim) + 1


def _along(function: Any, several: bool) -> Any:
    """The rule of a function of one array along an axis, or (several) along any axes; None stands for all."""
    names, defaults = _parameters(function)
    first = names[0]

    def rule(level: int, *args: Any, **kwargs: Any) -> Any:
        arguments = dict(zip(names, args, strict=False)) | kwargs
        x = arguments.pop(first)
        axis = arguments.pop("axis", defaults["axis"])
        out = arguments.pop("out", None)
        if isinstance(out, tuple):
            (out,) = out
        batch = x.batch if is_batched(x, level) else batch_of(arguments, level)
        a = full(x, level, batch)
        ndim = a.ndim - 1
        for k in arguments:
            if level_of(arguments[k]) == level:
                if k not in _ALIGNED:
                    return NotImplemented
                arguments[k] = ranked(arguments[k], level, ndim)
        keepdims = not several and axis is None and arguments.pop("keepdims", False) is True
        if axis is not None and not (ndim == 0 and axis in (0, -1)):
            axis = shifted(axis, ndim)
        elif several:
            axis = tuple(range(1, ndim + 1))
        else:
            a, axis = a.reshape(a.shape[0], -1), 1
        z = Batched(function(a, axis=axis, **arguments), level)
        z = z.reshape((1,) * ndim) if keepdims else z
        if out is None:
            return z
        out[...] = z
        return out

    return rule


SEVERAL = (
    "sum", "prod", "mean", "std", "var", "max", "min", "amax", "amin", "any", "all", "ptp", "nansum", "nanprod",
    "nanmean", "nanstd", "nanvar", "nanmax", "nanmin", "count_nonzero", "median", "nanmedian", "flip",
)  # fmt: skip
ONE = (
    "argmax", "argmin", "nanargmax", "nanargmin", "cumsum", "cumprod", "nancumsum", "nancumprod", "cumulative_sum",
    "cumulative_prod", "sort", "argsort", "partition", "argpartition", "unwrap",
)  # fmt: skip
TRANSFORMS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
for _name in SEVERAL:
    RULES[getattr(np, _name)] = _along(getattr(np, _name), True)
for _name in ONE:
    if hasattr(np, _name):
        RULES[getattr(np, _name)] = _along(getattr(np, _name), False)
for _name in TRANSFORMS:
    RULES[getattr(np.fft, _name)] = _along(getattr(np.fft, _name), False)


def _transform_of_several(function: Any) -> Any:
    last_two = function.__name__.endswith("2")

    def rule(level: int, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
        if not is_batched(a, level) or out is not None:
            return NotImplemented
        if axes is None:
            axes = (-2, -1) if last_two else range(a.ndim) if s is None else range(a.ndim - len(s), a.ndim)
        return Batched(function(a.array, s, shifted(tuple(axes), a.ndim), norm), level)

    return rule


for _name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"):
    RULES[getattr(np.fft, _name)] = _transform_of_several(getattr(np.fft, _name))


def _shift(function: Any) -> Any:
    def rule(level: int, x: Any, axes: Any = None) -> Any:
        return Batched(function(x.array, shifted(tuple(range(x.ndim)) if axes is None else axes, x.ndim)), level)

    return rule


RULES[np.fft.fftshift] = _shift(np.fft.fftshift)
RULES[np.fft.ifftshift] = _shift(np.fft.ifftshift)


def diff(level: int, a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    """`numpy.diff`."""
    if not is_batched(a, level) or prepend is not np._NoValue or append is not np._NoValue:
        return NotImplemented
    return Batched(np.diff(a.array, n, shifted(axis, a.ndim)), level)


def _quantile(function: Any) -> Any:
    def rule(level: int, *args: Any, **kwargs: Any) -> Any:
        arguments = given(function, args, kwargs)
        a, q, axis = arguments.pop("a"), arguments.pop("q"), arguments.pop("axis", None)
        plain = arguments.get("out") is None and arguments.get("weights") is None
        if not plain or not is_batched(a, level) or level_of((q, *arguments.values())) == level:
            return NotImplemented
        axis = tuple(range(1, a.ndim + 1)) if axis is None else shifted(axis, a.ndim)
        z = function(a.array, q, axis=axis, **arguments)
        return Batched(np.moveaxis(z, np.ndim(q), 0), level)

    return rule


RULES[np.diff] = diff
for _function in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile):
    RULES[_function] = _quantile(_function)


def searchsorted(level: int, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """`numpy.searchsorted`."""
    if level_of((a, sorter)) == level:
        return NotImplemented
    return Batched(np.searchsorted(a, v.array, side, sorter), level)  # type: ignore[call-overload]


RULES[np.searchsorted] = searchsorted


# ---- the methods of ufuncs ----------------------------------------------------------------------------------


def reduce(
    ufunc: Any,
    level: int,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    """`ufunc.reduce`."""
    if not is_batched(x, level) or level_of(initial) == level or out not in (None, (None,)):
        return NotImplemented
    axis = tuple(range(1, x.ndim + 1)) if axis is None else () if not x.ndim else shifted(axis, x.ndim)
    where = ranked(where, level, x.ndim)
    return Batched(ufunc.reduce(x.array, axis, dtype, None, keepdims, initial, where), level)


def accumulate(ufunc: Any, level: int, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """`ufunc.accumulate`."""
    if out not in (None, (None,)):
        return NotImplemented
    return Batched(ufunc.accumulate(x.array, shifted(axis, x.ndim), dtype), level)


def reduceat(ufunc: Any, level: int, x: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """`ufunc.reduceat`."""
    if not is_batched(x, level) or level_of(indices) == level or out not in (None, (None,)):
        return NotImplemented
    return Batched(ufunc.reduceat(x.array, indices, shifted(axis, x.ndim), dtype), level)


def outer(ufunc: Any, level: int, x: Any, y: Any, **kwargs: Any) -> Any:
    """`ufunc.outer`."""
    return ufunc(np.reshape(x, np.shape(x) + (1,) * np.ndim(y)), y, **kwargs)


METHODS.update({"reduce": reduce, "accumulate": accumulate, "reduceat": reduceat, "outer": outer})
