"""What is watched in a run beside NumPy's protocols: functions without them, Python's effects, the code that ran."""

from __future__ import annotations

import collections
import contextlib
import datetime
import functools
import io
import math
import os
import random
import sys
import sysconfig
from collections.abc import Iterator
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from .calls import CREATORS, DISPATCHED, Recording
from .draws import Draws
from .record import current
from .traced import Number, Traced

# ---- functions that NumPy's protocols do not reach ----------------------------------------------------------------


def _creator(original: Any) -> Any:
    @functools.wraps(original)
    def made(*args: Any, **kwargs: Any) -> Any:
        recording = current()
        if recording is None or kwargs.get("like") is not None or any([_speaks(a) for a in args]):
            return original(*args, **kwargs)
        kwargs.pop("like", None)
        if original in DISPATCHED and any([_is_recorded(a) for a in (*args, *kwargs.values())]):
            return recording.function(original, (), args, kwargs)
        return recording.created(original, args, kwargs)

    return made


def _is_recorded(x: Any) -> bool:
    return type(x) in (Traced, Number) or (type(x) in (list, tuple) and any(map(_is_recorded, x)))


def _speaks(x: Any) -> bool:
    return hasattr(type(x), "__array_function__") and type(x) not in (Traced, Number, np.ndarray)


def _of_numbers(original: Any) -> Any:
    @functools.wraps(original)
    def computed(*args: Any, **kwargs: Any) -> Any:
        recording = current()
        if recording is None or kwargs or not any([type(a) is Number for a in args]):
            return original(*args, **kwargs)
        return recording.host_call(original, args)

    return computed


def _seeded(original: Any) -> Any:
    @functools.wraps(original)
    def made(*args: Any, **kwargs: Any) -> Any:
        recording = current()
        if args and type(args[0]) is Draws:
            return args[0]
        if recording is not None and (args or [*kwargs.values()] or [None])[0] is None:
            recording.give_up(f"np.random.{original.__name__} without a seed is another one at each call")
        return original(*args, **kwargs)

    return made


class _NumPy(ModuleType):
    """NumPy, with functions that know of the recording: what Python code sees while it is recorded, and C code not."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


# Functions of arrays that native code has kernels for: one call in the list, not the NumPy calls in them.
_WHOLE = {
    "wengert.nn.convolve": ("convolve", "convolve_transposed", "convolve_kernel"),
    "wengert.nn.pooling": ("_largest", "_scattered", "_strewn"),
}


def _whole(original: Any) -> Any:
    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        recording = current()
        if recording is None or any([_speaks(a) for a in args]) or not any([type(a) is Traced for a in args]):
            return original(*args, **kwargs)
        return recording.function(original, (), args, kwargs)

    return called


@functools.lru_cache(4)
def _whole_uses(modules: int) -> list[tuple[Any, str, Any]]:
    """Where operations hold these functions: in cells of their closures."""
    found = []
    for module, functions in _WHOLE.items():
        names = vars(sys.modules[module]) if module in sys.modules else {}
        replaced = {id(names[f]): _whole(names[f]) for f in functions if f in names}
        for operation in list(names.values()):
            for cell in getattr(operation, "__closure__", None) or ():
                if id(cell.cell_contents) in replaced:
                    found.append((cell, "cell_contents", replaced[id(cell.cell_contents)]))
    return found


_numpy = _NumPy("numpy")
_PATCHES: list[tuple[Any, str, Any]] = [(np.random, "default_rng", _seeded(np.random.default_rng))]
REPLACED: dict[int, Any] = {id(np): _numpy}  # id of a function or module: what stands for it in a recording
_made: Any
for _made in CREATORS | DISPATCHED:
    REPLACED[id(_made)] = _creator(_made)
    if hasattr(np, _made.__name__):
        setattr(_numpy, _made.__name__, REPLACED[id(_made)])
_PATCHES.append((np.lib.stride_tricks, "as_strided", REPLACED[id(np.lib.stride_tricks.as_strided)]))
for _name in ("sqrt", "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "tanh", "pow", "fabs",
              "floor", "ceil", "atan", "atan2", "hypot", "copysign", "degrees", "radians", "sinh", "cosh"):  # fmt: skip
    _PATCHES.append((math, _name, _of_numbers(getattr(math, _name))))
    REPLACED[id(getattr(math, _name))] = _PATCHES[-1][2]


def loaded() -> list[str]:
    """The names of Wengert's modules that are loaded, but for these."""
    return [name for name in list(sys.modules) if name.startswith("wengert.") and ".compile" not in name]


@functools.lru_cache(4)
def _own_uses(modules: int) -> list[tuple[dict[str, Any], str]]:
    """Where Wengert's modules name what is replaced."""
    own = [sys.modules[name] for name in loaded()]
    return [(vars(m), name) for m in own for name, value in list(vars(m).items()) if id(value) in REPLACED]


@contextlib.contextmanager
def patched() -> Iterator[None]:
    """A context in which these functions know of the recording; in other threads they do what they always do."""
    uses = [
        (names, name, names[name]) for names, name in _own_uses(len(sys.modules)) if id(names.get(name)) in REPLACED
    ]
    patches = _PATCHES + _whole_uses(len(sys.modules))
    before = [(module, name, getattr(module, name)) for module, name, _ in patches]
    try:
        for names, name, value in uses:
            names[name] = REPLACED[id(value)]
        for module, name, function in patches:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)
        for names, name, value in uses:
            names[name] = value


