"""wg.train: runs that are stopped and taken up again bit for bit, checkpoints that survive, logs, and what is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.train import display as display_file, trainer as trainer_file

train, nn, optim, data = wg.train, wg.nn, wg.optim, wg.data


def points(n: int = 52, seed: int = 0) -> Any:
    x, y = data.blobs(n // 2, classes=2, features=4, spread=4.0, seed=seed).arrays
    return data.ArrayDataset(x.astype(np.float32), y)


class Jitter(data.RandomTransform):
    def __call__(self, x: Any, rng: np.random.Generator) -> Any:
        return x + rng.normal(0, 0.1, x.shape).astype(np.float32)


class Numbers(train.Callback):
    """Draws random numbers of its own, and keeps them in the row."""

    def __init__(self) -> None:
        self.rng, self.drawn = np.random.default_rng(7), 0.0

    def on_step(self, trainer: Any) -> None:
        self.drawn += self.rng.random()

    def on_report(self, trainer: Any, row: dict[str, Any]) -> None:
        row["drawn"] = self.drawn

    def state_dict(self) -> dict[str, Any]:
        return {"rng": self.rng.bit_generator.state, "drawn": self.drawn}

    def load_state_dict(self, state: Any) -> None:
        self.rng.bit_generator.state, self.drawn = state["rng"], state["drawn"]


def batch_norm_and_momentum(rng: Any) -> dict[str, Any]:
    model = nn.Sequential(
        nn.Linear(4, 8, rng=rng), nn.BatchNorm(8), nn.relu, nn.Dropout(0.3, rng=rng), nn.Linear(8, 2, rng=rng)
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    schedule = optim.StepLR(optimizer, step_size=1, gamma=0.7)
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "schedule_per": "epoch"}


def adam_and_accumulation(rng: Any) -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.gelu, nn.Dropout(0.3, rng=1), nn.Linear(8, 2, rng=rng))
    optimizer = optim.AdamW(model.parameters(), lr=0.02)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.05, total_steps=40)
    average = optim.ExponentialMovingAverage(model.parameters(), decay=0.9)
    more = {"schedule": schedule, "average": average, "accumulate": 3, "clip_norm": 1.0}
    return {"model": model, "optimizer": optimizer, "callbacks": [Numbers()], **more}


def plateau_and_mersenne(rng: Any) -> dict[str, Any]:
    other = np.random.Generator(np.random.MT19937(3))
    model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.Dropout(0.2, rng=other), np.tanh, nn.Linear(8, 2, rng=rng))
    optimizer = optim.NAdam(model.parameters(), lr=0.05)
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    return {"model": model, "optimizer": optimizer, "schedule": schedule, "report_every": 4, "clip_value": 0.5}


RUNS = [batch_norm_and_momentum, adam_and_accumulation, plateau_and_mersenne]
LOADERS: list[dict[str, Any]] = [{}, {"prefetch": 3, "workers": 2}]


class Stopped(train.Trainer):
    """Ctrl-C is pressed while batch number `press` is being learned."""

    press = -1

    def compute(self, batch: Any) -> Any:
        if self.model.training and self.press >= 0:
            if not self.press:
                os.kill(os.getpid(), signal.SIGINT)
            self.press -= 1
        return super().compute(batch)


def start(make: Any, out: Path, loader: dict[str, Any], **options: Any) -> tuple[Any, Any, Any]:
    metrics = {"accuracy": train.accuracy}
    trainer = Stopped(
        loss=nn.cross_entropy, metrics=metrics, out=out, log=("csv", "jsonl"), progress=False,
        **{**make(np.random.default_rng(0)), **options},
    )  # fmt: skip
    first = data.DataLoader(points(), 6, shuffle=True, seed=3, transform=data.At(0, Jitter()), **loader)
    second = data.DataLoader(points(seed=1), 20, shuffle=True, seed=5, transform=data.At(0, Jitter()))
    return trainer, first, second


def outcome(trainer: Any) -> bytes:
    """All that a run ends with, but for the seconds that it took."""
    state = trainer_file.gathered(trainer)
    state["counters"] = {**state["counters"], "seconds": 0, "row": {**state["counters"]["row"], "seconds": 0}}
    path = Path(trainer.checkpoints.path) / "outcome"
    train.save_checkpoint(path, state)
    return path.read_bytes()


def rows(out: Path) -> list[dict[str, Any]]:
    found = train.read_log(out / "log.jsonl")
    plain = [{k: v for k, v in row.items() if k != "seconds"} for row in found]
    assert plain == [{k: v for k, v in r.items() if k != "seconds"} for r in train.read_log(out / "log.csv")]
    return plain


@pytest.mark.parametrize("loader", LOADERS, ids=["plain", "threads"])
@pytest.mark.parametrize("make", RUNS)
def test_going_on_is_as_if_it_had_not_stopped(tmp_path: Path, make: Any, loader: dict[str, Any]) -> None:
    whole, first, second = start(make, tmp_path / "whole", loader, save_every=5, log_every=2)
    whole.fit(first, second, epochs=4)
    expected, expected_rows = outcome(whole), rows(tmp_path / "whole")
    first.close()
    for press in (0, 1, 4, 8, 9, 13, 20, 26, 35):  # an epoch has 9 batches
        out = tmp_path / str(press)
        stopped, first, second = start(make, out, loader, save_every=5, log_every=2)
        stopped.press = press
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(first, second, epochs=4)
        assert stopped.epoch * 9 + stopped.batch == press + 1
        assert stopped.evaluate(second)["loss"] > 0  # what was pressed is over
        first.close()
        again, first, second = start(make, out, loader, save_every=5, log_every=2)
        assert again.resume()
        again.fit(first, second, epochs=4)
        assert outcome(again) == expected
        assert rows(out) == expected_rows
        first.close()


@pytest.mark.parametrize("make", RUNS)
def test_going_on_from_any_checkpoint(tmp_path: Path, make: Any) -> None:
    """Such as a crash leaves behind: the steps after it, and their rows, are done again."""
    whole, first, second = start(make, tmp_path, {}, save_every=1, keep=100)
    whole.fit(first, second, epochs=3)
    expected, expected_rows = outcome(whole), rows(tmp_path)
    for step in whole.checkpoints.steps()[::-4]:
        again, first, second = start(make, tmp_path, {}, save_every=1, keep=100)
        assert again.resume(again.checkpoints.file(step))
        assert again.steps == step
        again.fit(first, second, epochs=3)
        assert outcome(again) == expected
        assert rows(tmp_path) == expected_rows


@pytest.mark.parametrize("make", RUNS)
def test_an_end_by_steps_changes_nothing(tmp_path: Path, make: Any) -> None:
    whole, first, second = start(make, tmp_path / "whole", {})
    whole.fit(first, second, steps=11)
    for stops in ([4], [3, 6], [9], [1, 2, 10]):
        for same in (True, False):  # the same Trainer goes on, or another one
            out = tmp_path / f"{stops}{same}"
            part, first, second = start(make, out, {})
            for stop in stops:
                part.fit(first, second, steps=stop)
                assert part.steps == part.row["step"] == stop
                if not same:
                    part, first, second = start(make, out, {})
                    part.resume()
            part.fit(first, second, steps=11)
            for (name, a), (_, b) in zip(
                whole.model.state_dict().items(), part.model.state_dict().items(), strict=True
            ):
                assert np.array_equal(a, b), name
            assert part.stepping.rate == whole.stepping.rate
            assert part.best.value == whole.best.value


# ---- kill -9 ------------------------------------------------------------------------------------------------

DRIVER = """
import os, random, signal, sys, time
import numpy as np
import wengert as wg

