"""What Wengert takes beside time in the loop: bytes for each node, and the time of `import wengert`."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

VALUE_FREE: dict[str, Callable[[Any], Any]] = {  # operations whose rules read no value
    "y + 1.0": lambda y: y + 1.0,
    "y - x": lambda y: y - CONSTANT,
    "-y": lambda y: -y,
    "y.T": lambda y: y.T,
}
CONSTANT = np.ones(10)


def bytes_per_node(step: Callable[[Any], Any], count: int = 10_000) -> float:
    """What each of `count` steps leaves in memory once its value is dropped."""
    y = step(wg.Variable(np.ones(10)))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            y = step(y)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return (after - before) / count


def import_time(rounds: int) -> float:
    """Milliseconds that `import wengert` adds to a fresh process that imports NumPy: the median over the rounds."""
    _run("import numpy, wengert")  # writes the byte code, as the first import after an installation does
    added = []
    for _ in range(rounds):
        without = _run("import numpy")
        added.append(_run("import numpy, wengert") - without)
    return statistics.median(added) * 1e3


def _run(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    return time.perf_counter() - start
