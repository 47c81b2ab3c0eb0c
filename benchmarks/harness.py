"""How contenders are compared: checked to agree, timed in interleaved rounds, printed beside each other."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BY_HAND = "by hand"
PYTORCH = "PyTorch"

Call = Callable[[], Sequence[Any]]  # one computation; returns its gradients as the library gives them


@dataclass
class Workload:
    """One computation, and how each contender prepares it: by a function that imports its library."""

    name: str
    contenders: dict[str, Callable[[], Call]]
    reference: str = BY_HAND  # the contender that every other must agree with
    calls: int = 1  # so many calls are compared
    rtol: float = 1e-9


@dataclass
class Timing:
    """One contender on one workload: the time of a call in each round, in microseconds; none if not installed."""

    workload: str
    contender: str
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.rounds)

    def ratio(self, other: Timing) -> float:
        """The median over the rounds of this one's time to the other's in the same round."""
        return statistics.median([a / b for a, b in zip(self.rounds, other.rounds, strict=True)])


@dataclass
class Target:
    """A promise: what was measured must not exceed the limit. Nothing was measured where a peer is missing."""

    text: str
    limit: float
    measured: float | None

    @property
    def verdict(self) -> str:
        """One word or two for the table."""
        return "not measured" if self.measured is None else "met" if self.measured <= self.limit else "NOT MET"


def prepare(workload: Workload) -> dict[str, Call | None]:
    """The contenders' computations, checked to give what the reference gives; None for what is not installed."""
    calls: dict[str, Call | None] = {}
    for name, make in workload.contenders.items():
        try:
            calls[name] = make()
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] in ("numpy", "wengert", "benchmarks"):
                raise
            calls[name] = None
    expected = first_results(workload, calls[workload.reference])
    for name, call in calls.items():
        if call is not None and name != workload.reference:
            for got, want in zip(first_results(workload, call), expected, strict=True):
                where, close = f"{workload.name}: {name}", workload.rtol * float(np.max(np.abs(want), initial=0.0))
                np.testing.assert_allclose(got, want, rtol=workload.rtol, atol=close, err_msg=where)
    return calls


def first_results(workload: Workload, call: Call) -> list[np.ndarray]:
    """What the first calls return, one after the other."""
    return [g for _ in range(workload.calls) for g in results(call)]


def results(call: Call) -> list[np.ndarray]:
    """What a computation returns, as arrays of their own: the next call may change its parameters in place."""
    return [np.asarray(g).copy() for g in call()]


def time_rounds(workload: Workload, rounds: int, batch: float = 0.005) -> list[Timing]:
    """Time the contenders in turn, `rounds` times: whatever slows the machine for a while slows all of them.

    A contender runs for about `batch` seconds a round. The garbage collector stays as Python sets it.
    """
    calls = prepare(workload)
    timings = {name: Timing(workload.name, name) for name in calls}
    repeats = {name: _repeats(call, batch) for name, call in calls.items() if call is not None}
    order = list(repeats)
    for _ in range(rounds):
        for name in order:
            timings[name].rounds.append(_time(calls[name], repeats[name]) * 1e6)
        order.append(order.pop(0))  # nobody always follows the same neighbour's garbage
    return list(timings.values())


def _repeats(call: Any, batch: float) -> int:
    call()
    once = min(_time(call, 1) for _ in range(5))
    return max(1, round(batch / once))


def _time(call: Any, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


# ---- what is printed ------------------------------------------------------------------------------------------------


def environment(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of the libraries that are installed."""
    versions = {"Python": platform.python_version()}
    for name in libraries:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def table(timings: Sequence[Timing], bases: Sequence[str] = (BY_HAND, PYTORCH)) -> str:
    """A line for each contender: its median time, and its ratio to others."""
    of = {(t.workload, t.contender): t for t in timings}
    head = "".join([f"{f'x {base}':>19}" for base in bases])
    lines = [f"{'workload':<30}{'contender':<20}{'median µs':>12}{head}"]
    for t in timings:
        line = f"{t.workload:<30}{t.contender:<20}"
        if not t.rounds:
            lines.append(f"{line}{'not installed':>16}")
            continue
        line += f"{t.median:>12.1f}"
        for other in bases:
            base = of.get((t.workload, other))
            line += f"{t.ratio(base):>19.2f}" if base is not None and base.rounds else f"{'-':>19}"
        lines.append(line)
    return "\n".join(lines)


def verdicts(targets: Sequence[Target]) -> str:
    """A line for each target: what was measured, the limit, and whether it is met."""
    lines = [f"{'target':<60}{'measured':>12}{'at most':>12}"]
    for t in targets:
        measured = "-" if t.measured is None else f"{t.measured:.2f}"
        lines.append(f"{t.text:<60}{measured:>12}{t.limit:>12.2f}  {t.verdict}")
    return "\n".join(lines)


def ratio_targets(ratios: Sequence[tuple[str, str, str, float]], timings: Sequence[Timing]) -> list[Target]:
    """The targets about the workloads that were run: (workload, contender, compared with, at most)."""
    of = {(t.workload, t.contender): t for t in timings}
    targets = []
    for workload, contender, other, limit in ratios:
        if (workload, contender) in of:
            ours, base = of[workload, contender], of[workload, other]
            measured = ours.ratio(base) if base.rounds else None
            targets.append(Target(f"{workload}: {contender} / {other}", limit, measured))
    return targets


def report(
    versions: dict[str, str], rounds: int, timings: Sequence[Timing], targets: Sequence[Target]
) -> dict[str, Any]:
    """What was measured, for a file."""
    return {
        "environment": versions,
        "rounds": rounds,
        "median_microseconds": {
            workload: {t.contender: t.median if t.rounds else None for t in timings if t.workload == workload}
            for workload in dict.fromkeys(t.workload for t in timings)
        },
        "targets": [
            {"target": t.text, "measured": t.measured, "at_most": t.limit, "verdict": t.verdict} for t in targets
        ],
    }
