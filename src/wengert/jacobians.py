"""Derivatives with more than one row: Jacobians, Hessians, and products with them that never form a matrix.

A Jacobian is one run of the function, and one walk over it with a batch of unit vectors (see `vmap`): back from the
results, or forward from the arguments. A Hessian is a run of the gradient, through which a batch is pushed.

Arguments and results are arrays or containers of arrays. What relates two of them has the structure of the first, with
that of the second in place of each leaf: of f from `{"w": ..., "b": ...}` to an array y, the Jacobian is a dict of
arrays of shape `y.shape + w.shape` and `y.shape + b.shape`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import reverse, tree
from .batching.vmap import vmap
from .transforms import (
    Run,
    as_array,
    check_complex,
    check_holomorphic,
    check_scalar,
    chosen,
    positions,
    unused,
)

LIMIT = (
    1 << 28
)  # bytes that a batch may have at the arguments and at the results together; more goes in several batches


# ---- Jacobians ----------------------------------------------------------------------------------------------


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    mode: str = "auto",
    holomorphic: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """A function that gives the Jacobian of f: shape `result.shape + argument.shape`; with `has_aux`, `(J, aux)`.

    Args:
        f: takes and gives arrays or containers of arrays; with `has_aux` a pair of the result and anything else.
        argnums: the arguments to differentiate; an integer gives one Jacobian, a sequence a tuple of them in place of
            each leaf of the result.
        has_aux: f gives `(result, auxiliary data)`.
        mode: "reverse", "forward", or "auto": forward where the arguments have fewer elements than the results.
        holomorphic: f maps complex to complex, and the complex derivative is wanted.
        allow_unused: give None, instead of an error, for a leaf that no result depends on.

    One run of f, and one walk with a batch of as many unit vectors as the results (reverse) or arguments (forward) have
    elements: the NumPy calls of one `vjp` or `jvp`, on arrays that are that much larger, so the work of two to three
    runs of f for each unit vector. It takes several batches where one would have more than `jacobians.LIMIT` bytes
    (2**28) at the ends.

    Blocks have the dtype of the argument, and are complex where the result is: of a real argument and a complex result,
    dy/dx; of a complex argument and a real result, dy/dRe + i dy/dIm, as `grad` has it. These take a second walk where
    the unit vectors start from the complex side, and `holomorphic` two more, which find out whether f is. A result that
    does not depend on an argument that another one depends on has zeros there.

    Raises:
        TypeError: a leaf is not floating-point, or both a result and an argument are complex and `holomorphic` is not
            set, or one of them is real and it is.
        ValueError: an unknown mode, a leaf that no result depends on, or an f that is not holomorphic.

    Source: A. Griewank and A. Walther, Evaluating Derivatives (SIAM, 2008), chapter 3.

    Example:
        >>> J = wg.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
        >>> J
        array([[3., 0., 1.],
               [0., 3., 2.]])
    """
    return _jacobian("jacobian", f, argnums, has_aux, mode, holomorphic, allow_unused)


def jacrev(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """`jacobian` in reverse mode: for fewer results than arguments.

    Arguments, shapes, cost, errors and source as in `jacobian`.

    Example:
        >>> wg.jacrev(lambda x: np.stack([np.sum(x), np.sum(x**2)]))(np.array([1.0, 2.0, 3.0]))
        array([[1., 1., 1.],
               [2., 4., 6.]])
    """
    return _jacobian("jacrev", f, argnums, has_aux, "reverse", holomorphic, allow_unused)


def jacfwd(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """`jacobian` in forward mode: for fewer arguments than results.

    Arguments, shapes, cost, errors and source as in `jacobian`.

    Example:
        >>> wg.jacfwd(lambda t: np.stack([np.cos(t), np.sin(t)]))(0.0)
        array([0., 1.])
    """
    return _jacobian("jacfwd", f, argnums, has_aux, "forward", holomorphic, allow_unused)


def _jacobian(
    name: str, f: Callable[..., Any], argnums: Any, has_aux: bool, mode: str, holomorphic: bool, allow_unused: bool
) -> Callable[..., Any]:
    if mode not in ("auto", "reverse", "forward"):
        raise ValueError(f"{name}: mode is 'auto', 'reverse' or 'forward', got {mode!r}")
    wanted, single = chosen(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = Run(name, f, args, kwargs, positions(name, wanted, len(args)), has_aux)
        used = _used(run, allow_unused)
        _check_kinds(run, holomorphic)
        forward = _rows(run.xs, holomorphic) < _rows(run.ys, holomorphic) if mode == "auto" else mode == "forward"
        rows = _blocks(run, used, forward, holomorphic)
        rows = [[b if u else None for b, u in zip(row, used, strict=True)] for row in rows]
        result = run.result.unflatten([_of_arguments(run, row, single) for row in rows])
        return (result, run.aux) if has_aux else result

    return differentiated


def _rows(leaves: Sequence[Any], holomorphic: bool) -> int:
    """How many unit vectors start from these leaves."""
    return sum([x.size * (2 if x.dtype.kind == "c" and not holomorphic else 1) for x in leaves])


def _of_arguments(run: Run, leaves: Sequence[Any], single: bool) -> Any:
    arguments = run.as_arguments(leaves)
    return arguments[0] if single else arguments


def _used(run: Run, allow_unused: bool) -> list[bool]:
    """Whether the results depend on each leaf of the arguments.

    Raises:
        ValueError: not on all of them, and that is not allowed.
    """
    reached = set(reverse.history([n for n in run.y_nodes if n is not None], run.since))
    used = [n in reached for n in run.x_nodes]
    if not all(used) and not allow_unused:
        raise ValueError(unused(run, used.index(False)))
    return used


def _check_kinds(run: Run, holomorphic: bool, second: bool = False) -> None:
    """Refuse what has no derivative that is one number, and an f that is said to be holomorphic and is not."""
    if holomorphic:
        check_complex(run)
        rng = np.random.default_rng(0)
        ws = [np.asarray(rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape), y.dtype) for y in run.ys]
        check_holomorphic(run, ws, run.pull(ws, False))
    elif second or any([y.dtype.kind == "c" for y in run.ys]):
        for j, x in enumerate(run.xs):
            if x.dtype.kind == "c":
                what = "second derivatives are" if second else "the result is complex too, and its derivative is"
                raise TypeError(
                    f"{run.name}: {run.where(j)} is complex: {what} one number only for a holomorphic function. Where "
                    "there is holomorphic=True, pass it; else take real and imaginary parts as arguments of their own"
                )


def _check_field(run: Run, single: bool) -> None:
    """Refuse a result that is not like the arguments."""
    parts = tuple(run.arguments)
    built = parts[0] if single else tree.Structure(tuple, tuple(range(len(parts))), parts)
    shapes = [x.shape for x in run.xs], [y.shape for y in run.ys]
    if run.result != built or shapes[0] != shapes[1]:
        raise ValueError(
            f"{run.name}: the result must be like the argument, {built} of shapes {shapes[0]}; it is {run.result} of "
            f"shapes {shapes[1]}"
        )
    for j, x in enumerate(run.xs):
        if x.dtype.kind == "c":
            raise TypeError(f"{run.name}: {run.where(j)} is complex; a vector field is real")


# ---- batches of unit vectors --------------------------------------------------------------------------------


def _blocks(run: Run, used: Sequence[bool], forward: bool, holomorphic: bool) -> list[list[Any]]:
    """The derivative of each leaf of the result by each of the arguments: `blocks[k][j]`."""
    starts = run.xs if forward else run.ys
    live = [i for i, on in enumerate(used if forward else [n is not None for n in run.y_nodes]) if on]
    real = _walk(run, forward, live, 1)
    turned = [] if holomorphic else [i for i in live if starts[i].dtype.kind == "c"]
    imaginary = _walk(run, forward, turned, 1j)
    blocks = []
    for k, y in enumerate(run.ys):
        row = []
        for j, x in enumerate(run.xs):
            dtype = np.result_type(x.dtype, np.complex64) if y.dtype.kind == "c" else x.dtype
            b = real.get((k, j))
            if b is None:
                b = np.zeros(y.shape + x.shape, dtype)
            elif (k, j) in imaginary:
                b = b + 1j * imaginary[k, j]
            elif holomorphic and not forward:
                b = np.conj(b)
            row.append(as_array(b if b.dtype == dtype else b.astype(dtype)))
        blocks.append(row)
    return blocks


def _walk(run: Run, forward: bool, live: Sequence[int], scale: complex) -> dict[tuple[int, int], Any]:
    """The blocks `[k, j]` between the leaves where a walk starts, of which it starts from `live`, and where it ends."""
    starts, ends, walk = (run.xs, run.ys, run.push) if forward else (run.ys, run.xs, run.pull)

    def along(*units: Any) -> list[Any]:
        given = dict(zip(live, units, strict=True))
        return walk([given.get(i) for i in range(len(starts))], run.outer)

    parts = list(_batches(along, [starts[i] for i in live], ends, scale))
    blocks = {}
    for e, column in enumerate(zip(*parts, strict=True)):
        if column[0] is None:
            continue
        rows, first = column[0] if len(column) == 1 else np.concatenate(column), 0
        for i in live:
            last = first + starts[i].size
            b = rows if len(live) == 1 else rows[first:last]
            if forward:
                blocks[e, i] = np.moveaxis(b, 0, -1).reshape(ends[e].shape + starts[i].shape)
            else:
                blocks[i, e] = b.reshape(starts[i].shape + ends[e].shape)
            first = last
    return blocks


def _batches(
    along: Callable[..., Any], starts: Sequence[Any], ends: Sequence[Any], scale: complex = 1
) -> Iterator[Any]:
    """`along` of the unit vectors of all starts together: a leading axis for those of each batch."""
    total = sum([x.size for x in starts])
    count = max(1, LIMIT // max(1, sum([x.nbytes for x in (*starts, *ends)])))
    for first in range(0, total, count):
        units = _units(starts, range(first, min(total, first + count)), scale)
        if len(units[0]) > 1:
            yield vmap(along)(*units)
        else:
            yield [v if v is None else v.reshape(1, *v.shape) for v in along(*[u.reshape(u.shape[1:]) for u in units])]


def _units(leaves: Sequence[Any], rows: range, scale: complex) -> list[Any]:
    """These rows of the unit matrix, its columns in the leaves' shapes."""
    units, offset = [], 0
    for x in leaves:
        unit = np.zeros((len(rows), x.size), x.dtype)
        own = np.arange(max(rows.start, offset), min(rows.stop, offset + x.size))
        unit[own - rows.start, own - offset] = scale
        units.append(unit.reshape(len(rows), *x.shape))
        offset += x.size
    return units


