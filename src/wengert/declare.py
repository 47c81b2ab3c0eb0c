"""How an operation is declared, recorded and walked: one declaration serves every mode.

    sin = elementwise(np.sin, lambda g, _z, x: g * np.cos(x))

A rule takes the cotangent `g`, the result `z`, the inputs `x, y, ...` and then the call's other arguments, and
gives what flows to one input. It is written in NumPy calls that work on ndarrays and on Variables alike. What it
reads is saved, and its signature tells: a parameter spelt `_x` is not saved; `x_shape` saves the shape alone.
Broadcasting is undone here, never in a rule; so is the conjugation that gradients of complex data need.

* `elementwise`: the rule is both the pull-back and the push-forward;
* `linear`: one array, linear in it: the push-forward is the function itself;
* `general`: any number of arrays, pull-backs and push-forwards both written out.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import generic, ndarray

from .function import Function, Node, give
from .recording import recording
from .variable import Variable, as_data, info_of, tick, tie, wrap
from .views import as_view

UFUNCS: dict[Any, Any] = {}  # what NumPy's ufuncs become on Variables
FUNCTIONS: dict[Any, Any] = {}  # what NumPy's functions become on Variables
OPERATIONS: dict[str, Any] = {}  # every declared operation by name

Rule = Callable[..., Any]

_new_variable = Variable.__new__
_NO_KWARGS: dict[str, Any] = {}  # one for all calls without them
_constants = (ndarray, float, int, complex, generic)


# ---- what the engine does for every rule --------------------------------------------------------------------


@lru_cache(4096)
def _summed_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    extra = len(shape) - len(target)
    axes = tuple([i for i, n in enumerate(shape) if i < extra or target[i - extra] != n])
    return axes, axes == tuple(range(extra))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an operand of this shape was broadcast."""
    if g.shape == shape:
        return g
    axes, leading = _summed_axes(g.shape, shape)
    if type(g) is ndarray:  # np.add.reduce is what ndarray.sum calls, and what other array libraries lack
        return np.add.reduce(g, axes) if leading else np.add.reduce(g, axes, keepdims=True).reshape(shape)
    return g.sum(axes) if leading else g.sum(axes, keepdims=True).reshape(shape)


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """x broadcast to shape."""
    if x.shape == shape:
        return x
    if isinstance(x, (ndarray, generic)):
        z = np.empty(shape, x.dtype)
        z[...] = x
        return z
    return np.broadcast_to(x, shape)


# ---- nodes, one class for each arity ------------------------------------------------------------------------


class Operation(Node):
    """A recorded call of a declared operation."""

    __slots__ = ()
    pulls: Any  # a rule for each input
    pushes: Any
    holomorphic = True  # complex data: the pull-back is the conjugate of the rule
    elementwise = False  # a zero in the cotangent gives a zero in the same place, whatever the derivative
    op: Callable[..., Any]
    shapes: Any = None  # of the inputs and the result, where broadcasting has to be undone
    args: tuple[Any, ...] = ()
    kwargs: Any = MappingProxyType({})

    # An instance that a user makes, `wg.Sin()`, is no recorded call: it has no serial number, and marks the
    # nodes of its calls as its own.

    def __call__(self, *inputs: Any) -> Any:
        if type(self) is not self.op.node:  # type: ignore[attr-defined]
            return super().__call__(*inputs)  # a subclass with rules of its own
        if hasattr(self, "serial"):
            raise TypeError(f"this {type(self).__name__} is a recorded call; make an instance of its class to call")
        handles = tuple([v if isinstance(v, Variable) else wrap(as_data(v), None) for v in inputs])
        y = self.op(*handles, *self.args, **self.kwargs)
        info = info_of(self)
        info.inputs, info.handle = handles, weakref.ref(y)
        if y._node is not None:
            info_of(y._node).creator = self
        return y

    def forward(self, *xs: Any) -> Any:
        return self.op(*xs, *self.args, **self.kwargs)

    def backward(self, *gys: Any) -> Any:
        if hasattr(self, "serial"):
            return super().backward(*gys)
        return Node.backward(self.output._node, *gys)

    @property
    def inputs(self) -> tuple[Variable, ...]:  # type: ignore[override]
        if hasattr(self, "serial"):
            return super().inputs
        return self.__dict__["inputs"] if hasattr(self, "__dict__") else info_of(self).inputs

    @property
    def outputs(self) -> tuple[Variable, ...]:
        if hasattr(self, "serial"):
            return super().outputs
        if hasattr(self, "__dict__"):
            return Function.outputs.fget(self)  # type: ignore[attr-defined]
        y = info_of(self).handle and info_of(self).handle()
        if y is None:
            raise RuntimeError(f"{type(self).__name__}.output: nobody holds it, or there was no call yet")
        return (y,)

    def _operands(self, graph: bool) -> tuple[Any, ...]:
        saved = self.saved()
        return tuple(map(tie, saved, (self, *self.parents))) if graph else saved

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        operands = self._operands(graph)
        conjugate = self.holomorphic and g.dtype.kind == "c"
        if conjugate:
            g = np.conj(g)
        for i, p in enumerate(self.parents):
            if p is None:
                continue
            if apply is not None and self.elementwise:
                t = apply(self.pulls[i], g, operands, self.args, self.kwargs)
            else:
                t = self.pulls[i](g, *operands, *self.args, **self.kwargs)
            if conjugate:
                t = np.conj(t)
            yield p, t if self.shapes is None else unbroadcast(t, self.shapes[i])

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        total = None
        for i, p in enumerate(self.parents):
            t = None if p is None else tangents.get(p)
            if t is None:
                continue
            if apply is not None and self.elementwise:
                t = apply(self.pushes[i], t, self._operands(graph), self.args, self.kwargs)
            else:
                t = self.pushes[i](t, *self._operands(graph), *self.args, **self.kwargs)
            total = t if total is None else total + t
        if total is not None:
            tangents[self] = total if self.shapes is None else spread(total, self.shapes[-1])


