"""NumPy's two protocols: what `np.f(variable)` does.

Of the arguments that every ufunc takes, `out=` a Variable moves that handle, as `x += v` does, `where=` sets only the
elements that it names, `dtype=` converts the operands first; whatever would not give NumPy's value is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from . import rules
from .batching.array import BatchedError, looped
from .declare import CONSTANT, FUNCTIONS, REFUSED, UFUNCS
from .recording import recording
from .rules.indexing import advance
from .rules.shaping import astype
from .scipy import declare_scipy
from .variable import Variable, data_of, move, wrap
from .views import View, written

REDUCTIONS: dict[Any, Any] = {}  # ufunc -> what `ufunc.reduce` becomes, where it is given an axis and keepdims alone

_NOT_GIVEN: Any = object()
_VALUE_ALONE = "call it on .data if you need its value alone"
_DEPENDS_ON_LAYOUT = {np.power, np.arctan2}  # NumPy 2.4: the vectorised loop reads results before it has written them


def _is_number(x: Any) -> bool:
    """Whether x is a Python number, which takes the others' dtype."""
    return type(x) in (int, float, complex)


# ---- ufuncs -------------------------------------------------------------------------------------------------


def array_ufunc(
    self: Variable, ufunc: np.ufunc, method: str, x: Any, y: Any = _NOT_GIVEN, *rest: Any, **kwargs: Any
) -> Any:
    """`__array_ufunc__`: the operation declared for the ufunc."""
    if method == "__call__" and not kwargs and not rest and (op := UFUNCS.get(ufunc)) is not None:
        return op(x) if y is _NOT_GIVEN else op(x, y)
    inputs = (x,) if y is _NOT_GIVEN else (x, y, *rest)
    if ufunc not in UFUNCS and ufunc not in CONSTANT:
        rules.load()
        declare_scipy(ufunc)
    if method == "at":
        return _at(ufunc, *inputs)
    out = kwargs.pop("out", None)
    if out is None:
        return _call(ufunc, method, inputs, kwargs)
    return _into(out, ufunc, method, inputs, kwargs)


def _name(ufunc: np.ufunc, method: str) -> str:
    return f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")


def _no_rule(ufunc: np.ufunc, method: str) -> TypeError:
    return TypeError(f"{_name(ufunc, method)} has no derivative rule; {REFUSED.get(ufunc, _VALUE_ALONE)}")


