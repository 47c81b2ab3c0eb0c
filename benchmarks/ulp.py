"""Accuracy of the compiler's functions, in units in the last place: `docs/compiled_functions.md`.

float32: every argument (or one of `--stride`), against NumPy's float64. float64: random arguments of the intervals
where a function does something, and of all bit patterns, against NumPy's `longdouble` of 64 digits, or mpmath.
"""

from __future__ import annotations

import argparse
import ctypes
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.maths import FUNCTIONS, Library
from wengert.compile.maths.emitter import FLOAT, Emitter, Value

try:
    import llvmlite.binding as llvm
    import mpmath as mp
    import scipy.special
except ImportError as error:  # the other benchmarks do without them
    missing: ImportError | None = error
else:
    missing = None

MASKS = ("isnan", "isinf", "isfinite", "signbit")
_ENGINES: list[Any] = []


def host() -> str:
    """The features of this processor."""
    return llvm.get_host_cpu_features().flatten()


def machine(triple: str = "", cpu: str = "", features: str = "") -> Any:
    """A target, by default this machine."""
    if triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=2)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2)


def source(name: str, dtype: Any, width: int, fma: bool) -> str:
    """A module with the loop `f(n, z, x, y)` of the function over n elements, a multiple of the width."""
    library = Library(fma)
    symbol = library.function(name, dtype, width)
    scalar = "double" if np.dtype(dtype) == np.float64 else "float"
    count, mask = FUNCTIONS[name][0], name in MASKS
    t, bits = (scalar, "i1") if width == 1 else (f"<{width} x {scalar}>", f"<{width} x i1>")
    size = np.dtype(dtype).itemsize
    lines = ["define void @f(i64 %n, ptr %z, ptr %x, ptr %y) {", "entry:", "  br label %head", "head:"]
    lines += ["  %i = phi i64 [0, %entry], [%j, %body]", "  %c = icmp slt i64 %i, %n"]
    lines += ["  br i1 %c, label %body, label %done", "body:"]
    for v in "xy"[:count]:
        lines += [f"  %p{v} = getelementptr {scalar}, ptr %{v}, i64 %i", f"  %v{v} = load {t}, ptr %p{v}, align {size}"]
    arguments = ", ".join([f"{t} %v{v}" for v in "xy"[:count]])
    lines += [f"  %r = call {bits if mask else t} {symbol}({arguments})"]
    if mask:
        lines += [f"  %m = uitofp {bits} %r to {t}"]
    lines += [f"  %pz = getelementptr {scalar}, ptr %z, i64 %i"]
    lines += [f"  store {t} {'%m' if mask else '%r'}, ptr %pz, align {size}", f"  %j = add i64 %i, {width}"]
    lines += ["  br label %head", "done:", "  ret void", "}"]
    return library.text() + "\n".join(lines)


def optimized(text: str, target: Any) -> Any:
    """A module after LLVM's passes."""
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple = target.triple
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return module


def linked(text: str, target: Any) -> Any:
    """The function `f` of a module."""
    engine = llvm.create_mcjit_compiler(optimized(text, target), target)
    engine.finalize_object()
    _ENGINES.append(engine)  # which owns the code
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 3)(engine.get_function_address("f"))


def compiled(name: str, dtype: Any, width: int, cpu: str = "", features: str | None = None) -> Any:
    """The function on whole arrays of one dtype, a multiple of the width long; by default for this processor."""
    features = host() if features is None else features
    target = machine("", cpu, features)
    f = linked(source(name, dtype, width, "+fma" in features.split(",")), target)

    def call(x: Any, y: Any = None, out: Any = None) -> Any:
        out = np.empty_like(x) if out is None else out
        f(x.size, out.ctypes.data, x.ctypes.data, 0 if y is None else y.ctypes.data)
        return out

    return call


# ---- truth ----------------------------------------------------------------------------------------------------------


def reference(name: str) -> Callable[..., Any]:
    """NumPy's or SciPy's function."""
    return getattr(np, name, None) or getattr(scipy.special, name)  # type: ignore[no-any-return]


def truth(name: str, *xs: Any) -> Any:
    """The values with more digits than those of the arguments' dtype."""
    with np.errstate(all="ignore"):
        if xs[0].dtype == np.float32:
            return reference(name)(*[x.astype(np.float64) for x in xs])
        if name in ("erf", "erfc"):
            return np.array([_by_mpmath(name, float(x)) for x in xs[0]])
        return reference(name)(*[x.astype(np.longdouble) for x in xs])