class Unary(Operation):
    """An elementwise operation of one array."""

    __slots__ = ("p", "x", "z")
    p: Any
    x: Any
    z: Any
    parents = property(lambda self: (self.p,))  # type: ignore[assignment]
    many = False
    q = None

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x


class Binary(Operation):
    """An operation of two arrays that broadcast against each other."""

    __slots__ = ("p", "q", "shapes", "x", "y", "z")
    p: Any
    q: Any
    x: Any
    y: Any
    z: Any
    parents = property(lambda self: (self.p, self.q))  # type: ignore[assignment]
    many = False

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x, self.y


class Linear(Operation):
    """A function of one array with other arguments."""

    __slots__ = ("args", "kwargs", "p", "x", "z")
    p: Any
    x: Any
    z: Any
    pull: Rule
    parents = property(lambda self: (self.p,))  # type: ignore[assignment]
    many = False
    q = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def saved(self) -> tuple[Any, ...]:
        return self.z, self.x

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        t = self.pull(g, self.z, self.x, *self.args, **self.kwargs)
        p = self.p
        if p in cotangents:
            give(cotangents, p, t)
        else:
            cotangents[p] = t


class General(Operation):
    """A function of any number of arrays with other arguments, given by keyword."""

    __slots__ = ("kwargs", "parents", "shapes", "xs", "z")
    xs: tuple[Any, ...]
    z: Any

    def saved(self) -> tuple[Any, ...]:
        return self.z, *self.xs


# ---- what a rule reads --------------------------------------------------------------------------------------

NOTHING, SHAPE, VALUE = 0, 1, 2


def _reads(rules: Sequence[Rule], count: int) -> list[int]:
    """For the result and each of `count` inputs: what the rules read of it, from their parameters' names."""
    most = [NOTHING] * (count + 1)
    for rule in rules:
        names = list(inspect.signature(rule).parameters)[1 : count + 2]
        for i, name in enumerate(names):
            reads = NOTHING if name[0] == "_" else SHAPE if name.endswith("_shape") else VALUE
            most[i] = max(most[i], reads)
    return most


# ---- declarations -------------------------------------------------------------------------------------------


def _declare(base: type, function: Any, name: str, op: Callable[..., Any], **attributes: Any) -> Any:
    """The operation's node class, and `op` made known under NumPy's function and its name."""
    title = "".join(part.capitalize() for part in name.split("_"))
    node = type(title, (base,), {"__slots__": (), "__module__": "wengert", "op": staticmethod(op), **attributes})
    op.__name__ = op.__qualname__ = name
    op.__module__ = "wengert"
    op.__doc__ = op.__doc__ or f"`numpy.{name}` for arrays and Variables. Differentiable."
    op.node = node  # type: ignore[attr-defined]
    if isinstance(function, np.ufunc):
        UFUNCS.setdefault(function, op)
    elif function is not None:
        FUNCTIONS[function] = op
    OPERATIONS[name] = op
    return node