def _call(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The ufunc, or a method of it, without `out=`."""
    if ufunc in CONSTANT:
        return getattr(ufunc, method)(*map(data_of, inputs), **{k: data_of(v) for k, v in kwargs.items()})
    if ufunc not in UFUNCS:
        from . import vectorizing

        if method == "__call__" and not kwargs and vectorizing.is_python_function(ufunc):
            return vectorizing.python_function(ufunc, *inputs)
        raise _no_rule(ufunc, method)
    if method == "__call__":
        return _adjusted(ufunc, list(inputs), kwargs)
    if ufunc in _DEPENDS_ON_LAYOUT and method.startswith("reduce"):
        raise TypeError(
            f"{_name(ufunc, method)}: NumPy's result depends on the memory layout, so that it has no derivative; use "
            f"functools.reduce(np.{ufunc.__name__}, x)"
        )
    if method == "outer":
        x, y = [v if isinstance(v, Variable) else np.asarray(v) for v in inputs]
        return _adjusted(ufunc, [x.reshape(x.shape + (1,) * y.ndim), y], kwargs)
    x, *rest = inputs
    kwargs = {k: v for k, v in kwargs.items() if v is not None or k in ("axis", "initial")}
    if method == "reduce" and ufunc in REDUCTIONS and kwargs.keys() <= {"axis", "keepdims"}:
        return REDUCTIONS[ufunc](x, **({"axis": 0} | kwargs))
    if "where" in kwargs:
        kwargs["where"] = data_of(kwargs["where"])
    from .rules import ufuncs

    return getattr(ufuncs, method)(ufunc, x, *map(data_of, rest), **kwargs)


def _at(ufunc: np.ufunc, x: Any, indices: Any, *b: Any) -> None:
    """`ufunc.at(x, indices, b)`: the handle x moves, as in `x[indices] += b`."""
    indices = data_of(indices)
    if not isinstance(x, Variable):
        if any([isinstance(v, Variable) and v._node is not None for v in b]) and ufunc not in CONSTANT:
            raise TypeError(
                f"np.{ufunc.__name__}.at: x is an array, which cannot remember the Variable that would be written to "
                "it; make x a Variable"
            )
        ufunc.at(x, indices, *map(data_of, b))
    elif ufunc in UFUNCS and ufunc not in CONSTANT:
        from .rules import ufuncs

        advance(x, ufuncs.at(ufunc, x, indices, *b))
    else:
        raise _no_rule(ufunc, "at")


# ---- the arguments that every ufunc takes -------------------------------------------------------------------


def _adjusted(ufunc: np.ufunc, inputs: list[Any], kwargs: dict[str, Any]) -> Any:
    """The operation for a call with keywords, none of which is `out=`."""
    name = ufunc.__name__
    if kwargs.pop("where", True) is not True:
        raise TypeError(
            f"np.{name}: where= has no derivative rule without out=, since it leaves elements that nobody has set; "
            "use np.where, or give out=, a Variable"
        )
    dtype, casting = kwargs.pop("dtype", None), kwargs.pop("casting", "same_kind")
    order, subok = kwargs.pop("order", "K"), kwargs.pop("subok", True)
    places = {k: kwargs.pop(k) for k in ("axes", "axis", "keepdims") if k in kwargs}
    if kwargs or order not in ("K", "C", "F") or not subok:
        unknown = next(iter(kwargs), "order" if subok else "subok")
        raise TypeError(f"np.{name}: {unknown}= has no derivative rule; use np.where or .astype instead")
    if dtype is not None or casting != "same_kind":
        inputs = _converted(ufunc, inputs, dtype, casting)
    z = _with_axes(ufunc, inputs, **places) if places else UFUNCS[ufunc](*inputs)
    if order == "K":
        return z
    return tuple([np.copy(v, order) for v in z]) if isinstance(z, tuple) else np.copy(z, order)


def _converted(ufunc: np.ufunc, inputs: list[Any], dtype: Any, casting: Any) -> list[Any]:
    """The operands in the dtype in which they are computed with, if `casting` allows it."""
    inputs = [x if _is_number(x) or isinstance(x, Variable) else np.asarray(x) for x in inputs]
    kinds = [type(x) if _is_number(x) else x.dtype for x in inputs]
    if dtype is None:
        ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout), casting=casting)
        return inputs
    dtype = np.dtype(dtype)
    loop = f"{dtype.char * ufunc.nin}->{dtype.char * ufunc.nout}"
    if dtype.kind not in "fc" or loop not in ufunc.types:
        raise TypeError(f"np.{ufunc.__name__}: dtype={dtype} has no derivative rule here; use .astype instead")
    for i, kind in enumerate(kinds, 1):
        if isinstance(kind, np.dtype) and not (
            np.can_cast(kind, dtype, casting) and np.can_cast(kind, dtype, "same_kind")  # type: ignore[arg-type]
        ):
            raise TypeError(
                f"np.{ufunc.__name__}: argument {i} is {kind}, which casting={casting!r} cannot make {dtype}"
            )
    return [dtype.type(x) if _is_number(x) else x if x.dtype == dtype else astype(x, dtype) for x in inputs]


def _with_axes(ufunc: np.ufunc, inputs: list[Any], axes: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A product of matrices or vectors, along other axes than the last ones."""
    if ufunc.signature is None:
        raise TypeError(f"np.{ufunc.__name__}: takes no axes=, axis= or keepdims=")
    cores = [part.strip("()").split(",") if part.strip("()") else [] for part in _operands(ufunc.signature)]
    counts = [len(core) for core in cores]
    if axes is None:
        axis = -1 if axis is None else axis
        axes = [(axis,) if n else () for n in counts] if max(counts) == 1 else [tuple(range(-n, 0)) for n in counts]
    axes = [(a,) if isinstance(a, int) else tuple(a) for a in axes] + [()] * (len(counts) - len(axes))
    xs = [np.moveaxis(x, a, range(-len(a), 0)) for x, a in zip(inputs, axes, strict=False)]
    z = UFUNCS[ufunc](*xs)
    if keepdims:
        return np.expand_dims(z, axes[0])
    return np.moveaxis(z, range(-len(axes[-1]), 0), axes[-1])


def _operands(signature: str) -> list[str]:
    return signature.replace("->", ",").replace("),(", ")|(").split("|")


# ---- out= ---------------------------------------------------------------------------------------------------


def _into(outs: tuple[Any, ...], ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call with `out=`: each Variable in it moves to its result."""
    if ufunc not in CONSTANT and ufunc not in UFUNCS:
        raise _no_rule(ufunc, method)
    if any([isinstance(out, ndarray) for out in outs]):
        if ufunc not in CONSTANT or any([isinstance(out, Variable) for out in outs]):
            refuse_out(_name(ufunc, method))
        return getattr(ufunc, method)(*map(data_of, inputs), out=outs, **{k: data_of(v) for k, v in kwargs.items()})
    casting = kwargs.get("casting", "same_kind")
    shape = next(out.shape for out in outs if out is not None)
    mask: Any = True
    if method != "__call__" and method != "outer":
        kwargs.setdefault("dtype", outs[0].dtype)
    elif kwargs.get("where", True) is not True:
        mask = np.broadcast_to(data_of(kwargs.pop("where")), shape)
        inputs = tuple([x if _is_number(x) else np.broadcast_to(x, shape)[mask] for x in inputs])
    results = _call(ufunc, method, inputs, kwargs)
    many = isinstance(results, tuple)
    moved = tuple(
        [
            z if out is None else _moved(_name(ufunc, method), out, z, mask, casting)
            for out, z in zip(outs, results if many else (results,), strict=True)
        ]
    )
    return moved if many else moved[0]


def _moved(name: str, out: Variable, z: Any, mask: Any, casting: Any) -> Variable:
    """The handle `out`, moved on to z; where there is a mask, z holds what it names."""
    z = z if isinstance(z, Variable) else wrap(np.asarray(z), None)
    if not np.can_cast(z.dtype, out.dtype, casting):
        raise TypeError(f"{name}: the result is {z.dtype} and cannot go into out=, which is {out.dtype}")
    z = z if z.dtype == out.dtype else astype(z, out.dtype)
    if mask is not True:
        out[mask] = z
        return out
    if z.shape != out.shape:
        try:
            z = np.broadcast_to(z, out.shape)
        except ValueError:
            raise ValueError(f"{name}: the result has shape {z.shape} and out= has {out.shape}") from None
    if z._node is None and recording() is not False and not (isinstance(out, View) and out._base is not None):
        written(out)
        return move(out, z._array, None)
    return advance(out, z)


def refuse_out(name: str) -> None:
    """`out=` a plain array."""
    raise TypeError(
        f"{name}: out= would write a tracked result into an array that cannot remember it (so does `a += v` with an "
        "ndarray a); write `a = a + v`, or give out=, a Variable"
    )


# ---- functions ----------------------------------------------------------------------------------------------


def array_function(self: Variable, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """`__array_function__`: the operation declared for the function."""
    op = FUNCTIONS.get(function)
    if op is None and function not in CONSTANT:
        rules.load()
        op = FUNCTIONS.get(function)
    if op is not None:
        if "out" in kwargs and kwargs["out"] is None:
            del kwargs["out"]
        if not args and (first := next(iter(_places(function)), None)) in kwargs:
            args = (kwargs.pop(first),)  # operations take it by position
        try:
            return op(*args, **kwargs)
        except BatchedError:
            return looped(op, args, kwargs)
    name = f"{getattr(function, '__module__', 'numpy')}.{function.__name__}".replace("numpy", "np", 1)
    if function in CONSTANT:
        if isinstance(_argument(function, "out", args, kwargs), Variable):
            raise TypeError(f"{name}: out= a Variable is written to only by ufuncs; leave it out, or give its .data")
        return function(*[data_of(x) for x in args], **{k: data_of(x) for k, x in kwargs.items()})
    raise TypeError(f"{name} has no derivative rule; {REFUSED.get(function, _VALUE_ALONE)}")


def _argument(function: Any, name: str, args: Any, kwargs: Any) -> Any:
    """The argument of this name; None where it is not given."""
    place = _places(function).get(name, len(args))
    return kwargs.get(name) if place >= len(args) else args[place]


@lru_cache(None)
def _places(function: Any) -> dict[str, int]:
    try:
        import inspect

        return {name: i for i, name in enumerate(inspect.signature(function).parameters)}
    except ValueError:  # some functions written in C have no signature
        return {}