# ---- Hessians, and products with them -----------------------------------------------------------------------


def hessian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_unused: bool = False,
) -> Callable[..., Any]:
    """A function that gives the second derivatives of f: shape `result.shape + argument.shape + argument.shape`.

    Arguments as in `jacobian`. Of containers, the structure of the result, in each place that of the arguments, and in
    each place of these that of the arguments again. A function that is linear in an argument has zeros there.

    One run of the gradient of f (of its reverse Jacobian, if it gives no scalar), and one walk forward over it with a
    batch of as many unit vectors as the arguments have elements: forward over reverse. That is the NumPy calls of one
    `hvp`, and its work for each unit vector. For large arguments see `hvp` itself.

    Raises:
        TypeError: a leaf is not floating-point, or complex without `holomorphic`, or real with it.
        ValueError: no result depends on a leaf, or f is not holomorphic.

    Source: A. Griewank and A. Walther, Evaluating Derivatives (SIAM, 2008), chapter 5.

    Example:
        >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 2.0]))
        array([[4., 6.],
               [6., 0.]])
    """
    wanted, single = chosen(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = positions("hessian", wanted, len(args))
        outer, inner, used = _twice("hessian", f, args, kwargs, numbers, has_aux, holomorphic, allow_unused)
        second = iter(_blocks(outer, used, True, holomorphic))

        def row(by_first: bool) -> Any:
            blocks = [b if u and by_first else None for b, u in zip(next(second), used, strict=True)]
            return _of_arguments(outer, blocks, single)

        rows = [_of_arguments(outer, [row(u) for u in used], single) for _ in inner.ys]
        result = inner.result.unflatten(rows)
        return (result, outer.aux) if has_aux else result

    return differentiated


def _twice(
    name: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Any,
    argnums: Sequence[int],
    has_aux: bool,
    holomorphic: bool = False,
    allow_unused: bool = False,
) -> tuple[Run, Run, list[bool]]:
    """A run of the derivative of f, whose leaves are the blocks `[k][j]` one after the other; the run of f in it; which
    leaves of the arguments f uses.
    """
    inner: list[Any] = []

    def derivative(*args: Any, **kwargs: Any) -> Any:
        run = Run(name, f, args, kwargs, argnums, has_aux)
        used = _used(run, allow_unused)
        _check_kinds(run, holomorphic, second=True)
        inner[:] = run, used
        blocks = [b for row in _blocks(run, used, False, holomorphic) for b in row]
        return (blocks, run.aux) if has_aux else blocks

    outer = Run(name, derivative, args, kwargs, argnums, has_aux)
    return outer, *inner


def hvp(f: Callable[..., Any], primals: Any, tangents: Any, allow_unused: bool = False) -> Any:
    """The product of the Hessian of a real scalar function f with a vector, which is never formed: H v.

    Args:
        f: takes arrays or containers of arrays, gives a scalar (shape `()`).
        primals, tangents: tuples of the same length, one item for each argument, as in `jvp`: the result is a tuple of
            such items. Of a single argument, in a tuple or not, the result is the one item.
        allow_unused: give None, instead of an error, for a leaf that the result does not depend on.

    Only the product is given, in the structure, shapes and dtypes of the primals; zeros where f is linear. One run of
    the gradient of f and one walk forward over it, whatever the sizes: the work of four to five runs of f, where matrix
    products or transcendental functions dominate it. For many products at one point, `wg.linearize(wg.grad(f), x)` runs
    the gradient once.

    Raises:
        TypeError: a leaf of a primal is not floating-point, or the result is no real scalar.
        ValueError: lengths, structures or shapes differ, or the result does not depend on a leaf.

    Source: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).

    Example:
        >>> wg.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
        array([  6., 120.])
    """
    primals, tangents, single = _sequences("hvp", primals, tangents)
    run, used, product = _product("hvp", f, primals, tangents, allow_unused)
    return _of_arguments(run, [t if u else None for t, u in zip(product, used, strict=True)], single)


def _sequences(name: str, primals: Any, tangents: Any) -> tuple[Sequence[Any], Sequence[Any], bool]:
    """primals and tangents as tuples, and whether there is only one."""
    if not isinstance(primals, (tuple, list)) or hasattr(primals, "_fields"):
        return (primals,), (tangents,), True
    if not isinstance(tangents, (tuple, list)):
        raise TypeError(f"{name}: primals is a tuple, so tangents is one too, with an item for each argument")
    if len(primals) != len(tangents):
        raise ValueError(f"{name}: {len(primals)} primals, but {len(tangents)} tangents")
    return primals, tangents, len(primals) == 1


def _product(
    name: str, f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], allow_unused: bool
) -> tuple[Run, list[bool], list[Any]]:
    """A run of the gradient of f, which leaves f uses, and the leaves of the product."""
    used: list[bool] = []

    def gradient(*xs: Any) -> list[Any]:
        run = Run(name, f, xs, {}, range(len(xs)), False)
        check_scalar(run)
        used[:] = _used(run, allow_unused)
        gs = run.pull([np.ones((), run.ys[0].dtype)], run.outer)
        return [np.zeros_like(x) if g is None else g for g, x in zip(gs, run.xs, strict=True)]

    run = Run(name, gradient, primals, {}, range(len(primals)), False)
    return run, used, run.push_like(tangents, name)


