"""NumPy's calls on what is recorded: the call itself, on the values, and the nodes that stand for it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy import generic, ndarray

from . import translate
from .program import Call, Check, Method, Node, Place
from .record import Diverged, Record, entry
from .traced import Number, Step, Traced, assigned, broadcast, cast, reshaped

_WARNS = {"warn", "ignore"}


class Verified:
    """A function whose results have to have the shapes and dtypes that they had when it was recorded."""

    def __init__(self, function: Any, results: Any, name: str) -> None:
        self.function, self.results, self.__name__ = function, results, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        z = self.function(*args, **kwargs)
        if kinds(z) != self.results:
            raise Diverged(self.__name__)
        return z


def kinds(z: Any) -> Any:
    """Shapes and dtypes of a result."""
    if isinstance(z, (tuple, list)):
        return [kinds(item) for item in z]
    return (z.shape, z.dtype) if isinstance(z, (ndarray, generic)) else type(z)


class Recording(Record):
    """What one run leaves, and how NumPy's calls add to it."""

    # ---- calls --------------------------------------------------------------------------------------------------

    def _usual(self) -> None:
        """NumPy may warn, but do nothing else, where a value is invalid."""
        state = np.geterr()
        if not _WARNS.issuperset(state.values()):
            self.give_up(f"np.errstate is {state}")

    @entry
    def binary(self, ufunc: Any, apply: Any, x: Any, y: Any) -> Any:
        """An operator, which is not always the ufunc of its name."""
        with self.refusing(apply), self.silent():
            z = apply(self.concrete(x), self.concrete(y))
        if not self.records or not isinstance(z, (ndarray, generic)):
            [self.known(v) for v in (x, y) if type(v) is Traced]  # a complex number of Python's
            return z
        self._usual()
        node = self._attempt(translate.power, x, y, z) if ufunc is np.power else None
        node = node or self._attempt(translate.elementwise, ufunc, (x, y), z)
        return self.wrap(z, node) if node is not None else self.call(apply, (x, y), {}, z)

    def _attempt(self, translation: Any, *args: Any, **kwargs: Any) -> Any:
        """A translation; None where it is beyond what it knows."""
        try:
            return translation(self, *args, **kwargs)
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError, IndexError):
            return None

    @entry
    def ufunc(self, ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`__array_ufunc__`."""
        outs = kwargs.pop("out", None) or ()
        if any([_defers(x) for x in (*inputs, *outs, *kwargs.values())]):
            return NotImplemented
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return self.mutate(function, inputs, kwargs)
        if not outs or all([out is None for out in outs]):
            z = self._run(function, inputs, kwargs)
            if not self.records:
                return z
            node = None
            if method == "__call__" and not kwargs:
                node = self._attempt(translate.elementwise, ufunc, inputs, z)
            elif method == "reduce" and isinstance(z, (ndarray, generic)):
                node = self._attempt(_reduce, ufunc, z, inputs, kwargs)
            elif method == "outer" and not kwargs:
                node = self._attempt(_outer, ufunc, z, inputs)
            return self.wrap(z, node) if node is not None else self.call(function, inputs, kwargs, z)
        return self._into(function, inputs, kwargs, outs)

    def _run(self, function: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's own call."""
        with self.refusing(function), self.silent():
            z = function(*self.concrete(tuple(args)), **self.concrete(kwargs))
        if self.records:
            self._usual()
        return z

    def _into(self, function: Any, inputs: Any, kwargs: Any, outs: Any, as_tuple: bool = True) -> Any:
        """A call with `out=`."""
        if not self.records:
            real = tuple([self.concrete(out) for out in outs])
            return self._run(function, inputs, {**kwargs, "out": real if as_tuple else real[0]})
        where = kwargs.pop("where", True)
        masked = where is not True and "reduce" not in getattr(function, "__name__", "")
        if not masked and where is not True:
            kwargs["where"] = where
        with np.errstate(all="ignore"):
            if hasattr(function, "__self__") and isinstance(function.__self__, np.ufunc):
                results = self.ufunc(function.__self__, function.__name__, inputs, dict(kwargs))
            elif isinstance(function, np.ufunc):
                results = self.ufunc(function, "__call__", inputs, dict(kwargs))
            else:
                results = self.function(function, (), inputs, dict(kwargs))
        new = [
            r.node if type(r) is Traced else self.as_node(r)
            for r in (results if type(results) is tuple else (results,))
        ]
        mask = self.as_node(where, np.bool_) if masked else None
        for out in outs:
            if type(out) is Traced:
                out.about_to_write()
            elif out is not None:
                self.give_up("a recorded value is written into an array that was made without NumPy's usual functions")
        real = tuple([self.concrete(out) for out in outs])
        given = {**kwargs, "out": real if as_tuple else real[0]}
        if masked:
            given["where"] = where
        z = self._run(function, inputs, given)
        made = []
        for out, node, value in zip(outs, new, z if type(z) is tuple else (z,), strict=True):
            if type(out) is Traced:
                node = broadcast(self.program, cast(self.program, node, out.value.dtype), out.value.shape)
                if mask is not None:
                    node = self.program.add("where", (mask, node, out.node), None, out.value.shape, out.value.dtype)
                out.wrote(node)
                made.append(out)
            else:
                made.append(self.wrap(value, node) if out is None else value)
        return tuple(made) if type(z) is tuple else made[0]

    @entry
    def function(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """`__array_function__`."""
        if any([_foreign(t) for t in types]):
            return NotImplemented
        if function in CREATORS:
            return self.created(function, args, kwargs)
        if function in translate.METADATA:
            return self._run(function, args, kwargs)
        if function in translate.MUTATORS:
            return self.mutate(function, args, kwargs)
        if any([k.startswith("overwrite") and v for k, v in kwargs.items()]):
            self.give_up(f"np.{function.__name__} overwrites its input")
        place = _place_of_out(function)
        if len(args) > place and args[place] is not None:
            kwargs, args = {**kwargs, "out": args[place]}, (*args[:place], None, *args[place + 1 :])
        out = kwargs.pop("out", None)
        if out is not None:
            return self._into(function, args, kwargs, out if type(out) is tuple else (out,), type(out) is tuple)
        if len(args) > place:
            args = args[:place] if len(args) == place + 1 else args
        z = self._run(function, args, kwargs)
        return self.result(function, args, kwargs, z) if self.records else z

    def result(self, function: Any, args: Any, kwargs: Any, z: Any, known: Any = None) -> Any:
        """What stands for the result z of a function; `known`: the function that a method is."""
        known = known or function
        if isinstance(z, (ndarray, generic)) and z.dtype.kind in "biufc":
            if args and type(args[0]) is Traced and known in translate.STEPS:
                steps = self._attempt(_steps, known, args, kwargs, z)
                if steps is not None:
                    return self.viewed(args[0], z, steps)
            translation = translate.NODES.get(known)
            if translation is not None:
                node = self._attempt(lambda _, *a, **k: translation(self, z, *a, **k), *args, **kwargs)
                if node is not None:
                    if node.shape != z.shape or node.dtype != z.dtype:
                        raise RuntimeError(
                            f"internal error: {known.__name__} is {z.dtype} {z.shape}, recorded as {node}"
                        )
                    return self.wrap(z, node)
        if isinstance(z, (list, tuple)) and args and type(args[0]) is Traced and all(map(_is_array, z)):
            found: list[Any] = [translate.same_strides(args[0].value, item) for item in z]  # np.split, iteration
            if z and None not in found:
                return type(z)([self.viewed(args[0], item, steps) for item, steps in zip(z, found, strict=True)])
        return self.call(function, args, kwargs, z)

    def viewed(self, x: Traced, z: Any, steps: tuple[Step, ...]) -> Traced:
        """A result that these steps make of x: a view, if NumPy's is."""
        node = x.node
        for step in steps:
            node = step.forward(self.program, node)
        node.line = node.line or self.line()
        if type(z) is ndarray and np.may_share_memory(z, x.value) and z.base is not None:
            return Traced(self, z, node, x.root, (*x._steps, *steps))
        return Traced(self, z, node)

    def call(self, function: Any, args: Any, kwargs: Any, z: Any) -> Any:
        """A call of which nothing is known: done again by NumPy at each run."""
        inputs: list[Node] = []
        arrays: list[Traced] = []
        template = self._template((tuple(args), kwargs), inputs, arrays)
        name = getattr(function, "__name__", "call")
        many = isinstance(z, (tuple, list))
        if many and any([isinstance(item, (tuple, list)) for item in z]):
            flat = self.call(_Flattened(function), args, kwargs, tuple(_flattened(z)))
            return _nested(z, iter(flat)) if type(flat) is tuple else z
        if not all([_is_array(item) for item in z] if many else [_is_array(z)]):
            return self._facts(function, name, template, inputs, z)
        call = Call(Verified(function, kinds(z), name), *template)
        if many:
            node = self.program.add("call", inputs, call, (), np.dtype(object))
            node.line = self.line()
            items = [self.program.add("item", (node,), k, v.shape, v.dtype) for k, v in enumerate(z)]
            made = [self._called(v, n, arrays) for v, n in zip(z, items, strict=True)]
            return type(z)(*made) if hasattr(z, "_fields") else type(z)(made)
        return self._called(z, self.program.add("call", inputs, call, z.shape, z.dtype), arrays)

    def _called(self, z: Any, node: Node, arrays: list[Traced]) -> Any:
        if type(z) is ndarray and z.base is not None:
            for x in arrays:
                if type(x.value) is ndarray and np.may_share_memory(z, x.value):
                    again = Step("call", node.attributes, z.shape, z.dtype)
                    if node.op == "call" and len(node.inputs) == 1:
                        return Traced(self, z, node, x.root, (*x._steps, again))
                    z = z.copy()  # a view among several: NumPy's would follow what is written
                    if x.root.source is not None or not x.value.flags.owndata:
                        self.give_up("a view among several results")
                    break
        return self.wrap(z, node)

    def _facts(self, function: Any, name: str, template: Any, inputs: list[Node], z: Any) -> Any:
        """A result that is no array: taken for granted, if the recording can look at it again."""
        if type(z) in (bool, int, float) and inputs:
            call = Call(Verified(_as_scalar(function), ((), np.asarray(z).dtype), name), *template)
            node = self.program.add("call", inputs, call, (), np.asarray(z).dtype)
            self.program.checks.append(Check(node, np.asarray(z)[()], self.line()))
        elif inputs:
            self.give_up(f"{name} gives a {type(z).__name__}")
        return z

    def _template(self, x: Any, inputs: list[Node], arrays: list[Traced]) -> Any:
        kind = type(x)
        if kind is ndarray and x.dtype.kind in "biufc":
            x, kind = self.adopted(x), Traced
        if kind is Traced:
            inputs.append(x.node)
            arrays.append(x)
            return Place(len(inputs) - 1)
        if kind is Number:
            return self.host_known(x)
        if kind in (list, tuple):
            return kind([self._template(item, inputs, arrays) for item in x])
        if kind is dict:
            return {k: self._template(v, inputs, arrays) for k, v in x.items()}
        if kind is slice:
            return slice(*[self._template(v, inputs, arrays) for v in (x.start, x.stop, x.step)])
        return x

    @entry
    def mutate(self, function: Any, args: Any, kwargs: Any) -> None:
        """A function that writes to its first argument."""
        x = args[0]
        if self.records and type(x) is not Traced:
            self.give_up("a recorded value is written into an array that was made without NumPy's usual functions")
        if not self.records or type(x) is not Traced:
            self._run(function, args, kwargs)
            return
        inputs: list[Node] = []
        template = self._template((tuple(args), kwargs), inputs, [])
        x.about_to_write()
        self._run(function, args, kwargs)
        call = Call(_on_a_copy(function), *template)
        x.wrote(self.program.add("call", inputs, call, x.value.shape, x.value.dtype))

    @entry
    def draw(self, method: Any, args: Any, kwargs: Any) -> Any:
        """Random numbers, which are drawn again at each replay."""
        z = self._run(method, args, kwargs)
        if not _is_array(z):
            self.give_up(f"{method.__name__}() gives a {type(z).__name__}; give it a size")
            return z
        made = self.call(method, args, kwargs, z)
        self.draws.append(made.node)
        self.drawn.add(id(method.__self__))
        return made

    # ---- indexing, methods, parts -----------------------------------------------------------------------------------

    @entry
    def getitem(self, x: Traced, key: Any) -> Any:
        """`x[key]`."""
        key = self._plain_key(key)
        z = self._run(operator.getitem, (x, key), {})
        if not self.records:
            return z
        steps = self._attempt(lambda _, a, z, k: translate.index_steps(a, z, k), x.value, z, key)
        if steps is not None:
            return self.viewed(x, z, steps)
        return self.call(operator.getitem, (x, key), {}, z)

    def _plain_key(self, key: Any) -> Any:
        """Numbers in slices, and integer scalars, as Python's."""
        if type(key) is tuple:
            return tuple([self._plain_key(k) for k in key])
        if type(key) is Number:
            return operator.index(key)  # type: ignore[arg-type]
        if type(key) is slice:
            return slice(*[v if v is None else operator.index(v) for v in (key.start, key.stop, key.step)])
        if type(key) is Traced and key.value.ndim == 0 and key.value.dtype.kind in "iu" and self.is_constant(key.node):
            return int(key.value)
        return key

    @entry
    def setitem(self, x: Traced, key: Any, value: Any) -> None:
        """`x[key] = value`."""
        if _defers(value):
            value = np.asarray(value)  # its own words
        key = self._plain_key(key)
        if not self.records:
            self._run(operator.setitem, (x, key, value), {})
            return
        steps = None
        if type(x.value) is ndarray:
            try:
                steps = translate.index_steps(x.value, x.value[self.concrete(key)], key)
            except (TypeError, ValueError, IndexError):
                steps = None
        if steps is None:
            self.mutate(operator.setitem, (x, key, value), {})
            return
        new = self.as_node(value)
        before = x.node
        region, shape = steps[0].attributes, steps[1].shape
        extra = len(new.shape) - len(shape)
        if extra > 0:
            new = reshaped(self.program, new, new.shape[extra:])
        x.about_to_write()
        self._run(operator.setitem, (x, key, value), {})
        new = cast(self.program, broadcast(self.program, new, shape), before.dtype)
        new = reshaped(self.program, new, steps[0].shape)
        x.wrote(assigned(self.program, before, region, new))

    @entry
    def part(self, x: Traced, name: str) -> Any:
        """`x.real`, `x.imag`."""
        if x.value.dtype.kind != "c":
            if name == "real":
                return x
            return self.wrap(x.value.imag, self.constant(x.value.imag)) if self.records else x.value.imag
        z = getattr(x.value, name)
        return self.call(getattr(np, name), (x,), {}, z) if self.records else z

    @entry
    def method(self, x: Traced, name: str) -> Any:
        """A method or attribute of ndarray that Traced does not have itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(x.value, name)
        if name in ("T", "mT"):
            with self.silent():
                z = found
            if not self.records:
                return z
            axes = list(range(x.value.ndim))
            axes = axes[::-1] if name == "T" else [*axes[:-2], axes[-1], axes[-2]]
            return self.viewed(x, z, (Step("transpose", tuple(axes), z.shape, z.dtype),))
        if name == "flat" and x.value.flags.c_contiguous:
            return x.reshape(-1)
        if not callable(found):
            self.give_up(f"the attribute {name} of an array is read")
            return found
        return lambda *args, **kwargs: self._method(x, name, args, kwargs)

    @entry
    def _method(self, x: Traced, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if any([_defers(a) for a in args]):
            return getattr(np, name)(x, *args, **kwargs)

        function = Method(name)
        if name in ("fill", "sort", "partition", "put", "resize", "setfield", "byteswap"):
            if name in ("resize", "setfield", "byteswap"):
                self.give_up(f"{name} changes an array's memory")
                return getattr(x.value, name)(*args, **kwargs)
            if name == "fill":
                x[...] = args[0] if args else kwargs["value"]
                return None
            return self.mutate(function, (x, *args), kwargs)
        out = kwargs.pop("out", None)
        if out is not None:
            return getattr(np, name)(x, *args, **kwargs, out=out)
        if name == "view" and not args and not kwargs:
            z = x.value.view() if type(x.value) is ndarray else x.value
            return self.viewed(x, z, ()) if self.records else z
        z = self._run(function, (x, *args), kwargs)
        if not self.records:
            return z
        if name in ("flatten", "copy"):
            order = kwargs.get("order", args[0] if args else "C")
            if name == "copy" or order == "C":
                return self.viewed(x, z, () if name == "copy" else (Step("reshape", None, z.shape, z.dtype),))
        if name == "dump" or name == "tofile":
            self.give_up(f"{name} writes a file")
        args_as = (tuple(args),) if name in ("reshape", "transpose") and len(args) > 1 else args
        known = _METHODS.get(name)
        if known is None:
            return self.call(function, (x, *args), kwargs, z)
        return self.result(function, (x, *args_as), kwargs, z, known)

    # ---- new arrays ---------------------------------------------------------------------------------------------

    @entry
    def created(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A new array, made by a function that NumPy's protocols do not reach."""
        if function in CONVERSIONS:
            return self.array(function, args, kwargs)
        z = self._run(function, self._asked(args), self._asked(kwargs))
        if type(z) is not ndarray or z.dtype.kind not in "biufc" or not self.records:
            return z
        fill = (kwargs.get("fill_value", args[1] if len(args) > 1 else 0)) if function is _FULL else 0
        if type(fill) in (Traced, Number):
            return self.wrap(z, broadcast(self.program, self.as_node(fill, z.dtype), z.shape))
        if function is _EMPTY:
            return self.wrap(z, broadcast(self.program, self.constant(np.zeros((), z.dtype)), z.shape))
        return self.wrap(z, self.constant(z))

    def _asked(self, x: Any) -> Any:
        """Arguments with numbers for what is recorded, where the function will ask for them."""
        if type(x) is tuple:
            return tuple([self._asked(v) for v in x])
        if type(x) is list:
            return [self._asked(v) for v in x]
        if type(x) is dict:
            return {k: v if k == "fill_value" else self._asked(v) for k, v in x.items()}
        if type(x) is Number:
            return self.host_known(x)
        return self.known(x) if type(x) is Traced and x.value.ndim == 0 else x

    def array(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`np.array`, `np.asarray` and their like."""
        x, *rest = args if args else (kwargs.pop("object", kwargs.pop("a", None)),)
        if type(x) is ndarray and x.dtype.kind in "biufc" and self.records:
            x = self.adopted(x)
        z = self._run(function, (x, *rest), kwargs)
        if not self.records or type(z) is not ndarray or z.dtype.kind not in "biufc":
            return z
        if type(x) is Traced:
            if z is x.value:
                return x
            if np.may_share_memory(z, x.value) and x.value.dtype == z.dtype:
                return self.viewed(x, z, () if z.shape == x.value.shape else (Step("reshape", None, z.shape, z.dtype),))
            node = x.node
            if node.dtype.kind == "c" and z.dtype.kind != "c":
                return self.call(function, (x, *rest), kwargs, z)
            return self.wrap(z, reshaped(self.program, cast(self.program, node, z.dtype), z.shape))
        if _holds_recorded(x):
            node = translate.as_array_node(self, x, z.dtype)
            return self.wrap(z, reshaped(self.program, node, z.shape))
        return self.wrap(z, self.constant(z))


# ---- helpers ----------------------------------------------------------------------------------------------------


def _steps(_: Any, known: Any, args: Any, kwargs: Any, z: Any) -> Any:
    return translate.STEPS[known](args[0].value, z, *args[1:], **kwargs)


def _reduce(recording: Recording, ufunc: Any, z: Any, inputs: Any, kwargs: Any) -> Any:
    return translate.reduce(recording, ufunc, z, *inputs, **kwargs)


def _outer(recording: Recording, ufunc: Any, z: Any, inputs: Any) -> Any:
    x, y = [recording.as_node(v) for v in inputs]
    x = reshaped(recording.program, x, x.shape + (1,) * len(y.shape))
    return translate.elementwise(recording, ufunc, (Traced(recording, np.empty(x.shape, x.dtype), x), inputs[1]), z)


def _is_array(z: Any) -> bool:
    return isinstance(z, (ndarray, generic)) and z.dtype.kind in "biufc"


def _holds_recorded(x: Any) -> bool:
    if type(x) in (list, tuple):
        return any(map(_holds_recorded, x))
    return type(x) in (Traced, Number)


def _foreign(kind: type) -> bool:
    return (
        kind is not Traced
        and kind is not Number
        and hasattr(kind, "__array_ufunc__")
        and not issubclass(kind, (ndarray, generic))
    )


def _defers(x: Any) -> bool:
    """Whether x, a Variable or a batch, sees to NumPy's calls itself."""
    return _foreign(type(x))


def _flattened(z: Any) -> list[Any]:
    return [leaf for item in z for leaf in _flattened(item)] if isinstance(z, (tuple, list)) else [z]


def _nested(z: Any, leaves: Iterator[Any]) -> Any:
    """What is nested as z, of these leaves."""
    if not isinstance(z, (tuple, list)):
        return next(leaves)
    items = [_nested(item, leaves) for item in z]
    return type(z)(*items) if hasattr(z, "_fields") else type(z)(items)


class _Flattened:
    """A function whose nested result becomes one tuple."""

    def __init__(self, function: Any) -> None:
        self.function, self.__name__ = function, getattr(function, "__name__", "call")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return tuple(_flattened(self.function(*args, **kwargs)))


class _as_scalar:
    """A function whose result, a Python number, becomes NumPy's."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return np.asarray(self.function(*args, **kwargs))[()]


class _on_a_copy:
    """A function that writes to its first argument, as one that gives a new array."""

    def __init__(self, function: Any) -> None:
        self.function, self.__name__ = function, getattr(function, "__name__", "write")

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        x = np.array(x)
        self.function(x, *args, **kwargs)
        return x


_places: dict[Any, int] = {}


def _place_of_out(function: Any) -> int:
    """Where `out` stands among the positional arguments."""
    if function not in _places:
        import inspect

        try:
            parameters = inspect.signature(function).parameters.values()
            names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        except (ValueError, TypeError):
            names = []
        _places[function] = names.index("out") if "out" in names else 1 << 20
    return _places[function]


_METHODS = {
    name: getattr(np, name)
    for name in ("sum", "prod", "mean", "var", "std", "max", "min", "all", "any", "reshape", "transpose", "swapaxes",
                 "squeeze", "ravel", "astype", "dot", "clip", "diagonal", "flatten", "copy")
    if hasattr(np, name)
}  # fmt: skip
_FULL, _EMPTY = np.full, np.empty
CONVERSIONS: set[Any] = {np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require}
CREATORS: set[Any] = CONVERSIONS | {np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.tri, np.arange}
DISPATCHED: set[Any] = {
    np.linspace,
    np.logspace,
    np.geomspace,
    np.indices,
    np.lib.stride_tricks.as_strided,
}  # by their arguments
