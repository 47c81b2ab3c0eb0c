"""Values in vectors: where they are loaded, computed and stored.

What depends on the outer axes alone is computed once a row, in every lane, and what depends on nothing, once. Text goes
to where that is: at the beginning of the function, of the row, of the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import elementwise
from .code import LETTER, Code, Lines, memory
from .lowering import Spec

Pairs = list[tuple[str, str]]  # of types and values


class Context:
    """Where values are computed: an index of the last axis, the lanes that count (None: all), and what is known."""

    def __init__(self, j: str, mask: str | None) -> None:
        self.j, self.mask = j, mask
        self.known: dict[Any, str] = {}
        self.choice = False  # whether the lanes are those of a choice by index
        self.inside: dict[Any, Context] = {}  # of each region, where its lanes are computed


class Values:
    """The values of a specification, for vectors of so many bytes."""

    entry: Lines  # places in the text: the beginnings of the function, of a row or a pass, and of the last axis
    header: Lines
    here: Lines

    def __init__(self, spec: Spec, vector: int) -> None:
        self.spec, self.space, self.values = spec, spec.space, spec.values
        self.outer = spec.split if spec.split is not None else max(len(self.space) - 1, 0)
        self.last = self.space[-1] if self.space else 1
        self.code = Code(self._width(vector))
        self.index: list[str] = []  # of each axis but the last
        self.whole: dict[Any, str] = {}  # what is known everywhere, in the row, and where only the last axis runs
        self.rows: dict[Any, str] = {}
        self.nest: dict[Any, str] = {}
        self.stored = {k: (p, s) for k, p, s in spec.stores}
        self.kept: set[int] = set()  # costly values that a later pass reads from a buffer on the stack
        self.pass_of: list[int] = []
        self.now = 0  # the pass

    def _width(self, vector: int) -> int:
        wide = sum([1 if "8" in v[3] else -1 for v in self.values if v[3][0] in "fi"])
        width = vector // (8 if wide > 0 else 4)
        while width > 1 and width >= 2 * self.last:
            width //= 2
        return width

    def _of_row(self, k: int) -> bool:
        """Whether a value is computed once a row."""
        return self.spec.split is not None and not any(self.values[k][5][self.outer :])

    # ---- values ----

    def _value(self, k: int, context: Context) -> str:
        """A value of the loop, in every lane."""
        if self._of_row(k) or k in self.rows:
            if k not in self.rows:
                with self.code.at(self.header):
                    x = self._compute(k, Context("0", None))
                self.rows[k] = x
            return self.rows[k]
        if k not in context.known:
            context.known[k] = self._again(k, context) if self.pass_of[k] < self.now else self._compute(k, context)
        return context.known[k]

    def _again(self, k: int, context: Context) -> str:
        """A value of an earlier pass: from where it was kept, or computed once more."""
        t = self.values[k][3]
        if k in self.stored:
            p, strides = self.stored[k]
            return self._load(p, t, strides, context)
        if k in self.kept:
            v = self.code.vector("u1" if t == "b1" else t)
            return self._from_memory(self.code.e(f"load {v}, ptr {self._buffer(k, context.j)}, align 1"), t)
        return self._compute(k, context)

    def _compute(self, k: int, context: Context) -> str:
        op, name, works, t, arguments, _, _, region = self.values[k]
        if op == "assign":
            return self._chosen(arguments, t, region, context)
        return self._operation((op, name, works, t), [self._read(a, context) for a in arguments])

    def _operation(self, operation: tuple[str, str, str, str], xs: list[str]) -> str:
        op, name, works, t = operation
        if op == "ufunc":
            return elementwise.emit(self.code, name, works, xs)
        if op == "where":
            return self.code.select(xs[0], xs[1], xs[2], t)
        return elementwise.cast(self.code, xs[0], works, t) if op == "cast" else xs[0]

    def _argument(self, k: int, n: int, context: Context) -> str:
        return self._read(self.values[k][4][n], context)

    def _read(self, a: Any, context: Context) -> str:
        """An argument or an expression."""
        if a[0] == "constant":
            return self.code.lanes([a[1]] * self.code.width, a[2])
        if a[0] == "read":
            key = a
            if key not in context.known:
                x = self._load(a[1], self.spec.parameters[a[1]], a[2], context)
                context.known[key] = x
            return context.known[key]
        if len(a) == 2:
            return self._value(a[1], context)
        if a not in context.known:
            context.known[a] = self._operation(a[1], [self._read(part, context) for part in a[2]])
        return context.known[a]

    def _chosen(self, arguments: Any, t: str, region: Any, context: Context) -> str:
        """The second of two where the index is in the region, else the first."""
        key = "region", region
        if not region:
            return self._read(arguments[1], context)
        if key not in context.known:
            mask = self._within(region, context)
            both = mask if context.mask is None else self.code.e(f"and {self.code.vector('b1')} {mask}, {context.mask}")
            inside = Context(context.j, both)
            inside.choice = True
            context.known[key], context.inside[key] = mask, inside
        x = self._read(arguments[0], context)
        y = self._read(arguments[1], context.inside[key])
        return self.code.select(context.known[key], y, x, t)

    def _within(self, region: Any, context: Context) -> str:
        """The lanes whose index is in the region."""
        code, mask = self.code, ""
        for axis, start, stop in region:
            if axis == len(self.space) - 1:
                at = code.splat(code.e(f"add i64 {context.j}, {-start}"), "i8")
                at = code.e(f"add {code.vector('i8')} {at}, {code.lanes(range(code.width), 'i8')}")
                mask = code.compare("ult", at, code.constant(stop - start, "i8"), "i8")
        for axis, start, stop in region:
            if axis < len(self.space) - 1:
                at = code.e(f"add i64 {self.index[axis]}, {-start}")
                here = code.e(f"icmp ult i64 {at}, {stop - start}")
                if mask:
                    v = code.vector("b1")
                    mask = code.e(f"select i1 {here}, {v} {mask}, {v} zeroinitializer")
                else:
                    mask = code.splat(here, "b1")
        return mask

    # ---- memory ----

    def _base(self, p: int, strides: tuple[int, ...]) -> str:
        """The pointer to where a row of a parameter begins."""
        key = "base", p, strides[: self.outer]
        if key not in self.rows:
            with self.code.at(self.header):
                self.rows[key] = self._moved(self.whole.get(("partial", p), f"%p{p}"), p, strides, range(self.outer))
        return self.rows[key]

    def _moved(self, pointer: str, p: int, strides: tuple[int, ...], axes: Sequence[int]) -> str:
        at = ""
        for a in axes:
            if strides[a]:
                step = self.index[a] if strides[a] == 1 else self.code.e(f"mul i64 {self.index[a]}, {strides[a]}")
                at = self.code.e(f"add i64 {at}, {step}") if at else step
        t = memory(self.spec.parameters[p])
        return self.code.e(f"getelementptr {t}, ptr {pointer}, i64 {at}") if at else pointer

    def _pointer(self, p: int, strides: tuple[int, ...]) -> str:
        """The pointer to where the last axis begins."""
        base = self._base(p, strides)
        middle = range(self.outer, len(self.space) - 1)
        if not any([strides[a] for a in middle]):
            return base
        key = "pointer", p, strides[:-1]
        if key not in self.nest:
            with self.code.at(self.here):
                self.nest[key] = self._moved(base, p, strides, middle)
        return self.nest[key]

    def _load(self, p: int, t: str, strides: tuple[int, ...], context: Context) -> str:
        """What a parameter has at the context's lanes."""
        code = self.code
        if not any(strides):
            return self._once(self.whole, self.entry, ("load", p), lambda: f"%p{p}", t)
        if not context.choice:  # under a choice, a row may be one that is not there
            if not any(strides[self.outer :]):
                key = "load", p, strides
                return self._once(self.rows, self.header, key, lambda: self._base(p, strides), t)
            if not strides[-1]:
                key = "load", p, strides
                return self._once(self.nest, self.here, key, lambda: self._pointer(p, strides), t)
        pointer = self._pointer(p, strides)
        stored = "u1" if t == "b1" else t
        v, m, size = code.vector(stored), memory(t), max(int(t[1]), 1)
        if strides[-1] == 1:
            pointer = code.e(f"getelementptr {m}, ptr {pointer}, i64 {context.j}")
            if context.mask is None:
                return self._from_memory(code.e(f"load {v}, ptr {pointer}, align {size}"), t)
            name = f"llvm.masked.load.v{code.width}{LETTER[stored]}.p0"
            parts = [("ptr", pointer), ("i32", str(size)), (code.vector("b1"), context.mask), (v, "zeroinitializer")]
        else:
            name = f"llvm.masked.gather.v{code.width}{LETTER[stored]}.v{code.width}p0"
            pointers = self._pointers(pointer, m, strides[-1], context.j)
            mask = context.mask or code.constant(1, "b1")
            parts = [pointers, ("i32", str(size)), (code.vector("b1"), mask), (v, "zeroinitializer")]
        return self._from_memory(self._masked(v, name, parts), t)

    def _masked(self, result: str, name: str, parts: Pairs) -> str:
        """A call of a masked access, whose alignment is an immediate."""
        return self.code.call(result, name, *parts)

    def _pointers(self, pointer: str, m: str, stride: int, j: str) -> tuple[str, str]:
        """Pointers to each lane."""
        code = self.code
        at = code.e(f"mul i64 {j}, {stride}")
        start = code.e(f"getelementptr {m}, ptr {pointer}, i64 {at}")
        lanes = code.lanes([q * stride for q in range(code.width)], "i8")
        v = f"<{code.width} x ptr>"
        return v, code.e(f"getelementptr {m}, ptr {start}, {code.vector('i8')} {lanes}")

    def _from_memory(self, x: str, t: str) -> str:
        return self.code.compare("ne", x, "zeroinitializer", "u1") if t == "b1" else x

    def _in_memory(self, x: str, t: str) -> tuple[str, str]:
        """A vector's type and value as they are stored."""
        v = self.code.vector(t)
        if t != "b1":
            return v, x
        return self.code.vector("u1"), self.code.e(f"zext {v} {x} to {self.code.vector('u1')}")

    def _once(self, known: dict[Any, str], place: Any, key: Any, pointer: Callable[[], str], t: str) -> str:
        """A single element in every lane, loaded where `place` is."""
        if key not in known:
            with self.code.at(place):
                x = self.code.e(f"load {memory(t)}, ptr {pointer()}, align {max(int(t[1]), 1)}")
                known[key] = self._from_memory(self.code.splat(x, "u1" if t == "b1" else t), t)
        return known[key]

    def _store(self, x: str, t: str, p: int, strides: tuple[int, ...], context: Context) -> None:
        """Store a vector."""
        code, size, m = self.code, max(int(t[1]), 1), memory(t)
        pointer = self._pointer(p, strides)
        v, x = self._in_memory(x, t)
        letter = LETTER["u1" if t == "b1" else t]
        if not strides or strides[-1] == 1:
            pointer = code.e(f"getelementptr {m}, ptr {pointer}, i64 {context.j}")
            if context.mask is None:
                code.do(f"store {v} {x}, ptr {pointer}, align {size}")
                return
            name = f"llvm.masked.store.v{code.width}{letter}.p0"
            parts = [(v, x), ("ptr", pointer), ("i32", str(size)), (code.vector("b1"), context.mask)]
        else:
            name = f"llvm.masked.scatter.v{code.width}{letter}.v{code.width}p0"
            mask = context.mask or code.constant(1, "b1")
            pointers = self._pointers(pointer, m, strides[-1], context.j)
            parts = [(v, x), pointers, ("i32", str(size)), (code.vector("b1"), mask)]
        self._masked("void", name, parts)

    def _store_one(self, k: int, x: str) -> None:
        """Store a value of the row, or of the whole."""
        p, strides = self.stored[k]
        self._store_first(x, self.values[k][3], self._base(p, strides))

    def _store_first(self, x: str, t: str, pointer: str) -> None:
        v, x = self._in_memory(x, t)
        one = self.code.e(f"extractelement {v} {x}, i32 0")
        self.code.do(f"store {memory(t)} {one}, ptr {pointer}, align {max(int(t[1]), 1)}")

    def _buffer(self, k: int, j: str) -> str:
        """Where a kept value of this vector is."""
        t = memory(self.values[k][3])
        base = self.nest.get(("kept", k))
        if base is None:
            base = self.whole["kept", k]
            with self.code.at(self.here):
                size = self.last
                for axis in range(len(self.space) - 2, self.outer - 1, -1):
                    at = self.code.e(f"mul i64 {self.index[axis]}, {size}")
                    base = self.code.e(f"getelementptr {t}, ptr {base}, i64 {at}")
                    size *= self.space[axis]
            self.nest["kept", k] = base
        return self.code.e(f"getelementptr {t}, ptr {base}, i64 {j}")
