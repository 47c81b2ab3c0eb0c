"""Callbacks: what the Trainer calls on its way."""

from __future__ import annotations

from typing import Any


class Callback:
    """The base: each method does nothing. A callback may call `trainer.stop()`.

    If it has `state_dict()` and `load_state_dict(state)`, its state is part of the checkpoints.

    Example:
        >>> class Patient(wg.train.Callback):
        ...     def on_report(self, trainer, row):
        ...         if row["loss"] < 0.1:
        ...             trainer.stop()
    """

    def on_start(self, trainer: Any) -> None:
        """`fit` begins, or goes on."""

    def on_step(self, trainer: Any) -> None:
        """The optimiser has made a step: number `trainer.steps`. The gradients are still there."""

    def on_report(self, trainer: Any, row: dict[str, Any]) -> None:
        """There is a row for the log, which may be added to; it has not been written yet."""

    def on_end(self, trainer: Any) -> None:
        """`fit` ends: done, stopped, interrupted or failed."""
