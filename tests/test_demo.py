"""The command line and `wengert demo`, run as a user runs them."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wengert.data import digits

ACCURACY = re.compile(r"Test accuracy: ([\d.]+) %")
LOSS = re.compile(r"epoch +(\d+) of \d+: loss ([\d.]+)")
FIGURES = ("3.297442541400256 ", "3.2974426293330694")  # by backward and by hand; by the central difference


def wengert(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wengert", *args]
    return subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)


def without_extras(folder: Path) -> dict[str, str]:
    """An environment in which rich and matplotlib cannot be imported."""
    stubs = folder / "stubs"
    for name in ("rich", "matplotlib"):
        (stubs / name).mkdir(parents=True)
        (stubs / name / "__init__.py").write_text("raise ImportError('hidden by the test')\n")
    path = os.pathsep.join([str(stubs), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "PYTHONWARNINGS": "error"}


def check_output(out: str) -> None:
    """What every run tells, whatever is installed."""
    assert [out.count(figure) for figure in FIGURES] == [2, 1]
    losses = {int(epoch): float(loss) for epoch, loss in LOSS.findall(out)}  # a bar on a terminal repeats some
    assert len(losses) > 3
    falling = [losses[epoch] for epoch in sorted(losses)]
    assert falling[:4] == sorted(falling[:4], reverse=True)
    assert falling[-1] < falling[0] / 10
    assert float(ACCURACY.findall(out)[0]) >= 95
    for part in ("forward", "backward", "update"):
        assert re.search(rf"^{part} +\d+ +\d+ %", out, re.MULTILINE)


def check_plain(out: str) -> None:
    assert out.isascii()
    assert "\x1b" not in out
    assert "\r" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_demo_without_extras(tmp_path: Path) -> None:
    done = wengert(tmp_path, "demo", "--out", "here/there", **without_extras(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    check_output(done.stdout)
    check_plain(done.stdout)
    text = (tmp_path / "here" / "there" / "tanh.txt").read_text()
    assert text in done.stdout
    assert set("01234") <= set(text)


def test_demo_in_a_pipe_writes_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = wengert(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    check_output(done.stdout)
    check_plain(done.stdout)
    picture = tmp_path / "wengert-demo" / "tanh.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert str(picture.relative_to(tmp_path)) in done.stdout
    for name in ("first", "network"):
        page = tmp_path / "wengert-demo" / f"{name}.html"
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert str(page.relative_to(tmp_path)) in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_color", [False, True])
def test_demo_on_a_terminal(tmp_path: Path, no_color: bool) -> None:
    pytest.importorskip("rich")
    import pty

    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    env.pop("NO_COLOR", None)
    if no_color:
        env["NO_COLOR"] = "1"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "wengert", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=theirs, stderr=theirs) as process:
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
    assert bool(re.search(r"\x1b\[[\d;]*(3\d|9\d)[\d;]*m", out)) is not no_color
    check_output(re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out).replace("\r\n", "\n"))


def test_same_digits_are_read_in_every_run(tmp_path: Path) -> None:
    env = without_extras(tmp_path)
    first, second = [wengert(tmp_path, "demo", **env).stdout.partition("Time per step")[0] for _ in range(2)]
    assert first == second


def test_help() -> None:
    done = wengert(Path.cwd(), "demo", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("--out DIR", "closed form", "tanh", "Newton", "Rosenbrock", "digits", "wengert-demo"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_command_prints_help() -> None:
    done = wengert(Path.cwd())
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout


@pytest.mark.parametrize("args", [("nosuch",), ("demo", "--nosuch"), ("demo", "surplus")])
def test_wrong_call(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = wengert(tmp_path, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert args[-1] in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_out_is_a_file(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("mine")
    done = wengert(tmp_path, "demo", "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"wengert demo: cannot write to --out {Path(out)}: there is a file in its place; name another folder\n"
    assert done.stderr == expected
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write to")
def test_out_is_not_writable(tmp_path: Path) -> None:
    done = wengert(tmp_path, "demo", "--out", "/proc/wengert")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wengert demo: cannot write to --out /proc/wengert: ")
    assert done.stderr.endswith("; name another folder\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_leaves_one_clean_line(tmp_path: Path) -> None:
    # A test runner in the background may ignore SIGINT and hand that on; a user's shell does not.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from wengert.__main__ import main; sys.exit(main(['demo']))"
    )
    pipe = subprocess.PIPE
    for _ in range(5):  # Python swallows an interrupt that arrives in a destructor or a callback
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        if process.returncode == 130:
            break
    assert (process.returncode, errors) == (130, "wengert: stopped by Ctrl-C\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_reader_that_leaves_early(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "wengert", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_digits() -> None:
    images, labels = digits().arrays
    assert images.shape == (1797, 8, 8)
    assert labels.shape == (1797,)
    assert images.dtype == labels.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's own counts
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
