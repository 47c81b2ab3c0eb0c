"""The data of a run, and where it is in them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from ..data import DataLoader


class Stream:
    """Batches, one epoch after the other: of a DataLoader, a list, or whatever can be gone through again."""

    def __init__(self) -> None:
        self.length: int | None = None  # batches in an epoch, if the data tell
        self._data: Any = None
        self._position: Any = None  # as a checkpoint has it, until the data are there

    def open(self, data: Any, done: int) -> None:
        """Take the data, of whose present epoch so many batches are done."""
        if hasattr(data, "load_state_dict") and (self._position is not None or done):
            data.load_state_dict(self._position or data.state_dict())
        self.length = len(data) if hasattr(data, "__len__") else None
        self._data, self._position = data, None

    def rest(self, done: int) -> Iterator[Any]:
        """The batches of this epoch that are still to come."""
        resumes = hasattr(self._data, "load_state_dict")
        return iter(self._data) if resumes else itertools.islice(self._data, done, None)

    def state_dict(self) -> dict[str, Any]:
        """The position, if the data tell it."""
        known = self._position is None and hasattr(self._data, "state_dict")
        return {"position": self._data.state_dict() if known else self._position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there, once the data are there."""
        self._position = state["position"]


@contextlib.contextmanager
def first_epoch(data: Any) -> Iterator[Any]:
    """The batches of a DataLoader's first epoch, wherever it is, and back there after it; other data as they are."""
    if not isinstance(data, DataLoader):
        yield data
        return
    now = data.state_dict()
    data.load_state_dict({**now, "epoch": 0, "position": 0})
    try:
        yield data
    finally:
        data.load_state_dict(now)
