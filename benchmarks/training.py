"""A whole training step in float32, forward, backward and optimiser, beside PyTorch eager from the same weights.

All contenders run in one process, interleaved in rounds, with the same number of threads, after the losses of their
first three steps are checked to agree. Times are medians over the rounds; ratios are medians of the ratios within each
round. "PyTorch" is as it is by default; "fused step" is with fused=True in its optimiser. Targets are beside the
default.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import textwrap
from pathlib import Path

from .harness import PYTORCH, Timing, environment, ratio_targets, report, table, time_rounds, verdicts
from .networks import NETWORKS

LIBRARIES = ("wengert", "numpy", "torch")

RATIOS = (  # (workload, contender, compared with, at most)
    ("MLP 64-64-10", "wengert", PYTORCH, 0.60),
    ("MLP 784-1024-1024-10", "wengert", PYTORCH, 1.10),
    ("CNN 28x28", "wengert", PYTORCH, 1.50),
    ("LSTM 128, 50 steps", "wengert", PYTORCH, 1.50),
    ("transformer 128, 4", "wengert", PYTORCH, 1.50),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks training`."""
    parser.add_argument("--rounds", type=int, default=30, help="rounds of interleaved timing (default: 30)")
    parser.add_argument("--only", choices=NETWORKS, metavar="NAME", help=f"one part: {', '.join(NETWORKS)}")
    parser.add_argument("--optimizer", choices=("Adam", "SGD"), default="Adam", help="default: Adam")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to FILE")


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the file that was asked for."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("torch").set_num_threads(options.threads)
    versions = environment(LIBRARIES)
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(textwrap.fill(f"{told}; {options.optimizer}, {options.threads} thread(s)", 100))
    timings: list[Timing] = []
    for name in [options.only] if options.only else NETWORKS:
        timings += time_rounds(NETWORKS[name](options.optimizer), options.rounds, batch=0.05)
    targets = ratio_targets(RATIOS, timings)
    print(f"\n{table(timings, [PYTORCH])}\n\n{verdicts(targets)}")
    if options.json:
        options.json.write_text(json.dumps(report(versions, options.rounds, timings, targets), indent=2) + "\n")
