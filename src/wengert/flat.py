"""Containers as flat vectors of real numbers, for solvers that know nothing else, and functions of such vectors.

A complex number counts as two real ones, so that nothing here has to ask whether a function is holomorphic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from . import forward, reverse, tree
from .batching.array import Batched, BatchedError
from .batching.vmap import vmap
from .jacobians import LIMIT
from .recording import no_grad, recorded
from .variable import Variable, as_data, data_of, wrap

_FEW = 6  # walks that cost less one by one than in a batch
_numbers = (int, float, complex, np.generic)


def scipy_optimize() -> Any:
    """The module `scipy.optimize`, imported when first used."""
    try:
        import scipy.optimize
    except ImportError as error:
        raise ImportError("this needs SciPy: pip install 'wengert[scipy]'") from error
    return scipy.optimize


def ravel(container: Any, what: str) -> Any:
    """The leaves of a container in one vector, differentiably. `what` names it in messages."""
    parts: list[Any] = []
    for leaf in tree.leaves(container):
        if type(leaf._array if isinstance(leaf, Variable) else leaf) is Batched:
            raise BatchedError(
                f"{what} has another value in every example of a vmap, and a solver takes its decisions by values; "
                "solve for the whole batch at once, with an x0 of its shape, or for one example after the other"
            )
        x: Any = leaf if isinstance(leaf, Variable) else np.asarray(as_data(leaf, what))
        for part in (np.real(x), np.imag(x)) if x.dtype.kind == "c" else (x,):
            if part.dtype.char not in "fd":  # what linear algebra works in
                part = part.astype(np.float32 if part.dtype.char == "e" else float)
            parts.append(np.reshape(part, (-1,)))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0)


def plain(x: Any) -> Any:
    """A container with the data of its Variables."""
    return tree.map(lambda leaf: leaf.data if isinstance(leaf, Variable) else leaf, x)


def untracked(x: Any) -> Any:
    """A container with the data of those of its Variables that are not tracked."""
    return tree.map(lambda leaf: leaf.data if isinstance(leaf, Variable) and leaf._node is None else leaf, x)


class Flat:
    """What a container of arrays is made of: between it and a vector, in either direction.

    A list or tuple of plain numbers counts as one array, as it does for SciPy. Integers become floating-point.
    """

    def __init__(self, container: Any, what: str) -> None:
        self.what = what
        if isinstance(container, (list, tuple)) and not hasattr(container, "_fields") and len(container):
            numbers = all([isinstance(leaf, _numbers) for leaf in tree.leaves(container)])
            container = np.asarray(container) if numbers else container
        leaves, self.structure = tree.flatten(container)
        paths = self.structure.paths()
        arrays = [np.asarray(as_data(data_of(x), f"{what}{path}")) for x, path in zip(leaves, paths, strict=True)]
        for i, (x, path) in enumerate(zip(arrays, paths, strict=True)):
            if x.dtype.kind not in "biufc":
                raise TypeError(f"{what}{path}: expected numbers, got dtype {x.dtype}")
            if x.dtype.kind in "biu":
                arrays[i] = x.astype(float)
        self.shapes = [x.shape for x in arrays]
        self.dtypes = [x.dtype for x in arrays]
        self.sizes = [x.size * (2 if x.dtype.kind == "c" else 1) for x in arrays]
        self.size = sum(self.sizes)
        self.start = np.array(ravel(arrays, what))  # a copy: solvers may write to it
        self.dtype = self.start.dtype

    def ravel(self, container: Any, what: str) -> Any:
        """The vector of a container built like this one.

        Raises:
            ValueError: it is built in another way, or a leaf has another shape.
        """
        if self.structure.kind is None and isinstance(container, (list, tuple)):
            container = np.asarray(container)
        leaves = tree.match(self.structure, container, what)
        for leaf, shape, path in zip(leaves, self.shapes, self.structure.paths(), strict=True):
            if np.shape(leaf) != shape:
                raise ValueError(f"{what}{path}: expected shape {shape}, got {np.shape(leaf)}")
        x = ravel(
            [
                np.asarray(leaf, d) if not isinstance(leaf, Variable) else leaf
                for leaf, d in zip(leaves, self.dtypes, strict=True)
            ],
            what,
        )
        return x if x.dtype == self.dtype else x.astype(self.dtype)

    def unravel(self, x: Any) -> Any:
        """The container with the elements of the vector x, differentiably."""
        leaves, start = [], 0
        for shape, dtype, size in zip(self.shapes, self.dtypes, self.sizes, strict=True):
            leaf = x[start : start + size]
            start += size
            if dtype.kind == "c":
                leaf = leaf[: size // 2] + 1j * leaf[size // 2 :]
            leaf = np.reshape(leaf, shape)
            leaves.append(leaf if leaf.dtype == dtype else leaf.astype(dtype))
        return self.structure.unflatten(leaves)


class Linearization:
    """One run of a function of one real vector at x, and its derivatives there, of first and second order.

    `f` gives a vector; `value` holds its data, `y` the Variable. Functions that see x see a plain array's values.
    """

    __slots__ = ("_x", "value", "x", "y")

    def __init__(self, f: Callable[[Any], Any], x: ndarray) -> None:
        self.x = x.copy()  # solvers change theirs in place
        with recorded():
            self._x = Variable(self.x)
            y = f(self._x)
        self.y: Variable = y if isinstance(y, Variable) else wrap(y, None)
        self.value: ndarray = self.y.data

    @property
    def node(self) -> Any:
        """The node of x."""
        return self._x._node

    def outer(self) -> tuple[Any, ...]:
        """The nodes that the run read beside x: of arguments, and of Variables in closures."""
        found: dict[Any, None] = {}
        since = self.node.serial
        for n in reverse.history([self.y._node], since) if self.y._node is not None else ():
            for p in (n, *n.parents):
                if p is not None and p.serial < since:
                    found[p] = None
        return tuple(found)

    def pull(self, g: Any, graph: bool = False) -> Any:
        """The transposed Jacobian times g."""
        t = None
        if self.y._node is not None:
            g = wrap(g, None) if graph and not isinstance(g, Variable) else g
            (t,) = reverse.pull([self.y._node], [g], [self.node], graph)
        if t is None:
            return np.zeros_like(self.x)
        t = np.real(t) if t.dtype.kind == "c" else t  # as the gradient of something real
        return t if t.dtype == self.x.dtype else t.astype(self.x.dtype)

    def push(self, t: Any, graph: bool = False) -> Any:
        """The Jacobian times t."""
        ty = None
        if self.y._node is not None:
            t = wrap(t, None) if graph and not isinstance(t, Variable) else t
            (ty,) = forward.push([self.y._node], [self.node], [t], graph)
        return np.zeros_like(self.value) if ty is None else ty

    def jacobian(self) -> ndarray:
        """The Jacobian, a row for each element of the result: by a walk with a batch of rows, or columns, if fewer."""
        m, n = self.value.size, self.x.size
        by_rows = m <= n
        count, one, walk = (m, self.value, self.pull) if by_rows else (n, self.x, self.push)
        matrix = np.zeros((count, max(m, n) if count else 0), self.x.dtype)
        step = max(1, LIMIT // max(1, self.x.nbytes + self.value.nbytes))
        for i in range(0, count, step):
            units = np.eye(min(step, count - i), count, i, dtype=one.dtype)
            matrix[i : i + step] = vmap(walk)(units) if len(units) > _FEW else [walk(e) for e in units]
        return matrix.reshape(m, n) if by_rows else matrix.T

    def gradient(self, weights: Any) -> Linearization:
        """Of `weights @ f(x)`, itself linearized: its `pull` multiplies the Hessian with a vector, by a walk each."""
        at = object.__new__(Linearization)
        t = self.pull(np.asarray(weights, self.value.dtype), graph=True)
        at.x, at._x = self.x, self._x
        at.y = t if isinstance(t, Variable) else wrap(t, None)
        at.value = at.y.data
        return at


def reads_tracked(f: Callable[[Any], Any], x: Any) -> bool:
    """Whether f at x, which is plain, gives something that was computed from tracked data."""
    with recorded():
        return any([isinstance(leaf, Variable) and leaf._node is not None for leaf in tree.leaves(f(x))])


class Evaluated:
    """A function of a vector for SciPy, on plain arrays, with its Jacobian.

    Solvers ask for value and derivatives one by one, so the latest run is kept. What they get is float64: some take
    nothing else.
    """

    def __init__(self, f: Callable[[Any], Any], start: Flat) -> None:
        self.f = f
        self.start = start
        self._at: Linearization | None = None

    def __call__(self, x: Any) -> Any:
        """The vector of values, differentiably."""
        return self.f(x)

    def at(self, x: Any) -> Linearization:
        """The function linearized at x."""
        x = np.asarray(x, self.start.dtype)
        if self._at is None or not np.array_equal(self._at.x, x):
            self._at = Linearization(self, x)
        return self._at

    def value(self, x: Any) -> ndarray:
        """The value of a run that its derivatives can be asked of."""
        return np.array(self.at(x).value, float)

    def value_alone(self, x: Any) -> ndarray:
        """The value of a run of which nothing is recorded."""
        with no_grad():
            return np.array(data_of(self(x)), float)

    def jacobian(self, x: Any) -> ndarray:
        """The Jacobian at x."""
        return self.at(x).jacobian().astype(float)
