"""The innermost loop of every product of matrices here: R elements in every lane, times NB vectors, in registers.

    sums[r][j] += rows[r] * columns[j]

A convolution, its two transposes, products of small matrices and attention are this, with other addresses. Besides,
what they need around it: copies with zeros around, and transposes, block by block in registers.

Where an edge is not a multiple of a block, the last block lies against the edge, over a part of the one before it: what
is computed twice is the same. Only where an axis is shorter than one vector are lanes masked. Nothing is read or
written outside an array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .code import LETTER, REGISTER, Code, kind

CHAIN = 256  # the most products that are added up plainly


class Matrix(NamedTuple):
    """A pointer, and the steps between rows and columns."""

    pointer: str
    row: int
    column: int

    @property
    def turned(self) -> Matrix:
        return Matrix(self.pointer, self.column, self.row)

    def at(self, w: Writer, i: Any, j: Any) -> str:
        return w.moved(self.pointer, w.dot((i, j), (self.row, self.column)))

    def down(self, w: Writer, i: Any) -> Matrix:
        """The rows from i on."""
        return self._replace(pointer=self.at(w, i, 0))


class Writer(Code):
    """`Code` for one type of floats, in vectors of one width, with pointers and indices."""

    def __init__(self, dtype: Any, machine: Any) -> None:
        self.t = kind(dtype)
        self.size = int(self.t[1])
        super().__init__(max(machine.vector // self.size, 1))
        self.machine, self.fma = machine, machine.fma
        self.scalar, self.v = REGISTER[self.t], self.vector(self.t)
        self.helpers: dict[str, str] = {}  # functions that are called

    # ---- indices ----

    def add(self, x: Any, y: Any) -> Any:
        """A sum; what is known is computed here."""
        if isinstance(x, int) and isinstance(y, int):
            return x + y
        return y if x == 0 else x if y == 0 else self.e(f"add i64 {x}, {y}")

    def mul(self, x: Any, y: Any) -> Any:
        if isinstance(x, int) and isinstance(y, int):
            return x * y
        if 0 in (x, y):
            return 0
        return y if x == 1 else x if y == 1 else self.e(f"mul i64 {x}, {y}")

    def div(self, x: Any, n: int) -> tuple[Any, Any]:
        """Quotient and remainder."""
        if isinstance(x, int):
            return divmod(x, n)
        return (x, 0) if n == 1 else (self.e(f"udiv i64 {x}, {n}"), self.e(f"urem i64 {x}, {n}"))

    def dot(self, indices: Sequence[Any], steps: Sequence[int]) -> Any:
        """The offset of an element."""
        at: Any = 0
        for i, step in zip(indices, steps, strict=True):
            at = self.add(at, self.mul(i, step))
        return at

    def least(self, x: Any, n: int) -> Any:
        if isinstance(x, int):
            return min(x, n)
        return self.call("i64", "llvm.smin.i64", ("i64", x), ("i64", str(n)))

    def each(self, n: int, body: Callable[[Any], None], step: int = 1) -> None:
        """`for i in range(0, n, step)`; where there is but one, it is written without a loop."""
        if 0 < n <= step:
            body(0)
            return

        def inside(i: str, _: list[str]) -> list[str]:
            body(i)
            return []

        self.loop("0", str(n), step, [], inside)

    def every(self, sizes: Sequence[int], body: Callable[[tuple[Any, ...]], None], index: tuple[Any, ...] = ()) -> None:
        """`body(index)` for each index of several axes."""
        if len(index) == len(sizes):
            body(index)
        else:
            self.each(sizes[len(index)], lambda i: self.every(sizes, body, (*index, i)))

    def blocks(self, n: int, step: int, body: Callable[[Any, Any], None]) -> None:
        """Blocks that cover n, the last against the end: `body(number, start)`. For n >= step."""

        def inside(i: Any) -> None:
            body(i, self.least(self.mul(i, step), n - step))

        self.each(-(-n // step), inside)

    # ---- memory ----

    def moved(self, p: str, i: Any) -> str:
        """The pointer i elements behind p."""
        return p if i in (0, "0") else self.e(f"getelementptr {self.scalar}, ptr {p}, i64 {i}")

    def lanes_below(self, n: int) -> str:
        return self.lanes([int(i < n) for i in range(self.width)], "b1")

    def load(self, p: str, n: int | None = None) -> str:
        """A vector, or its first n lanes and zeros."""
        if n is None or n >= self.width:
            return self.e(f"load {self.v}, ptr {p}, align {self.size}")
        name = f"llvm.masked.load.v{self.width}{LETTER[self.t]}.p0"
        mask = (self.vector("b1"), self.lanes_below(n))
        return self.call(self.v, name, ("ptr", p), ("i32", str(self.size)), mask, (self.v, "zeroinitializer"))

    def store(self, x: str, p: str, n: int | None = None) -> None:
        if n is None or n >= self.width:
            self.do(f"store {self.v} {x}, ptr {p}, align {self.size}")
            return
        name = f"llvm.masked.store.v{self.width}{LETTER[self.t]}.p0"
        mask = (self.vector("b1"), self.lanes_below(n))
        self.call("void", name, (self.v, x), ("ptr", p), ("i32", str(self.size)), mask)

    def everywhere(self, p: str) -> str:
        """One element in every lane."""
        return self.splat(self.e(f"load {self.scalar}, ptr {p}, align {self.size}"), self.t)

    def arithmetic(self, op: str, x: str, y: str) -> str:
        return self.e(f"{op} {self.v} {x}, {y}")

    def muladd(self, x: str, y: str, z: str) -> str:
        """x y + z: rounded once where the machine can."""
        if self.fma:
            return self.intrinsic("fma", self.t, x, y, z)
        return self.arithmetic("fadd", self.arithmetic("fmul", x, y), z)

    def total(self, x: str) -> str:
        """The sum of a vector's lanes, by halves."""
        n = self.width
        while n > 1:
            half = n // 2
            v, lanes = f"<{n} x {self.scalar}>", f"<{half} x i32>"
            low, high = [
                self.e(f"shufflevector {v} {x}, {v} poison, {lanes} <{', '.join([f'i32 {k}' for k in part])}>")
                for part in (range(half), range(half, n))
            ]
            x, n = self.e(f"fadd <{half} x {self.scalar}> {low}, {high}"), half
        return self.e(f"extractelement <1 x {self.scalar}> {x}, i32 0")

    def clear(self, p: str, count: Any) -> None:
        """Zeros."""
        size = self.mul(count, self.size)
        self.call("void", "llvm.memset.p0.i64", ("ptr", p), ("i8", "0"), ("i64", str(size)), ("i1", "false"))

    def copy(self, source: str, target: str, n: int) -> None:
        """n elements, in vectors."""
        if n < self.width:
            self.store(self.load(source, n), target, n)
        else:
            self.blocks(n, self.width, lambda _, i: self.store(self.load(self.moved(source, i)), self.moved(target, i)))

    def load_apart(self, p: str, n: int, apart: int) -> str:
        """n elements, so far apart."""
        if apart == 1:
            return self.load(p, n)
        name = f"llvm.masked.gather.v{self.width}{LETTER[self.t]}.v{self.width}p0"
        parts = (self._pointers(p, apart), ("i32", str(self.size)), (self.vector("b1"), self.lanes_below(n)))
        return self.call(self.v, name, *parts, (self.v, "zeroinitializer"))

    def store_apart(self, x: str, p: str, n: int, apart: int) -> None:
        if apart == 1:
            self.store(x, p, n)
            return
        name = f"llvm.masked.scatter.v{self.width}{LETTER[self.t]}.v{self.width}p0"
        parts = (self._pointers(p, apart), ("i32", str(self.size)), (self.vector("b1"), self.lanes_below(n)))
        self.call("void", name, (self.v, x), *parts)

    def _pointers(self, p: str, apart: int) -> tuple[str, str]:
        lanes = self.lanes([apart * k for k in range(self.width)], "i8")
        return f"<{self.width} x ptr>", self.e(f"getelementptr {self.scalar}, ptr {p}, {self.vector('i8')} {lanes}")

    def divide(self, source: str, target: str, n: int, step: int, before: int, row: int) -> None:
        """Element i of n goes to place (i + before) // step of the row of its remainder; rows are `row` apart."""
        chunk = self.width * step

        def piece(i: Any, count: int) -> None:
            p, q = self.moved(source, self.mul(i, chunk)), self.moved(target, self.mul(i, self.width))
            parts = [self.load(self.moved(p, k * self.width), max(0, count - k * self.width)) for k in range(step)]
            for r in range(min(step, count)):
                x = parts[0]
                for k in range(1, step):
                    take = [divmod(lane * step + r, self.width) for lane in range(self.width)]
                    keep = [at if k == 1 else lane for lane, (_, at) in enumerate(take)]
                    lanes = [at + self.width if part == k else old for (part, at), old in zip(take, keep, strict=True)]
                    x = self.shuffled(x, parts[k], lanes)
                to = (r + before) % step * row + (r + before) // step
                self.store(x, self.moved(q, to), -(-(count - r) // step))

        if n >= chunk:
            self.each(n // chunk, lambda i: piece(i, chunk))
        if n % chunk:
            piece(n // chunk, n % chunk)

    def join(self, source: str, target: str, n: int, step: int, before: int, row: int) -> None:
        """The way back from `divide`. May read, not use, a vector behind the last row."""
        chunk = self.width * step

        def piece(i: Any, count: int) -> None:
            p, q = self.moved(source, self.mul(i, self.width)), self.moved(target, self.mul(i, chunk))
            at = [(r + before) % step * row + (r + before) // step for r in range(step)]
            parts = [self.load(self.moved(p, place)) for place in at]
            for k in range(-(-count // self.width)):
                from_ = [divmod(k * self.width + lane, step)[::-1] for lane in range(self.width)]
                x = parts[0]
                for r in range(1, step):
                    keep = [at if r == 1 else lane for lane, (_, at) in enumerate(from_)]
                    lanes = [at + self.width if part == r else old for (part, at), old in zip(from_, keep, strict=True)]
                    x = self.shuffled(x, parts[r], lanes)
                self.store(x, self.moved(q, k * self.width), count - k * self.width)

        if n >= chunk:
            self.each(n // chunk, lambda i: piece(i, chunk))
        if n % chunk:
            piece(n // chunk, n % chunk)

    # ---- sums of products ----

    def products(self, sums: list[str], rows: Callable[[int], str], columns: list[str]) -> list[str]:
        """The microkernel: sums[r * NB + j] + rows(r) * columns[j]."""
        after, count = [], len(columns)
        for r in range(len(sums) // count):
            x = self.everywhere(rows(r))
            after += [self.muladd(x, y, sums[r * count + j]) for j, y in enumerate(columns)]
        return after

    def nested(self, sizes: Sequence[int], sums: list[str], body: Callable[[list[Any], list[str]], list[str]],
               index: tuple[Any, ...] = ()) -> list[str]:  # fmt: skip
        """`body(index, sums)` for each index, the sums going from one to the next."""
        if len(index) == len(sizes):
            return body(list(index), sums)
        n = sizes[len(index)]
        if n == 1:
            return self.nested(sizes, sums, body, (*index, 0))
        pairs = [(self.v, x) for x in sums]
        return self.loop("0", str(n), 1, pairs, lambda i, xs: self.nested(sizes, xs, body, (*index, i)))

    def product(self, sizes: tuple[int, int, int], a: Matrix, b: Matrix, c: Matrix, *, add: bool = False) -> None:
        """C = A B, or C + A B, where the rows of B and C are contiguous: A is m by k, B k by n."""
        m, n, k = sizes
        count = -(-n // self.width)
        tile = best_tile((1, m), count, self.machine)
        rows, vectors = tile.places[1], tile.vectors
        piece = max(d for d in range(1, min(k, CHAIN) + 1) if k % d == 0)
        if piece < min(k, 32):
            piece = k
        blocks = n // (vectors * self.width)  # of columns that are whole
        rest = n - blocks * vectors * self.width
        parts = [(0, m // rows, rows), (m // rows * rows, 1, m % rows)]
        columns = [(0, blocks, vectors, None), (blocks * vectors * self.width, 1, -(-rest // self.width), rest)]

        def block(i: Any, j: Any, high: int, wide: int, lanes: int | None, k0: Any, first: bool) -> None:
            known = [None if lanes is None else lanes - v * self.width for v in range(wide)]
            pa, pb = a.at(self, i, k0), b.at(self, k0, j)
            targets = [
                self.moved(c.at(self, i, j), r * c.row + v * self.width) for r in range(high) for v in range(wide)
            ]

            def term(index: list[Any], sums: list[str]) -> list[str]:
                p, q = self.moved(pa, self.mul(index[0], a.column)), self.moved(pb, self.mul(index[0], b.row))
                vs = [self.load(self.moved(q, v * self.width), known[v]) for v in range(wide)]
                return self.products(sums, lambda r: self.moved(p, r * a.row), vs)

            sums = self.nested([piece], ["zeroinitializer"] * (high * wide), term)
            if not first or add:
                sums = [self.arithmetic("fadd", self.load(p, known[x % wide]), sums[x]) for x, p in enumerate(targets)]
            for x, p in enumerate(targets):
                self.store(sums[x], p, known[x % wide])

        def over(k0: Any, first: bool) -> None:
            for i0, times, high in parts:
                for j0, many, wide, lanes in columns:
                    if times and high and many and wide:
                        self.every([times, many], lambda ij, i0=i0, j0=j0, high=high, wide=wide, lanes=lanes: block(  # type: ignore[misc]
                            self.add(i0, self.mul(ij[0], high)), self.add(j0, self.mul(ij[1], wide * self.width)),
                            high, wide, lanes, k0, first))  # fmt: skip

        over(0, True)
        if piece < k:
            self.each(k // piece - 1, lambda x: over(self.mul(self.add(x, 1), piece), False))

    # ---- rows ----

    def across(self, n: int, values: list[str], body: Callable[[Any, int | None, list[str]], list[str]]) -> list[str]:
        """`body(start, lanes, values)` for the vectors of a row of n elements; lanes is None where all count."""
        whole, v = n // self.width * self.width, self.v
        if whole:
            values = self.loop("0", str(whole), self.width, [(v, x) for x in values], lambda i, xs: body(i, None, xs))
        return body(whole, n - whole, values) if n > whole else values

    def larger(self, x: str, y: str) -> str:
        """The larger; NaN if either is."""
        z = self.select(self.compare("ugt", x, y, self.t), x, y, self.t)
        return self.select(self.compare("uno", y, y, self.t), y, z, self.t)

    def folded(self, x: str, op: Callable[[str, str], str]) -> str:
        """What `op` makes of all lanes, in every lane."""
        half = self.width // 2
        while half:
            x = op(x, self.shuffled(x, x, [i ^ half for i in range(self.width)]))
            half //= 2
        return x

    # ---- transposes ----

    def transposed(self, rows: list[str]) -> list[str]:
        """Vectors, as many as they have lanes, with rows and columns exchanged: first within the 16 bytes that machines
        shuffle quickest, then these as a whole."""
        unit = min(16 // self.size, self.width)
        groups = [self._within(rows[k : k + unit], unit) for k in range(0, self.width, unit)]
        columns = [self._among([group[q] for group in groups], unit) for q in range(unit)]
        return [columns[k % unit][k // unit] for k in range(self.width)]

    def _within(self, rows: list[str], unit: int) -> list[str]:
        """Of each unit of so many rows, the transpose."""
        if unit == 1:
            return rows
        half = unit // 2

        def merged(x: str, y: str, size: int, high: int) -> str:
            """Of each unit, the low or the high half of both, alternating by `size` elements."""
            each = [k + at for k in range(0, half, size) for at in range(size)]
            lanes = []
            for start in range(0, self.width, unit):
                for k in range(0, half, size):
                    part = [start + high * half + at for at in each[k : k + size]]
                    lanes += [*part, *[at + self.width for at in part]]
            return self.shuffled(x, y, lanes)

        if unit == 2:
            return [merged(rows[0], rows[1], 1, high) for high in (0, 1)]
        a, b = [[merged(rows[k], rows[k + 1], 1, high) for high in (0, 1)] for k in (0, 2)]
        return [merged(x, y, 2, high) for x, y in zip(a, b, strict=True) for high in (0, 1)]

    def _among(self, rows: list[str], unit: int) -> list[str]:
        """The transpose of a square of units."""
        if len(rows) == 1:
            return rows
        units = range(self.width * 2 // unit)
        even, odd = [[k * unit + at for k in units[first::2] for at in range(unit)] for first in (0, 1)]
        pairs = list(zip(rows[::2], rows[1::2], strict=True))
        parts = [self._among([self.shuffled(x, y, lanes) for x, y in pairs], unit) for lanes in (even, odd)]
        return [x for pair in zip(*parts, strict=True) for x in pair]

    def shuffled(self, x: str, y: str, lanes: list[int]) -> str:
        return self.e(f"shufflevector {self.v} {x}, {self.v} {y}, <{self.width} x i32> {self.lanes(lanes, 'i4')}")

    def transpose(self, shape: tuple[int, int], source: str, step: int, target: str, apart: int, *,
                  pad: bool = False) -> None:  # fmt: skip
        """target[j * apart + i] = source[i * step + j] for i, j below `shape`.

        With `pad`, rows of the target are filled with zeros up to a whole vector.
        """
        width, (m, n) = self.width, shape
        high, wide = min(m, width), min(n, width)
        pad = pad and high < width
        name = f"transposed_{LETTER[self.t]}_{width}_{high}_{wide}{'_pad' * pad}"
        if name not in self.helpers:
            self.helpers[name] = self._transposing(name, high, wide, pad)

        def block(i: Any, j: Any) -> None:
            p = self.moved(source, self.add(self.mul(i, step), j))
            q = self.moved(target, self.add(self.mul(j, apart), i))
            self.do(f"call void @{name}(ptr {p}, i64 {step}, ptr {q}, i64 {apart})")

        self.blocks(m, high, lambda _, i: self.blocks(n, wide, lambda _, j: block(i, j)))

    def _transposing(self, name: str, high: int, wide: int, pad: bool) -> str:
        """A function that transposes a block of at most as many rows and columns as a vector has lanes."""
        w = Writer(self.t, self.machine)
        rows = [w.load(w.moved("%p", w.mul("%step", r)), wide) for r in range(high)]
        rows = w.transposed(rows + ["zeroinitializer"] * (w.width - high))
        for c in range(wide):
            w.store(rows[c], w.moved("%q", w.mul("%apart", c)), None if pad else high)
        self.declared |= w.declared
        return f"define internal void @{name}(ptr %p, i64 %step, ptr %q, i64 %apart) {{\n{w.text()}\nret void\n}}"


def registers(machine: Any) -> int:
    """How many vector registers there are."""
    return 32 if machine.vector == 64 or machine.triple.startswith(("aarch64", "arm64")) else 16


def step_cost(rows: int, vectors: int, loads: float = 1.0) -> float:
    """Cycles of one step of the microkernel, where a vector takes so many loads: two loads and two products at a time,
    each product after the one before it in the same sum."""
    return max(rows * vectors / 2, (rows + loads * vectors) / 2 + 0.25, 4.0) + 0.5


def fits(rows: int, vectors: int, count: int) -> bool:
    """Whether a block is held in so many registers: the sums, the vectors, and the rows, which LLVM loads early where
    they are used more than once."""
    return rows * vectors + vectors + (rows if vectors > 1 else 4) <= count - 3 * (count > 16)


class Tile(NamedTuple):
    """The shape of a block of sums: a rectangle of places by vectors."""

    places: tuple[int, int]
    vectors: int

    @property
    def rows(self) -> int:
        return math.prod(self.places)


def best_tile(places: tuple[int, int], count: int, machine: Any, vectors: int = 0) -> Tile:
    """The block with which that many places, of that many vectors each, take the least time."""

    def cost(tile: Tile) -> float:
        (h, w), nb = tile
        pieces = -(-places[0] // h) * -(-places[1] // w) * -(-count // nb)
        return pieces * (step_cost(tile.rows, nb) + 0.02)

    free = registers(machine)
    tiles = [
        Tile((h, w), nb)
        for nb in ([vectors] if vectors else range(1, min(count, 6) + 1))
        for w in range(1, min(places[1], free) + 1)
        for h in range(1, min(places[0], free // w) + 1)
        if fits(h * w, nb, free) and (h == 1 or w == places[1] or w <= 8)
    ]
    return min(tiles, key=cost)
