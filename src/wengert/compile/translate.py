"""Which nodes stand for a call of a NumPy function: from its arguments and its result, `None` for a call as it is.

Each translation must mean what the function does, in every bit where that is no reassociation; what it does not
know it leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .program import SPECIAL, Node, ufunc_of
from .traced import Step, Traced, broadcast, cast, lengths, reshaped

NODES: dict[Any, Callable[..., Node | None]] = {}  # function -> f(recording, z, *args, **kwargs): the result's node
STEPS: dict[Any, Callable[..., tuple[Step, ...] | None]] = {}  # function -> f(x, z, *args, **kwargs): how z views x
MUTATORS = {np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal}  # write to their first
METADATA = {
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type, np.iscomplexobj,
    np.isrealobj, np.isfortran, np.may_share_memory, np.shares_memory, np.einsum_path,
}  # fmt: skip
SAME = {np.copy, np.asarray_chkfinite}


def nodes(*functions: Any) -> Callable[[Any], Any]:
    """Decorates the translation of these functions into a node."""

    def register(translation: Any) -> Any:
        NODES.update(dict.fromkeys(functions, translation))
        return translation

    return register


def steps(*functions: Any) -> Callable[[Any], Any]:
    """Decorates the translation of these functions into views."""

    def register(translation: Any) -> Any:
        STEPS.update(dict.fromkeys(functions, translation))
        return translation

    return register


# ---- ufuncs -----------------------------------------------------------------------------------------------------

_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal"}  # as ndarray's ** has it


def elementwise(recording: Any, ufunc: np.ufunc, inputs: tuple[Any, ...], z: Any) -> Node | None:
    """A ufunc of NumPy's with one result."""
    name = ufunc.__name__
    if ufunc is np.matmul and ufunc.nin == len(inputs):
        return matmul(recording, z, *inputs)
    known = getattr(np, name, None) is ufunc or (name in SPECIAL and ufunc is ufunc_of(name))
    if ufunc.signature is not None or ufunc.nout != 1 or not known:
        return None
    operands = [recording.operand(x) for x in inputs]
    if not all([kind in (int, float, complex) or kind.kind in "biufc" for _, kind in operands]):
        return None
    loop = ufunc.resolve_dtypes((*[kind for _, kind in operands], None))
    if loop[-1] != z.dtype:
        return None
    xs = []
    for (value, kind), dtype in zip(operands, loop, strict=False):
        if type(value) is Node:
            if kind is int and dtype.kind in "iu":
                return None  # NumPy looks whether the number fits
            xs.append(cast(recording.program, value, dtype))
        else:
            xs.append(recording.constant(np.array(value, dtype)))
    return recording.program.add("ufunc", xs, name, z.shape, z.dtype)


def power(recording: Any, x: Any, y: Any, z: Any) -> Node | None:
    """`x ** y` of an array, which for some numbers is another function."""
    array = type(x) is Traced and type(x.value) is ndarray and x.dtype.kind in "fc" and z.dtype == x.dtype
    if not array or type(y) not in (int, float) or y not in _POWERS:
        return None
    return recording.program.add("ufunc", (x.node,), _POWERS[y], z.shape, z.dtype)  # type: ignore[no-any-return]


@nodes(np.where)
def where(recording: Any, z: Any, condition: Any, x: Any = None, y: Any = None) -> Node | None:
    if x is None or y is None:
        return None
    choices = [recording.as_node(v, z.dtype) for v in (x, y)]
    return recording.program.add("where", (recording.as_node(condition, np.bool_), *choices), None, z.shape, z.dtype)