def ggnvp(model: Callable[..., Any], loss: Callable[[Any], Any], primals: Any, tangents: Any) -> Any:
    """The product of the generalised Gauss-Newton matrix of `loss(model(*primals))` with a vector: J^T H J v.

    J is the Jacobian of the model, H the Hessian of the loss by the model's result; none of them is formed. The matrix
    is positive semi-definite if the loss is convex in that result, as the Hessian of the whole need not be, and is
    equal to that Hessian if the model is linear.

    Args:
        model: takes arrays or containers of arrays (the parameters), gives arrays or containers of arrays.
        loss: takes the model's result as its one argument, gives a real scalar. Data and targets are in the closure.
        primals, tangents: of the model; one argument, or tuples of them, as in `hvp`.

    The product has the structure, shapes and dtypes of the primals. One run of the model, one walk forward and one back
    over it (the work of about five runs), and one `hvp` of the loss.

    Raises:
        TypeError: a leaf of a primal, or of the model's result, is not floating-point, or the loss is no real scalar.
        ValueError: lengths, structures or shapes differ, or the model's result does not depend on a leaf.

    Source: N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural
    Computation 14 (2002).

    Example:
        >>> t = np.array([0.0, 1.0, 2.0])
        >>> model = lambda p: p["a"] * np.exp(p["b"] * t)
        >>> wg.ggnvp(model, lambda y: np.sum(y**2), {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0})
        {'a': array(6.), 'b': array(6.)}
    """
    primals, tangents, single = _sequences("ggnvp", primals, tangents)
    run = Run("ggnvp", model, primals, {}, range(len(primals)), False)
    _used(run, False)
    ty = run.push_like(tangents, "ggnvp")
    *_, gys = _product("ggnvp", loss, (run.value(),), (ty,), True)
    gs = run.pull(*run.flowing(gys))
    return _of_arguments(run, [np.zeros_like(x) if g is None else g for g, x in zip(gs, run.xs, strict=True)], single)


