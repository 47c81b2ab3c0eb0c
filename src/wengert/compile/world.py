"""What a function can read beside its arguments: found before a recording, swapped for what is recorded, put back.

A *holder* is an object by identity: a cell, a dict, a list, an object with attributes. Its *slots* are the places in
it that are read. The walk finds all that can be reached; guards are made later, of the slots that code which ran
could name.
"""

from __future__ import annotations

import collections
import dis
import enum
import functools
import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np
from numpy import generic, ndarray

from ..variable import Leaf, Variable
from ..views import View
from .draws import Draws
from .results import Replayed, attributes_of
from .traced import Number, Traced
from .watch import REPLACED, is_library

MOST = 50_000  # holders
PLAIN = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range, slice)
UNREAD = "\0"  # the name of what only holds what is made again from something else: a class lists it in `_caches`
_MISSING: Any = object()


class Unsupported(Exception):
    """State that a recording cannot follow."""


class Inlined:
    """A compiled function: part of what is recorded, if it is called there."""

    function: Any


class Linked(Exception):
    """A Variable that is being differentiated further out: the call is a plain one."""


class Slot:
    """One place in a holder."""

    __slots__ = ("holder", "key", "kind", "name", "now", "value")

    def __init__(self, holder: Any, kind: str, key: Any, name: str | None = None) -> None:
        self.holder, self.kind, self.key = holder, kind, key
        self.name = name  # by which code reads it; None: in some other way
        self.value: Any = read(holder, kind, key)  # before the run
        self.now: Any = self.value  # in the run

    @property
    def place(self) -> tuple[int, Any]:
        """What tells this slot from others."""
        return id(self.holder), self.key

    def read(self) -> Any:
        """What is there; a mark, if there is nothing."""
        return read(self.holder, self.kind, self.key)

    def write(self, value: Any) -> None:
        """Put something there."""
        write(self.holder, self.kind, self.key, value)


def read(holder: Any, kind: str, key: Any) -> Any:
    """What is in a slot; `_MISSING`, if there is nothing."""
    try:
        if kind == "item":
            return holder[key]
        if kind == "cell":
            return holder.cell_contents
        if kind == "class":
            return holder.__dict__[key]
        return getattr(holder, key)
    except (KeyError, IndexError, ValueError, AttributeError):
        return _MISSING


def write(holder: Any, kind: str, key: Any, value: Any) -> None:
    """Put something into a slot."""
    if kind == "item":
        holder[key] = value
    elif kind == "cell":
        holder.cell_contents = value
    else:
        setattr(holder, key, value)


class Holder:
    """An object with slots."""

    __slots__ = ("length", "slots", "value", "whole")

    def __init__(self, value: Any, whole: bool) -> None:
        self.value, self.whole = value, whole  # whole: the slots are all that is in it
        self.slots: dict[Any, Slot] = {}
        self.length = len(value) if isinstance(value, (dict, list, tuple, collections.deque)) else None


