"""`taylor`: derivatives of any order along a direction, by arithmetic on truncated power series.

`f` runs once. The coefficients of x + t*direction are then pushed along the nodes that the run recorded, one order
after the other, as `forward.push` pushes tangents, with the same declarations:

* a linear operation acts on each coefficient;
* a product convolves its factors' coefficients, a quotient and a power solve such a convolution;
* of every other operation, z' is what its push-forward gives, for the coefficient k - 1 of which those of z below k are
  enough. The push-forward is run once, on Variables, and the series are pushed through what it recorded.

That is the method of Griewank and Walther, Evaluating Derivatives (2008), chapter 13, and of JAX's `jet`.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import generic, ndarray

from . import forward, reverse, tree
from .declare import OPERATIONS
from .function import Call, Parts, Pick
from .operation import Operation, Several, spread
from .recording import Mode, recorded, recording
from .saved import Watching, unchanged
from .variable import Variable, as_cotangent, as_data, check_cotangent, is_inexact, wrap

_HIGHEST = 170  # the last k for which k! is a float64
_POWERS = tuple([OPERATIONS[name] for name in ("power", "float_power", "pow_operator")])
_LARGEST_POWER = 1024  # up to which an integer power is computed by products, of which it takes 20 then


def taylor(f: Callable[[Any], Any], x: Any, direction: Any, order: int) -> tuple[Any, ...]:
    """`(f(x), f', f'', ...)`: the derivatives of `t -> f(x + t*direction)` at 0, up to that of the given order.

    Divided by `k!`, item k is the Taylor coefficient. One run of f; then, for each operation that it called, a number
    of NumPy calls that is linear in the order (linear operations) or quadratic (products, quotients, elementary
    functions), not exponential as in nested `grad`.

    Args:
        f: takes an array or a container of arrays (see `wg.tree`), and gives one.
        x: where to expand. Complex arrays too; t is real.
        direction: like x: the same structure, the same shapes.
        order: the number of derivatives, from 0 to 170.

    Each item of the result has the structure, shapes and dtypes of `f(x)`. Where f uses a Variable that is being
    differentiated further out, or x or the direction is one, items are Variables: `grad` of `taylor` nests.

    Raises:
        TypeError: x is not floating-point, order is no integer, or f calls an operation whose derivative cannot be
            differentiated again; the message names it.
        ValueError: direction has another structure or shape than x, or order is out of range.

    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 13.

    Example:
        >>> wg.taylor(np.exp, 0.0, 1.0, 3)
        (array(1.), array(1.), array(1.), array(1.))
        >>> value, slope, curvature = wg.taylor(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 0.0]), 2)
        >>> slope, curvature
        (array(3.), array(6.))
    """
    try:
        order = operator.index(order)
    except TypeError:
        raise TypeError(f"taylor: order is the number of derivatives, an integer; got {order!r}") from None
    if not 0 <= order <= _HIGHEST:
        raise ValueError(f"taylor: order is from 0 to {_HIGHEST}, got {order}")
    detached = recording() is False
    leaves, structure = tree.flatten(x)
    paths = structure.paths("x")
    xs = [_own(v, path, detached) for v, path in zip(leaves, paths, strict=True)]
    nodes = [v._node for v in xs]  # before f moves a handle
    ts = [
        check_cotangent(t, v, f"taylor: direction for {path}")
        for t, v, path in zip(tree.match(structure, direction, "taylor: direction"), xs, paths, strict=True)
    ]
    with recorded():
        results, built = tree.flatten(f(structure.unflatten(xs)))
    ys = [y if isinstance(y, Variable) else wrap(as_data(y, "taylor: the result of f"), None) for y in results]
    since = min([n.serial for n in nodes], default=0)
    reached = reverse.history([y._node for y in ys if y._node is not None], since)
    outer = not detached and any(
        [n.serial < since or any([p is not None and p.serial < since for p in n.parents]) for n in reached]
    )
    graph = outer or any([isinstance(t, Variable) and t._node is not None for t in ts])
    ts = [(t if isinstance(t, Variable) else wrap(t, None)) if graph else _array(t) for t in ts]
    series = _pushed([y._node for y in ys], nodes, ts, reached, order, graph)
    items = [[y if outer and y._node is not None else y.data for y in ys]]
    for k in range(1, order + 1):
        factorial = float(math.factorial(k))
        items.append([_derivative(s and s[k], factorial, y._array) for s, y in zip(series, ys, strict=True)])
    return tuple([built.unflatten(item) for item in items])


def _own(x: Any, path: str, detached: bool) -> Variable:
    data = x._array if isinstance(x, Variable) else as_data(x, f"taylor: {path}")
    if not is_inexact(data):
        raise TypeError(f"taylor: {path} is {data.dtype}, which has no derivative; make it floating-point (1.0 for 1)")
    return reverse.argument(data if detached else x)


def _array(x: Any) -> Any:
    return x._array if isinstance(x, Variable) else x


def _derivative(c: Any, factorial: float, y: Any) -> Any:
    """The derivative of the result y whose Taylor coefficient is c, with y's dtype."""
    if c is None:
        return np.zeros_like(y)
    d = c * factorial
    if isinstance(d, Variable):
        d = d if d.dtype == y.dtype else d.astype(y.dtype)
        return d if d._node is not None else d.data
    return as_cotangent(d, y.dtype)


