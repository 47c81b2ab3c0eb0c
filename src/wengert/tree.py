"""Containers of arrays: any nesting of dict, list, tuple, named tuple and dataclass, taken apart and rebuilt.

A *leaf* is anything that is no container: an array, a Variable, a number. None holds no leaf. The names are those of
`jax.tree`.

Example:
    >>> params = {"w": np.ones((2, 3)), "b": [0.0, 1.0]}
    >>> wg.tree.map(np.shape, params)
    {'w': (2, 3), 'b': [(), ()]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .variable import Variable

_numbers = (ndarray, Variable, np.generic, float, int, complex)
_registered: dict[type, tuple[Callable[[Any], tuple[Any, Any]], Callable[[Any, Any], Any]]] = {}


def register(
    cls: type, flatten: Callable[[Any], tuple[Sequence[Any], Any]], unflatten: Callable[[Any, Sequence[Any]], Any]
) -> None:
    """Make a class known as a container, in every function of Wengert that takes containers.

    Args:
        cls: the class itself; subclasses are registered by themselves.
        flatten: gives `(children, extra)`: a sequence of leaves or containers, and whatever else makes the object.
        unflatten: `(extra, children)`, gives the object.

    Example:
        >>> class Pair:
        ...     def __init__(self, x, y):
        ...         self.x, self.y = x, y
        >>> wg.tree.register(Pair, lambda p: ((p.x, p.y), None), lambda _, children: Pair(*children))
        >>> wg.tree.leaves(Pair(1.0, {"a": 2.0}))
        [1.0, 2.0]
    """
    _registered[cls] = flatten, unflatten


class Structure:
    """What `flatten` leaves of a container: its shape without its leaves. `size` is how many leaves it has."""

    __slots__ = ("children", "extra", "keys", "kind", "size")

    def __init__(self, kind: Any, keys: tuple[Any, ...], children: tuple[Structure, ...], extra: Any = None) -> None:
        self.kind = kind  # the container's class; None for a leaf
        self.keys = keys  # of the children: dict keys, field names, positions
        self.children = children
        self.extra = extra  # of a registered class, and a dataclass's static fields
        self.size: int = 1 if kind is None else sum([c.size for c in children])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        if self.kind is dict and other.kind is dict:
            mine, others = (
                dict(zip(self.keys, self.children, strict=True)),
                dict(zip(other.keys, other.children, strict=True)),
            )
            return mine == others
        return (self.kind, self.keys, self.children) == (other.kind, other.keys, other.children)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.unflatten([_Star()] * self.size))

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """The container with these leaves.

        Raises:
            ValueError: another number of leaves.
        """
        if len(leaves) != self.size:
            raise ValueError(f"unflatten: expected {self.size} leaves, got {len(leaves)}")
        return self._build(iter(leaves)) if self.kind is not None else leaves[0]

    def _build(self, leaves: Iterator[Any]) -> Any:
        kind = self.kind
        if kind is None:
            return next(leaves)
        children = [c._build(leaves) for c in self.children]
        if kind in _registered:
            return _registered[kind][1](self.extra, children)
        if kind is dict:
            return dict(zip(self.keys, children, strict=True))
        if kind is list:
            return children
        if kind is tuple:
            return tuple(children)
        if kind is type(None):
            return None
        if issubclass(kind, tuple):
            return kind(*children)  # a named tuple
        return _dataclass(kind, {**self.extra, **dict(zip(self.keys, children, strict=True))})

    def paths(self, prefix: str = "") -> list[str]:
        """Where each leaf is, as Python writes it: `['w'][0].bias`; empty for a leaf alone."""
        if self.kind is None:
            return [prefix]
        named = self.kind not in (dict, list, tuple) and self.kind not in _registered
        found = []
        for key, child in zip(self.keys, self.children, strict=True):
            found += child.paths(f"{prefix}.{key}" if named else f"{prefix}[{key!r}]")
        return found


class _Star:
    def __repr__(self) -> str:
        return "*"


_LEAF = Structure(None, (), ())


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """`(leaves, structure)`: the leaves in order, and what `structure.unflatten(leaves)` builds the container from."""
    if isinstance(tree, _numbers):
        return [tree], _LEAF
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves)


def _take_apart(tree: Any, leaves: list[Any]) -> Structure:
    parts = _parts(tree)
    if parts is None:
        leaves.append(tree)
        return _LEAF
    keys, children, extra = parts
    return Structure(type(tree), keys, tuple([_take_apart(c, leaves) for c in children]), extra)


def _parts(tree: Any) -> tuple[tuple[Any, ...], Sequence[Any], Any] | None:
    """One level of a container: keys, children, and what else it holds; None for a leaf."""
    kind = type(tree)
    if isinstance(tree, _numbers):
        return None
    if kind in _registered:
        children, extra = _registered[kind][0](tree)
        return tuple(range(len(children))), children, extra
    if tree is None:
        return (), (), None
    if kind is dict:
        return tuple(tree), tuple(tree.values()), None
    if kind is list or kind is tuple:
        return tuple(range(len(tree))), tree, None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tree._fields, tree, None
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = dataclasses.fields(tree)
        names = tuple([f.name for f in fields if not f.metadata.get("static")])
        static = {f.name: getattr(tree, f.name) for f in fields if f.metadata.get("static")}
        return names, [getattr(tree, name) for name in names], static
    return None


def _dataclass(cls: type, values: dict[str, Any]) -> Any:
    """An instance with these fields, made as `copy` makes one: `__post_init__` has run for the original already."""
    made: Any = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The container of this structure with these leaves."""
    return structure.unflatten(leaves)


def leaves(tree: Any) -> list[Any]:
    """The leaves of a container, in order."""
    return flatten(tree)[0]


def structure(tree: Any) -> Structure:
    """The structure of a container."""
    return flatten(tree)[1]


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The container of `f(leaf, ...)`, with the leaves at the same place in each of `rest`.

    Raises:
        ValueError: one of `rest` is built in another way.
    """
    first, built = flatten(tree)
    columns = [first, *[match(built, other, f"map: argument {i}") for i, other in enumerate(rest, 2)]]
    return built.unflatten([f(*row) for row in zip(*columns, strict=True)])


def match(built: Structure, tree: Any, what: str) -> list[Any]:
    """The leaves of `tree`, in the order of `built`, which must be its structure. `what` names it in messages.

    Raises:
        ValueError: it is built in another way.
    """
    found: list[Any] = []
    if not _matched(built, tree, found):
        raise ValueError(f"{what}: expected a container like {built}, got {structure(tree)}")
    return found


def _matched(built: Structure, tree: Any, found: list[Any]) -> bool:
    parts = _parts(tree)
    if parts is None or built.kind is None:
        found.append(tree)
        return parts is None and built.kind is None
    keys, children, _ = parts
    if type(tree) is not built.kind:
        return False
    if built.kind is dict:  # in whatever order
        if tree.keys() != set(built.keys):
            return False
        children = [tree[k] for k in built.keys]
    elif keys != built.keys:
        return False
    return all([_matched(b, c, found) for b, c in zip(built.children, children, strict=True)])
