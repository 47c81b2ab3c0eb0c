"""Kernels as steps of a table, and what runs them on arrays.

A kernel is `name(arguments, lo, hi)`: it does the indices lo ... hi - 1 of its step. One with scratch memory takes a
slot of it while it runs: there have to be as many as threads that run it, but never more than 64.
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
    """Kernels to be run one after the other, and the bytes of buffers that they need; of "scratch", for each thread.

    The buffers belong to these kernels until the last has ended; one run of them has its own.
    """

    steps: tuple[Step, ...]
    buffers: dict[str, int]


def emitted(
    name: str, steps: Sequence[Step], buffers: dict[str, int], dtype: Any, machine: Any, scratch: int
) -> Emitted:
    """These kernels with scratch memory of so many bytes; before them its slots are freed: see `slots`, in "free"."""
    if not scratch:
        return Emitted(tuple(steps), buffers)
    w = Writer(dtype, machine)
    free = function(w, f"{name}_free", ("slots", "free"), 1, lambda _: w.do("store ptr %p1, ptr %p0, align 8"))
    return Emitted((free, *steps), buffers | {"scratch": scratch, "slots": 64})


def function(w: Writer, name: str, arguments: Sequence[str], end: int, index: Callable[[str], None],
              start: Callable[[], None] | None = None, scratch: int = 0) -> Step:  # fmt: skip
    """A kernel that does `start()`, then `index(i)` for each of its indices, with scratch memory at `%mine`."""
    arguments = (*arguments, *(("scratch", "slots") if scratch else ()))
    for k in range(len(arguments)):
        w.do(f"%q{k} = getelementptr ptr, ptr %args, i64 {k}")
        w.do(f"%p{k} = load ptr, ptr %q{k}")
    bit = _taken(w, f"%p{len(arguments) - 2}", f"%p{len(arguments) - 1}", scratch) if scratch else ""
    if start:
        start()

    def inside(i: str, _: list[str]) -> list[str]:
        index(i)
        return []

    w.loop("%lo", "%hi", 1, [], inside)
    if scratch:
        left = w.e(f"xor i64 {bit}, -1")
        w.do(f"%left = atomicrmw and ptr %p{len(arguments) - 1}, i64 {left} release")
    w.do("ret void")
    text = f"define void @{name}(ptr %args, i64 %lo, i64 %hi) {{\nentry:\n{w.text()}\n}}"
    return Step(name, text, tuple(w.declared), tuple(w.helpers.values()), tuple(w.functions), tuple(arguments), end)


def _taken(w: Writer, scratch: str, slots: str, size: int) -> str:
    """The bit of a slot of scratch memory that nobody has, which is taken: there are 64, and as many are used as
    kernels run at once."""
    look, found, mine = w.label(), w.label(), w.label()
    w.jump(look)
    w.start(look)
    old = w.e(f"load atomic i64, ptr {slots} monotonic, align 8")
    free = w.e(f"xor i64 {old}, -1")
    w.branch(w.e(f"icmp ne i64 {free}, 0"), found, look)
    w.start(found)
    number = w.call("i64", "llvm.cttz.i64", ("i64", free), ("i1", "true"))
    bit = w.e(f"shl i64 1, {number}")
    pair = w.e(f"cmpxchg ptr {slots}, i64 {old}, i64 {w.e(f'or i64 {old}, {bit}')} acquire monotonic")
    w.branch(w.e(f"extractvalue {{i64, i1}} {pair}, 1"), mine, look)
    w.start(mine)
    w.do(f"%mine = getelementptr i8, ptr {scratch}, i64 {w.mul(number, size)}")
    return bit


def slots(threads: int) -> int:
    """The word in which there is a bit for each slot that is not there, where there are so many."""
    return -1 << threads if threads < 64 else 0


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
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self.functions = [signature(address) for address in machines.link(text, machine, names)]

    def __call__(self, arrays: dict[str, ndarray], threads: int = 1) -> None:
        """Run them on these arrays, all C-contiguous."""
        buffers = {
            name: buffer(size * (threads if name == "scratch" else 1)) for name, size in self.emitted.buffers.items()
        }
        places = {name: array.ctypes.data for name, array in (arrays | buffers).items()} | {"free": slots(threads)}
        for step, function in zip(self.emitted.steps, self.functions, strict=True):
            words = (ctypes.c_void_p * len(step.arguments))(*[places[name] for name in step.arguments])
            if threads == 1 or step.end == 1:
                function(words, 0, step.end)
                continue
            job = function, words, step.end, itertools.count()
            others = [threading.Thread(target=_work, args=job) for _ in range(1, threads)]
            for t in others:
                t.start()
            _work(*job)
            for t in others:
                t.join()


def buffer(size: int) -> ndarray:
    """Bytes that begin at a line of the cache."""
    found = np.empty(size + 64, np.uint8)
    return found[-found.ctypes.data % 64 :][:size]


def _work(function: Any, words: Any, end: int, indices: Any) -> None:
    """What one of several threads does of a step."""
    while (i := next(indices)) < end:
        function(words, i, i + 1)