def _pushed(
    ys: Sequence[Any], xs: Sequence[Any], ts: Sequence[Any], reached: list[Any], order: int, graph: bool
) -> list[Any]:
    """For each node of ys its coefficients up to `order`; None for one that does not depend on xs."""
    for guard in (False, True):  # the second only where a NaN comes out: a zero tangent contributes exactly zero
        walk = _Walk(min([x.serial for x in xs], default=0), graph, guard)
        for x, t in zip(xs, ts, strict=True):
            walk.series[x] = [None, t, *[None] * order]
        with recorded() if graph else Mode(True), np.errstate(invalid="ignore"):  # no Recorder sees it on arrays
            program = walk.program(reached, ChainMap())
            for _ in range(order):
                walk.advance(program)
        found = [None if y is None else walk.series.get(y) for y in ys]
        if not any([c is not None and reverse.has_nan(c) for s in found if s is not None for c in s]):
            break
    return found


# The Taylor coefficients of what a node computes, by order. Number 0, the value, is not kept here: whoever needs it has
# saved it. None stands for a coefficient that is zero; from there on, all are.
_Series = list[Any]
_Program = list[tuple[_Series, Iterator[Any]]]


class _Walk:
    """Pushes series along nodes: those of the run, and those that push-forwards record on the way."""

    def __init__(self, since: int, graph: bool, guard: bool) -> None:
        self.since = since  # older nodes do not depend on t
        self.graph = graph  # whether coefficients are Variables
        self.guard = guard
        self.series: dict[Any, _Series | None] = {}  # by node; None where it does not depend on t

    def program(self, nodes: Sequence[Any], known: ChainMap[Any, Any]) -> _Program:
        """What advances the series of new nodes, which are in order. `known`: see `_key`."""
        program: _Program = []
        for n in nodes:
            if n in self.series:
                continue
            if not any([self.varies(p) for p in n.parents]):
                self.series[n] = None
                continue
            key = self._key(n)
            series = known.get(key) if key is not None else None
            if series is None:
                series = [None]
                program.append((series, self._coefficients(n, known)))
                if key is not None:
                    known[key] = series
            self.series[n] = series
        return program

    def advance(self, program: _Program) -> None:
        """The next coefficient of each series."""
        for series, coefficients in program:
            series.append(next(coefficients))

    def varies(self, n: Any) -> bool:
        """Whether node n (None for a constant) depends on t."""
        return n is not None and self.series.get(n) is not None

    def _key(self, n: Any) -> Any:
        """What two calls have in common that compute the same; None where that is not known.

        The derivative of sin is cos, whose derivative is sin of the same x again: it need not be pushed twice. Without
        this, recurrences between Bessel functions would branch at every order.
        """
        if not _is_operation(n):
            return None
        parts: list[Any] = [n.op, *n.args, *n.kwargs.items()]
        for p, x in zip(n.parents, n.saved()[1:], strict=True):
            if p is not None:
                parts.append(id(self.series[p]) if self.varies(p) else p)
            elif isinstance(x, (ndarray, generic)) and x.nbytes <= 1 << 16:
                parts.append((x.dtype, x.shape, x.tobytes()))
            elif isinstance(x, (int, float, complex)):
                parts.append((type(x), repr(x)))
            else:
                return None  # not saved
        key = tuple(parts)
        try:
            hash(key)
        except TypeError:
            return None
        return key

    # ---- generators of coefficients number 1, 2, ... ------------------------------------------------------------

    def _coefficients(self, n: Any, known: ChainMap[Any, Any]) -> Iterator[Any]:
        if isinstance(n, Watching):
            unchanged(n.info.watched, type(n).__name__)
        if isinstance(n, Pick):
            return self._picked(n)
        if not _is_operation(n):
            return self._derived(n, known)
        if any([self.varies(n.parents[i]) for i in n.below]):
            coefficients = self._quotient(n)
        elif n.matrix_function:
            coefficients = self._matrix_function(n)
        elif n.op in _POWERS and not self.varies(n.q):
            coefficients = self._power(n, known)
        else:
            coefficients = self._derived(n, known)
        return self._guarded(n, coefficients) if self.guard and n.elementwise else coefficients

    def _picked(self, n: Pick) -> Iterator[Any]:
        for k in itertools.count(1):
            parts = self._number(k, n.p)
            yield None if parts is None else parts[n.k]

    def _guarded(self, n: Operation, coefficients: Iterator[Any]) -> Iterator[Any]:
        """Zero wherever the operands do not move, through a singular derivative too."""
        still: Any = True
        for k, c in zip(itertools.count(1), coefficients, strict=False):
            for p in filter(self.varies, n.parents):
                x = self._number(k, p)
                if x is not None:
                    still = still & (_array(x) == 0)
            yield None if c is None else np.where(still, np.zeros((), c.dtype), c)[()]

    def _derived(self, n: Any, known: ChainMap[Any, Any]) -> Iterator[Any]:
        """From z' = push(x'): the push-forward runs once, on Variables, and series run through what it recorded."""
        slots = [i for i, p in enumerate(n.parents) if self.varies(p) and self._number(1, p) is not None]
        if not slots:
            yield from itertools.repeat(None)
        if _is_operation(n):  # a tangent for each place, though one value may stand in several
            ts = {i: reverse.argument(self._number(1, n.parents[i])) for i in slots}
            pushed = [_push_at(n, i, t, n._operands(True)) for i, t in ts.items()]
            if len(slots) > 1 and all(map(_is_itself, itertools.repeat(n), ts, ts.values(), pushed)):
                yield from self._product(n, slots)
            derivative = _sum(pushed)
        else:
            tangents = {n.parents[i]: reverse.argument(self._number(1, n.parents[i])) for i in slots}
            ts = {i: tangents[n.parents[i]] for i in slots}
            derivative = _push(n, tangents, True)
        many = type(derivative) is Parts
        parts = derivative if many else [derivative]

        def collected(values: list[Any]) -> Any:
            return Parts(values) if many else values[0]

        yield collected([v if self.graph else _array(v) for v in parts])

        roots = [v._node if isinstance(v, Variable) else None for v in parts]
        inner, met = self._between(roots)
        if not met - {t._node for t in ts.values()}:  # the push-forward reads nothing that depends on t
            for k in itertools.count(2):
                yield self._push_number(k, n, slots)
        program: _Program = []
        for i, t in ts.items():
            self.series[t._node] = series = [None]
            program.append((series, self._slope(n.parents[i])))
        program += self.program(inner, known.new_child())
        for k in itertools.count(2):
            self.advance(program)
            cs = [self._number(k - 1, r) if self.varies(r) else None for r in roots]
            yield collected([None if c is None else c / k for c in cs])

    def _slope(self, n: Any) -> Iterator[Any]:
        """The coefficients of the derivative of what node n computes."""
        for k in itertools.count(2):
            c = self._number(k, n)
            yield None if c is None else c * k

    def _push_number(self, k: int, n: Any, slots: list[int]) -> Any:
        """The push-forward of coefficient number k of each operand."""
        cs = {i: c for i in slots if (c := self._number(k, n.parents[i])) is not None}
        if not cs:
            return None
        if _is_operation(n):
            operands = n._operands(self.graph)
            return _sum([_push_at(n, i, c, operands) for i, c in cs.items()])
        return _push(n, {n.parents[i]: c for i, c in cs.items()}, self.graph)

    def _product(self, n: Operation, slots: list[int]) -> Iterator[Any]:
        """Of an operation that is linear in each of several operands."""
        operands = n._operands(self.graph)
        for k in itertools.count(1):
            terms = []
            for numbers in itertools.product(range(k + 1), repeat=len(slots) - 1):
                if sum(numbers) > k:
                    continue
                factors = list(operands)
                for i, j in zip(slots, (*numbers, k - sum(numbers)), strict=True):
                    if j:
                        factors[i + 1] = self._number(j, n.parents[i])
                if all([factors[i + 1] is not None for i in slots]):
                    terms.append(_push_at(n, slots[0], factors[slots[0] + 1], factors))
            yield _sum(terms)

    def _quotient(self, n: Operation) -> Iterator[Any]:
        """Of z = x / y, from y z = x; `n.below` has the place of y."""
        z, *xs = n._operands(self.graph)
        zs = [z]
        slots = [i for i, p in enumerate(n.parents) if self.varies(p)]
        for k in itertools.count(1):
            terms = []
            for i in slots:
                for j in range(1 if i in n.below else k, k + 1):
                    c = self._number(j, n.parents[i])
                    if c is not None and zs[k - j] is not None:
                        terms.append(_push_at(n, i, c, (zs[k - j], *xs)))
            zs.append(_sum(terms))
            yield zs[-1]

    def _matrix_function(self, n: Any) -> Iterator[Any]:
        """Of a matrix with coefficients x_0, x_1, ... from the function of the block matrix [[x_0, x_1], [0, x_0]].

        R. Mathias, A chain rule for matrix functions and applications, SIAM J. Matrix Anal. Appl. 17 (1996).
        """
        xs = [n._operands(self.graph)[1]]
        zero, size = np.zeros(xs[0].shape, xs[0].dtype), xs[0].shape[-1]
        for k in itertools.count(1):
            c = self._number(k, n.parents[0])
            xs.append(zero if c is None else c)
            rows = [np.concatenate([*[zero] * i, *xs[: k + 1 - i]], -1) for i in range(k + 1)]
            yield n.op(np.concatenate(rows, -2))[..., :size, k * size :]

    def _power(self, n: Any, known: ChainMap[Any, Any]) -> Iterator[Any]:
        """Of x**a for a constant a: from products, or from x z' = a x' z."""
        _, x, a = n._operands(self.graph)
        if not isinstance(a, Variable) and np.ndim(a) == 0 and a and a == np.rint(a) and abs(a) <= _LARGEST_POWER:
            y = _integer_power(n._operands(True)[1], int(a))
            program = self.program(self._between([y._node])[0], ChainMap())  # in step with n, not one behind
            for k in itertools.count(1):
                self.advance(program)
                yield self._number(k, y._node)
        if not np.all(_array(x)):
            yield from self._derived(n, known)
        zs = [n.op(x, a)]
        for k in itertools.count(1):
            terms = []
            for j in range(1, k + 1):
                c = self._number(j, n.p)
                if c is not None and zs[k - j] is not None:
                    terms.append((a * j - (k - j)) * c * zs[k - j])
            total = _sum(terms)
            zs.append(None if total is None else total / (k * x))
            yield zs[-1]

    # ---- helpers ------------------------------------------------------------------------------------------------

    def _number(self, k: int, n: Any) -> Any:
        return self.series[n][k]  # type: ignore[index]

    def _between(self, roots: Sequence[Any]) -> tuple[list[Any], set[Any]]:
        """What roots were computed from, back to nodes with a series: the new nodes in order, and those met."""
        met: set[Any] = set()
        order: list[Any] = []
        seen: set[Any] = {None}

        def see(n: Any) -> None:
            if n not in seen:
                seen.add(n)
                if self.varies(n):
                    met.add(n)
                elif n not in self.series and n.serial >= self.since:
                    order.append(n)

        for r in roots:
            see(r)
        for n in order:  # grows while it is walked
            for p in n.parents:
                see(p)
        return sorted(order, key=operator.attrgetter("serial")), met


