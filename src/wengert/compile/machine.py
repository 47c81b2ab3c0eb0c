"""The processor that code is made for, and what LLVM makes of it."""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from . import cache as disk, elementwise
from .kernels import Kernel
from .lowering import Spec
from .products import Block, Multiplication, Product

if TYPE_CHECKING:
    from .neural import Part

    Code = Spec | Product | Part


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


class Written(NamedTuple):
    """A function as text, under its name; what it declares, the elementary functions it needs, and others it calls."""

    name: str
    text: str
    declared: frozenset[str]
    functions: frozenset[Any]
    helpers: tuple[str, ...] = ()


_lock = threading.RLock()
_written: dict[tuple[Any, ...], Written] = {}
_addresses: dict[tuple[Machine, str], int] = {}


def written(spec: Code, machine: Machine) -> Written:
    """A step's code, as text."""
    code = spec.block(machine.vector) if isinstance(spec, Product) else spec
    found = _written.get((code, machine))
    if found is None:
        found = _written[code, machine] = _text(code, machine)
    return found


def _text(code: Spec | Block | Part, machine: Machine) -> Written:
    kernel: Kernel | Multiplication
    if isinstance(code, Spec):
        kernel = Kernel(code, machine.vector)
    elif isinstance(code, Block):
        kernel = Multiplication(code, machine.vector, machine.fma)
    else:
        step = code.step(machine)
        name, text = _named(step.text, step.name)
        return Written(name, text, frozenset(step.declared), frozenset(step.functions), step.helpers)
    name, text = _named(kernel.text("KERNEL"), "KERNEL")
    return Written(name, text, frozenset(kernel.code.declared), frozenset(kernel.code.functions))


def _named(text: str, old: str) -> tuple[str, str]:
    """A name of what a function does, and the function under it."""
    name = "k" + hashlib.sha256(text.encode()).hexdigest()[:24]
    return name, text.replace(f"@{old}(", f"@{name}(", 1)


def module(specs: Iterable[Code], machine: Machine) -> str:
    """One module of the code of these steps."""
    parts = [written(spec, machine) for spec in specs]
    declared = {line for part in parts for line in part.declared}
    functions = {function for part in parts for function in part.functions}
    helpers = {text: None for part in parts for text in part.helpers}
    library = elementwise.library(functions, machine.fma, declared)
    return "\n".join([library, *helpers, *[part.text for part in parts]])


def compiled(specs: Iterable[Code], machine: Machine) -> list[int]:
    """The addresses of the code of these steps; what is the same is compiled once in the process."""
    specs = list(specs)
    with _lock:
        names = [written(spec, machine).name for spec in specs]
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
