"""Learning rates that change from step to step, or from epoch to epoch: whatever `step()` is called after.

Each is a formula of the number of steps and of the rate that the group had at first (`initial_lr`), so that going on
from `state_dict` is exact. Names, arguments and values are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer


class Schedule:
    """The base: a subclass gives `rate(t, initial)`, the rate after t steps.

    Args:
        optimizer: whose groups get the rates, at once and with each `step()`.

    Example:
        >>> class Inverse(wg.optim.Schedule):
        ...     def rate(self, t, initial):
        ...         return initial / (1 + t)
        >>> opt = wg.optim.SGD([wg.Variable(1.0)], lr=0.5)
        >>> schedule = Inverse(opt)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0  # steps until now, by PyTorch's name
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self._set()

    def rate(self, t: int, initial: float) -> float:
        """The learning rate after t steps of a group that had the rate `initial` at first."""
        raise NotImplementedError(f"{type(self).__name__} has no method rate")

    def step(self) -> None:
        """Go on by one step: after the optimiser's, or after an epoch."""
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The number of steps; the optimiser's own state holds the first rates."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there. Load the optimiser's state first."""
        self.last_epoch = int(state["last_epoch"])
        self._set()

    def _set(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.last_epoch, group["initial_lr"])


class LambdaLR(Schedule):
    """The first rate times `lr_lambda(t)`."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return initial * float(self.lr_lambda(t))


class StepLR(Schedule):
    """Times `gamma` after every `step_size` steps.

    Example:
        >>> opt = wg.optim.SGD([wg.Variable(1.0)], lr=1.0)
        >>> schedule = wg.optim.StepLR(opt, step_size=2, gamma=0.5)
        >>> for _ in range(5):
        ...     schedule.step()
        >>> opt.param_groups[0]["lr"]
        0.25
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = _positive("StepLR: step_size", step_size), gamma
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return float(initial * self.gamma ** (t // self.step_size))


class MultiStepLR(Schedule):
    """Times `gamma` at each of the `milestones`, which are numbers of steps."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return float(initial * self.gamma ** sum([t >= m for m in self.milestones]))


class ExponentialLR(Schedule):
    """Times `gamma` in every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return float(initial * self.gamma**t)


class CosineAnnealingLR(Schedule):
    """From the first rate down to `eta_min` along half a cosine of `T_max` steps, and up again after that.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = _positive("CosineAnnealingLR: T_max", T_max), eta_min
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return self.eta_min + (initial - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(Schedule):
    """Half cosines down to `eta_min`, each from the first rate: of `T_0` steps, then `T_mult` times as many, and so on.

    The source is that of `CosineAnnealingLR`.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0 = _positive("CosineAnnealingWarmRestarts: T_0", T_0)
        self.T_mult, self.eta_min = _positive("CosineAnnealingWarmRestarts: T_mult", T_mult), eta_min
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        period = self.T_0
        if self.T_mult == 1:
            t %= period
        while t >= period:
            t -= period
            period *= self.T_mult
        return self.eta_min + (initial - self.eta_min) * (1 + math.cos(math.pi * t / period)) / 2


class LinearLR(Schedule):
    """A warm-up: from `start_factor` to `end_factor` times the first rate in `total_iters` steps, then constant."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: factors must be in (0, 1] and [0, 1], got {start_factor} and {end_factor}")
        self.start, self.end = start_factor, end_factor
        self.total_iters = _positive("LinearLR: total_iters", total_iters)
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        return initial * (self.start + (self.end - self.start) * min(t, self.total_iters) / self.total_iters)