out, kills = sys.argv[1], 50

def run(folder, steps, every):
    rng = np.random.default_rng(0)
    model = wg.nn.Sequential(
        wg.nn.Linear(4, 16, rng=rng), wg.nn.BatchNorm(16), wg.nn.relu, wg.nn.Dropout(0.2, rng=rng),
        wg.nn.Linear(16, 2, rng=rng),
    )
    optimizer = wg.optim.Adam(model.parameters(), lr=1e-3)
    x, y = wg.data.blobs(100, classes=2, features=4, seed=0).arrays
    loader = wg.data.DataLoader(wg.data.ArrayDataset(x.astype(np.float32), y), 16, shuffle=True, seed=1)
    trainer = wg.train.Trainer(
        model, optimizer, wg.nn.cross_entropy, out=folder, save_every=every, accumulate=2, progress=False, log="jsonl"
    )
    trainer.resume()
    trainer.fit(loader, steps=steps)
    return trainer

def newest():
    steps = folder.steps()
    return steps[-1] if steps else 0

folder = wg.train.CheckpointFolder(os.path.join(out, "checkpoints"))
killed, choose, moments = 0, random.Random(0), []
while killed < kills:
    ready, child = os.pipe(), os.fork()
    if not child:
        try:
            os.write(ready[1], b"x")
            run(out, 10**9, 7)
        finally:
            os._exit(1)
    os.read(ready[0], 1)
    before, until = newest(), time.monotonic() + 10
    while killed % 2 and newest() == before and time.monotonic() < until:
        time.sleep(0.001)  # every other one may get on, however slow the machine is
    time.sleep(choose.uniform(0.0, 0.04))
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    for end in ready:
        os.close(end)
    killed += 1
    for step in folder.steps():
        wg.train.load_checkpoint(folder.file(step))
    moments.append(newest())
assert moments == sorted(moments), moments
last = moments[-1] + 3
ended, whole = run(out, last, 7), run(out + "-whole", last, 10**9)
for (name, a), (_, b) in zip(ended.model.state_dict().items(), whole.model.state_dict().items(), strict=True):
    assert np.array_equal(a, b), name
kept = [{k: v for k, v in row.items() if k != "seconds"} for row in wg.train.read_log(os.path.join(out, "log.jsonl"))]
right = [{k: v for k, v in row.items() if k != "seconds"} for row in wg.train.read_log(out + "-whole/log.jsonl")]
assert kept == right
left = [name for name in os.listdir(os.path.join(out, "checkpoints")) if name.endswith(".part")]
assert not left, left
print(killed, len(set(moments)), last)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 and fork are those of POSIX systems")
def test_fifty_kills(tmp_path: Path) -> None:
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", DRIVER, str(tmp_path / "run")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    killed, different, last = map(int, done.stdout.split())
    assert killed == 50
    assert different >= 25  # the kills fell all along the run
    assert last > 25 * 7


