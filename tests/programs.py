"""Random programs for the compiler, and a builder to write programs by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.compile.program import Node, Program, Update

UNARY = ["negative", "absolute", "square", "sqrt", "sign", "floor", "ceil", "trunc", "rint", "reciprocal", "positive"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "copysign"]
COMPARISONS = ["greater", "greater_equal", "less", "less_equal", "equal", "not_equal"]
ELSEWHERE = ["exp", "tanh", "sin", "arctan", "log1p", "cbrt", "floor_divide", "remainder", "arctan2"]


class Writer:
    """Writes a program as one would write NumPy."""

    def __init__(self) -> None:
        self.program = Program()

    def input(self, shape: tuple[int, ...], dtype: Any = "f4") -> Node:
        return self.program.input(shape, dtype)

    def constant(self, value: Any, dtype: Any = "f4") -> Node:
        return self.program.constant(np.asarray(value, dtype))

    def ufunc(self, name: str, *xs: Any) -> Node:
        dtype = next(x.dtype for x in xs if isinstance(x, Node))
        xs = tuple(x if isinstance(x, Node) else self.constant(x, dtype) for x in xs)
        shape = np.broadcast_shapes(*[x.shape for x in xs])
        with np.errstate(all="ignore"):
            dtype = getattr(np, name)(*[np.ones((), x.dtype) for x in xs]).dtype
        return self.program.add("ufunc", xs, name, shape, dtype)

    def reduce(self, name: str, x: Node, axes: Any = None, dtype: Any = None) -> Node:
        axes = tuple(range(len(x.shape))) if axes is None else axes
        shape = [n for a, n in enumerate(x.shape) if a not in axes]
        return self.program.add("reduce", [x], (name, axes), shape, dtype or x.dtype)

    def reshape(self, x: Node, shape: tuple[int, ...]) -> Node:
        return self.program.add("reshape", [x], None, shape, x.dtype)

    def broadcast(self, x: Node, shape: tuple[int, ...]) -> Node:
        return self.program.add("broadcast", [x], None, shape, x.dtype)

    def transpose(self, x: Node, axes: tuple[int, ...] | None = None) -> Node:
        axes = axes or tuple(range(len(x.shape)))[::-1]
        return self.program.add("transpose", [x], axes, [x.shape[a] for a in axes], x.dtype)

    def _region(self, shape: tuple[int, ...], index: tuple[slice, ...]) -> tuple[tuple[int, int, int], ...]:
        index += (slice(None),) * (len(shape) - len(index))
        return tuple(i.indices(n) for n, i in zip(shape, index, strict=True))

    def slice(self, x: Node, *index: slice) -> Node:
        region = self._region(x.shape, index)
        return self.program.add("slice", [x], region, [len(range(*r)) for r in region], x.dtype)

    def assign(self, x: Node, y: Node, *index: slice) -> Node:
        return self.program.add("assign", [x, y], self._region(x.shape, index), x.shape, x.dtype)

    def concatenate(self, xs: list[Node], axis: int) -> Node:
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.program.add("concatenate", xs, axis, shape, xs[0].dtype)

    def matmul(self, x: Node, y: Node) -> Node:
        shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
        return self.program.add("matmul", [x, y], None, shape, x.dtype)

    def where(self, c: Node, x: Node, y: Node) -> Node:
        return self.program.add("where", [c, x, y], None, np.broadcast_shapes(c.shape, x.shape, y.shape), x.dtype)

    def cast(self, x: Node, dtype: Any) -> Node:
        return self.program.add("cast", [x], None, x.shape, dtype)

    def output(self, *xs: Node) -> None:
        self.program.outputs.extend(xs)

    def update(self, x: Node, y: Node) -> None:
        self.program.updates.append(Update(x, y))


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, special: bool = False) -> np.ndarray:
    """Random values of a dtype, with zeros of both signs, infinities, NaN and denormals among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape).astype(bool))
    if dtype.kind == "i":
        return np.asarray(rng.integers(-5, 6, shape).astype(dtype))
    x = np.asarray(rng.standard_normal(shape)).astype(dtype)
    if special and x.size:
        few = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).smallest_subnormal, 1, -1], dtype)
        at = rng.integers(0, x.size, max(1, x.size // 4))
        x.reshape(-1)[at] = rng.choice(few, at.size)
    return x


def random(rng: np.random.Generator, ops: int, special: bool = False) -> tuple[Program, list[np.ndarray]]:
    """A program of so many operations and arrays for it."""
    w = Writer()
    dtype = rng.choice(["f4", "f8"])
    rows, columns = int(rng.choice([1, 2, 3, 5, 8, 17, 40])), int(rng.choice([1, 2, 4, 7, 15, 16, 17, 33, 130]))
    shapes: list[tuple[int, ...]] = [(), (columns,), (rows, columns), (rows, 1), (2, rows, columns), (columns, rows)]
    arrays, pool = [], []
    for _ in range(int(rng.integers(1, 5))):
        shape = shapes[rng.integers(len(shapes))]
        pool.append(w.input(shape, dtype))
        arrays.append(values(rng, shape, dtype, special))
    if rng.random() < 0.3:
        pool.append(w.constant(values(rng, shapes[rng.integers(len(shapes))], dtype), dtype))
    for _ in range(ops):
        z = step(w, rng, pool, dtype, not special)
        if z is not None and z.size < 20000:
            pool.append(z)
    first = len(arrays) if rng.random() < 0.7 else 0
    chosen = (
        [pool[i] for i in rng.integers(first, len(pool), int(rng.integers(1, 4)))] if first < len(pool) else pool[-1:]
    )
    w.output(*chosen, pool[-1])
    for x in w.program.inputs:
        alike = [p for p in pool if p.shape == x.shape and p.dtype == x.dtype]
        if alike and rng.random() < 0.4:
            w.update(x, alike[-1] if rng.random() < 0.7 else alike[rng.integers(len(alike))])
    return w.program, arrays


def step(w: Writer, rng: np.random.Generator, pool: list[Node], dtype: Any, products: bool) -> Node | None:
    """One more operation on what there is, or None where it does not fit.

    Without products of all elements, in which the order decides what of denormals is left.
    """
    recent = pool[-6:] if rng.random() < 0.7 else pool
    x = recent[rng.integers(len(recent))]
    kind = rng.choice(["unary", "binary", "binary", "binary", "constant", "compare", "reduce", "reduce", "keep", "view",
                       "view", "assign", "concatenate", "matmul", "where", "cast", "elsewhere"])  # fmt: skip
    if kind == "unary":
        return w.ufunc(str(rng.choice(UNARY)), x)
    if kind == "constant":
        return w.ufunc(str(rng.choice(BINARY[:6])), x, float(rng.choice([1, 2, 0.5, -1, 3, 0.1])))
    if kind == "reduce" or kind == "keep":
        axes = tuple(a for a in range(len(x.shape)) if rng.random() < 0.5)
        if not axes or x.size == 0:
            return None
        z = w.reduce(str(rng.choice(["add", "add", "maximum", "minimum", "multiply" if products else "add"])), x, axes)
        if kind == "keep":
            z = w.reshape(z, tuple(1 if a in axes else n for a, n in enumerate(x.shape)))
            return w.ufunc(str(rng.choice(["subtract", "divide", "multiply"])), x, z)
        return z
    if kind == "view":
        return view(w, rng, x)
    if kind == "assign":
        index = []
        for n in x.shape:
            a, b = sorted(rng.integers(0, n + 1, 2))
            index.append(slice(int(a), int(b)) if rng.random() < 0.8 else slice(None, None, 2))
        part = tuple(len(range(*i.indices(n))) for i, n in zip(index, x.shape, strict=True))
        y = next((y for y in reversed(pool) if y.shape == part and y is not x), None)
        y = y if y is not None else w.ufunc("multiply", w.slice(x, *index), 2.0)
        base = x if rng.random() < 0.5 else w.broadcast(w.constant(0, dtype), x.shape)
        return w.assign(base, y, *index)
    if kind == "elsewhere":
        name = str(rng.choice(ELSEWHERE))
        if getattr(np, name).nin == 1:
            return w.ufunc(name, x)
    if kind == "cast":
        return w.cast(w.cast(x, "f8" if dtype == "f4" else "f4"), dtype)
    for y in [pool[i] for i in rng.permutation(len(pool))]:
        try:
            if kind == "matmul":
                if len(x.shape) >= 2 and len(y.shape) >= 2:
                    y = (
                        y
                        if x.shape[-1] == y.shape[-2]
                        else w.transpose(y, (*range(len(y.shape) - 2), -1 % len(y.shape), len(y.shape) - 2))
                    )
                    if x.shape[-1] == y.shape[-2]:
                        return w.matmul(x, y)
                continue
            if kind == "concatenate":
                axis = int(rng.integers(max(len(x.shape), 1)))
                if (
                    x.shape
                    and len(y.shape) == len(x.shape)
                    and all(a == axis or n == m for a, (n, m) in enumerate(zip(x.shape, y.shape, strict=True)))
                ):
                    return w.concatenate([x, y], axis)
                continue
            if kind in ("compare", "where"):
                c = w.ufunc(str(rng.choice(COMPARISONS)), x, y)
                if kind == "compare":
                    return w.cast(c, dtype)
                return w.where(c, x, y)
            return w.ufunc(str(rng.choice(ELSEWHERE[-3:] if kind == "elsewhere" else BINARY)), x, y)
        except ValueError:
            continue
    return None


def view(w: Writer, rng: np.random.Generator, x: Node) -> Node | None:
    how = rng.integers(5)
    if how == 0:
        return w.transpose(x, tuple(int(a) for a in rng.permutation(len(x.shape))))
    if how == 1:
        index = []
        for n in x.shape:
            a, b = sorted(rng.integers(0, n + 1, 2))
            choices = [slice(None), slice(None, None, -1), slice(int(a), int(b)), slice(None, None, 2), slice(0, 1)]
            index.append(choices[rng.choice(5, p=[0.4, 0.15, 0.25, 0.1, 0.1])])
        z = w.slice(x, *index)
        return z if z.size else None
    if how == 2:
        return w.reshape(x, (x.size,))
    if how == 3:
        return w.broadcast(x, (int(rng.integers(1, 4)), *x.shape)) if len(x.shape) < 4 else None
    used = [n for n in x.shape if n != 1]
    return w.reshape(x, (*used, 1) if rng.random() < 0.5 else tuple(used))
