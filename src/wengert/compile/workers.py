"""Threads that help with a step: they spin for a moment after one, then sleep.

A job, in memory of its own, is:

    0    whether it is open          128  function, arguments, end, chunk      256  how many workers sleep
    64   the next chunk to be taken  192  how many workers are inside          320  whether somebody has it
    384  what sleepers wait for (a semaphore)

A worker that finds a job open enters, looks again, and takes chunks until there are none. Whoever gave the job takes
chunks as well, closes it, and waits until nobody is inside. Chunks are taken one by one, so a processor that is busy
elsewhere costs little; what they compute does not depend on who takes them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from typing import Any

import numpy as np

SPIN = 4000  # pauses before a worker sleeps: some hundred microseconds
_PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "AMD64": "call void @llvm.x86.sse2.pause()"}
_PAUSE |= dict.fromkeys(("aarch64", "arm64"), "call void @llvm.aarch64.hint(i32 1)")
_DECLARED = {"x86_64": "declare void @llvm.x86.sse2.pause()", "aarch64": "declare void @llvm.aarch64.hint(i32)"}
SUPPORTED = sys.platform == "linux" and platform.machine() in _DECLARED

ALONE = """
define internal i64 @wg_threads(ptr %f, ptr %args, i64 %end, i64 %chunk) {
 ret i64 0
}
define internal void @wg_wake() {
 ret void
}
define ptr @wg_job_place() {
 ret ptr null
}
define void @wg_worker(ptr %job, i64 %spin) {
 ret void
}
"""

TOGETHER = """
@wg_job = internal global ptr null
DECLARED
declare i32 @sem_wait(ptr)
declare i32 @sem_post(ptr)
declare i32 @sem_init(ptr, i32, i32)
declare i32 @sched_yield()
define ptr @wg_job_place() {
 ret ptr @wg_job
}
define internal void @take(ptr %job, ptr %f, ptr %args, i64 %end, i64 %chunk) {
entry:
 %np = getelementptr i8, ptr %job, i64 64
 br label %more
more:
 %lo = atomicrmw add ptr %np, i64 %chunk seq_cst
 %go = icmp slt i64 %lo, %end
 br i1 %go, label %work, label %out
work:
 %up = add i64 %lo, %chunk
 %below = icmp slt i64 %up, %end
 %hi = select i1 %below, i64 %up, i64 %end
 call void %f(ptr %args, i64 %lo, i64 %hi)
 br label %more
out:
 ret void
}
define internal void @wg_wake() {
entry:
 %job = load ptr, ptr @wg_job
 %none = icmp eq ptr %job, null
 br i1 %none, label %out, label %look
look:
 %sp = getelementptr i8, ptr %job, i64 256
 %n = load atomic i64, ptr %sp seq_cst, align 8
 %s = getelementptr i8, ptr %job, i64 384
 br label %each
each:
 %k = phi i64 [0, %look], [%k1, %post]
 %go = icmp slt i64 %k, %n
 br i1 %go, label %post, label %out
post:
 %r = call i32 @sem_post(ptr %s)
 %k1 = add i64 %k, 1
 br label %each
out:
 ret void
}
define internal i64 @wg_threads(ptr %f, ptr %args, i64 %end, i64 %chunk) {
entry:
 %job = load ptr, ptr @wg_job
 %none = icmp eq ptr %job, null
 br i1 %none, label %alone, label %lock
lock:
 %op = getelementptr i8, ptr %job, i64 320
 %got = cmpxchg ptr %op, i64 0, i64 1 seq_cst seq_cst
 %ours = extractvalue { i64, i1 } %got, 1
 br i1 %ours, label %publish, label %alone
publish:
 %np = getelementptr i8, ptr %job, i64 64
 %fp = getelementptr i8, ptr %job, i64 128
 %ap = getelementptr i8, ptr %job, i64 136
 %ep = getelementptr i8, ptr %job, i64 144
 %cp = getelementptr i8, ptr %job, i64 152
 store ptr %f, ptr %fp
 store ptr %args, ptr %ap
 store i64 %end, ptr %ep
 store i64 %chunk, ptr %cp
 store atomic i64 0, ptr %np seq_cst, align 8
 store atomic i64 1, ptr %job seq_cst, align 8
 call void @take(ptr %job, ptr %f, ptr %args, i64 %end, i64 %chunk)
 store atomic i64 0, ptr %job seq_cst, align 8
 %ip = getelementptr i8, ptr %job, i64 192
 br label %wait
wait:
 %k = phi i64 [0, %publish], [%k1, %again]
 %inside = load atomic i64, ptr %ip seq_cst, align 8
 %over = icmp eq i64 %inside, 0
 br i1 %over, label %done, label %pause
pause:
 PAUSE
 %k1 = add i64 %k, 1
 %long = icmp sgt i64 %k, 2000
 br i1 %long, label %yield, label %again
yield:
 %y = call i32 @sched_yield()
 br label %again
again:
 br label %wait
done:
 store atomic i64 0, ptr %op seq_cst, align 8
 ret i64 1
alone:
 ret i64 0
}
define void @wg_worker(ptr %job, i64 %spin) {
entry:
 %ip = getelementptr i8, ptr %job, i64 192
 %sp = getelementptr i8, ptr %job, i64 256
 %s = getelementptr i8, ptr %job, i64 384
 %fp = getelementptr i8, ptr %job, i64 128
 %ap = getelementptr i8, ptr %job, i64 136
 %ep = getelementptr i8, ptr %job, i64 144
 %cp = getelementptr i8, ptr %job, i64 152
 %np = getelementptr i8, ptr %job, i64 64
 br label %idle
idle:
 %k = phi i64 [0, %entry], [0, %leave], [%k1, %pause], [0, %woken]
 %open = load atomic i64, ptr %job seq_cst, align 8
 %go = icmp ne i64 %open, 0
 br i1 %go, label %chance, label %pause
chance:
 %next = load atomic i64, ptr %np seq_cst, align 8
 %end0 = load i64, ptr %ep
 %left = icmp slt i64 %next, %end0
 br i1 %left, label %come, label %pause
come:
 %o = atomicrmw add ptr %ip, i64 1 seq_cst
 %still = load atomic i64, ptr %job seq_cst, align 8
 %yes = icmp ne i64 %still, 0
 br i1 %yes, label %work, label %leave
work:
 %f = load ptr, ptr %fp
 %args = load ptr, ptr %ap
 %end = load i64, ptr %ep
 %chunk = load i64, ptr %cp
 call void @take(ptr %job, ptr %f, ptr %args, i64 %end, i64 %chunk)
 br label %leave
leave:
 %o2 = atomicrmw sub ptr %ip, i64 1 seq_cst
 br label %idle
pause:
 PAUSE
 %k1 = add i64 %k, 1
 %long = icmp sgt i64 %k1, %spin
 br i1 %long, label %sleep, label %idle
sleep:
 %o3 = atomicrmw add ptr %sp, i64 1 seq_cst
 %r = call i32 @sem_wait(ptr %s)
 %o4 = atomicrmw sub ptr %sp, i64 1 seq_cst
 br label %woken
woken:
 br label %idle
}
define void @wg_job_init(ptr %job) {
 %s = getelementptr i8, ptr %job, i64 384
 %r = call i32 @sem_init(ptr %s, i32 0, i32 0)
 ret void
}
"""


def text() -> str:
    """The code of this machine."""
    if not SUPPORTED:
        return ALONE + "define void @wg_job_init(ptr %job) {\n ret void\n}\n"
    machine = platform.machine()
    return TOGETHER.replace("PAUSE", _PAUSE[machine]).replace("DECLARED", _DECLARED[machine])


NAMES = ("wg_job_place", "wg_worker", "wg_job_init")


class Workers:
    """The threads of this process."""

    def __init__(self, address: dict[str, int]) -> None:
        self.address = address
        self.count = 0
        self._lock = threading.Lock()
        self._memory: list[Any] = []  # of all jobs that there were: a thread may look at one at any time
        place = ctypes.CFUNCTYPE(ctypes.c_void_p)(address["wg_job_place"])()
        self._job = ctypes.c_void_p.from_address(place) if place else None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def at_least(self, count: int) -> None:
        """See that so many threads help, if this machine can do that."""
        if self._job is None:
            return
        with self._lock:
            if count <= self.count:
                return
            if self._job.value is None:
                memory = np.zeros(1024, np.uint8)
                self._memory.append(memory)
                job = memory.ctypes.data + -memory.ctypes.data % 64
                ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.address["wg_job_init"])(job)
            else:
                job = self._job.value
            run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.address["wg_worker"])
            for _ in range(count - self.count):
                threading.Thread(target=run, args=(job, SPIN), name="wengert", daemon=True).start()
            self.count = count
            self._job.value = job

    def _forked(self) -> None:
        """The child has no workers: it works alone until it asks for some."""
        self.count = 0
        self._lock = threading.Lock()
        if self._job is not None:
            self._job.value = None
