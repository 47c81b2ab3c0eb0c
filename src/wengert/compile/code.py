"""Text of LLVM's language: one function at a time, of vectors of any width.

What is written here has no fast-math flag anywhere, so LLVM neither reorders the user's operations nor contracts them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

# In registers, by NumPy's kind and size; in memory a boolean is a byte.
REGISTER = {
    "f4": "float", "f8": "double", "b1": "i1", "i1": "i8", "u1": "i8", "i2": "i16", "u2": "i16",
    "i4": "i32", "u4": "i32", "i8": "i64", "u8": "i64",
}  # fmt: skip
Lines = list[Any]  # of text, and of such lists: a place in the text to which lines may be added later


@cache
def kind(dtype: Any) -> str:
    """How a dtype is called here: `f4`, `i8`, `b1`."""
    return np.dtype(dtype).str[1:]


def memory(t: str) -> str:
    """LLVM's name of a type in memory."""
    return "i8" if t == "b1" else REGISTER[t]


def literal(value: Any, t: str) -> str:
    """A constant, as LLVM writes it."""
    if t[0] == "f":
        rounded = float(np.float32(value)) if t == "f4" else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
    return str(int(value))


class Code:
    """One function as it is written: `e` writes an instruction and returns the name of its value."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: Lines = []
        self.block = "entry"
        self.declared: dict[str, None] = {}  # what the module has to declare, and which functions it needs
        self.functions: dict[tuple[str, str, int], None] = {}
        self._count = 0

    # ---- text ----

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def e(self, text: str) -> str:
        self._count += 1
        self.lines.append(f"%v{self._count} = {text}")
        return f"%v{self._count}"

    def do(self, text: str) -> None:
        self.lines.append(text)

    def label(self) -> str:
        self._count += 1
        return f"L{self._count}"

    def start(self, label: str) -> None:
        """What follows is the block of that label."""
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.lines.append(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        self.lines.append(f"br i1 {condition}, label %{yes}, label %{no}")

    def place(self) -> Lines:
        """A place here to which lines can be added later."""
        place: Lines = []
        self.lines.append(place)
        return place

    @contextmanager
    def at(self, place: Lines) -> Iterator[None]:
        """What is written goes to that place."""
        self.lines, lines = place, self.lines
        yield
        self.lines = lines

    def text(self) -> str:
        out: list[str] = []
        stack: list[Iterator[Any]] = [iter(self.lines)]
        while stack:
            for line in stack[-1]:
                if isinstance(line, list):
                    stack.append(iter(line))
                    break
                out.append(line)
            else:
                stack.pop()
        return "\n".join(out)

    # ---- values ----

    def vector(self, t: str) -> str:
        return f"<{self.width} x {REGISTER[t]}>"

    def splat(self, x: str, t: str) -> str:
        """A scalar in every lane."""
        v = self.vector(t)
        one = self.e(f"insertelement {v} poison, {REGISTER[t]} {x}, i32 0")
        return self.e(f"shufflevector {v} {one}, {v} poison, <{self.width} x i32> zeroinitializer")

    def constant(self, value: Any, t: str) -> str:
        return self.lanes([value] * self.width, t)

    def lanes(self, values: Sequence[Any], t: str) -> str:
        """A constant vector."""
        r = REGISTER[t]
        texts = [v if isinstance(v, str) else literal(v, t) for v in values]  # a string is a literal already
        return "<" + ", ".join([f"{r} {x}" for x in texts]) + ">"

    def first(self, x: str, t: str) -> str:
        """The value in the first lane."""
        return self.e(f"extractelement {self.vector(t)} {x}, i32 0")

    def call(self, result: str, name: str, *args: tuple[str, str]) -> str:
        """A call of LLVM's own function, with its type written out."""
        types = ", ".join([t for t, _ in args])
        self.declared[f"declare {result} @{name}({types})"] = None
        text = f"call {result} @{name}({', '.join([f'{t} {x}' for t, x in args])})"
        if result == "void":
            self.do(text)
            return ""
        return self.e(text)

    def function(self, name: str, t: str) -> str:
        """The symbol of an elementary function."""
        self.functions[name, t, self.width] = None
        return f"@wg_{name}_{LETTER[t]}_{self.width}"

    def intrinsic(self, name: str, t: str, *xs: str) -> str:
        """`llvm.name` of vectors of one type."""
        v = self.vector(t)
        return self.call(v, f"llvm.{name}.v{self.width}{LETTER[t]}", *[(v, x) for x in xs])

    def select(self, condition: str, x: str, y: str, t: str) -> str:
        v = self.vector(t)
        return self.e(f"select <{self.width} x i1> {condition}, {v} {x}, {v} {y}")

    def compare(self, how: str, x: str, y: str, t: str) -> str:
        return self.e(f"{'fcmp' if t[0] == 'f' else 'icmp'} {how} {self.vector(t)} {x}, {y}")

    # ---- control ----

    def loop(
        self,
        low: str,
        high: str,
        step: int,
        carried: Sequence[tuple[str, str]],
        body: Callable[[str, list[str]], list[str]],
    ) -> list[str]:
        """`for i in range(low, high, step)`, where `body(i, values)` returns the next values of what is carried."""
        head, inside, out = self.label(), self.label(), self.label()
        i, before, values = self.name(), self.block, [self.name() for _ in carried]
        self.jump(head)
        self.start(head)
        phis = self.place()
        go = self.e(f"icmp slt i64 {i}, {high}")
        self.branch(go, inside, out)
        self.start(inside)
        following = body(i, values)
        after = self.e(f"add i64 {i}, {step}")
        latch = self.block
        self.jump(head)
        phis.append(f"{i} = phi i64 [{low}, %{before}], [{after}, %{latch}]")
        for (t, begin), value, then in zip(carried, values, following, strict=True):
            phis.append(f"{value} = phi {t} [{begin}, %{before}], [{then}, %{latch}]")
        self.start(out)
        return values

    def when(
        self, condition: str, carried: Sequence[tuple[str, str]], body: Callable[[list[str]], list[str]]
    ) -> list[str]:
        """`if condition`, after which what is carried has the values that `body` returns, else those it had."""
        inside, out, before = self.label(), self.label(), self.block
        self.branch(condition, inside, out)
        self.start(inside)
        following = body([x for _, x in carried])
        last = self.block
        self.jump(out)
        self.start(out)
        return [
            self.e(f"phi {t} [{x}, %{before}], [{then}, %{last}]")
            for (t, x), then in zip(carried, following, strict=True)
        ]


LETTER = {"f4": "f32", "f8": "f64", "b1": "i1", "i4": "i32", "i8": "i64", "i1": "i8", "u1": "i8", "i2": "i16",
          "u2": "i16", "u4": "i32", "u8": "i64"}  # fmt: skip