@nodes(np.clip)
def clip(recording: Any, z: Any, a: Any, a_min: Any = None, a_max: Any = None, **bounds: Any) -> Node | None:
    lo, hi = bounds.pop("min", a_min), bounds.pop("max", a_max)
    if bounds or z.dtype.kind != "f":
        return None
    program = recording.program
    x = recording.as_node(a, z.dtype)
    for bound, ufunc in ((lo, "greater"), (hi, "less")):
        if bound is None:
            continue
        b = recording.as_node(bound, z.dtype)
        shape = np.broadcast_shapes(x.shape, b.shape)
        inside = program.add("ufunc", (x, b), ufunc, shape, np.bool_)
        nan = program.add("ufunc", (x, x), "not_equal", x.shape, np.bool_)
        inside = program.add("ufunc", (inside, nan), "logical_or", shape, np.bool_)
        x = program.add("where", (inside, x, b), None, shape, z.dtype)
    return broadcast(program, x, z.shape)


# ---- reductions -------------------------------------------------------------------------------------------------

_NONE: Any = np._NoValue


def _none_yet(ufunc: str, initial: Any) -> bool:
    """Whether `initial` changes no result."""
    if initial is _NONE:
        return True
    neutral = {"add": 0, "multiply": 1, "maximum": -np.inf, "minimum": np.inf}.get(ufunc)
    return type(initial) in (int, float) and initial == neutral


def _everywhere(where: Any) -> bool:
    return where is True or where is _NONE


def reduction(recording: Any, name: str, x: Node, axis: Any, keepdims: Any, dtype: Any) -> Node:
    """`np.name.reduce` in this dtype."""
    axes = tuple(range(len(x.shape))) if axis is None else tuple(sorted(normalize_axis_tuple(axis, len(x.shape))))
    shape = [n for i, n in enumerate(x.shape) if i not in axes]
    z = cast(recording.program, x, dtype)
    if axes:
        z = recording.program.add("reduce", (z,), (name, axes), shape, dtype)
    if keepdims is not _NONE and keepdims:
        z = reshaped(recording.program, z, [1 if i in axes else n for i, n in enumerate(x.shape)])
    return z


def _reducer(ufunc: str) -> Any:
    def translate(
        recording: Any, z: Any, a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False,
        initial: Any = _NONE, where: Any = True,
    ) -> Node | None:  # fmt: skip
        if not _none_yet(ufunc, initial) or not _everywhere(where):
            return None
        if initial is not _NONE and not np.size(recording.concrete(a)):
            return None
        x = recording.as_node(a)
        if ufunc in ("logical_and", "logical_or"):
            x = truth(recording, x)
        return reduction(recording, ufunc, x, axis, keepdims, z.dtype)

    return translate


def truth(recording: Any, x: Node) -> Node:
    """Whether each element is not 0."""
    if x.dtype == np.bool_:
        return x
    zero = recording.constant(np.zeros((), x.dtype))
    return recording.program.add("ufunc", (x, zero), "not_equal", x.shape, np.bool_)  # type: ignore[no-any-return]


NODES[np.sum], NODES[np.prod] = _reducer("add"), _reducer("multiply")
NODES[np.all] = lambda recording, z, a, axis=None, keepdims=False, where=True: _reducer("logical_and")(
    recording, z, a, axis, None, keepdims, _NONE, where
)
NODES[np.any] = lambda recording, z, a, axis=None, keepdims=False, where=True: _reducer("logical_or")(
    recording, z, a, axis, None, keepdims, _NONE, where
)
for _function, _name in ((np.max, "maximum"), (np.min, "minimum"), (np.amax, "maximum"), (np.amin, "minimum")):
    NODES[_function] = lambda recording, z, a, axis=None, keepdims=False, initial=_NONE, where=True, _name=_name: (
        _reducer(_name)(recording, z, a, axis, None, keepdims, initial, where)
    )


def reduce(
    recording: Any, ufunc: Any, z: Any, a: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False,
    initial: Any = _NONE, where: Any = True,
) -> Node | None:  # fmt: skip
    """`ufunc.reduce`."""
    name = ufunc.__name__
    if name not in ("add", "multiply", "maximum", "minimum", "logical_and", "logical_or"):
        return None
    if isinstance(axis, tuple) and len(axis) == 0:
        return None
    return _reducer(name)(recording, z, a, axis, dtype, keepdims, initial, where)  # type: ignore[no-any-return]


