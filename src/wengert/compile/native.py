"""A program as native code: what `build` makes of it, and how it is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from . import machine, runtime
from .picks import inner
from .planning import Place, Plan, Word
from .program import Call, Node, Program, evaluate
from .replay import quiet
from .views import View, contiguous, dense

RELEASED = 100_000  # the work from which on other threads of Python may run meanwhile
_counted = sys.getrefcount if getattr(sys, "_is_gil_enabled", lambda: True)() else lambda x: 1 << 30


class Void(Exception):
    """A value is not what the recording had."""


def build(program: Program, threads: int = 1, target: Any = None) -> Native | None:
    """Native code for a program; None where there is none for this machine, or for values like these.

    `target` is a `machine.Machine` that this one can stand for: code for narrower vectors, in tests.
    """
    if runtime.layout() is None or sys.byteorder != "little":
        return None
    if any([node.dtype.hasobject or not node.dtype.isnative for node in program.nodes]) or sys.maxsize < 1 << 32:
        return None
    return Native(program, threads, target or machine.host())


def usual_threads() -> int:
    """As many as there are processors for this process; fewer, where OMP_NUM_THREADS says so."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(count, int(limit)) if limit.isdecimal() and int(limit) else count


class Native:
    """A program that can be run, by several threads at once."""

    def __init__(self, program: Program, threads: int, target: Any) -> None:
        self.plan = plan = Plan(program, threads, target)
        self.runtime = runtime.runtime()
        if threads > 1:
            self.runtime.workers.at_least(threads - 1)
        tasks = [task for segment in plan.segments for task in segment]
        specs = [task.code for task in tasks if not isinstance(task.code, str)]
        addresses = iter(machine.compiled(specs, target))
        self.words: list[Any] = []  # of all tables
        self.tables: list[int] = []  # where each begins
        for segment in plan.segments:
            self.tables.append(len(self.words))
            for task in segment:
                code = self.runtime.address.get(task.code, 0) if isinstance(task.code, str) else next(addresses)
                self.words += [task.kind, code, task.end, task.chunk, len(task.words), *task.words]
            self.words += [0] * runtime.STEP
        self._free: list[Frame] = []
        Frame(self).leave()

    def run(self, arrays: Sequence[ndarray]) -> list[ndarray] | None:
        """The outputs, after which the updates are made; None, with nothing changed, if these arrays or a value on the
        way are not what the program was made for. The outputs are nobody else's."""
        frame = self._free.pop() if self._free else Frame(self)
        try:
            outputs = frame.fresh()
            done = frame.enter(*arrays, *outputs)
            if done is None:
                return self._run_copies(frame, arrays, outputs)
            if done and frame.more:
                done = frame.finish(arrays, outputs)
            return outputs if done else None
        except Void:
            return None
        finally:
            self._free.append(frame)

    def _run_copies(self, frame: Frame, arrays: Sequence[ndarray], outputs: list[ndarray]) -> list[ndarray] | None:
        """Run on arrays that lie otherwise than in C order."""
        given = []
        for x, node in zip(arrays, self.plan.program.inputs, strict=True):
            if not isinstance(x, ndarray) or x.dtype != node.dtype or x.shape != node.shape:
                return None
            copied = np.empty(node.shape, node.dtype)
            copied[...] = x
            given.append(copied)
        if any([not arrays[i].flags.writeable for i in self.plan.written]):
            return None
        done = frame.enter(*given, *outputs)
        if not done or (frame.more and not frame.finish(given, outputs)):
            return None
        for i in self.plan.written:
            arrays[i][...] = given[i]
        return outputs


