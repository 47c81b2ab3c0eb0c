"""What the solvers see of a user's function: a right-hand side on vectors, whatever container the state is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .. import tree
from ..recording import Mode
from ..rules.shaping import array, concatenate
from ..variable import Variable, as_data, data_of
from .explicit import in_precision


class State:
    """How a user's state becomes a vector, and back.

    Raises:
        TypeError: y0 holds what is no number.
        ValueError: y0 is an array, but no vector.
    """

    def __init__(self, y0: Any, double: bool) -> None:
        leaves, structure = tree.flatten(y0)
        if type(y0) in (list, tuple) and not any([c.kind for c in structure.children]) and not any(map(_ndim, leaves)):
            leaves, structure = [array(list(y0))], tree.structure(0)  # a vector, written as a list
        leaves = [x if isinstance(x, Variable) else np.asarray(as_data(x, "solve_ivp: y0")) for x in leaves]
        self.structure = None if structure.kind is None else structure
        if self.structure is None and leaves[0].ndim != 1:
            raise ValueError(
                f"solve_ivp: y0 must be 1-dimensional, got shape {leaves[0].shape}; put it into a container, such as "
                "{'y': y0}, or flatten it"
            )
        self.shapes = [x.shape for x in leaves]
        self.dtypes = [np.result_type(x.dtype, np.float32) if x.dtype.kind in "fc" else np.dtype(float) for x in leaves]
        self.dtypes = [d if d.itemsize <= 16 and d != np.longdouble else np.dtype(float) for d in self.dtypes]
        self.ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes]).tolist()
        self.dtype = np.result_type(*self.dtypes, *([np.float64] if double else []))
        self.y0 = self._joined([x.reshape(-1) for x in leaves], self.dtype)

    def _joined(self, parts: list[Any], dtype: Any) -> Any:
        y = parts[0] if len(parts) == 1 else concatenate(parts)
        return y if y.dtype == dtype else y.astype(dtype)

    def unpack(self, y: Any) -> Any:
        """The container of a vector; of a matrix, with its second axis last in each leaf."""
        if self.structure is None:
            return y
        parts = zip([0, *self.ends], self.ends, self.shapes, self.dtypes, strict=False)
        return self.structure.unflatten([_cast(y[i:j].reshape(s + y.shape[1:]), d) for i, j, s, d in parts])

    def result(self, y: Any) -> Any:
        """The same, in y0's precision."""
        return _cast(y, self.dtypes[0]) if self.structure is None else self.unpack(y)

    def events(self, columns: list[Any]) -> Any:
        """The states at some events, with the events along the first axis of each leaf."""
        if not columns and self.structure is None:
            return np.empty(0)  # as SciPy
        y = np.concatenate(columns, 1) if columns else np.empty((self.ends[-1], 0), self.dtype)
        return tree.map(lambda leaf: np.moveaxis(leaf, -1, 0), self.result(y))

    def pack(self, z: Any) -> Any:
        """The vector of what a user's function returned."""
        if self.structure is None:
            return array(z) if isinstance(z, (list, tuple)) else z
        leaves = tree.match(self.structure, z, "solve_ivp: the function's result")
        for x, shape, path in zip(leaves, self.shapes, self.structure.paths(), strict=True):
            if np.shape(data_of(x)) != shape:
                raise ValueError(
                    f"solve_ivp: the function returned shape {np.shape(data_of(x))} at {path}, where y has {shape}"
                )
        return concatenate([np.reshape(x, -1) for x in leaves])


def _cast(x: Any, dtype: Any) -> Any:
    if x.dtype == dtype:
        return x
    return (x.real if x.dtype.kind == "c" and dtype.kind != "c" else x).astype(dtype)


def _ndim(x: Any) -> int:
    return x.ndim if isinstance(x, (ndarray, Variable)) else np.ndim(x)


class Field:
    """The right-hand side f(t, y). Called, it works on arrays and counts; `value` works on Variables too."""

    def __init__(self, fun: Callable[..., Any], args: Any, state: State, vectorized: bool, mode: Any) -> None:
        self.fun, self.args, self.state, self.vectorized, self.mode = fun, args, state, vectorized, mode
        self.nfev = 0
        self.boxed = False  # whether it returned Variables
        self.real = np.empty(0, state.dtype).real.dtype

    def __call__(self, t: Any, y: ndarray) -> ndarray:
        self.nfev += 1
        with self.mode:
            z = self.value(t, y)
        self.boxed = self.boxed or isinstance(z, Variable)
        return np.array(z._array if isinstance(z, Variable) else z, self.state.dtype)

    def value(self, t: Any, y: Any) -> Any:
        """f(t, y), of the shape of y."""
        t = in_precision(t, self.real) if isinstance(t, Variable) else self.real.type(t)
        column = self.vectorized and y.ndim == 1
        z = self.state.pack(self.fun(t, y[:, None] if column else self.state.unpack(y), *self.args))
        if not isinstance(z, Variable):
            z = np.asarray(as_data(z, "solve_ivp: the function's result"))
        if column:
            z = z.reshape(-1)
        if z.shape != y.shape:
            if z.shape != ():
                raise ValueError(f"solve_ivp: the function returned shape {z.shape}, but y has shape {y.shape}")
            z = np.broadcast_to(z, y.shape)
        if z.dtype.kind == "c" and self.state.dtype.kind != "c":
            raise TypeError("solve_ivp: the function returned complex values for a real y0; make y0 complex")
        return z if z.dtype == self.state.dtype else z.astype(self.state.dtype)

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Another of the user's functions (t, y), on arrays: an event, a Jacobian."""

        def call(t: Any, y: ndarray) -> Any:
            with Mode(False):
                return data_of(function(self.real.type(t), self.state.unpack(y), *self.args))

        return call
