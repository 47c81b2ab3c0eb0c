"""Metrics: functions of a batch's output and target, plain arrays, whose mean over all examples is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import tree
from ..variable import data_of


def accuracy(output: Any, target: Any) -> Any:
    """Where the largest score along the last axis is that of the right class: booleans of the target's shape.

    Args:
        output: scores, shape (..., classes).
        target: class numbers, shape (...); or probabilities, shaped as the output.

    Example:
        >>> wg.train.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
        array([ True, False])
    """
    right = np.asarray(target)
    if right.shape == np.shape(output) and right.dtype.kind == "f":
        right = right.argmax(-1)
    if right.shape != np.shape(output)[:-1]:
        raise ValueError(f"accuracy: scores of shape {np.shape(output)} need classes of shape {np.shape(output)[:-1]}")
    return np.argmax(output, -1) == right


def top_k_accuracy(output: Any, target: Any, k: int = 5) -> Any:
    """Where the right class is among the k with the largest scores. Shapes as those of `accuracy`.

    Example:
        >>> wg.train.top_k_accuracy(np.array([[0.1, 0.6, 0.3], [0.8, 0.0, 0.2]]), np.array([2, 1]), k=2)
        array([ True, False])
    """
    classes = np.shape(output)[-1]
    if not 1 <= k <= classes:
        raise ValueError(f"top_k_accuracy: k must be from 1 to {classes}, the number of classes; got {k}")
    best = np.argpartition(output, classes - k, -1)[..., classes - k :]
    return np.any(best == np.asarray(target)[..., None], -1)


def absolute_error(output: Any, target: Any) -> Any:
    """|output - target|, for regression.

    Example:
        >>> wg.train.absolute_error(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
        array([0.5, 0. ])
    """
    if np.shape(output) != np.shape(target):
        raise ValueError(f"absolute_error: output has shape {np.shape(output)}, target {np.shape(target)}")
    return np.abs(output - target)


class Means:
    """The means of the loss and of metrics over the examples since the last `reset`."""

    def __init__(self, metrics: Mapping[str, Callable[[Any, Any], Any]] | None) -> None:
        self.metrics = dict(metrics or {})
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sums: dict[str, float] = {}
        self._examples = 0
        self._before: tuple[dict[str, float], int] = {}, 0  # both, when `recent` was last asked

    def add(self, n: int, loss: Any, output: Any, target: Any) -> float:
        """Take in a batch of n examples; gives its loss as a number."""
        number = np.asarray(data_of(loss))
        if number.size != 1:
            raise ValueError(f"Trainer: the loss has shape {number.shape}; it is to be one number, the mean")
        value = float(number.item())
        found = {"loss": value}
        if self.metrics:
            output = tree.map(data_of, output)
            found |= {name: float(np.mean(metric(output, target))) for name, metric in self.metrics.items()}
        for name, mean in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + n * mean
        self._examples += n
        return value

    def values(self) -> dict[str, float]:
        """The means by name; none before the first batch."""
        return {name: total / self._examples for name, total in self._sums.items()}

    def recent(self) -> dict[str, float]:
        """The means over the examples since this was last asked, or since the last `reset`."""
        sums, examples = self._before
        self._before = dict(self._sums), self._examples
        n = self._examples - examples
        return {name: (total - sums.get(name, 0.0)) / n for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """The sums and the count."""
        return {"sums": dict(self._sums), "examples": self._examples, "before": self._before}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._sums, self._examples, self._before = dict(state["sums"]), state["examples"], state["before"]


class Best:
    """Which report is the best, and for how many there was none: for keeping the best, and for stopping early.

    Args:
        monitor: the quantity; None for "val_loss", or "loss" without it.
        mode: "min" or "max".
        patience: after how many reports without a better one to give up; None for never.
        min_delta: by how much a better one is to be better.
    """

    def __init__(self, monitor: str | None, mode: str, patience: int | None, min_delta: float) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"Trainer: mode is 'min' or 'max', got {mode!r}")
        self.monitor, self.sign, self.patience, self.min_delta = (
            monitor,
            1 if mode == "min" else -1,
            patience,
            min_delta,
        )
        self.value: float | None = None
        self.bad = 0

    def quantity(self, row: Mapping[str, Any]) -> float:
        """What a report is judged by."""
        name = self.monitor or ("val_loss" if "val_loss" in row else "loss")
        if name not in row:
            raise ValueError(f"Trainer: monitor={name!r} is not reported; there are {', '.join(row)}")
        return float(row[name])

    def judge(self, row: Mapping[str, Any]) -> bool:
        """Whether a report is the best so far. NaN never is."""
        value, sign = self.quantity(row), self.sign
        bound = math.inf if self.value is None else sign * self.value - self.min_delta
        better = sign * value < bound
        self.value, self.bad = (value, 0) if better else (self.value, self.bad + 1)
        return better

    @property
    def given_up(self) -> bool:
        """Whether patience is at an end."""
        return self.patience is not None and self.bad >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """The best value and the count."""
        return {"value": self.value, "bad": self.bad}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.value, self.bad = state["value"], state["bad"]
