"""The code of a loop.

    for each index of the outer axes (the first of them from `lo` to `hi`):          # a row
        for each pass:
            values of the row                                                           # once a row, in every lane
            for the inner axes, the last of them in vectors, the rest of it masked:
                values, stores, accumulation
            what was accumulated over the inner axes

No load goes beyond an array: the last vector of a row is masked, and so is what a choice by index does not take.

Sums are added up in vectors for at most `BLOCK` steps; the blocks are added with their rounding errors kept (Knuth's
TwoSum), so that the error is that of a short sum however many elements there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import elementwise
from .code import memory
from .lowering import Spec
from .values import Context, Pairs, Values

BLOCK = 16  # vectors that are added up plainly
UNROLLED = 4  # vectors of a short row that are written out, and accumulators of a cheap loop
CHEAP, DEAR = 10, 30  # the work of a vector up to which a loop is unrolled, and from which on its code is written once
BUFFERS = 1 << 18  # bytes on the stack for values that a later pass needs


class Kernel(Values):
    """Writes the code of a specification for vectors of so many bytes."""

    def __init__(self, spec: Spec, vector: int) -> None:
        super().__init__(spec, vector)
        self._passes()

    # ---- what is computed when ----

    def _complete(self, k: int) -> bool:
        """Whether a reduction over the inner axes has its value after the pass."""
        level = self.values[k][6]
        return not any(level[self.outer :]) and all(level[: self.outer])

    def _passes(self) -> None:
        """The pass in which each value is computed, and from which on it can be used."""
        ready: list[int] = []
        weights = self._weights()
        room, size = BUFFERS, math.prod(self.space[self.outer :]) + self.code.width
        for k, value in enumerate(self.values):
            inside = [a[1] for a in value[4] if a[0] == "value" and len(a) == 2]
            at = max([ready[i] for i in inside], default=0)
            self.pass_of.append(at)
            ready.append(at + 1 if value[0] == "reduce" and not self._of_row(k) else at)
            for i in inside:
                later = self.pass_of[i] < at and self.values[i][0] != "reduce" and not self._of_row(i)
                if later and i not in self.stored and i not in self.kept and weights[i] > 2 and size * 8 <= room:
                    self.kept.add(i)
                    room -= size * 8
        self.count = max(self.pass_of, default=0) + 1

    def _weights(self) -> list[int]:
        """About what it costs to compute each value from what is loaded."""
        weights: list[int] = []
        for value in self.values:
            own = 8 if value[1] in elementwise.FUNCTIONS or value[1] in elementwise.COSTLY else 1
            inside = {a[1] for a in value[4] if a[0] == "value" and len(a) == 2}
            again = [i for i in inside if self.values[i][0] != "reduce" and i not in self.stored]
            weights.append(min(own + sum([weights[i] for i in again]), 1 << 20))
        return weights

    # ---- the function ----

    def text(self, name: str) -> str:
        """The function: `name(arguments, lo, hi)`."""
        spec, code = self.spec, self.code
        self.entry = code.place()
        with code.at(self.entry):
            for p in range(len(spec.parameters)):
                code.do(f"%q{p} = getelementptr ptr, ptr %args, i64 {p}")
                code.do(f"%p{p} = load ptr, ptr %q{p}")
            for k in self.kept:
                size = math.prod(self.space[self.outer :]) + code.width
                self.whole["kept", k] = code.e(f"alloca [{size} x {memory(self.values[k][3])}], align 64")
            for k in filter(self._compensated, range(len(self.values))):
                v = code.vector(self.values[k][3])
                for part in "sum", "error":
                    self.whole[part, k] = code.e(f"alloca {v}, align 64")
                    code.do(f"store {v} zeroinitializer, ptr {self.whole[part, k]}")
            self._partial()
        self._rows(0)
        self.header, self.rows = code.place(), {}
        for k in filter(self._compensated, range(len(self.values))):
            t = self.values[k][3]
            total, error = [code.e(f"load {code.vector(t)}, ptr {self.whole[s, k]}") for s in ("sum", "error")]
            self._store_one(k, self._settled(total, error, t))
        code.do("ret void")
        return f"define void @{name}(ptr %args, i64 %lo, i64 %hi) {{\nentry:\n{code.text()}\n}}"

    def _partial(self) -> None:
        """Each chunk has its own copy of what is reduced over the first axis."""
        if not self.space or self.spec.chunk >= self.space[0]:
            return
        for k, (p, _) in self.stored.items():
            value = self.values[k]
            if value[0] == "reduce" and not value[6][0]:
                size = math.prod([n for n, here in zip(self.space, value[6], strict=True) if here])
                number = self.code.e(f"sdiv i64 %lo, {self.spec.chunk}")
                at = self.code.e(f"mul i64 {number}, {size}")
                self.whole["partial", p] = self.code.e(f"getelementptr {memory(value[3])}, ptr %p{p}, i64 {at}")

    def _compensated(self, k: int) -> bool:
        """Whether a value is a sum of many rows' sums, which are added with their errors."""
        value = self.values[k]
        return value[0] == "reduce" and self.outer > 0 and not any(value[6]) and self._adds(k)

    def _adds(self, k: int) -> bool:
        return bool(self.values[k][1] == "add" and self.values[k][3][0] == "f")

    def _rows(self, axis: int) -> None:
        """The loops over the outer axes."""
        if axis == self.outer:
            self._row()
            return

        def inside(i: str, _: list[str]) -> list[str]:
            self.index.append(i)
            self._rows(axis + 1)
            self.index.pop()
            return []

        low, high = ("%lo", "%hi") if axis == 0 else ("0", str(self.space[axis]))
        self.code.loop(low, high, 1, [], inside)

    def _row(self) -> None:
        """The passes over one row."""
        values = self.values
        self.rows = {}
        for q in range(self.count):
            self.now = q
            self.header = self.code.place()
            work = [k for k in range(len(values)) if self.pass_of[k] == q and not self._of_row(k)]
            work = [k for k in work if k in self.stored or k in self.kept or values[k][0] == "reduce"]
            if work:
                self._inner(self.outer, work)
        self.header = self.code.place()
        for k, value in enumerate(values):
            if value[0] == "reduce" and not any(value[6][self.outer :]):
                x = self.rows[k] if not self._of_row(k) else self._cast(self._argument(k, 0, Context("0", None)), k)
                if self._of_row(k) or not self._complete(k):
                    self._accumulate(k, x)
                elif k in self.stored:
                    self._store_one(k, x)
            elif k in self.stored and self._of_row(k):
                self._store_one(k, self._value(k, Context("0", None)))

    def _cast(self, x: str, k: int) -> str:
        return elementwise.cast(self.code, x, self.values[k][2], self.values[k][3])

    # ---- the inner axes ----

    def _inner(self, axis: int, work: list[int]) -> None:
        """The loops over the inner axes, and what they accumulate."""
        sums = [k for k in work if self.values[k][0] == "reduce" and not any(self.values[k][6][self.outer :])]
        total: Pairs = []
        for k in sums:
            v, start = self.code.vector(self.values[k][3]), self._start(k)
            total += [(v, start), (v, "zeroinitializer")] if self._adds(k) else [(v, start)]
        result = self._nest(axis, work, sums, total)
        for k in sums:
            t = self.values[k][3]
            x = result.pop(0)
            if self._adds(k):
                error = result.pop(0)
                x = self._across(k, x) if error == "zeroinitializer" else self._settled(x, error, t, k)
            else:
                x = self._across(k, x)
            self.rows[k] = x

    def _start(self, k: int) -> str:
        t = self.values[k][3]
        return self.code.constant(elementwise.identity(self.values[k][1], t), t)

    def _nest(self, axis: int, work: list[int], sums: list[int], total: Pairs) -> list[str]:
        if axis >= len(self.space) - 1:
            self.nest = {}
            self.here = self.code.place()
            return self._lanes(work, sums, total)

        def inside(i: str, values: list[str]) -> list[str]:
            self.index.append(i)
            following = self._nest(axis + 1, work, sums, [(t, v) for (t, _), v in zip(total, values, strict=True)])
            self.index.pop()
            return following

        return self.code.loop("0", str(self.space[axis]), 1, total, inside)

    def _lanes(self, work: list[int], sums: list[int], total: Pairs) -> list[str]:
        """The last axis, in vectors."""
        code, w = self.code, self.code.width
        fixed = self.outer > 0 or self.spec.split is not None or not self.space
        n = self.last if fixed else None
        dear = self.spec.cost > DEAR
        if n is not None and n <= (1 if dear else UNROLLED) * w:
            parts = [x for _, x in self._typed(sums)]
            for j in range(0, n, w):
                parts = self._step(str(j), None if j + w <= n else self._tail(n - j), work, sums, parts)
            return self._flushed(sums, total, parts)
        low, high = ("0", str(n)) if n is not None else ("%lo", "%hi")
        if dear and (n is None or n % w):
            return self._masked_lanes(low, high, work, sums, total)
        if n is not None:
            end = str(n // w * w)
        else:
            count = code.e(f"sub i64 {high}, {low}")
            end = code.e(f"add i64 {low}, {code.e(f'and i64 {count}, {-w}')}")
        unroll = UNROLLED if sums and self.spec.cost <= CHEAP else 1
        blocked = bool(sums) and (n is None or n > 2 * BLOCK * w)

        def many(i: str, values: list[str]) -> list[str]:
            values = list(values)
            for u in range(unroll):
                j = i if u == 0 else code.e(f"add i64 {i}, {u * w}")
                own = slice(u, None, unroll)
                values[own] = self._step(j, None, work, sums, values[own])
            return values

        def one(i: str, values: list[str]) -> list[str]:
            return self._step(i, None, work, sums, values)

        def block(i: str, values: list[str]) -> list[str]:
            stop = code.e(f"add i64 {i}, {BLOCK * w}")
            inner = [(t, x) for t, x in self._typed(sums) for _ in range(unroll)]
            parts = code.loop(i, stop, w * unroll, inner, many)
            return self._flushed(sums, self._with(total, values), self._joined(sums, parts, unroll))

        values = [x for _, x in total]
        at = low
        if blocked:
            size = BLOCK * w
            if n is not None:
                full = str(n // size * size)
            else:
                full = code.e(f"add i64 {low}, {code.e(f'and i64 {count}, {-size}')}")
            values = code.loop(at, full, size, total, block)
            at = full
        parts = [x for _, x in self._typed(sums)]
        if n is None or int(at) < int(end):
            parts = code.loop(at, end, w, self._typed(sums), one)
        if n is None:
            more = code.e(f"icmp slt i64 {end}, {high}")
            rest = code.e(f"sub i64 {high}, {end}")

            def tail(values: list[str]) -> list[str]:
                return self._step(end, self._tail(rest), work, sums, values)

            parts = code.when(more, self._with(self._typed(sums), parts), tail)
        elif n % w:
            parts = self._step(end, self._tail(n % w), work, sums, parts)
        return self._flushed(sums, self._with(total, values), parts)

    def _masked_lanes(self, low: str, high: str, work: list[int], sums: list[int], total: Pairs) -> list[str]:
        """The last axis in vectors that are all masked, so that their code is there once."""
        code, w = self.code, self.code.width

        def one(i: str, values: list[str]) -> list[str]:
            return self._step(i, self._tail(code.e(f"sub i64 {high}, {i}")), work, sums, values)

        def block(i: str, values: list[str]) -> list[str]:
            stop = code.e(f"add i64 {i}, {BLOCK * w}")
            less = code.e(f"icmp slt i64 {stop}, {high}")
            stop = code.e(f"select i1 {less}, i64 {stop}, i64 {high}")
            parts = code.loop(i, stop, w, self._typed(sums), one)
            return self._flushed(sums, self._with(total, values), parts)

        return code.loop(low, high, BLOCK * w, total, block)

    def _with(self, pairs: Pairs, values: Sequence[str]) -> Pairs:
        return [(t, v) for (t, _), v in zip(pairs, values, strict=True)]

    def _typed(self, sums: list[int]) -> Pairs:
        return [(self.code.vector(self.values[k][3]), self._start(k)) for k in sums]

    def _tail(self, rest: int | str) -> str:
        """The mask of the first lanes."""
        code, w = self.code, self.code.width
        if isinstance(rest, int):
            return code.lanes([q < rest for q in range(w)], "b1")
        below = code.call("i64", "llvm.umin.i64", ("i64", rest), ("i64", str(w)))
        many = code.splat(code.e(f"trunc i64 {below} to i32"), "i4")
        return code.compare("ult", code.lanes(range(w), "i4"), many, "i4")

    def _combine(self, k: int, x: str, y: str) -> str:
        return elementwise.emit(self.code, self.values[k][1], self.values[k][3], [x, y])

    def _joined(self, sums: list[int], parts: list[str], unroll: int) -> list[str]:
        """One accumulator for each sum from `unroll`, which lie beside each other."""
        result = []
        for n, k in enumerate(sums):
            own = parts[n * unroll : (n + 1) * unroll]
            while len(own) > 1:
                own = [self._combine(k, x, y) for x, y in zip(own[::2], own[1::2], strict=True)]
            result.append(own[0])
        return result

    def _flushed(self, sums: list[int], total: Pairs, parts: list[str]) -> list[str]:
        """The totals with parts added: sums of floats with what the addition rounds away."""
        result: list[str] = []
        at = 0
        for k, part in zip(sums, parts, strict=True):
            if not self._adds(k):
                result.append(self._combine(k, total[at][1], part))
                at += 1
                continue
            (_, sum_), (_, error) = total[at : at + 2]
            at += 2
            if sum_ == self._start(k):
                result += [part, error]
            else:
                result += self._two_sum(sum_, error, part, self.values[k][3])
        return result

    def _two_sum(self, total: str, error: str, part: str, t: str) -> list[str]:
        code, v = self.code, self.code.vector(t)
        s = code.e(f"fadd {v} {total}, {part}")
        b = code.e(f"fsub {v} {s}, {total}")
        c = code.e(f"fsub {v} {total}, {code.e(f'fsub {v} {s}, {b}')}")
        c = code.e(f"fadd {v} {c}, {code.e(f'fsub {v} {part}, {b}')}")
        return [s, code.e(f"fadd {v} {error}, {c}")]

    def _settled(self, total: str, error: str, t: str, k: int | None = None) -> str:
        """A total with its errors, which are none that count where it is infinite or NaN."""
        code, v = self.code, self.code.vector(t)
        error = code.select(code.compare("ord", error, error, t), error, "zeroinitializer", t)
        if k is not None:
            total, error = self._across(k, total), self._across(k, error)
        return code.e(f"fadd {v} {total}, {error}")

    def _across(self, k: int, x: str) -> str:
        """All lanes combined, in every lane.

        The halves are folded as LLVM's own vectoriser does it, down to a number that is then spread. With other
        shuffles, LLVM 22 took one for another (x86-64, AVX-512, sums of booleans).
        """
        code, w, t = self.code, self.code.width, self.values[k][3]
        v, half = code.vector(t), w // 2
        while half:
            lanes = ", ".join([f"i32 {q + half}" if q < half else "i32 poison" for q in range(w)])
            x = self._combine(k, x, code.e(f"shufflevector {v} {x}, {v} poison, <{w} x i32> <{lanes}>"))
            half //= 2
        return code.splat(code.e(f"extractelement {v} {x}, i32 0"), t)

    def _step(self, j: str, mask: str | None, work: list[int], sums: list[int], parts: list[str]) -> list[str]:
        """One vector of the last axis."""
        context, code = Context(j, mask), self.code
        result = dict(zip(sums, parts, strict=True))
        found: list[tuple[int, str]] = []
        for k in work:  # all is read before anything is written
            reduces = self.values[k][0] == "reduce"
            found.append((k, self._cast(self._argument(k, 0, context), k) if reduces else self._value(k, context)))
        for k, x in found:
            value = self.values[k]
            if value[0] != "reduce":
                if k in self.kept:
                    v, y = self._in_memory(x, value[3])
                    code.do(f"store {v} {y}, ptr {self._buffer(k, j)}, align 1")
                if k in self.stored:
                    self._store(x, value[3], *self.stored[k], context)
                continue
            if k in result:
                if mask is not None:
                    x = code.select(mask, x, self._start(k), value[3])
                first = result[k] == self._start(k) and value[1] != "add"
                result[k] = x if first else self._combine(k, result[k], x)
            else:
                p, strides = self.stored[k]
                old = self._load(p, value[3], strides, context)
                v = code.vector(value[3])
                old = code.e(f"select i1 {self._first(k)}, {v} {self._start(k)}, {v} {old}")
                self._store(self._combine(k, old, x), value[3], p, strides, context)
        return [result[k] for k in sums]

    # ---- accumulation over rows ----

    def _first(self, k: int) -> str:
        """Whether this row is the first of those that are reduced to one value."""
        level = self.values[k][6]
        key = "first", level[: self.outer]
        if key not in self.rows:
            with self.code.at(self.header):
                first = ""
                for a in range(self.outer):
                    if not level[a]:
                        here = self.code.e(f"icmp eq i64 {self.index[a]}, {'%lo' if a == 0 else '0'}")
                        first = self.code.e(f"and i1 {first}, {here}") if first else here
                self.rows[key] = first
        return self.rows[key]

    def _accumulate(self, k: int, x: str) -> None:
        """Add a row's value to what rows before it have left."""
        code, t = self.code, self.values[k][3]
        v = code.vector(t)
        if self._compensated(k):
            slots = [self.whole[part, k] for part in ("sum", "error")]
            old = [code.e(f"load {v}, ptr {slot}, align 64") for slot in slots]
            for slot, y in zip(slots, self._two_sum(old[0], old[1], x, t), strict=True):
                code.do(f"store {v} {y}, ptr {slot}, align 64")
            return
        p, strides = self.stored[k]
        pointer = self._base(p, strides)
        one = code.e(f"load {memory(t)}, ptr {pointer}, align {max(int(t[1]), 1)}")
        old_ = self._from_memory(code.splat(one, "u1" if t == "b1" else t), t)
        old_ = code.e(f"select i1 {self._first(k)}, {v} {self._start(k)}, {v} {old_}")
        self._store_first(self._combine(k, old_, x), t, pointer)