class SequentialLR(Schedule):
    """One schedule after the other: the next one begins at each of the `milestones`, as if it were at its first step.

    Example:
        >>> opt = wg.optim.SGD([wg.Variable(1.0)], lr=1.0)
        >>> warm_up = wg.optim.LinearLR(opt, start_factor=0.1, total_iters=10)
        >>> cosine = wg.optim.CosineAnnealingLR(opt, T_max=90)
        >>> schedule = wg.optim.SequentialLR(opt, [warm_up, cosine], milestones=[10])
        >>> opt.param_groups[0]["lr"]
        0.1
        >>> for _ in range(10):
        ...     schedule.step()
        >>> opt.param_groups[0]["lr"]
        1.0
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        if len(schedulers) != len(milestones) + 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need one milestone less, got {len(milestones)}"
            )
        for schedule in schedulers:
            if type(schedule).step is not Schedule.step or type(schedule)._set is not Schedule._set:
                raise TypeError(f"SequentialLR: {type(schedule).__name__} is no formula of the step alone")
        self.schedulers, self.milestones = list(schedulers), sorted(milestones)
        super().__init__(optimizer)

    def rate(self, t: int, initial: float) -> float:
        i = sum([t >= m for m in self.milestones])
        return self.schedulers[i].rate(t - (self.milestones[i - 1] if i else 0), initial)


class OneCycleLR(Schedule):
    """Up from `max_lr / div_factor` to `max_lr` in the first `pct_start` of the steps, then down to nearly nothing.

    Momentum (or the first of `betas`) goes the other way, between `max_momentum` and `base_momentum`. L. N. Smith and
    N. Topin, "Super-convergence: very fast training of neural networks using large learning rates", arXiv:1708.07120.

    Args:
        max_lr: one rate, or one for each group.
        total_steps: or `epochs` and `steps_per_epoch`. One more step is a ValueError.
        anneal_strategy: "cos" or "linear".
        three_phase: go back to the start the way it came, and then down.

    Example:
        >>> opt = wg.optim.SGD([wg.Variable(1.0)], lr=1.0, momentum=0.9)
        >>> schedule = wg.optim.OneCycleLR(opt, max_lr=1.0, total_steps=10)
        >>> rates = []
        >>> for _ in range(9):
        ...     rates += [round(r, 2) for r in schedule.get_last_lr()]
        ...     schedule.step()
        >>> rates
        [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: needs total_steps, or epochs and steps_per_epoch")
        steps = total_steps if total_steps is not None else (epochs or 0) * (steps_per_epoch or 0)
        self.total_steps = _positive("OneCycleLR: the number of steps", steps)
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: pct_start must be in [0, 1] and anneal_strategy 'cos' or 'linear', got {pct_start} "
                f"and {anneal_strategy!r}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"OneCycleLR: expected an Optimizer, got {type(optimizer).__name__}")
        groups = optimizer.param_groups
        self.max_lrs = [float(r) for r in max_lr] if isinstance(max_lr, Sequence) else [float(max_lr)] * len(groups)
        if len(self.max_lrs) != len(groups):
            raise ValueError(f"OneCycleLR: {len(self.max_lrs)} rates for {len(groups)} groups of parameters")
        key = next((k for k in ("betas", "momentum") if k in optimizer.defaults), None)
        if cycle_momentum and key is None:
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has no momentum; pass cycle_momentum=False")
        self.momentum_key = key if cycle_momentum else None
        self.linear = anneal_strategy == "linear"
        end = self.total_steps - 1.0
        rates = (1 / div_factor, 1.0, 1 / div_factor / final_div_factor)
        momenta = (max_momentum, base_momentum, max_momentum)
        ends = [pct_start * self.total_steps - 1, end]
        if three_phase:
            ends.insert(1, 2 * pct_start * self.total_steps - 2)
            rates = (*rates[:2], rates[0], rates[2])  # type: ignore[assignment]
            momenta = (*momenta, max_momentum)  # type: ignore[assignment]
        self.ends, self.rates, self.momenta = ends, rates, momenta
        for group, rate in zip(groups, self.max_lrs, strict=True):
            group["initial_lr"] = rate / div_factor
        super().__init__(optimizer)

    def _between(self, values: Sequence[float], t: int) -> float:
        start, phase = 0.0, 0
        while phase < len(self.ends) - 1 and t > self.ends[phase]:
            start = self.ends[phase]
            phase += 1
        length = self.ends[phase] - start
        part = (t - start) / length if length else 1.0
        a, b = values[phase], values[phase + 1]
        return a + (b - a) * part if self.linear else b + (a - b) / 2 * (1 + math.cos(math.pi * part))

    def _set(self) -> None:
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} of a schedule of {self.total_steps} steps")
        for group, rate in zip(self.optimizer.param_groups, self.max_lrs, strict=True):
            group["lr"] = rate * self._between(self.rates, t)
            if self.momentum_key is not None:
                momentum = self._between(self.momenta, t)
                betas = self.momentum_key == "betas"
                group[self.momentum_key] = (momentum, group["betas"][1]) if betas else momentum


class ReduceLROnPlateau:
    """Times `factor` when a quantity has not become better for more than `patience` steps.

    Args:
        mode: "min" or "max": which is better.
        threshold: by how much a value has to be better than the best: relative (`threshold_mode="rel"`) or not ("abs").
        cooldown: how many steps after a reduction are not counted.
        min_lr: no rate falls below it; one for all groups, or one for each.
        eps: a smaller change is not made.

    Example:
        >>> opt = wg.optim.SGD([wg.Variable(1.0)], lr=1.0)
        >>> schedule = wg.optim.ReduceLROnPlateau(opt, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ReduceLROnPlateau: expected an Optimizer, got {type(optimizer).__name__}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs") or not 0 < factor < 1:
            raise ValueError(
                "ReduceLROnPlateau: mode must be 'min' or 'max', threshold_mode 'rel' or 'abs', factor in (0, 1); got "
                f"{mode!r}, {threshold_mode!r} and {factor}"
            )
        groups = optimizer.param_groups
        self.optimizer = optimizer
        self.min_lrs = [float(r) for r in min_lr] if isinstance(min_lr, Sequence) else [float(min_lr)] * len(groups)
        if len(self.min_lrs) != len(groups):
            raise ValueError(f"ReduceLROnPlateau: {len(self.min_lrs)} lowest rates for {len(groups)} groups")
        self.sign = 1.0 if mode == "min" else -1.0
        self.relative = threshold_mode == "rel"
        self.factor, self.patience, self.threshold, self.cooldown, self.eps = factor, patience, threshold, cooldown, eps
        self.last_epoch = self.bad = self.cooling = 0
        self.best: float | None = None

    def step(self, metrics: Any) -> None:
        """Note a value of the quantity.

        Raises:
            ValueError: it is NaN.
        """
        value = float(metrics.item() if hasattr(metrics, "item") else metrics)
        if math.isnan(value):
            raise ValueError("ReduceLROnPlateau: the quantity is NaN")
        self.last_epoch += 1
        if self.best is None or self.sign * value < self._to_beat(self.best):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling -= 1
            self.bad = 0
        if self.bad > self.patience:
            self.cooling, self.bad = self.cooldown, 0
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr

    def _to_beat(self, best: float) -> float:
        if self.relative:
            return self.sign * best * (1 - self.sign * self.threshold)
        return self.sign * best - self.threshold

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The best value and the counts; the rates are in the optimiser's own state."""
        return {"last_epoch": self.last_epoch, "best": self.best, "bad": self.bad, "cooling": self.cooling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.last_epoch, self.bad, self.cooling = (int(state[k]) for k in ("last_epoch", "bad", "cooling"))
        self.best = None if state["best"] is None else float(state["best"])


def _positive(what: str, value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{what} must be a positive integer, got {value!r}")
    return value
