"""Functions of functions: `grad`, `value_and_grad`, `elementwise_grad`, `vjp`, `jvp`, `linearize`.

They nest to any order, in any combination. Arguments and results are arrays or containers of arrays (see `tree`), and
what belongs to them has their structure: gradients and tangents that of the arguments, cotangents that of the result.

Arrays go in and arrays come out. Where a result depends on a Variable that is being differentiated further out
(an argument, or a Variable in the closure), it is a Variable, so that the outer derivative sees it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from . import forward, reverse, tree
from .batching.array import memory
from .recording import recorded, recording
from .variable import Variable, as_cotangent, as_data, check_cotangent, data_of, is_inexact, wrap


class Run:
    """One run of f, with every leaf of the arguments at `argnums` on a node of its own.

    `xs` and `ys` are the values of the leaves of these arguments and of the result; `x_nodes` and `y_nodes` are their
    nodes (None for a result that is a constant), whatever becomes of the handles.
    """

    def __init__(
        self, name: str, f: Callable[..., Any], args: Sequence[Any], kwargs: Any, argnums: Sequence[int], has_aux: bool
    ) -> None:
        self.name = name
        self.argnums = argnums
        detached = recording() is False
        given = list(args)
        own: list[Variable] = []
        self.arguments: list[tree.Structure] = []
        for i in argnums:
            leaves, structure = tree.flatten(args[i])
            first = len(own)
            for k, x in enumerate(leaves):
                own.append(_own(name, i, structure, k, x, detached))
            given[i] = structure.unflatten(own[first:])
            self.arguments.append(structure)
        self.xs = [x._array for x in own]
        self.x_nodes = [x._node for x in own]  # before f moves a handle
        self.since = min([n.serial for n in self.x_nodes], default=0)
        with recorded():
            y = f(*given, **kwargs)
        self.aux: Any = None
        if has_aux:
            if not isinstance(y, tuple) or len(y) != 2:
                raise TypeError(f"{name}: with has_aux=True the function returns a pair (result, auxiliary data)")
            y, self.aux = y
        leaves, self.result = tree.flatten(y)
        self._handles = [v if isinstance(v, Variable) else _constant(name, v) for v in leaves]
        self.ys = [y._array for y in self._handles]
        self.y_nodes = [y._node for y in self._handles]
        self.outer = not detached and self._reaches_out(self.y_nodes)
        if has_aux:
            self.aux = self._plain(self.aux, detached)

    def _reaches_out(self, nodes: Sequence[Any]) -> bool:
        """Whether nodes were computed from a Variable that is not an argument's own."""
        since = self.since
        reached = reverse.history([n for n in nodes if n is not None], since)
        return any([n.serial < since or any([p is not None and p.serial < since for p in n.parents]) for n in reached])

    def _plain(self, aux: Any, detached: bool) -> Any:
        """aux with arrays for Variables, unless an outer derivative may want these."""
        leaves, structure = tree.flatten(aux)
        found = [v._node for v in leaves if isinstance(v, Variable)]
        if not found or (not detached and self._reaches_out(found)):
            return aux
        return structure.unflatten([v.data if isinstance(v, Variable) else v for v in leaves])

    def value(self) -> Any:
        """The result: Variables where an outer derivative may want them."""
        return self.result.unflatten([y if self.outer and y._node is not None else y.data for y in self._handles])

    def where(self, j: int) -> str:
        """Leaf j of the arguments, in words."""
        return [path for i, s in zip(self.argnums, self.arguments, strict=True) for path in s.paths(f"argument {i}")][j]

    def as_arguments(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Leaves put together as the arguments are."""
        if len(leaves) == 1 == len(self.arguments):
            return (self.arguments[0].unflatten(leaves),)
        rest = iter(leaves)
        return tuple([s.unflatten([next(rest) for _ in range(s.size)]) for s in self.arguments])

    def pull(self, gs: Sequence[Any], graph: bool) -> list[Any]:
        """The gradients of the arguments' leaves; None for one that the results do not depend on."""
        pairs = [(n, g) for n, g in zip(self.y_nodes, gs, strict=True) if n is not None and g is not None]
        if graph:
            pairs = [(n, g if isinstance(g, Variable) else wrap(g, None)) for n, g in pairs]
        if not pairs or not self.xs:
            return [None] * len(self.xs)
        nodes, cotangents = zip(*pairs, strict=True)
        found = reverse.pull(nodes, cotangents, self.x_nodes, graph)
        given = {id(g) for g in gs}
        return [None if g is None else _result(g, x, given) for g, x in zip(found, self.xs, strict=True)]

    def push(self, ts: Sequence[Any], graph: bool) -> list[Any]:
        """The tangents of the results; None for one that the arguments with a tangent do not reach."""
        pairs = [(n, t) for n, t in zip(self.x_nodes, ts, strict=True) if t is not None]
        if graph:
            pairs = [(n, t if isinstance(t, Variable) else wrap(t, None)) for n, t in pairs]
        tracked = [n for n in self.y_nodes if n is not None]
        if not pairs or not tracked:
            return [None] * len(self.ys)
        nodes, tangents = zip(*pairs, strict=True)
        pushed = iter(forward.push(tracked, nodes, tangents, graph))
        found = [None if n is None else next(pushed) for n in self.y_nodes]
        given = {id(t) for t in ts}
        return [None if t is None else _result(t, y, given) for t, y in zip(found, self.ys, strict=True)]

    def flowing(self, gs: list[Any]) -> tuple[list[Any], bool]:
        """Cotangents or tangents for a walk, and whether it has to be differentiable."""
        graph = self.outer or any([isinstance(g, Variable) and g._node is not None for g in gs])
        return (gs if graph else [g._array if isinstance(g, Variable) else g for g in gs]), graph

    def push_like(self, tangents: Sequence[Any], name: str) -> Any:
        """The tangent of the result for one of each argument."""
        if len(tangents) != len(self.arguments):
            raise ValueError(f"{name}: {len(self.arguments)} primals, but {len(tangents)} tangents")
        rest = iter(self.xs)
        ts = []
        for i, (structure, t) in enumerate(zip(self.arguments, tangents, strict=True)):
            ts += like(structure, t, [next(rest) for _ in range(structure.size)], f"{name}: tangent {i}")
        tys = self.push(*self.flowing(ts))
        return self.result.unflatten([np.zeros_like(y) if t is None else t for t, y in zip(tys, self.ys, strict=True)])


def as_array(g: Any) -> Any:
    """g, and an array where NumPy gave a scalar."""
    return np.asarray(g) if isinstance(g, np.generic) else g


def _own(name: str, i: int, structure: tree.Structure, k: int, x: Any, detached: bool) -> Variable:
    try:
        data = x._array if isinstance(x, Variable) else as_data(x)
        if is_inexact(data):
            return reverse.argument(data if detached else x)
        why = (
            f" is {data.dtype}, which has no derivative; make it floating-point (1.0 for 1, or .astype(float)), or "
            "leave it out of argnums"
        )
    except TypeError as error:
        why = str(error).replace("data", "", 1)
    raise TypeError(f"{name}: {structure.paths(f'argument {i}')[k]}{why}")


def _constant(name: str, y: Any) -> Variable:
    return wrap(as_data(y, f"{name}: the result"), None)


def _result(g: Any, x: Any, taken: set[int]) -> Any:
    """g as a gradient of x that shares memory with nothing else."""
    if g.shape != x.shape:
        raise RuntimeError(f"internal error: a rule gave a gradient of shape {g.shape} for a value of shape {x.shape}")
    if isinstance(g, Variable):
        g = g if g.dtype == x.dtype else g.astype(x.dtype)
        return g if g._node is not None else g.data
    g = as_cotangent(g, x.dtype)
    if isinstance(g, ndarray) and (g.base is not None or id(g) in taken):
        g = g.copy()
    taken.add(id(g))
    return g


def like(structure: tree.Structure, given: Any, values: Sequence[Any], what: str) -> list[Any]:
    """The leaves of a cotangent or tangent that has to be built like a value; `what` names it.

    Raises:
        TypeError: a leaf is complex where the value is real.
        ValueError: another structure, or a leaf of another shape.
    """
    kind = structure.kind
    if kind is None:
        return [check_cotangent(given, values[0], what)]
    if type(given) in (tuple, list) and issubclass(kind, (tuple, list)) and len(given) == len(structure.keys):
        given = kind(given) if kind in (tuple, list) else kind(*given)  # either will do, for a named tuple too
    leaves = tree.match(structure, given, what)
    return [check_cotangent(g, x, path) for g, x, path in zip(leaves, values, structure.paths(what), strict=True)]


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    allow_unused: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that gives `(f(...), gradient)` of a real scalar function f.

    Args:
        f: takes arrays or containers of arrays, gives a scalar (shape `()`); with `has_aux` a pair of that and
            anything else.
        argnums: the arguments to differentiate; an integer gives one gradient, a sequence a tuple of them.
        has_aux: the value is then `(f's result, auxiliary data)`.
        allow_unused: give None, instead of an error, for a leaf that the result does not depend on.
        holomorphic: of a complex scalar function of complex arguments, give the complex derivative df/dz.

    One run of f and one walk back (of a holomorphic function two, which find out whether it is): the work of three to
    four runs of f, whatever the arguments' sizes. Gradients have the structure, shapes and dtypes of the arguments; of
    a complex argument of a real f, dL/dRe + i dL/dIm.

    Raises:
        TypeError: a leaf is not floating-point, or the result is no real scalar (no complex one, if holomorphic).
        ValueError: the result does not depend on a leaf, or f is not holomorphic.

    Source: A. Griewank and A. Walther, Evaluating Derivatives (SIAM, 2008), chapter 3.

    Example:
        >>> wg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
        (array(5.), array([2., 4.]))
        >>> wg.value_and_grad(lambda p: p["w"] * 3.0 + p["b"])({"w": 2.0, "b": 1.0})
        (array(7.), {'w': array(3.), 'b': array(1.)})
    """
    return _with_value("value_and_grad", f, argnums, has_aux, allow_unused, holomorphic)


def _with_value(
    name: str, f: Callable[..., Any], argnums: Any, has_aux: bool, allow_unused: bool, holomorphic: bool
) -> Callable[..., Any]:
    wanted, single = chosen(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = Run(name, f, args, kwargs, positions(name, wanted, len(args)), has_aux)
        check_scalar(run, holomorphic)
        seed = np.ones((), run.ys[0].dtype)
        grads = run.pull([seed], run.outer)
        for j, g in enumerate(grads):
            if g is None and not allow_unused:
                raise ValueError(unused(run, j))
        if holomorphic:
            check_holomorphic(run, [seed], grads)
            grads = [g if g is None else as_array(np.conj(g)) for g in grads]
        gs = run.as_arguments(grads)
        value = run.value()
        return (value, run.aux) if has_aux else value, gs[0] if single else gs

    return differentiated


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    allow_unused: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that gives the gradient of a real scalar function f; with `has_aux`, `(gradient, aux)`.

    Arguments, shapes, cost, errors and source as in `value_and_grad`.

    Example:
        >>> df = wg.grad(lambda x: np.sum(np.tanh(x) ** 2))
        >>> df(np.array([0.0, 0.5]))
        array([0.        , 0.72686198])
        >>> wg.grad(wg.grad(wg.grad(np.sin)))(0.0)
        array(-1.)
        >>> wg.grad(lambda z: z**2, holomorphic=True)(1 + 2j)
        array(2.+4.j)
    """
    both = _with_value("grad", f, argnums, has_aux, allow_unused, holomorphic)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return differentiated


def elementwise_grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """A function that gives the derivative of each element of an elementwise function f: shape of the argument.

    f maps an array, or a container of arrays, to one of the same structure and shapes. Of a complex function it is
    df/dx, and a complex argument of a real function gets dL/dRe + i dL/dIm.

    One run of f and two walks back (three where it maps real to complex), each the work of two to three runs of f; the
    last, with random weights, finds out whether f is elementwise at all, and holomorphic if it maps complex to complex.

    Raises:
        TypeError: a leaf of the argument is not floating-point.
        ValueError: f's result has another structure or shape than the argument, an element of it depends on other
            elements, or f maps complex to complex and is not holomorphic.

    Source: that of `value_and_grad`.

    Example:
        >>> wg.elementwise_grad(np.tanh)(np.array([0.0, 1.0]))
        array([1.        , 0.41997434])
    """

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        name = "elementwise_grad"
        run = Run(name, f, args, kwargs, positions(name, (argnum,), len(args)), False)
        (structure,) = run.arguments
        if run.result != structure:
            raise ValueError(f"{name}: the result is built like {run.result}, the argument like {structure}")
        for x, y in zip(run.xs, run.ys, strict=True):
            if y.shape != x.shape:
                raise ValueError(f"{name}: the result has shape {y.shape}, the argument {x.shape}; use wg.vjp")
        ones = [np.ones(y.shape, y.dtype) for y in run.ys]
        gs = run.pull(ones, run.outer)
        for j, g in enumerate(gs):
            if g is None:
                raise ValueError(unused(run, j))
        new = [y.dtype.kind == "c" and x.dtype.kind != "c" for x, y in zip(run.xs, run.ys, strict=True)]
        if any(new):  # of a real argument, a walk gives Re conj(df/dx) g
            imaginary = run.pull([g * 1j if c else g for g, c in zip(ones, new, strict=True)], run.outer)
            gs = [g - 1j * h if c else g for g, h, c in zip(gs, imaginary, new, strict=True)]
        _check_elementwise(run, gs)
        gs = [as_array(np.conj(g)) if y.dtype.kind == "c" else g for g, y in zip(gs, run.ys, strict=True)]
        return structure.unflatten(gs)

    return differentiated


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(f(*primals), pullback)`, or with `has_aux` `(f(*primals), pullback, aux)`.

    `pullback(gy)` takes a cotangent of the result's structure and shapes and gives a tuple with the cotangent of each
    primal: zeros for a leaf that the result does not depend on. It can be called again.

    One run of f, and for each call of `pullback` one walk back, the work of two to three runs of f.

    Raises:
        TypeError: a leaf of a primal is not floating-point.
        ValueError: gy has another structure or shape than the result.

    Source: that of `value_and_grad`.

    Example:
        >>> y, pullback = wg.vjp(np.sin, np.array([0.0, np.pi]))
        >>> pullback(np.array([1.0, 1.0]))
        (array([ 1., -1.]),)
    """
    run = Run("vjp", f, primals, {}, range(len(primals)), has_aux)

    def pullback(gy: Any) -> tuple[Any, ...]:
        kind, count = run.result.kind, len(run.result.keys)
        if kind in (tuple, list) and isinstance(gy, (tuple, list)) and len(gy) != count:
            raise ValueError(f"pullback: expected {count} cotangents, got {len(gy)}")
        gs = like(run.result, gy, run.ys, "pullback" if kind is None else "pullback: cotangent")
        found = run.pull(*run.flowing(gs))
        return run.as_arguments([np.zeros_like(x) if g is None else g for g, x in zip(found, run.xs, strict=True)])

    return (run.value(), pullback, run.aux) if has_aux else (run.value(), pullback)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """`(f(*primals), ty)`, or with `has_aux` `(f(*primals), ty, aux)`: the derivative along `tangents`.

    One run of f and one walk forward over what it recorded: the work of about three runs of f. `ty` has the structure,
    shapes and dtypes of the result.

    Args:
        primals, tangents: sequences of the same length; each tangent has its primal's structure and shapes.

    Raises:
        TypeError: primals or tangents are no sequence, or a leaf of a primal is not floating-point.
        ValueError: lengths, structures or shapes differ.

    Source: R. E. Wengert, A simple automatic derivative evaluation program, Communications of the ACM 7 (1964).

    Example:
        >>> wg.jvp(np.sin, (0.0,), (2.0,))
        (array(0.), array(2.))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp: primals and tangents are tuples, one item for each argument: jvp(f, (x,), (tx,))")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals, but {len(tangents)} tangents")
    run = Run("jvp", f, primals, {}, range(len(primals)), has_aux)
    ty = run.push_like(tangents, "jvp")
    return (run.value(), ty, run.aux) if has_aux else (run.value(), ty)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(f(*primals), f_jvp)`, or with `has_aux` `(f(*primals), f_jvp, aux)`.

    `f_jvp(*tangents)` gives the derivative along the tangents, one for each primal and of its structure and shapes: the
    linear function that `jvp` evaluates once. f runs here, and not again: each call of `f_jvp` is one walk forward, the
    work of about two runs of f.

    Raises:
        TypeError: a leaf of a primal is not floating-point.
        ValueError: the tangents' number, or a structure or shape, is not that of the primals.

    Source: that of `jvp`.

    Example:
        >>> y, f_jvp = wg.linearize(lambda x: x**3, 2.0)
        >>> y, f_jvp(1.0), f_jvp(10.0)
        (array(8.), array(12.), array(120.))
    """
    run = Run("linearize", f, primals, {}, range(len(primals)), has_aux)

    def f_jvp(*tangents: Any) -> Any:
        return run.push_like(tangents, "linearize")

    return (run.value(), f_jvp, run.aux) if has_aux else (run.value(), f_jvp)


# ---- what is asked for, and what is refused -----------------------------------------------------------------


def chosen(argnums: int | Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """The arguments' numbers, and whether a single one was given."""
    if isinstance(argnums, (int, np.integer)):
        return (int(argnums),), True
    return tuple(argnums), False


def positions(name: str, argnums: Sequence[int], count: int) -> list[int]:
    """argnums, counted from the front, of a call with `count` positional arguments."""
    for i in argnums:
        if not -count <= i < count:
            raise TypeError(f"{name}: argnums has {i}, but the call has {count} positional arguments")
    found = [i % count for i in argnums]
    if len(found) > 1 and len(set(found)) < len(found):
        raise TypeError(f"{name}: argnums {tuple(argnums)} name one argument twice")
    return found


def unused(run: Run, j: int) -> str:
    """That the result does not depend on leaf j of the arguments."""
    constant = all([n is None for n in run.y_nodes])
    how = " (it is a constant: did the path lead through .data, an integer or no_grad?)" if constant else ""
    ask = "" if run.name == "elementwise_grad" else "; pass allow_unused=True to get None"
    what = f"{run.name}: the result does not depend on {run.where(j)}{how}"
    return f"{what}. A derivative of 0 would be another thing{ask}"


def check_scalar(run: Run, holomorphic: bool = False) -> None:
    """Refuse a result that is no real scalar; where a holomorphic derivative is asked for, no complex one."""
    kind = run.result.kind
    if kind is None and run.ys[0].shape == () and (run.ys[0].dtype.kind == "c") is holomorphic:
        if holomorphic:
            check_complex(run)
        return
    got = f"{run.ys[0].dtype} of shape {run.ys[0].shape}" if kind is None else f"a {kind.__name__}"
    if holomorphic:
        raise TypeError(f"{run.name}: with holomorphic=True the function must give a complex scalar, got {got}")
    raise TypeError(
        f"{run.name}: the function must give a real scalar, got {got}; sum it, take its real part, or use wg.jacobian "
        "or wg.vjp"
    )


def check_complex(run: Run) -> None:
    """Refuse real arguments and results where a holomorphic derivative is asked for."""
    for j, x in enumerate(run.xs):
        if x.dtype.kind != "c":
            raise TypeError(f"{run.name}: holomorphic=True needs complex arguments, but {run.where(j)} is {x.dtype}")
    for y in run.ys:
        if y.dtype.kind != "c":
            raise TypeError(f"{run.name}: holomorphic=True needs a complex result, but it is {y.dtype}")


def check_holomorphic(run: Run, gs: Sequence[Any], found: Sequence[Any]) -> None:
    """Refuse f unless its pull-back, which gave `found` for the cotangents gs, is complex linear."""
    turned = run.pull([g * 1j for g in gs], False)
    for g, t in zip(found, turned, strict=True):
        if g is not None and not _close(t, 1j * data_of(g)):
            raise ValueError(
                f"{run.name}: the function is not holomorphic; it goes through abs, conj, real or their like"
            )


def _check_elementwise(run: Run, gs: Sequence[Any]) -> None:
    """Refuse f unless its pull-back multiplies each element of a cotangent by the conjugate of gs, seen at weights."""
    rng = np.random.default_rng(0)
    weights = []
    for y in run.ys:
        w = rng.uniform(0.5, 1.5, y.shape)
        weights.append(np.asarray(w + 1j * rng.uniform(0.5, 1.5, y.shape) if y.dtype.kind == "c" else w, y.dtype))
    for w, g, t, x in zip(weights, gs, run.pull(weights, False), run.xs, strict=True):
        expected = w * data_of(g)
        if not _close(t, expected if x.dtype.kind == "c" else np.real(expected)):
            complex_too = " or not holomorphic" if x.dtype.kind == "c" and w.dtype.kind == "c" else ""
            raise ValueError(
                f"elementwise_grad: the function is not elementwise{complex_too}: an element of the result depends on "
                "other elements of the argument; use wg.vjp, or wg.grad of a sum if that is what you want"
            )


def _close(actual: Any, expected: Any) -> bool:
    """Equal up to rounding, relative to the largest element."""
    scale = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    tolerance = 1e-2 * np.finfo(actual.dtype).eps ** 0.5 * scale
    return bool(np.all(memory(np.isclose(actual, expected, rtol=0, atol=tolerance, equal_nan=True))))
