"""Guards: one Python function for each recording, made from source, that says whether the recording holds for a call.

It reads what the recording read, in order: the world by identity, the arguments by their structure. It gives the arrays
and numbers that a replay needs; or the number of what is not as it was.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from typing import Any

import numpy as np
from numpy import generic, ndarray

from ..variable import Leaf, Variable
from .calls import Recording
from .results import attributes_of
from .traced import Traced
from .world import PLAIN, UNREAD, Holder, Inlined, Slot, World, is_namespace

MOST = 20_000  # lines
_STRUCTURAL = (list, tuple, dict)


class Names:
    """Which attributes and globals code that ran can have read."""

    def __init__(self, names: set[str], everything: bool) -> None:
        self.names, self.everything = names, everything

    def __contains__(self, name: Any) -> bool:
        if name is None or name in self.names:
            return True
        return name != UNREAD and (self.everything or name[:2] == "__")  # Python itself reads __call__ and its like


class Guards:
    """Writes the guard function of a recording.

    Args:
        recording: what was asked of each array.
        world: the holders.
        names: what code that ran can have named.
    """

    def __init__(self, recording: Recording, world: World, names: Names) -> None:
        self.recording, self.world, self.names = recording, world, names
        self.lines: list[str] = []
        self.failures: list[tuple[Any, str]] = []  # place, words
        self.constants: dict[str, Any] = {"ndarray": ndarray, "Leaf": Leaf, "asarray": np.asarray}
        self.arrays: dict[int, str] = {}  # id of a Traced: the name of its array
        self.objects: dict[int, str] = {}  # id of a caller's object: its name
        self.numbers: dict[Any, str] = {}  # place of a dynamic number: its name
        self.by_place = {t.source: t for t in recording.inputs if t is not None and t.source is not None}
        self.by_array = {id(t.value): t for t in recording.inputs if t is not None and type(t.value) is ndarray}
        self.dynamic = {h.args[0] for h in recording.host if h.function == "read"}
        self.numbers_by_value: list[Slot] = []  # of the world
        self._emitted: set[int] = set()
        self._count = 0
        self._known: dict[int, str] = {}
        root, args, kwargs = world.roots
        self._reach(root)
        self._arguments(args, kwargs)

    # ---- source -----------------------------------------------------------------------------------------------------

    def _name(self, prefix: str = "v") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _constant(self, value: Any) -> str:
        name = self._known.get(id(value))
        if name is None:
            name = self._known[id(value)] = self._name("c")
            self.constants[name] = value
        return name

    def _check(self, condition: str, place: Any, words: str) -> None:
        """Leave with this failure's number where the condition holds."""
        self.failures.append((place, words))
        self.lines.append(f"if {condition}: return {len(self.failures) - 1}")

    def _let(self, expression: str) -> str:
        name = self._name()
        self.lines.append(f"{name} = {expression}")
        return name

    # ---- the world, by identity ---------------------------------------------------------------------------------

    def _reach(self, root: Any) -> None:
        todo = [root]
        while todo:
            v = todo.pop()
            for holder in self._holders_of(v):
                if id(holder.value) in self._emitted:
                    continue
                self._emitted.add(id(holder.value))
                c = self._constant(holder.value)
                if holder.length is not None and not isinstance(holder.value, tuple) and not is_namespace(holder):
                    kind = type(holder.value).__name__
                    self._check(f"len({c}) != {holder.length}", None, f"the length of a {kind}")
                if isinstance(holder.value, set):
                    self._check(f"{c} != {self._constant(frozenset(holder.value))}", None, "a set")
                for slot in holder.slots.values():
                    if slot.name in self.names:
                        todo += self._slot(c, slot, self._read(c, slot))

    def _holders_of(self, v: Any) -> list[Holder]:
        """The holders that an object is read through."""
        found = [v]
        if isinstance(v, Variable):
            found.append(getattr(v._node, "info", None))
        elif isinstance(v, types.MethodType):
            return [h for part in (v.__self__, v.__func__) for h in self._holders_of(part)]
        elif isinstance(v, functools.partial):
            return [h for part in (v.func, v.args, v.keywords) for h in self._holders_of(part)]
        elif isinstance(v, (staticmethod, classmethod)):
            return self._holders_of(v.__func__)
        elif isinstance(v, Inlined):
            return self._holders_of(v.function)
        elif isinstance(v, property):
            return [h for part in (v.fget, v.fset) if part for h in self._holders_of(part)]
        else:
            if isinstance(v, types.FunctionType):
                found += [*(v.__closure__ or ()), v.__globals__]
            found.append(attributes_of(v))
            if not isinstance(v, (type, *PLAIN)):
                for c in type(v).__mro__:
                    found.append(c)
        if isinstance(v, type):
            found += v.__mro__
        return [self.world.holders[id(x)] for x in found if id(x) in self.world.holders]

    def _read(self, c: str, slot: Slot) -> str:
        if slot.kind == "item":
            key = repr(slot.key) if type(slot.key) in (str, int) else self._constant(slot.key)
            return f"{c}[{key}]"
        if slot.kind == "class":
            return f"{c}.__dict__[{slot.key!r}]"
        return f"{c}.{slot.key}"

    def _slot(self, c: str, slot: Slot, expression: str) -> list[Any]:
        """The guard of a slot, by identity; what else is to be reached."""
        v, words = slot.value, _words(slot)
        if type(v) in (int, float) and slot.place not in self.dynamic:
            self.numbers_by_value.append(slot)
        if self._leaf(expression, v, slot.place, words):
            return []
        name = self._constant(v)
        if isinstance(slot.holder, tuple):
            return [v]  # the tuple is the same, so this is
        self._check(f"{expression} is not {name}", slot.place, words)
        if isinstance(v, types.FunctionType):
            self._check(f"{name}.__code__ is not {self._constant(v.__code__)}", None, f"the code of {words}")
        return [v]

    # ---- values -------------------------------------------------------------------------------------------------

    def _leaf(self, expression: str, v: Any, place: Any, words: str) -> bool:
        """The guard of an array or of plain data; False for anything else."""
        kind = type(v)
        t = self.by_array.get(id(v)) if kind is ndarray else self.by_place.get(place)
        if t is not None:
            self._array(expression, t, place, words)
            return True
        if place in self.dynamic:
            name = self._let(expression)
            self._check(f"type({name}) is not {kind.__name__}", None, words)
            self.numbers[place] = name
            return True
        if kind is bool or v is None:
            self._check(f"{expression} is not {v}", place, words)
            return True
        if isinstance(v, (*PLAIN, generic, np.dtype)):
            name, c, t_ = self._let(expression), self._constant(v), self._constant(kind)
            same = f"{name} == {c}"
            if isinstance(v, (float, complex, np.inexact)) and (v == 0 or v != v):
                same = f"repr({name}) == {repr(v)!r}"
            self._check(f"{name} is not {c} and not (type({name}) is {t_} and {same})", place, words)
            return True
        return False

    def _array(self, expression: str, t: Traced, place: Any, words: str) -> None:
        v = t.value
        if id(t) in self.arrays:
            self._check(
                f"{expression} is not {self.arrays[id(t)]}", None, f"{words}, which was the same array as another"
            )
            return
        name = self.arrays[id(t)] = self._let(expression)
        if isinstance(v, generic):
            self._check(f"type({name}) is not {self._constant(type(v))}", None, words)
            return
        conditions = [f"type({name}) is not ndarray"]
        if t.touched:
            d = self._constant(v.dtype)
            conditions += [f"{name}.shape != {v.shape}", f"({name}.dtype is not {d} and {name}.dtype != {d})"]
            if v.size > 1:
                conditions.append(f"{name}.strides != {v.strides}")
            if not v.flags.writeable or t.original is not None:
                conditions.append(f"{'not ' if v.flags.writeable else ''}{name}.flags.writeable")
        self._check(" or ".join(conditions), None, f"the dtype, shape or layout of {words}")

    # ---- arguments, by structure --------------------------------------------------------------------------------

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._check(f"len(args) != {len(args)}", None, "the number of arguments")
        self._check(f"len(kwargs) != {len(kwargs)}" if kwargs else "kwargs", None, "the keyword arguments")
        for i, slot in self._slots(args).items():
            self._argument(f"args[{i}]", slot.value, slot.place, f"argument {i}")
        for k, slot in self._slots(kwargs).items():
            self._argument(f"kwargs[{k!r}]", slot.value, slot.place, f"argument {k}")

    def _argument(self, expression: str, v: Any, place: Any, words: str) -> None:
        if len(self.lines) > MOST:
            raise RecursionError
        kind = type(v)
        if self._leaf(expression, v, place, words):
            return
        if id(v) in self.objects:
            self._check(f"{expression} is not {self.objects[id(v)]}", None, words)
            return
        if id(v) in self._emitted or not _is_structural(v):
            self._check(f"{expression} is not {self._constant(v)}", place, words)
            self._reach(v)
            return
        name = self.objects[id(v)] = self._let(expression)
        self._check(f"type({name}) is not {self._constant(kind)}", None, f"the type of {words}")
        if isinstance(v, (list, tuple)):
            self._check(f"len({name}) != {len(self._slots(v))}", None, f"the length of {words}")
            for i, slot in self._slots(v).items():
                self._argument(f"{name}[{i}]", slot.value, slot.place, f"{words}[{i}]")
        elif isinstance(v, dict):
            self._check(f"len({name}) != {len(self._slots(v))}", None, f"the keys of {words}")
            for k, slot in self._slots(v).items():
                key = repr(k) if type(k) in (str, int) else self._constant(k)
                self._argument(f"{name}[{key}]", slot.value, slot.place, f"{words}[{k!r}]")
        elif isinstance(v, Variable):
            self._variable(name, v, words)
        else:
            values = vars(v)
            held = self.objects[id(values)] = self._let(f"{name}.__dict__")
            self._check(f"len({held}) != {len(self._slots(values))}", None, f"the attributes of {words}")
            self._reach(kind)
            for k, slot in self._slots(values).items():
                self._argument(f"{held}[{k!r}]", slot.value, slot.place, f"{words}.{k}")

    def _slots(self, v: Any) -> dict[Any, Slot]:
        """What was in a container before the run."""
        held = self.world.holders.get(id(v))
        return {} if held is None else held.slots

    def _variable(self, name: str, v: Variable, words: str) -> None:
        slots = self._slots(v)
        array, node = slots["_array"], slots["_node"].value
        self._argument(f"{name}._array", array.value, array.place, f"{words}.data")
        if node is None:
            self._check(f"{name}._node is not None", None, f"whether {words} is tracked")
            return
        self._check(f"type({name}._node) is not {self._constant(type(node))}", None, f"whether {words} is a leaf")
        info = getattr(node, "info", None)
        if info is not None and type(node) is Leaf:
            held = self.objects[id(info)] = self._let(f"{name}._node.info")
            for key, slot in self._slots(info).items():
                if slot.name in self.names:
                    self._argument(f"{held}.{key}", slot.value, slot.place, f"{words}.{key}")

    # ---- the function -------------------------------------------------------------------------------------------

    def object_name(self, x: Any) -> str:
        """The name of an object: of the caller's, or of the world."""
        return self.objects.get(id(x)) or self._constant(x)

    def made(self, arrays: list[str], kept: list[str], numbers: list[str], places: list[str]) -> Any:
        """The guard: `(args, kwargs) -> (arrays, kept, numbers, places)`, or the number of what failed."""
        given = "".join([f"{p}, " for p in places])
        body = [*self.lines, f"return [{', '.join(arrays)}], [{', '.join(kept)}], [{', '.join(numbers)}], ({given})"]
        source = "def guard(args, kwargs):\n try:\n" + "".join([f"  {line}\n" for line in body])
        source += " except (KeyError, IndexError, AttributeError, ValueError, TypeError): return -1\n"
        space = dict(self.constants)
        exec(compile(source, "<guards of wg.compile>", "exec"), space)
        return space["guard"]


def _is_structural(v: Any) -> bool:
    """Whether an argument is looked at by its parts, so that another object with the same parts will do."""
    if type(v) in _STRUCTURAL or isinstance(v, Variable) or (isinstance(v, tuple) and hasattr(v, "_fields")):
        return True
    return dataclasses.is_dataclass(v) and not isinstance(v, type) and not hasattr(type(v), "__slots__")


def _words(slot: Slot) -> str:
    """A slot in words."""
    if slot.kind == "cell":
        return "a variable of the closure"
    holder = slot.holder
    if slot.kind == "item" and isinstance(holder, dict) and "__builtins__" in holder:
        return f"the global {slot.key}"
    if slot.name is not None:
        return f".{slot.key}"
    return f"[{slot.key!r}] of a {type(holder).__name__}"
