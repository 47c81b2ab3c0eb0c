"""A value as text or as a summary: what a picture can show of an array."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ..batching.array import memory

_BINS = 16


def summary(x: Any, whole: int = 64, side: int = 32) -> Any:
    """All elements as text, if there are at most `whole`; else a dict of what there is to know at a glance.

    The dict has `min`, `mean`, `max`, `bad` (how many NaNs and infinities), `bins` (a histogram from min to max, the
    tallest bin being 99) and, for a 2-d array, `image`: rows, columns and bytes, 128 being zero. `side` limits both.
    """
    x = memory(x)
    if x.size <= whole or x.ndim == 0:
        return _whole(np.asarray(x))
    real = np.abs(x) if x.dtype.kind == "c" else x.astype(float)
    good = real[np.isfinite(real)]
    if good.size == 0:
        return {"bad": int(x.size)}
    low, high = float(good.min()), float(good.max())
    with np.errstate(over="ignore", invalid="ignore"):
        width = high - low
        counts = (
            np.bincount(np.minimum((good - low) * (_BINS / width), _BINS - 1).astype(int), minlength=_BINS)
            if (0 < width < np.inf)
            else np.array([good.size])
        )
        mean = float(good.mean())
    found: dict[str, Any] = {
        "min": low,
        "mean": mean if np.isfinite(mean) else None,
        "max": high,
        "bad": int(x.size - good.size),
    }
    found["bins"] = np.ceil(counts * (99 / counts.max())).astype(int).tolist()
    if x.ndim == 2 and side >= 4:
        found["image"] = _image(real, max(abs(low), abs(high)) or 1.0, side)
    return found


def _whole(x: Any) -> str:
    """All elements, each with as many digits as tell it from its neighbours; what `np.array2string` does is slow."""
    if x.ndim == 0 or x.size == 0:
        return str(x[()])
    words = list(map(str, x.ravel()))
    wide = max(map(len, words)) if x.ndim > 1 else 0
    lines = [word.rjust(wide) for word in words]
    for axis in range(x.ndim - 1, -1, -1):
        n, between = x.shape[axis], ", " if axis == x.ndim - 1 else "," + "\n" * (x.ndim - 1 - axis) + " " * (axis + 1)
        lines = [f"[{between.join(lines[k : k + n])}]" for k in range(0, len(lines), n)]
    return lines[0]


def _image(x: Any, largest: float, side: int) -> list[Any]:
    """Every k-th row and column, as bytes: 1 to 255 for -largest to largest, and 0 for what is no number."""
    rows, columns = [max(1, -(-n // side)) for n in x.shape]
    small = x[::rows, ::columns] / largest
    pixels = np.where(np.isfinite(small), np.rint(np.nan_to_num(small) * 127) + 128, 0).astype(np.uint8)
    return [*pixels.shape, base64.b64encode(pixels.tobytes()).decode("ascii")]


def shape_text(shape: tuple[int, ...] | None) -> str:
    """`(2, 3)`, or `?` where it is not known."""
    return "?" if shape is None else str(tuple(map(int, shape)))
