"""The file that the type checker reads also runs."""

import runpy
from pathlib import Path

import wengert


def test_typed_example_runs():
    runpy.run_path(str(Path(__file__).with_name("typed.py")))


def test_types_are_shipped():
    assert (Path(wengert.__file__).parent / "py.typed").exists()
