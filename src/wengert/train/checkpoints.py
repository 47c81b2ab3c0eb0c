"""Checkpoints: nested states in one safetensors file each, and a folder of them.

A file is written whole or not at all, checked by a SHA-256 when it is read, and nothing in it is ever unpickled: arrays
are tensors of the file, and all else is JSON in its metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..data import load_safetensors, save_safetensors

_STATE, _SUM = "wengert.checkpoint", "sha256"  # keys of the file's metadata
_NAME = re.compile(r"step-(\d+)\.safetensors")


def save_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a nested state (dicts, lists and tuples of arrays, numbers, texts, None) as one file, atomically.

    It is a safetensors file, whose tensors carry the names of their places (`model.0.weight`): other programs can read
    them. Cost: one SHA-256 and one write of all arrays.

    Raises:
        TypeError: the state holds something else; says where.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
        >>> wg.train.save_checkpoint(path, {"weights": [np.ones(2)], "betas": (0.9, 0.99), "best": None})
        >>> wg.train.load_checkpoint(path)
        {'weights': [array([1., 1.])], 'betas': (0.9, 0.99), 'best': None}
    """
    tensors: dict[str, ndarray] = {}
    text = json.dumps(_encoded(dict(state), "", tensors), separators=(",", ":"))
    save_safetensors(path, tensors, {_STATE: text, _SUM: _digest(text, tensors)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote.

    Raises:
        ValueError: the file is truncated, damaged or no checkpoint; the message names it.
    """
    tensors, texts = load_safetensors(path, metadata=True)
    if not isinstance(texts, dict) or _STATE not in texts:
        raise ValueError(f"{path} is no checkpoint, but other tensors; wg.data.load_safetensors reads them")
    if texts.get(_SUM) != _digest(texts[_STATE], tensors):
        raise ValueError(f"{path} is damaged: its content has another SHA-256 than was written")
    return dict(_decoded(json.loads(texts[_STATE]), tensors))


def _encoded(x: Any, place: str, tensors: dict[str, ndarray]) -> Any:
    """x as JSON has it; arrays go into `tensors`, and stand as {"$tensor": name}."""
    if isinstance(x, ndarray):
        name = place
        while name in tensors:
            name += "'"
        wide = x.dtype == np.complex128  # the format has complex64 alone
        tensors[name] = x[..., None].view(np.float64) if wide else x
        return {"$complex" if wide else "$tensor": name}
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, (list, tuple)):
        items = [_encoded(item, f"{place}.{i}", tensors) for i, item in enumerate(x)]
        return {"$tuple": items} if isinstance(x, tuple) else items
    if isinstance(x, dict):
        for key in x:
            if not isinstance(key, str) or key.startswith("$"):
                raise TypeError(f"save_checkpoint: {place or 'the state'} has the key {key!r}; keys are text without $")
        return {key: _encoded(item, f"{place}.{key}" if place else key, tensors) for key, item in x.items()}
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise TypeError(
        f"save_checkpoint: {place} is a {type(x).__name__}; a state holds arrays, numbers, texts, None, and dicts, "
        "lists and tuples of them"
    )


def _decoded(x: Any, tensors: dict[str, ndarray]) -> Any:
    if isinstance(x, list):
        return [_decoded(item, tensors) for item in x]
    if isinstance(x, dict):
        if "$tensor" in x:
            return tensors[x["$tensor"]]
        if "$complex" in x:
            return tensors[x["$complex"]].view(np.complex128)[..., 0]
        if "$tuple" in x:
            return tuple(_decoded(x["$tuple"], tensors))
        return {key: _decoded(item, tensors) for key, item in x.items()}
    return x


def _digest(text: str, tensors: Mapping[str, ndarray]) -> str:
    hasher = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        a = np.ascontiguousarray(tensors[name])
        a = a.astype(a.dtype.newbyteorder("<"), copy=False)
        hasher.update(f"\n{name} {a.dtype.str} {tensors[name].shape}\n".encode())
        hasher.update(a.data if a.size else b"")
    return hasher.hexdigest()


class CheckpointFolder:
    """The newest checkpoints of a run, `step-00000120.safetensors`, and the best one, `best.safetensors`.

    Args:
        path: the folder; made when the first one is saved.
        keep: how many of the newest are kept.

    Example:
        >>> import tempfile
        >>> folder = wg.train.CheckpointFolder(tempfile.mkdtemp(), keep=2)
        >>> for step in (10, 20, 30):
        ...     folder.save(step, {"step": step})
        >>> folder.steps()
        [20, 30]
        >>> path, state = folder.newest()
        >>> path.name, state
        ('step-00000030.safetensors', {'step': 30})
    """

    def __init__(self, path: str | os.PathLike[str], keep: int = 3) -> None:
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(f"CheckpointFolder: keep must be a positive integer, got {keep!r}")
        self.path, self.keep = Path(path), keep
        self.best = self.path / "best.safetensors"

    def file(self, step: int) -> Path:
        """Where the checkpoint of a step is, or would be."""
        return self.path / f"step-{step:08d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, in order."""
        names = [_NAME.fullmatch(p.name) for p in self.path.iterdir()] if self.path.is_dir() else []
        return sorted([int(name[1]) for name in names if name])

    def check_empty(self) -> None:
        """That there are none yet.

        Raises:
            FileExistsError: there are.
        """
        if steps := self.steps():
            raise FileExistsError(
                f"{self.path} has checkpoints of another run, up to step {steps[-1]}: call resume() to go on with it, "
                "or give the Trainer another `out`"
            )

    def save(self, step: int, state: Mapping[str, Any], best: bool = False) -> None:
        """Write a checkpoint, and the same as the best one if it is; then remove what is too old.

        Checkpoints of later steps, of a run that was taken up again before them, are removed, too.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for stale in self.path.glob(".*.safetensors.*.part"):  # of a process that was killed
            stale.unlink(missing_ok=True)
        if best:
            save_checkpoint(self.best, state)
        save_checkpoint(self.file(step), state)
        steps = self.steps()
        earlier = [s for s in steps if s <= step]
        for old in {*steps} - {*earlier[-self.keep :]}:
            self.file(old).unlink(missing_ok=True)

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The path and the state of the newest checkpoint that can be read; None if there is none at all.

        A damaged one is passed over with a warning that names it.

        Raises:
            ValueError: all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self.file(step), load_checkpoint(self.file(step))
            except ValueError as error:
                warnings.warn(f"{error}; going back to the checkpoint before it", stacklevel=3)
        if steps:
            raise ValueError(f"{self.path}: none of its {len(steps)} checkpoints can be read")
        return None
