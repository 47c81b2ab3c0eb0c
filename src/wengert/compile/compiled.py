"""`wg.compile`: a function that records its calls, keeps the recordings, and replays the one whose guards hold."""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..recording import recording as recording_mode
from ..variable import Variable
from . import record
from .kept import PLAIN, Kept, Void
from .record import Diverged
from .run import Run
from .world import Inlined, Slot

RECORDINGS = 16  # of one function
FAILURES = 8  # of one check
STRIKES = 4  # recordings in a row that could not be kept

_LOCK = threading.RLock()  # one recording at a time: the world is swapped while it runs


def _after_fork() -> None:
    global _LOCK
    _LOCK, record._current = threading.RLock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class CompileWarning(UserWarning):
    """A compiled function runs as a plain one, for the reason that is given."""


# ---- NumPy's ways with invalid values -------------------------------------------------------------------------------

try:
    _errors = np._core.umath._extobj_contextvar.get  # type: ignore[attr-defined]
    _USUAL = _errors()
except AttributeError:  # another version of NumPy
    _errors, _USUAL = np.geterr, None  # type: ignore[assignment]


def _raises() -> bool:
    """Whether NumPy does more than warn where a value is invalid."""
    return not {"warn", "ignore"}.issuperset(np.geterr().values())


class Compiled(Inlined):
    """What `wg.compile` gives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._kept: dict[bool, list[Kept]] = {True: [], False: []}
        self._front: Kept | None = None  # the recording that was used last
        self._why: str | None = None  # it runs plainly
        self._dynamic: set[Any] = set()  # places of numbers that change from call to call
        self._codes: dict[Any, Any] = {}  # code that was found to run, with its globals
        self._failures: Counter[str] = Counter()  # lines: how often a recording was made because of a value there
        self._voids: list[str] = []
        self.linked = False  # whether results are linked to Variables that are passed: such calls are plain ones
        self._strikes = 0
        self._notes: list[str] = []
        self._off = os.environ.get("WENGERT_COMPILE") == "0"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return functools.partial(Compiled.__call__, self, instance)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__qualname__', self.function)!s}>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result."""
        mode, kept = recording_mode(), self._front
        if kept is not None and mode is kept.mode and record._current is None and _errors() is _USUAL:
            found = kept.guard(args, kwargs)
            if type(found) is tuple:
                try:
                    result = kept.replay(found)
                except Exception:
                    result = PLAIN  # the slow way finds out
                if result.__class__ is not Void:
                    return result
        if self._why is not None or self._off or (mode is not True and mode is not False):
            return self.function(*args, **kwargs)
        if (current := record._current) is not None and current.thread == threading.get_ident():
            return self.function(*args, **kwargs)  # part of another recording
        if _errors() is not _USUAL and _raises():
            return self.function(*args, **kwargs)
        result = self._replayed(mode, args, kwargs)
        if result.__class__ is not Void:
            return result
        return self._recorded(mode, args, kwargs)

    def _replayed(self, mode: bool, args: Any, kwargs: Any) -> Any:
        """The result of a recording whose guards hold; a `Void`, if there is none."""
        for kept in self._kept[mode]:
            found = kept.guard(args, kwargs)
            if type(found) is tuple:
                try:
                    result = kept.replay(found)
                except Diverged as error:
                    result = Void(str(error))
                except Exception:  # the function itself says what is wrong, in its own line
                    return self.function(*args, **kwargs)
                if result is PLAIN:
                    return self.function(*args, **kwargs)
                if result.__class__ is Void:
                    self._voids.append(result.line)
                    continue
                recordings = self._kept[mode]
                if recordings[0] is not kept:
                    self._kept[mode] = [kept, *[k for k in recordings if k is not kept]]
                self._front = kept
                return result
        return PLAIN

    # ---- recording ----------------------------------------------------------------------------------------------

    def _recorded(self, mode: bool, args: Any, kwargs: Any) -> Any:
        if self.linked and (_holds_tracked(args) or _holds_tracked(kwargs)):
            return self.function(*args, **kwargs)
        with _LOCK:
            self._voids.clear()
            result = self._replayed(mode, args, kwargs)  # another thread may have made the recording
            if result.__class__ is not Void:
                return result
            self._look_into(mode, args, kwargs)
            if self._why is None:
                run = Run(self, args, kwargs)
                if run.ready:
                    return run(mode)
        return self.function(*args, **kwargs)

    def _look_into(self, mode: bool, args: Any, kwargs: Any) -> None:
        """Why no recording holds: numbers that change become inputs; too many recordings end it."""
        words: list[str] = []
        for kept in self._kept[mode]:
            self._dynamic.update([slot.place for slot in kept.numbers if _is_another(slot)])
            failed = kept.guard(args, kwargs)
            if type(failed) is int and failed >= 0:
                place, text = kept.failures[failed]
                words.append(text)
                if place is not None:
                    self._dynamic.add(text if text.startswith("argument ") else place)
        self._failures.update(set(self._voids))
        line, count = self._failures.most_common(1)[0] if self._failures else ("", 0)
        if count >= FAILURES:
            self.fall_back(f"a value that Python asks for is another one at each call ({count} times)", line)
        elif len(self._kept[mode]) >= RECORDINGS:
            text, _ = Counter(words).most_common(1)[0] if words else ("a value that Python asks for", 0)
            self.fall_back(f"it was recorded {RECORDINGS} times, and {text} is still another one", line)

    def fall_back(self, why: str, line: str) -> None:
        """Run plainly from now on, and say so once."""
        self._why, self._front = f"{why}{f' ({line})' if line else ''}", None
        name = getattr(self.function, "__qualname__", repr(self.function))
        warnings.warn(f"wg.compile: {name} runs without being compiled: {self._why}", CompileWarning, stacklevel=2)

    def keep(self, mode: bool, kept: Kept) -> None:
        """Keep a recording, in front of the others."""
        self._strikes = 0
        self._kept[mode] = [kept, *self._kept[mode]]
        kept.mode, self._front = mode, kept

    def strike(self, why: str, line: str, expected: bool) -> None:
        """A run that was not kept; the next may be."""
        self._notes.append(why)
        self._strikes += not expected
        if self._strikes >= STRIKES:
            self.fall_back(why, line)

    def explain(self) -> str:
        """What was recorded, what fell back and why, as text."""
        from .explain import explain

        return explain(self)

    @property
    def recordings(self) -> int:
        """How many recordings are kept."""
        return sum(map(len, self._kept.values()))


