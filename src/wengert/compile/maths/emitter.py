"""LLVM's language, written as arithmetic: a `Value` is a line of it, and the operators add lines.

A value is a vector (a scalar where the width is one) of floats, of integers as wide as these, or of bits, one a lane.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .coefficients import COEFFICIENTS, PARTS

FLOAT, INTEGER, MASK = "f", "i", "m"
Operand: TypeAlias = "Value | float"


class Value:
    """A name in the text, of one of the three kinds."""

    __slots__ = ("emitter", "kind", "name")

    def __init__(self, emitter: Emitter, kind: str, name: str) -> None:
        self.emitter, self.kind, self.name = emitter, kind, name

    def _binary(self, floats: str, integers: str, other: Any, swap: bool = False) -> Value:
        e = self.emitter
        other = e.value(other, self.kind)
        a, b = (other, self) if swap else (self, other)
        if self.kind == FLOAT and floats in ("and", "or", "xor"):
            raise TypeError("floats have no bits: take .bits")
        op = floats if self.kind == FLOAT else integers
        return e.line(self.kind, f"{op} {e.type(self.kind)} {a.name}, {b.name}")

    def __add__(self, other: Operand) -> Value:
        return self._binary("fadd", "add", other)

    def __radd__(self, other: Operand) -> Value:
        return self._binary("fadd", "add", other, swap=True)

    def __sub__(self, other: Operand) -> Value:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Operand) -> Value:
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other: Operand) -> Value:
        return self._binary("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Operand) -> Value:
        return self._binary("fdiv", "", other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._binary("fdiv", "", other, swap=True)

    def __lshift__(self, other: Operand) -> Value:
        return self._binary("", "shl", other)

    def __rshift__(self, other: Operand) -> Value:  # keeps the sign
        return self._binary("", "ashr", other)

    def lshr(self, other: Operand) -> Value:
        """Shifted to the right, zeros from the left."""
        return self._binary("", "lshr", other)

    def __and__(self, other: Operand) -> Value:
        return self._binary("and", "and", other)

    def __or__(self, other: Operand) -> Value:
        return self._binary("or", "or", other)

    def __xor__(self, other: Operand) -> Value:
        return self._binary("xor", "xor", other)

    def __neg__(self) -> Value:
        e = self.emitter
        if self.kind == FLOAT:
            return e.line(FLOAT, f"fneg {e.type(FLOAT)} {self.name}")
        return e.value(0, INTEGER) - self

    def __invert__(self) -> Value:
        return self ^ (1 if self.kind == MASK else -1)

    def __abs__(self) -> Value:
        return self.emitter.intrinsic("fabs", self)

    def _compare(self, floats: str, integers: str, other: Any) -> Value:
        e = self.emitter
        op = f"fcmp {floats}" if self.kind == FLOAT else f"icmp {integers}"
        return e.line(MASK, f"{op} {e.type(self.kind)} {self.name}, {e.value(other, self.kind).name}")

    def __lt__(self, other: Operand) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Operand) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Operand) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Operand) -> Value:
        return self._compare("oge", "sge", other)

    def __eq__(self, other: object) -> Value:  # type: ignore[override]
        return self._compare("oeq", "eq", other)

    def __ne__(self, other: object) -> Value:  # type: ignore[override]
        return self._compare("une", "ne", other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def isnan(self) -> Value:
        """Whether it is no number."""
        return self._compare("uno", "", self)

    @property
    def bits(self) -> Value:
        """The same bits as an integer."""
        e = self.emitter
        return e.line(INTEGER, f"bitcast {e.type(FLOAT)} {self.name} to {e.type(INTEGER)}")

    @property
    def float(self) -> Value:
        """The same bits as a float."""
        e = self.emitter
        return e.line(FLOAT, f"bitcast {e.type(INTEGER)} {self.name} to {e.type(FLOAT)}")


class Emitter:
    """Collects the lines of one function on `width` lanes of `dtype`.

    `fma` says that the target multiplies and adds with one rounding and rounds to integers in one instruction; else
    the lines do without both, since LLVM would call the C library.
    """

    def __init__(self, dtype: Any, width: int, fma: bool) -> None:
        self.dtype, self.width, self.fused = np.dtype(dtype), width, fma
        self.double = self.dtype == np.float64
        self.bits, self.mantissa, self.bias = (64, 52, 1023) if self.double else (32, 23, 127)
        self.digits = self.mantissa + 1  # that a result has to have
        self.text = Text()

    def doubled(self) -> Emitter:
        """Writes on, in float64, what has to be right to float32's digits."""
        e = Emitter(np.float64, self.width, self.fused)
        e.digits, e.text = 32, self.text
        return e

    def widened(self, x: Value) -> Value:
        """A float32 of another emitter as a float64 of this one."""
        return self.line(FLOAT, f"fpext {x.emitter.type(FLOAT)} {x.name} to {self.type(FLOAT)}")

    def narrowed(self, x: Value) -> Value:
        """A float64 of another emitter, rounded to this one's float32."""
        return self.line(FLOAT, f"fptrunc {x.emitter.type(FLOAT)} {x.name} to {self.type(FLOAT)}")

    # ---- names, types and constants ------------------------------------------------------------------------------

    @property
    def _scalars(self) -> dict[str, str]:
        return {FLOAT: "double" if self.double else "float", INTEGER: f"i{self.bits}", MASK: "i1"}

    def type(self, kind: str) -> str:
        """LLVM's name of the type of a kind's values."""
        scalar = self._scalars[kind]
        return scalar if self.width == 1 else f"<{self.width} x {scalar}>"

    @property
    def suffix(self) -> str:
        """What follows an intrinsic's name for floats."""
        return f"f{self.bits}" if self.width == 1 else f"v{self.width}f{self.bits}"

    def value(self, x: Any, kind: str = FLOAT) -> Value:
        """A value as it is, or a number in every lane."""
        if isinstance(x, Value):
            return x
        scalar = self._scalars[kind]
        text = literal(x, self.dtype) if kind == FLOAT else str(int(x))
        return Value(self, kind, text if self.width == 1 else f"splat ({scalar} {text})")

    def line(self, kind: str, text: str) -> Value:
        """The value of a line."""
        return Value(self, kind, self.text.assign(text))

    def intrinsic(self, name: str, *values: Any) -> Value:
        """A call of `llvm.name` on floats."""
        t = self.type(FLOAT)
        symbol = f"@llvm.{name}.{self.suffix}"
        self.text.needs.add(f"declare {t} {symbol}({', '.join([t] * len(values))})")
        arguments = ", ".join([f"{t} {self.value(x).name}" for x in values])
        return self.line(FLOAT, f"call {t} {symbol}({arguments})")

    # ---- arithmetic ----------------------------------------------------------------------------------------------

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x y + z, with one rounding where the target can."""
        if self.fused:
            return self.intrinsic("fma", x, y, z)
        return self.value(x) * y + z

    def exact_fma(self, x: Value, y: Value, z: Value) -> Value:
        """x y + z, with nearly one rounding on all targets."""
        if self.fused:
            return self.fma(x, y, z)
        p, low = self.two_product(x, y)
        return p + (z + low)

    def polynomial(self, x: Value, name: str) -> Value:
        """A row of the table of coefficients, at x, by Horner's rule."""
        coefficients = COEFFICIENTS[name][self.digits]
        y = self.value(coefficients[0])
        for c in coefficients[1:]:
            y = self.fma(y, x, c)
        return y

    def parts(self, name: str) -> tuple[float, ...]:
        """A constant, as the sum of floats that get ever smaller."""
        return PARTS[name][self.bits]

    def select(self, mask: Value, x: Operand | Value, y: Operand) -> Value:
        """x where the mask, else y."""
        kind = x.kind if isinstance(x, Value) else y.kind if isinstance(y, Value) else FLOAT
        t, x, y = self.type(kind), self.value(x, kind), self.value(y, kind)
        return self.line(kind, f"select {self.type(MASK)} {mask.name}, {t} {x.name}, {t} {y.name}")

    def sqrt(self, x: Value) -> Value:
        """The square root, correctly rounded."""
        return self.intrinsic("sqrt", x)

    def copysign(self, x: Operand, y: Value) -> Value:
        """|x| with the sign of y."""
        return self.intrinsic("copysign", x, y)

    def nearest(self, x: Value) -> tuple[Value, Value]:
        """x rounded to an integer, as a float and as an integer of which only the 22 low bits (51 in float64) are right;
        |x| has to fit them. `power_of_two` needs no others."""
        magic = 1.5 * 2.0**self.mantissa  # there, a unit in the last place is 1
        y = x + magic
        return y - magic, y.bits

    def power_of_two(self, k: Value) -> Value:
        """2^k, for exponents of normal floats."""
        return ((k + self.bias) << self.mantissa).float

    def exponent(self, bits: Value) -> Value:
        """The exponent, as a float, in the bits of a positive normal float."""
        top = 2.0**self.mantissa  # its last bit is 1
        return (bits.lshr(self.mantissa) | self.integer_of(top)).float - (top + self.bias)

    def integer_of(self, x: float) -> int:
        """The bits of a constant."""
        return int(np.array(x, self.dtype).view(f"i{self.bits // 8}"))

    def two_sum(self, x: Value, y: Operand) -> tuple[Value, Value]:
        """x + y as a float and what it lacks (Knuth)."""
        y = self.value(y)
        s = x + y
        t = s - x
        return s, (x - (s - t)) + (y - t)

    def fast_two_sum(self, x: Operand, y: Operand) -> tuple[Value, Value]:
        """The same where |x| >= |y| (Dekker)."""
        x, y = self.value(x), self.value(y)
        s = x + y
        return s, y - (s - x)

    def high(self, x: Operand) -> Value:
        """x with the lower half of its digits cleared."""
        return (self.value(x).bits & (-(1 << (27 if self.double else 12)))).float

    def two_product(self, x: Operand, y: Operand) -> tuple[Value, Value]:
        """x y as a float and what it lacks; without FMA by halves, to twice the digits less one."""
        x, y = self.value(x), self.value(y)
        p = x * y
        if self.fused:
            return p, self.fma(x, y, -p)
        a, b = self.high(x), self.high(y)
        c, d = x - a, y - b
        return p, ((a * b - p) + a * d + c * b) + c * d

    def quotient(self, x: Value, x_low: Operand, y: Value, y_low: Operand) -> tuple[Value, Value]:
        """(x + x_low) / (y + y_low) as a float and what it lacks."""
        inverse = 1.0 / y
        q = x * inverse
        p, p_low = self.two_product(q, y)
        return q, ((x - p) - p_low + x_low - q * y_low) * inverse

    def fast_quotient(self, x: Value, x_low: Operand, y: Value, y_low: Operand) -> Value:
        """Their sum."""
        q, low = self.quotient(x, x_low, y, y_low)
        return q + low

    # ---- blocks --------------------------------------------------------------------------------------------------

    def any(self, mask: Value) -> str:
        """The name of a bit: whether one lane has it."""
        if self.width == 1:
            return mask.name
        word = self.text.assign(f"bitcast {self.type(MASK)} {mask.name} to i{self.width}")
        return self.text.assign(f"icmp ne i{self.width} {word}, 0")

    def loop(self, test: Callable[[Value], Value], step: Callable[[Value], Value], x: Value) -> Value:
        """x, of which each lane has become step(x) while it passed the test; few need more than one step."""
        text, t = self.text, self.type(x.kind)
        before, (head, body, done) = text.block, text.labels("head", "body", "done")
        text.goto(head)
        text.open(head)
        now = self.line(x.kind, "")
        place = len(text.lines) - 1
        mask = test(now)
        text.branch(self.any(mask), body, done)
        text.open(body)
        after = self.select(mask, step(now), now)
        text.lines[place] = f"  {now.name} = phi {t} [{x.name}, %{before}], [{after.name}, %{text.block}]"
        text.goto(head)
        text.open(done)
        return now

    def replace(
        self, mask: Value, x: Value, values: Sequence[Value], scalar: Callable[[Emitter, Value], Sequence[Value]]
    ) -> list[Value]:
        """The values; in the lanes of the mask, which are rare, what the scalar code gives for x."""
        text, one = self.text, Emitter(self.dtype, 1, self.fused)
        one.text = text
        before, (slow, head, lane, after, done) = text.block, text.labels("slow", "head", "lane", "after", "done")
        text.branch(self.any(mask), slow, done)
        text.open(slow)
        text.goto(head)
        text.open(head)
        index, now = text.assign(""), [self.line(v.kind, "") for v in values]
        place = len(text.lines) - 1 - len(values)
        bit = mask.name if self.width == 1 else text.assign(f"extractelement {self.type(MASK)} {mask.name}, i32 {index}")
        text.branch(bit, lane, after)
        text.open(lane)
        if self.width > 1:
            x = one.line(FLOAT, f"extractelement {self.type(FLOAT)} {x.name}, i32 {index}")
        new = list(scalar(one, x))
        for k, (v, n) in enumerate(zip(new, now, strict=True)):
            if self.width > 1:
                t = f"insertelement {self.type(v.kind)} {n.name}, {one.type(v.kind)} {v.name}, i32 {index}"
                new[k] = self.line(v.kind, t)
        text.goto(after)
        text.open(after)
        merged = [
            self.line(v.kind, f"phi {self.type(v.kind)} [{n.name}, %{head}], [{v.name}, %{lane}]")
            for v, n in zip(new, now, strict=True)
        ]
        following = text.assign(f"add i32 {index}, 1")
        text.branch(text.assign(f"icmp slt i32 {following}, {self.width}"), head, done, rare=False)
        text.lines[place] = f"  {index} = phi i32 [0, %{slow}], [{following}, %{after}]"
        for k, (v, n, m) in enumerate(zip(values, now, merged, strict=True)):
            t = self.type(v.kind)
            text.lines[place + 1 + k] = f"  {n.name} = phi {t} [{v.name}, %{slow}], [{m.name}, %{after}]"
        text.open(done)
        return [
            self.line(v.kind, f"phi {self.type(v.kind)} [{v.name}, %{before}], [{m.name}, %{after}]")
            for v, m in zip(values, merged, strict=True)
        ]


