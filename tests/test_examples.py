"""Every script in examples/ runs by itself, prints what it claims, and leaves a picture beside it.

Those that learn are run for a shorter time than by default, and checked against what that suffices for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wengert

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
PICTURES = {path.stem for path in EXAMPLES} - {"pytorch_weights"}
LEARNING = {  # arguments; then what precedes a figure, and its bounds
    "cartpole": ("", [("the best push ", 120, 200), ("at random ", 10, 40)]),
    "digits_gan": ("--epochs 40", [("distance of drawings  to other digits", 0, 5), ("digits drawn: ", 6, 10)]),
    "digits_mlp": ("--epochs 15", [("test accuracy ", 97, 100)]),
    "digits_vae": ("--epochs 10", [(r"\n   10 +-\d+\.\d+ ", -180, -100)]),
    "grad_cam": ("--epochs 5", [("test accuracy ", 60, 100), ("by Grad-CAM: ", 30, 100)]),
    "pytorch_weights": ("", [("Wengert, trained on +test accuracy ", 96, 100), ("of outputs ", 0, 1e-5)]),
    "sine_prediction": ("--epochs 4", [(r"RNN +1,153 ", 0, 0.1), (r"LSTM +4,513 ", 0, 0.1)]),
    "sine_regression": ("--gradients 8000", [("L-BFGS +root mean square error.*: ", 0, 0.06)]),
    "spiral": ("--epochs 60", [("test accuracy ", 95, 100)]),
}  # fmt: skip


def test_there_are_examples():
    assert EXAMPLES
    assert LEARNING.keys() <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, tmp_path):
    pytest.importorskip("scipy", reason="the examples use SciPy's solvers")
    pytest.importorskip("matplotlib", reason="the examples' pictures need matplotlib")
    if example.stem == "pytorch_weights":
        pytest.importorskip("torch", reason="PyTorch is installed apart")
        pytest.importorskip("safetensors", reason="safetensors is installed apart")
    script = shutil.copy(example, tmp_path)
    source = str(Path(wengert.__file__).parent.parent)
    arguments, figures = LEARNING.get(example.stem, ("", []))
    found = subprocess.run(
        [sys.executable, "-W", "error", script, *arguments.split()],
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
    assert bool(list(tmp_path.glob("*.png"))) == (example.stem in PICTURES)
    for before, low, high in figures:
        figure = re.search(before + r" *(-?[\d.]+(?:e-?\d+)?)", found.stdout)
        assert figure is not None, found.stdout
        assert low <= float(figure[1]) <= high, figure[0]
