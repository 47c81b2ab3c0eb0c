"""Batched: an array that stands for one example, and holds those of a whole batch.

Its shape, its axes and its indices are those of one example; the batch is an axis of its own, in front, which no
NumPy function sees. What a function does is in a table of rules (one NumPy call for the whole batch each); a function
without a rule runs on one example after the other. Nested batches hold each other: the inner one, whose `level` is
higher, is outside.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy import ndarray

from ..variable import Variable

RULES: dict[Any, Any] = {}  # NumPy function -> rule(level, *args, **kwargs); NotImplemented where it has to be a loop
METHODS: dict[str, Any] = {}  # ufunc method -> rule(ufunc, level, *inputs, **kwargs)
OPS: dict[str, Any] = {}  # the operations on Variables that hold a Batched: see vmap.py


class BatchedError(TypeError):
    """Something asked a batched array for one value. Where no user's code did, the examples run one by one."""


def _leaves(what: str) -> BatchedError:
    return BatchedError(
        f"vmap: {what} asks for one value of an array that has another value in every example. In place of a branch "
        "(if, while, and, or) use np.where, np.maximum or np.clip; in place of float(), int(), .item() and np.asarray "
        "stay with arrays and NumPy's functions; in place of a plain array to write into, take np.zeros_like(x)"
    )


