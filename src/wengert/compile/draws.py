"""Random numbers: a Generator that outlives a call is drawn from again, in the same order, at each replay."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

_OTHERS = {"bit_generator", "shuffle", "spawn", "permuted"}
_METHODS = {name for name in dir(np.random.Generator) if name[0] != "_" and name not in _OTHERS}


class Draws:
    """Stands for a Generator in a recording."""

    __slots__ = ("__weakref__", "generator", "recording")

    def __init__(self, recording: Any, generator: np.random.Generator) -> None:
        self.recording, self.generator = recording, generator
        recording.alive.append(weakref.ref(self))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.generator)

    @property
    def value(self) -> np.random.Generator:
        """The Generator itself."""
        return self.generator

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.generator, name)
        if name not in _METHODS or not self.recording.records:
            if self.recording.records:
                self.recording.give_up(f"{name} of a random Generator is used")
            return found
        return lambda *args, **kwargs: self._drawn(found, args, kwargs)

    def _drawn(self, method: Any, args: Any, kwargs: Any) -> Any:
        recording = self.recording
        if kwargs.get("out") is not None:
            recording.give_up("a random Generator writes into an array")
            return method(*recording.concrete(args), **recording.concrete(kwargs))
        return recording.draw(method, args, kwargs)
