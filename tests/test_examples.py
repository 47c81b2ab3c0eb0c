"""Every script in examples/ runs by itself, prints a table and leaves a picture beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wengert

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, tmp_path):
    pytest.importorskip("scipy", reason="the examples use SciPy's solvers")
    pytest.importorskip("matplotlib", reason="the examples' pictures need matplotlib")
    script = shutil.copy(example, tmp_path)
    source = str(Path(wengert.__file__).parent.parent)
    found = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,  # they take seconds; the machine may do other work at the same time
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert len(found.stdout.splitlines()) >= 5
    assert list(tmp_path.glob("*.png"))
