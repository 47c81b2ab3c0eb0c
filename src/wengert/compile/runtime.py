"""What runs a table of steps, and the entry that Python calls: the only code that is written by hand.

A table is words of eight bytes. A step is (kind, function, end, chunk, number of arguments, arguments ...):

    0  the end
    1  function(arguments, 0, end)
    2  function(arguments, lo, hi) for each chunk
    3  the same, by all threads that come in time
    5  wake the threads that sleep
    4  a check: the bytes at the first argument are those at the second, as many as the third says; else the run is void

A frame is what one call needs for itself: tables and memory. Its specification, also words, is (table, number of
arrays, whether to release the GIL), and for each array (dtype object, number of axes, pointer to the shape, flags, the
data pointer at the last call, pointer to (cell, offset) pairs that end with 0): the cells of the tables where that
pointer, plus the offset, has to stand.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

END, ONCE, CHUNKS, THREADS, CHECK, WAKE = range(6)
STEP = 5  # words before the arguments
ARRAY = 6  # words about an array in a frame
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # NumPy's flags


@cache
def layout() -> dict[str, int] | None:
    """Where an array object has its parts, found by looking: they differ between builds of Python."""
    x, y = np.zeros((3, 5, 7), np.float32), np.zeros((2, 11), np.float64)[:, ::2]
    y.flags.writeable = False
    found: dict[str, int] = {}

    def look(array: Any, at: int, c: Any = ctypes.c_size_t) -> int:
        return c.from_address(id(array) + at).value or 0

    def find(name: str, step: int, right: Callable[[Any, int], bool]) -> None:
        for at in range(0, np.ndarray.__basicsize__ - step, step):
            if name not in found and at not in found.values() and all([right(a, at) for a in (x, y)]):
                found[name] = at

    find("type", 8, lambda a, at: look(a, at) == id(np.ndarray))
    find("data", 8, lambda a, at: look(a, at) == a.ctypes.data)
    find("dtype", 8, lambda a, at: look(a, at) == id(a.dtype))
    find("axes", 4, lambda a, at: at > found.get("data", 0) and look(a, at, ctypes.c_int32) == a.ndim)
    find("flags", 4, lambda a, at: look(a, at, ctypes.c_int32) == a.flags.num)
    # the strides stand behind the shape, in one block
    find("shape", 8, lambda a, at: look(a, at + 8) == look(a, at) + 8 * a.ndim)
    if len(found) < 6:
        return None
    for a in (x, y):
        shape = (ctypes.c_ssize_t * a.ndim).from_address(look(a, found["shape"]))
        if tuple(shape) != a.shape:
            return None
    return found


TABLE = """
define i64 @wg_run(ptr %table) {
entry:
 br label %step
step:
 %at = phi ptr [%table, %entry], [%next, %done]
 %kind = load i64, ptr %at
 %fp = getelementptr i64, ptr %at, i64 1
 %f = load ptr, ptr %fp
 %ep = getelementptr i64, ptr %at, i64 2
 %end = load i64, ptr %ep
 %cp = getelementptr i64, ptr %at, i64 3
 %chunk = load i64, ptr %cp
 %np = getelementptr i64, ptr %at, i64 4
 %n = load i64, ptr %np
 %args = getelementptr i64, ptr %at, i64 5
 switch i64 %kind, label %out [ i64 1, label %once i64 2, label %chunks i64 3, label %threads i64 4, label %check
 i64 5, label %wake ]
once:
 call void %f(ptr %args, i64 0, i64 %end)
 br label %done
threads:
 %taken = call i64 @wg_threads(ptr %f, ptr %args, i64 %end, i64 %chunk)
 %alone = icmp eq i64 %taken, 0
 br i1 %alone, label %chunks, label %done
chunks:
 br label %loop
loop:
 %lo = phi i64 [0, %chunks], [%hi, %inside]
 %more = icmp slt i64 %lo, %end
 br i1 %more, label %inside, label %done
inside:
 %up = add i64 %lo, %chunk
 %below = icmp slt i64 %up, %end
 %hi = select i1 %below, i64 %up, i64 %end
 call void %f(ptr %args, i64 %lo, i64 %hi)
 br label %loop
check:
 %ap = load ptr, ptr %args
 %bpp = getelementptr ptr, ptr %args, i64 1
 %bp = load ptr, ptr %bpp
 %sp = getelementptr i64, ptr %args, i64 2
 %size = load i64, ptr %sp
 br label %byte
byte:
 %k = phi i64 [0, %check], [%k1, %same]
 %rest = icmp slt i64 %k, %size
 br i1 %rest, label %look, label %done
look:
 %a1 = getelementptr i8, ptr %ap, i64 %k
 %a = load i8, ptr %a1
 %b1 = getelementptr i8, ptr %bp, i64 %k
 %b = load i8, ptr %b1
 %k1 = add i64 %k, 1
 %eq = icmp eq i8 %a, %b
 br i1 %eq, label %same, label %void
same:
 br label %byte
void:
 ret i64 0
wake:
 call void @wg_wake()
 br label %done
done:
 %next = getelementptr i64, ptr %args, i64 %n
 br label %step
out:
 ret i64 1
}
define void @wg_copy(ptr %args, i64 %lo, i64 %hi) {
 %to = load ptr, ptr %args
 %fp = getelementptr ptr, ptr %args, i64 1
 %from = load ptr, ptr %fp
 %a = getelementptr i8, ptr %to, i64 %lo
 %b = getelementptr i8, ptr %from, i64 %lo
 %n = sub i64 %hi, %lo
 call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %b, i64 %n, i1 false)
 ret void
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