GROWTH = """
import gc, os
import numpy as np
import wengert as wg

rng = np.random.default_rng(0)
images, labels = wg.data.digits().arrays
data = wg.data.ArrayDataset((images.reshape(-1, 64) / 16).astype(np.float32), labels)
loader = wg.data.DataLoader(data, 32, shuffle=True, seed=0)
model = wg.nn.Sequential(wg.nn.Linear(64, 64, rng=rng), wg.nn.relu, wg.nn.Linear(64, 10, rng=rng))
trainer = wg.train.Trainer(model, wg.optim.Adam(model.parameters()), wg.nn.cross_entropy, progress=False)

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

trainer.fit(loader, steps=1000)
before = resident()
trainer.fit(loader, steps=11_000)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read where Linux tells it")
def test_ten_thousand_steps_take_no_memory() -> None:
    """What the process holds, NumPy's and the C library's memory included."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", GROWTH], env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**20


def test_the_trainer_can_be_read() -> None:
    assert len(Path(trainer_file.__file__).read_text().splitlines()) <= 300


# ---- checkpoint files ---------------------------------------------------------------------------------------

STATE: dict[str, Any] = {
    "model": {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3), "none": np.zeros((0, 2))},
    "complex": [np.array([1 + 2j]), np.array(1j), np.array([1j], np.complex64)],
    "half": np.ones(2, np.float16),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "numbers": {"betas": (0.9, (1, 2)), "lr": 0.1 + 0.2, "big": 2**100, "nan": float("nan"), "inf": float("inf")},
    "texts": ["한", None, True, np.float64(0.5), np.int64(3), np.bool_(True)],
    "empty": {"list": [], "dict": {}, "tuple": ()},
    "a.b": np.array(1),
    "a": {"b": np.array(2)},
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, np.generic):
        a = a.item()
    if isinstance(a, dict):
        return [*a] == [*b] and all([same(a[k], b[k]) for k in a])
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all([same(x, y) for x, y in zip(a, b, strict=True)])
    return type(a) is type(b) and (a == b or a != a)


def test_checkpoints_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    train.save_checkpoint(path, STATE)
    found = train.load_checkpoint(path)
    assert same(STATE, found)
    found["model"]["0.weight"][...] = 0  # arrays of one's own
    for generator in (np.random.PCG64(1), np.random.MT19937(1), np.random.Philox(1), np.random.SFC64(1)):
        rng = np.random.Generator(generator)
        rng.standard_normal(3, np.float32)
        rng.integers(10, size=3, dtype=np.uint8)
        train.save_checkpoint(path, {"rng": rng.bit_generator.state})
        drawn = rng.standard_normal(5)
        rng.bit_generator.state = train.load_checkpoint(path)["rng"]
        assert np.array_equal(rng.standard_normal(5), drawn)
    for state, place in (
        ({"a": [{1, 2}]}, r"a\.0 is a set"),
        ({"a": {"f": len}}, r"a\.f is a builtin"),
        ({"a": {1: 2}}, "key 1"),
        ({"a": {"$tensor": "x"}}, r"key '\$tensor'"),
        ({"a": np.array([None])}, "objects"),
    ):
        with pytest.raises(TypeError, match=place):
            train.save_checkpoint(path, state)
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]
    assert "rng" in train.load_checkpoint(path)  # what was there stays, where writing fails