def _divided(recording: Any, x: Node, n: Any) -> Node:
    """x / n as NumPy's mean has it: in double precision, where n is no number of x's dtype."""
    program = recording.program
    exact = x.dtype.type(n) == n
    wide = x if exact else cast(program, x, np.result_type(x.dtype, np.float64))
    z = program.add("ufunc", (wide, recording.constant(np.array(n, wide.dtype))), "divide", x.shape, wide.dtype)
    return cast(program, z, x.dtype)


def _count(shape: tuple[int, ...], axis: Any) -> int:
    axes = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    n = 1
    for a in axes:
        n *= shape[a]
    return n


@nodes(np.mean)
def mean(
    recording: Any, z: Any, a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, where: Any = True
) -> Node | None:
    x = recording.as_node(a)
    if not _everywhere(where) or dtype is not None or z.dtype not in (np.float32, np.float64, np.complex128):
        return None
    if z.dtype != x.dtype or not _count(x.shape, axis):
        return None
    return _divided(recording, reduction(recording, "add", x, axis, keepdims, z.dtype), _count(x.shape, axis))


def _spread(
    recording: Any, z: Any, a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, mean: Any,
    correction: Any,
) -> Node | None:  # fmt: skip
    x = recording.as_node(a)
    plain = _everywhere(where) and dtype is None and mean is _NONE
    n = _count(x.shape, axis) if plain else 0
    if not plain or x.dtype not in (np.float32, np.float64) or not n:
        return None
    ddof = ddof if correction is None or correction is _NONE else correction
    if type(ddof) not in (int, float) or n - ddof <= 0:
        return None
    program = recording.program
    m = _divided(recording, reduction(recording, "add", x, axis, True, x.dtype), n)
    away = program.add("ufunc", (x, m), "subtract", x.shape, x.dtype)
    squares = program.add("ufunc", (away, away), "multiply", x.shape, x.dtype)
    return _divided(recording, reduction(recording, "add", squares, axis, keepdims, x.dtype), n - ddof)


@nodes(np.var)
def var(
    recording: Any, z: Any, a: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, keepdims: Any = False,
    where: Any = True, mean: Any = _NONE, correction: Any = _NONE,
) -> Node | None:  # fmt: skip
    return _spread(recording, z, a, axis, dtype, ddof, keepdims, where, mean, correction)


@nodes(np.std)
def std(recording: Any, z: Any, *args: Any, **kwargs: Any) -> Node | None:
    x = var(recording, z, *args, **kwargs)
    return x if x is None else recording.program.add("ufunc", (x,), "sqrt", x.shape, x.dtype)


# ---- products ---------------------------------------------------------------------------------------------------


@nodes(np.matmul)
def matmul(recording: Any, z: Any, x: Any, y: Any) -> Node | None:
    a, b = recording.as_node(x, z.dtype), recording.as_node(y, z.dtype)
    if z.dtype.kind not in "fc" or not a.shape or not b.shape:
        return None
    program = recording.program
    a2 = reshaped(program, a, (1, *a.shape)) if len(a.shape) == 1 else a
    b2 = reshaped(program, b, (*b.shape, 1)) if len(b.shape) == 1 else b
    shape = (*np.broadcast_shapes(a2.shape[:-2], b2.shape[:-2]), a2.shape[-2], b2.shape[-1])
    return reshaped(program, program.add("matmul", (a2, b2), None, shape, z.dtype), z.shape)


@nodes(np.dot)
def dot(recording: Any, z: Any, a: Any, b: Any) -> Node | None:
    x, y = recording.as_node(a), recording.as_node(b)
    if not x.shape or not y.shape:
        return elementwise(recording, np.multiply, (a, b), z)
    return matmul(recording, z, a, b) if len(x.shape) <= 2 and len(y.shape) <= 2 else None


@nodes(np.vdot)
def vdot(recording: Any, z: Any, a: Any, b: Any) -> Node | None:
    """Of one array with itself: what tells whether there is a NaN in it."""
    x = recording.as_node(a)
    if a is not b or x.dtype.kind != "f":
        return None
    square = recording.program.add("ufunc", (x, x), "multiply", x.shape, x.dtype)
    return reduction(recording, "add", square, None, False, x.dtype)


