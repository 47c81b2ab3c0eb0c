"""How what a run left is made again at each call: its result, and what it put into attributes, lists and dicts.

A *recipe* says how: from the arrays of a replay, the arguments and the world. Memory is shared as it was in the run.
"""

from __future__ import annotations

import dataclasses
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy import generic, ndarray

from ..function import Node as Operation
from ..variable import Variable, tick, wrap
from .calls import Recording
from .draws import Draws
from .program import Call, Node, region
from .traced import Number, Step, Traced

_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice, np.dtype)


class Unknown(Exception):
    """A result that cannot be made again."""


class Replayed(Operation):
    """Where the graph of a Variable that a compiled function gave would be."""

    __slots__ = ()
    p = q = None
    parents = ()

    def __init__(self) -> None:
        self.serial = tick()

    def _refuse(self) -> Any:
        raise RuntimeError(
            "this Variable was computed by a compiled function, which leaves no graph: call backward() inside that "
            "function, compile wg.value_and_grad(f), or call the function itself, without wg.compile"
        )

    def back(self, g: Any, cotangents: Any, graph: bool = False, apply: Any = None) -> None:
        self._refuse()

    back_generic = back  # type: ignore[assignment]

    def push(self, tangents: Any, graph: bool, apply: Any = None) -> None:
        self._refuse()


class Out(NamedTuple):
    """The k-th output of the program; as a NumPy scalar, if it was one."""

    k: int
    scalar: bool

    def make(self, values: Values) -> Any:
        """The array itself."""
        z = values.outputs[self.k]
        return z[()] if self.scalar else z


class In(NamedTuple):
    """The k-th of the arrays that were read."""

    k: int
    scalar: bool

    def make(self, values: Values) -> Any:
        """The array itself."""
        z = values.kept[self.k]
        return z[()] if self.scalar else z


class Viewed(NamedTuple):
    """A view of another array."""

    of: Any
    steps: tuple[Step, ...]

    def make(self, values: Values) -> Any:
        """The view."""
        z = self.of.make(values)
        for step in self.steps:
            z = stepped(step, z)
        return z


class Constant(NamedTuple):
    """The same object at each call."""

    value: Any

    def make(self, values: Values) -> Any:
        """The object."""
        return self.value


class Given(NamedTuple):
    """One of the objects that the caller passed."""

    k: int

    def make(self, values: Values) -> Any:
        """The object."""
        return values.places[self.k]


class HostOut(NamedTuple):
    """A number that Python computed."""

    k: int

    def make(self, values: Values) -> Any:
        """The number."""
        return values.numbers[self.k]


class Built(NamedTuple):
    """A container."""

    kind: Any
    keys: tuple[Any, ...]
    items: tuple[Any, ...]

    def make(self, values: Values) -> Any:
        """The container."""
        items = [item.make(values) for item in self.items]
        if self.kind is dict:
            return dict(zip(self.keys, items, strict=True))
        if self.kind in (list, tuple):
            return self.kind(items)
        if issubclass(self.kind, tuple):
            return self.kind(*items)
        made = object.__new__(self.kind)
        for key, item in zip(self.keys, items, strict=True):
            object.__setattr__(made, key, item)
        return made


class Boxed(NamedTuple):
    """A Variable."""

    kind: Any
    data: Any
    tracked: str
    name: str | None

    def make(self, values: Values) -> Any:
        """The Variable."""
        data = self.data.make(values)
        if self.tracked == "leaf":
            return self.kind(data, self.name)
        v = wrap(data, Replayed() if self.tracked else None)
        v.name = self.name
        return v


class Values(NamedTuple):
    """What a replay has at hand for recipes."""

    outputs: list[Any]
    kept: list[Any]
    places: tuple[Any, ...]
    numbers: list[Any]


def stepped(step: Step, z: Any) -> Any:
    """A view by NumPy."""
    if step.op == "slice":
        return z[region(step.attributes)]
    if step.op == "reshape":
        return z.reshape(step.shape)
    if step.op == "transpose":
        return z.transpose(step.attributes)
    if step.op == "broadcast":
        return np.broadcast_to(z, step.shape)
    call: Call = step.attributes
    return call([z])


