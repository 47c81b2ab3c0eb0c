"""LLVM's language, written as arithmetic: a `Value` is a line of it, and the operators add lines.

A value is a vector (a scalar where the width is one) of floats, of integers as wide as these, or of bits, one a lane.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

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

    def __init__(self, dtype: Any, width: int, fma: bool, others: set[str] | None = None) -> None:
        self.dtype, self.width, self.fused = np.dtype(dtype), width, fma
        self.double = self.dtype == np.float64
        self.bits, self.mantissa, self.bias = (64, 52, 1023) if self.double else (32, 23, 127)
        self.lines: list[str] = []
        self.needs: set[str] = set() if others is None else others  # names of functions, and declarations
        self._names = 0

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

    def fresh(self) -> str:
        """A name that no other line has."""
        self._names += 1
        return f"%v{self._names}.{self.bits}"

    def line(self, kind: str, text: str) -> Value:
        """The value of a line."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(self, kind, name)

    def intrinsic(self, name: str, *values: Any) -> Value:
        """A call of `llvm.name` on floats."""
        t = self.type(FLOAT)
        symbol = f"@llvm.{name}.{self.suffix}"
        self.needs.add(f"declare {t} {symbol}({', '.join([t] * len(values))})")
        arguments = ", ".join([f"{t} {self.value(x).name}" for x in values])
        return self.line(FLOAT, f"call {t} {symbol}({arguments})")

    # ---- arithmetic ----------------------------------------------------------------------------------------------

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x y + z, with one rounding where the target can."""
        if self.fused:
            return self.intrinsic("fma", x, y, z)
        return self.value(x) * y + z

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """By Horner's rule; the coefficient of the highest power comes first."""
        y = self.value(coefficients[0])
        for c in coefficients[1:]:
            y = self.fma(y, x, c)
        return y

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

    def minimum(self, x: Operand, y: Operand) -> Value:
        """The lesser; y if there is none. One instruction on x86."""
        x = self.value(x)
        return self.select(x < y, x, y)

    def maximum(self, x: Operand, y: Operand) -> Value:
        """The greater; y if there is none."""
        x = self.value(x)
        return self.select(x > y, x, y)

    def nearest(self, x: Value) -> tuple[Value, Value]:
        """x, at most 2^22 (2^51 in float64) in magnitude, rounded to an integer: the float, and the integer whose
        low bits are right (the high ones are those of a large float)."""
        magic = 1.5 * 2.0**self.mantissa  # there, a unit in the last place is 1
        y = x + magic
        return y - magic, y.bits

    def integer(self, x: Value) -> Value:
        """An integer from a float without fraction."""
        return self.line(INTEGER, f"fptosi {self.type(FLOAT)} {x.name} to {self.type(INTEGER)}")

    def float(self, k: Value) -> Value:
        """A float from an integer of at most 51 (22) bits."""
        if self.double:  # few targets convert vectors of 64-bit integers
            magic = 1.5 * 2.0**self.mantissa
            return (k + struct.unpack("<q", struct.pack("<d", magic))[0]).float - magic
        return self.line(FLOAT, f"sitofp {self.type(INTEGER)} {k.name} to {self.type(FLOAT)}")

    def power_of_two(self, k: Value) -> Value:
        """2^k, for exponents of normal floats."""
        return ((k + self.bias) << self.mantissa).float

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

    # ---- blocks --------------------------------------------------------------------------------------------------

    def any(self, mask: Value) -> str:
        """The name of a bit: whether one lane has it."""
        if self.width == 1:
            return mask.name
        word, bit = self.fresh(), self.fresh()
        self.lines.append(f"  {word} = bitcast {self.type(MASK)} {mask.name} to i{self.width}")
        self.lines.append(f"  {bit} = icmp ne i{self.width} {word}, 0")
        return bit


def literal(x: float, dtype: Any) -> str:
    """A float as LLVM writes it: by the bits of a double, which has to be exact."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(np.dtype(dtype).type(x))))[0]:016X}"
