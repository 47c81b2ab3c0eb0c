"""The benchmarks run, and their contenders agree; nothing here asserts a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.footprint import VALUE_FREE, bytes_per_node
from benchmarks.harness import BY_HAND, Target, Timing, prepare, results
from benchmarks.networks import NETWORKS
from benchmarks.overhead import PARTS
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[1]
CONTENDERS = [(name, contender) for name, make in WORKLOADS.items() for contender in make().contenders]


@pytest.mark.filterwarnings("default")  # what other libraries warn of is not ours
@pytest.mark.parametrize(("workload", "contender"), CONTENDERS)
def test_contender_agrees_with_numpy_by_hand(workload, contender):
    contenders = WORKLOADS[workload]().contenders
    try:
        call = contenders[contender]()
    except ModuleNotFoundError as error:
        if error.name == "wengert":
            raise
        pytest.skip(f"{contender} is not installed")
    for got, expected in zip(results(call), results(contenders[BY_HAND]()), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("operation", VALUE_FREE)
def test_a_value_free_node_keeps_no_array(operation):
    assert bytes_per_node(VALUE_FREE[operation], 500) < np.ones(10).nbytes + 200


def test_ratio_is_the_median_within_rounds():
    ours, other = Timing("w", "ours", [1.0, 20.0, 3.0]), Timing("w", "other", [2.0, 10.0, 3.0])
    assert ours.median == 3.0
    assert ours.ratio(other) == 1.0


def test_verdict_of_a_target():
    assert Target("t", 2.0, 2.0).verdict == "met"
    assert Target("t", 2.0, 2.1).verdict == "NOT MET"
    assert Target("t", 2.0, None).verdict == "not measured"


def _benchmarks(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_the_benchmarks():
    assert "overhead" in _benchmarks("--help")


@pytest.mark.parametrize("part", PARTS)
def test_overhead_prints_a_table_and_writes_a_file(part, tmp_path):
    file = tmp_path / "measured.json"
    text = _benchmarks("overhead", "--rounds", "1", "--only", part, "--json", str(file))
    assert max(map(len, text.splitlines())) <= 100
    measured = json.loads(file.read_text())
    assert measured["rounds"] == 1
    assert all(t["target"] in text for t in measured["targets"])
    assert ("by hand" in text) == (part in WORKLOADS)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_networks_of_both_libraries_have_the_same_losses(network, optimizer):
    pytest.importorskip("torch", reason="PyTorch is installed apart")
    assert all(prepare(NETWORKS[network](optimizer)).values())  # raises where they differ


def test_training_prints_a_table_and_writes_a_file(tmp_path):
    file = tmp_path / "measured.json"
    text = _benchmarks("training", "--rounds", "1", "--only", "digits", "--threads", "2", "--json", str(file))
    (target,) = json.loads(file.read_text())["targets"]
    assert target["target"] in text
    assert "2 thread(s)" in text
