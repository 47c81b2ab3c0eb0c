"""How an operation is declared, recorded and walked: one declaration serves every mode.

    sin = elementwise(np.sin, lambda g, _z, x: g * np.cos(x))

A rule takes the cotangent `g`, the result `z`, the inputs `x, y, ...` and then the call's other arguments, and
gives what flows to one input. It is written in NumPy calls that work on ndarrays and on Variables alike. What it
reads is saved, and its signature tells: a parameter spelt `_x` is not saved; `x_shape` saves the shape alone.
Broadcasting is undone here, never in a rule; so is the conjugation that gradients of complex data need.

* `elementwise`: the rule is both the pull-back and the push-forward;
* `linear`: one array, linear in it: the push-forward is the function itself;
* `product`: two arrays, linear in each;
* `general`: any number of arrays, pull-backs and push-forwards both written out;
* `several`: the same, with several results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np
from numpy import float64, generic, ndarray

from .batching.array import BatchedError, looped, one_by_one
from .function import Pick, give
from .operation import Binary, General, Linear, Rule, Several, Unary, unbroadcast
from .recording import recording
from .saved import watch
from .variable import Result, Variable, as_data, describe, is_inexact, stands_for_ndarray, tick, wrap
from .views import share_memory, view_of

UFUNCS: dict[Any, Any] = {}  # what NumPy's ufuncs become on Variables
FUNCTIONS: dict[Any, Any] = {}  # what NumPy's functions become on Variables
CONSTANT: set[Any] = set()  # functions whose result has no derivative: they get the data and give plain arrays
REFUSED: dict[Any, str] = {}  # functions that are refused, and what to use instead
OPERATIONS: dict[str, Any] = {}  # every declared operation by name

_NO_KWARGS: dict[str, Any] = {}  # one for all calls without them
_constants = frozenset(  # the types themselves: a subclass of ndarray may mean something else by its operators
    (
        ndarray,
        float,
        int,
        complex,
        bool,
        *[np.dtype(c).type for c in "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]],
    )
)


# ---- what a rule reads --------------------------------------------------------------------------------------

NOTHING, SHAPE, VALUE = 0, 1, 2


def parameter_names(rule: Rule) -> list[str]:
    """The rule's parameters, from its code: a hundred times faster than `inspect.signature`, which imports wait for."""
    if hasattr(rule, "__signature__"):  # a rule made by wrapping another says what it reads
        return list(rule.__signature__.parameters)
    code = rule.__code__
    return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def _reads(rules: Sequence[Rule], count: int) -> list[int]:
    """For the result and each of `count` inputs: what the rules read of it, from their parameters' names."""
    most = [NOTHING] * (count + 1)
    for rule in rules:
        names = parameter_names(rule)[1 : count + 2]
        for i, name in enumerate(names):
            reads = NOTHING if name[0] == "_" else SHAPE if name.endswith("_shape") else VALUE
            if {reads, most[i]} == {SHAPE, VALUE}:
                raise TypeError(f"one rule reads {name}, another its shape or value: let both read the value")
            most[i] = max(most[i], reads)
    return most


# ---- what is saved must not change --------------------------------------------------------------------------
# Arrays that an operation made are out of reach: `.data` of a result is read-only. Those that a user passed in, as
# constants or in leaves, and views of them, can be changed before backward.

COPIED = 1 << 17  # bytes up to which a copy costs less than two fingerprints


def own(n: Any, a: Any) -> Any:
    """What node n saves of an array that a user can change: a copy, or the array itself with a fingerprint."""
    return a if isinstance(a, generic) else a.copy() if a.nbytes <= COPIED else watch(n, a)


def private(n: Any, a: Any, p: Any) -> Any:
    """What node n saves for the value a of node p (None for a constant)."""
    if type(a) is not ndarray and not stands_for_ndarray(a):
        return a
    if p is not None and a.base is None and not p.leaf:
        return a
    return own(n, a)


def own_arguments(values: Any, name: str) -> Any:
    """A tuple or dict of a call's other arguments, with arrays copied.

    Raises:
        TypeError: one of them is a tracked Variable.
    """
    if isinstance(values, dict):
        return {k: _own_argument(v, name, f"{k}=") for k, v in values.items()}
    return tuple([_own_argument(v, name, f"positional argument {i}") for i, v in enumerate(values, 2)])


def _own_argument(v: Any, name: str, which: str) -> Any:
    if type(v) is ndarray or stands_for_ndarray(v):
        return v.copy()
    if isinstance(v, Variable):
        if v._node is not None:
            raise TypeError(f"{name}: {which} is a tracked {describe(v)}, for which there is no rule; pass its .data")
        return v.data.copy()
    return v


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


def _own(function: Any, name: str) -> Any:
    """A copy of a closure with code of its own: CPython specialises code for the types that pass through it."""
    code = function.__code__.replace(co_name=name)
    return FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)


