"""Kernels as steps of a table, and what runs them on arrays.

A kernel is `name(arguments, lo, hi, thread)`: it does the indices lo ... hi - 1 of its step, and has scratch memory
that belongs to the thread.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from . import elementwise, machine as machines
from .microkernel import Writer


class Step(NamedTuple):
    """A kernel of a table: its function, the names of the arrays it is given, and how many indices it has.

    The indices may be done in any order and by any threads, `chunk` of them at a time or otherwise.
    """

    name: str
    text: str
    declared: tuple[str, ...]
    helpers: tuple[str, ...]  # functions that it calls
    functions: tuple[tuple[str, str, int], ...]  # elementary ones
    arguments: tuple[str, ...]
    end: int
    chunk: int = 1  # how many are worth handing out together


class Emitted(NamedTuple):
    """Kernels to be run one after the other, and the bytes of buffers they need; of "scratch", each thread."""

    steps: tuple[Step, ...]
    buffers: dict[str, int]


def function(w: Writer, name: str, arguments: Sequence[str], end: int, index: Callable[[str], None],
              start: Callable[[], None] | None = None) -> Step:  # fmt: skip
    """A kernel that does `index(i)` for each of its indices."""
    for k in range(len(arguments)):
        w.do(f"%q{k} = getelementptr ptr, ptr %args, i64 {k}")
        w.do(f"%p{k} = load ptr, ptr %q{k}")
    if start:
        start()

    def inside(i: str, _: list[str]) -> list[str]:
        index(i)
        return []

    w.loop("%lo", "%hi", 1, [], inside)
    w.do("ret void")
    text = f"define void @{name}(ptr %args, i64 %lo, i64 %hi, i64 %thread) {{\nentry:\n{w.text()}\n}}"
    return Step(name, text, tuple(w.declared), tuple(w.helpers.values()), tuple(w.functions), tuple(arguments), end)


def scratch_of(w: Writer, number: int, size: int) -> None:
    """The thread's part of the scratch memory."""
    at = w.mul("%thread", size)
    w.do(f"%mine = getelementptr i8, ptr %p{number}, i64 {at}")


def aligned(size: int) -> int:
    return -(-size // 64) * 64


def module(machine: Any, *emitted: Emitted) -> str:
    """One module of these kernels."""
    steps = [step for one in emitted for step in one.steps]
    declared = {line for step in steps for line in step.declared}
    functions = {function for step in steps for function in step.functions}
    helpers = {text: None for step in steps for text in step.helpers}
    return "\n".join([elementwise.library(functions, machine.fma, declared), *helpers, *[step.text for step in steps]])


class Native:
    """Kernels that are compiled, to be called on arrays."""

    def __init__(self, emit: Callable[[str], Emitted], machine: Any) -> None:
        self.emitted = emit("KERNEL")
        text = module(machine, self.emitted)
        name = "n" + hashlib.sha256(text.encode()).hexdigest()[:24]
        text = text.replace("@KERNEL", f"@{name}")
        names = [step.name.replace("KERNEL", name) for step in self.emitted.steps]
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self.functions = [signature(address) for address in machines.link(text, machine, names)]

    def __call__(self, arrays: dict[str, ndarray], threads: int = 1) -> None:
        """Run them on these arrays, all C-contiguous."""
        buffers = {
            name: buffer(size * (threads if name == "scratch" else 1)) for name, size in self.emitted.buffers.items()
        }
        places = {name: array.ctypes.data for name, array in (arrays | buffers).items()}
        for step, function in zip(self.emitted.steps, self.functions, strict=True):
            words = (ctypes.c_void_p * len(step.arguments))(*[places[name] for name in step.arguments])
            if threads == 1 or step.end == 1:
                function(words, 0, step.end, 0)
                continue
            job = function, words, step.end, itertools.count()
            others = [threading.Thread(target=_work, args=(k, *job)) for k in range(1, threads)]
            for t in others:
                t.start()
            _work(0, *job)
            for t in others:
                t.join()


def buffer(size: int) -> ndarray:
    """Bytes that begin at a line of the cache."""
    found = np.empty(size + 64, np.uint8)
    return found[-found.ctypes.data % 64 :][:size]


def _work(thread: int, function: Any, words: Any, end: int, indices: Any) -> None:
    """What one of several threads does of a step."""
    while (i := next(indices)) < end:
        function(words, i, i + 1, thread)
