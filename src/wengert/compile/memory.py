"""Where the values between the steps lie: one block, in which places are used again when nobody reads them any more."""

from __future__ import annotations

ALIGNED = 64


class Arena:
    """Hands out places, first fit, for spans of steps that come in the order of their beginnings."""

    def __init__(self) -> None:
        self.size = 0
        self._taken: list[tuple[int, int, int]] = []  # (offset, size, last step)

    def take(self, size: int, first: int, last: int) -> int:
        """The offset of a place that is free from the step `first` to the step `last`."""
        size = -(-max(size, 1) // ALIGNED) * ALIGNED
        self._taken = sorted([t for t in self._taken if t[2] >= first])
        at = 0
        for offset, length, _ in self._taken:
            if at + size <= offset:
                break
            at = max(at, offset + length)
        self._taken.append((at, size, last))
        self.size = max(self.size, at + size)
        return at