ENTRY = """
@wg_type = external global i8
@wg_true = external global i8
@wg_false = external global i8
@wg_none = external global i8
declare i64 @PyLong_AsSsize_t(ptr)
declare void @Py_IncRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
define internal i64 @released(ptr %table, i64 %release) {
 %r = icmp ne i64 %release, 0
 br i1 %r, label %without, label %within
without:
 %state = call ptr @PyEval_SaveThread()
 %x = call i64 @wg_run(ptr %table)
 call void @PyEval_RestoreThread(ptr %state)
 ret i64 %x
within:
 %y = call i64 @wg_run(ptr %table)
 ret i64 %y
}
define internal ptr @answer(i64 %x) {
 %c = icmp ne i64 %x, 0
 %r = select i1 %c, ptr @wg_true, ptr @wg_false
 call void @Py_IncRef(ptr %r)
 ret ptr %r
}
define ptr @wg_more(ptr %self, ptr %unused) {
 %a = call i64 @PyLong_AsSsize_t(ptr %self)
 %table = inttoptr i64 %a to ptr
 %x = call i64 @released(ptr %table, i64 0)
 %r = call ptr @answer(i64 %x)
 ret ptr %r
}
define ptr @wg_enter(ptr %self, ptr %given, i64 %many) {
entry:
 %sa = call i64 @PyLong_AsSsize_t(ptr %self)
 %spec = inttoptr i64 %sa to ptr
 %table = load ptr, ptr %spec
 %np = getelementptr i64, ptr %spec, i64 1
 %n = load i64, ptr %np
 %rp = getelementptr i64, ptr %spec, i64 2
 %release = load i64, ptr %rp
 %first = getelementptr i64, ptr %spec, i64 3
 %right = icmp eq i64 %many, %n
 br i1 %right, label %head, label %bad
head:
 %i = phi i64 [0, %entry], [%i1, %next]
 %s = phi ptr [%first, %entry], [%s1, %next]
 %go = icmp slt i64 %i, %n
 br i1 %go, label %array, label %run
array:
 %xp = getelementptr ptr, ptr %given, i64 %i
 %x = load ptr, ptr %xp
 %tp = getelementptr i8, ptr %x, i64 {type}
 %t = load ptr, ptr %tp
 %t1 = icmp eq ptr %t, @wg_type
 br i1 %t1, label %exact, label %bad
exact:
 %dp = getelementptr i8, ptr %x, i64 {dtype}
 %d = load i64, ptr %dp
 %wd = load i64, ptr %s
 %ok1 = icmp eq i64 %d, %wd
 %ap = getelementptr i8, ptr %x, i64 {axes}
 %a4 = load i32, ptr %ap
 %a = zext i32 %a4 to i64
 %wap = getelementptr i64, ptr %s, i64 1
 %wa = load i64, ptr %wap
 %ok2 = icmp eq i64 %a, %wa
 %fp = getelementptr i8, ptr %x, i64 {flags}
 %f4 = load i32, ptr %fp
 %f = zext i32 %f4 to i64
 %wfp = getelementptr i64, ptr %s, i64 3
 %wf = load i64, ptr %wfp
 %fm = and i64 %f, %wf
 %ok3 = icmp eq i64 %fm, %wf
 %ok4 = and i1 %ok1, %ok2
 %ok5 = and i1 %ok3, %ok4
 %shp = getelementptr i8, ptr %x, i64 {shape}
 %sh = load ptr, ptr %shp
 %wsp = getelementptr i64, ptr %s, i64 2
 %ws = load ptr, ptr %wsp
 br i1 %ok5, label %dims, label %bad
dims:
 %k = phi i64 [0, %exact], [%k1, %same]
 %more = icmp slt i64 %k, %wa
 br i1 %more, label %dim, label %fits
dim:
 %mp = getelementptr i64, ptr %sh, i64 %k
 %m = load i64, ptr %mp
 %wmp = getelementptr i64, ptr %ws, i64 %k
 %wm = load i64, ptr %wmp
 %k1 = add i64 %k, 1
 %eq = icmp eq i64 %m, %wm
 br i1 %eq, label %same, label %bad
same:
 br label %dims
fits:
 %pp = getelementptr i8, ptr %x, i64 {data}
 %p = load i64, ptr %pp
 %lp = getelementptr i64, ptr %s, i64 4
 %l = load i64, ptr %lp
 %cellsp = getelementptr i64, ptr %s, i64 5
 %cells = load ptr, ptr %cellsp
 %old = icmp eq i64 %p, %l
 br i1 %old, label %next, label %patch
patch:
 store i64 %p, ptr %lp
 br label %cell
cell:
 %c = phi ptr [%cells, %patch], [%c2, %write]
 %to = load i64, ptr %c
 %last = icmp eq i64 %to, 0
 br i1 %last, label %next, label %write
write:
 %op = getelementptr i64, ptr %c, i64 1
 %o = load i64, ptr %op
 %v = add i64 %p, %o
 %tocell = inttoptr i64 %to to ptr
 store i64 %v, ptr %tocell
 %c2 = getelementptr i64, ptr %c, i64 2
 br label %cell
next:
 %i1 = add i64 %i, 1
 %s1 = getelementptr i64, ptr %s, i64 6
 br label %head
run:
 %done = call i64 @released(ptr %table, i64 %release)
 %r = call ptr @answer(i64 %done)
 ret ptr %r
bad:
 call void @Py_IncRef(ptr @wg_none)
 ret ptr @wg_none
}
"""


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


