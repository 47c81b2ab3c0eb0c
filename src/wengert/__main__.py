"""The command line: `wengert COMMAND`, or `python -m wengert COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from . import __version__

# One row for each command: its module, with `add_arguments(parser)` and `run(args) -> exit code`, and a line of help.
COMMANDS = {
    "demo": ("wengert.demo", "a tour in five steps: derivatives, two optimisers, a network that reads digits"),
    "train": ("wengert.train.command", "trains a model on digits, MNIST, Fashion-MNIST or characters"),
    "view": ("wengert.view.command", "the graph of a function of yours, as a page in the browser"),
    "coverage": ("wengert.coverage", "which functions of NumPy are differentiable, constant or refused"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0, 1 for a failure, 2 for a wrong call, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="wengert",
        description="Define-by-run automatic differentiation for NumPy.",
        epilog="'wengert COMMAND --help' tells what a command does.",
    )
    parser.add_argument("--version", action="version", version=f"wengert {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if argv[:1] == [name]:  # the other commands' modules, and what they need, are never imported
            importlib.import_module(module).add_arguments(subparser)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    try:
        code: int = importlib.import_module(COMMANDS[args.command][0]).run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        # A terminal has just echoed "^C"; the carriage return writes over it.
        print("\r" * sys.stderr.isatty() + "wengert: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has left, as `| head` does. What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
