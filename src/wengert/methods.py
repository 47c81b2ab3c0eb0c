"""What a Variable can do: operators, array methods and NumPy's protocols, attached in one place."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import protocol, reverse
from .declare import constant_functions, refused_functions
from .function import set_creator
from .rules import elementwise as e, indexing, linalg, reductions, selection, shaping
from .variable import Variable, data_of

# ---- constants: results that have no derivative -------------------------------------------------------------

constant_functions(
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isfinite, np.isinf, np.isnan, np.signbit,
    np.floor, np.ceil, np.trunc, np.rint, np.floor_divide,
    np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.all, np.any, np.nonzero, np.count_nonzero,
    np.allclose, np.isclose, np.array_equal, np.array_repr, np.array_str, np.array2string,
    np.iscomplexobj, np.isrealobj, np.result_type,
    np.searchsorted, np.round, np.shares_memory, np.may_share_memory, np.einsum_path, np.isfortran,
)  # fmt: skip
_OWN_MEMORY = "the memory of a Variable belongs to the graph: use .data, .astype or x[i] = v"
refused_functions(
    _OWN_MEMORY,
    *[getattr(np.ndarray, name) for name in (
        "byteswap", "ctypes", "dump", "dumps", "getfield", "resize", "setfield", "setflags", "to_device", "tofile",
        "view",
    ) if hasattr(np.ndarray, name)],
)  # fmt: skip
protocol.REDUCTIONS.update(
    {
        np.add: reductions.sum,
        np.multiply: reductions.prod,
        np.maximum: reductions.max,
        np.minimum: reductions.min,
    }
)


def _comparison(ufunc: np.ufunc) -> Any:
    def compare(self: Variable, other: Any) -> Any:
        return ufunc(self.data, data_of(other))

    return compare


def _reflected(op: Any) -> Any:
    return lambda self, other: op(other, self)


def _in_place(op: Any) -> Any:
    def update(self: Variable, other: Any) -> Variable:
        new = op(self, other)
        if new.shape != self.shape:
            raise ValueError(
                f"{op.__name__}: the result has shape {new.shape} and cannot replace {self.shape} in place"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{op.__name__}: the result is {new.dtype} and cannot replace {self.dtype} in place")
            new = shaping.astype(new, self.dtype)
        return indexing.advance(self, new)

    return update


def _constant_method(name: str) -> Any:
    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.data, name)(*[data_of(a) for a in args], **kwargs)

    method.__name__ = name
    method.__doc__ = f"`ndarray.{name}`: a plain array, without derivative."
    return method


_np: Any = np  # on a Variable its functions give Variables, which its types do not say


def _forwarding_method(name: str) -> Any:
    function = getattr(np, name)

    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"`ndarray.{name}`."
    return method


def _sort(self: Any, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    """`ndarray.sort`: in place, so that the handle moves on."""
    indexing.advance(self, _np.sort(self, axis, kind, order, stable=stable))


def _partition(self: Any, kth: Any, axis: int = -1, kind: Any = "introselect", order: Any = None) -> None:
    """`ndarray.partition`: in place, so that the handle moves on."""
    indexing.advance(self, _np.partition(self, kth, axis, kind, order))


def _put(self: Any, indices: Any, values: Any, mode: Any = "raise") -> None:
    """`ndarray.put`: in place, so that the handle moves on."""
    np.put(self, indices, values, mode)


def _fill(self: Any, value: Any) -> None:
    """`ndarray.fill`: in place, so that the handle moves on."""
    self[...] = value


def _iter(self: Any) -> Any:
    if not self.shape:
        raise TypeError("iteration over a Variable without axes")
    return (self[i] for i in range(len(self)))


def _floordiv(x: Any, y: Any) -> Any:
    return np.floor_divide(x, y)


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return np.floor_divide(x, y), e.remainder(x, y)


attach: Any = Variable  # the types of what is attached are declared in variable.py
attach.__array_ufunc__ = protocol.array_ufunc
attach.__array_function__ = protocol.array_function
attach.__getitem__ = indexing.getitem_method
attach.__iter__ = _iter
attach.__setitem__ = indexing.setitem_method
attach.backward = reverse.backward
attach.set_creator = set_creator

for _name, _op in {
    "add": e.add, "sub": e.subtract, "mul": e.multiply, "truediv": e.divide, "pow": e.pow_operator,
    "matmul": linalg.matmul, "mod": e.remainder, "floordiv": _floordiv, "divmod": _divmod,
}.items():  # fmt: skip
    setattr(Variable, f"__{_name}__", _op)
    setattr(Variable, f"__r{_name}__", _reflected(_op))
    if _name not in ("floordiv", "divmod"):
        setattr(Variable, f"__i{_name}__", _in_place(_op))
for _name in ("lt", "le", "gt", "ge"):
    _ufunc = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}[_name]
    setattr(Variable, f"__{_name}__", _comparison(_ufunc))
attach.__eq__ = _comparison(np.equal)
attach.__ne__ = _comparison(np.not_equal)
attach.__hash__ = object.__hash__
attach.__neg__ = e.negative
attach.__pos__ = e.positive
attach.__abs__ = e.absolute

attach.T = property(shaping.transpose)
attach.mT = property(lambda self: shaping.swapaxes(self, -1, -2))
attach.real = property(e.real)
attach.imag = property(e.imag)
attach.flat = property(lambda self: iter(shaping.ravel(self)))
attach.reshape = shaping.reshape_method
attach.transpose = shaping.transpose_method
attach.flatten = shaping.flatten_method
attach.astype = shaping.astype
attach.copy = lambda self, order="C": shaping.copy(self, order)
attach.dot = linalg.dot
attach.conj = attach.conjugate = lambda self: e.conjugate(self) if self.dtype.kind == "c" else self
attach.clip = selection.clip
for _op in (
    reductions.sum, reductions.mean, reductions.var, reductions.std, reductions.max, reductions.min, reductions.prod,
    shaping.ravel, shaping.swapaxes, shaping.squeeze,
    e.exp, e.log, e.sqrt, e.square, e.sin, e.cos, e.tan, e.sinh, e.cosh, e.tanh, e.sigmoid, e.relu,
):  # fmt: skip
    setattr(Variable, _op.__name__, _op)
for _name in (
    "argmax",
    "argmin",
    "argsort",
    "argpartition",
    "all",
    "any",
    "nonzero",
    "searchsorted",
    "round",
    "tobytes",
):
    setattr(Variable, _name, _constant_method(_name))
for _name in ("choose", "cumprod", "cumsum", "diagonal", "repeat", "take", "trace"):
    setattr(Variable, _name, _forwarding_method(_name))
for _name in ("base", "device", "flags", "strides"):
    setattr(Variable, _name, property(operator.attrgetter(f"data.{_name}")))
attach.compress = lambda self, condition, axis=None: np.compress(condition, self, axis)
attach.sort = _sort
attach.partition = _partition
attach.put = _put
attach.fill = _fill