FASTCALL, NOARGS = 0x80, 0x4


class Runtime:
    """The functions above, compiled for this machine."""

    def __init__(self) -> None:
        from . import machine, matmul, workers

        found = layout()
        if found is None:
            raise RuntimeError("array objects of this build of Python are not known")
        self._symbols()
        text = TABLE + workers.text() + matmul.WRAPPERS
        entry = ENTRY
        for name, value in found.items():
            entry = entry.replace("{" + name + "}", str(value))
        names = ["wg_enter", "wg_more", "wg_copy", *matmul.NAMES, *workers.NAMES]
        addresses = machine.link(text + entry, machine.host(), names)
        self.address = dict(zip(names, addresses, strict=True))
        self.workers = workers.Workers(self.address)
        self._enter = _Method(b"enter", self.address["wg_enter"], FASTCALL, None)
        self._more = _Method(b"more", self.address["wg_more"], NOARGS, None)
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
        self._new = new

    def _symbols(self) -> None:
        for name, thing in (("type", np.ndarray), ("true", True), ("false", False), ("none", None)):
            llvm.add_symbol(f"wg_{name}", id(thing))
        for name in ("PyLong_AsSsize_t", "Py_IncRef", "PyEval_SaveThread", "PyEval_RestoreThread"):
            function = getattr(ctypes.pythonapi, name)
            llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)

    def enter(self, specification: int) -> Any:
        """A function of arrays that checks them and runs a frame: None if they do not fit, False if a check failed."""
        return self._new(ctypes.addressof(self._enter), specification, None)

    def more(self, table: int) -> Any:
        """A function that runs a table."""
        return self._new(ctypes.addressof(self._more), table, None)


@cache
def runtime() -> Runtime:
    """The one of this process."""
    return Runtime()