def _is_operation(n: Any) -> bool:
    return isinstance(n, Operation) and not isinstance(n, Several)


def _push_at(n: Operation, i: int, t: Any, operands: Sequence[Any]) -> Any:
    """What the push-forward makes of the tangent t of operand i alone."""
    t = n.pushes[i](t, *operands, *n.args, **n.kwargs)
    return t if n.shapes is None else spread(t, n.shapes[-1])


def _push(n: Any, tangents: dict[Any, Any], graph: bool) -> Any:
    """What the push-forward makes of the tangents of the parents."""
    if isinstance(n, Call):
        forward._push_call(n, tangents, graph)
    else:
        n.push(tangents, graph)
    return tangents.get(n)


def _is_itself(n: Operation, i: int, t: Variable, pushed: Any) -> bool:
    """Whether the push-forward of operand i is the operation itself with t in its place (or in the other place)."""
    m = getattr(pushed, "_node", None)
    if not isinstance(m, Operation) or m.op is not n.op:
        return False
    expected = [t._node if j == i else p for j, p in enumerate(n.parents)]
    return sorted(map(id, m.parents)) == sorted(map(id, expected))


def _integer_power(x: Any, a: int) -> Any:
    """x**a by products."""
    if a < 0:
        return 1 / _integer_power(x, -a)
    y = None
    while True:
        if a & 1:
            y = x if y is None else y * x
        a >>= 1
        if not a:
            return y
        x = x * x


def _sum(terms: Sequence[Any]) -> Any:
    return functools.reduce(operator.add, terms) if terms else None
