"""Small products of matrices in code of their own: C = A B, or X + A B, for each of a batch.

Blocks of C, some rows by some vectors, are kept in registers while the inner index runs: an element of A in every lane
is multiplied with vectors of a row of B. What is fused into one rounding is these products, as in every BLAS.

The code depends on the size of a block alone; sizes and strides are words of the step, so that few products of a
program need code of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .code import LETTER, Code, memory
from .program import Node
from .views import View, broadcast, reshaped

LARGEST, EACH = 1 << 17, 1 << 21  # multiplications of one product, and of each of a batch; above, BLAS is faster
REGISTERS = {64: 24, 32: 12, 16: 12}  # accumulators, by the bytes of a vector
WORDS = ("m", "n", "k", "a0", "a1", "a2", "b0", "b2", "c2", "x0", "x2")  # strides of rows 0, columns 1, batches 2


class Block(NamedTuple):
    """What the code depends on: type, lanes, vectors and rows of a block, rows of the last, whether X is added."""

    t: str
    width: int
    vectors: int
    rows: int
    rest: int
    added: bool


class Product(NamedTuple):
    """A product: its sizes, and the strides of rows, columns and batches of each matrix, in elements."""

    m: int
    n: int
    k: int
    t: str
    a: tuple[int, int, int]
    b: tuple[int, int, int]
    x: tuple[int, int, int] | None

    def block(self, vector: int) -> Block:
        """The block for vectors of so many bytes."""
        width = vector // int(self.t[1])
        while width > 2 and width >= 2 * self.n:
            width //= 2
        vectors = min(-(-self.n // width), 4)
        most = min(REGISTERS[vector] // vectors, 8)
        rows = next((r for r in range(most, most // 2, -1) if self.m % r == 0), most)
        return Block(self.t, width, vectors, min(rows, self.m), self.m % rows, self.x is not None)

    def words(self) -> tuple[int, ...]:
        """The words of a step behind its pointers, as in `WORDS`."""
        a, b, x = self.a, self.b, self.x or (0, 0, 0)
        return self.m, self.n, self.k, *a, b[0], b[2], self.m * self.n, x[0], x[2]


def strides(node: Node, view: View, batch: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The strides of a matrix (or what is broadcast to one), if its batches have one step."""
    shape = (*batch, *node.shape[-2:])
    spread = broadcast(node.shape, view.strides, shape) if len(node.shape) <= len(shape) else None
    if spread is None:
        return None
    flat = reshaped(batch, spread[:-2], (math.prod(batch),))
    return None if flat is None else (spread[-2], spread[-1], flat[0])


def small(node: Node) -> bool:
    """Whether a product is better computed here than by BLAS."""
    (m, n), k = node.shape[-2:], node.inputs[0].shape[-1]
    alike = all([x.dtype == node.dtype and x.size for x in node.inputs])
    limit = LARGEST if math.prod(node.shape[:-2]) == 1 else EACH
    return alike and node.dtype.str[1:] in ("f4", "f8") and n > 1 and 0 < m * n * k <= limit and k <= 1024


