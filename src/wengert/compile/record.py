"""One recording: its list, its inputs, what was asked of values, and why it may be of no use. `calls.py` adds to it."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from . import translate
from .program import Check, Node, Place, Program
from .traced import Number, Traced, broadcast, cast, reshaped

LARGEST_CONTENT = 1 << 12  # bytes of an array whose whole content may be taken for granted
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_CONTEXTLIB = contextlib.__file__


class Diverged(Exception):
    """A call in the list gave a result of another shape or dtype than when it was recorded."""


class Host(NamedTuple):
    """A step of Python's arithmetic on numbers: repeated at each call."""

    function: Any
    args: tuple[Any, ...]  # numbers, or `Place`s of earlier steps


class HostCheck(NamedTuple):
    """What the recording took for granted of a number."""

    k: int
    value: Any
    line: str


_current: Record | None = None


def current() -> Any:
    """The recording of this thread, if its calls are being recorded."""
    r = _current
    return r if r is not None and r.thread == threading.get_ident() and not (r.quiet or r.inside) else None


def entry(method: Any) -> Any:
    """A method that the run's calls come in by: the NumPy calls that it makes itself are no part of the run."""

    @functools.wraps(method)
    def entered(self: Record, *args: Any, **kwargs: Any) -> Any:
        if self.inside:
            return method(self, *args, **kwargs)
        seeing = sys.getprofile() if self.open else None
        if seeing is not None:
            sys.setprofile(None)
        self.inside = True
        try:
            return method(self, *args, **kwargs)
        finally:
            self.inside = False
            if seeing is not None:
                sys.setprofile(seeing)

    return entered


_SHAPES = ("broadcast", "shape", "dimension", "axis", "axes", "mismatch in its core")


def _by_shape(error: Exception) -> bool:
    """Whether shapes and dtypes alone lead to an error: they are guarded."""
    if isinstance(error, np.linalg.LinAlgError):
        return False
    return isinstance(error, (TypeError, np.exceptions.AxisError)) or (
        isinstance(error, ValueError) and any([word in str(error) for word in _SHAPES])
    )


