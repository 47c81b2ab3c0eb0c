"""The cost of define-by-run: forward and backward of small computations beside hand-written NumPy and other libraries.

All contenders run in one process on one thread, interleaved in rounds, after their results are checked to agree. Times
are medians over the rounds; ratios are medians of the ratios within each round.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path

from .footprint import VALUE_FREE, bytes_per_node, import_time
from .harness import (
    BY_HAND,
    PYTORCH,
    Target,
    Timing,
    environment,
    ratio_targets,
    report,
    table,
    time_rounds,
    verdicts,
)
from .workloads import WORKLOADS

PARTS = (*WORKLOADS, "memory", "import")
LIBRARIES = ("wengert", "numpy", "torch", "autograd", "mygrad", "micrograd")

RATIOS = (  # (workload, contender, compared with, at most)
    ("chain 10", "wengert np.sin", PYTORCH, 0.40),
    ("chain 10", "wengert wg.sin", PYTORCH, 0.40),
    ("chain 10", "wengert np.sin", BY_HAND, 2.30),
    ("chain 10", "wengert wg.sin", BY_HAND, 2.30),
    ("chain 1000", "wengert np.sin", BY_HAND, 1.25),
    ("chain 1000", "wengert wg.sin", BY_HAND, 1.25),
    ("scalars", "wengert", "micrograd", 0.75),
    ("network 64-64-10", "wengert", PYTORCH, 0.60),
)
BYTES_PER_NODE = 140
IMPORT_MILLISECONDS = 60


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks overhead`."""
    parser.add_argument("--rounds", type=int, default=100, help="rounds of interleaved timing (default: 100)")
    parser.add_argument("--only", choices=PARTS, metavar="NAME", help=f"one part: {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured to FILE")


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the file that was asked for."""
    parts = [options.only] if options.only else PARTS
    versions = environment(LIBRARIES)
    print(textwrap.fill(", ".join(f"{name} {version}" for name, version in versions.items()), 100))
    timings: list[Timing] = []
    for name in WORKLOADS:
        if name in parts:
            timings += time_rounds(WORKLOADS[name](), options.rounds)
    targets = ratio_targets(RATIOS, timings)
    if "memory" in parts:
        targets += [
            Target(f"bytes a node, {text}", BYTES_PER_NODE, bytes_per_node(step)) for text, step in VALUE_FREE.items()
        ]
    if "import" in parts:
        targets.append(
            Target("import wengert, ms beyond import numpy", IMPORT_MILLISECONDS, import_time(min(options.rounds, 15)))
        )
    if timings:
        print(f"\n{table(timings)}")
    if targets:
        print(f"\n{verdicts(targets)}")
    if options.json:
        options.json.write_text(json.dumps(report(versions, options.rounds, timings, targets), indent=2) + "\n")
