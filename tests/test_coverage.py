"""Every public function of NumPy is in one group, and the page that says so is up to date."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wengert import coverage
from wengert.__main__ import main

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
VERSION = tuple(map(int, np.__version__.split(".")[:2]))
WRITTEN_FOR = tuple(map(int, PAGE.read_text(encoding="utf-8").split("NumPy ")[1].split()[0].split(".")))

same_version = pytest.mark.skipif(VERSION != WRITTEN_FOR, reason="docs/coverage.md is of another version of NumPy")
not_older = pytest.mark.skipif(VERSION < WRITTEN_FOR, reason="an older NumPy has names that are gone since")


@not_older
def test_every_name_is_in_a_group():
    missing = [f"{namespace}: {name}" for namespace, name, groups in coverage.names() if not groups]
    assert not missing, "declare a rule, or constant_functions(...), or refused_functions(...), for " + ", ".join(
        missing
    )


def test_no_name_is_in_two_groups():
    twice = [
        f"{namespace}: {name} is {' and '.join(groups)}"
        for namespace, name, groups in coverage.names()
        if len(groups) > 1
    ]
    assert not twice, "\n".join(twice)


@same_version
def test_the_lists_name_what_exists():
    known = {f"{namespace}.{name}" for namespace, name, _ in coverage.names()}
    for name in coverage._NO_ARRAY | coverage._CONVERT | coverage._THROUGH:
        assert name in known, f"{name} is listed in coverage.py and not in NumPy {np.__version__}"


@pytest.mark.parametrize(
    ("namespace", "name", "group"),
    [
        ("numpy", "sin", "differentiable"),
        ("numpy", "argmax", "constant"),
        ("numpy", "asmatrix", "refused"),
        ("numpy.fft", "irfftn", "differentiable"),
        ("numpy.strings", "isalpha", "refused"),
        ("numpy.strings", "equal", "constant"),
        ("numpy.ndarray", "reshape", "differentiable"),
        ("numpy.ndarray", "shape", "constant"),
        ("others that a Variable overrides", "clip", "differentiable"),
    ],
)
def test_groups(namespace, name, group):
    assert [g for n, m, g in coverage.names() if (n, m) == (namespace, name)] == [[group]]


def test_the_command_prints_a_table_of_counts(capsys):
    assert main(["coverage"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == list(coverage.GROUPS)
    counts = [[int(n) for n in row.split()[-3:]] for row in rows]
    assert [sum(column) for column in zip(*counts[:-1], strict=True)] == counts[-1]


@same_version
def test_the_page_is_up_to_date(capsys):
    main(["coverage", "--markdown"])
    written = PAGE.read_text(encoding="utf-8")
    assert capsys.readouterr().out == written, "run: python -m wengert coverage --markdown > docs/coverage.md"