def test_other_programs_read_checkpoints(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="the reference implementation of the format")
    train.save_checkpoint(tmp_path / "c.safetensors", STATE)
    found = library.load_file(tmp_path / "c.safetensors")
    assert np.array_equal(found["model.0.weight"], STATE["model"]["0.weight"])
    library.save_file({"x": np.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors is no checkpoint"):
        train.load_checkpoint(tmp_path / "other.safetensors")


def test_damage_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    train.save_checkpoint(path, {"a": np.arange(5.0), "n": {"lr": 0.1, "name": "x"}})
    whole = path.read_bytes()
    assert b"pickle" not in whole
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"damaged\.safetensors"):
            train.load_checkpoint(path)
    messages = []
    for place in range(len(whole)):
        for bit in (1, 128):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            try:
                found = train.load_checkpoint(path)
            except ValueError as error:
                messages.append(str(error))
            else:  # a space between the parts of the file
                assert same(found, {"a": np.arange(5.0), "n": {"lr": 0.1, "name": "x"}})
    assert len(messages) > len(whole)
    assert all(["damaged.safetensors" in message for message in messages])


def test_a_folder_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    folder = train.CheckpointFolder(tmp_path / "c", keep=2)
    assert (folder.newest(), folder.steps()) == (None, [])
    for step in (1, 2, 3):
        folder.save(step, {"step": step}, best=step == 2)
    (folder.path / ".step-00000009.safetensors.abc.part").write_bytes(b"of a process that was killed")
    assert sorted([p.name for p in folder.path.iterdir() if p.name[0] != "."]) == [
        "best.safetensors", "step-00000002.safetensors", "step-00000003.safetensors",
    ]  # fmt: skip
    assert train.load_checkpoint(folder.best) == {"step": 2}
    folder.file(3).write_bytes(folder.file(3).read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"step-00000003\.safetensors .*going back to the checkpoint before"):
        assert folder.newest() == (folder.file(2), {"step": 2})
    folder.file(2).write_bytes(b"")
    with pytest.warns(UserWarning, match="going back"), pytest.raises(ValueError, match="none of its 2 checkpoints"):
        folder.newest()
    folder.save(1, {"step": 1})  # taken up again before those
    assert [p.name for p in folder.path.glob("*step*")] == ["step-00000001.safetensors"]
    with pytest.raises(ValueError, match="keep must be"):
        train.CheckpointFolder(tmp_path, keep=0)


# ---- the Trainer --------------------------------------------------------------------------------------------


def linear_trainer(seed: int = 0, kind: Any = None, rate: float = 0.1, **options: Any) -> Any:
    model = nn.Sequential(nn.Linear(4, 2, rng=seed))
    optimizer = optim.SGD(model.parameters(), lr=rate)
    return (kind or train.Trainer)(model, optimizer, nn.cross_entropy, **{"progress": False, **options})


def test_accumulated_batches_are_one_large_batch() -> None:
    x, y = points(50).arrays
    whole, parts = linear_trainer(), linear_trainer(accumulate=3)
    whole.fit([(x[:30], y[:30]), (x[30:], y[30:])], epochs=3)
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 40, 10)] + [(x[40:47], y[40:47]), (x[47:], y[47:])]
    parts.fit(batches, epochs=3)
    assert whole.steps == parts.steps == 6
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert np.allclose(a.data, b.data, rtol=1e-5, atol=1e-7)
    assert parts.row["loss"] == pytest.approx(whole.row["loss"], abs=0.1)
    short = linear_trainer(accumulate=4)
    short.fit(batches, epochs=2)
    assert short.steps == 4  # an epoch ends with a step for what is left


def test_means_are_over_examples() -> None:
    x, y = points(50).arrays
    trainer = linear_trainer(rate=0.0, metrics={"accuracy": train.accuracy, "top": train.top_k_accuracy})
    trainer.means.metrics["top"] = lambda output, target: train.top_k_accuracy(output, target, k=2)
    row = trainer.fit([(x[:45], y[:45]), (x[45:], y[45:])], [(x[:7], y[:7]), (x[7:], y[7:])], epochs=1)
    output = trainer.model(x).data
    assert row["loss"] == pytest.approx(nn.cross_entropy(output, y), rel=1e-6)
    assert row["accuracy"] == pytest.approx(np.mean(output.argmax(1) == y))
    assert row["val_accuracy"] == row["accuracy"]
    assert (row["top"], row["epoch"], row["step"]) == (1.0, 1, 2)
    assert trainer.evaluate([(x, y)])["loss"] == pytest.approx(row["val_loss"], rel=1e-6)


def test_rows_between_reports_have_the_means_between(tmp_path: Path) -> None:
    x, y = points(50).arrays
    batches = [(x[i : i + 5], y[i : i + 5]) for i in range(0, 50, 5)]

    by_hand, trainer = linear_trainer(), linear_trainer(out=tmp_path, log_every=4)
    losses = [by_hand.step(batch) for batch in batches]
    trainer.fit(batches, epochs=1)
    rows = train.read_log(tmp_path / "log.csv")
    assert [row["step"] for row in rows] == [4, 8, 10]
    expected = [np.mean(losses[:4]), np.mean(losses[4:8]), np.mean(losses)]
    assert np.allclose([row["loss"] for row in rows], expected)


def test_stopping_early_and_the_best_checkpoint(tmp_path: Path) -> None:
    values = iter([3.0, 1.0, 0.95, 2.0, 2.0, 0.1])

    class Given(train.Callback):
        def on_report(self, trainer: Any, row: dict[str, Any]) -> None:
            row["given"] = next(values)

    x, y = points().arrays
    trainer = linear_trainer(
        callbacks=[Given()], monitor="given", patience=3, min_delta=0.1, out=tmp_path, keep=1, log="jsonl"
    )
    trainer.fit([(x, y)], epochs=100)
    assert (trainer.epoch, trainer.best.value, trainer.best.bad) == (4, 1.0, 3)
    assert train.load_checkpoint(trainer.checkpoints.best)["counters"]["row"]["given"] == 1.0
    again = linear_trainer(callbacks=[Given()], monitor="given", patience=3, out=tmp_path, log="jsonl")
    again.resume()
    assert again.fit([(x, y)], epochs=100)["given"] == 2.0  # there is no patience left
    assert again.steps == trainer.steps
    values = iter([0.5, 0.6, float("nan"), 0.7, 0.1])
    upwards = linear_trainer(callbacks=[Given()], monitor="given", mode="max")
    upwards.fit([(x, y)], epochs=5)
    assert (upwards.best.value, upwards.best.bad) == (0.7, 1)
    with pytest.raises(ValueError, match="monitor='other' is not reported; there are epoch, step, loss"):
        linear_trainer(monitor="other").fit([(x, y)], epochs=1)


