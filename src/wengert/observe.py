"""Recorders that are ready to use: `Tape`, the list of calls, and `debug`, which finds the first NaN."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .batching.array import memory
from .recording import Recorder
from .variable import Variable, data_of, info_of, wrap

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep


def users_line() -> str:
    """The innermost line on the stack that is neither Wengert's nor NumPy's, as `file:line`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_HERE, _NUMPY)):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Entry(NamedTuple):
    """One call on the tape: operands and results as they were at the call."""

    operation: str
    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Any, ...]
    line: str

    def __str__(self) -> str:
        shapes = ", ".join(f"{np.shape(data_of(r))}" for r in self.results)
        return f"{self.operation:<14} {shapes:<14} {self.line}"


class Tape(Recorder):
    """The Wengert list of a computation: its calls on tracked Variables in order, with all operands and results.

    Example:
        >>> x = wg.Variable(2.0)
        >>> with wg.Tape() as tape:
        ...     y = np.sin(x) * x
        >>> [entry.operation for entry in tape]
        ['sin', 'multiply']
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __str__(self) -> str:
        return "\n".join(f"{i:>4}  {entry}" for i, entry in enumerate(self.entries))

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operands = tuple([_snapshot(a) for a in args])
        result = self.run(op, args, kwargs)
        results = tuple([_snapshot(r) for r in (result if isinstance(result, tuple) else (result,))])
        self.entries.append(Entry(name_of(op), op, operands, kwargs, results, users_line()))
        return result


def _snapshot(x: Any) -> Any:
    """A handle that does not move when the user's does."""
    return wrap(x._array, x._node) if isinstance(x, Variable) else x


def name_of(op: Any) -> str:
    """What an operation or a user's Function is called."""
    return getattr(op, "__name__", type(op).__name__)


class Debug(Recorder):
    """See `debug`."""

    def __init__(self, context: int) -> None:
        self.recent: deque[str] = deque(maxlen=context)

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = self.run(op, args, kwargs)
        line = users_line()
        for r in result if isinstance(result, tuple) else (result,):
            if not isinstance(r, Variable):
                continue
            if r._node is not None:
                info_of(r._node).line = line
            if not np.all(np.isfinite(memory(r._array))):
                raise FloatingPointError(self._report(f"{name_of(op)} made {_worst(memory(r._array))}", line, args))
            self.recent.append(f"{name_of(op)} of shape {r.shape} at {line}")
        return result

    def pulled(self, node: Any, gy: Any) -> None:
        super().pulled(node, gy)
        info = getattr(node, "info", None)
        line = (info and info.line) or "a line outside debug()"
        name = type(node).__name__
        for g in gy if isinstance(gy, list) else [gy]:
            if g is not None and not np.all(np.isfinite(memory(g))):
                what = f"backward: the gradient that flows into the result of {name} holds {_worst(memory(g))}"
                raise FloatingPointError(self._report(what, line, ()))
        self.recent.append(f"backward through {name} recorded at {line}")

    def _report(self, what: str, line: str, args: Any) -> str:
        shapes = ", ".join([str(np.shape(data_of(a))) for a in args])
        before = "".join(f"\n  {entry}" for entry in self.recent) or "\n  (nothing)"
        return f"{what} at {line}" + (f", from arguments of shape {shapes}" if args else "") + f"\nbefore it:{before}"


def debug(context: int = 5) -> Debug:
    """A context in which the first NaN or infinity, forward or backward, is an error that names its line.

    Also notes the user's line of every recorded call. Costs some microseconds a call.

    Args:
        context: how many earlier calls the message lists.

    Raises:
        FloatingPointError: inside the context, by the call that made a NaN or an infinity.

    Example:
        >>> x = wg.Variable(-1.0)
        >>> with np.errstate(invalid="ignore"), wg.debug():
        ...     np.log(x)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FloatingPointError: log made nan at ...
    """
    return Debug(context)


def _worst(x: Any) -> str:
    return "nan" if np.any(np.isnan(x)) else "inf"
