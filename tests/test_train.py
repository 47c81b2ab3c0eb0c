"""wg.train: runs that are stopped and taken up again bit for bit, checkpoints that survive, logs, and what is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.train import trainer as trainer_file

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
    time.sleep(choose.uniform(0.0, 0.08))
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    for end in ready:
        os.close(end)
    killed += 1
    folder = wg.train.CheckpointFolder(os.path.join(out, "checkpoints"))
    steps = folder.steps()
    for step in steps:
        wg.train.load_checkpoint(folder.file(step))
    moments.append(steps[-1] if steps else 0)
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
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    killed, different, last = map(int, done.stdout.split())
    assert killed == 50
    assert different > 5  # the kills fell all along the run
    assert last > 50


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
    done = subprocess.run([sys.executable, "-c", GROWTH], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2**20
