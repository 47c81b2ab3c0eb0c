"""The box: `Variable`, a mutable handle on an array and on the graph node that made it.

Operators and array methods are attached in `methods.py`, where the rules are known.
"""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy import generic, ndarray

tick = itertools.count(1_000).__next__  # serial numbers order the graph; above CPython's cached integers


class Info:
    """What few nodes need: a gradient, a name, the handle, the user's line."""

    __slots__ = ("args", "calls", "creator", "grad", "handle", "inputs", "line", "name", "scope", "seed", "watched")

    def __init__(self) -> None:
        self.grad: Any = None  # what passes deposited or the user set
        self.seed: Any = None  # what the user set: where `backward` starts
        self.name: str | None = None
        self.handle: Any = None  # weak reference to a Variable
        self.creator: Any = None  # the user's own instance of a built-in Function
        self.inputs: tuple[Variable, ...] = ()  # of such an instance
        self.line: str | None = None  # recorded by debug() and other Recorders
        self.scope: tuple[tuple[str, int], ...] = ()  # the scopes of the call: see name_scope
        self.args: tuple[Any, ...] = ()  # what the call was given, where a Recorder noted it for pictures
        self.calls: Any = None  # of Modules: see nn/module.py
        self.watched: tuple[Any, ...] = ()  # saved arrays that may be changed, with their fingerprints: see saved.py


class Leaf:
    """The node of a Variable that no function made."""

    __slots__ = ("info", "serial")
    parents = ()
    leaf = True
    p = q = None
    function = None

    def __init__(self, handle: Variable) -> None:
        self.serial = tick()
        self.info = info = Info()
        info.handle = weakref.ref(handle)

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        pass

    back_generic = back

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        pass

    def release(self, state: str) -> None:
        pass


