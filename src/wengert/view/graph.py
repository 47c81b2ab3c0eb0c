"""What is in a graph, as plain data: items (variables and calls) with their links, values and what flows back.

Everything is read from the nodes. The value of an intermediate result is the one that a Variable still holds, or that a
rule saved; where neither is, it is computed again: from operands that are known as they were at the call, else from
leaves as they are now, unless those give another result than one that is known. Nothing is left in the graph: no
gradient changes, and the result holds arrays and text, not nodes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import generic, ndarray

from .. import reverse, tree
from ..function import Call as UsersCall, Freed, Node, Pick, give
from ..observe import Tape
from ..operation import Binary, General, Linear, Operation, Unary
from ..recording import Mode
from ..saved import Watching, unchanged
from ..variable import UNHELD, Variable, as_cotangent, data_of, references
from ..views import View
from .formulas import Formula, formula_of
from .names import plain, scopes

UNKNOWN: Any = object()  # in place of a constant that the call did not keep


@dataclass(slots=True)
class Value:
    """A variable: what is drawn round. `creator` is the position of the call that made it, -1 for a leaf."""

    serial: int
    name: str | None
    creator: int
    value: Any = None  # None where it was not kept
    grad: Any = None  # what backward left, if it did
    flow: Any = None  # the cotangent: what a backward pass from the outputs brings here
    shape: tuple[int, ...] | None = None
    dtype: Any = None
    output: bool = False
    again: bool = False  # the value was computed again from leaves as they are now
    scope: tuple[tuple[str, int], ...] = ()
    group: int = -1

    @property
    def label(self) -> str:
        """A few characters for the picture: the name, else a number, else the shape."""
        if self.name:
            if len(self.name) <= 20:
                return self.name
            return "…" + self.name[-19:] if "." in self.name else self.name[:19] + "…"  # the end of a path tells more
        if self.value is not None and np.size(self.value) == 1 and np.ndim(self.value) == 0:
            return short(self.value)
        return "?" if self.shape is None else "×".join(map(str, self.shape)) or "scalar"


@dataclass(slots=True)
class Call:
    """A recorded call: what is drawn as a box. `inputs` holds positions of values, -1 for a constant."""

    serial: int
    name: str
    inputs: list[int]
    constants: list[Any]  # beside `inputs`: the constant there, or UNKNOWN
    outputs: list[int] = field(default_factory=list)
    flows: list[Any] = field(default_factory=list)  # beside `inputs`: what flows back to each
    given: str = ""  # the call's other arguments
    formula: Formula | None = None
    line: str | None = None
    scope: tuple[tuple[str, int], ...] = ()
    group: int = -1
    cost: tuple[int, int] | None = None  # nanoseconds forward and backward: see profile.py

    @property
    def label(self) -> str:
        """The name, with a constant operand or other arguments where they are short."""
        pairs = zip(self.inputs, self.constants, strict=True)
        known = [short(c) for i, c in pairs if i < 0 and c is not UNKNOWN and np.ndim(c) == 0]
        name = "power" if self.name == "pow_operator" else self.name
        text = " ".join([name, *known[:1]] if self.given == "" else [name, self.given])
        return text if len(text) <= 24 else name if len(name) <= 24 else name[:23] + "…"


@dataclass(slots=True)
class Graph:
    """Items in the order in which they came to be, and why nothing flows back, where that is so."""

    items: list[Value | Call]
    outputs: list[int]
    note: str = ""

    def edges(self) -> Iterator[tuple[int, int]]:
        """Pairs of positions: from a value to each call that reads it, and from a call to its results."""
        for i, item in enumerate(self.items):
            if isinstance(item, Call):
                yield from [(k, i) for k in item.inputs if k >= 0]
            elif item.creator >= 0:
                yield item.creator, i


def short(x: Any) -> str:
    """A number in at most some ten characters."""
    x = np.asarray(x)[()]
    return f"{x:.4g}" if getattr(x, "dtype", np.dtype(object)).kind in "fc" else str(x)[:10]


def read(outputs: Any, order: int = 0, profile: Any = None) -> Graph:
    """The graph behind Variables, or containers of them; with `order`, that of a derivative.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where the outputs do not depend on exactly one leaf, or below 0.
    """
    if not isinstance(order, int) or order < 0:
        raise ValueError(f"order: expected 0, 1, 2, ..., got {order!r}")
    found = tree.leaves(outputs)
    for y in found:
        if not isinstance(y, Variable):
            raise TypeError(f"expected Variables whose graph can be drawn, got {type(y).__name__}")
    if not found:
        raise TypeError("expected at least one Variable whose graph can be drawn")
    with Tape() if order else nullcontext():  # which keeps the values
        found = [derivative(y, order) for y in found] if order else found
        return _read(found, profile)


def _read(found: Sequence[Variable], profile: Any) -> Graph:
    """The graph behind some Variables."""
    tracked = list({y._node.serial: y for y in found if y._node is not None}.values())
    nodes = reverse.history([y._node for y in tracked])
    values, again = _values(nodes)
    graph, places = _items(nodes, values)
    for n in again:
        graph.items[places[n]].again = True  # type: ignore[union-attr]
    graph.outputs = [places[y._node] for y in tracked]
    for y in found:
        if y._node is None:  # a constant: a picture of one value
            graph.outputs.append(len(graph.items))
            graph.items.append(Value(0, y.name and plain(y.name), -1, y._array, None, None, y.shape, y.dtype))
    for i in graph.outputs:
        graph.items[i].output = True  # type: ignore[union-attr]
    _note_flows(graph, places, nodes, tracked)
    for item in graph.items if profile is not None else ():
        if isinstance(item, Call):
            item.cost = profile.cost_of(item.serial)
    return graph


def derivative(y: Variable, order: int) -> Variable:
    """The derivative of y, of this order, by the one leaf that it was computed from, with its graph.

    One that does not depend on the leaf any more is a constant, and those after it are 0.

    Raises:
        ValueError: no leaf, or several.
    """
    leaves = [n for n in reverse.history([y._node]) if n.leaf] if y._node is not None else []
    if len(leaves) != 1:
        raise ValueError(f"order={order}: needs a Variable computed from one leaf, not from {len(leaves)}")
    for _ in range(order):
        g = None
        if y._node is not None:
            (g,) = reverse.pull([y._node], [Variable(np.ones(y.shape, y.dtype)).detach()], leaves, True)
        y = Variable(np.zeros(y.shape, y.dtype)).detach() if g is None else g
    return y


# ---- items --------------------------------------------------------------------------------------------------


def _items(nodes: Sequence[Any], values: dict[Any, Any]) -> tuple[Graph, dict[Any, int]]:
    """The items, and where the value of each node is among them."""
    items: list[Value | Call] = []
    places: dict[Any, int] = {}
    calls: dict[Any, int] = {}
    several = {n.p for n in nodes if isinstance(n, Pick)}
    scoped, parameters = scopes(nodes)
    for n in nodes:
        creator = -1
        info = getattr(n, "info", None)
        scope = scoped.get(n, ())
        if isinstance(n, Pick):
            creator = calls[n.p]
        elif n.parents:
            creator = calls[n] = len(items)
            constants = _constants(n)
            inputs = [-1 if p is None else places[p] for p in n.parents]
            line = getattr(info, "line", None)
            call = Call(n.serial, name_of(n), inputs, constants, given=plain(_given(n)), scope=scope)
            call.line = line and plain(line)
            call.formula = formula_of(n)
            items.append(call)
        if n not in several:
            z = values.get(n)
            grad = data_of(getattr(info, "grad", None))
            if z is not None:
                grad = grad if grad is None else as_cotangent(grad, z.dtype)
            if creator >= 0:
                items[creator].outputs.append(len(items))  # type: ignore[union-attr]
                scope = items[creator].scope
            places[n] = len(items)
            name = getattr(info, "name", None) or parameters.get(n.serial)
            shown = Value(n.serial, name and plain(name), creator, z, grad, scope=scope)
            if z is not None:
                shown.shape, shown.dtype = z.shape, z.dtype
            items.append(shown)
    return Graph(items, []), places


def _constants(n: Any) -> list[Any]:
    """Beside a node's parents: the constant there, which the rule or a Recorder kept, or UNKNOWN."""
    noted = getattr(getattr(n, "info", None), "args", ()) or [None] * len(n.parents)
    found = []
    for p, x, y in zip(n.parents, n.saved()[1:], noted, strict=True):
        x = y if x is None else x
        found.append(UNKNOWN if p is not None or x is None or isinstance(x, tuple) else x)
    return found


