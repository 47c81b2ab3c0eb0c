"""`Trainer`: a model, an optimiser and a loss, until it has learned; resumed as if it had never stopped."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from time import perf_counter
from typing import Any

from .. import tree
from ..nn import Module
from ..optim import ExponentialMovingAverage, Optimizer
from ..recording import no_grad
from .callbacks import Callback
from .checkpoints import CheckpointFolder, load_checkpoint
from .display import Display, open_display
from .interrupts import Interrupt
from .logs import Logs
from .metrics import Best, Means
from .state import gathered, restore
from .stepping import Stepping
from .stream import Stream, first_epoch

_END = object()


class Trainer:
    """Trains a model. `fit` reports after each epoch, or every `report_every` steps: it validates, logs and saves.

    Args:
        model, optimizer: what learns, and how.
        loss: a function of the model's output and the target, which gives the mean over the examples.
        metrics: functions of output and target, as arrays, by name; the mean over all examples is reported.
        schedule: of the learning rate, after each step, or after each epoch with `schedule_per="epoch"`; a
            ReduceLROnPlateau goes by the monitored quantity, after each report.
        average: an ExponentialMovingAverage of the parameters, which are validated with it.
        accumulate: batches for one step of the optimiser, as if they were one batch. An epoch ends with a step.
        clip_norm, clip_value: bounds of the gradients, as of `wg.optim.clip_grad_norm` and `clip_grad_value`.
        monitor: what tells which report is the best: by default "val_loss", or "loss" without validation.
        mode: "min" or "max": which is better.
        patience: stop after so many reports in a row that were not better than the best by more than `min_delta`.
        callbacks: see `Callback`.
        out: a folder for the logs, and for `checkpoints/`. Without it nothing is written.
        report_every, save_every, log_every: numbers of steps: between reports, in place of epochs; between further
            checkpoints; between further rows of the log, with the means over the steps between.
        keep, keep_best: how many of the newest checkpoints are kept; and whether the best one is, too.
        log: "csv", "jsonl", "tensorboard", a `Log` of your own, or a list of these.
        progress, compile: whether to show anything; whether `wg.compile` makes native code of a step.

    A batch is `(input, ..., target)`; a subclass with a `compute` of its own takes others. Counters: `steps` of the
    optimiser, finished `epoch`s, `batch`es in this one. `row` is the latest report, `best.value` the best one's.

    Ctrl-C waits for the end of the batch, saves, and raises KeyboardInterrupt; a second one raises it at once. What is
    random and neither in the model nor in the data needs a callback that carries its state, for exact resuming.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> loader = wg.data.DataLoader(wg.data.spiral(n=50, seed=0), batch_size=50, shuffle=True, seed=0)
        >>> model = wg.nn.Sequential(wg.nn.Linear(2, 32, rng=rng), np.tanh, wg.nn.Linear(32, 3, rng=rng))
        >>> optimizer = wg.optim.Adam(model.parameters(), lr=0.03)
        >>> metrics = {"accuracy": wg.train.accuracy}
        >>> trainer = wg.train.Trainer(model, optimizer, wg.nn.cross_entropy, metrics=metrics, progress=False)
        >>> row = trainer.fit(loader, epochs=100)
        >>> row["step"], row["accuracy"] > 0.9
        (300, True)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Any, Any], Any],
        *,
        metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
        schedule: Any = None,
        schedule_per: str = "step",
        average: ExponentialMovingAverage | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        monitor: str | None = None,
        mode: str = "min",
        patience: int | None = None,
        min_delta: float = 0.0,
        callbacks: Sequence[Callback] = (),
        out: str | os.PathLike[str] | None = None,
        report_every: int | None = None,
        save_every: int | None = None,
        log_every: int | None = None,
        keep: int = 3,
        keep_best: bool = True,
        log: Any = "csv",
        progress: bool = True,
        compile: bool = False,
    ) -> None:
        counts = {"patience": patience, "report_every": report_every, "save_every": save_every, "log_every": log_every}
        for name, value in {"accumulate": accumulate, **counts}.items():
            if value is not None and (not isinstance(value, Integral) or value < 1):
                raise ValueError(f"Trainer: {name} must be a positive integer, got {value!r}")
        if save_every is not None and out is None:
            raise ValueError("Trainer: save_every needs a folder to save to: out=")
        self.model, self.optimizer, self.loss, self.means = model, optimizer, loss, Means(metrics)
        self.stepping = Stepping(optimizer, schedule, schedule_per, average, accumulate, clip_norm, clip_value)
        self.stream, self.logs = Stream(), Logs(log, None if out is None else Path(out))
        self.best, self.keep_best = Best(monitor, mode, patience, min_delta), keep_best
        self.report_every, self.save_every, self.log_every = report_every, save_every, log_every
        self.callbacks, self.progress = list(callbacks), progress
        self.checkpoints = None if out is None else CheckpointFolder(Path(out) / "checkpoints", keep)
        self.steps = self.epoch = self.batch = 0
        self.due = self.over = False  # a report is due; the epoch is over
        self.row: dict[str, Any] = {}
        self.seconds = 0.0  # spent in `fit`
        self._begun = self._stopping = False
        self._interrupt, self._display = Interrupt(), Display()
        self._learn = self.stepping.learner(self.compute, compile)

    def fit(
        self, data: Any, validation: Iterable[Any] | None = None, epochs: int | None = None, steps: int | None = None
    ) -> dict[str, Any]:
        """Train until so many epochs or steps are done in all, those before a resume included; gives the last report.

        Args:
            data: batches: a DataLoader, a list, or whatever can be gone through once for each epoch. For exact
                resuming it has `state_dict()` and `load_state_dict(state)`, or the same batches in each epoch.
            validation: batches for the reports; of a DataLoader, always those of its first epoch.

        Raises:
            FloatingPointError: the loss is NaN or infinite; the checkpoints are those before.
            FileExistsError: `out` has checkpoints of another run.
            KeyboardInterrupt: by Ctrl-C, after saving.
        """
        if epochs is None and steps is None:
            raise ValueError("Trainer.fit: needs epochs or steps: how many there are to be in all")
        self._begin(data)
        started, batches, whole = perf_counter() - self.seconds, None, True
        with Interrupt() as self._interrupt, open_display(self.progress) as self._display:
            try:
                self._tell("on_start")
                while not self._finished(epochs, steps):
                    if self.due:
                        self._report(validation)
                    elif self.over:
                        self.epoch, self.batch, self.over, batches = self.epoch + 1, 0, False, None
                        self.stepping.after("epoch")
                    else:
                        batches = self.stream.rest(self.batch) if batches is None else batches
                        batch, before = next(batches, _END), self.steps
                        whole = False  # half a step is not to be saved
                        self._end_epoch() if batch is _END else self.step(batch)
                        whole = True
                        if self.steps > before:
                            self._stepped()
                        self._show(epochs, steps)
                    self.seconds = perf_counter() - started
                    self._interrupt.check()
                if self.row.get("step", 0) != self.steps:
                    self._report(validation, last=True)
                    self._interrupt.check()
            except KeyboardInterrupt:
                if whole and not self._interrupt.at_once and self.checkpoints is not None:
                    self.save()
                    self._display.line(f"interrupted in epoch {self.epoch + 1}, after step {self.steps}: saved")
                raise
            finally:
                self._tell("on_end")
                self.logs.end()
        return self.row

    def step(self, batch: Any) -> float:
        """Learn from one batch: its gradients, and after `accumulate` of them the optimiser's step. Gives the loss."""
        n = len(tree.leaves(batch)[0])
        value = self.means.add(n, *self._learn(batch, n, not self.stepping.waiting))
        if not math.isfinite(value):
            raise FloatingPointError(f"Trainer: the loss is {value} in epoch {self.epoch + 1}, after step {self.steps}")
        self.steps += self.stepping.take(n)
        self.batch += 1
        return value

    def compute(self, batch: Any) -> tuple[Any, Any, Any]:
        """The loss, the model's output and the target of a batch. Override it for batches of another form."""
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise TypeError(f"Trainer: a batch is (input, ..., target), got {type(batch).__name__}; override `compute`")
        *inputs, target = batch
        output = self.model(*inputs)
        return self.loss(output, target), output, target

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        """The mean loss and metrics over all examples, with the model in eval mode, and with `average` if there is."""
        modes = [(m, m.training) for m in self.model.modules()]
        means = Means(self.means.metrics)
        self.model.eval()
        try:
            with no_grad(), self.stepping.averaged(), first_epoch(data) as batches:
                for batch in batches:
                    self._interrupt.check()
                    means.add(len(tree.leaves(batch)[0]), *self.compute(batch))
        finally:
            for module, mode in modes:
                module.training = mode
        if not means.values():
            raise ValueError("Trainer: there is nothing to evaluate; an iterator gives its batches only once")
        return means.values()

    def stop(self) -> None:
        """End `fit` after this step or report; for callbacks."""
        self._stopping = True

    def save(self, best: bool = False) -> None:
        """Write a checkpoint now, into `out`."""
        if self.checkpoints is None:
            raise ValueError("Trainer.save: needs a Trainer with `out`")
        self.checkpoints.save(self.steps, gathered(self), best and self.keep_best)
        self._begun = True

    def resume(self, path: str | os.PathLike[str] | None = None) -> bool:
        """Take up the newest checkpoint in `out`, or that of `path`; `fit` goes on from there as if it had not stopped.

        False if there is none. A damaged one is passed over, with a warning, for the one before, unless it is `path`.

        Raises:
            ValueError: the checkpoint is damaged, or of another model, optimiser or schedule.
        """
        found: Any
        if path is not None:
            found = path, load_checkpoint(path)
        elif self.checkpoints is None:
            raise ValueError("Trainer.resume: needs a path, or a Trainer with `out`")
        else:
            found = self.checkpoints.newest()
        if found is None:
            return False
        restore(self, *found)
        self._begun = True
        return True

    def _begin(self, data: Any) -> None:
        if self.checkpoints is not None and not self._begun:
            self.checkpoints.check_empty()
        self.stream.open(data, self.batch)
        self._begun, self._stopping = True, False
        self.model.train()
        self.logs.begin(self.steps)

    def _finished(self, epochs: int | None, steps: int | None) -> bool:
        if self.due or (self.batch == self.stream.length and not self.over):
            return False  # first the report, and the end of an epoch whose batches are all done
        reached = (epochs is not None and self.epoch >= epochs) or (steps is not None and self.steps >= steps)
        return reached or self._stopping or self.best.given_up

    def _end_epoch(self) -> None:
        if not self.batch:
            raise ValueError("Trainer.fit: the data gave no batches; an iterator gives its own only once: pass a list")
        self.steps += self.stepping.flush()
        self.over, self.due = True, self.due or self.report_every is None

    def _stepped(self) -> None:
        """What follows a step of the optimiser."""
        self.due = self.due or _divides(self.report_every, self.steps)
        if _divides(self.log_every, self.steps):
            self.logs.write(self._row(self.means.recent()))
        self._tell("on_step")
        if _divides(self.save_every, self.steps):
            self.save()

    def _report(self, validation: Iterable[Any] | None, last: bool = False) -> None:
        """A row. The last one, amid an epoch, decides nothing, so that going on later is as if there were none."""
        tested = {} if validation is None else self.evaluate(validation)
        row = self._row(self.means.values()) | {f"val_{name}": value for name, value in tested.items()}
        row["seconds"] = round(self.seconds, 3)
        self._tell("on_report", row)
        better = not last and self.best.judge(row)
        if not last:
            self.stepping.after("report", self.best.quantity(row))
            self.means.reset()
            self.due = False
        self.row = row
        self.logs.write(row)
        self._display.report(row)
        if self.checkpoints is not None:
            self.save(better)

    def _row(self, means: Mapping[str, float]) -> dict[str, Any]:
        return {"epoch": self.epoch + 1, "step": self.steps, **means, "lr": self.stepping.rate}

    def _tell(self, what: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, what)(self, *args)

    def _show(self, epochs: int | None, steps: int | None) -> None:
        part = self.batch / self.stream.length if self.stream.length else 0.0
        done = max((self.epoch + part) / epochs if epochs else 0.0, self.steps / steps if steps else 0.0)
        loss = self.means.values().get("loss", math.nan)
        self._display.progress(done, f"epoch {self.epoch + 1}  step {self.steps}  loss {loss:.4g}")


def _divides(every: int | None, steps: int) -> bool:
    return every is not None and steps % every == 0
