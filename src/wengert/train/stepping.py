"""The optimiser's side of a training step: gradients of one or more batches, their bounds, averages, the schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import tree
from ..compile import compile as wg_compile
from ..optim import ExponentialMovingAverage, Optimizer, ReduceLROnPlateau, clip_grad_norm, clip_grad_value
from ..optim.optimizer import gradients
from ..variable import data_of


class Stepping:
    """Takes losses, and lets the optimiser make a step after every `accumulate` of them. Arguments as of `Trainer`."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Any,
        schedule_per: str,
        average: ExponentialMovingAverage | None,
        accumulate: int,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        if schedule_per not in ("step", "epoch"):
            raise ValueError(f"Trainer: schedule_per is 'step' or 'epoch', got {schedule_per!r}")
        self.optimizer, self.schedule, self.average = optimizer, schedule, average
        self.schedule_per = "report" if isinstance(schedule, ReduceLROnPlateau) else schedule_per
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.waiting = self.examples = 0  # batches, and their examples, whose gradients wait for the step
        self.step: Callable[[], Any] = optimizer.step

    def pull(self, loss: Any, n: int, first: bool) -> None:
        """Add the gradients of a mean loss of n examples, the first since the last step or not."""
        if first:
            self.optimizer.zero_grad()
        (loss * n if self.accumulate > 1 else loss).backward()

    def learner(self, compute: Callable[[Any], Any], compile: bool) -> Callable[[Any, int, bool], Any]:
        """What gives loss, output and target of a batch of n, as arrays, and leaves the gradients."""

        def learn(batch: Any, n: int, first: bool) -> Any:
            loss, output, target = compute(batch)
            self.pull(loss, n, first)
            return data_of(loss), tree.map(data_of, output), target

        if not compile:
            return learn
        self.step = wg_compile(self.step)
        return wg_compile(learn)

    def take(self, n: int) -> bool:
        """The gradients of n examples are there; whether the optimiser made a step."""
        self.waiting, self.examples = self.waiting + 1, self.examples + n
        return self.waiting == self.accumulate and self.flush()

    def flush(self) -> bool:
        """The step for what waits, if anything does; whether there was one."""
        if not self.waiting:
            return False
        if self.accumulate > 1:
            for g in gradients(self.parameters()):
                g *= 1 / self.examples
        if self.clip_norm is not None:
            clip_grad_norm(self.parameters(), self.clip_norm)
        if self.clip_value is not None:
            clip_grad_value(self.parameters(), self.clip_value)
        self.step()
        if self.average is not None:
            self.average.update()
        self.waiting = self.examples = 0
        self.after("step")
        return True

    def after(self, what: str, *quantity: float) -> None:
        """Let the schedule go on after a "step", "epoch" or "report", if that is what it goes by."""
        if self.schedule is not None and self.schedule_per == what:
            self.schedule.step(*quantity)

    def averaged(self) -> AbstractContextManager[None]:
        """A context in which the parameters are the averages, if there are any."""
        return nullcontext() if self.average is None else self.average.applied()

    @property
    def rate(self) -> float:
        """The learning rate of the first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def parameters(self) -> list[Any]:
        """Those that the optimiser changes."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """The states of all of these, and the gradients that wait."""
        parts = {"schedule": self.schedule, "average": self.average}
        return {
            "optimizer": self.optimizer.state_dict(),
            **{name: None if part is None else part.state_dict() for name, part in parts.items()},
            "waiting": self.waiting,
            "examples": self.examples,
            "gradients": [data_of(p.grad) for p in self.parameters()] if self.waiting else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: one has a schedule or an average, and the other has not.
        """
        parts = {"schedule": self.schedule, "average": self.average}
        for name, part in parts.items():
            if (part is None) != (state[name] is None):
                raise ValueError(f"it has {'no' if part is not None else 'a'} {name}, unlike the Trainer")
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in parts.items():  # a schedule sets the rates of the optimiser
            if part is not None:
                part.load_state_dict(state[name])
        self.optimizer.zero_grad()
        for p, g in zip(self.parameters(), state["gradients"], strict=False):  # none, or one for each
            p.grad = g
        self.waiting, self.examples = state["waiting"], state["examples"]