def name_of(n: Any) -> str:
    """What a node's operation is called."""
    if isinstance(n, Operation):
        return plain(n.op.__name__)
    fn = n.function if isinstance(n, UsersCall) else n
    rules = getattr(fn, "_rules", None)  # of custom_rule
    return plain(rules.name if rules is not None else type(fn).__name__)


def _given(n: Any) -> str:
    """The other arguments of a call, as one writes them."""
    args = [_text(a) for a in getattr(n, "args", ())]
    kwargs = getattr(n, "kwargs", None) or {}
    return ", ".join([*args, *[f"{k}={_text(v)}" for k, v in kwargs.items() if not callable(v)]])


def _text(value: Any) -> str:
    if isinstance(value, ndarray) and value.size > 6:
        return f"array of shape {value.shape}"
    if isinstance(value, (tuple, list)) and len(value) <= 8:
        inside = ", ".join(map(_text, value))
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


# ---- values -------------------------------------------------------------------------------------------------


def _values(nodes: Sequence[Any]) -> tuple[dict[Any, Any], set[Any]]:
    """The value of each node, as far as it can be known; and which were computed again from leaves as they are now."""
    values: dict[Any, Any] = {}
    held = _held(nodes)
    for n in nodes:
        if n.leaf:
            continue
        if n in held:
            values[n] = held[n]
        saved = n.saved()
        for p, x in zip((n, *n.parents), saved, strict=False):
            if p is not None and isinstance(x, (ndarray, generic)):
                values.setdefault(p, x)
    again: set[Any] = set()
    with Mode(False), np.errstate(all="ignore"):
        for n in nodes:
            if n not in values and (z := _again(n, values)) is not None:
                values[n] = z
        unsaved = {n: held[n] for n in nodes if n not in values and n in held}  # leaves
        guesses = values | unsaved
        wrong = []  # results that are known to have been others than those of the leaves as they are now
        for n in nodes:
            if not any([p in unsaved or p in again for p in n.parents]) or (z := _again(n, guesses)) is None:
                continue
            if n not in values:
                guesses[n] = z
                again.add(n)
            elif not np.array_equal(z, values[n], equal_nan=True):
                wrong.append(n)
    changed: set[Any] = set()
    for n in wrong:  # grows while it is walked
        found = {p for p in n.parents if p in unsaved or p in again} - changed
        changed |= found
        wrong += found
    for n in nodes:
        if n in again and not changed.isdisjoint(n.parents):
            changed.add(n)
    again -= changed
    return values | unsaved | {n: guesses[n] for n in again}, again


