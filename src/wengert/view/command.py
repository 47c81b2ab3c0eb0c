"""`wengert view FILE.py:FUNCTION`: the graph of a function, without a line of code."""

from __future__ import annotations

import argparse
import inspect
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Runs a function of a file on Variables, and writes a page that draws its graph.

  wengert view model.py:loss --shape 4,3 --shape 3
  wengert view model.py:f --example 'np.linspace(0, 1, 5), 2.0'

Each --shape is one argument, of normal random numbers; () is a scalar.
--example gives all arguments, as Python writes them, with np for NumPy. What holds
floating-point numbers becomes Variables, in lists and dicts too; integers stay, unless
there is nothing else.
Without either, every argument is the number 1.0."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `wengert view` takes."""
    parser.description = DESCRIPTION
    parser.add_argument("target", metavar="FILE.py:FUNCTION", help="the function, with its file")
    arguments = parser.add_mutually_exclusive_group()
    arguments.add_argument("--shape", action="append", metavar="N,M", help="an argument of this shape; may be repeated")
    arguments.add_argument("--example", metavar="EXPRESSION", help="the arguments themselves")
    parser.add_argument("--order", type=int, default=0, metavar="N", help="draw the N-th derivative instead")
    parser.add_argument("--out", type=Path, default=Path("graph.html"), help="the page (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only write the page")


def run(args: argparse.Namespace) -> int:
    """Write the page; the exit code is 0, or 2 for a wrong call."""
    import wengert as wg

    from .names import Notes

    modules = []  # what the function makes is needed for the picture: parameters' names and values

    class Keeping(Notes):
        def module(self, module: Any, args: Any, kwargs: Any) -> Any:
            modules.append(module)
            return module.forward(*args, **kwargs)

    try:
        function = find(args.target)
        arguments = examples(function, args.shape, args.example)
        with Keeping():
            y = run_users(args.target, function, *arguments)
            if all([isinstance(v, wg.Variable) and v.size == 1 for v in wg.tree.leaves(y)]) and not args.order:
                for v in wg.tree.leaves(y):
                    v.backward()
        page = wg.view(y, path=args.out, order=args.order, open_browser=False if args.no_browser else None)
    except Mistake as mistake:
        print(f"wengert view: {mistake}", file=sys.stderr)
        return 2
    except (TypeError, ValueError, OSError) as error:
        print(f"wengert view: {args.target}: {error}", file=sys.stderr)
        return 2
    print(f"Page: {page.path}")
    return 0


def run_users(what: str, f: Any, *args: Any, **kwargs: Any) -> Any:
    """Call what the user wrote; if that fails, tell where, without the lines of Wengert that led to it."""
    try:
        return f(*args, **kwargs)
    except Exception as error:
        trace = error.__traceback__ and error.__traceback__.tb_next
        while trace is not None and "runpy" in trace.tb_frame.f_code.co_filename:
            trace = trace.tb_next
        traceback.print_exception(error.with_traceback(trace))
        raise Mistake(f"{what} failed: {type(error).__name__}: {error}") from None


class Mistake(Exception):
    """Something in the command that the user can put right."""


def find(target: str) -> Any:
    """The function that FILE.py:FUNCTION names; the file is run as a module, not as a program."""
    file, colon, name = target.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise Mistake(f"expected FILE.py:FUNCTION, got {target!r}")
    if not Path(file).is_file():
        raise Mistake(f"there is no file {file}")
    sys.path.insert(0, str(Path(file).resolve().parent))
    found = run_users(file, runpy.run_path, file, run_name=Path(file).stem)
    function = found.get(name)
    if not callable(function):
        functions = [k for k, v in found.items() if inspect.isfunction(v) and v.__module__ == Path(file).stem]
        raise Mistake(f"{file} has no function {name!r}; it has {', '.join(functions) or 'none'}")
    return function


def examples(function: Any, shapes: list[str] | None, expression: str | None) -> list[Any]:
    """The arguments as Variables, under the names of the parameters."""
    import numpy as np

    from .. import tree
    from ..variable import Variable

    parameters = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    values: list[Any]
    if expression is not None:
        try:
            found = eval(expression, {"np": np})
        except Exception as error:
            raise Mistake(f"--example {expression!r}: {type(error).__name__}: {error}") from None
        values = list(found) if isinstance(found, tuple) else [found]
        if all([isinstance(v, int) for v in tree.leaves(values)]):  # beside other numbers, an index or an axis
            values = tree.map(float, values)
    elif shapes is not None:
        rng = np.random.default_rng(0)
        try:
            values = [rng.normal(size=[int(n) for n in shape.strip("() ").split(",") if n.strip()]) for shape in shapes]
        except ValueError:
            raise Mistake(f"--shape: expected whole numbers such as 4,3, got {' '.join(shapes)}") from None
    else:
        values = [1.0] * len(names)
    names = [*names, *[f"x{k}" for k in range(len(names), len(values))]][: len(values)]

    def variable(v: Any, name: str | None = None) -> Any:
        inexact = isinstance(v, (float, complex)) or getattr(v, "dtype", np.dtype(int)).kind in "fc"
        return Variable(v, name) if inexact else v

    inside = [tree.map(variable, v) if isinstance(v, (list, tuple, dict)) else v for v in values]
    return [variable(v, name) for v, name in zip(inside, names, strict=True)]