def elementwise(
    function: Any,
    *rules: Rule,
    name: str | None = None,
    call: Any = None,
    holomorphic: bool = True,
    pushes: tuple[Rule, ...] | None = None,
    domain: Any = (-2.0, 2.0),
) -> Any:
    """Declare an elementwise function of one or two arrays: a rule for each.

    Args:
        function: the NumPy ufunc.
        rules: `(g, z, x)` or `(g, z, x, y)`; both pull-back and push-forward.
        call: what computes the value, when that is faster than `function` and gives the same bits.
        holomorphic: False where the rule itself gives the pull-back of complex data.
        pushes: the push-forwards, where they differ from the pull-backs.
        domain: the interval that tests draw arguments from; a tuple of two for two arguments.
    """
    name = name or function.__name__
    declare: Any = _unary if len(rules) == 1 else _binary
    op = declare(function, *rules, name, call or function, holomorphic)
    op.node.pushes = rules if pushes is None else pushes
    op.node.elementwise = holomorphic
    op.domain = domain
    return op


def product(function: Any, pull_x: Rule, pull_y: Rule, push_x: Rule, push_y: Rule) -> Any:
    """Declare a function of two arrays, linear in each, whose batch axes broadcast: `matmul` and its like."""
    op = _binary(function, pull_x, pull_y, function.__name__, function, True)
    op.node.pushes = push_x, push_y
    return op


def _unary(function: Any, rule: Rule, name: str, call: Any, holomorphic: bool) -> Any:
    keep_z, keep_x = [r == VALUE for r in _reads([rule], 1)]

    def op(x, /):  # type: ignore[no-untyped-def]
        if not isinstance(x, Variable):
            return call(x)
        a, p = x._data, x._node
        if p is not None and (mode := recording()) is not True:
            if mode is not False:
                return mode.call(op, (x,), {})
            p = None
        try:
            z = call(a)
        except TypeError as error:
            raise explained(error, op, (a,)) from None
        out = _new_variable(Variable)
        if p is None:
            out._data, out._node = z, None
            return out
        out._data, out._node = z, (n := node())
        n.p, n.x, n.z = p, a if keep_x else None, z if keep_z else None
        out._serial = n.serial = tick()
        return out

    def back(self: Unary, g: Any, cotangents: dict[Any, Any]) -> None:
        t = rule(g, self.z, self.x)
        p = self.p
        if p in cotangents:
            give(cotangents, p, t)
        else:
            cotangents[p] = t

    node = _declare(Unary, function, name, op, pulls=(rule,), back=back, holomorphic=holomorphic)
    return op


def _binary(function: Any, rule_x: Rule, rule_y: Rule, name: str, call: Any, holomorphic: bool) -> Any:
    z0, x0, y0 = [r == VALUE for r in _reads([rule_x], 2)]
    z1, x1, y1 = [r == VALUE for r in _reads([rule_y], 2)]
    z2, x2, y2 = z0 or z1, x0 or x1, y0 or y1

    def op(x, y, /):  # type: ignore[no-untyped-def]
        if isinstance(x, Variable):
            a, p = x._data, x._node
            if isinstance(y, Variable):
                b, q = y._data, y._node
            else:
                b, q = y if isinstance(y, _constants) else constant(y, op, 2), None
        elif isinstance(y, Variable):
            a, p = x if isinstance(x, _constants) else constant(x, op, 1), None
            b, q = y._data, y._node
            if type(a) is complex:
                b = np.asarray(b)  # NumPy's float64 is a float to Python's complex, which would compute without NumPy
        else:
            return call(x, y)
        mode = recording()
        if mode is not True and not (p is q is None):
            if mode is not False:
                return mode.call(op, (x, y), {})
            p = q = None
        try:
            z = call(a, b)
        except (ValueError, TypeError) as error:
            raise explained(error, op, (a, b)) from None
        out = _new_variable(Variable)
        out._data = z
        if p is q is None:
            out._node = None
            return out
        out._node = n = node()
        n.p = p
        n.q = q
        if q is None:
            n.x = a if x0 else None
            n.y = b if y0 else None
            n.z = z if z0 else None
            n.shapes = None if type(b) is float or z.shape == a.shape else (a.shape, None, z.shape)
        elif p is None:
            n.x = a if x1 else None
            n.y = b if y1 else None
            n.z = z if z1 else None
            n.shapes = None if type(a) is float or z.shape == b.shape else (None, b.shape, z.shape)
        else:
            n.x = a if x2 else None
            n.y = b if y2 else None
            n.z = z if z2 else None
            n.shapes = None if a.shape == b.shape else (a.shape, b.shape, z.shape)
        out._serial = n.serial = tick()
        return out

    def back(self: Binary, g: Any, cotangents: dict[Any, Any]) -> None:
        shapes = self.shapes
        p = self.p
        if p is not None:
            t = rule_x(g, self.z, self.x, self.y)
            if shapes is not None:
                t = unbroadcast(t, shapes[0])
            if p in cotangents:
                give(cotangents, p, t)
            else:
                cotangents[p] = t
        p = self.q
        if p is not None:
            t = rule_y(g, self.z, self.x, self.y)
            if shapes is not None:
                t = unbroadcast(t, shapes[1])
            if p in cotangents:
                give(cotangents, p, t)
            else:
                cotangents[p] = t

    node = _declare(Binary, function, name, op, pulls=(rule_x, rule_y), back=back, holomorphic=holomorphic)
    return op