class Text:
    """The lines of a function, and what they need beside themselves."""

    def __init__(self) -> None:
        self.lines = ["entry:"]
        self.block = "entry"  # the label of the block that is being written
        self.needs: set[str] = set()  # declarations, and definitions of other functions
        self._names = 0

    def assign(self, text: str) -> str:
        """The name of a line's result."""
        self._names += 1
        self.lines.append(f"  %v{self._names} = {text}")
        return f"%v{self._names}"

    def labels(self, *names: str) -> list[str]:
        """Labels that no other block has."""
        self._names += 1
        return [f"{name}{self._names}" for name in names]

    def open(self, label: str) -> None:
        """A block begins."""
        self.lines.append(f"{label}:")
        self.block = label

    def goto(self, label: str) -> None:
        """A block ends."""
        self.lines.append(f"  br label %{label}")

    def branch(self, bit: str, yes: str, no: str, rare: bool = True) -> None:
        """A block ends; yes is seldom the case."""
        weights = ', !prof !{!"branch_weights", i32 1, i32 2000}' if rare else ""
        self.lines.append(f"  br i1 {bit}, label %{yes}, label %{no}{weights}")


def wide(write: Callable[..., Value]) -> Callable[..., Value]:
    """The same function, where float32 is computed in float64: twice the work, and none for its range and rounding."""

    def widened(e: Emitter, *xs: Value) -> Value:
        if e.double:
            return write(e, *xs)
        f = e.doubled()
        return e.narrowed(write(f, *[f.widened(x) for x in xs]))

    return widened


def literal(x: float, dtype: Any) -> str:
    """A float as LLVM writes it: by the bits of a double, which has to be exact."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(np.dtype(dtype).type(x))))[0]:016X}"
