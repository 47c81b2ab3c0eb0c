"""What a checkpoint of a run carries: everything that the steps to come depend on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer

COUNTERS = ("steps", "epoch", "batch", "due", "over", "row", "seconds")


def gathered(trainer: Trainer) -> dict[str, Any]:
    """The state of a run, as copies: model, random states, optimiser and what goes with it, data, counters."""
    return {
        "model": trainer.model.state_dict(),
        "generators": {name: rng.bit_generator.state for name, rng in trainer.model.named_generators()},
        "parts": {name: part.state_dict() for name, part in _parts(trainer).items()},
        "counters": {name: getattr(trainer, name) for name in COUNTERS},
    }


def restore(trainer: Trainer, path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Set the run to the state that was read from `path`; its data follow in the next `fit`.

    Raises:
        ValueError: the state is of another model, optimiser, or other callbacks; the message names the file.
    """
    try:
        _restore(trainer, state)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not fit: {error}") from error


def _restore(trainer: Trainer, state: Mapping[str, Any]) -> None:
    parts, generators = _parts(trainer), dict(trainer.model.named_generators())
    for what, mine in (("parts", parts), ("generators", generators)):
        if mine.keys() != state[what].keys():
            raise ValueError(f"it has the {what} {[*state[what]]}, the Trainer {[*mine]}")
    trainer.model.load_state_dict(state["model"])
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    for name, rng in generators.items():
        rng.bit_generator.state = state["generators"][name]
    for name in COUNTERS:
        setattr(trainer, name, state["counters"][name])


def _parts(trainer: Trainer) -> dict[str, Any]:
    """What has a state beside the model, by name."""
    names = ("stepping", "stream", "means", "best", "logs")
    parts = {name: getattr(trainer, name) for name in names}
    for i, callback in enumerate(trainer.callbacks):
        if hasattr(callback, "state_dict"):
            parts[f"callback {i} {type(callback).__name__}"] = callback
    return parts