def _unary(function: Any, rule: Rule, name: str, call: Any, holomorphic: bool) -> Any:
    kz, kx = [r == VALUE for r in _reads([rule], 1)]  # whether to keep them

    def op(x, /):  # type: ignore[no-untyped-def]
        if not (made := type(x) is Result) and not isinstance(x, Variable):
            return call(x)
        a, p = x._array, x._node
        if p is not None and (mode := recording()) is not True:
            if mode is not False:
                return mode.call(op, (x,), {})
            p = None
        try:
            z = call(a)
        except TypeError as error:
            raise explained(error, op, (a,)) from None
        out = Result()
        if p is None:
            out._array, out._node = z, None
            return out
        out._array, out._node = z, (n := node())
        n.p, n.z, n.x = p, z if kz else None, (a if made and a.base is None else own(n, a)) if kx else None
        out._serial = n.serial = tick()
        return out

    def back(self: Unary, g: Any, cotangents: dict[Any, Any]) -> None:
        t = rule(g, self.z, self.x)
        p = self.p
        if p in cotangents:
            give(cotangents, p, t)
        else:
            cotangents[p] = t

    op = _own(op, name)
    node = _declare(Unary, function, name, op, pulls=(rule,), back=_own(back, name), holomorphic=holomorphic)
    return op


def _binary(function: Any, rule_x: Rule, rule_y: Rule, name: str, call: Any, holomorphic: bool) -> Any:
    z0, x0, y0 = [r == VALUE for r in _reads([rule_x], 2)]
    z1, x1, y1 = [r == VALUE for r in _reads([rule_y], 2)]
    z2, x2, y2 = z0 or z1, x0 or x1, y0 or y1

    def op(x, y, /):  # type: ignore[no-untyped-def]
        type_x, type_y = type(x), type(y)
        if type_x is Result or isinstance(x, Variable):
            a, p = x._array, x._node
            if type_y is Result:
                b, q = y._array, y._node
            elif type_y in _constants:
                b, q = y, None
            elif isinstance(y, Variable):
                b, q = y._array, y._node
            else:
                b, q = constant(y, op, 2), None
        elif type_y is Result or isinstance(y, Variable):
            a, p = x if type_x in _constants else constant(x, op, 1), None
            b, q = y._array, y._node
            if type_x is complex and isinstance(b, np.float64):
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
        out = Result()
        out._array = z
        if p is q is None:
            out._node = None
            return out
        out._node = n = node()
        n.p = p
        n.q = q
        if q is None:
            n.x = (a if type_x is Result and a.base is None else own(n, a)) if x0 else None
            n.y = (own(n, b) if type(b) is ndarray else b) if y0 else None
            n.z = z if z0 else None
            n.shapes = None if type_y is float or z.shape == a.shape else (a.shape, None, z.shape)
        elif p is None:
            n.x = (own(n, a) if type(a) is ndarray else a) if x1 else None
            n.y = (b if type_y is Result and b.base is None else own(n, b)) if y1 else None
            n.z = z if z1 else None
            n.shapes = None if type_x is float or z.shape == b.shape else (None, b.shape, z.shape)
        else:
            n.x = (a if type_x is Result and a.base is None else own(n, a)) if x2 else None
            n.y = (b if type_y is Result and b.base is None else own(n, b)) if y2 else None
            n.z = z if z2 else None
            n.shapes = None if type(z) is float64 or a.shape == b.shape else (a.shape, b.shape, z.shape)
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

    op, back = _own(op, name), _own(back, name)
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
                return one_by_one(compute, x, *args, **kwargs)
            a = x._array
            p = x._node
            if p is not None and (mode := recording()) is not True:
                if mode is not False:
                    return mode.call(op, (x, *args), kwargs)
                p = None
            if args or kwargs:
                args, kwargs = check(args, kwargs)
                args, kwargs = own_arguments(args, label), own_arguments(kwargs, label)
            try:
                z = compute(a, *args, **kwargs)
            except BatchedError:
                return looped(op, (x, *args), kwargs)
            except (ValueError, TypeError) as error:
                raise explained(error, op, (a,)) from None
            if p is None or z.dtype.kind not in "fc":
                n = None
            else:
                n = new(node)
                n.p = p
                n.x = private(n, a, p) if keep_x == VALUE else a.shape if keep_x == SHAPE else None
                n.z = private(n, z, n) if keep_z else None
                n.args, n.kwargs = args, kwargs or _NO_KWARGS
                n.serial = tick()
            return view_of(x, z, n, op, args, kwargs) if views and share_memory(z, a) else wrap(z, n)

        pushed = push or (lambda t, _z, _x, *args, **kwargs: op(t, *args, **kwargs))
        rules = {"pull": staticmethod(rule), "pulls": (rule,), "pushes": (pushed,)}
        op = _own(op, label)
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
        xs = [v._array if isinstance(v, Variable) else constant(v, op, i) for i, v in enumerate(inputs, 1)]
        parents = tuple([v._node if isinstance(v, Variable) else None for v in inputs])
        tracked = any([p is not None for p in parents])
        if tracked and (mode := recording()) is not True:
            if mode is not False:
                return mode.call(op, inputs, kwargs)
            tracked = False
        kwargs = own_arguments(kwargs, name)
        try:
            z = function(*xs, **kwargs)
        except BatchedError:
            return looped(op, inputs, kwargs)
        except (ValueError, TypeError) as error:
            raise explained(error, op, tuple(xs)) from None
        if not any([isinstance(v, Variable) for v in inputs]):
            return z
        if not tracked or z.dtype.kind not in "fc":
            return wrap(z, None)
        n = new(node)
        n.parents = parents
        n.z = private(n, z, n) if kept[0] else None
        keep = [VALUE if kept[1] else NOTHING] * len(xs) if variadic else kept[1:]
        n.xs = tuple(
            [
                private(n, x, p) if k == VALUE else np.shape(x) if k == SHAPE else None
                for x, k, p in zip(xs, keep, parents, strict=True)
            ]
        )
        n.shapes = None
        if broadcasts and any([np.shape(x) != z.shape for x in xs]):
            n.shapes = (*[np.shape(x) for x in xs], z.shape)
        n.kwargs = kwargs
        n.serial = tick()
        return wrap(z, n)

    new = object.__new__
    node = _declare(General, None, name, op, pulls=pull_at, pushes=push_at, **attributes)
    return op