class Batched:
    """An array for each example of a batch. The first axis of `array` is the batch; all else is one example's."""

    __slots__ = ("array", "level")
    array: Any  # an ndarray, or a Batched of a lower level
    level: int
    base = None
    device = "cpu"
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any, level: int) -> None:
        self.array = array
        self.level = level

    # ---- one example's ---------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """One example's shape."""
        return self.array.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of one example's axes."""
        return self.array.ndim - 1

    @property
    def size(self) -> int:
        """The number of one example's elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.array.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all examples."""
        return self.array.nbytes

    @property
    def batch(self) -> int:
        """The number of examples."""
        return self.array.shape[0]  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{self.batch} examples of {self.dtype} {self.shape}: {self.array!r}>"

    # ---- ways out that would need one value ------------------------------------------------------------------

    def __bool__(self) -> bool:
        raise _leaves("a branch (`if`, `while`, `and`, `or`, `not`, `in`, bool())")

    def __float__(self) -> float:
        raise _leaves("float()")

    def __int__(self) -> int:
        raise _leaves("int()")

    def __complex__(self) -> complex:
        raise _leaves("complex()")

    def __index__(self) -> int:
        raise _leaves("an index into a plain array or a list, or range()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        raise _leaves("a conversion to a plain array (np.asarray, or an assignment into one)")

    def item(self, *args: Any) -> Any:
        """Refused: there is one in every example."""
        raise _leaves(".item()")

    def tolist(self) -> Any:
        """Refused: there is one in every example."""
        raise _leaves(".tolist()")

    def tobytes(self, order: str = "C") -> bytes:
        """Refused: there are some in every example."""
        raise _leaves(".tobytes()")

    def __contains__(self, item: Any) -> bool:
        raise _leaves("`in`")

    # ---- NumPy's protocols -----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any([isinstance(x, Variable) for x in (*inputs, *kwargs.get("out", ()))]):
            return NotImplemented
        if method != "__call__":
            z = METHODS[method](ufunc, level_of((inputs, kwargs)), *inputs, **kwargs)
            return looped(getattr(ufunc, method), inputs, kwargs) if z is NotImplemented else z
        rule = RULES.get(ufunc)
        if rule is None:
            if ufunc.signature is None:
                return elementwise(ufunc, inputs, kwargs)
            return looped(ufunc, inputs, kwargs)
        z = rule(level_of((inputs, kwargs)), *inputs, **kwargs)
        return looped(ufunc, inputs, kwargs) if z is NotImplemented else z

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any([issubclass(t, Variable) for t in types]):
            return NotImplemented
        if function in CREATORS:
            return _created(self, function, args, kwargs)
        rule = RULES.get(function)
        if rule is not None:
            try:
                z = rule(level_of((args, kwargs)), *args, **kwargs)
            except BatchedError:
                z = NotImplemented
            if z is not NotImplemented:
                return z
        return looped(function, args, kwargs)

    # ---- methods that are no function of NumPy's -------------------------------------------------------------

    def copy(self, order: Any = "C") -> Batched:
        """A copy."""
        return Batched(self.array.copy(), self.level)

    def __copy__(self) -> Batched:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Batched:
        return self.copy()

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """The same values in another dtype."""
        return Batched(self.array.astype(dtype, casting=casting, copy=copy), self.level)

    def reshape(self, *shape: Any, order: Any = "C", copy: Any = None) -> Any:
        """The same values in another shape."""
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            (shape,) = shape
        return RULES[np.reshape](self.level, self, shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)):
            (axes,) = axes
        return RULES[np.transpose](self.level, self, None if axes is None or len(axes) == 0 else axes)

    def flatten(self, order: Any = "C") -> Any:
        """A copy with one axis."""
        return np.ravel(self, order).copy()

    def setflags(self, write: Any = None, **_: Any) -> None:
        """Protect the memory."""
        self.array.setflags(write=write)

    def fill(self, value: Any) -> None:
        """Write a value everywhere."""
        self[...] = value

    def __getitem__(self, key: Any) -> Any:
        return RULES["getitem"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        RULES["setitem"](self, key, value)

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    @property
    def T(self) -> Any:
        """The axes in reverse."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return Batched(np.swapaxes(self.array, -1, -2), self.level)

    @property
    def real(self) -> Any:
        """The real part."""
        return Batched(self.array.real, self.level)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return Batched(self.array.imag, self.level)

    @property
    def flat(self) -> Iterator[Any]:
        """The elements in order."""
        return iter(np.ravel(self))

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis, kind, order, stable=stable)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """`np.compress`."""
        return np.compress(condition, self, axis)


# ---- which level, which batch -------------------------------------------------------------------------------


def level_of(x: Any) -> int:
    """The highest level of a Batched in x, which may be nested; 0 for none."""
    if type(x) is Batched:
        return x.level
    if type(x) in (tuple, list):
        top = 0
        for item in x:
            if (level := level_of(item)) > top:
                top = level
        return top
    if type(x) is dict:
        return level_of(list(x.values())) if x else 0
    return level_of(x._array) if isinstance(x, Variable) else 0


def is_batched(x: Any, level: int) -> bool:
    """Whether x has another value in every example of this level."""
    return type(x) is Batched and x.level == level


def batch_of(x: Any, level: int) -> int:
    """The number of examples at this level, from any Batched in x; -1 for none."""
    if type(x) is Batched:
        return x.batch if x.level == level else -1
    if type(x) in (tuple, list, dict):
        return max([batch_of(item, level) for item in (x.values() if type(x) is dict else x)], default=-1)
    return batch_of(x._array, level) if isinstance(x, Variable) else -1


def leader(*xs: Any) -> Any:
    """The array of the highest level among xs, for NumPy's `like=`; None where all are NumPy's own."""
    found, top = None, 0
    for x in xs:
        if type(x) in (tuple, list):
            x = leader(*x)
        if type(x) is Batched and x.level > top:
            found, top = x, x.level
    return found


def full(x: Any, level: int, batch: int) -> Any:
    """x's array with the batch in front, also where x is the same in every example."""
    return x.array if is_batched(x, level) else np.broadcast_to(x, (batch, *np.shape(x)))


def ranked(x: Any, level: int, ndim: int) -> Any:
    """x's array, so that it broadcasts against those of `ndim` axes and the batch in front."""
    if not is_batched(x, level):
        return x
    a = x.array
    missing = ndim + 1 - a.ndim
    return a if missing <= 0 else a.reshape((a.shape[0],) + (1,) * missing + a.shape[1:])


def rewrapped(z: Any, level: int) -> Any:
    """A result of NumPy's, an array or a tuple of them, with the batch hidden again."""
    if type(z) is tuple or type(z) is list:
        return type(z)([rewrapped(v, level) for v in z])
    if isinstance(z, tuple):
        return type(z)(*[rewrapped(v, level) for v in z])  # a named tuple
    return Batched(z, level)


def elementwise(function: Any, inputs: Any, kwargs: Any = None) -> Any:
    """A function of arrays that broadcast against each other: once for all examples."""
    level = ndim = 0
    for x in inputs:
        if type(x) is Batched:
            level = max(level, x.level)
    if kwargs:
        level = max(level, level_of(kwargs))
    for x in inputs:
        n = x.ndim if type(x) is Batched else 0 if isinstance(x, (float, int, complex)) else np.ndim(x)
        if n > ndim:
            ndim = n
    if not kwargs:
        return rewrapped(function(*[ranked(x, level, ndim) for x in inputs]), level)
    out = kwargs.pop("out", None)
    ndim = max([ndim, *[target.ndim for target in out or () if target is not None]])
    if "where" in kwargs:
        ndim = max(ndim, np.ndim(kwargs["where"]))
        kwargs["where"] = ranked(kwargs["where"], level, ndim)
    if out is None:
        return rewrapped(function(*[ranked(x, level, ndim) for x in inputs], **kwargs), level)
    for target in out:
        if target is not None and not is_batched(target, level):
            raise _leaves("out=, an array without a batch,")
    outs = tuple([target if target is None else target.array for target in out])
    function(*[ranked(x, level, ndim) for x in inputs], out=outs, **kwargs)
    return out[0] if len(out) == 1 else out


# ---- one example after the other ----------------------------------------------------------------------------


def example(x: Any, level: int, i: int) -> Any:
    """The i-th example of x, which may be nested."""
    if type(x) is Batched and x.level == level:
        return x.array[i, ...]
    if type(x) in (tuple, list):
        return type(x)([example(item, level, i) for item in x])
    if type(x) is dict:
        return {k: example(v, level, i) for k, v in x.items()}
    if isinstance(x, Variable) and is_batched(x._array, level):
        return OPS["example"](x, level, i)
    return x


def together(results: list[Any], level: int, what: str) -> Any:
    """The examples' results as one, nested as each of them is."""
    first = results[0]
    if isinstance(first, (tuple, list)):
        if len({len(r) for r in results}) > 1:
            raise _ragged(what)
        columns = [together(list(column), level, what) for column in zip(*results, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    if not isinstance(first, (ndarray, np.generic, Batched, Variable, float, int, complex)):
        return first
    if len({np.shape(r) for r in results}) > 1:
        raise _ragged(what)
    if any([isinstance(r, Variable) for r in results]):
        return OPS["together"](results, level)
    return Batched(np.stack(results), level)


def any_array(x: Any) -> Any:
    """x as an array, of whatever kind it is."""
    return x if isinstance(x, (Variable, Batched)) else np.asarray(x)


def memory(x: Any) -> Any:
    """NumPy's own array that x holds."""
    while type(x) is Batched:
        x = x.array
    return x


def _ragged(what: str) -> BatchedError:
    return BatchedError(
        f"vmap: the shape of {what} depends on the values, so that it differs from example to example; use np.where, "
        "or a mask of the whole shape"
    )


def looped(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The function on one example after the other: what there is no rule for."""
    level = level_of((args, kwargs))
    if not level:
        raise _leaves("a slice, a shape or another argument that is no array")
    batch, name = batch_of((args, kwargs), level), getattr(function, "__name__", "the result")
    if not batch:
        return _of_nothing(function, args, kwargs, level)
    results = [function(*example(args, level, i), **example(kwargs, level, i)) for i in range(batch)]
    return together(results, level, name)


def one_by_one(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The function's result; where it cannot take a batch, from one example after the other."""
    try:
        return function(*args, **kwargs)
    except BatchedError:
        return looped(function, args, kwargs)


def by_example(function: Callable[..., Any]) -> Any:
    """A function that runs on one example after the other where it cannot take a batch."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return one_by_one(function, *args, **kwargs)

    return call


def _of_nothing(function: Any, args: Any, kwargs: Any, level: int) -> Any:
    """For a batch without examples: shapes and dtypes from an example of ones."""

    def ones(x: Any) -> Any:
        if is_batched(x, level):
            return np.ones(x.shape, x.dtype)
        if isinstance(x, Variable) and is_batched(x._array, level):
            return ones(x._array)
        if type(x) in (tuple, list):
            return type(x)([ones(item) for item in x])
        return {k: ones(v) for k, v in x.items()} if type(x) is dict else x

    with np.errstate(all="ignore"):
        z = together([function(*ones(args), **ones(kwargs))], level, "the result")

    def emptied(z: Any) -> Any:
        if is_batched(z, level):
            return Batched(z.array[:0], level)
        if isinstance(z, tuple) and hasattr(z, "_fields"):
            return type(z)(*map(emptied, z))
        return type(z)(map(emptied, z)) if isinstance(z, (tuple, list)) else z

    return emptied(z)


# ---- new arrays: `np.zeros(..., like=x)` --------------------------------------------------------------------

CREATORS = {
    np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.tri, np.arange, np.array, np.asarray, np.asanyarray,
    np.ascontiguousarray, np.asfortranarray, np.require,
}  # fmt: skip


def _created(like: Batched, function: Any, args: Any, kwargs: Any) -> Any:
    """A new array of the batch of `like`, which can be written to."""
    if function in (np.arange, np.full) and level_of((args, kwargs)):
        return looped(function, args, kwargs)
    first = args[0] if args else None
    if isinstance(first, (list, tuple)) and level_of(first):
        first = np.stack([_created(like, np.asarray, (item,), {}) for item in first])
    if type(first) is Batched:
        dtype = kwargs.get("dtype", args[1] if len(args) > 1 else None)
        return first.astype(first.dtype if dtype is None else dtype, copy=function is np.array)
    inner = like.array
    z = _created(inner, function, args, kwargs) if type(inner) is Batched else function(*args, **kwargs)
    return Batched(np.copy(np.broadcast_to(z, (like.batch, *z.shape)), "C"), like.level)


# ---- operators ----------------------------------------------------------------------------------------------


def _operator(function: Any, reflected: bool = False) -> Any:
    def op(self: Batched, other: Any) -> Any:
        if isinstance(other, Variable):
            return NotImplemented
        return elementwise(function, (other, self) if reflected else (self, other))

    return op


def _in_place(ufunc: Any) -> Any:
    def op(self: Batched, other: Any) -> Any:
        if isinstance(other, Variable) or level_of(other) > self.level:
            return NotImplemented  # the name then stands for a new array
        return ufunc(self, other, out=(self,))

    return op


def _matmul(self: Batched, other: Any) -> Any:
    if isinstance(other, Variable):
        return NotImplemented
    return np.matmul(self, other)


def _rmatmul(self: Batched, other: Any) -> Any:
    return np.matmul(other, self)


for _name, _op, _ufunc in (
    ("add", operator.add, np.add), ("sub", operator.sub, np.subtract), ("mul", operator.mul, np.multiply),
    ("truediv", operator.truediv, np.divide), ("floordiv", operator.floordiv, np.floor_divide),
    ("mod", operator.mod, np.remainder), ("pow", operator.pow, np.power), ("and", operator.and_, np.bitwise_and),
    ("or", operator.or_, np.bitwise_or), ("xor", operator.xor, np.bitwise_xor),
    ("lshift", operator.lshift, np.left_shift), ("rshift", operator.rshift, np.right_shift), ("divmod", divmod, None),
):  # fmt: skip
    setattr(Batched, f"__{_name}__", _operator(_op))
    setattr(Batched, f"__r{_name}__", _operator(_op, reflected=True))
    if _ufunc is not None:
        setattr(Batched, f"__i{_name}__", _in_place(_ufunc))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Batched, f"__{_name}__", _operator(getattr(operator, _name)))
attach: Any = Batched
attach.__matmul__, attach.__rmatmul__ = _matmul, _rmatmul
attach.__neg__ = lambda self: Batched(-self.array, self.level)
attach.__pos__ = lambda self: Batched(+self.array, self.level)
attach.__abs__ = lambda self: Batched(abs(self.array), self.level)
attach.__invert__ = lambda self: Batched(~self.array, self.level)


def _method(function: Any) -> Any:
    def method(self: Batched, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"`np.{function.__name__}`."
    return method


for _name in (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "conj", "cumprod", "cumsum",
    "diagonal", "dot", "max", "mean", "min", "nonzero", "prod", "put", "ravel", "repeat", "round", "searchsorted",
    "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
):  # fmt: skip
    setattr(Batched, _name, _method(getattr(np, _name)))
attach.conjugate = _method(np.conjugate)
