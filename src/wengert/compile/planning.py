"""From a list to steps with places: what is computed natively and where everything lies.

A word of a step is a number, or a `Word` that stands for a pointer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from . import matmul, neural
from .clusters import Clusters, Loop, Single, leaves
from .forms import simplified
from .lowering import Lowered, Spec, lowered
from .memory import Arena
from .neural import Part
from .products import Product
from .program import Node, Program, live, value_of
from .runtime import CHECK, CHUNKS, ONCE, THREADS, WAKE
from .steps import slots
from .views import views

PARALLEL = 30000  # the work from which on other threads are asked, in additions
WAKING = 20 * PARALLEL  # and that of a program which is worth waking them


class Place(NamedTuple):
    """A buffer: "input", "output" or "constant" and its number; "arena" and its offset; or an "object" of Python."""

    kind: str
    number: int = 0


class Word(NamedTuple):
    """A pointer: bytes from the beginning of a place."""

    place: Place
    offset: int = 0


class Task(NamedTuple):
    """A native step: its kind, its code (a specification, or the name of a function of the runtime), and its words."""

    kind: int
    code: Spec | Product | Part | str
    end: int
    chunk: int
    words: tuple[Any, ...]


class Plan:
    """All steps of a program: lists of tasks with nodes that Python evaluates between them."""

    def __init__(self, program: Program, threads: int, machine: Any) -> None:
        self.program = program = simplified(program)
        self.threads, self.machine = threads, machine
        self.constants: list[ndarray] = []
        self.arena = Arena()
        self.work = 0  # additions, about
        self._targets()
        roots = [*self.outputs, *[node for _, node in self.updates], *[c.node for c in program.checks]]
        nodes = live(roots)
        self.views = views(program, nodes)
        self.clusters = Clusters(nodes, self.views, {node.index for node in roots})
        self.segments: list[list[Task]] = [[]]
        self.between: list[Node] = []
        self._uses()
        self._places()
        self._steps()

    # ---- what has a buffer of its own ----

    def _targets(self) -> None:
        """Outputs and updates are computed where nothing else is: others are copied."""
        taken: set[int] = set()
        program = self.program

        def own(node: Node) -> Node:
            root = node
            while root.op == "reshape":
                root = root.inputs[0]
            if (
                root.op not in _VIEWS
                and root.index not in taken
                and node.dtype == root.dtype
                and root.size == node.size
            ):
                taken.add(root.index)
                return root
            copied = program.add("copy", (node,), len(taken), node.shape, node.dtype)
            taken.add(copied.index)
            return copied

        self.updates = [(u.input, own(u.node)) for u in program.updates]
        self.outputs = [own(node) for node in program.outputs]
        self.shapes = [(node.shape, node.dtype) for node in program.outputs]  # of the outputs, which may be other looks

    def _native(self, node: Node) -> bool:
        """Whether a step of its own is in native code: a product of matrices, or a call that there are kernels for."""
        clusters = self.clusters
        return any([node.index in found for found in (clusters.products, clusters.operands_of, clusters.kernels)])

    def _reads(self, w: int) -> list[Node]:
        """The roots that a step reads and does not compute."""
        step = self.clusters.steps[w]
        if isinstance(step, Single):
            return [self.views[x.index].root for x in self.clusters.inputs(step.node)]
        found = [root for node in step.nodes for root, _, _ in self.clusters.operands(node)]
        found += [root for node in step.nodes for root in leaves(self.clusters.pieces.get(node.index, ("constant",)))]
        return [root for root in found if self.clusters.where.get(root.index) != w]

    def _uses(self) -> None:
        """Which roots have to be kept, who reads them natively, and until which step."""
        steps, where = self.clusters.steps, self.clusters.where
        self.end = len(steps)
        self.last: dict[int, int] = {}
        self.native: set[int] = set()
        self.stored: set[int] = set()
        self.readers: dict[int, list[int]] = {}
        self.several = {s.node.inputs[0].index for s in steps if isinstance(s, Single) and s.node.op == "item"}
        for w, step in enumerate(steps):
            for root in self._reads(w):
                self.last[root.index] = w
                self.stored.add(root.index)
                self.readers.setdefault(root.index, []).append(w)
                if isinstance(step, Loop) or self._native(step.node):
                    self.native.add(root.index)
        kept = [node for _, node in self.updates] + [self.views[c.node.index].root for c in self.program.checks]
        for root in [*kept, *self.outputs]:
            self.last[root.index] = self.end
            self.stored.add(root.index)
            self.native.add(root.index)
        checked = [where.get(self.views[c.node.index].root.index, -1) for c in self.program.checks]
        self.checked = max(checked, default=-1)
        self.pythons = [w for w, s in enumerate(steps) if isinstance(s, Single) and not self._native(s.node)]
        self.lowered: dict[int, Lowered] = {
            w: lowered(step, self.clusters, self.stored) for w, step in enumerate(steps) if isinstance(step, Loop)
        }

    def _in_place(self, given: Node, root: Node) -> bool:
        """Whether an update can be written where its input is, while that is read for the last time."""
        w = self.clusters.where.get(root.index)
        if w is None or w not in self.lowered or w <= self.checked or any([p > w for p in self.pythons]):
            return False
        readers = self.readers.get(given.index, [])
        if any([r > w for r in readers]):
            return False
        if w not in readers:
            return True
        found, step = self.lowered[w], self.clusters.steps[w]
        assert isinstance(step, Loop)
        if found.spec.split is not None or any([given in leaves(e) for e in self._pieces(step)]):
            return False
        if root.op == "reduce":
            return False
        own = [strides for _, p, strides in found.spec.stores if found.parameters[p] == (root, None)]
        mine = [p for p, (r, offset) in enumerate(found.parameters) if r is given and offset is not None]
        if any([found.parameters[p][1] for p in mine]):
            return False
        return all([a[2] in own for v in found.spec.values for a in v[4] if a[0] == "read" and a[1] in mine])

    def _pieces(self, step: Loop) -> list[Any]:
        return [self.clusters.pieces[n.index] for n in step.nodes if n.index in self.clusters.pieces]

    # ---- places ----

    def _places(self) -> None:
        self.place: dict[int, Place] = {}
        for node in self.program.inputs:
            self.place[node.index] = Place("input", node.attributes)
        for j, node in enumerate(self.outputs):
            self.place[node.index] = Place("output", j)
        self.copied: list[tuple[Node, Node]] = []
        self.written: set[int] = set()
        for given, node in self.updates:
            self.written.add(given.attributes)
            if self._in_place(given, node):
                self.place[node.index] = Place("input", given.attributes)
            else:
                self.copied.append((given, node))

    def of(self, root: Node) -> Place:
        """The place of a root."""
        place = self.place.get(root.index)
        if place is None:
            assert root.op == "constant"
            place = self.place[root.index] = Place("constant", len(self.constants))
            self.constants.append(np.array(value_of(root)))
        return place

    def _take(self, root: Node, w: int) -> None:
        """A place for what the step w computes."""
        if root.index not in self.place:
            size = root.size * root.dtype.itemsize
            self.place[root.index] = Place("arena", self.arena.take(size, w, self.last.get(root.index, w)))

    # ---- steps ----

    def _steps(self) -> None:
        for w, step in enumerate(self.clusters.steps):
            if isinstance(step, Loop):
                self._loop(w, self.lowered[w])
            elif step.node.index in self.clusters.kernels:
                self._kernels(w, step.node)
            elif self._native(step.node):
                self._product(w, step.node)
            else:
                root = step.node
                if root.index not in self.place:
                    if root.index in self.native and root.index not in self.several:
                        self._take(root, w)
                    else:
                        self.place[root.index] = Place("object")
                self.between.append(root)
                self.segments.append([])
            if w == self.checked:
                self._checks()
        if self.checked < 0:
            self._checks()
        for given, node in self.copied:
            size = node.size * node.dtype.itemsize
            words = (Word(self.of(given)), Word(self.of(node)))
            if size:
                self.segments[-1].append(Task(ONCE, "wg_copy", size, size, words))

        if self.threads > 1 and self.work >= WAKING:
            self.segments[0].insert(0, Task(WAKE, "", 0, 1, ()))

    def _loop(self, w: int, found: Lowered) -> None:
        spec = found.spec
        if not spec.stores:
            return
        for root, offset in found.parameters:
            if offset is None:
                self._take(root, w)
        words: list[Word] = []
        after: list[Task] = []
        for p, (root, offset) in enumerate(found.parameters):
            word = Word(self.of(root), (offset or 0) * root.dtype.itemsize)
            if p in found.partial:
                size = root.size * root.dtype.itemsize * found.chunks
                partial = Word(Place("arena", self.arena.take(size, w, w)))
                k = next(k for k, q, _ in spec.stores if q == p)
                after.append(self._combined(spec.values[k], root, found.chunks, (partial, word)))
                word = partial
            words.append(word)
        n = spec.space[0] if spec.space else 1
        work = math.prod(spec.space) * spec.cost
        self.work += work
        how = CHUNKS if found.partial else ONCE
        if self.threads > 1 and found.chunks > 1 and work >= PARALLEL:
            how = THREADS
        self.segments[-1].append(Task(how, spec, n, spec.chunk, tuple(words)))
        self.segments[-1].extend(after)

    def _combined(self, value: Any, root: Node, chunks: int, words: tuple[Any, ...]) -> Task:
        """The step that adds up what the chunks have left."""
        t, size = value[3], root.size
        space = (chunks, size) if size > 1 else (chunks,)
        level = (False, True)[: len(space)]
        read = ("read", 0, (size, 1)[: len(space)] if size > 1 else (1,))
        store = (0, 1, (0, 1)[: len(space)])
        values = (("reduce", value[1], t, t, (read,), (True,) * len(space), level, ()),)
        spec = Spec(space, None, values, (store,), (t, t), chunks, 1)
        return Task(ONCE, spec, chunks, chunks, words)

    def _product(self, w: int, node: Node) -> None:
        self._take(node, w)
        inputs = self.clusters.inputs(node)
        pointers = []
        for x in inputs:
            root, offset, _ = self.views[x.index]
            pointers.append(Word(self.of(root), offset * root.dtype.itemsize))
        pointers.append(Word(self.of(node)))
        batches = math.prod(node.shape[:-2])
        work = node.size * inputs[0].shape[-1] // 4
        self.work += work
        product = self.clusters.products.get(node.index)
        if product is not None:
            how = THREADS if self.threads > 1 and batches > 1 and work >= PARALLEL else ONCE
            self.segments[-1].append(Task(how, product, batches, 1, (*pointers, *product.words())))
            return
        code = "wg_gemm_float" if node.dtype.itemsize == 4 else "wg_gemm_double"
        words = matmul.arguments(node, *self.clusters.operands_of[node.index], *pointers)
        self.segments[-1].append(Task(ONCE, code, batches, batches, words))

    def _kernels(self, w: int, node: Node) -> None:
        """The steps of a call, with buffers that are theirs until the last has ended."""
        self._take(node, w)
        kernels, arrays = self.clusters.kernels[node.index]
        emitted = neural.emitted(kernels, self.machine)
        words: dict[str, Any] = {"result": Word(self.of(node)), "free": slots(self.threads)}
        for name, x in arrays.items():
            root, offset, _ = self.views[x.index]
            words[name] = Word(self.of(root), offset * root.dtype.itemsize)
        for name, size in emitted.buffers.items():
            each = min(self.threads, 64) if name == "scratch" else 1
            words[name] = Word(Place("arena", self.arena.take(size * each, w, w)))
        work = kernels.work // 4
        self.work += work
        for k, step in enumerate(emitted.steps):
            how = THREADS if self.threads > 1 and step.end > 1 and work >= PARALLEL else ONCE
            given = tuple([words[name] for name in step.arguments])
            self.segments[-1].append(Task(how, Part(kernels, k), step.end, step.chunk, given))

    def _checks(self) -> None:
        for check in self.program.checks:
            root, offset, _ = self.views[check.node.index]
            expected = np.array(check.value, dtype=check.node.dtype)
            place = Place("constant", len(self.constants))
            self.constants.append(expected)
            words = (Word(self.of(root), offset * root.dtype.itemsize), Word(place), expected.nbytes)
            self.segments[-1].append(Task(CHECK, "", expected.nbytes, 1, words))


_VIEWS = ("input", "constant", "broadcast", "reshape", "transpose", "slice")
