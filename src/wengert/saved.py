"""Saved arrays that somebody else may change: fingerprints of the large ones, compared when a rule is about to run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .batching.array import memory
from .variable import info_of, stands_for_ndarray

_ROW = 256  # words


def fingerprint(a: ndarray) -> int:
    """A number that changes with any element, and with their order.

    A hash of the sums of 64-bit words along the rows and the columns of a table: two passes at memory speed.
    """
    a = memory(a)
    flat = np.ascontiguousarray(a.T if a.flags.f_contiguous else a).reshape(-1).view(np.uint8)
    rows = flat.size // (8 * _ROW)
    table = flat[: rows * 8 * _ROW].view(np.uint64).reshape(rows, _ROW)
    rest = flat[rows * 8 * _ROW :]
    return hash((np.add.reduce(table, 0).tobytes(), np.add.reduce(table, 1).tobytes(), rest.tobytes()))


def watch(n: Any, a: ndarray) -> ndarray:
    """Let node n notice, before its rule runs, whether a was changed after the call."""
    if stands_for_ndarray(a):
        return a.copy()  # its memory is not looked at
    info = info_of(n)
    info.watched = (*info.watched, (a, fingerprint(a)))
    n.__class__ = _watching(type(n))
    return a


def unchanged(watched: Any, name: str) -> None:
    """Raises RuntimeError if an array is not what it was."""
    for a, was in watched:
        if fingerprint(a) != was:
            raise RuntimeError(
                f"{name}: an array of shape {a.shape} that this operation saved was changed before backward, so the "
                "gradient would be wrong; change a copy, or assign a new array"
            )


class Watching:
    """A node that saved arrays which somebody else may change."""

    __slots__ = ()
    info: Any

    def back(self, g: Any, cotangents: Any) -> None:
        unchanged(self.info.watched, type(self).__name__)
        super().back(g, cotangents)  # type: ignore[misc]

    def back_generic(self, *args: Any) -> None:
        unchanged(self.info.watched, type(self).__name__)
        super().back_generic(*args)  # type: ignore[misc]

    def push(self, *args: Any) -> None:
        unchanged(self.info.watched, type(self).__name__)
        super().push(*args)  # type: ignore[misc]


_classes: dict[type, type] = {}


def _watching(cls: type) -> type:
    if issubclass(cls, Watching):
        return cls
    if cls not in _classes:
        _classes[cls] = type(cls.__name__, (Watching, cls), {"__slots__": (), "__module__": cls.__module__})
    return _classes[cls]