class World:
    """All holders that can be reached from the roots."""

    def __init__(self, roots: Any, codes: Any = ()) -> None:
        self.holders: dict[int, Holder] = {}
        self.roots = list(roots)
        self.generators: dict[int, Any] = {}
        self.opaque: dict[int, Any] = {}
        self.visited: set[CodeType] = set()
        self._todo: list[Any] = list(roots)
        self._modules: list[types.ModuleType] = []
        self._names: set[str] = set()
        self._codes = list(codes)  # (code, globals) that were found to run
        self._walk()

    def containers(self) -> set[int]:
        """The ids of what outlives the run."""
        return {i for i, h in self.holders.items() if isinstance(h.value, (list, dict, set, collections.deque))}

    # ---- the walk ---------------------------------------------------------------------------------------------------

    def _walk(self) -> None:
        for code, names in self._codes:
            self._code(code, names)
        while True:
            while self._todo:
                self._visit(self._todo.pop())
                if len(self.holders) > MOST:
                    raise Unsupported(f"more than {MOST} objects can be reached")
            for module in self._modules:
                for name in self._names & vars(module).keys():
                    self._slot(vars(module), "item", name, name, whole=False)
            if not self._todo:
                return

    def _holder(self, value: Any, whole: bool) -> Holder | None:
        """A new holder; None if it is known."""
        if id(value) in self.holders:
            return None
        self.holders[id(value)] = made = Holder(value, whole)
        return made

    def _slot(self, holder: Any, kind: str, key: Any, name: str | None = None, whole: bool = True) -> None:
        h = self.holders.get(id(holder))
        if h is None:
            h = self.holders[id(holder)] = Holder(holder, whole)
        if key not in h.slots:
            slot = Slot(holder, kind, key, name)
            if slot.value is not _MISSING:
                h.slots[key] = slot
                self._todo.append(slot.value)

    def _visit(self, v: Any) -> None:
        kind = type(v)
        if isinstance(v, PLAIN) or kind is ndarray or isinstance(v, (generic, np.dtype, enum.Enum)):
            return
        visit = _VISITS.get(kind)
        if visit is not None:
            visit(self, v)
        elif isinstance(v, Variable):
            self._variable(v)
        elif isinstance(v, type):
            self._class(v)
        elif isinstance(v, Inlined):
            self._todo.append(v.function)
        elif isinstance(v, (np.random.Generator, np.random.RandomState)):
            self.generators[id(v)] = v
        elif isinstance(v, types.ModuleType):
            self._module(v)
        elif isinstance(v, tuple):
            self._sequence(v)
        elif hasattr(kind, "__next__"):
            self.opaque[id(v)] = v
        else:
            self._object(v)

    def _sequence(self, v: Any) -> None:
        if self._holder(v, True) is not None:
            for i in range(len(v)):
                self._slot(v, "item", i)

    def _dict(self, v: dict[Any, Any]) -> None:
        if self._holder(v, True) is not None:
            for k in v:
                self._slot(v, "item", k)
                if not isinstance(k, PLAIN):
                    self._todo.append(k)

    def _set(self, v: Any) -> None:
        if self._holder(v, True) is not None:
            self._todo.extend(v)

    def _variable(self, v: Variable) -> None:
        if isinstance(v, View) and v._base is not None:
            self.opaque[id(v)] = v
            return
        if self._holder(v, False) is None:
            return
        if v._node is not None and type(v._node) is not Leaf and type(v._node) is not Replayed:
            raise Linked
        for key in ("_array", "_node", "_written"):
            if hasattr(v, key):
                self._slot(v, "attribute", key, None if key != "_written" else "_written", whole=False)
        info = getattr(v._node, "info", None)
        if info is not None and type(v._node) is Leaf:
            self._slot(info, "attribute", "grad", "grad", whole=False)
            self._slot(info, "attribute", "seed", "seed", whole=False)

    def _function(self, f: types.FunctionType) -> None:
        if is_library(f.__code__.co_filename) and not f.__closure__:
            return
        if self._holder(f, False) is None:
            return
        for cell in f.__closure__ or ():
            self._slot(cell, "cell", "cell_contents", whole=False)
        if not is_library(f.__code__.co_filename):
            self._code(f.__code__, f.__globals__)
        for key in ("__defaults__", "__kwdefaults__"):
            if getattr(f, key):
                self._slot(f, "attribute", key, whole=False)
        if f.__dict__:
            self._attributes(f.__dict__)

    def _code(self, code: CodeType, names: dict[str, Any]) -> None:
        if code in self.visited:
            return
        self.visited.add(code)
        spoken = names_in(code)  # also what getattr and globals() may be asked for
        self._names.update(spoken)
        for name in globals_of(code) | (
            spoken & names.keys() if {"globals", "getattr"} & set(code.co_names) else set()
        ):
            if name in names:
                self._slot(names, "item", name, name, whole=False)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant, names)

    def _method(self, v: Any) -> None:
        self._todo += [v.__self__, v.__func__]

    def _partial(self, v: Any) -> None:
        self._todo += [v.func, v.args, v.keywords]

    def _wrapper(self, v: Any) -> None:
        self._todo.append(v.__func__)

    def _property(self, v: property) -> None:
        self._todo += [v.fget, v.fset]

    def _class(self, v: type) -> None:
        for c in v.__mro__:
            if _library_class(c) or self._holder(c, False) is None:
                continue
            for name in list(vars(c)):
                if name not in ("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__"):
                    self._slot(c, "class", name, name, whole=False)

    def _module(self, v: types.ModuleType) -> None:
        file = getattr(v, "__file__", None)
        made = file is None and v.__spec__ is None and v.__name__ not in sys.builtin_module_names  # by hand
        if (made or (file is not None and not is_library(file))) and v not in self._modules:
            self._modules.append(v)

    def _attributes(self, values: dict[str, Any], caches: Any = ()) -> None:
        if self._holder(values, False) is not None:
            for name in list(values):
                self._slot(values, "item", name, UNREAD if name in caches else str(name), whole=False)

    def _object(self, v: Any) -> None:
        cls: Any = type(v)
        if isinstance(v, dict) and not cls.__flags__ & (1 << 9):  # a defaultdict
            self._dict(v)
            return
        if isinstance(v, collections.deque):
            self._sequence(v)
            return
        if not cls.__flags__ & (1 << 9) or hasattr(cls, "__array_function__"):  # a type of C's
            if isinstance(v, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType,
                              types.GetSetDescriptorType, types.MemberDescriptorType, np.ufunc)) or cls.__module__ in (
                "builtins", "re", "datetime", "decimal", "functools", "operator", "_contextvars", "weakref", "numpy",
                "_functools", "types", "typing", "_cython_3_0_11"):  # fmt: skip
                if isinstance(v, functools._lru_cache_wrapper):
                    self._todo.append(v.__wrapped__)
                return
            self.opaque[id(v)] = v
            return
        if _python_library(cls) and not isinstance(v, (types.SimpleNamespace, collections.OrderedDict)):
            return
        if self._holder(v, False) is None:
            return
        self._todo.append(cls)
        if isinstance(v, dict):
            for k in v:
                self._slot(v, "item", k)
        if isinstance(v, list):
            for i in range(len(v)):
                self._slot(v, "item", i)
        caches = getattr(cls, "_caches", ())
        values = attributes_of(v)
        if values is not None:
            self._attributes(values, caches)
        for c in cls.__mro__:
            slots = c.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__weakref__", "__dict__"):
                    self._slot(v, "attribute", name, UNREAD if name in caches else name, whole=False)

    # ---- the swap -----------------------------------------------------------------------------------------------

    def swap(self, recorded: Callable[[Any, Any], Any]) -> None:
        """Put `recorded(value, place)` in the place of arrays and numbers."""
        for h in list(self.holders.values()):
            if isinstance(h.value, tuple):
                continue
            for slot in h.slots.values():
                new = self.swapped(slot.value, slot.place, recorded)
                if new is not slot.value:
                    try:
                        slot.write(new)
                        slot.now = new
                    except (AttributeError, TypeError):
                        raise Unsupported(f"{slot.key} of a {type(slot.holder).__name__} cannot be set") from None

    def swapped(self, v: Any, place: Any, recorded: Callable[[Any, Any], Any]) -> Any:
        """v, or what stands for it in the run."""
        kind = type(v)
        if kind is ndarray or kind in (int, float) or isinstance(v, (generic, np.random.Generator)):
            return recorded(v, place)
        if isinstance(v, tuple) and v:
            items = [self.swapped(item, (id(v), i), recorded) for i, item in enumerate(v)]
            if any([a is not b for a, b in zip(items, v, strict=True)]):
                return kind(*items) if hasattr(v, "_fields") else kind(items)
        return REPLACED.get(id(v), v)

    def restore(self) -> None:
        """Put back what was there, where nothing else has come in its place."""
        for h in self.holders.values():
            for slot in h.slots.values():
                if slot.now is not slot.value and slot.read() is slot.now:
                    slot.write(slot.value)

    def changes(self) -> tuple[list[Slot], list[Holder]]:
        """The slots that hold something else than they did in the run; holders with more or fewer slots."""
        changed, shapes = [], []
        for h in self.holders.values():
            if isinstance(h.value, tuple):
                continue
            for slot in h.slots.values():
                if slot.read() is not slot.now:
                    changed.append(slot)
            if h.length is not None and not is_namespace(h) and len(h.value) != h.length:
                shapes.append(h)
        return changed, shapes

    def rolled_back(self) -> None:
        """All slots as they were before the run; what was added to lists and dicts taken away."""
        for h in self.holders.values():
            if isinstance(h.value, tuple):
                continue
            if isinstance(h.value, dict) and not is_namespace(h):
                for k in [k for k in h.value if k not in h.slots]:
                    del h.value[k]
            if isinstance(h.value, list):
                h.value[:] = [slot.value for slot in h.slots.values()]
                continue
            for slot in h.slots.values():
                if slot.read() is not slot.value:
                    slot.write(slot.value)
            if isinstance(h.value, Variable) and h.value._node is not None:
                h.value._serial = h.value._node.serial