def linear(
    function: Any,
    *,
    name: str | None = None,
    call: Any = None,
    push: Any = None,
    views: bool = False,
    moves: bool = True,
    **attributes: Any,
) -> Callable[[Rule], Any]:
    """Declare a function of one array and other arguments; decorates its pull-back `(g, z, x, *args, **kwargs)`.

    The rule's parameters carry NumPy's names and defaults; an argument that the rule does not know is refused.

    Args:
        function: NumPy's function; refusals and dispatch are by it.
        call: what computes the value, when that is faster than `function` and gives the same bits.
        push: the push-forward `(t, z, x, *args, **kwargs)`; by default the function itself, which is linear.
        views: whether the result may share the argument's memory.
        moves: whether each element of such a view is one of the argument's, so that it can be written through.
    """

    def declare(rule: Rule) -> Any:
        label = name or function.__name__
        compute = call or function
        keep_z, keep_x = _reads([rule, push] if push else [rule], 1)
        check = _refusal(function, rule, label)
        new = object.__new__

        def op(x: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(x, Variable):
                return compute(x, *args, **kwargs)
            a = x._data
            p = x._node
            if p is not None and (mode := recording()) is not True:
                if mode is not False:
                    return mode.call(op, (x, *args), kwargs)
                p = None
            if args or kwargs:
                args, kwargs = check(args, kwargs)
            try:
                z = compute(a, *args, **kwargs)
            except (ValueError, TypeError) as error:
                raise explained(error, op, (a,)) from None
            out = _new_variable(Variable)
            out._data = z
            if p is None or z.dtype.kind not in "fc":
                out._node = None
            else:
                out._node = n = new(node)
                n.p = p
                n.x = a if keep_x == VALUE else a.shape if keep_x == SHAPE else None
                n.z = z if keep_z else None
                n.args = args
                n.kwargs = kwargs or _NO_KWARGS
                out._serial = n.serial = tick()
            return as_view(out, x, op, args, kwargs) if views and type(z) is ndarray else out

        pushed = push or (lambda t, _z, _x, *args, **kwargs: op(t, *args, **kwargs))
        rules = {"pull": staticmethod(rule), "pulls": (rule,), "pushes": (pushed,)}
        node = _declare(Linear, function, label, op, **rules, **attributes)
        op.moves = moves  # type: ignore[attr-defined]
        return op

    return declare


def general(
    name: str, function: Any, pulls: Any, pushes: Any, *, broadcasts: bool = False, reads: Any = None, **attributes: Any
) -> Any:
    """Declare a function of several arrays (positional) and other arguments (keyword).

    Args:
        function: computes the value from arrays.
        pulls, pushes: a tuple of rules `(g, z, x, y, ..., **kwargs)`, one for each input; or, for any number of
            inputs, one rule `(i, g, z, xs, **kwargs)`.
        broadcasts: whether the inputs are broadcast against each other.
        reads: whether rules for any number of inputs read (z, the inputs).
    """
    variadic = callable(pulls)
    pull_at, push_at = (_Each(pulls), _Each(pushes)) if variadic else (pulls, pushes)
    kept = reads if variadic else _reads([*pulls, *pushes], len(pulls))

    def op(*inputs, **kwargs):  # type: ignore[no-untyped-def]
        xs = [v._data if isinstance(v, Variable) else constant(v, op, i) for i, v in enumerate(inputs, 1)]
        parents = tuple([v._node if isinstance(v, Variable) else None for v in inputs])
        tracked = any([p is not None for p in parents])
        if tracked and (mode := recording()) is not True:
            if mode is not False:
                return mode.call(op, inputs, kwargs)
            tracked = False
        try:
            z = function(*xs, **kwargs)
        except (ValueError, TypeError) as error:
            raise explained(error, op, tuple(xs)) from None
        if not any([isinstance(v, Variable) for v in inputs]):
            return z
        if not tracked or z.dtype.kind not in "fc":
            return wrap(z, None)
        n = new(node)
        n.parents = parents
        n.z = z if kept[0] else None
        keep = [VALUE if kept[1] else NOTHING] * len(xs) if variadic else kept[1:]
        n.xs = tuple([x if k == VALUE else np.shape(x) if k == SHAPE else None for x, k in zip(xs, keep, strict=True)])
        n.shapes = None
        if broadcasts and any([np.shape(x) != z.shape for x in xs]):
            n.shapes = (*[np.shape(x) for x in xs], z.shape)
        n.kwargs = kwargs
        n.serial = tick()
        return wrap(z, n)

    new = object.__new__
    node = _declare(General, None, name, op, pulls=pull_at, pushes=push_at, **attributes)
    return op


class _Each:
    """One rule for any number of inputs, as a sequence of rules."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, i: int) -> Rule:
        rule = self.rule
        return lambda g, z, *xs, **kwargs: rule(i, g, z, xs, **kwargs)


def implements(*functions: Any) -> Callable[[Any], Any]:
    """Decorates what stands for these NumPy functions on Variables, when it is put together from operations."""

    def register(op: Any) -> Any:
        for function in functions:
            (UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS)[function] = op
        return op

    return register


# ---- what is refused, and in which words --------------------------------------------------------------------


def constant(value: Any, op: Any, position: int) -> Any:
    """An operand that is no Variable, as an array."""
    if isinstance(value, _constants):
        return value
    return as_data(value, f"{op.__name__}: argument {position}")


def explained(error: Exception, op: Any, xs: tuple[Any, ...]) -> Exception:
    """NumPy's error with the function, the arguments and what to do."""
    if isinstance(error, (IndexError, np.linalg.LinAlgError)):
        return error  # they say it themselves
    text = str(error).removeprefix(f"{op.__name__}: ").rstrip()
    if isinstance(error, ValueError):
        shapes = ", ".join(f"argument {i} has shape {np.shape(x)}" for i, x in enumerate(xs, 1))
        hint = ": make trailing axes equal or 1 (reshape, expand_dims, .T)" if "broadcast together" in text else ""
        return ValueError(f"{op.__name__}: {text} ({shapes}){hint}")
    dtypes = ", ".join(f"argument {i} has dtype {np.asarray(x).dtype}" for i, x in enumerate(xs, 1))
    return TypeError(f"{op.__name__}: {text} ({dtypes}): convert with .astype(float)")


def _refusal(function: Any, rule: Rule, name: str) -> Callable[[Any, Any], Any]:
    """A check that arguments which the rule does not know are left at their defaults, and drops them."""
    if function is None:
        return lambda args, kwargs: (args, kwargs)
    known = list(inspect.signature(rule).parameters)[3:]
    parameters = list(inspect.signature(function).parameters.values())[1:]
    order = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    unset = {p.name: p.default for p in parameters}
    safe = 0  # so many positional arguments are the same for the function and the rule
    while safe < min(len(order), len(known)) and order[safe] == known[safe]:
        safe += 1

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(args) <= safe and all([k in known for k in kwargs]):
            return args, kwargs
        if len(args) > len(order):
            raise TypeError(f"{name}: takes at most {len(order) + 1} positional arguments, got {len(args) + 1}")
        given = dict(zip(order, args, strict=False)) | kwargs
        for key in [k for k in given if k not in known]:
            if key not in unset:
                raise TypeError(f"{name}: unknown argument {key}=")
            if given.pop(key) is not unset[key]:
                raise TypeError(f"{name}: {key}= has no derivative rule here; leave it out, or call it on .data")
        return (), given

    return check
