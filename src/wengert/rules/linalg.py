"""Derivatives of products of matrices and tensors."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..batching.array import any_array
from ..declare import general, implements, product
from ..operation import spread, unbroadcast
from .indexing import put
from .reductions import computed_in

# ---- matmul: the engine undoes the broadcasting of the batch axes -------------------------------------------


def _matmul_x(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        return g[..., None] * y
    if x.ndim == 1:
        return (y @ g[..., None])[..., 0]
    return g @ (y.T if y.ndim == 2 else np.swapaxes(y, -1, -2))


def _matmul_y(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return g * x if y.ndim == 1 else x[:, None] * g[..., None, :]
    if y.ndim == 1:
        return (np.swapaxes(x, -1, -2) @ g[..., None])[..., 0]
    return (x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)) @ g


matmul = product(np.matmul, _matmul_x, _matmul_y, lambda t, _z, _x, y: t @ y, lambda t, _z, x, _y: x @ t)

# ---- dot and tensordot --------------------------------------------------------------------------------------


def _tensordot_x(g: Any, _z: Any, x: Any, y: Any, *, axes: Any) -> Any:
    (ax, ay) = axes
    free_y = [i for i in range(y.ndim) if i not in ay]
    t = np.tensordot(g, y, (range(g.ndim - len(free_y), g.ndim), free_y))  # free x axes, then y's contracted in order
    order = [i for i in range(x.ndim) if i not in ax] + [ax[ay.index(i)] for i in sorted(ay)]
    return np.transpose(t, np.argsort(order))


def _tensordot_y(g: Any, _z: Any, x: Any, y: Any, *, axes: Any) -> Any:
    (ax, ay) = axes
    free_x = [i for i in range(x.ndim) if i not in ax]
    t = np.tensordot(x, g, (free_x, range(len(free_x))))  # x's contracted in order, then free y axes
    order = [ay[ax.index(i)] for i in sorted(ax)] + [i for i in range(y.ndim) if i not in ay]
    return np.transpose(t, np.argsort(order))


_tensordot = general(
    "tensordot",
    lambda x, y, *, axes: np.tensordot(x, y, axes),
    (_tensordot_x, _tensordot_y),
    (
        lambda t, _z, _x, y, *, axes: np.tensordot(t, y, axes),
        lambda t, _z, x, _y, *, axes: np.tensordot(x, t, axes),
    ),
)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """`numpy.tensordot` for arrays and Variables. Differentiable."""
    na, nb = np.ndim(a), np.ndim(b)
    try:
        ax, ay = axes
    except TypeError:
        ax, ay = range(na - axes, na), range(axes)
    ax = [ax] if isinstance(ax, (int, np.integer)) else list(ax)
    ay = [ay] if isinstance(ay, (int, np.integer)) else list(ay)
    return _tensordot(a, b, axes=([int(i) % na for i in ax], [int(i) % nb for i in ay]))


def _dot_x(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if x.ndim == 0 or y.ndim == 0:
        return g * y
    if y.ndim <= 2:
        return _matmul_x(g, None, x, y)
    axis = y.ndim - 2
    return _tensordot_x(g, None, x, y, axes=([x.ndim - 1], [axis]))


def _dot_y(g: Any, _z: Any, x: Any, y: Any) -> Any:
    if x.ndim == 0 or y.ndim == 0:
        return g * x
    return _tensordot_y(g, None, x, y, axes=([x.ndim - 1], [max(y.ndim - 2, 0)]))


dot = product(np.dot, _dot_x, _dot_y, lambda t, _z, _x, y: np.dot(t, y), lambda t, _z, x, _y: np.dot(x, t))

# ---- einsum -------------------------------------------------------------------------------------------------


def _computed_in(xs: Any, dtype: Any = None, **_: Any) -> list[Any]:
    """The operands as einsum with `dtype=` computes with them."""
    return [x if type(x) in (int, float, complex) else computed_in(x, dtype) for x in xs]


def _einsum_pull(i: int, g: Any, _z: Any, xs: Any, *, terms: Any, output: str, options: Any, **_: Any) -> Any:
    xs = _computed_in(xs, **options)
    x, term = xs[i], terms[i]
    others = [(t, y) for k, (t, y) in enumerate(zip(terms, xs, strict=True)) if k != i]
    letters = "".join(dict.fromkeys(term))
    size = dict(zip(term, x.shape, strict=True))
    present = "".join([c for c in letters if c in output or any([c in t for t, _ in others])])
    t = np.einsum(",".join([output] + [t for t, _ in others]) + "->" + present, g, *[y for _, y in others])
    t = unbroadcast(t, tuple([size[c] if size[c] == 1 else n for c, n in zip(present, t.shape, strict=True)]))
    t = t.reshape([t.shape[present.index(c)] if c in present else 1 for c in letters])  # summed alone: the same for all
    t = spread(t, tuple([size[c] for c in letters]))
    if letters == term:
        return t
    places = np.ogrid[tuple([slice(size[c]) for c in letters])]  # a repeated letter is a diagonal
    return put(t, x.shape, tuple([places[letters.index(c)] for c in term]))


def _einsum_push(i: int, t: Any, _z: Any, xs: Any, *, terms: Any, output: str, options: Any, **_: Any) -> Any:
    xs = _computed_in([*xs[:i], t, *xs[i + 1 :]], **options)
    return np.einsum(",".join(terms) + "->" + output, *xs)


_einsum = general(
    "einsum",
    lambda *xs, terms, output, call, options: any_array(call(*xs, **options)),
    _einsum_pull,
    _einsum_push,
    reads=(False, True),
)


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, **options: Any) -> Any:
    """`numpy.einsum` for arrays and Variables, in all its forms. Differentiable."""
    if out is not None:
        raise TypeError("einsum: out= would write a tracked result into a plain array; leave it out")
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0].replace(" ", ""), operands[1:]

        def call(*xs: Any, **options: Any) -> Any:
            return np.einsum(subscripts, *xs, **options)

    else:
        arrays, lists = operands[0 : len(operands) // 2 * 2 : 2], operands[1::2]
        if len(operands) % 2:
            target = [operands[-1]]
            subscripts = ",".join(map(_letters, lists)) + "->" + _letters(target[0])
        else:
            target = []
            subscripts = ",".join(map(_letters, lists))

        def call(*xs: Any, **options: Any) -> Any:
            return np.einsum(*[part for pair in zip(xs, lists, strict=True) for part in pair], *target, **options)

    terms, output = _explicit(subscripts, [np.ndim(x) for x in arrays])
    y = _einsum(*arrays, terms=terms, output=output, call=call, options=options)
    if options.get("dtype") is not None and y.dtype.kind == "c" and np.dtype(options["dtype"]).kind != "c":
        del options["dtype"]  # NumPy overlooks it where the result is a view
        y = _einsum(*arrays, terms=terms, output=output, call=call, options=options)
    return y


def _letters(places: Any) -> str:
    return "".join(["..." if p is Ellipsis else string.ascii_letters[int(p)] for p in places])


def _explicit(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The operands' letters and the result's, with every ellipsis spelt out."""
    left, arrow, output = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {len(terms)} terms in {subscripts!r} for {len(ndims)} operands")
    free = [c for c in string.ascii_letters if c not in subscripts]
    hidden = [n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True)]
    longest = free[: max([n for t, n in zip(terms, hidden, strict=True) if "..." in t], default=0)]
    terms = [t.replace("...", "".join(longest[len(longest) - n :])) for t, n in zip(terms, hidden, strict=True)]
    if not arrow:
        letters = "".join(terms)
        once = [c for c in sorted(set(letters)) if letters.count(c) == 1 and c not in longest]
        return terms, "".join(longest + once)
    return terms, output.replace("...", "".join(longest))
