"""The list: what a recording leaves, what the passes rewrite, and what code is made of.

A `Program` is nodes in the order of their making; each names its inputs, and so comes after them. There is no Python
left in it: every branch was taken, every shape is known.

| op          | attributes            | value                                                                   |
|-------------|-----------------------|-------------------------------------------------------------------------|
| input       | position              | the array that the caller gives there                                   |
| constant    | bytes                 | an array that never changes                                             |
| ufunc       | name                  | `np.name` of inputs that broadcast; their dtypes are those of its loop  |
| where       |                       | `np.where` of a boolean and two inputs of the node's dtype              |
| cast        |                       | the input in the node's dtype                                           |
| reduce      | name, axes            | `np.name.reduce` over these axes, which are gone from the shape         |
| broadcast   |                       | `np.broadcast_to`                                                       |
| reshape     |                       | in C order                                                              |
| transpose   | axes                  | `np.transpose`                                                          |
| slice       | (start, stop, step)…  | one for each axis, as `range` takes them; integers are a reshape behind |
| assign      | (start, stop, step)…  | the first input, where that region is the second, which broadcasts      |
| concatenate | axis                  | of all inputs                                                           |
| matmul      |                       | `np.matmul`, both of two axes or more                                   |
| call        | function, template    | a call of anything else, with the inputs in the template's places       |
| item        | k                     | the k-th result of a call that returns several                          |

Casts are nodes of their own, so no later stage knows NumPy's rules of promotion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

SPECIAL = frozenset({"erf", "erfc"})  # ufuncs of scipy.special
Region = tuple[tuple[int, int, int], ...]


class Node:
    """One line of the list."""

    __slots__ = ("attributes", "dtype", "index", "inputs", "line", "op", "shape")

    def __init__(
        self, op: str, inputs: tuple[Node, ...], attributes: Any, shape: tuple[int, ...], dtype: Any, index: int
    ) -> None:
        self.op, self.inputs, self.attributes, self.shape, self.index = op, inputs, attributes, shape, index
        self.dtype: np.dtype[Any] = dtype
        self.line = ""  # the user's, where the recording knows it

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __repr__(self) -> str:
        inputs = ", ".join([f"%{x.index}" for x in self.inputs])
        return f"%{self.index} = {self.title}({inputs}) {self.dtype}{list(self.shape)}"

    @property
    def title(self) -> str:
        """The operation's name for people: the ufunc's, or the function's that is called."""
        if self.op in ("ufunc", "reduce"):
            name = self.attributes if self.op == "ufunc" else self.attributes[0]
            return f"{name}.reduce" if self.op == "reduce" else str(name)
        if self.op == "call":
            return getattr(self.attributes.function, "__name__", "call")
        return self.op


class Place(NamedTuple):
    """Where in a template the k-th input of a call stands."""

    k: int


class Call(NamedTuple):
    """What a `call` node does: a function, and its arguments with `Place`s for inputs, at any depth of containers."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __hash__(self) -> int:  # never merged: nobody knows what the function reads
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __call__(self, inputs: Sequence[Any]) -> Any:
        return self.function(*filled(self.args, inputs), **filled(self.kwargs, inputs))


class Method:
    """A function of an array that calls its method of that name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, self.__name__)(*args, **kwargs)


def filled(template: Any, inputs: Sequence[Any]) -> Any:
    """The template with inputs in their places."""
    if isinstance(template, Place):
        return inputs[template.k]
    if isinstance(template, (list, tuple)):
        items = [filled(t, inputs) for t in template]
        if hasattr(template, "_fields"):  # a NamedTuple
            return type(template)(*items)
        return items if isinstance(template, list) else tuple(items)
    if isinstance(template, dict):
        return {k: filled(t, inputs) for k, t in template.items()}
    if isinstance(template, slice):
        return slice(*filled((template.start, template.stop, template.step), inputs))
    return template


class Update(NamedTuple):
    """After a run, the array that was given as `input` holds the value of `node`."""

    input: Node
    node: Node


class Check(NamedTuple):
    """What the recording took for granted: `node`, which has no axes, has this value. Else the run is void."""

    node: Node
    value: Any
    line: str = ""