# ---- joining ----------------------------------------------------------------------------------------------------


def joined(recording: Any, z: Any, parts: list[Node], axis: int) -> Node:
    """`concatenate`."""
    parts = [cast(recording.program, p, z.dtype) for p in parts]
    return recording.program.add("concatenate", parts, axis, z.shape, z.dtype)  # type: ignore[no-any-return]


@nodes(np.concatenate)
def concatenate(recording: Any, z: Any, arrays: Any, axis: Any = 0) -> Node | None:
    parts = [recording.as_node(x) for x in arrays]
    if axis is None:
        parts, axis = [reshaped(recording.program, p, (int(np.prod(p.shape)),)) for p in parts], 0
    return joined(recording, z, parts, normalize_axis_index(axis, z.ndim))


@nodes(np.stack)
def stack(recording: Any, z: Any, arrays: Any, axis: Any = 0) -> Node | None:
    axis = normalize_axis_index(axis, z.ndim)
    shape = (*z.shape[:axis], 1, *z.shape[axis + 1 :])
    return joined(recording, z, [reshaped(recording.program, recording.as_node(x), shape) for x in arrays], axis)


@nodes(np.vstack)
def vstack(recording: Any, z: Any, tup: Any) -> Node | None:
    parts = [recording.as_node(x) for x in tup]
    return joined(recording, z, [reshaped(recording.program, p, (1,) * (2 - len(p.shape)) + p.shape) for p in parts], 0)


@nodes(np.hstack)
def hstack(recording: Any, z: Any, tup: Any) -> Node | None:
    parts = [recording.as_node(x) for x in tup]
    parts = [reshaped(recording.program, p, p.shape or (1,)) for p in parts]
    return joined(recording, z, parts, 0 if len(parts[0].shape) == 1 else 1)


@nodes(np.zeros_like, np.ones_like, np.full_like, np.empty_like)
def filled_like(recording: Any, z: Any, *args: Any, **kwargs: Any) -> Node | None:
    return recording.constant(z)  # type: ignore[no-any-return]


@nodes(np.copy)
def copy(recording: Any, z: Any, a: Any, order: Any = "K") -> Node | None:
    return recording.as_node(a)  # type: ignore[no-any-return]


@nodes(np.astype)
def astype(recording: Any, z: Any, x: Any, *args: Any, **kwargs: Any) -> Node | None:
    node = recording.as_node(x)
    if node.dtype.kind == "c" and z.dtype.kind != "c":
        return None  # with NumPy's warning
    return cast(recording.program, node, z.dtype)


# ---- views ------------------------------------------------------------------------------------------------------


@steps(np.expand_dims, np.squeeze, np.atleast_1d, np.atleast_2d, np.atleast_3d)
def _reshape(x: Any, z: Any, *args: Any, **kwargs: Any) -> tuple[Step, ...] | None:
    return (Step("reshape", None, z.shape, z.dtype),)


@steps(np.reshape, np.ravel)
def _in_order(x: Any, z: Any, *args: Any, **kwargs: Any) -> tuple[Step, ...] | None:
    order = kwargs.get("order", next((a for a in args if isinstance(a, str)), "C"))
    if order == "K":
        order = "C" if x.flags.c_contiguous else "F" if x.flags.f_contiguous else None
    if order == "A":
        order = "F" if x.flags.fnc else "C"
    if order == "C":
        return _reshape(x, z)
    if order != "F":
        return None
    return (
        Step("transpose", tuple(range(x.ndim))[::-1], x.shape[::-1], z.dtype),
        Step("reshape", None, z.shape[::-1], z.dtype),
        Step("transpose", tuple(range(z.ndim))[::-1], z.shape, z.dtype),
    )


_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101)