class _Dropped:
    """Stands where the value of an intermediate result would be that nobody kept."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            "the value of this intermediate result was not kept: no rule reads it and no Variable holds it. "
            "Keep the Variable itself, or record the computation under wg.Tape()"
        )


def is_inexact(data: Any) -> bool:
    """Whether data has derivatives: floating-point or complex."""
    return data.dtype.kind in "fc"


class Variable:
    """An array that remembers how it was made, so that derivatives can flow through it.

    Args:
        data: an array, a NumPy scalar, a Python number or a nested list of numbers. An array is not copied.
        name: a label for messages and pictures.

    Floating-point and complex data are tracked; integers, booleans and objects never are. A Variable is a
    handle: `y[i] = v` and `y += v` move it to a new value, and leave what was computed from the old one as it was.

    Raises:
        TypeError: data is a Variable, None, text, or something that NumPy makes no numeric array of.

    Example:
        >>> x = wg.Variable(np.array([1.0, 2.0]))
        >>> y = np.sum(x**2)
        >>> y.backward()
        >>> x.grad
        array([2., 4.])
    """

    __slots__ = ("__weakref__", "_array", "_name", "_node", "_serial", "_written")
    _array: Any  # an ndarray or a NumPy scalar
    _node: Any  # a Leaf or a Node; None for untracked data
    _serial: int  # the node's own number: see UNHELD
    _written: object  # changes when `x[i] = v` or `x += v` writes to it: see views.py

    def __init__(self, data: Any, name: str | None = None) -> None:
        self._array = array = as_data(data)
        self._name = name
        if is_inexact(array):
            self._node = node = Leaf(self)
            node.info.name = name
            self._serial = node.serial
        else:
            self._node = None

    # ---- the array ------------------------------------------------------------------------------------------

    @property
    def data(self) -> ndarray:
        """The array itself, not a copy. Assigning another keeps this Variable's place in the graph.

        That of a result is read-only, since the graph may have saved it; to change it, write `y[i] = v`.
        """
        data = self._array
        if type(data) is not ndarray and isinstance(data, generic):
            data = self._array = np.asarray(data)
        elif type(data) is _Dropped:
            data.shape  # noqa: B018  raises, and says why
        if self._node is not None and type(self._node) is not Leaf and hasattr(data, "setflags"):
            data.setflags(write=False)
        return data

    @data.setter
    def data(self, data: Any) -> None:
        if data is self._array:
            return  # `x.data -= ...` has changed it in place
        array = as_data(data)
        if self._node is not None and not is_inexact(array):
            raise TypeError(f"data: {array.dtype} data cannot take the place of tracked data; use .astype(float)")
        self._array = array if type(self) is not Result or isinstance(array, generic) else array.view()
        if self._node is None and is_inexact(array):
            self._node = Leaf(self)
            self._serial = self._node.serial

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self._array.dtype

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return self._array.nbytes

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        if type(self._array) is _Dropped:
            return "Variable(<value not kept>)"
        label = "" if self.name is None else f", name={self.name!r}"
        text = np.array2string(self.data, prefix="Variable(", separator=", ", suffix=")")
        dtype = "" if self.dtype in (np.float64, np.int64, np.complex128, np.bool_) else f", dtype={self.dtype}"
        return f"Variable({text}{dtype}{label})"

    def __str__(self) -> str:
        return str(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.data.item() if self.size == 1 and spec else self.data, spec)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __contains__(self, item: Any) -> bool:
        return (item.data if isinstance(item, Variable) else item) in self.data

    def item(self, *args: Any) -> Any:
        """One element as a Python number: an explicit way out of the graph."""
        return self._array.item(*args)

    def tolist(self) -> Any:
        """The data as nested lists of Python numbers: an explicit way out of the graph."""
        return self.data.tolist()

    def detach(self) -> Variable:
        """A new untracked Variable on the same data: an explicit way out of the graph."""
        return wrap(self._array, None)

    def __copy__(self) -> Variable:
        return _copied(self.data, self.name, self._node is not None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return _copied(self.data.copy(), self.name, self._node is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _copied, (self.data, self.name, self._node is not None)

    # ---- the graph ------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """A label for messages and pictures."""
        return getattr(self, "_name", None)

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self._node is not None:
            info_of(self._node).name = name

    @property
    def grad(self) -> Any:
        """The gradient that `backward` left here: shape and dtype of the data. None before.

        An ndarray, or a Variable after `create_graph=True`. Assigning one makes `backward` start from it.
        """
        info = getattr(self._node, "info", None)
        if info is None or info.grad is None:
            return None
        g, dtype = info.grad, self._array.dtype
        if type(g) is ndarray and g.dtype is dtype:
            return g
        if not isinstance(g, Variable):
            g = info.grad = as_cotangent(g, dtype)
        return g

    @grad.setter
    def grad(self, g: Any) -> None:
        if g is None:
            self.cleargrad()
            return
        if self._node is None:
            raise TypeError(f"grad: {describe(self)} is not tracked, so it has no gradient")
        info = info_of(self._node)
        info.grad = info.seed = check_cotangent(g, self, "grad")

    def cleargrad(self) -> None:
        """Forget the gradient, so that the next pass starts from nothing."""
        info = getattr(self._node, "info", None)
        if info is not None:
            info.grad = info.seed = None

    @property
    def creator(self) -> Any:
        """The Function that made this Variable; None for a leaf and for untracked data."""
        function = getattr(self._node, "function", None)
        if function is not None:
            info = info_of(self._node)
            info.handle = weakref.ref(self)
            function = info.creator or function
        return function

    def unchain(self) -> None:
        """Cut the link to the creator: this Variable becomes a leaf, for what was computed from it too."""
        if self._node is not None:
            self._node.release("cut")

    if TYPE_CHECKING:  # attached in methods.py

        def __add__(self, other: Any, /) -> Variable: ...
        def __radd__(self, other: Any, /) -> Variable: ...
        def __sub__(self, other: Any, /) -> Variable: ...
        def __rsub__(self, other: Any, /) -> Variable: ...
        def __mul__(self, other: Any, /) -> Variable: ...
        def __rmul__(self, other: Any, /) -> Variable: ...
        def __truediv__(self, other: Any, /) -> Variable: ...
        def __rtruediv__(self, other: Any, /) -> Variable: ...
        def __floordiv__(self, other: Any, /) -> Any: ...
        def __rfloordiv__(self, other: Any, /) -> Any: ...
        def __mod__(self, other: Any, /) -> Variable: ...
        def __rmod__(self, other: Any, /) -> Variable: ...
        def __pow__(self, other: Any, /) -> Variable: ...
        def __rpow__(self, other: Any, /) -> Variable: ...
        def __matmul__(self, other: Any, /) -> Variable: ...
        def __rmatmul__(self, other: Any, /) -> Variable: ...
        def __iadd__(self, other: Any, /) -> Self: ...
        def __isub__(self, other: Any, /) -> Self: ...
        def __imul__(self, other: Any, /) -> Self: ...
        def __itruediv__(self, other: Any, /) -> Self: ...
        def __imod__(self, other: Any, /) -> Self: ...
        def __ipow__(self, other: Any, /) -> Self: ...
        def __imatmul__(self, other: Any, /) -> Self: ...
        def __lt__(self, other: Any, /) -> Any: ...
        def __le__(self, other: Any, /) -> Any: ...
        def __gt__(self, other: Any, /) -> Any: ...
        def __ge__(self, other: Any, /) -> Any: ...
        def __eq__(self, other: object, /) -> Any: ...
        def __ne__(self, other: object, /) -> Any: ...
        def __hash__(self) -> int: ...
        def __divmod__(self, other: Any, /) -> tuple[Any, Variable]: ...
        def __neg__(self) -> Variable: ...
        def __pos__(self) -> Variable: ...
        def __abs__(self) -> Variable: ...
        def __getitem__(self, key: Any, /) -> Variable: ...
        def __setitem__(self, key: Any, value: Any, /) -> None: ...
        def __iter__(self) -> Iterator[Variable]: ...
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any: ...
        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any: ...
        def set_creator(self, function: Any) -> None: ...
        def backward(self, retain_graph: bool = True, create_graph: bool = False) -> None: ...

        T: Variable
        mT: Variable
        real: Variable
        imag: Variable
        flat: Iterator[Variable]

        def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Variable: ...
        def transpose(self, *axes: Any) -> Variable: ...
        def flatten(self, order: str = "C") -> Variable: ...
        def ravel(self, order: str = "C") -> Variable: ...
        def swapaxes(self, axis1: int, axis2: int) -> Variable: ...
        def squeeze(self, axis: Any = None) -> Variable: ...
        def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Variable: ...
        def copy(self, order: str = "C") -> Variable: ...
        def dot(self, other: Any, /) -> Variable: ...
        def conj(self) -> Variable: ...
        def conjugate(self) -> Variable: ...
        def clip(self, min: Any = None, max: Any = None) -> Variable: ...
        def sum(self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Variable: ...
        def mean(self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Variable: ...
        def prod(self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Variable: ...
        def max(self, axis: Any = None, *, keepdims: bool = False) -> Variable: ...
        def min(self, axis: Any = None, *, keepdims: bool = False) -> Variable: ...
        def var(self, axis: Any = None, dtype: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Variable: ...
        def std(self, axis: Any = None, dtype: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Variable: ...
        def exp(self) -> Variable: ...
        def log(self) -> Variable: ...
        def sqrt(self) -> Variable: ...
        def square(self) -> Variable: ...
        def sin(self) -> Variable: ...
        def cos(self) -> Variable: ...
        def tan(self) -> Variable: ...
        def sinh(self) -> Variable: ...
        def cosh(self) -> Variable: ...
        def tanh(self) -> Variable: ...
        def sigmoid(self) -> Variable: ...
        def relu(self) -> Variable: ...
        def argmax(self, *args: Any, **kwargs: Any) -> Any: ...
        def argmin(self, *args: Any, **kwargs: Any) -> Any: ...
        def argsort(self, *args: Any, **kwargs: Any) -> Any: ...
        def all(self, *args: Any, **kwargs: Any) -> Any: ...
        def any(self, *args: Any, **kwargs: Any) -> Any: ...
        def nonzero(self, *args: Any, **kwargs: Any) -> Any: ...
        def searchsorted(self, *args: Any, **kwargs: Any) -> Any: ...
        def round(self, *args: Any, **kwargs: Any) -> Any: ...

    # ---- ways out that lose the graph unseen are refused ----------------------------------------------------

    if not TYPE_CHECKING:  # or type checkers would take np.sin(variable) for an ndarray

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
            if self._node is not None:
                from .scipy import instead

                raise TypeError(
                    instead()
                    or "this would turn a tracked Variable into a plain array and lose its graph. Use wg.array([...]) "
                    "or np.stack([...]) to build an array of Variables, wg.vectorize for np.vectorize, wg.polynomial "
                    "for np.polynomial, .data or .detach() to leave the graph on purpose"
                )
            return np.array(self._array, dtype=dtype, copy=copy)

    def _number(self, kind: type) -> Any:
        if self._node is not None:
            raise TypeError(
                f"{kind.__name__}() of a tracked Variable would lose its graph. Use .item() or .data to leave the "
                "graph on purpose, or the NumPy function (np.sin, not math.sin) to stay in it"
            )
        return kind(self.data)

    def __float__(self) -> float:
        return self._number(float)

    def __int__(self) -> int:
        return self._number(int)

    def __complex__(self) -> complex:
        return self._number(complex)

    def __index__(self) -> int:
        if self._node is not None or self.dtype.kind not in "iu":
            raise TypeError(f"{describe(self)} cannot be an index: only integer data can")
        return self.data.__index__()


# ---- making handles -----------------------------------------------------------------------------------------


class Result(Variable):
    """A Variable that an operation makes: no user holds its array, unless that has a `base`.

    Has no `__init__` of Python's, which would take longer than all the rest of a call.
    """

    __slots__ = ()
    if TYPE_CHECKING:

        def __init__(self) -> None: ...
    else:
        __init__ = object.__init__


Result.__name__ = Result.__qualname__ = "Variable"


def _copied(data: Any, name: str | None, tracked: bool) -> Variable:
    """A leaf for a tracked Variable, untracked data for the like."""
    v = Variable(data) if tracked else wrap(data, None)
    v.name = name
    return v


def wrap(data: Any, node: Any) -> Variable:
    """A handle on `data`, made by `node`."""
    v = Result()
    v._array = data
    v._node = node
    if node is not None:
        v._serial = node.serial
        if node.leaf:
            v.__class__ = Variable  # type: ignore[assignment]
    return v


def tie(data: Any, node: Any) -> Any:
    """What a rule sees when it runs on Variables: the saved array as a handle on its node."""
    if node is None or not hasattr(data, "dtype"):
        return data
    v = Result()  # no serial: such a handle is the walk's own, not a user's
    if node.leaf:
        v.__class__ = Variable  # type: ignore[assignment]
    v._array = data
    v._node = node
    return v


def move(v: Variable, data: Any, node: Any) -> Variable:
    """Let the handle v stand for another value; what was computed from the old one is left as it was."""
    v._array = data
    v._node = node
    if node is not None:
        v._serial = node.serial
        if v.name is not None:
            info_of(node).name = v.name
    return v


# The serial number of a node is also held by its handles, so its reference count tells whether somebody holds one.
references = getattr(sys, "getrefcount", lambda obj: sys.maxsize)


def _count_without_handle() -> int:
    node = object.__new__(Leaf)
    node.serial = tick()
    return references(node.serial)


UNHELD = _count_without_handle()


def handle_of(node: Any, value: Any = None) -> Variable:
    """The Variable that a user holds on this node, or a new one (on `value`, when it is known)."""
    info = info_of(node)
    v = info.handle and info.handle()
    if v is not None and v._node is node:
        return v
    if references(node.serial) != UNHELD:
        for v in gc.get_referrers(node):
            if isinstance(v, Variable) and v._node is node:
                break
        else:
            v = None
    if v is None or v._node is not node:
        v = wrap(_Dropped() if value is None else value, node)
        v.name = info.name
    info.handle = weakref.ref(v)
    return v


def info_of(node: Any) -> Info:
    """The node's Info, made when first asked for."""
    try:
        return node.info
    except AttributeError:
        node.info = info = Info()
        return info