class Program:
    """A list with what goes in and what comes out. Nodes that are alike are one (hash consing)."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []
        self.outputs: list[Node] = []
        self.updates: list[Update] = []
        self.checks: list[Check] = []
        self._known: dict[Any, Node] = {}

    def add(
        self, op: str, inputs: Iterable[Node] = (), attributes: Any = None, shape: Sequence[int] = (), dtype: Any = None
    ) -> Node:
        """A node, or the one there is already."""
        inputs, shape, dtype = tuple(inputs), tuple(shape), np.dtype(dtype)
        key = op, tuple([x.index for x in inputs]), attributes, shape, dtype
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = Node(op, inputs, attributes, shape, dtype, len(self.nodes))
            self.nodes.append(node)
            if op == "input":
                self.inputs.append(node)
        return node

    def input(self, shape: Sequence[int], dtype: Any) -> Node:
        """The next input."""
        return self.add("input", (), len(self.inputs), shape, dtype)

    def constant(self, value: Any) -> Node:
        """A copy of the value, which stays."""
        array = np.asarray(value)
        return self.add("constant", (), array.tobytes(), array.shape, array.dtype)

    @property
    def roots(self) -> list[Node]:
        """What has to be computed."""
        return [*self.outputs, *[u.node for u in self.updates], *[c.node for c in self.checks]]

    def __str__(self) -> str:
        return "\n".join(map(repr, self.nodes))


def live(roots: Iterable[Node]) -> list[Node]:
    """All nodes that these need, in the order of the list."""
    found: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.index not in found:
            found[node.index] = node
            stack.extend(node.inputs)
    return [found[i] for i in sorted(found)]


# ---- the meaning of each operation, in NumPy ---------------------------------------------------------------------


def evaluate(node: Node, xs: Sequence[Any]) -> Any:
    """The value of a node from those of its inputs: what every other way to run a program has to agree with."""
    return _MEANING[node.op](node, xs)


@cache
def ufunc_of(name: str) -> Any:
    """NumPy's ufunc of this name; scipy.special's for those of `SPECIAL`."""
    if name in SPECIAL:
        from scipy import special

        return getattr(special, name)
    return getattr(np, name)


def region(attributes: Region) -> tuple[slice, ...]:
    """The index of a `slice` or an `assign`."""
    return tuple([slice(a, None if b < 0 else b, s) for a, b, s in attributes])


def value_of(node: Node) -> ndarray:
    """The array of a constant, read-only."""
    return np.frombuffer(node.attributes, node.dtype).reshape(node.shape)


def _assign(node: Node, xs: Sequence[Any]) -> ndarray:
    z = np.array(xs[0])
    z[region(node.attributes)] = xs[1]
    return z


_MEANING: dict[str, Callable[[Node, Sequence[Any]], Any]] = {
    "constant": lambda node, xs: value_of(node),
    "ufunc": lambda node, xs: ufunc_of(node.attributes)(*xs),
    "where": lambda node, xs: np.where(*xs),
    "cast": lambda node, xs: np.asarray(xs[0]).astype(node.dtype),
    "reduce": lambda node, xs: getattr(np, node.attributes[0]).reduce(xs[0], axis=node.attributes[1], dtype=node.dtype),
    "broadcast": lambda node, xs: np.broadcast_to(xs[0], node.shape),
    "reshape": lambda node, xs: np.reshape(xs[0], node.shape),
    "transpose": lambda node, xs: np.transpose(xs[0], node.attributes),
    "slice": lambda node, xs: xs[0][region(node.attributes)],
    "assign": _assign,
    "concatenate": lambda node, xs: np.concatenate(xs, node.attributes),
    "matmul": lambda node, xs: np.matmul(*xs),
    "call": lambda node, xs: node.attributes(xs),
    "item": lambda node, xs: xs[0][node.attributes],
}


def run(program: Program, arrays: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """The values of outputs, updates and checks, computed one node after the other."""
    values: list[Any] = []
    for node in program.nodes:
        values.append(
            arrays[node.attributes] if node.op == "input" else evaluate(node, [values[x.index] for x in node.inputs])
        )
    return tuple(
        [
            [values[r.index] for r in roots]
            for roots in (  # type: ignore[return-value]
                program.outputs,
                [u.node for u in program.updates],
                [c.node for c in program.checks],
            )
        ]
    )
