"""`custom_rule`: a function with derivatives that the user gives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import generic, ndarray

from . import numeric, reverse, tree
from .function import Call, Function, Parts, Watched, _read_only
from .recording import Mode, recorded
from .saved import unchanged
from .variable import Variable, as_data, is_inexact, tie, wrap


def custom_rule(
    f: Callable[..., Any] | None = None,
    *,
    reverse: Callable[..., Any] | None = None,
    forward: Callable[..., Any] | None = None,
    nondiff: int | str | Sequence[int | str] = (),
    check: tuple[Any, ...] | None = None,
) -> Any:
    """f, with the derivative that `reverse` or `forward` (or both) give. A decorator, or called with f.

    f runs on plain arrays and may be anything: a solver, a call into another language. Its arguments and its result may
    be containers (see `wg.tree`).

    Args:
        reverse: `(gz, z, *args, **kwargs)` gives the gradient of f's argument: a container like it, with None where
            nothing flows. If f has several arguments, a tuple with one for each that is not in `nondiff`. z is f's
            result, gz its cotangent (a container like it).
        forward: `(tx, z, *args, **kwargs)` gives the tangent of the result. tx is the tangent of the argument; if f has
            several, a tuple with one for each that is not in `nondiff`.
        nondiff: names or positions of arguments that are not differentiated.
        check: arguments; with them the rules are compared with finite differences, now, in both modes and to second
            order. Without the second order or a mode: `f.check(*args, order=1, modes=("reverse",))`, which takes what
            `check_grads` does.

    Rules are written in NumPy calls. They run on arrays, and for higher orders on Variables. `reverse` is linear in gz,
    `forward` in tx; each serves the mode of the other, too, by transposing: it is run with gz (tx) a Variable. A rule
    that leaves the graph (`.data`) serves first derivatives in its own mode; beyond that there is an error. For complex
    data, `reverse` gives dL/dRe + i dL/dIm from gz of the same kind. Float arguments that are no arrays arrive as
    0-dimensional arrays; strings, integers and the like as they are. Arguments given by name are put in their places,
    and those left out have their defaults.

    Raises:
        TypeError: neither rule is given, a `nondiff` or keyword-only argument is a tracked Variable, f's result depends
            on a Variable in its closure, or a rule cannot serve a mode or an order.
        ValueError: a rule gives another number, structure or shape than that of the arguments (or of the result).
        GradientError: `check` found a rule that is wrong.

    Example:
        >>> @wg.custom_rule(reverse=lambda gz, z, x: gz * z, check=(np.array([0.0, 1.0]),))
        ... def exp(x):
        ...     return np.exp(x)
        >>> wg.grad(wg.grad(exp))(0.0)
        array(1.)

        A square root by bisection, differentiated by the implicit function theorem:

        >>> @wg.custom_rule(forward=lambda ta, z, a: ta / (2 * z))
        ... def root(a):
        ...     low, high = 0.0, 1.0 + a
        ...     for _ in range(60):
        ...         middle = (low + high) / 2
        ...         low, high = (middle, high) if middle**2 < a else (low, middle)
        ...     return middle
        >>> wg.grad(root)(4.0)
        array(0.25)
    """
    if f is None:
        return lambda f: custom_rule(f, reverse=reverse, forward=forward, nondiff=nondiff, check=check)
    if reverse is None and forward is None:
        raise TypeError(f"custom_rule: give a rule for {_name(f)}: reverse=, forward= or both")
    rules = _Rules(f, reverse, forward, nondiff)

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        return rules.call(args, kwargs)

    def check_rules(*args: Any, **options: Any) -> None:
        """Compare the rules with finite differences at these arguments; options as in `check_grads`."""
        rules.check(call, args, options)

    call.check = check_rules  # type: ignore[attr-defined]
    if check is not None:
        check_rules(*(check if isinstance(check, tuple) else (check,)))
    return call


def _name(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _is_float(x: Any) -> bool:
    return isinstance(x, (Variable, ndarray, generic, float, complex)) and is_inexact(
        x if hasattr(x, "dtype") else as_data(x)
    )


class _Rules:
    """What was declared for one function."""

    def __init__(self, f: Any, reverse: Any, forward: Any, nondiff: Any) -> None:
        self.f, self.reverse, self.forward, self.name = f, reverse, forward, _name(f)
        try:
            self.signature: inspect.Signature | None = inspect.signature(f)
        except (TypeError, ValueError):  # some functions written in C have none
            self.signature = None
        names = list(self.signature.parameters) if self.signature else []
        self.nondiff = set()
        for place in (nondiff,) if isinstance(nondiff, (int, str)) else nondiff:
            if isinstance(place, str) and place not in names:
                raise TypeError(f"custom_rule: nondiff has {place!r}, but the parameters of {self.name} are {names}")
            self.nondiff.add(names.index(place) if isinstance(place, str) else place)
        base = _Custom if forward is None else _WithForward
        self.function = type(self.name, (base,), {})  # whose name appears in messages and pictures

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments in their places, with defaults."""
        if self.signature is None:
            return args, kwargs
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = self.arguments(args, kwargs)
        if not any([isinstance(x, Variable) for x in tree.leaves((args, kwargs))]):
            return self.f(*args, **kwargs)
        fn = self.function(self, args, kwargs)
        zs = fn(*fn._floats)
        return fn._result_like(zs if isinstance(zs, tuple) else (zs,))

    def check(self, call: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        args, kwargs = self.arguments(args, {})
        fn = self.function(self, args, kwargs)
        result = tree.leaves(self.f(*args, **kwargs))
        floats = [k for k, z in enumerate(result) if _is_float(z)]

        def flat(*xs: Any) -> Any:
            found = tree.leaves(call(*fn._arguments_like(xs), **kwargs))
            return [found[k] for k in floats]

        numeric.check_grads(flat, tuple([np.asarray(as_data(x)) for x in fn._floats]), **options)


class _Custom(Function):
    """One call. The inputs are the floating-point leaves of the arguments, the outputs those of the result."""

    _written_on = "what it is given, without .data"

    def __init__(self, rules: _Rules, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._rules = rules
        self._kwargs = _plain(kwargs, f"{rules.name}: keyword arguments are not differentiated, but one")
        self._args: list[tuple[tree.Structure, list[Any], list[int] | None]] = []  # structure, leaves, places of floats
        self._floats: list[Any] = []
        for i, arg in enumerate(args):
            if i in rules.nondiff:
                arg = _plain(arg, f"{rules.name}: argument {i} is in nondiff, but")
            leaves, structure = tree.flatten(arg)
            places = None if i in rules.nondiff else [k for k, x in enumerate(leaves) if _is_float(x)]
            leaves = [x.data if isinstance(x, Variable) and not _is_float(x) else x for x in leaves]
            self._args.append((structure, leaves, places))
            self._floats += [leaves[k] for k in places or ()]

    # ---- containers ---------------------------------------------------------------------------------------------

    def _arguments_like(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, with xs in place of the floats."""
        rest = iter(xs)
        filled = []
        for structure, leaves, places in self._args:
            leaves = list(leaves)
            for k in places or ():
                leaves[k] = next(rest)
            filled.append(structure.unflatten(leaves))
        return tuple(filled)

    def _result_like(self, zs: Sequence[Any], rest: bool = True) -> Any:
        """The result, with zs in place of the floats; the other leaves are None without `rest`."""
        leaves = list(self._others) if rest else [None] * len(self._others)
        for k, z in zip(self._places, zs, strict=True):
            leaves[k] = z
        return self._structure.unflatten(leaves)

    def _tangents_like(self, ts: Sequence[Any]) -> Any:
        """What a forward rule is given: containers like the differentiated arguments, one alone as it is."""
        rest = iter(ts)
        found = []
        for structure, leaves, places in self._args:
            if places is not None:
                found.append(structure.unflatten([next(rest) if k in places else None for k in range(len(leaves))]))
        return found[0] if len(found) == 1 else tuple(found)

    def _gradients(self, given: Any) -> list[Any]:
        """What a reverse rule gave, as one for each float; None where nothing flows."""
        name, wanted = self._rules.name, [i for i, (_, _, places) in enumerate(self._args) if places is not None]
        if len(wanted) == 1:
            given = (given,)
        elif not isinstance(given, tuple) or len(given) != len(wanted):
            got = f"{len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__}"
            raise ValueError(
                f"{name}: the reverse rule gives a tuple with one gradient for each of {len(wanted)} arguments (those "
                f"in nondiff are not counted), got {got}"
            )
        found = []
        for i, gradient in zip(wanted, given, strict=True):
            structure, leaves, places = self._args[i]
            gs = _match(structure, gradient, f"{name}: the reverse rule's gradient of argument {i}")
            paths = structure.paths(f"argument {i}")
            for k in places or ():
                shape = np.shape(leaves[k].data if isinstance(leaves[k], Variable) else leaves[k])
                _check_shape(gs[k], shape, f"{name}: the reverse rule's gradient of {paths[k]}", "the argument")
                found.append(gs[k])
        return found

    # ---- value and rules ----------------------------------------------------------------------------------------

    def _rule_name(self) -> str:
        return f"{self._rules.name}: the {'forward' if self._rules.reverse is None else 'reverse'} rule"

    def forward(self, *xs: Any) -> Any:
        leaves, self._structure = tree.flatten(self._rules.f(*self._arguments_like(xs), **self._kwargs))
        for z in leaves:
            if isinstance(z, Variable) and z._node is not None:
                raise TypeError(
                    f"{self._rules.name}: the result depends on a Variable that is no argument, of which the rules "
                    "know nothing; make it an argument"
                )
        self._others = [z.data if isinstance(z, Variable) else z for z in leaves]
        self._places = [k for k, z in enumerate(self._others) if _is_float(z)]
        zs = tuple([self._others[k] for k in self._places])
        return zs[0] if len(zs) == 1 else zs

    def _given(self, graph: bool) -> tuple[Any, tuple[Any, ...]]:
        """Result and arguments for a rule: Variables (graph) or arrays."""
        xs, zs = [v if graph else _read_only(v._array) for v in self.inputs], self.outputs
        return self._result_like([z if graph else _read_only(z._array) for z in zs]), self._arguments_like(xs)

    def backward(self, *gs: Any) -> Any:
        graph = any([isinstance(g, Variable) for g in gs])
        if self._rules.reverse is None:
            return self._transposed(gs, graph)
        z, args = self._given(graph)
        given = self._rules.reverse(self._result_like(gs, rest=False), z, *args, **self._kwargs)
        return tuple(self._gradients(given))

    def _transposed(self, gs: Sequence[Any], graph: bool) -> Any:
        """The gradients from the forward rule, which is linear in the tangents."""
        left: list[str] = []
        ts = [Variable(np.ones_like(v._array)) for v in self.inputs]
        with recorded():
            tzs = self._tangent([Watched(t._array, t._node, left) for t in ts], graph)
        if left:
            raise TypeError(
                f"{self._rule_name()} {left[0]} of a tangent, so that reverse mode cannot follow it; give reverse=, or "
                "write it with NumPy calls on the tangent itself"
            )
        pairs = [(t._node, g) for t, g in zip(tzs, gs, strict=True) if isinstance(t, Variable) and t._node is not None]
        if not pairs:
            return (None,) * len(ts)
        return tuple(reverse.pull([n for n, _ in pairs], [g for _, g in pairs], [t._node for t in ts], graph))

    def _tangent(self, ts: Sequence[Any], graph: bool) -> list[Any]:
        """What the forward rule gives, as one for each float of the result."""
        z, args = self._given(graph)
        given = self._rules.forward(self._tangents_like(ts), z, *args, **self._kwargs)
        what = f"{self._rules.name}: the forward rule's tangent of the result"
        leaves, paths = _match(self._structure, given, what), self._structure.paths()
        found = []
        for k, z in zip(self._places, self.outputs, strict=True):
            _check_shape(leaves[k], z._array.shape, what + paths[k], "the result")
            found.append(np.zeros_like(z._array) if leaves[k] is None else leaves[k])
        return found


class _WithForward(_Custom):
    """One that has a forward rule, which `forward.push` then uses."""

    def _push_rule(self, call: Call, tangents: dict[Any, Any], graph: bool) -> None:
        unchanged(call.watched, type(self).__name__)
        found = [None if p is None else tangents.get(p) for p in call.parents]
        ts = [np.zeros_like(x) if t is None else t for t, x in zip(found, call.xs, strict=True)]
        left: list[str] = []
        if graph:
            fn: Any = call.as_called(lambda data, node: Watched(data, node, left))
            ts = [Watched(t._array, t._node, left) if isinstance(t, Variable) else Watched(t, None, left) for t in ts]
            with recorded():
                tzs = fn._tangent(ts, True)
            tzs = [t if isinstance(t, Variable) else wrap(as_data(t), None) for t in tzs]
        else:
            fn = call.as_called(tie)
            with Mode(False):
                tzs = [as_data(t) for t in fn._tangent(ts, False)]
        if left:
            moving = [t for t in found if isinstance(t, Variable)]
            tzs = list(call.once(tuple([t._array for t in tzs]), left[0], moving))
        tangents[call] = Parts(tzs) if len(tzs) > 1 else tzs[0]


def _plain(x: Any, what: str) -> Any:
    """A container with arrays for untracked Variables."""
    leaves, structure = tree.flatten(x)
    for v in leaves:
        if isinstance(v, Variable) and v._node is not None:
            raise TypeError(f"{what} is a tracked Variable; pass its .data, or make it a differentiated argument")
    return structure.unflatten([v.data if isinstance(v, Variable) else v for v in leaves])


def _match(structure: tree.Structure, given: Any, what: str) -> list[Any]:
    """The leaves of what a rule gave, which is built like `structure`; None stands for any part of it."""
    if given is None:
        return [None] * structure.size
    if structure.kind is None:
        return [given]
    _, parts = tree.flatten(given)
    if parts.kind is not structure.kind or set(parts.keys) != set(structure.keys):
        raise ValueError(f"{what}: expected a container like {structure}, got {parts}")
    children = dict(zip(parts.keys, tree._parts(given)[1], strict=True))  # type: ignore[index]
    return [
        leaf
        for key, child in zip(structure.keys, structure.children, strict=True)
        for leaf in _match(child, children[key], what)
    ]


def _check_shape(g: Any, shape: tuple[int, ...], what: str, like: str) -> None:
    if g is not None and np.shape(g._array if isinstance(g, Variable) else g) != shape:
        got = np.shape(g._array if isinstance(g, Variable) else g)
        raise ValueError(f"{what} has shape {got}, but {like} has {shape}")