def _held(nodes: Sequence[Any]) -> dict[Any, Any]:
    """The arrays of those Variables on these nodes that somebody holds, found in one pass over all objects."""
    wanted = {id(n): n for n in nodes if references(n.serial) != UNHELD}
    held = {}
    for v in gc.get_objects() if wanted else ():
        if issubclass(type(v), Variable):  # isinstance would ask the object, which may be anything
            kind = "_held" if isinstance(v, View) else ""  # to read _node would bring a view up to date
            n = wanted.get(id(getattr(v, f"{kind}_node", None)))
            z = getattr(v, f"{kind}_array", None)
            if n is not None and isinstance(z, (ndarray, generic)):
                held[n] = z
    return held


def _again(n: Any, values: dict[Any, Any]) -> Any:
    """The call made again; None where an operand is not known, or the call needs more than its operands."""
    if not isinstance(n, (Unary, Binary, Linear, General)):
        return None
    operands = [c if p is None else values.get(p, UNKNOWN) for p, c in zip(n.parents, _constants(n), strict=True)]
    if any([x is UNKNOWN for x in operands]):
        return None
    try:
        z = n.op(*operands, *n.args, **n.kwargs)
    except Exception:
        return None
    return z if isinstance(z, (ndarray, generic)) else None


# ---- what flows back ----------------------------------------------------------------------------------------


def _note_flows(graph: Graph, places: dict[Any, int], nodes: Sequence[Any], outputs: Sequence[Variable]) -> None:
    """Walk back from the outputs as `backward` does, in a table of its own."""
    items = graph.items
    by_serial = {item.serial: item for item in items if isinstance(item, Call)}
    try:
        flows, edges = _walk(nodes, outputs, None)
        if any(map(reverse.has_nan, flows.values())):
            flows, edges = _walk(nodes, outputs, reverse.zero_stays_zero)
    except Exception as error:
        graph.note = f"{type(error).__name__}: {error}"
        return
    for n, g in flows.items():
        shown = items[places[n]]
        assert isinstance(shown, Value)
        if shown.shape is None:
            shown.shape, shown.dtype = g.shape, g.dtype
        shown.flow = _flow(g, shown)
    for n, ts in edges.items():
        call = by_serial[n.serial]
        call.flows = [None if i < 0 else _flow(t, items[i]) for i, t in zip(call.inputs, ts, strict=True)]


def _flow(g: Any, x: Any) -> Any:
    """What flows to x as an array of its dtype: what is complex on the way is real where x is."""
    return as_cotangent(g, x.dtype) if isinstance(g, (ndarray, generic)) else None


def _walk(nodes: Sequence[Any], outputs: Sequence[Variable], apply: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The cotangent of each value's node, and what each call hands to its inputs."""
    table: dict[Any, Any] = {}
    flows: dict[Any, Any] = {}
    edges: dict[Any, Any] = {}
    for y in outputs:
        seed = getattr(getattr(y._node, "info", None), "seed", None)
        give(table, y._node, np.ones(y.shape, y.dtype)[()] if seed is None else data_of(seed))
    with Mode(True), np.errstate(all="ignore"):
        for n in reversed(nodes):
            g = table.pop(n, None)
            if g is None:
                continue
            if hasattr(g, "shape"):
                flows[n] = g
            if isinstance(n, Freed):
                n.back(g, table)  # raises
            elif isinstance(n, Pick):
                n.back(g, table)
            elif isinstance(n, Node) and n.parents:
                if isinstance(n, Watching):
                    unchanged(n.info.watched, type(n).__name__)
                ts = edges[n] = [None] * len(n.parents)
                k = 0
                for p, t in n.cotangents(g, False, apply):
                    while n.parents[k] is not p:
                        k += 1
                    ts[k] = t
                    k += 1
                    give(table, p, t)
    return flows, edges
