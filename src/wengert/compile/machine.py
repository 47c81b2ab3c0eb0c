"""The processor that code is made for, and what LLVM makes of it."""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from . import cache as disk, elementwise
from .kernels import Kernel
from .lowering import Spec
from .products import Block, Multiplication, Product


class Machine(NamedTuple):
    """A target: LLVM's names of it, the bytes of a vector register, and whether it has a fused multiply-add."""

    triple: str
    cpu: str
    features: str
    vector: int
    fma: bool

    def target(self) -> Any:
        """LLVM's object for it."""
        _initialize(self.triple != llvm.get_default_triple())
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=2)


@cache
def _initialize(every: bool) -> None:
    if every:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()


@cache
def host() -> Machine:
    """This machine."""
    _initialize(False)
    features = llvm.get_host_cpu_features()
    has = {name for name, on in features.items() if on}
    wide = {"avx512f", "avx512vl", "avx512dq", "avx512bw"} <= has
    vector = 64 if wide else 32 if "avx2" in has else 16
    fma = "fma" in has or platform.machine() in ("aarch64", "arm64")
    return Machine(llvm.get_default_triple(), llvm.get_host_cpu_name(), features.flatten(), vector, fma)


_lock = threading.RLock()
_written: dict[tuple[Spec | Block, int, bool], tuple[str, str, frozenset[str], frozenset[Any]]] = {}
_addresses: dict[tuple[Machine, str], int] = {}


def written(spec: Spec | Product, machine: Machine) -> tuple[str, str, frozenset[str], frozenset[Any]]:
    """A loop's code, as text: its name, the function, what it declares, and the elementary functions it needs."""
    code = spec.block(machine.vector) if isinstance(spec, Product) else spec
    key = code, machine.vector, machine.fma
    found = _written.get(key)
    if found is None:
        kernel: Kernel | Multiplication
        if isinstance(code, Spec):
            kernel = Kernel(code, machine.vector)
        else:
            kernel = Multiplication(code, machine.vector, machine.fma)
        text = kernel.text("KERNEL")
        name = "k" + hashlib.sha256(text.encode()).hexdigest()[:24]
        text = text.replace("@KERNEL(", f"@{name}(", 1)
        found = name, text, frozenset(kernel.code.declared), frozenset(kernel.code.functions)
        _written[key] = found
    return found


def module(specs: Iterable[Spec | Product], machine: Machine) -> str:
    """One module of the code of these loops."""
    parts = [written(spec, machine) for spec in specs]
    declared = {line for part in parts for line in part[2]}
    functions = {function for part in parts for function in part[3]}
    return "\n".join([elementwise.library(functions, machine.fma, declared), *[part[1] for part in parts]])


def compiled(specs: Iterable[Spec | Product], machine: Machine) -> list[int]:
    """The addresses of the code of these loops; what is the same is compiled once in the process."""
    specs = list(specs)
    with _lock:
        names = [written(spec, machine)[0] for spec in specs]
        new = {name: spec for name, spec in zip(names, specs, strict=True) if (machine, name) not in _addresses}
        if new:
            link(module(new.values(), machine), machine, list(new))
        return [_addresses[machine, name] for name in names]


def link(text: str, machine: Machine, names: Iterable[str]) -> list[int]:
    """The addresses of the functions of a module, from the cache on disk if it has them."""
    key = f"{llvmlite.__version__} {llvm.llvm_version_info} {machine}\n{text}"
    code = disk.load(key)
    if code is None:
        code = assembled(text, _target(machine))
        disk.save(key, code)
    engine = _engine(machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    found = []
    for name in names:
        _addresses[machine, name] = engine.get_function_address(name)
        found.append(_addresses[machine, name])
    return found


@cache
def _target(machine: Machine) -> Any:
    return machine.target()


@cache
def _engine(machine: Machine) -> Any:
    """Where the code of this process is; it stays."""
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine.target())


def assembled(text: str, target: Any) -> bytes:
    """The object file of a module."""
    parsed = llvm.parse_assembly(text)
    if "alwaysinline" in text:
        builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options())
        passes = llvm.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.run(parsed, builder)
    return target.emit_object(parsed)