def test_modes_averages_and_validation_leave_the_run_alone() -> None:
    x, y = points().arrays
    frozen = nn.BatchNorm(4)
    model = nn.Sequential(frozen, nn.Dropout(0.5, rng=0), nn.Linear(4, 2, rng=0))
    modes = []

    class Freeze(train.Callback):
        def on_start(self, trainer: Any) -> None:
            frozen.eval()

        def on_step(self, trainer: Any) -> None:
            modes.append([m.training for m in model.modules()])

    optimizer = optim.SGD(model.parameters(), lr=1.0)
    average = optim.ExponentialMovingAverage(model.parameters(), decay=0.99)
    trainer = train.Trainer(
        model, optimizer, nn.cross_entropy, average=average, callbacks=[Freeze()], report_every=1, progress=False
    )
    model.eval()
    trainer.fit([(x, y)], [(x, y)], steps=3)
    assert modes == [[True, False, True, True]] * 3
    assert not frozen.running_mean.any()
    here = trainer.evaluate([(x, y)])["loss"]
    with average.applied():
        assert here == pytest.approx(nn.cross_entropy(model.eval()(x).data, y))
    assert here != pytest.approx(nn.cross_entropy(model(x).data, y), rel=1e-3)


def test_one_loader_for_training_and_validation() -> None:
    """Validation takes the loader's first epoch, and leaves it where it was."""
    orders: list[list[Any]] = [[], []]
    for order, validated in zip(orders, (False, True), strict=True):
        loader = data.DataLoader(points(), 8, shuffle=True, seed=0)

        class Watched(train.Trainer):
            seen = order

            def compute(self, batch: Any) -> Any:
                if self.model.training:
                    self.seen.append(batch[1].tolist())
                return super().compute(batch)

        linear_trainer(kind=Watched, report_every=3).fit(loader, loader if validated else None, epochs=4)
    assert orders[0] == orders[1]


def test_batches_of_other_forms() -> None:
    class Named(train.Trainer):
        def compute(self, batch: Any) -> Any:
            output = {"scores": self.model(batch["x"])}
            return self.loss(output["scores"], batch["y"]), output, batch

    x, y = points().arrays
    right = {"right": lambda output, batch: train.accuracy(output["scores"], batch["y"])}
    row = linear_trainer(kind=Named, metrics=right).fit([{"x": x, "y": y}], epochs=20)
    assert row["right"] > 0.5
    with pytest.raises(TypeError, match=r"a batch is \(input, ..., target\), got dict; override `compute`"):
        linear_trainer().fit([{"x": x, "y": y}], epochs=1)

    class Two(nn.Module):
        def __init__(self) -> None:
            self.a = nn.Linear(4, 2, rng=0)

        def forward(self, x: Any, z: Any) -> Any:
            return self.a(x) + self.a(z)

    model = Two()
    trainer = train.Trainer(model, optim.Adam(model.parameters()), nn.cross_entropy, progress=False)
    assert trainer.fit([(x, x, y)], steps=2)["step"] == 2


def test_data_without_a_state_are_gone_through_to_the_place(tmp_path: Path) -> None:
    x, y = points(50).arrays
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 50, 10)]
    whole = linear_trainer()
    whole.fit(batches, epochs=3)
    part = linear_trainer(out=tmp_path)
    part.fit(batches, steps=7)
    part.fit(batches, steps=8)
    again = linear_trainer(out=tmp_path)
    again.resume()
    assert (again.epoch, again.batch) == (1, 3)
    again.fit(batches, epochs=3)
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert np.array_equal(a.data, b.data)


