"""Functions of functions: `grad`, `value_and_grad`, `vjp`, `jvp`. They nest to any order, in any combination.

Arrays go in and arrays come out. Where a result depends on a Variable that is being differentiated further out
(an argument, or a Variable in the closure), it is a Variable, so that the outer derivative sees it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import forward, reverse
from .recording import recorded, recording
from .variable import Variable, as_cotangent, as_data, check_cotangent, data_of, is_inexact, wrap


class _Run:
    """One run of f, with the arguments at `argnums` on nodes of its own."""

    def __init__(
        self, name: str, f: Callable[..., Any], args: Sequence[Any], kwargs: Any, argnums: Sequence[int], has_aux: bool
    ) -> None:
        self.name = name
        detached = recording() is False
        with recorded():
            self.xs = {i: _own(name, i, args[i], detached) for i in argnums}
            y = f(*[self.xs.get(i, a) for i, a in enumerate(args)], **kwargs)
        self.nodes = [x._node for x in self.xs.values()]
        self.aux: Any = None
        if has_aux:
            if not isinstance(y, tuple) or len(y) != 2:
                raise TypeError(f"{name}: with has_aux=True the function returns a pair (result, auxiliary data)")
            y, self.aux = y
        self.container = type(y) if isinstance(y, (tuple, list)) else None
        self.ys = [v if isinstance(v, Variable) else wrap(as_data(v), None) for v in (y if self.container else [y])]
        since = min([n.serial for n in self.nodes])
        reached = reverse.history([y._node for y in self.ys if y._node is not None], since)
        self.outer = not detached and any(
            [n.serial < since or any([p is not None and p.serial < since for p in n.parents]) for n in reached]
        )
        if not self.outer:
            self.aux = _without_graph(self.aux)

    def value(self) -> Any:
        """The result: Variables where an outer derivative may want them."""
        values = [y if self.outer and y._node is not None else y.data for y in self.ys]
        return self.container(values) if self.container else values[0]

    def pull(self, gs: Sequence[Any], graph: bool) -> list[Any]:
        """The gradients of the arguments; None for one that the results do not depend on."""
        pairs = [(y._node, g) for y, g in zip(self.ys, gs, strict=True) if y._node is not None]
        if graph:
            pairs = [(n, g if isinstance(g, Variable) else wrap(g, None)) for n, g in pairs]
        if not pairs:
            return [None] * len(self.nodes)
        nodes, cotangents = zip(*pairs, strict=True)
        found = reverse.pull(nodes, cotangents, self.nodes, graph)
        given = {id(g) for g in gs}
        return [None if g is None else _result(g, x, given) for g, x in zip(found, self.xs.values(), strict=True)]


def _own(name: str, i: int, x: Any, detached: bool) -> Variable:
    data = x._data if isinstance(x, Variable) else as_data(x)
    if not is_inexact(data):
        raise TypeError(
            f"{name}: argument {i} is {data.dtype}, which has no derivative; make it floating-point (1.0 for 1, or "
            ".astype(float)), or leave it out of argnums"
        )
    return reverse.argument(data if detached else x)


def _result(g: Any, x: Variable, taken: set[int]) -> Any:
    """g as a gradient of x that shares memory with nothing else."""
    if g.shape != x.shape:
        raise RuntimeError(f"internal error: a rule gave a gradient of shape {g.shape} for a value of shape {x.shape}")
    if isinstance(g, Variable):
        g = g if g.dtype == x.dtype else g.astype(x.dtype)
        return g if g._node is not None else g.data
    g = as_cotangent(g, x.dtype)
    if g.base is not None or id(g) in taken:
        g = g.copy()
    taken.add(id(g))
    return g


def _without_graph(aux: Any) -> Any:
    if isinstance(aux, Variable):
        return aux.data
    if isinstance(aux, (list, tuple)) and not hasattr(aux, "_fields"):
        return type(aux)([_without_graph(a) for a in aux])
    if isinstance(aux, dict):
        return {k: _without_graph(a) for k, a in aux.items()}
    return aux


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """A function that gives `(f(...), gradient)` of a real scalar function f.

    Args:
        f: takes arrays, gives a scalar (shape `()`); with `has_aux` a pair of that and anything else.
        argnums: the arguments to differentiate; an integer gives one gradient, a sequence a tuple of them.
        has_aux: the value is then `(f's result, auxiliary data)`.
        allow_unused: give None, instead of an error, for an argument that the result does not depend on.

    One run of f and one walk back, whatever the arguments' sizes. Gradients have the shapes and dtypes of the
    arguments; of a complex argument, dL/dRe + i dL/dIm.

    Raises:
        TypeError: an argument is not floating-point, or the result is no real scalar.
        ValueError: the result does not depend on an argument.

    Example:
        >>> wg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
        (array(5.), array([2., 4.]))
    """
    single = isinstance(argnums, (int, np.integer))
    wanted: tuple[Any, ...] = (argnums,) if single else tuple(argnums)  # type: ignore[arg-type]

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = _Run("grad", f, args, kwargs, _positions("grad", wanted, len(args)), has_aux)
        y = run.ys[0]
        if run.container or y.shape != () or y.dtype.kind == "c":
            what = f"a {run.container.__name__}" if run.container else f"{y.dtype} of shape {y.shape}"
            raise TypeError(
                f"grad: the function must give a real scalar, got {what}; sum it, take its real part, or use wg.vjp"
            )
        grads = run.pull([np.ones((), y.dtype)], run.outer)
        for i, g in zip(wanted, grads, strict=True):
            if g is None and not allow_unused:
                raise ValueError(_unused(i, y))
        value = run.value()
        return (value, run.aux) if has_aux else value, grads[0] if single else tuple(grads)

    return differentiated


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """A function that gives the gradient of a real scalar function f; with `has_aux`, `(gradient, aux)`.

    Arguments, cost and errors as in `value_and_grad`.

    Example:
        >>> df = wg.grad(lambda x: np.sum(np.tanh(x) ** 2))
        >>> df(np.array([0.0, 0.5]))
        array([0.        , 0.72686198])
        >>> wg.grad(wg.grad(wg.grad(np.sin)))(0.0)
        array(-1.)
    """
    both = value_and_grad(f, argnums, has_aux, allow_unused)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return differentiated


def elementwise_grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """A function that gives the derivative of each element of an elementwise function f: shape of the argument.

    One run of f and two walks back; the second, with random weights, finds out whether f is elementwise at all.

    Raises:
        TypeError: the argument is not floating-point.
        ValueError: f's result has another shape than the argument, or an element of it depends on other elements.

    Example:
        >>> wg.elementwise_grad(np.tanh)(np.array([0.0, 1.0]))
        array([1.        , 0.41997434])
    """

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = _Run("elementwise_grad", f, args, kwargs, _positions("elementwise_grad", (argnum,), len(args)), False)
        (x,), y = run.xs.values(), run.ys[0]
        if run.container or y.shape != x.shape:
            raise ValueError(f"elementwise_grad: the result has shape {y.shape}, the argument {x.shape}; use wg.vjp")
        ones = np.ones(y.shape, y.dtype)
        (g,) = run.pull([ones], run.outer)
        if g is None:
            raise ValueError(_unused(argnum, y).replace("grad:", "elementwise_grad:", 1))
        weights = np.asarray(np.random.default_rng(0).uniform(0.5, 1.5, y.shape), y.dtype)
        (weighted,) = run.pull([weights], False)
        expected = weights * data_of(g)
        scale = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
        if not np.allclose(
            weighted, expected, rtol=0, atol=1e-2 * np.finfo(y.dtype).eps ** 0.5 * scale, equal_nan=True
        ):
            raise ValueError(
                "elementwise_grad: the function is not elementwise: an element of the result depends on other elements "
                "of the argument; use wg.vjp, or wg.grad of a sum if that is what you want"
            )
        return np.conj(g) if y.dtype.kind == "c" else g  # of a holomorphic function, its derivative

    return differentiated


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(f(*primals), pullback)`, or with `has_aux` `(f(*primals), pullback, aux)`.

    `pullback(gy)` takes a cotangent of the result's shape (a tuple or list for several results) and gives a tuple
    with the cotangent of each primal: zeros for one that the result does not depend on. It can be called again.

    Raises:
        TypeError: a primal is not floating-point.
        ValueError: gy has another shape than the result.

    Example:
        >>> y, pullback = wg.vjp(np.sin, np.array([0.0, np.pi]))
        >>> pullback(np.array([1.0, 1.0]))
        (array([ 1., -1.]),)
    """
    run = _Run("vjp", f, primals, {}, range(len(primals)), has_aux)

    def pullback(gy: Any) -> tuple[Any, ...]:
        gs = list(gy) if run.container else [gy]
        if len(gs) != len(run.ys):
            raise ValueError(f"pullback: expected {len(run.ys)} cotangents, got {len(gs)}")
        gs = [check_cotangent(g, y, "pullback") for g, y in zip(gs, run.ys, strict=True)]
        graph = run.outer or any([isinstance(g, Variable) and g._node is not None for g in gs])
        gs = gs if graph else [g._data if isinstance(g, Variable) else g for g in gs]
        found = run.pull(gs, graph)
        return tuple([np.zeros_like(x.data) if g is None else g for g, x in zip(found, run.xs.values(), strict=True)])

    return (run.value(), pullback, run.aux) if has_aux else (run.value(), pullback)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """`(f(*primals), ty)`, or with `has_aux` `(f(*primals), ty, aux)`: the derivative along `tangents`.

    One run of f and one walk forward over what it recorded.

    Args:
        primals, tangents: sequences of the same length; each tangent has its primal's shape.

    Raises:
        TypeError: primals or tangents are no sequence, or a primal is not floating-point.
        ValueError: lengths or shapes differ.

    Example:
        >>> wg.jvp(np.sin, (0.0,), (2.0,))
        (array(0.), array(2.))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp: primals and tangents are tuples, one item for each argument: jvp(f, (x,), (tx,))")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals, but {len(tangents)} tangents")
    run = _Run("jvp", f, primals, {}, range(len(primals)), has_aux)
    ts = [check_cotangent(t, x, f"jvp: tangent {i}") for (i, x), t in zip(run.xs.items(), tangents, strict=True)]
    graph = run.outer or any([isinstance(t, Variable) and t._node is not None for t in ts])
    if graph:
        ts = [t if isinstance(t, Variable) else wrap(t, None) for t in ts]
    else:
        ts = [t._data if isinstance(t, Variable) else t for t in ts]
    tracked = [y._node for y in run.ys if y._node is not None]
    pushed = iter(forward.push(tracked, run.nodes, ts, graph) if tracked else [])
    tys = [None if y._node is None else next(pushed) for y in run.ys]
    tys = [
        np.zeros_like(y.data) if t is None else _result(t, y, set(map(id, ts)))
        for t, y in zip(tys, run.ys, strict=True)
    ]
    value, ty = run.value(), run.container(tys) if run.container else tys[0]
    return (value, ty, run.aux) if has_aux else (value, ty)


def _positions(name: str, argnums: Sequence[int], count: int) -> list[int]:
    for i in argnums:
        if not -count <= i < count:
            raise TypeError(f"{name}: argnums has {i}, but the call has {count} positional arguments")
    return [i % count for i in argnums]


def _unused(i: int, y: Variable) -> str:
    how = "" if y._node is not None else " (it is a constant: did the path lead through .data, an integer or no_grad?)"
    return (
        f"grad: the result does not depend on argument {i}{how}. A derivative of 0 would be another thing; pass "
        "allow_unused=True to get None"
    )