def data_of(x: Any) -> Any:
    """x with every Variable in it replaced by its array."""
    if isinstance(x, Variable):
        return x.data
    if isinstance(x, (list, tuple)):
        return type(x)([data_of(item) for item in x])
    return x


# ---- checks -------------------------------------------------------------------------------------------------


def describe(v: Any) -> str:
    """A few words for messages: name, dtype and shape."""
    name = getattr(v, "name", None)
    return f"{'Variable' if name is None else f'Variable {name!r}'} of {v.dtype} {v.shape}"


def as_data(data: Any, what: str = "data") -> Any:
    """Data for a Variable: an ndarray or NumPy scalar. `what` names it in messages."""
    if type(data) is ndarray or isinstance(data, generic):
        array = data
    elif isinstance(data, ndarray):
        array = _as_ndarray(data, what)
    elif isinstance(data, Variable):
        raise TypeError(f"{what} is a Variable already; use .detach() or .data for its array")
    elif hasattr(data, "__array_function__"):  # another library's array that speaks NumPy's protocols
        array = data
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise TypeError(f"{what}: NumPy makes no array of this {type(data).__name__}: {error}") from None
        array = array[()] if array.ndim == 0 and array.dtype.kind != "O" else array
    if data is None or array.dtype.kind in "SUVMm":
        raise TypeError(f"{what}: expected numbers, got {type(data).__name__} of dtype {array.dtype}")
    return array