# ---- which code is the user's -----------------------------------------------------------------------------------

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_LIBRARIES = [_PACKAGE, os.path.dirname(os.path.abspath(np.__file__)) + os.sep]


@functools.lru_cache(4096)
def is_library(file: str) -> bool:
    """Whether code of this file is NumPy's, SciPy's, Wengert's or Python's own, whose state is not looked into."""
    if file.startswith(("<frozen", "<__array_function__")):
        return True
    if file.startswith(tuple(_LIBRARIES)) or f"{os.sep}site-packages{os.sep}scipy{os.sep}" in file:
        return True
    return file.startswith(_STDLIB) and "site-packages" not in file and "dist-packages" not in file


# ---- effects ---------------------------------------------------------------------------------------------------------

_CLOCKS = {
    "time", "random", "_random", "posix", "nt", "_socket", "select", "_ssl", "_posixsubprocess", "_signal", "signal",
    "_curses", "readline", "_sqlite3", "mmap", "_io",
}  # fmt: skip
_SPOKEN = {"print", "input", "open", "breakpoint"}
_NAMES = {"globals", "eval", "exec", "__import__"}
_WARNINGS = {"warn", "warn_explicit"}
_CHANGES = {
    "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update", "setdefault", "popitem", "add",
    "discard", "appendleft", "popleft", "rotate",
}  # fmt: skip
_KNOWN = {
    None, "builtins", "numpy", "math", "cmath", "operator", "_operator", "itertools", "functools", "_functools",
    "collections", "_collections", "_abc", "abc", "re", "_sre", "copy", "struct", "_struct", "string", "_string",
    "typing", "_typing", "types", "enum", "_weakref", "weakref", "_contextvars", "contextvars", "sys", "gc", "scipy",
    "wengert", "decimal", "_decimal", "fractions", "datetime", "_datetime", "_json", "json", "bisect", "_bisect",
    "heapq", "_heapq", "_thread", "threading", "array", "_statistics", "statistics", "binascii", "zlib", "_imp",
    "inspect", "_opcode", "_codecs", "_warnings", "codecs", "unicodedata", "_hashlib", "_sha1", "_sha2", "_md5",
    "marshal", "numbers", "dataclasses",
}  # fmt: skip


_ENVIRONMENT = type(os.environ).__getitem__.__code__


class Watch:
    """Sees what Python does in a run."""

    def __init__(self, recording: Recording, containers: set[int]) -> None:
        self.recording = recording
        self.containers = containers  # ids of the lists, dicts and sets that outlive the run
        self.codes: dict[CodeType, dict[str, Any]] = {}  # with its globals
        self._random = random.getstate()
        self._numpy: Any = _global_state()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """A context in which calls are seen."""
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def look_again(self) -> None:
        """See whether the global random numbers were drawn from."""
        if random.getstate() != self._random:
            self.recording.give_up("the module random is drawn from")
        if not _alike(_global_state(), self._numpy):
            self.recording.give_up("np.random is drawn from")

    def _see(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            code = frame.f_code
            generated = code.co_filename[:1] == "<" and _is_generated(frame.f_globals)
            if code not in self.codes and not generated and not _is_importing(frame):
                self.codes[code] = frame.f_globals
                if code is _ENVIRONMENT and not _is_importing(frame):
                    self.recording.give_up("the environment is read", _line(frame))
        elif event == "c_call" and self.recording.why is None:
            why = self._effect(frame, arg)
            if why is not None and not _is_importing(frame):
                self.recording.irreversible = True
                self.recording.give_up(why, _line(frame))

    def _effect(self, frame: FrameType, f: Any) -> str | None:
        name, module, owner = f.__name__, f.__module__, getattr(f, "__self__", None)
        if (module == "builtins" and name in _SPOKEN) or (module == "_warnings" and name in _WARNINGS):
            return f"{name}() is called"
        if module == "builtins" and name in _NAMES and not self._ours(frame):
            return f"{name}() is called"
        if module in _CLOCKS:
            return f"{module}.{name}() is called"
        if owner is None or type(owner) is type(sys):
            return (
                None
                if (module or "").partition(".")[0] in _KNOWN or module is None or self._ours(frame)
                else (f"{module}.{name}() is called, which compile knows nothing of")
            )
        if isinstance(owner, (io.IOBase, random.Random)) or (name in ("now", "today", "utcnow") and owner in _DATES):
            return f"{name}() of a {type(owner).__name__} is called"
        if name in _CHANGES and id(owner) in self.containers:
            return f"{name}() changes a {type(owner).__name__} that outlives the call"
        if name == "__next__" and not self._ours(frame):
            return "an iterator is advanced" if id(owner) in self.containers else None
        return None

    def _ours(self, frame: FrameType) -> bool:
        return is_library(frame.f_code.co_filename)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being loaded, which happens once."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _is_generated(names: dict[str, Any]) -> bool:
    """Whether code without a file is a named tuple's, or a library's."""
    name = str(names.get("__name__"))
    return name.startswith("namedtuple_") or name.partition(".")[0] in ("wengert", "numpy", "scipy", "dataclasses")


def _global_state() -> Any:
    return np.random.get_state(legacy=False)  # noqa: NPY002  to notice those who use it


_DATES = (datetime.datetime, datetime.date)
CONTAINERS = (list, dict, set, collections.deque)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all([_alike(a[k], b[k]) for k in a])
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else a == b


def _line(frame: FrameType | None) -> str:
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
