"""Compiled functions beside PyTorch eager, torch.compile and jax.jit, on the same number of threads.

All contenders run in one process, interleaved in rounds, after their first results are checked to agree with plain
Wengert. Times are medians over the rounds; ratios are medians of the ratios within each round. A target is beside the
best of the peers. How long the first call takes stands under each table.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .compiled_workloads import COMPILED, JAX, PLAIN, TORCH_COMPILED, Task, tasks
from .harness import PYTORCH, Call, Target, Timing, Workload, environment, report, table, time_rounds, verdicts

LIBRARIES = ("wengert", "numpy", "llvmlite", "torch", "jax")
PEERS = (PYTORCH, TORCH_COMPILED, JAX)
NAMES = tuple(tasks(1))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks compile`."""
    parser.add_argument("--rounds", type=int, default=20, help="rounds of interleaved timing (default: 20)")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument(
        "--without", nargs="+", choices=PEERS, default=[], metavar="PEER", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to FILE")


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the file that was asked for."""
    versions = environment(LIBRARIES)
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(textwrap.fill(f"{told}; {options.threads} thread(s)", 100))
    made = tasks(options.threads)
    timings: list[Timing] = []
    targets: list[Target] = []
    for name in options.only or made:
        task = made[name]()
        first: dict[str, float] = {}
        contenders = {
            who: _first_timed(who, make, first) for who, make in task.contenders.items() if who not in options.without
        }
        workload = Workload(task.name, contenders, reference=PLAIN, rtol=task.rtol)
        new = time_rounds(workload, options.rounds, batch=0.02)
        print(f"\n{table(new, [PYTORCH, COMPILED])}", flush=True)
        print("first call, ms: " + ", ".join(f"{who} {ms:.0f}" for who, ms in first.items()), flush=True)
        timings += new
        targets += best_peer(task, new)
    print(f"\n{verdicts(targets)}")
    if options.json:
        options.json.write_text(json.dumps(report(versions, options.rounds, timings, targets), indent=2) + "\n")


def _first_timed(who: str, make: Callable[[], Call], first: dict[str, float]) -> Callable[[], Call]:
    """`make`, which also notes how long its first call took."""

    def made() -> Call:
        call = make()
        start = time.perf_counter()
        result = call()
        first[who] = (time.perf_counter() - start) * 1e3
        waiting = [result]  # the first result is what is compared: a step changes its parameters
        return lambda: waiting.pop() if waiting else call()

    return made


def best_peer(task: Task, timings: Sequence[Timing]) -> list[Target]:
    """The target beside the peer that was quickest."""
    of = {t.contender: t for t in timings}
    peers = [of[name] for name in PEERS if name in of and of[name].rounds]
    if not peers:
        return [Target(f"{task.name}: compiled / best peer", 1 / task.factor, None)]
    best = min(peers, key=lambda t: t.median)
    return [Target(f"{task.name}: compiled / {best.contender}", 1 / task.factor, of[COMPILED].ratio(best))]
