"""Traced: an array or NumPy scalar that is being recorded. It holds the value itself, and the node that stands for it.

A call on it is NumPy's own call on the value; what happened is added to the list. So the run that records *is* a plain
run: its results, shapes, dtypes, errors and memory are NumPy's. A view shares the value's memory, as NumPy's does, and
takes its node from what it is a view of: writing to either shows in both.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy import generic, ndarray

from .program import Node, Program, Region

_as_array: Any = np.array  # NumPy's own, whatever stands there while a recording runs


class Step(NamedTuple):
    """How a view is made from what it is a view of: one node."""

    op: str
    attributes: Any
    shape: tuple[int, ...]
    dtype: Any

    def forward(self, program: Program, node: Node) -> Node:
        """The view's node."""
        if self.op == "slice":
            return sliced(program, node, self.attributes)
        if self.op == "reshape":
            return reshaped(program, node, self.shape)
        return program.add(self.op, (node,), self.attributes, self.shape, self.dtype)

    def back(self, program: Program, before: Node, new: Node) -> Node:
        """What the view was made of, once the view is `new`."""
        if self.op == "slice":
            return assigned(program, before, self.attributes, new)
        if self.op == "reshape":
            return reshaped(program, new, before.shape)
        order = [0] * len(self.attributes)
        for i, a in enumerate(self.attributes):
            order[a] = i
        return transposed(program, new, tuple(order))

    @property
    def writable(self) -> bool:
        """Whether what is written to the view can be written to what it was made of."""
        return self.op in ("slice", "reshape", "transpose")


# ---- nodes that may be nothing --------------------------------------------------------------------------------


def reshaped(program: Program, node: Node, shape: Any) -> Node:
    """`reshape`, if it is one."""
    shape = tuple(shape)
    return node if node.shape == shape else program.add("reshape", (node,), None, shape, node.dtype)


def transposed(program: Program, node: Node, axes: tuple[int, ...]) -> Node:
    """`transpose`, if it is one."""
    if axes == tuple(range(len(axes))):
        return node
    return program.add("transpose", (node,), axes, [node.shape[a] for a in axes], node.dtype)


def broadcast(program: Program, node: Node, shape: Any) -> Node:
    """`broadcast`, if it is one."""
    shape = tuple(shape)
    return node if node.shape == shape else program.add("broadcast", (node,), None, shape, node.dtype)


def cast(program: Program, node: Node, dtype: Any) -> Node:
    """`cast`, if it is one."""
    return node if node.dtype == dtype else program.add("cast", (node,), None, node.shape, dtype)


def lengths(region: Region) -> tuple[int, ...]:
    """The shape of a region."""
    return tuple([len(range(*r)) for r in region])


def is_whole(region: Region, shape: tuple[int, ...]) -> bool:
    """Whether a region is all there is, in order."""
    return all([r == (0, n, 1) for r, n in zip(region, shape, strict=True)])


def sliced(program: Program, node: Node, region: Region) -> Node:
    """`slice`, if it is one."""
    if is_whole(region, node.shape):
        return node
    return program.add("slice", (node,), region, lengths(region), node.dtype)


def assigned(program: Program, node: Node, region: Region, new: Node) -> Node:
    """`assign`; where all is assigned, what is."""
    new = cast(program, new, node.dtype)
    if is_whole(region, node.shape):
        return broadcast(program, new, node.shape)
    if 0 in lengths(region):
        return node
    return program.add("assign", (node, new), region, node.shape, node.dtype)


# ---- the array --------------------------------------------------------------------------------------------------