def _holds_tracked(x: Any) -> bool:
    """Whether there is a tracked Variable in x, a nesting of lists, tuples and dicts."""
    if isinstance(x, (list, tuple)):
        return any(map(_holds_tracked, x))
    if isinstance(x, dict):
        return any(map(_holds_tracked, x.values()))
    return isinstance(x, Variable) and x._node is not None


def _is_another(slot: Slot) -> bool:
    """Whether a number is another one of the same type."""
    now = slot.read()
    return type(now) is type(slot.value) and now != slot.value


def compile(function: Callable[..., Any]) -> Compiled:
    """The same function, faster: its calls are recorded once, and replayed.

    The first call of each kind runs as it is, and what it did with NumPy is recorded: forward, backward, and changes
    made in place. Later calls replay that. What a recording depends on is guarded: dtypes, shapes and layouts of
    arrays; numbers, strings and functions in arguments, closures, globals and attributes; and the outcome of every
    branch on a value. Where one is another, the call is recorded anew, and both recordings are kept. The result is that
    of the function itself, up to rounding. What cannot be replayed makes the function run plainly, with one
    `CompileWarning` that names the line.

    Args:
        function: anything that computes with NumPy calls, `wg.grad` and `backward()` inside included.

    A Variable in the result has no graph; a call whose result is linked to a Variable that was passed, as in
    `wg.grad(compiled)`, runs plainly. `explain()` of the compiled function tells what was recorded;
    `WENGERT_COMPILE=0` in the environment switches it off.

    Raises:
        TypeError: `function` cannot be called.

    Example:
        >>> f = wg.compile(wg.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2)))
        >>> f(np.array([0.0, 0.5]))
        (array(0.21355227), array([0.        , 0.72686198]))
        >>> f(np.array([0.0, 1.0]))
        (array(0.58002566), array([0.        , 0.63970001]))
    """
    if not callable(function):
        raise TypeError(f"compile: expected a function, got {type(function).__name__}")
    return Compiled(function)