class Recipes:
    """Makes recipes; notes which outputs and inputs they need."""

    def __init__(self, recording: Recording, world: Any, given: dict[int, int]) -> None:
        self.recording, self.world = recording, world
        self.given = given  # id of a caller's object: its number
        self.nodes: list[Node] = []  # the outputs
        self.kept: list[Traced] = []  # inputs that are needed as they are
        self.numbers: set[int] = set()  # the steps of Python's arithmetic that are needed
        self._roots: dict[int, Any] = {}
        self._made: dict[int, Any] = {}

    def of(self, x: Any) -> Any:
        """The recipe of x.

        Raises:
            Unknown: there is none.
        """
        kind = type(x)
        if kind is Traced:
            return self._array(x)
        if kind is Number:
            self.numbers.add(x.k)
            return HostOut(x.k)
        if kind is Draws:
            return Constant(x.value)
        if kind is ndarray and x.dtype.kind in "biufc":
            return self._array(self.recording.adopted(x))
        if isinstance(x, (generic, *_PLAIN)):
            return Constant(x)
        if id(x) in self.given:
            return Given(self.given[id(x)])
        if id(x) in self.world.holders or isinstance(x, type) or (callable(x) and not isinstance(x, FunctionType)):
            return Constant(x)
        if isinstance(x, Variable):
            node = x._node
            tracked = "" if node is None else "leaf" if node.leaf else "linked"
            return Boxed(type(x), self.of(x._array), tracked, x.name)
        if kind in (list, tuple) or (isinstance(x, tuple) and hasattr(x, "_fields")):
            return Built(kind, (), tuple(map(self.of, x)))
        if kind is dict and all([isinstance(k, _PLAIN) for k in x]):
            return Built(dict, tuple(x), tuple(map(self.of, x.values())))
        if dataclasses.is_dataclass(x) and not hasattr(kind, "__slots__"):
            return Built(kind, tuple(vars(x)), tuple(map(self.of, vars(x).values())))
        raise Unknown(f"a {kind.__module__}.{kind.__qualname__}")

    def _array(self, x: Traced) -> Any:
        owner = x.root
        recipe = self._roots.get(id(owner))
        if recipe is None:
            scalar = isinstance(owner.value, generic)
            if owner.source is not None:
                self.kept.append(owner)
                recipe = In(len(self.kept) - 1, scalar)
            else:
                self.nodes.append(owner.node)
                recipe = Out(len(self.nodes) - 1, scalar)
            self._roots[id(owner)] = recipe
        return recipe if x is owner else Viewed(recipe, x._steps)


# ---- back to NumPy's own ----------------------------------------------------------------------------------------


def plain(x: Any, seen: dict[int, Any] | None = None) -> Any:
    """x with arrays and numbers for what is recorded; lists, dicts and Variables are changed in place."""
    kind = type(x)
    if kind is Traced or kind is Number or kind is Draws:
        return x.value
    if isinstance(x, (*_PLAIN, generic, ndarray)):
        return x
    seen = {} if seen is None else seen
    if id(x) in seen:
        return seen[id(x)]
    seen[id(x)] = x
    if isinstance(x, Variable):
        _plain_variable(x, seen)
    elif kind is list:
        x[:] = [plain(v, seen) for v in x]
    elif kind is dict:
        for k, v in x.items():
            new = plain(v, seen)
            if new is not v:
                x[k] = new
    elif isinstance(x, tuple):
        items = [plain(v, seen) for v in x]
        if any([a is not b for a, b in zip(items, x, strict=True)]):
            x = kind(*items) if hasattr(x, "_fields") else kind(items)
            seen[id(x)] = x
    elif isinstance(x, FunctionType):
        for cell in x.__closure__ or ():
            try:
                new = plain(cell.cell_contents, seen)
            except ValueError:
                continue
            if new is not cell.cell_contents:
                cell.cell_contents = new
    elif not isinstance(x, type) and (values := attributes_of(x)) is not None:
        plain(values, seen)
    return x


def attributes_of(v: Any) -> Any:
    """An object's `__dict__`, without asking its class's `__getattr__`; None if it has none."""
    try:
        return object.__getattribute__(v, "__dict__")
    except AttributeError:
        return None


def _plain_variable(v: Variable, seen: dict[int, Any]) -> None:
    from ..reverse import history

    if type(v._array) is Traced:
        v._array = v._array.value
    if v._node is None:
        return
    for n in history((v._node,)):
        if id(n) in seen:
            continue
        seen[id(n)] = n
        info = getattr(n, "info", None)
        if info is not None:
            for key in ("grad", "seed"):
                setattr(info, key, plain(getattr(info, key), seen))
            info.watched = ()
        for cls in type(n).__mro__:
            for slot in cls.__dict__.get("__slots__", ()):
                if slot not in ("info", "serial", "__weakref__", "parents", "p", "q", "shapes") and hasattr(n, slot):
                    value = getattr(n, slot)
                    if slot == "fn":
                        plain(vars(value), seen)
                    new = plain(value, seen) if slot != "fn" else value
                    if new is not value:
                        setattr(n, slot, new)