class Frame:
    """What one run needs for itself."""

    def __init__(self, native: Native) -> None:
        plan, words = native.plan, native.words
        self.native = native
        memory = np.empty(plan.arena.size + 64, np.uint8)
        start = -memory.ctypes.data % 64
        self.memory = memory[start : start + plan.arena.size]
        base = self.memory.ctypes.data
        self.words = np.zeros(len(words), np.int64)
        origin = self.words.ctypes.data
        cells: dict[tuple[str, int], list[int]] = {}
        for at, word in enumerate(words):
            if not isinstance(word, Word):
                self.words[at] = word
            elif word.place.kind == "arena":
                self.words[at] = base + word.place.number + word.offset
            elif word.place.kind == "constant":
                self.words[at] = plan.constants[word.place.number].ctypes.data + word.offset
            else:
                cells.setdefault(word.place, []).extend([origin + 8 * at, word.offset])
        release = int(plan.work >= RELEASED)
        inputs = [(x.shape, x.dtype) for x in plan.program.inputs]
        everything = inputs + plan.shapes
        self.specification = np.zeros(3 + runtime.ARRAY * len(everything), np.int64)
        self.specification[:3] = origin + 8 * native.tables[0], len(everything), release
        self.kept: list[Any] = []
        for i, (shape, dtype) in enumerate(everything):
            number = ("input", i) if i < len(inputs) else ("output", i - len(inputs))
            sizes = np.array([*shape, 0], np.int64)
            patches = np.array([*cells.get(Place(*number), []), 0], np.int64)
            flags = runtime.CONTIGUOUS | runtime.ALIGNED
            if i >= len(inputs) or i in plan.written:
                flags |= runtime.WRITEABLE
            at = 3 + runtime.ARRAY * i
            row = [id(np.dtype(dtype)), len(shape), sizes.ctypes.data, flags, 0, patches.ctypes.data]
            self.specification[at : at + runtime.ARRAY] = row
            self.kept += [np.dtype(dtype), sizes, patches]
        self.enter = native.runtime.enter(self.specification.ctypes.data)
        self.more = [native.runtime.more(origin + 8 * table) for table in native.tables[1:]]
        self.between = [self._evaluated(node) for node in plan.between]
        self.forms = plan.shapes
        self.outputs: list[ndarray] = [np.empty(*form) for form in self.forms]

    def leave(self) -> None:
        self.native._free.append(self)

    def fresh(self) -> list[ndarray]:
        """Arrays for the outputs: those of the last run that nobody has any more, or new ones."""
        outputs = self.outputs
        for j in range(len(outputs)):
            if _counted(outputs[j]) > 2:
                outputs[j] = np.empty(*self.forms[j])
        return outputs.copy()

    def finish(self, arrays: Sequence[ndarray], outputs: list[ndarray]) -> bool:
        """What comes after the first table: nodes that NumPy evaluates, and the tables after them."""
        values: dict[int, Any] = {}
        places = {"input": arrays, "output": outputs, "object": values}
        with quiet():  # what is invalid was said when it was recorded
            for evaluated, more in zip(self.between, self.more, strict=True):
                evaluated(places)
                if not more():
                    return False
        return True

    def _evaluated(self, node: Node) -> Callable[[dict[str, Any]], None]:
        """What computes a node of Python's from what lies in its places, and puts it into its own."""
        plan = self.native.plan
        if node.op == "item":
            of, k = node.inputs[0].index, node.attributes

            def value(places: dict[str, Any]) -> Any:
                return places["object"][of][k]

        else:
            sources = [self._source(x, plan.views[x.index]) for x in plan.clusters.inputs(node)]
            # what is not NumPy's may keep what it gets, or change it
            foreign = isinstance(node.attributes, Call) and not _of_numpy(inner(node.attributes.function))

            def value(places: dict[str, Any]) -> Any:
                xs = [source(places) for source in sources]
                if foreign:
                    xs = [x.copy() for x in xs]
                return evaluate(node, xs) if node.op != "copy" else xs[0]

        index, shape, dtype = node.index, node.shape, node.dtype
        if index in plan.several:

            def several(places: dict[str, Any]) -> None:
                places["object"][index] = value(places)

            return several
        inside = plan.place[index].kind == "object"
        own = self._source(node, View(node, 0, contiguous(shape))) if not inside else None

        def one(places: dict[str, Any]) -> None:
            z = np.asarray(value(places))
            if z.shape != shape or z.dtype != dtype:
                raise Void
            if own is not None:
                own(places)[...] = z
            else:
                alone = z.flags.c_contiguous and z.flags.owndata
                places["object"][index] = z if alone else z.copy("C")

        return one

    def _source(self, node: Node, view: View) -> Callable[[dict[str, Any]], ndarray]:
        """What finds a node's array, over whatever buffer it lies in."""
        plan, (root, offset, strides) = self.native.plan, view
        place, size = plan.of(root), node.dtype.itemsize
        shape, dtype, start = node.shape, node.dtype, offset * size
        steps = tuple([s * size for s in strides])
        fixed: ndarray | None = None
        if node.size == 0:
            fixed = np.empty(shape, dtype)
        elif place.kind == "arena":
            fixed = ndarray(shape, dtype, self.memory, place.number + start, steps)
        elif place.kind == "constant":
            fixed = ndarray(shape, dtype, plan.constants[place.number], start, steps)
        if fixed is not None:
            found = fixed
            return lambda places: found
        kind, number = place if place.kind != "object" else ("object", root.index)
        real = plan.shapes[number][0] if kind == "output" else root.shape  # an output may be another look at its root
        if shape == real and dense(view, shape):
            return lambda places: places[kind][number]
        return lambda places: ndarray(shape, dtype, places[kind][number], start, steps)


def _of_numpy(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] in ("numpy", "_operator")
