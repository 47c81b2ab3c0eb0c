"""Functions of Python numbers, called for each element: `vectorize`, and the ufuncs that `numpy.frompyfunc` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .declare import several
from .rules.shaping import astype
from .variable import Variable, data_of, wrap

_np: Any = np  # on a Variable its functions give Variables, which its types do not say

_rows: Any = several(
    "rows",
    lambda x: tuple(x),
    (lambda gs, _zs, _x: np.stack(gs),),
    (lambda t, _zs, _x: tuple(t),),
)


class _Tracked(Exception):
    """A function gave a Variable, though it was called on plain numbers."""


class vectorize(np.vectorize):
    """`numpy.vectorize` for arrays and Variables: a function of numbers, called for each element.

    Args and attributes are `numpy.vectorize`'s; it can decorate, too. On arrays it is NumPy's. On Variables, or where
    the function uses one, `pyfunc` is called on Variables without axes (with `signature=`, on those of the core
    dimensions), and the results are joined into one. Differentiable as far as `pyfunc` is; as slow as Python's calls.
    As in NumPy, the dtype of all results is that of the first one, unless `otypes` says otherwise.

    (NumPy's own class makes an array of its result, so that it cannot give a Variable; it raises.)

    Raises:
        TypeError: results that are tracked would become integers or objects.

    Example:
        >>> f = wg.vectorize(lambda x, n: x**2 if x > 0 else n * x)
        >>> wg.grad(lambda x: np.sum(f(x, 3)))(np.array([-1.0, 2.0]))
        array([3., 4.])
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function applied to each element."""
        if self.pyfunc is _np._NoValue:
            return super().__call__(*args, **kwargs)
        places: list[Any] = [i for i in range(len(args)) if i not in self.excluded]
        names = [k for k in kwargs if k not in self.excluded]

        def function(*values: Any) -> Any:
            positional, named = list(args), dict(kwargs)
            for place, v in zip(places + names, values, strict=True):
                (positional if isinstance(place, int) else named)[place] = v
            return self.pyfunc(*positional, **named)

        mapped = [args[i] for i in places] + [kwargs[k] for k in names]
        if not any([isinstance(x, Variable) for x in mapped]):
            try:
                return self._on_arrays(function, mapped)
            except _Tracked:
                pass
        return self._on_variables(function, mapped)

    def _on_arrays(self, function: Callable[..., Any], mapped: list[Any]) -> Any:
        def watched(*values: Any) -> Any:
            z = function(*values)
            if any([isinstance(v, Variable) for v in (z if isinstance(z, tuple) else (z,))]):
                raise _Tracked
            return z

        return np.vectorize(watched, self.otypes, None, None, self.cache, self.signature)(*mapped)

    def _on_variables(self, function: Callable[..., Any], mapped: list[Any]) -> Any:
        if not mapped:
            return function()
        if self.signature is not None:
            return _over_cores(function, mapped, self.signature, self.otypes)
        shape = np.broadcast_shapes(*map(np.shape, mapped))
        dtypes: Any = self.otypes
        if dtypes is None and 0 in shape:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        rows = list(zip(*[_elements(x, shape) for x in mapped], strict=True))
        results = []
        if dtypes is None:  # NumPy's first call is on the elements as they are, the others on Python's numbers
            first = function(
                *[x.reshape(-1)[0] for x in [x if isinstance(x, Variable) else np.asarray(x) for x in mapped]]
            )
            dtypes = [_dtype(v) for v in (first if isinstance(first, tuple) else (first,))]
            if self.cache:
                results, rows = [first], rows[1:]
        results += [function(*row) for row in rows]
        return _joined("vectorize", results, shape, dtypes, [()] * len(dtypes), self.otypes is not None)


def _elements(x: Any, shape: tuple[int, ...]) -> Any:
    """The elements of x, broadcast: Python's numbers, or Variables of as many digits."""
    if not isinstance(x, Variable):
        return np.broadcast_to(np.asarray(x, object), shape).reshape(-1)
    x = _np.broadcast_to(x, shape).reshape(-1)
    if x._node is None:
        return x.data.astype(object)
    wide = np.result_type(x.dtype, np.float64)
    return _rows(x if x.dtype == wide else astype(x, wide)) if x.size else ()


def _dtype(v: Any) -> np.dtype[Any]:
    return np.asarray(data_of(v)).dtype


def _joined(name: str, results: Any, shape: Any, dtypes: Any, cores: Any, given: bool) -> Any:
    """The results of all calls as one array or Variable for each output."""
    many = len(dtypes) > 1
    rows = [z if isinstance(z, tuple) else (z,) for z in results]
    for row in rows:
        if len(row) != len(dtypes):
            raise ValueError(f"wrong number of outputs from pyfunc: expected {len(dtypes)}, got {len(row)}")
        for v, core in zip(row, cores, strict=True):
            if isinstance(v, Variable) and v.ndim > len(core):
                raise ValueError(f"{name}: a result has shape {v.shape}, expected {core}; say so in signature=")
    joined = []
    for k, (dtype, core) in enumerate(zip(dtypes, cores, strict=True)):
        values = [row[k] for row in rows]
        tracked = any([isinstance(v, Variable) and v._node is not None for v in values])
        dtype = np.dtype(dtype)
        if tracked and dtype.kind not in "fc":
            why = "otypes= says" if given else "the first result is"
            raise TypeError(f"{name}: {why} {dtype}, which cannot hold the tracked results; give otypes=[float]")
        if not tracked:
            z = np.empty(len(values), object) if core == () else np.empty((len(values), *core), dtype)
            for i, v in enumerate(values):
                z[i] = data_of(v)[()] if isinstance(v, Variable) and core == () else data_of(v)
            z = z.astype(dtype).reshape((*shape, *core))
            joined.append(wrap(z, None) if dtype.kind in "fc" else z)
            continue
        parts = [v if isinstance(v, Variable) else np.asarray(v) for v in values]
        parts = [v if v.dtype == dtype else astype(v, dtype) for v in parts]
        parts = [v if v.shape == core else _np.broadcast_to(v, core) for v in parts]
        joined.append(_np.stack(parts).reshape((*shape, *core)))
    return tuple(joined) if many else joined[0]


# ---- with a signature -----------------------------------------------------------------------------------------


def _over_cores(function: Callable[..., Any], mapped: list[Any], signature: str, otypes: Any) -> Any:
    inputs, outputs = [_cores(side) for side in signature.replace(" ", "").split("->")]
    if len(mapped) != len(inputs):
        raise TypeError(f"wrong number of positional arguments: expected {len(inputs)}, got {len(mapped)}")
    arrays = [x if isinstance(x, Variable) else np.asanyarray(x) for x in mapped]
    sizes: dict[str, int] = {}
    for x, core in zip(arrays, inputs, strict=True):
        _sizes(sizes, x, core)
    shape = np.broadcast_shapes(*[x.shape[: x.ndim - len(core)] for x, core in zip(arrays, inputs, strict=True)])
    count = int(np.prod(shape))
    if not count and (otypes is None or any([c not in sizes for core in outputs for c in core])):
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` and all output dimensions are set")
    columns = []
    for x, core in zip(arrays, inputs, strict=True):
        ends = tuple([sizes[c] for c in core])
        x = _np.broadcast_to(x, shape + ends).reshape((count, *ends))
        columns.append(_rows(x) if count and isinstance(x, Variable) else x)
    results = [function(*row) for row in zip(*columns, strict=True)]
    if results:
        first = results[0] if isinstance(results[0], tuple) else (results[0],)
        if len(first) != len(outputs):
            raise ValueError(f"wrong number of outputs from pyfunc: expected {len(outputs)}, got {len(first)}")
        for v, core in zip(first, outputs, strict=True):
            _sizes(sizes, v if isinstance(v, Variable) else np.asarray(v), core)
    dtypes = [_dtype(v) for v in first] if otypes is None else otypes
    cores = [tuple([sizes[c] for c in core]) for core in outputs]
    return _joined("vectorize", results, shape, dtypes, cores, otypes is not None)


def _cores(side: str) -> list[list[str]]:
    return [part.split(",") if part else [] for part in side[1:-1].split("),(")]


def _sizes(sizes: dict[str, int], x: Any, core: list[str]) -> None:
    """Note the sizes of the core dimensions, which have to agree."""
    if x.ndim < len(core):
        raise ValueError(
            f"{x.ndim}-dimensional argument does not have enough dimensions for all core dimensions {core}"
        )
    for name, n in zip(core, x.shape[x.ndim - len(core) :], strict=True):
        if sizes.setdefault(name, n) != n:
            raise ValueError(f"inconsistent size for core dimension {name!r}: {n} vs {sizes[name]}")


# ---- numpy.frompyfunc -----------------------------------------------------------------------------------------


def is_python_function(ufunc: np.ufunc) -> bool:
    """Whether `numpy.frompyfunc` made it."""
    return len(ufunc.types) == 1 and set(ufunc.types[0]) <= set("O->") and ufunc.signature is None


def python_function(ufunc: np.ufunc, *inputs: Any) -> Any:
    """A call of a ufunc that `numpy.frompyfunc` made, on Variables: of floats, not objects, where all results are."""
    shape = np.broadcast_shapes(*map(np.shape, inputs))
    columns = []
    for x in inputs:
        column = np.empty(int(np.prod(shape)), object)
        for i, v in enumerate(_elements(x, shape)):
            column[i] = v
        columns.append(column)
    found = ufunc(*columns)
    outputs = found if isinstance(found, tuple) else (found,)
    dtypes = [np.result_type(*map(_dtype, z)) if z.size else np.dtype(object) for z in outputs]
    return _joined(ufunc.__name__, list(zip(*outputs, strict=True)), shape, dtypes, [()] * len(dtypes), False)
