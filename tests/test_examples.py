"""Every example runs to its end in under 30 seconds of one core, prints a table and writes a picture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example: Path, tmp_path: Path):
    pytest.importorskip("scipy", reason="the examples use SciPy")
    pytest.importorskip("matplotlib", reason="the examples' pictures need matplotlib")
    picture = tmp_path / "picture.png"
    fixed = {"PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    environment = {**os.environ, **fixed}
    before = os.times()
    done = subprocess.run(
        [sys.executable, example, picture], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5
    assert picture.read_bytes().startswith(b"\x89PNG")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 30  # not what a clock on the wall says, which depends on what else the machine does