def _by_mpmath(name: str, x: float) -> Any:
    if name == "erf" and not abs(x) > 0:
        return np.longdouble(x)
    with mp.workprec(80):
        mantissa, exponent = mp.frexp(getattr(mp, name)(mp.mpf(max(min(x, 30.0), -30.0)))) if x == x else (mp.nan, 0)
        high = float(mantissa)
        return np.ldexp(np.longdouble(high) + np.longdouble(float(mantissa - high)), int(exponent))


EXACT = ("fmod", "remainder", "floor_divide")  # NumPy's own results, bit by bit
SUMS = ("logaddexp", "logaddexp2")  # which cancel: in units of the last place of the largest of result and arguments


def units(name: str, z: Any, w: Any, xs: Any) -> Any:
    """|z - w| in units in the last place of w; 0 where both are NaN or equal, infinite where only one is NaN."""
    wide = np.float64 if z.dtype == np.float32 else np.longdouble
    info = np.finfo(z.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(w).astype(np.float64)
        if name in SUMS:
            for x in xs:
                size = np.maximum(size, np.abs(x))
        top = wide(2) ** info.maxexp  # where an infinite result has come from
        size = np.minimum(size, float(info.max))
        exponent = (size.view(np.int64) & (0x7FF << 52)).view(np.float64)  # the power of two below
        unit = np.maximum(exponent * 2.0**-info.nmant, float(info.smallest_subnormal))
        error = np.abs(np.clip(z.astype(wide), -top, top) - np.clip(w, -top, top)) / unit
        wrong = np.isnan(z) != np.isnan(w)
        if name not in SUMS:
            wrong |= (np.signbit(z) != np.signbit(w)) & ~np.isnan(w)
        error[np.isnan(w)] = 0
        error[wrong] = np.inf
    return error.astype(np.float64)


# ---- arguments ------------------------------------------------------------------------------------------------------

SPECIAL = (
    *(1.0, np.inf, 5e-324, 1e-310, 2.3e-308, 1e-45, 1e-40, 1.2e-38, 0.25, 0.5, 0.3, 2.0, 3.0, 2.5, 1.5, 1e10, 1e22),
    *(1e30, 1e38, 3e38, 1e300, 1.7e308, 88.7, 89.0, 89.4, 709.7, 709.8, 710.4, 710.5, 745.2, 744.0, 87.5, 103.9, 104.0),
    *(37.0, 20.0, 1e-20, 4.0, 8.0, 27.0, 26.5, 27.3, 6.0, 100.0, 1e-5, 0.99999, 1024.0, 1074.0, 1075.0, 1022.5, 128.0),
    *(149.0, 150.0, 2.0**52 + 1, 2.0**52 - 0.5, 2.0**53 + 2, 2.0**23 + 1, 2.0**23 - 0.5, 2.0**24 + 2, 2.0**70, 0.0),
)

# Beyond these magnitudes a result is 0, 1, an infinity, or takes long to reduce: one in 64 arguments is taken there.
LIMITS = {
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), 256.0),
    **dict.fromkeys(("tanh", "erf", "erfc"), 16.0),
    **dict.fromkeys(("sin", "cos", "tan"), 2.0**16),
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), 1.0),
}

# Beside all bit patterns; a tuple has an interval for each argument, and `log` takes logarithms of the arguments there.
INTERVALS: dict[str, list[Any]] = {
    "exp": [(-750, 715), (-1, 1)],
    "exp2": [(-1080, 1030), (-1, 1)],
    "expm1": [(-50, 715), (-1, 1), (-0.01, 0.01)],
    "log": [(0, 4), (0.9, 1.1)],
    "log2": [(0, 4), (0.9, 1.1)],
    "log10": [(0, 4), (0.9, 1.1)],
    "log1p": [(-1, 4), (-0.01, 0.01)],
    "tanh": [(-22, 22), (-1, 1)],
    "sinh": [(-712, 712), (-2, 2)],
    "cosh": [(-712, 712), (-2, 2)],
    "arcsinh": [(-3, 3), (-100, 100)],
    "arccosh": [(1, 3), (1, 1.01), (1, 100)],
    "arctanh": [(-1, 1), (-0.01, 0.01)],
    "sin": [(-8, 8), (-1e4, 1e4), (-4e6, 4e6)],
    "cos": [(-8, 8), (-1e4, 1e4), (-4e6, 4e6)],
    "tan": [(-8, 8), (-1e4, 1e4), (-4e6, 4e6)],
    "arcsin": [(-1, 1), (0.45, 0.55), (0.999, 1)],
    "arccos": [(-1, 1), (0.45, 0.55), (-0.55, -0.45), (0.999, 1)],
    "arctan": [(-3, 3), (-100, 100), (0.4, 0.5)],
    "arctan2": [((-1, 1), (-1, 1)), ((0.4, 0.5), (1, 1.01))],
    "cbrt": [(-8, 8)],
    "hypot": [((-1, 1), (-1, 1)), ((1, 1.01), (0.9, 1.1))],
    "power": [((0, 2), (-700, 700)), ((0, 100), (-20, 20)), ((0.999, 1.001), (-3e5, 3e5)), ((1e200, 1e300), (-1, 1))],
    "logaddexp": [((-1, 1), (-1, 1)), ((-40, 40), (-40, 40))],
    "logaddexp2": [((-1, 1), (-1, 1)), ((-40, 40), (-40, 40))],
    "erf": [(-1.5, 1.5), (-6, 6)],
    "erfc": [(-1.5, 1.5), (-6, 28), (26, 27.3)],
    "fmod": [((-100, 100), (-3, 3))],
    "remainder": [((-100, 100), (-3, 3))],
    "floor_divide": [((-100, 100), (-3, 3))],
}