def _permutation(function: Any) -> Any:
    def translate(x: Any, z: Any, *args: Any, **kwargs: Any) -> tuple[Step, ...] | None:
        if x.ndim > len(_PRIMES):
            return None
        moved = function(np.broadcast_to(np.int8(0), _PRIMES[: x.ndim]), *args, **kwargs).shape
        return (Step("transpose", tuple([_PRIMES.index(n) for n in moved]), z.shape, z.dtype),)

    return translate


_PERMUTATIONS: Any = (np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose)
for _function in _PERMUTATIONS:
    STEPS[_function] = _permutation(_function)


@steps(np.flip, np.flipud, np.fliplr)
def _flip(x: Any, z: Any, axis: Any = None) -> tuple[Step, ...] | None:
    if z is None:
        return None
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    region = [(n - 1, -1, -1) if i in axes and n else (0, n, 1) for i, n in enumerate(x.shape)]
    return (Step("slice", tuple(region), z.shape, z.dtype),)


STEPS[np.flipud] = lambda x, z: _flip(x, z, 0)
STEPS[np.fliplr] = lambda x, z: _flip(x, z, 1)


@steps(np.broadcast_to)
def _broadcast(x: Any, z: Any, *args: Any, **kwargs: Any) -> tuple[Step, ...] | None:
    return (Step("broadcast", None, z.shape, z.dtype),)


def index_steps(x: Any, z: Any, key: Any) -> tuple[Step, ...] | None:
    """A basic index as a slice and a reshape; None for another index."""
    key = key if type(key) is tuple else (key,)
    taken = 0
    for k in key:
        if k is None or k is Ellipsis:
            continue
        if type(k) is not slice and (isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer))):
            return None
        taken += 1
    region: list[tuple[int, int, int]] = []
    for k in key:
        axis = len(region)
        if k is Ellipsis:
            region += [(0, n, 1) for n in x.shape[axis : axis + x.ndim - taken]]
        elif type(k) is slice:
            start, stop, step = k.indices(x.shape[axis])
            region.append((start, stop, step) if len(range(start, stop, step)) else (0, 0, 1))
        elif k is not None:
            i = int(k) % x.shape[axis]
            region.append((i, i + 1, 1))
    region += [(0, n, 1) for n in x.shape[len(region) :]]
    whole = tuple(region)
    return (Step("slice", whole, lengths(whole), z.dtype), Step("reshape", None, z.shape, z.dtype))


def same_strides(x: Any, z: Any) -> tuple[Step, ...] | None:
    """The slice of x that a view with x's own strides is; None where it is none."""
    if type(z) is not ndarray or z.base is None or z.ndim != x.ndim or z.strides != x.strides or not z.size:
        return None
    if any([s <= 0 for s in x.strides]) or not np.may_share_memory(x, z):
        return None
    away = z.__array_interface__["data"][0] - x.__array_interface__["data"][0]
    region = [(0, 0, 1)] * x.ndim
    for axis in sorted(range(x.ndim), key=lambda i: -x.strides[i]):
        start, away = divmod(away, x.strides[axis])
        region[axis] = start, start + z.shape[axis], 1
        if start < 0 or start + z.shape[axis] > x.shape[axis]:
            return None
    return (Step("slice", tuple(region), z.shape, z.dtype),) if away == 0 else None


def as_array_node(recording: Any, x: Any, dtype: Any) -> Node:
    """A nested list of arrays and numbers as one array."""
    if isinstance(x, (list, tuple)):
        parts = [as_array_node(recording, item, dtype) for item in x]
        parts = [reshaped(recording.program, p, (1, *p.shape)) for p in parts]
        shape = (len(parts), *parts[0].shape[1:])
        return recording.program.add("concatenate", parts, 0, shape, dtype)  # type: ignore[no-any-return]
    return recording.as_node(x, dtype)  # type: ignore[no-any-return]


def holds_traced(x: Any) -> bool:
    """Whether there is a Traced in x, a nesting of lists and tuples."""
    if type(x) in (list, tuple):
        return any(map(holds_traced, x))
    return type(x) is Traced