class Traced:
    """An array (or NumPy scalar) whose calls are recorded."""

    __slots__ = ("__weakref__", "_node", "_owner", "_steps", "_version", "original", "recording", "source", "touched",
                 "value")  # fmt: skip

    def __init__(
        self, recording: Any, value: Any, node: Node, owner: Traced | None = None, steps: tuple[Step, ...] = ()
    ) -> None:
        self.recording, self.value, self._node = recording, value, node
        self._owner, self._steps = owner, steps
        self._version: int = 0 if owner is None else owner._version
        self.original: Any = None  # of an input that was written to: a copy of what it was
        self.source: Any = None  # of an input: where it is read
        self.touched = False  # of an input: whether anything was asked of it
        recording.alive.append(weakref.ref(self))

    @property
    def root(self) -> Traced:
        """What owns the memory."""
        return self if self._owner is None else self._owner

    @property
    def node(self) -> Node:
        """The node that stands for the value as it is now."""
        owner = self._owner
        if owner is None:
            self.touched = True
            return self._node
        owner.touched = True
        if self._version != owner._version:
            node, program = owner._node, self.recording.program
            for step in self._steps:
                node = step.forward(program, node)
            self._node, self._version = node, owner._version
        return self._node

    def about_to_write(self) -> None:
        """Keep what an input was before it is written to for the first time."""
        root = self.root
        root.touched = True
        if root.original is None and root.source is not None:
            root.original = root.value.copy()

    def wrote(self, new: Node) -> None:
        """All of this array is `new` now: so is that part of what it is a view of."""
        program = self.recording.program
        new = broadcast(program, cast(program, new, self.value.dtype), self.value.shape)
        owner = self._owner
        if owner is None:
            self._node = new
            self._version += 1
            return
        chain = [owner._node]
        for step in self._steps:
            chain.append(step.forward(program, chain[-1]))
        for step, before in zip(reversed(self._steps), reversed(chain[:-1]), strict=True):
            if not step.writable:
                self.recording.give_up("an array is written through a view that is no slice, reshape or transpose")
                return
            new = step.back(program, before, new)
        owner._node = new
        owner._version += 1

    # ---- what it looks like: NumPy's own ------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    def _look(self) -> Any:
        self.root.touched = True
        return self.value

    shape = property(lambda self: self._look().shape)
    ndim = property(lambda self: self._look().ndim)
    size = property(lambda self: self._look().size)
    dtype = property(lambda self: self._look().dtype)
    itemsize = property(lambda self: self._look().itemsize)
    nbytes = property(lambda self: self._look().nbytes)
    strides = property(lambda self: self._look().strides)
    flags = property(lambda self: self._look().flags)
    device = "cpu"

    @property
    def base(self) -> Any:
        """What owns the memory; None if that is this array itself."""
        return None if self._look().base is None else self.value.base if self._owner is None else self._owner

    def shares(self, other: Any) -> bool:
        """Whether this result is a view of `other`."""
        value = other.value if type(other) is Traced else other
        z = self.value
        if type(z) is not ndarray or z.base is None or type(value) is not ndarray:
            return False
        return z.base is value or (value.base is not None and z.base is value.base)

    def setflags(self, write: Any = None, **options: Any) -> None:
        """`ndarray.setflags`."""
        self._look().setflags(write=write, **options)

    def __len__(self) -> int:
        return len(self._look())

    # ---- values that Python asks for: the recording holds for these alone ----------------------------------------

    def __bool__(self) -> bool:
        return self.recording.outcome(self)  # type: ignore[no-any-return]

    def __float__(self) -> float:
        return float(self.recording.known(self))

    def __int__(self) -> int:
        return int(self.recording.known(self))

    def __complex__(self) -> complex:
        return complex(self.recording.known(self))

    def __index__(self) -> int:
        return operator.index(self.recording.known(self))

    def __round__(self, *args: Any) -> Any:
        return round(self.recording.known(self), *args)

    def __trunc__(self) -> Any:
        return self.recording.known(self).__trunc__()

    def __hash__(self) -> int:
        return hash(self.value if type(self.value) is ndarray else self.recording.known(self))

    def __repr__(self) -> str:
        return repr(self.recording.known(self))

    def __str__(self) -> str:
        return str(self.recording.known(self))

    def __format__(self, spec: str) -> str:
        return format(self.recording.known(self), spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        value = self.recording.known(self)
        if type(value) is ndarray:
            self.recording.shown.add(id(value))
            value = value.view()
            value.setflags(write=False)
        return _as_array(value, dtype=dtype, copy=copy)

    def item(self, *args: Any) -> Any:
        """`ndarray.item`."""
        return self.recording.known(self[args[0] if len(args) == 1 else args] if args else self).item()

    def tolist(self) -> Any:
        """`ndarray.tolist`."""
        return self.recording.known(self).tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        """`ndarray.tobytes`."""
        return self.recording.known(self).tobytes(order)  # type: ignore[no-any-return]

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    # ---- NumPy's protocols ---------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.recording.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recording.function(function, types, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.recording.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.recording.setitem(self, key, value)

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array" if isinstance(self, ndarray) else "not iterable")
        return iter([self[i] for i in range(len(self))])

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __getattr__(self, name: str) -> Any:
        return self.recording.method(self, name)

    @property
    def real(self) -> Any:
        """`ndarray.real`."""
        return self.recording.part(self, "real")

    @real.setter
    def real(self, value: Any) -> None:
        self.recording.part(self, "real")[...] = value

    @property
    def imag(self) -> Any:
        """`ndarray.imag`."""
        return self.recording.part(self, "imag")

    @imag.setter
    def imag(self, value: Any) -> None:
        self.recording.part(self, "imag")[...] = value


def _defers(other: Any) -> bool:
    """Whether an operand sees to operators itself: a Variable or a batch."""
    kind = type(other)
    return kind is not Traced and hasattr(kind, "__array_ufunc__") and not issubclass(kind, (ndarray, generic, Number))


def _operator(name: str, ufunc: Any) -> None:
    apply: Any = getattr(operator, name.strip("_"), None) or getattr(operator, f"__{name}__")

    def forward(self: Traced, other: Any) -> Any:
        return NotImplemented if _defers(other) else self.recording.binary(ufunc, apply, self, other)

    def reflected(self: Traced, other: Any) -> Any:
        return NotImplemented if _defers(other) else self.recording.binary(ufunc, apply, other, self)

    def in_place(self: Traced, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        if isinstance(self.value, generic):
            return self.recording.binary(ufunc, apply, self, other)
        return self.recording.ufunc(ufunc, "__call__", (self, other), {"out": (self,)})

    setattr(Traced, f"__{name}__", forward)
    setattr(Traced, f"__r{name}__", reflected)
    setattr(Traced, f"__i{name}__", in_place)


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}.items():  # fmt: skip
    _operator(_name, _ufunc)


def _comparison(name: str, ufunc: Any) -> None:
    apply = getattr(operator, name)

    def compare(self: Traced, other: Any) -> Any:
        if other is None or isinstance(other, str):
            return apply(self.value, other)
        return NotImplemented if _defers(other) else self.recording.binary(ufunc, apply, self, other)

    setattr(Traced, f"__{name}__", compare)


for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    _comparison(_name, _ufunc)


def _unary(name: str, ufunc: Any) -> None:
    setattr(Traced, f"__{name}__", lambda self: self.recording.ufunc(ufunc, "__call__", (self,), {}))


for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    _unary(_name, _ufunc)


def _divmod(self: Traced, other: Any) -> Any:
    return self // other, self % other


def _rdivmod(self: Traced, other: Any) -> Any:
    return other // self, other % self


setattr(Traced, "__divmod__", _divmod)  # noqa: B010
setattr(Traced, "__rdivmod__", _rdivmod)  # noqa: B010


# ---- numbers of Python's that change from call to call -----------------------------------------------------------


class Number:
    """A Python number that is another one at each call. Arithmetic on it is repeated by Python at each call.

    In a call with arrays it is what a Python number is to NumPy: it takes their dtype.
    """

    __slots__ = ("__weakref__", "k", "recording", "value")

    def __init__(self, recording: Any, value: Any, k: int) -> None:
        self.recording, self.value, self.k = recording, value, k
        recording.alive.append(weakref.ref(self))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.recording.ufunc(ufunc, method, inputs, kwargs)

    def __bool__(self) -> bool:
        return self.recording.host_outcome(bool, (self,))  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recording.host_known(self), name)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self