def special(count: int, dtype: Any) -> list[Any]:
    """Arguments at which something special happens, and all pairs of them."""
    with np.errstate(over="ignore"):
        s = np.array([*SPECIAL, *[-x for x in SPECIAL], np.nan]).astype(dtype)
    xs = [s] if count == 1 else [a.ravel() for a in np.meshgrid(s, s)]
    return [np.resize(x, -(-x.size // 16) * 16).astype(dtype) for x in xs]


def samples(name: str, dtype: Any, n: int, seed: int) -> Iterator[list[Any]]:
    """n arguments of each interval, of neighbours of special ones, and of all bit patterns."""
    rng, count = np.random.default_rng(seed), FUNCTIONS[name][0]
    integer = f"i{np.dtype(dtype).itemsize}"
    for interval in INTERVALS[name]:
        yield [rng.uniform(a, b, n).astype(dtype) for a, b in (interval if count == 2 else [interval])]
    info = np.iinfo(integer)
    yield [rng.integers(info.min, info.max, n, integer).view(dtype) for _ in range(count)]
    s = special(1, dtype)[0]
    yield [rng.choice(s, n).view(integer).__add__(rng.integers(-40, 40, n, integer)).view(dtype) for _ in range(count)]


# ---- the table ------------------------------------------------------------------------------------------------------


class Worst(NamedTuple):
    """The greatest error, and the arguments that have it."""

    error: float = -1.0
    at: tuple[Any, ...] = ()

    def beside(self, name: str, z: Any, xs: list[Any]) -> Worst:
        """The worse of this one and of these results."""
        w = reference(name)(*xs) if name in EXACT else truth(name, *xs)
        e = units(name, z, w, xs)
        k = int(np.argmax(e))
        return Worst(float(e[k]), tuple([x[k] for x in xs])) if e[k] > self.error else self


def errors() -> Any:
    """`units` of float32 results as compiled code: `f(z, w)` is the greatest error of a multiple of 8 results."""
    e, single = Emitter(np.float64, 8, "+fma" in host().split(",")), Emitter(np.float32, 8, False)
    z, w = e.widened(Value(single, FLOAT, "%vz")), Value(e, FLOAT, "%vw")
    top, size = 2.0**128, abs(w)
    unit = (e.select(size < 2.0**127, size, 2.0**127).bits & (0x7FF << 52)).float * 2.0**-23
    unit = e.select(unit > 2.0**-149, unit, 2.0**-149)
    pair = [e.select(v > top, top, e.select(v < -top, -top, v)) for v in (z, w)]
    error = e.select(w.isnan, e.select(z.isnan, 0.0, np.inf), abs(pair[0] - pair[1]) / unit)
    error = e.select(((z.bits ^ w.bits) < 0) & ~w.isnan, np.inf, e.select(z.isnan & ~w.isnan, np.inf, error))
    old = Value(e, FLOAT, "%old")
    most = e.select(error > old, error, old)
    lines = ["define void @f(i64 %n, ptr %out, ptr %z, ptr %w) {", "start:", "  br label %head", "head:"]
    lines += ["  %i = phi i64 [0, %start], [%j, %entry]"]
    lines += [f"  %old = phi <8 x double> [zeroinitializer, %start], [{most.name}, %entry]"]
    lines += ["  %c = icmp slt i64 %i, %n", "  br i1 %c, label %entry, label %done", e.text.lines[0]]
    lines += ["  %pz = getelementptr float, ptr %z, i64 %i", "  %vz = load <8 x float>, ptr %pz, align 4"]
    lines += ["  %pw = getelementptr double, ptr %w, i64 %i", "  %vw = load <8 x double>, ptr %pw, align 8"]
    lines += [*e.text.lines[1:], "  %j = add i64 %i, 8", "  br label %head", "done:"]
    lines += ["  store <8 x double> %old, ptr %out, align 8", "  ret void", "}", *e.text.needs]
    f, out = linked("\n".join(lines), machine("", "", host())), np.empty(8)

    def worst(z: Any, w: Any) -> float:
        f(z.size, out.ctypes.data, z.ctypes.data, w.ctypes.data)
        return float(out.max())

    return worst


def every(name: str, f: Any, stride: int, chunk: int = 1 << 14) -> Worst:
    """The worst over each stride-th float32, with less of those beyond the limit."""
    worst, greatest, g = Worst(), errors(), reference(name)
    z, w, wide = np.empty(chunk, np.float32), np.empty(chunk), np.empty(chunk)
    limit = int(np.float32(LIMITS.get(name, np.inf)).view(np.int32))
    with np.errstate(all="ignore"):
        for sign in (0, 1 << 31):
            for first, last, step in ((0, limit, stride), (limit, 1 << 31, 64 * stride)):
                ramp = np.arange(0, chunk * step, step, np.int64).astype(np.uint32)
                for start in range(sign + first, sign + last, chunk * step):  # some are beyond the last
                    x = (ramp + np.uint32(start)).view(np.float32)
                    f(x, out=z)
                    np.copyto(wide, x)
                    g(wide, out=w)
                    if greatest(z, w) > worst.error:
                        worst = worst.beside(name, z, [x])
    return worst


def sampled(name: str, f: Any, dtype: Any, n: int, seed: int = 0) -> Worst:
    """The worst of special and random arguments."""
    worst = Worst()
    with np.errstate(all="ignore"):
        for xs in [special(FUNCTIONS[name][0], dtype), *samples(name, dtype, n, seed)]:
            worst = worst.beside(name, f(*xs), xs)
    return worst


HEAD = """# Compiled functions

The greatest errors that were found, in units in the last place (ULP) of the exact result; a correctly rounded result
has at most 0.5. They are measured by `python -m benchmarks ulp`, on vectors of 16 and on the code that is made with and
without fused multiply-add. NaN, infinities, the signs of zeros, and denormal arguments and results are as NumPy's: a
difference would be an infinite error. `fmod`, `remainder` and `floor_divide` are compared with NumPy bit by bit. What
is not here (`sqrt`, `floor`, `maximum` and the like) is exact or correctly rounded, or what NumPy computes.

In parentheses, how many arguments there were: random ones, beside all pairs of special ones, or each float32 (one in 64
beyond the magnitude from which the result is 0, 1 or infinite, and for sines from 65536).

`logaddexp` and `logaddexp2` cancel where the result is near 0, as NumPy's do: their unit is that of the largest of the
result and the arguments.

"""


def show(worst: Worst) -> str:
    """A cell."""
    at = ", ".join([f"{x:.9g}" if x.dtype == np.float32 else repr(float(x)) for x in worst.at])
    return f"{worst.error:.3f} at {at}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("names", nargs="*", help="of functions whose rows are made anew; else all")
    parser.add_argument("--stride", type=int, default=1, help="of float32 arguments")
    parser.add_argument("--points", type=int, default=1 << 20, help="random arguments of each interval")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/compiled_functions.md"))


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write the rows of the table."""
    if missing:
        raise SystemExit(f"{missing}: pip install 'llvmlite>=0.45' mpmath scipy")
    rows = {}
    if options.output.exists():
        lines = [line for line in options.output.read_text().splitlines() if line.startswith("| ")]
        rows = {line.split(" ")[1]: line for line in lines[1:]}
    for name in options.names or INTERVALS:
        cells, began = [], time.perf_counter()
        slow = name in ("erf", "erfc")
        for dtype in (np.float32, np.float64):
            for features in (None, ""):
                f = compiled(name, dtype, 16, features=features)
                n = options.points >> (7 if slow and dtype == np.float64 else 0)
                worst = sampled(name, f, dtype, n)
                covered = f"{n * (len(INTERVALS[name]) + 2):,}"
                if dtype == np.float32 and FUNCTIONS[name][0] == 1:
                    stride = options.stride * (1 if features is None else 16)
                    worst = max(worst, every(name, f, stride))
                    covered = "all" if stride == 1 else f"1 in {stride}"
                cells.append(f"{show(worst)} ({covered})")
        rows[name] = f"| {name} | {' | '.join(cells)} |"
        print(rows[name], f"{time.perf_counter() - began:.0f} s", flush=True)
    columns = "float32", "float32 without FMA", "float64", "float64 without FMA"
    table = [
        f"| function | {' | '.join(columns)} |",
        "|---|---|---|---|---|",
        *[rows[n] for n in INTERVALS if n in rows],
    ]
    options.output.write_text(HEAD + "\n".join(table) + "\n")