def several(name: str, function: Any, pulls: Any, pushes: Any) -> Any:
    """Declare a function of arrays (positional) and other arguments (keyword) that gives a tuple of arrays.

    Args:
        function: computes the tuple; a named tuple stays one.
        pulls: for each input a rule `(gs, zs, x, y, ..., **kwargs)`, which gives what flows to that input. It is the
            pull-back itself, for complex data too. gs holds zeros where nothing flows.
        pushes: for each input a rule `(t, zs, x, y, ..., **kwargs)`, which gives a tuple of tangents.
    """

    def op(*inputs, **kwargs):  # type: ignore[no-untyped-def]
        xs = [v._array if isinstance(v, Variable) else constant(v, op, i) for i, v in enumerate(inputs, 1)]
        parents = tuple([v._node if isinstance(v, Variable) else None for v in inputs])
        tracked = any([p is not None for p in parents])
        if tracked and (mode := recording()) is not True:
            if mode is not False:
                return mode.call(op, inputs, kwargs)
            tracked = False
        kwargs = own_arguments(kwargs, name)
        try:
            zs = function(*xs, **kwargs)
        except BatchedError:
            return looped(op, inputs, kwargs)
        if not any([isinstance(v, Variable) for v in inputs]):
            return zs
        nodes: list[Any] = [None] * len(zs)
        if tracked:
            n = new(node)
            n.parents, n.zs, n.kwargs, n.serial = parents, tuple(zs), kwargs, tick()
            n.xs = tuple([private(n, x, p) for x, p in zip(xs, parents, strict=True)])
            nodes = [Pick(n, k) if is_inexact(z) else None for k, z in enumerate(zs)]
        outs = map(wrap, zs, nodes)
        return type(zs)(*outs) if hasattr(zs, "_fields") else tuple(outs)

    new = object.__new__
    node = _declare(Several, None, name, op, pulls=pulls, pushes=pushes)
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


def constant_functions(*functions: Any) -> None:
    """Declare functions whose result has no derivative: on Variables they give plain arrays."""
    CONSTANT.update(functions)


def refused_functions(instead: str, *functions: Any) -> None:
    """Declare functions that make no sense on Variables; `instead` is a clause that says what to use."""
    REFUSED.update(dict.fromkeys(functions, instead))


# ---- what is refused, and in which words --------------------------------------------------------------------


def constant(value: Any, op: Any, position: int) -> Any:
    """An operand that is no Variable, as an array."""
    if type(value) in _constants or isinstance(value, (float, int, complex, generic)):
        return value
    data = as_data(value, f"{op.__name__}: argument {position}")
    return data.copy() if stands_for_ndarray(data) else data


def explained(error: Exception, op: Any, xs: tuple[Any, ...]) -> Exception:
    """NumPy's error with the function, the arguments and what to do."""
    if isinstance(error, (IndexError, np.linalg.LinAlgError, BatchedError)):
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
    known = parameter_names(rule)[3:]
    names = frozenset(known)
    order: list[str] = []
    unset: dict[str, Any] = {}
    safe = 0  # so many positional arguments are the same for the function and the rule

    def read_signature() -> None:  # when first needed, like the module for it: both take a while
        nonlocal safe
        import inspect

        parameters = list(inspect.signature(function).parameters.values())[1:]
        order.extend([p.name for p in parameters if p.kind is not p.KEYWORD_ONLY])
        unset.update({p.name: p.default for p in parameters})
        while safe < min(len(order), len(known)) and order[safe] == known[safe]:
            safe += 1

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(args) <= safe and kwargs.keys() <= names:
            return args, kwargs
        if not unset:
            read_signature()
            return check(args, kwargs)
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