def stands_for_ndarray(x: Any) -> bool:
    """Whether x says that it is an ndarray, is none, and speaks NumPy's protocols: what is recorded to be compiled."""
    return isinstance(x, ndarray) and not issubclass(type(x), ndarray)


def _as_ndarray(data: Any, what: str) -> ndarray:
    """The array of a subclass (a memmap, a record array), if its operators are those of ndarray.

    One that sees NumPy's calls itself stays what it is: it speaks NumPy's protocols.
    """
    cls = type(data)
    if stands_for_ndarray(data):
        return data
    if cls.__mul__ is not ndarray.__mul__:
        raise TypeError(
            f"{what} is a {cls.__module__}.{cls.__name__}, whose operators are not those of an ndarray: pass "
            "np.asarray(...) of it, or .filled(...) of a masked array"
        )
    return data if cls.__array_ufunc__ is not ndarray.__array_ufunc__ else np.asarray(data)


def as_cotangent(g: Any, dtype: np.dtype[Any]) -> Any:
    """g as an array of the given dtype: the real part, where the value is real."""
    if g.dtype.kind == "c" and dtype.kind != "c":
        g = g.real
    return np.asarray(g, dtype=dtype) if isinstance(g, (ndarray, generic)) else g.astype(dtype)


def check_cotangent(g: Any, like: Any, what: str) -> Any:
    """g as a gradient (or tangent) of `like`: same shape, same dtype; a Variable stays one.

    Raises:
        TypeError: complex for real data, or no numbers at all.
        ValueError: another shape.
    """
    if not isinstance(g, Variable):
        g = as_data(g, what)
    if g.shape != like.shape:
        raise ValueError(f"{what}: expected shape {like.shape}, the shape of the value; got {g.shape}")
    if g.dtype.kind == "O" or (g.dtype.kind == "c" and like.dtype.kind != "c"):
        raise TypeError(f"{what}: expected dtype {like.dtype}, the dtype of the value; got {g.dtype}")
    if isinstance(g, Variable):
        return g if g.dtype == like.dtype else g.astype(like.dtype)
    return as_cotangent(g, like.dtype)
