"""Whether, and how, calls are recorded: one context variable, the seam beside the engine.

Its value decides what a call on a tracked Variable does:

* `True`: the call becomes a node of the graph (the ordinary case, written out in `declare.py`);
* `False`: it is computed and nothing is recorded (`no_grad`);
* a `Recorder`: the call is handed to it whole. Debugging, the tape, profiling and the viewer are Recorders.

A context variable belongs to a thread and to an async task, so that neither disturbs another.
"""

from __future__ import annotations

import contextvars
from typing import Any, Self

_mode: contextvars.ContextVar[Any] = contextvars.ContextVar("wengert recording", default=True)
recording = _mode.get


class Mode:
    """A context in which `recording()` is `mode`. Contexts nest; each can be entered again."""

    def __init__(self, mode: Any) -> None:
        self._to = mode
        self._tokens: list[contextvars.Token[Any]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_mode.set(self._to))
        return self

    def __exit__(self, *exc: object) -> None:
        _mode.reset(self._tokens.pop())


def no_grad() -> Mode:
    """A context in which nothing is recorded: results are untracked, and `y += v` moves only data.

    Example:
        >>> x = wg.Variable(2.0)
        >>> with wg.no_grad():
        ...     y = x * x
        >>> y.creator is None
        True
    """
    return Mode(False)


def recorded() -> Mode:
    """A context in which calls are recorded, even inside `no_grad`; an active Recorder stays active."""
    mode = recording()
    return Mode(mode if mode is not False else True)


class Recorder:
    """Sees every call on a tracked Variable while its context is entered. Subclasses override `call`.

    Recorders nest: `call` passes the call on to the one outside (`self.run`), so that each sees it.
    """

    def __enter__(self) -> Self:
        self._outer = recording()
        self._token = _mode.set(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _mode.reset(self._token)

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One call: `op` is what the user called (`wengert.sin`), `args` may hold Variables."""
        return self.run(op, args, kwargs)

    def pulled(self, node: Any, gy: Any) -> None:
        """One step of a reverse walk: `node` is about to receive the cotangent `gy`."""
        if isinstance(self._outer, Recorder):
            self._outer.pulled(node, gy)

    def passed(self, node: Any) -> None:
        """The end of that step: `node` has handed on what flows to its inputs."""
        if isinstance(self._outer, Recorder):
            self._outer.passed(node)

    def run(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the call as if this Recorder were not there."""
        token = _mode.set(self._outer)
        try:
            return op(*args, **kwargs)
        finally:
            _mode.reset(token)