class Record:
    """What one run leaves."""

    def __init__(self) -> None:
        self.program = Program()
        self.thread = threading.get_ident()
        self.alive: list[weakref.ref[Any]] = []
        self.inputs: list[Traced] = []  # in the order of the program's inputs; None for a number
        self.host: list[Host] = []
        self.host_checks: list[HostCheck] = []
        self.host_inputs: dict[int, Node] = {}  # step: the program's input
        self.why: str | None = None
        self.irreversible = False  # whether something was done that cannot be undone
        self.at = ""
        self.draws: list[Node] = []  # done once each, in order, whoever reads them
        self.drawn: set[int] = set()  # ids of their Generators
        self.quiet = False  # NumPy is on its own
        self.inside = False  # in our own code
        self.open = True
        self._adopted: dict[int, tuple[ndarray, Traced, ndarray]] = {}
        self.shown: set[int] = set()  # ids of arrays that plain code sees: their whole content is taken for granted
        self._users: dict[Any, bool] = {}  # code: whether it is the user's
        self._constants: set[int] = set()  # nodes that depend on no input

    # ---- a run ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A context in which calls are recorded."""
        global _current
        collects = gc.isenabled()
        gc.disable()  # what finalisers and gc.callbacks do is no part of the run
        _current = self
        try:
            yield
        finally:
            _current = None
            if collects:
                gc.enable()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """A context in which NumPy is on its own."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    @contextlib.contextmanager
    def refusing(self, function: Any) -> Iterator[None]:
        """A context for a call that may raise: nobody looks again whether it does for other values."""
        try:
            yield
        except Exception as error:
            if self.open and not self.quiet and not _by_shape(error):
                self.give_up(
                    f"{getattr(function, '__name__', 'a call')}() raises a {type(error).__name__} that is caught"
                )
            raise

    @property
    def records(self) -> bool:
        """Whether a call now belongs to the recording."""
        return self.open and not self.quiet and self.thread == threading.get_ident()

    def give_up(self, why: str, line: str | None = None) -> None:
        """The run goes on as a plain one; its recording is of no use."""
        if self.why is None and self.open:
            self.why, self.at = why, self.line() if line is None else line

    def line(self) -> str:
        """The user's line that is being run."""
        frame, known = sys._getframe(1), self._users
        while frame is not None:
            code = frame.f_code
            users = known.get(code)
            if users is None:
                users = known[code] = not code.co_filename.startswith(
                    (_PACKAGE, _NUMPY, _CONTEXTLIB, "<__array_function__", "<frozen")
                )
            if users:
                return f"{code.co_filename}:{frame.f_lineno}"
            frame = frame.f_back  # type: ignore[assignment]
        return ""

    # ---- values and nodes -------------------------------------------------------------------------------------

    def input(self, value: Any, source: Any) -> Traced:
        """An array or NumPy scalar that is read anew at each call."""
        t = Traced(self, value, self.program.input(np.shape(value), value.dtype))
        t.source = source
        self.inputs.append(t)
        return t

    def number(self, value: Any, source: Any) -> Number:
        """A Python number that is read anew at each call."""
        self.host.append(Host("read", (source,)))
        return Number(self, value, len(self.host) - 1)

    def constant(self, value: Any) -> Node:
        """An array that is the same at each call."""
        value = np.asarray(value)
        if value.size > 1:
            first = value[(0,) * value.ndim]
            flat = value.reshape(-1).view(np.uint8) if value.flags.c_contiguous else None
            if flat is not None and not np.any(
                flat.reshape(value.size, -1) != np.frombuffer(first.tobytes(), np.uint8)
            ):
                return broadcast(self.program, self.constant(first), value.shape)
        node = self.program.constant(value)
        self._constants.add(node.index)
        return node

    def is_constant(self, node: Node) -> bool:
        """Whether a node depends on no input."""
        todo, seen = [node], set()
        while todo:
            n = todo.pop()
            if n.op in ("input", "call"):
                return False
            if n.index not in self._constants and n.index not in seen:
                seen.add(n.index)
                todo.extend(n.inputs)
        self._constants.update(seen)
        return True

    def wrap(self, value: Any, node: Node) -> Any:
        """A result."""
        node.line = node.line or self.line()
        return Traced(self, value, node)

    def adopted(self, array: ndarray) -> Traced:
        """An array that was made in the run without our knowing, or that lives where nobody looked."""
        known = self._adopted.get(id(array))
        if known is None:
            node = self.program.input(array.shape, array.dtype)
            t = Traced(self, array, node)
            self.inputs.append(t)
            known = self._adopted[id(array)] = array, t, array.copy()
        return known[1]

    def adopted_arrays(self) -> list[tuple[ndarray, Traced, ndarray]]:
        """Those arrays, what stands for them, and what they were when they were first met."""
        return list(self._adopted.values())

    def operand(self, x: Any) -> tuple[Any, Any]:
        """A node and its dtype; for a Python number the number, and its type."""
        kind = type(x)
        if kind is Traced:
            return x.node, x.value.dtype
        if kind is Number:
            return (
                (self.number_node(x), type(x.value))
                if type(x.value) is not bool
                else self.operand(np.bool_(self.host_known(x)))
            )
        if kind in (int, float, complex):
            return x, kind
        node = self.as_node(x)
        return node, node.dtype

    def number_node(self, x: Number) -> Node:
        """The input that a number is."""
        if x.k not in self.host_inputs:
            self.host_inputs[x.k] = self.program.input((), np.asarray(x.value).dtype)
            self.inputs.append(None)  # type: ignore[arg-type]
        return self.host_inputs[x.k]

    def as_node(self, x: Any, dtype: Any = None) -> Node:
        """x as a node; in a dtype, if one is given."""
        if type(x) is Traced:
            node = x.node
        elif type(x) is Number:
            node = self.number_node(x)
        elif type(x) is ndarray:
            node = self.adopted(x).node
        elif type(x) in (list, tuple) and translate.holds_traced(x):
            node = translate.as_array_node(self, x, np.asarray(self.concrete(x)).dtype)
        else:
            value = np.asarray(self.concrete(x))
            if value.dtype.kind not in "biufc":
                raise TypeError("not a number")
            node = self.constant(value if dtype is None else value.astype(dtype))
        return node if dtype is None else cast(self.program, node, dtype)

    def concrete(self, x: Any) -> Any:
        """x with values for what is recorded."""
        kind = type(x)
        if kind is Traced:
            x.root.touched = True
            return x.value
        if kind is Number:
            return x.value
        if kind in (list, tuple):
            return kind([self.concrete(item) for item in x])
        if kind is dict:
            return {k: self.concrete(v) for k, v in x.items()}
        if kind is slice:
            return slice(self.concrete(x.start), self.concrete(x.stop), self.concrete(x.step))
        return x

    # ---- values that are asked for ------------------------------------------------------------------------------

    @entry
    def outcome(self, x: Traced) -> bool:
        """The truth of a value, which is taken for granted from now on."""
        answer = bool(x.value)
        if self.records:
            node = x.node
            if not self.is_constant(node):
                node = translate.truth(self, reshaped(self.program, node, ()))
                self.program.checks.append(Check(node, np.bool_(answer), self.line()))
        return answer

    @entry
    def known(self, x: Traced) -> Any:
        """The value, whose every bit is taken for granted from now on."""
        if self.records and not self.is_constant(x.node):
            if x.value.nbytes > LARGEST_CONTENT:
                self.give_up(f"an array of {x.value.nbytes} bytes is given to code that NumPy's protocols do not reach")
            else:
                value = x.value.copy()
                self.program.checks.append(Check(x.node, value, self.line()))
        return x.value

    # ---- numbers ------------------------------------------------------------------------------------------------

    @entry
    def host_call(self, function: Any, args: tuple[Any, ...]) -> Any:
        """A function of numbers, which Python repeats at each call."""
        value = function(*map(self.concrete, args))
        if not self.records or type(value) not in (int, float, complex):
            [self.host_known(a) for a in args if type(a) is Number]
            return value
        self.host.append(Host(function, tuple([Place(a.k) if type(a) is Number else a for a in args])))
        return Number(self, value, len(self.host) - 1)

    @entry
    def host_outcome(self, function: Any, args: tuple[Any, ...]) -> Any:
        """The outcome of a comparison of numbers, which is taken for granted from now on."""
        value = function(*map(self.concrete, args))
        if self.records:
            self.host.append(Host(function, tuple([Place(a.k) if type(a) is Number else a for a in args])))
            self.host_checks.append(HostCheck(len(self.host) - 1, value, self.line()))
        return value

    @entry
    def host_known(self, x: Number) -> Any:
        """The number, which is taken for granted from now on."""
        if self.records:
            self.host_checks.append(HostCheck(x.k, x.value, self.line()))
        return x.value