class Multiplication:
    """Writes the code of a block."""

    def __init__(self, block: Block, vector: int, fma: bool) -> None:
        self.block, self.fma = block, fma
        self.masked = vector > 16  # where a masked vector costs no more, there is no other code
        self.code = Code(block.width)
        self.v, self.element = self.code.vector(block.t), memory(block.t)

    def text(self, name: str) -> str:
        """The function: `name(arguments, lo, hi)` for the batches from lo to hi."""
        code = self.code
        pointers = ["a", "b", "x", "c"] if self.block.added else ["a", "b", "c"]
        for i, p in enumerate([*pointers, *WORDS]):
            code.do(f"%q{p} = getelementptr i64, ptr %args, i64 {i}")
            code.do(f"%{p} = load {'ptr' if p in pointers else 'i64'}, ptr %q{p}")
        code.loop("%lo", "%hi", 1, [], self._batch)
        code.do("ret void")
        return f"define void @{name}(ptr %args, i64 %lo, i64 %hi) {{\nentry:\n{code.text()}\n}}"

    def _at(self, pointer: str, *steps: tuple[str, str]) -> str:
        """A pointer moved by indices times strides."""
        for index, stride in steps:
            if index == "0":
                continue
            at = index if stride == "1" else stride if index == "1" else self.code.e(f"mul i64 {index}, {stride}")
            pointer = self.code.e(f"getelementptr {self.element}, ptr {pointer}, i64 {at}")
        return pointer

    def _batch(self, i: str, _: list[str]) -> list[str]:
        code, step = self.code, self.block.width * self.block.vectors
        a, b, c = self._at("%a", (i, "%a2")), self._at("%b", (i, "%b2")), self._at("%c", (i, "%c2"))
        x = self._at("%x", (i, "%x2")) if self.block.added else ""
        if self.masked:
            code.loop("0", "%n", step, [], lambda j, _: self._columns(a, b, x, c, j, True))
            return []
        full = code.e(f"mul i64 {code.e(f'sdiv i64 %n, {step}')}, {step}")
        code.loop("0", full, step, [], lambda j, _: self._columns(a, b, x, c, j, False))
        code.loop(full, "%n", step, [], lambda j, _: self._columns(a, b, x, c, j, True))
        return []

    def _columns(self, a: str, b: str, x: str, c: str, j: str, masked: bool) -> list[str]:
        """All rows of a block's columns from j on."""
        code, block = self.code, self.block
        full = code.e(f"sub i64 %m, {block.rest}")
        masks: list[str | None] = [None] * block.vectors
        if masked:
            for q in range(block.vectors):
                left = code.e(f"sub i64 {code.e(f'sub i64 %n, {j}')}, {q * block.width}")
                left = code.call("i64", "llvm.smax.i64", ("i64", left), ("i64", "0"))
                left = code.call("i64", "llvm.umin.i64", ("i64", left), ("i64", str(block.width)))
                many = code.splat(code.e(f"trunc i64 {left} to i32"), "i4")
                masks[q] = code.compare("ult", code.lanes(range(block.width), "i4"), many, "i4")
        b, c = self._at(b, (j, "1")), self._at(c, (j, "1"))
        x = self._at(x, (j, "1")) if x else ""
        code.loop("0", full, block.rows, [], lambda i, _: self._block(a, b, x, c, i, block.rows, masks))
        if block.rest:
            self._block(a, b, x, c, full, block.rest, masks)
        return []

    def _block(self, a: str, b: str, x: str, c: str, i: str, rows: int, masks: Sequence[str | None]) -> list[str]:
        code, t, w = self.code, self.block.t, self.block.width
        start = [code.constant(0, t)] * (rows * len(masks))
        if x:
            px = self._at(x, (i, "%x0"))
            begins = [self._at(px, (str(r), "%x0")) for r in range(rows)]
            start = [self._load(self._at(p, (str(q * w), "1")), mask) for p in begins for q, mask in enumerate(masks)]
        pa = self._at(a, (i, "%a0"))
        each = [self._at(pa, (str(r), "%a0")) for r in range(rows)]

        def inner(k: str, values: list[str]) -> list[str]:
            row = self._at(b, (k, "%b0"))
            columns = [self._load(self._at(row, (str(q * w), "1")), mask) for q, mask in enumerate(masks)]
            along = code.e(f"mul i64 {k}, %a1")
            following: list[str] = []
            for r in range(rows):
                at = code.e(f"getelementptr {self.element}, ptr {each[r]}, i64 {along}")
                one = code.splat(code.e(f"load {self.element}, ptr {at}, align {t[1]}"), t)
                own = values[r * len(masks) : (r + 1) * len(masks)]
                following += [self._add(one, y, z) for y, z in zip(columns, own, strict=True)]
            return following

        result = code.loop("0", "%k", 1, [(self.v, s) for s in start], inner)
        pc = self._at(c, (i, "%n"))
        for r in range(rows):
            at = self._at(pc, (str(r), "%n"))
            for q, mask in enumerate(masks):
                self._store(result[r * len(masks) + q], self._at(at, (str(q * w), "1")), mask)
        return []

    def _add(self, x: str, y: str, total: str) -> str:
        code = self.code
        if self.fma:
            return code.intrinsic("fma", self.block.t, x, y, total)
        return code.e(f"fadd {self.v} {total}, {code.e(f'fmul {self.v} {x}, {y}')}")

    def _load(self, pointer: str, mask: str | None) -> str:
        code, t, v = self.code, self.block.t, self.v
        if mask is None:
            return code.e(f"load {v}, ptr {pointer}, align {t[1]}")
        parts: list[Any] = [("ptr", pointer), ("i32", t[1]), (code.vector("b1"), mask), (v, "zeroinitializer")]
        return code.call(v, f"llvm.masked.load.v{code.width}{LETTER[t]}.p0", *parts)

    def _store(self, x: str, pointer: str, mask: str | None) -> None:
        code, t, v = self.code, self.block.t, self.v
        if mask is None:
            code.do(f"store {v} {x}, ptr {pointer}, align {t[1]}")
            return
        parts: list[Any] = [(v, x), ("ptr", pointer), ("i32", t[1]), (code.vector("b1"), mask)]
        code.call("void", f"llvm.masked.store.v{code.width}{LETTER[t]}.p0", *parts)
