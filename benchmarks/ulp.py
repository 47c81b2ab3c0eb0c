"""Accuracy of the compiler's functions: `python -m benchmarks ulp` writes `docs/compiled_functions.md`."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wengert.compile.maths import FUNCTIONS, Library

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


def compiled(name: str, dtype: Any, width: int, cpu: str = "", features: str | None = None) -> Any:
    """The function on whole arrays of one dtype, a multiple of the width long; by default for this processor."""
    features = host() if features is None else features
    target = machine("", cpu, features)
    module = optimized(source(name, dtype, width, "+fma" in features.split(",")), target)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    _ENGINES.append(engine)  # which owns the code
    f = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 3)(engine.get_function_address("f"))

    def call(x: Any, y: Any = None, out: Any = None) -> Any:
        out = np.empty_like(x) if out is None else out
        f(x.size, out.ctypes.data, x.ctypes.data, 0 if y is None else y.ctypes.data)
        return out

    return call


if __name__ == "__main__":
    sys.exit("python -m benchmarks ulp")
