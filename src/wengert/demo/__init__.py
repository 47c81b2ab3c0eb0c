"""`wengert demo`: what the library does, shown on small problems and on real data.

This file is light, so that `--help` and a wrong `--out` answer at once; what the tour needs is imported in `run`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

DESCRIPTION = """\
A tour in five steps that takes a few seconds:

  1. the derivative of exp(x**2)**2 at 0.5 by backward, by hand along the graph,
     by the central difference and by the closed form, side by side
  2. tanh and its first four derivatives, as a picture
  3. Newton's method, with second derivatives
  4. gradient descent on the Rosenbrock function
  5. a small network in plain NumPy that learns to read handwritten digits
     (UCI optical digits, 1,797 images that come with the package),
     with its accuracy on unseen images and the time per step

It ends by writing the graphs of steps 1 and 5 as pages for the browser.

Needs NumPy alone. With the extra packages of 'pip install "wengert[demo]"',
step 2 is a PNG (matplotlib), and a terminal shows a progress bar (rich)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `wengert demo` takes."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("wengert-demo"),
        help="the folder for the picture of step 2 and the pages, made if it is missing (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Give the tour; the exit code is 0, or 2 if nothing can be written to `args.out`."""
    problem = _why_not_writable(args.out)
    if problem:
        print(f"wengert demo: cannot write to --out {args.out}: {problem}; name another folder", file=sys.stderr)
        return 2
    from .tour import tour

    tour(args.out)
    return 0


def _why_not_writable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (FileExistsError, NotADirectoryError):
        return "there is a file in its place"
    except OSError as error:
        return error.strerror or str(error)
    return None
