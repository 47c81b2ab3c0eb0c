"""An epoch of Fashion-MNIST, all 60,000 images, beside PyTorch: the models, batches and step of `wengert train`.

Both libraries get the same batches from the same loader and run with the same number of threads; the epochs are
interleaved in slices, and what is printed is the sum over the slices. "wengert compiled" is the same with `wg.compile`.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.train import models

BATCH = {"mlp": 128, "cnn": 64}
SLICE = 20  # batches that one contender runs before the next one's turn


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks epoch`."""
    parser.add_argument("--model", choices=BATCH, default="mlp", help="default: mlp")
    parser.add_argument("--batches", type=int, help="only so many batches, for a quick look")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    images, labels = wg.data.fashion_mnist().arrays
    dataset = wg.data.ArrayDataset(images[:, None], labels.astype(np.int64))
    size, transform = BATCH[options.model], wg.data.At(0, wg.data.AsFloat(1 / 255))
    loader = wg.data.DataLoader(dataset, size, shuffle=True, seed=0, transform=transform)
    batches = itertools.islice(loader, options.batches)
    contenders = {"wengert": wengert(options.model), "wengert compiled": wengert(options.model, wg.compile)}
    try:
        contenders["PyTorch"] = pytorch(options.model, options.threads)
    except ModuleNotFoundError:
        print("PyTorch is not installed")
    seconds, losses, count = dict.fromkeys(contenders, 0.0), dict.fromkeys(contenders, 0.0), 0
    while part := list(itertools.islice(batches, SLICE)):
        count += len(part)
        for name, step in contenders.items():
            start = time.perf_counter()
            for x, y in part:
                losses[name] += step(x, y)
            seconds[name] += time.perf_counter() - start
    print(f"{options.model}, {count} batches of {size}, {options.threads} thread(s)")
    for name, s in seconds.items():
        beside = f"{s / seconds['PyTorch']:6.2f} x PyTorch" if "PyTorch" in seconds else ""
        print(f"{name:<18}{s:8.2f} s{beside}   mean loss {losses[name] / count:.4f}")


Step = Callable[[Any, Any], float]


def _model(name: str) -> Any:
    rng = np.random.default_rng(0)
    return models.mlp(784, 10, [512, 256], 0.2, rng) if name == "mlp" else models.cnn((1, 28, 28), 10, rng=rng)


def wengert(name: str, wrap: Callable[[Any], Any] | None = None) -> Step:
    """A step in Wengert."""
    model = _model(name)
    optimizer = wg.optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = wg.nn.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.data

    run = wrap(step) if wrap else step
    return lambda x, y: float(run(x, y))


def pytorch(name: str, threads: int) -> Step:
    """The same in PyTorch, from the same weights."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    nn, source = torch.nn, _model(name)
    if name == "mlp":
        parts = [nn.Flatten()]
        for i, o in ((784, 512), (512, 256)):
            parts += [nn.Linear(i, o), nn.ReLU(), nn.Dropout(0.2)]
        model = nn.Sequential(*parts, nn.Linear(256, 10))
    else:
        parts = []
        for i, o in ((1, 16), (16, 32)):
            parts += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
        model = nn.Sequential(
            *parts, nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10)
        )
    state = {k: torch.tensor(v) for k, v in source.state_dict().items()}
    model.load_state_dict(state, strict=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step