def test_ctrl_c_from_elsewhere(tmp_path: Path) -> None:
    """Raised by a callback it saves, amid a step it does not; and other handlers of signals stay."""

    class Raising(train.Callback):
        def on_step(self, trainer: Any) -> None:
            if trainer.steps == 3:
                raise KeyboardInterrupt

    x, y = points().arrays
    trainer = linear_trainer(callbacks=[Raising()], out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit([(x, y)], epochs=9)
    assert trainer.checkpoints.steps() == [1, 2, 3]

    class Half(train.Trainer):
        def compute(self, batch: Any) -> Any:
            if self.steps == 5:
                raise KeyboardInterrupt
            return super().compute(batch)

    half = linear_trainer(kind=Half, out=tmp_path, report_every=4)
    half.resume()
    with pytest.raises(KeyboardInterrupt):
        half.fit([(x, y)], epochs=9)
    assert half.checkpoints.steps()[-1] == 4
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:

        class Press(train.Callback):
            def on_step(self, trainer: Any) -> None:
                os.kill(os.getpid(), signal.SIGINT)

        linear_trainer(callbacks=[Press()]).fit([(x, y)], epochs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(pressed) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_acts_at_once(tmp_path: Path) -> None:
    class Impatient(train.Trainer):
        def compute(self, batch: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the second one is late")

    x, y = points().arrays
    trainer = linear_trainer(kind=Impatient, out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit([(x, y)], epochs=1)
    assert not trainer.checkpoints.steps()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


WORKERS = """
import os, pathlib, sys, time
import numpy as np
import wengert as wg

class Slow:
    def __len__(self):
        return 4000
    def __getitem__(self, i):
        pathlib.Path(sys.argv[1], f"worker-{os.getpid()}").touch()
        time.sleep(0.002)
        return np.full(4, i % 5, np.float32), i % 2

if __name__ == "__main__":
    model = wg.nn.Linear(4, 2, rng=0)
    loader = wg.data.DataLoader(Slow(), 8, shuffle=True, seed=0, workers=2, processes=True)
    optimizer = wg.optim.SGD(model.parameters(), lr=0.01)
    trainer = wg.train.Trainer(model, optimizer, wg.nn.cross_entropy, out=sys.argv[1], progress=False, report_every=2)
    trainer.resume()
    trainer.fit(loader, steps=10**6)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a terminal's Ctrl-C is for all processes of a group")
def test_ctrl_c_reaches_worker_processes_too(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(WORKERS)
    env = {**os.environ, "PYTHONPATH": str(Path(wg.__file__).parents[1])}
    call = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    folder = train.CheckpointFolder(tmp_path / "checkpoints")
    with subprocess.Popen(call, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None and not (folder.steps() and len([*tmp_path.glob("worker-*")]) == 2):
            time.sleep(0.01)  # until both work
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=200)
    assert error.count("Traceback") == 1, error
    assert error.strip().endswith("KeyboardInterrupt")
    assert train.load_checkpoint(folder.file(folder.steps()[-1]))["counters"]["steps"] == folder.steps()[-1]


def test_in_another_thread(tmp_path: Path) -> None:
    x, y = points().arrays
    trainer = linear_trainer()
    thread = threading.Thread(target=trainer.fit, args=([(x, y)],), kwargs={"epochs": 2})
    thread.start()
    thread.join()
    assert trainer.epoch == 2


def test_what_does_not_fit_is_an_error(tmp_path: Path) -> None:
    x, y = points().arrays
    trainer = linear_trainer(out=tmp_path / "run")
    with pytest.raises(ValueError, match="needs epochs or steps"):
        trainer.fit([(x, y)])
    assert trainer.resume() is False
    loader = data.DataLoader(points(), 10, seed=0)
    trainer.fit(loader, steps=2)
    with pytest.raises(FileExistsError, match=r"checkpoints of another run, up to step 2: call resume\(\)"):
        linear_trainer(out=tmp_path / "run").fit([(x, y)], epochs=1)
    other = linear_trainer(out=tmp_path / "run")
    other.resume()
    with pytest.raises(ValueError, match="the state has batch_size=10, this loader 9"):
        other.fit(data.DataLoader(points(), 9, seed=0), steps=3)
    file = trainer.checkpoints.file(2)
    model = nn.Sequential(nn.Linear(4, 3, rng=0))
    wide = train.Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, progress=False)
    with pytest.raises(ValueError, match=r"(?s)step-00000002\.safetensors does not fit: .*mis-shaped: 0\.weight"):
        wide.resume(file)
    scheduled = linear_trainer()
    scheduled.stepping.schedule = optim.StepLR(scheduled.optimizer, 3)
    with pytest.raises(ValueError, match="does not fit: it has no schedule, unlike the Trainer"):
        scheduled.resume(file)
    with pytest.raises(ValueError, match=r"the parts .*, the Trainer .*Numbers"):
        linear_trainer(callbacks=[Numbers()]).resume(file)
    model = nn.Sequential(nn.Linear(4, 2, rng=0), nn.Dropout(0.1, rng=0))
    dropping = train.Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, progress=False)
    with pytest.raises(ValueError, match=r"the generators \[\], the Trainer \['1.rng'\]"):
        dropping.resume(file)
    train.save_checkpoint(tmp_path / "mine.safetensors", {"x": 1})
    with pytest.raises(ValueError, match=r"mine\.safetensors does not fit"):
        trainer.resume(tmp_path / "mine.safetensors")
    with pytest.raises(FileNotFoundError):
        trainer.resume(tmp_path / "nothing.safetensors")
    for call in (linear_trainer().resume, linear_trainer().save):
        with pytest.raises(ValueError, match=r"needs a .*Trainer with `out`"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "accumulate must be a positive integer, got 0"),
        ({"patience": 1.5}, "patience must be a positive integer, got 1.5"),
        ({"save_every": -1}, "save_every must be a positive integer"),
        ({"save_every": 10}, "save_every needs a folder to save to: out="),
        ({"mode": "least"}, "mode is 'min' or 'max', got 'least'"),
        ({"schedule_per": "batch"}, "schedule_per is 'step' or 'epoch', got 'batch'"),
        ({"log": "xml"}, "log has the kinds csv, jsonl, tensorboard; got 'xml'"),
    ],
)
def test_messages(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_trainer(**options)


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    x, y = points().arrays
    trainer = linear_trainer(out=tmp_path)
    trainer.fit([(x, y), (x, y)], epochs=1)
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 2, after step 2"):
        trainer.fit([(x * np.nan, y)], epochs=2)
    assert np.isfinite(trainer.model.parameters()[0].data).all()
    assert trainer.checkpoints.steps() == [2]


def test_a_loss_is_one_number() -> None:
    x, y = points().arrays
    trainer = linear_trainer()
    trainer.loss = lambda output, target: nn.cross_entropy(output, target, reduction="none")
    with pytest.raises(ValueError, match=r"the loss has shape \(52,\); it is to be one number, the mean"):
        trainer.fit([(x, y)], epochs=1)


def test_a_log_of_ones_own() -> None:
    class Kept:
        def __init__(self) -> None:
            self.told: list[Any] = []

        def begin(self, rows: int, step: int) -> None:
            self.told.append((rows, step))

        def write(self, row: Any) -> None:
            self.told.append(row["step"])

        def end(self) -> None:
            self.told.append("end")

    kept = Kept()
    x, y = points().arrays
    trainer = linear_trainer(log=kept)
    for steps in (2, 3):
        trainer.fit([(x, y)], steps=steps)
    assert kept.told == [(0, 0), 1, 2, "end", (2, 2), 3, "end"]


def test_iterators_give_their_batches_once() -> None:
    x, y = points().arrays
    with pytest.raises(ValueError, match="the data gave no batches; an iterator gives its own only once"):
        linear_trainer().fit(iter([(x, y)]), epochs=2)
    with pytest.raises(ValueError, match="nothing to evaluate; an iterator"):
        linear_trainer().fit([(x, y)], iter([(x, y)]), epochs=2)
    assert linear_trainer().fit(iter([(x, y)]), epochs=1)["step"] == 1
    assert linear_trainer().fit([(x, y)], epochs=0) == {}


def test_metrics_refuse_other_shapes() -> None:
    assert train.accuracy(np.eye(3), np.eye(3)).all()
    assert train.accuracy(np.zeros((2, 3, 4)), np.zeros((2, 3), int)).shape == (2, 3)
    for metric in (train.accuracy, train.absolute_error):
        with pytest.raises(ValueError, match="shape"):
            metric(np.zeros((3, 2)), np.zeros(4, int))
    with pytest.raises(ValueError, match="k must be from 1 to 2"):
        train.top_k_accuracy(np.zeros((3, 2)), np.zeros(3, int))


# ---- logs and what is shown ---------------------------------------------------------------------------------


def test_logs_grow_and_go_back(tmp_path: Path) -> None:
    for log in (train.CSVLog(tmp_path / "a" / "log.csv"), train.JSONLog(tmp_path / "a" / "log.jsonl")):
        log.begin(0, 0)
        given = [{"step": 1, "loss": 0.1 + 0.2}, {"step": 2, "loss": 1e-30, "note": 'a, "b"'}, {"step": 3, "x": 5}]
        for row in given:
            log.write(row)
        assert train.read_log(log.path) == given
        with open(log.path, "a") as file:
            file.write('{"step": 4, "lo')  # a crash
        assert train.read_log(log.path) == given
        log.begin(2, 2)
        assert train.read_log(log.path) == given[:2]
        log.write({"step": 3, "loss": float("nan")})
        last = train.read_log(log.path)[-1]
        assert last["step"] == 3
        assert last["loss"] is None or np.isnan(last["loss"])  # JSON has no NaN
        log.begin(0, 0)
        assert train.read_log(log.path) == []
        log.end()
    (tmp_path / "b.jsonl").write_text("{\n{}\n")
    with pytest.raises(ValueError, match=r"b\.jsonl is damaged: line 1"):
        train.read_log(tmp_path / "b.jsonl")


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="writes the event files")
    from tensorboardX.proto.event_pb2 import Event

    x, y = points().arrays
    first = linear_trainer(out=tmp_path, log=["tensorboard", "csv"])
    first.fit([(x, y)], [(x, y)], steps=3)
    again = linear_trainer(out=tmp_path, log=["tensorboard", "csv"])
    again.resume(again.checkpoints.file(2))
    again.fit([(x, y)], [(x, y)], steps=3)
    events = []
    for file in sorted((tmp_path / "tensorboard").iterdir()):
        content, place = file.read_bytes(), 0
        while place < len(content):
            length = int.from_bytes(content[place : place + 8], "little")
            events.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += length + 16
    points_of = [(e.step, v.tag, v.simple_value) for e in events for v in e.summary.value if v.tag == "val_loss"]
    assert [step for step, _, _ in points_of] == [1, 2, 3, 3]
    assert points_of[2] == points_of[3]
    assert [e.step for e in events if e.session_log.status == 1] == [0, 3]  # what came after step 2 is void


def test_without_the_extra_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name in ("rich", "rich.console", "rich.progress", "tensorboardX", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    x, y = points().arrays
    linear_trainer(progress=True, out=tmp_path).fit([(x, y)], epochs=2)
    shown = capsys.readouterr().out
    assert shown.split()[:4] == ["epoch", "step", "loss", "seconds"]
    assert len(shown.splitlines()) == 3
    with pytest.raises(ImportError, match=r"TensorBoardLog: needs tensorboardX: pip install 'wengert\[train\]'"):
        linear_trainer(out=tmp_path / "b", log="tensorboard")
    with pytest.raises(ImportError, match=r"plot_log: needs matplotlib: pip install 'wengert\[train\]'"):
        train.plot_log(train.read_log(tmp_path / "log.csv"), tmp_path / "curves.png")


def test_lines_and_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import io

    x, y = points().arrays
    linear_trainer(progress=True).fit([(x, y)], [(x, y)], epochs=23)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", *map(str, range(1, 21)), "epoch", "21", "22", "23"]
    assert len({len(line) for line in lines}) == 1
    assert max(map(len, lines)) <= 80
    linear_trainer().fit([(x, y)], epochs=3)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(display_file, "QUIET_FOR", 0.0)
    linear_trainer(progress=True).fit([(x, y)] * 3, epochs=1)
    assert " 67 %  epoch 1  step 2  loss " in capsys.readouterr().out

    console = pytest.importorskip("rich.console", reason="draws the bar")
    stream = io.StringIO()
    bar = display_file.Bar(console.Console(file=stream, force_terminal=True, width=100, color_system=None))
    with bar:
        bar.progress(0.5, "epoch [1]")
        bar.report({"epoch": 1, "step": 2, "loss": 1e-9, "lr": 0.1, "note": "text", "seconds": 12345.0})
        bar.progress(0.6, "too soon after")
    assert " 50%" in stream.getvalue()
    assert "epoch [1]" in stream.getvalue()
    assert "     1       2   1e-09  12345.0" in stream.getvalue()


def test_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws the picture")
    rows = [{"step": i, "loss": 1 / i, "note": "text"} for i in range(1, 5)] + [{"step": 4, "val_loss": 0.5, "lr": 1.0}]
    train.plot_log(rows, tmp_path / "c.png", "a run")
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="the log has no rows"):
        train.plot_log([], tmp_path / "d.png")


def test_generators_of_a_module() -> None:
    shared = np.random.default_rng(0)
    net = nn.Sequential(nn.Dropout(0.1, rng=shared), nn.Dropout(0.1, rng=shared), nn.LSTM(2, 3, rng=1))
    assert [name for name, _ in net.named_generators()] == ["0.rng", "2.rng"]
    assert net.named_generators()[0][1] is shared
    assert all(["rng" not in name for name in net.state_dict()])
    net.load_state_dict(net.state_dict())


def test_models_of_the_command_make_something_of_images_and_texts() -> None:
    models = train.models
    image = np.zeros((2, 1, 28, 28), np.float32)
    for net in (
        models.mlp(784, 10, [16, 8], 0.5, rng=0),
        models.cnn((1, 28, 28), 10, rng=0),
        models.resnet((1, 28, 28), 10, channels=(4, 8), rng=0),
        models.RowLSTM(28, 10, hidden=8, rng=0),
        models.RowTransformer(28, 10, features=8, heads=2, rng=0),
    ):
        assert net.eval()(image).shape == (2, 10)
    text = models.CharacterTransformer(7, features=8, heads=2, layers=1, rng=0).eval()
    codes = models.continued(text, [1, 2], 5, context=3, temperature=0.5, rng=0)
    assert codes.shape == (7,)
    assert np.array_equal(codes, models.continued(text, [1, 2], 5, context=3, temperature=0.5, rng=0))
    assert 0 <= codes.min() <= codes.max() < 7
    scores = text(np.array([[1, 2, 3, 4]])).data
    assert np.allclose(scores[:, :2], text(np.array([[1, 2]])).data, atol=1e-5)  # it never looks ahead


@pytest.mark.parametrize("accumulate", [1, 2])
def test_compiled_training_is_the_same(accumulate, tmp_path):
    def trained(compile):
        rng = np.random.default_rng(0)
        model = wg.nn.Sequential(
            wg.nn.Linear(8, 16, rng=rng), wg.nn.tanh, wg.nn.Dropout(0.2, rng=rng), wg.nn.Linear(16, 3, rng=rng)
        )
        x, y = rng.normal(size=(50, 8)).astype(np.float32), rng.integers(0, 3, 50)
        optimizer = wg.optim.AdamW(model.parameters(), lr=0.01)
        trainer = wg.train.Trainer(
            model,
            optimizer,
            wg.nn.cross_entropy,
            schedule=wg.optim.CosineAnnealingLR(optimizer, 30),
            accumulate=accumulate,
            clip_norm=0.5,
            metrics={"accuracy": wg.train.accuracy},
            progress=False,
            compile=compile,
        )
        loader = wg.data.DataLoader(wg.data.ArrayDataset(x, y), batch_size=16, shuffle=True, seed=1)
        row = trainer.fit(loader, loader, epochs=4)
        return {**row, **model.state_dict()}

    plain, compiled = trained(False), trained(True)
    for name, value in plain.items():
        if name != "seconds":
            np.testing.assert_allclose(compiled[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
