"""What each elementwise operation is in vector code, and in which dtypes: the rest is left to NumPy.

NaN, infinities and signs of zeros as in NumPy: `maximum` hands a NaN on, `fmax` the other operand; comparisons with NaN
are false but for `not_equal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .code import REGISTER, Code, kind

try:
    from . import maths
except ImportError:
    maths = None  # type: ignore[assignment]

Emitter = Callable[..., str]
COMPARISON = {
    "greater": ("ogt", "sgt"), "greater_equal": ("oge", "sge"), "less": ("olt", "slt"), "less_equal": ("ole", "sle"),
    "equal": ("oeq", "eq"), "not_equal": ("une", "ne"),
}  # fmt: skip
_BITWISE = {"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}
_LOGICAL = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"} | _BITWISE
_BOOLEAN = _LOGICAL | {"add": "or", "multiply": "and", "maximum": "or", "minimum": "and", "not_equal": "xor"}
_ROUNDING = {"floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint", "sqrt": "sqrt", "absolute": "fabs",
             "fabs": "fabs"}  # fmt: skip
_ARITHMETIC = {"add": "add", "subtract": "sub", "multiply": "mul"}
_INTEGERS = ("i4", "i8", "u4", "u8")
COSTLY = frozenset({"divide", "sqrt", "reciprocal"})  # and all of `maths`: values worth keeping
REDUCTIONS = frozenset({"add", "multiply", "maximum", "minimum", "logical_and", "logical_or"})


def native(name: str, dtypes: tuple[Any, ...]) -> bool:
    """Whether there is vector code for a ufunc of inputs of these dtypes."""
    t = kind(dtypes[0])
    if any([kind(d) != t for d in dtypes]):
        return False
    return name in _table(t)


def emit(code: Code, name: str, t: str, xs: list[str]) -> str:
    """The value of a ufunc of vectors of one type."""
    return _table(t)[name](code, t, *xs)


def castable(old: Any, new: Any) -> bool:
    """Whether a cast is native: not from a float to an integer, where NumPy's answer to NaN is the machine's."""
    a, b = kind(old), kind(new)
    return a in REGISTER and (b in ("f4", "f8", "b1") or (b in _INTEGERS and a[0] != "f"))


def cast(code: Code, x: str, a: str, b: str) -> str:
    """A vector of type a in type b."""
    if a == b:
        return x
    va, vb = code.vector(a), code.vector(b)
    if b == "b1":
        return code.compare("une" if a[0] == "f" else "ne", x, "zeroinitializer", a)
    if a[0] == "f":
        return code.e(f"{'fpext' if b == 'f8' else 'fptrunc'} {va} {x} to {vb}")
    if b[0] == "f":
        return code.e(f"{'sitofp' if a[0] == 'i' else 'uitofp'} {va} {x} to {vb}")
    if REGISTER[a] == REGISTER[b]:
        return x
    widens = a == "b1" or int(a[1]) < int(b[1])
    return code.e(f"{('sext' if a[0] == 'i' else 'zext') if widens else 'trunc'} {va} {x} to {vb}")


def identity(name: str, t: str) -> Any:
    """What a reduction starts from. As in NumPy, a sum of -0.0 alone is 0.0."""
    if name in ("maximum", "minimum"):
        sign = -1 if name == "maximum" else 1
        if t[0] == "f":
            return sign * np.inf
        if t[0] == "b":
            return name == "minimum"
        info = np.iinfo(t)
        return info.min if sign < 0 else info.max
    return int(name in ("multiply", "logical_and"))


# ---- the operations ----------------------------------------------------------------------------------------------


def _instruction(text: str) -> Emitter:
    return lambda code, t, x, y: code.e(f"{text} {code.vector(t)} {x}, {y}")


def _comparison(how: str) -> Emitter:
    return lambda code, t, x, y: code.compare(how, x, y, t)


def _larger(how: str) -> Emitter:
    def op(code: Code, t: str, x: str, y: str) -> str:  # the second where they are equal or either is NaN ...
        z = code.select(code.compare(how, x, y, t), x, y, t)
        return z if t[0] != "f" else code.select(code.compare("uno", x, x, t), x, z, t)  # ... but a NaN is handed on

    return op


def _larger_number(how: str) -> Emitter:
    def op(code: Code, t: str, x: str, y: str) -> str:
        z = code.select(code.compare(how, x, y, t), x, y, t)
        return code.select(code.compare("uno", y, y, t), x, z, t)

    return op


def _intrinsic(name: str) -> Emitter:
    return lambda code, t, x: code.intrinsic(name, t, x)


def _sign(code: Code, t: str, x: str) -> str:
    f, zero = t[0] == "f", "zeroinitializer"
    z = code.select(code.compare("olt" if f else "slt", x, zero, t), code.constant(-1, t), zero, t)
    z = code.select(code.compare("ogt" if f else "sgt", x, zero, t), code.constant(1, t), z, t)
    return z if not f else code.select(code.compare("uno", x, x, t), x, z, t)


def _signbit(code: Code, t: str, x: str) -> str:
    i = "i" + t[1]
    bits = code.e(f"bitcast {code.vector(t)} {x} to {code.vector(i)}")
    return code.compare("slt", bits, "zeroinitializer", i)


def _not(code: Code, t: str, x: str) -> str:
    return code.e(f"xor {code.vector(t)} {x}, {code.constant(-1, t)}")


def _negative(code: Code, t: str, x: str) -> str:
    return code.e(f"fneg {code.vector(t)} {x}" if t[0] == "f" else f"sub {code.vector(t)} zeroinitializer, {x}")


def _integer_absolute(code: Code, t: str, x: str) -> str:
    return code.select(code.compare("slt", x, "zeroinitializer", t), _negative(code, t, x), x, t)


def _absolute(code: Code, t: str, x: str) -> str:
    return code.intrinsic("fabs", t, x)


def _infinity(how: str) -> Emitter:
    return lambda code, t, x: code.compare(how, _absolute(code, t, x), code.constant(np.inf, t), t)


def _function(name: str) -> Emitter:
    """A call of one of the functions of `maths`, which are defined beside the code that uses them."""

    def op(code: Code, t: str, *xs: str) -> str:
        symbol = code.function(name, t)
        v = code.vector(t)
        if code.width > 1:
            return code.e(f"call {v} {symbol}({', '.join([f'{v} {x}' for x in xs])})")
        r = REGISTER[t]
        ones = [code.first(x, t) for x in xs]
        one = code.e(f"call {r} {symbol}({', '.join([f'{r} {x}' for x in ones])})")
        return code.e(f"insertelement {v} poison, {r} {one}, i32 0")

    return op


_square: Emitter = lambda code, t, x: code.e(f"{'f' * (t[0] == 'f')}mul {code.vector(t)} {x}, {x}")  # noqa: E731
_tables: dict[str, dict[str, Emitter]] = {}


def _table(t: str) -> dict[str, Emitter]:
    """The operations that there are on a type."""
    if t not in _tables:
        _tables[t] = _float_table(t) | _FUNCTIONS if t in ("f4", "f8") else _integer_table(t) if t in _INTEGERS else {}
        if t == "b1":
            table = {name: _instruction(op) for name, op in _BOOLEAN.items()}
            table["equal"] = lambda code, t, x, y: _not(code, t, code.e(f"xor {code.vector(t)} {x}, {y}"))
            _tables[t] = table | {"logical_not": _not, "invert": _not, "copy": lambda code, t, x: x}
    return _tables[t]


def _float_table(t: str) -> dict[str, Emitter]:
    table: dict[str, Emitter] = {name: _instruction(f"f{op}") for name, op in _ARITHMETIC.items()}
    table |= {"divide": _instruction("fdiv")}
    table |= {name: _comparison(how) for name, (how, _) in COMPARISON.items()}
    table |= {name: _intrinsic(op) for name, op in _ROUNDING.items()}
    table |= {
        "maximum": _larger("ogt"),
        "minimum": _larger("olt"),
        "fmax": _larger_number("ogt"),
        "fmin": _larger_number("olt"),
        "negative": _negative,
        "positive": lambda code, t, x: x,
        "copy": lambda code, t, x: x,
        "conjugate": lambda code, t, x: x,
        "square": _square,
        "reciprocal": lambda code, t, x: code.e(f"fdiv {code.vector(t)} {code.constant(1, t)}, {x}"),
        "sign": _sign,
        "signbit": _signbit,
        "isnan": lambda code, t, x: code.compare("uno", x, x, t),
        "isinf": _infinity("oeq"),
        "isfinite": _infinity("olt"),
        "copysign": lambda code, t, x, y: code.intrinsic("copysign", t, x, y),
    }
    return table


# those of `maths` that are more than an instruction or two, of floats and with floats for results
FUNCTIONS = frozenset(maths.FUNCTIONS if maths is not None else ()) - frozenset(_float_table("f4"))
_FUNCTIONS = {name: _function(name) for name in FUNCTIONS}


def _integer_table(t: str) -> dict[str, Emitter]:
    table = {name: _instruction(op) for name, op in (_ARITHMETIC | _BITWISE).items()}
    signed = t[0] == "i"
    table |= {name: _comparison(how if signed else how.replace("s", "u")) for name, (_, how) in COMPARISON.items()}
    return table | {
        "maximum": _larger("sgt" if signed else "ugt"),
        "minimum": _larger("slt" if signed else "ult"),
        "negative": _negative,
        "positive": lambda code, t, x: x,
        "copy": lambda code, t, x: x,
        "conjugate": lambda code, t, x: x,
        "square": _square,
        "absolute": _integer_absolute if signed else lambda code, t, x: x,
        "invert": _not,
        **({"sign": _sign} if signed else {}),
    }


def library(functions: Any, fma: bool, declared: set[str]) -> str:
    """The text of elementary functions, of (name, type, width), with these declarations and those that they need."""
    if maths is None:
        return "\n".join(sorted(declared))
    found = maths.Library(fma)
    for name, t, width in sorted(functions):
        found.function(name, np.dtype(t), width)
    for line in sorted(declared):
        found.declare(line)
    return str(found.text())