def is_namespace(h: Holder) -> bool:
    """Whether only some keys of a dict were looked at: a module's."""
    return isinstance(h.value, dict) and "__builtins__" in h.value


_VISITS: dict[type, Any] = {
    list: World._sequence, tuple: World._sequence, dict: World._dict, set: World._set, frozenset: World._set,
    types.FunctionType: World._function, types.MethodType: World._method, functools.partial: World._partial,
    staticmethod: World._wrapper, classmethod: World._wrapper, property: World._property,
    types.CodeType: lambda self, v: None, Traced: lambda self, v: None, Number: lambda self, v: None,
    Draws: lambda self, v: None, Leaf: lambda self, v: None, Replayed: lambda self, v: None,
}  # fmt: skip


@functools.lru_cache(4096)
def globals_of(code: CodeType) -> frozenset[str]:
    """The global names that code reads or writes."""
    return frozenset(
        [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")]
    )


@functools.lru_cache(4096)
def names_in(code: CodeType) -> frozenset[str]:
    """All names that code may read an attribute or a global by."""
    return (
        frozenset(code.co_names)
        | {c for c in code.co_consts if isinstance(c, str)}
        | {s for c in code.co_consts if isinstance(c, tuple) for s in c if isinstance(s, str)}
    )


def _library_class(c: type) -> bool:
    if not c.__flags__ & (1 << 9):
        return True
    return c.__module__.partition(".")[0] in ("wengert", "numpy", "scipy") or _python_library(c)


@functools.lru_cache(4096)
def _python_library(c: Any) -> bool:
    module = sys.modules.get(c.__module__)
    top = c.__module__.partition(".")[0]
    if top in ("wengert", "numpy", "scipy", "__main__"):
        return False
    file = getattr(module, "__file__", None)
    return top in sys.stdlib_module_names or (file is not None and is_library(file))