# ---- traces -------------------------------------------------------------------------------------------------


def laplacian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the Laplacian of f, the sum of its second derivatives: shape of the result.

    f takes and gives arrays or containers of arrays. The sum goes over all elements of the arguments at `argnums`
    together; `has_aux` as in `jacobian`. The cost is that of `hessian`.

    Raises:
        TypeError: a leaf is not floating-point, or complex.
        ValueError: no result depends on a leaf.

    Source: that of `hessian`.

    Example:
        >>> wg.laplacian(lambda x: x[0] ** 2 * x[1] + x[1] ** 3)(np.array([3.0, 2.0]))
        array(16.)
    """
    wanted, _ = chosen(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = positions("laplacian", wanted, len(args))
        outer, inner, _ = _twice("laplacian", f, args, kwargs, numbers, has_aux)
        result = inner.result.unflatten(_trace(outer, inner.ys))
        return (result, outer.aux) if has_aux else result

    return differentiated


def divergence(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the divergence of a vector field f, the trace of its Jacobian: a scalar.

    f maps arrays or containers of arrays to the same structure and shapes; of several arguments at `argnums`, to a
    tuple like them. `has_aux` as in `jacobian`. One run of f and one walk forward with a batch of as many unit vectors
    as the arguments have elements.

    Raises:
        TypeError: a leaf is not floating-point, or complex.
        ValueError: the result has another structure or shape, or does not depend on a leaf.

    Source: that of `jacobian`.

    Example:
        >>> wg.divergence(lambda x: x**2)(np.array([1.0, 2.0, 3.0]))
        array(12.)
    """
    wanted, single = chosen(argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        run = Run("divergence", f, args, kwargs, positions("divergence", wanted, len(args)), has_aux)
        _check_field(run, single)
        _used(run, False)
        (result,) = _trace(run, [np.zeros((), np.result_type(*run.ys) if run.ys else float)])
        return (result, run.aux) if has_aux else result

    return differentiated


def _trace(run: Run, results: Sequence[Any]) -> list[Any]:
    """The sums, over all arguments, of the derivative of what belongs to one by the same one.

    The leaves of the run are these, for each of `results` one for each argument.
    """
    count = len(run.xs)

    def along(*ts: Any) -> list[Any]:
        tys, sums = run.push(ts, run.outer), []
        for k in range(len(results)):
            total: Any = None
            for t, ty in zip(ts, tys[k * count : (k + 1) * count], strict=True):
                if ty is not None:
                    term = np.sum(t * ty, axis=tuple(range(-t.ndim, 0)))
                    total = term if total is None else total + term
            sums.append(total)
        return sums

    parts = [[None if s is None else np.sum(s, axis=0) for s in part] for part in _batches(along, run.xs, run.ys)]
    totals = [[p for p in column if p is not None] for column in zip(*parts, strict=True)] or [[] for _ in results]
    sums = [
        functools.reduce(operator.add, ps) if ps else np.zeros_like(y) for ps, y in zip(totals, results, strict=True)
    ]
    return [as_array(s) for s in sums]