def _host_operator(name: str, apply: Callable[..., Any]) -> None:
    def forward(self: Number, other: Any) -> Any:
        if _is_number(other):
            return self.recording.host_call(apply, (self, other))
        return NotImplemented

    def reflected(self: Number, other: Any) -> Any:
        if _is_number(other):
            return self.recording.host_call(apply, (other, self))
        return NotImplemented

    setattr(Number, f"__{name}__", forward)
    setattr(Number, f"__r{name}__", reflected)


def _is_number(x: Any) -> bool:
    return type(x) in (Number, int, float, complex, bool)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"):
    _host_operator(_name, getattr(operator, f"__{_name}__"))


def _host_unary(name: str, apply: Callable[..., Any]) -> None:
    setattr(Number, f"__{name}__", lambda self, *args: self.recording.host_call(apply, (self, *args)))


_apply: Any
for _name, _apply in {
    "neg": operator.neg, "pos": operator.pos, "abs": abs, "float": float, "int": int, "round": round,
    "trunc": int, "invert": operator.invert,
}.items():  # fmt: skip
    if _name not in ("float", "int"):
        _host_unary(_name, _apply)


def _host_comparison(name: str) -> None:
    apply = getattr(operator, name)

    def compare(self: Number, other: Any) -> Any:
        if _is_number(other):
            return self.recording.host_outcome(apply, (self, other))
        return NotImplemented

    setattr(Number, f"__{name}__", compare)


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _host_comparison(_name)


def _host_way_out(name: str, apply: Callable[..., Any]) -> None:
    setattr(Number, f"__{name}__", lambda self, *args: apply(self.recording.host_known(self), *args))


for _name, _apply in {
    "float": float, "int": int, "complex": complex, "index": operator.index, "hash": hash, "repr": repr, "str": str,
    "format": format,
}.items():  # fmt: skip
    _host_way_out(_name, _apply)
