"""A recording that is kept, and its replay: the program and its checks; then, and only then, changes and the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy import ndarray

from .program import Place, Program
from .replay import Replay
from .results import Values
from .world import Slot, write


class Kept:
    """A recording that is kept: its guard, its program, and how results and effects are made."""

    def __init__(self, **parts: Any) -> None:
        self.guard: Callable[[Any, Any], Any] = parts["guard"]
        self.failures: list[tuple[Any, str]] = parts["failures"]
        self.program: Program = parts["program"]
        self.native: Any = parts["native"]  # what runs the program; None: NumPy does
        self.result: Any = parts["result"]
        self.effects: list[tuple[Any, Any, str, Any]] = parts["effects"]  # recipe of the holder, kind, key, recipe
        self.host: list[tuple[Any, Any]] = parts["host"]
        self.host_checks: list[Any] = parts["host_checks"]
        self.host_inputs: list[tuple[int, int]] = parts["host_inputs"]  # step, position among the program's inputs
        self.updated: list[int] = parts["updated"]  # positions of inputs that are written to
        self.numbers: list[Slot] = parts["numbers"]  # of the world, that are guarded by value
        self.generators: list[Any] = parts["generators"]  # that are drawn from
        self.mode = True
        self.calls = 0
        self.checks = [_expected(c.value) for c in self.program.checks]
        self.simple = not (self.effects or self.host or self.updated or self.checks)

    def replay(self, found: tuple[Any, ...]) -> Any:
        """The result; a `Void`, before anything is changed, if a check fails."""
        if not self.generators:
            return self._replay(found, ())
        states = [g.bit_generator.state for g in self.generators]
        result: Any = PLAIN
        try:
            result = self._replay(found, states)
        finally:
            if result.__class__ is Void:
                self._draw_again(states)
        return result

    def _draw_again(self, states: Sequence[Any]) -> None:
        for g, state in zip(self.generators, states, strict=True):
            g.bit_generator.state = state

    @cached_property
    def through_numpy(self) -> Replay:
        """The program as NumPy runs it: where there is no native code, or it met what it is not made for."""
        return Replay(self.program)

    def _replay(self, found: tuple[Any, ...], states: Sequence[Any]) -> Any:
        arrays, kept, read, places = found
        if self.simple:
            self.calls += 1
            outputs = self.native and self.native.run(arrays)
            if outputs is None:
                self._draw_again(states)
                outputs = self.through_numpy.run(arrays)[0]
            return self.result.make(Values(outputs, kept, places, read))
        numbers: list[Any] = []
        if self.host:
            given = iter(read)
            for function, args in self.host:
                numbers.append(
                    next(given)
                    if function == "read"
                    else function(*[numbers[a.k] if type(a) is Place else a for a in args])
                )
            for k, value, line in self.host_checks:
                if numbers[k] != value or type(numbers[k]) is not type(value):
                    return Void(line)
            for k, position in self.host_inputs:
                arrays[position] = np.asarray(numbers[k])
        if self.updated and not _apart(arrays, self.updated):
            return PLAIN
        outputs = self.native and self.native.run(arrays)
        if outputs is None:  # NumPy tells which check it was
            self._draw_again(states)
            outputs, updates, checks = self.through_numpy.run(arrays)
            for value, expected, c in zip(checks, self.checks, self.program.checks, strict=True):
                if not expected(value):
                    return Void(c.line)
            for u, value in zip(self.program.updates, updates, strict=True):
                arrays[u.input.attributes][...] = value
        values = Values(outputs, kept, places, numbers)
        if self.effects:
            made = [(holder.make(values), kind, key, recipe.make(values)) for holder, kind, key, recipe in self.effects]
            for holder, kind, key, value in made:
                write(holder, kind, key, value)
        self.calls += 1
        return self.result.make(values)


class Void:
    """A replay whose check failed."""

    __slots__ = ("line",)

    def __init__(self, line: str) -> None:
        self.line = line


PLAIN: Any = Void("")


def _expected(value: Any) -> Callable[[Any], bool]:
    """Whether a value is this one, in every bit."""
    if isinstance(value, np.bool_):
        truth = bool(value)
        return lambda v: bool(v) is truth
    array = np.asarray(value)
    content, shape = array.tobytes(), array.shape
    return lambda v: np.shape(v) == shape and np.asarray(v, array.dtype).tobytes() == content


def _apart(arrays: Sequence[Any], updated: Sequence[int]) -> bool:
    """Whether arrays that are written to share memory with no other."""
    if len({id(a) for a in arrays}) != len(arrays):
        return False
    written = [arrays[i] for i in updated]
    views = [a for a in arrays if type(a) is ndarray and a.base is not None]
    if not views:
        return True
    return not any([a is not b and np.may_share_memory(a, b) for a in written for b in arrays])
