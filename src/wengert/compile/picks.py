"""Calls that are in native code after all: one element of each row taken or set, `x[rows, labels]`; `np.max`; signed
integers looked at as unsigned; the way back through sums of windows.

One element of each row is that where the column's number is the label, which is a comparison that fuses with what made
the matrix and what comes after. The labels have to be within the columns: a run with others is void, and NumPy says
what is wrong with them.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .code import kind
from .program import Call, Check, Method, Node, Place, Program, value_of

_PAIR = (Place(1), Place(2))
_EXTREMA = {np.max: ("maximum", -np.inf), np.min: ("minimum", np.inf)}


def inner(function: Any) -> Any:
    """The function that a recording has wrapped to look at its results."""
    return getattr(function, "function", function)


def rewritten(new: Program, node: Node, inputs: tuple[Node, ...]) -> Node | None:
    """The value of a call in other operations; None where there are none."""
    call = node.attributes
    function = inner(call.function)
    if function is operator.getitem and call.args == (Place(0), _PAIR) and not call.kwargs:
        return _taken(new, node, *inputs) if len(inputs) == 3 else None
    if function is operator.setitem and call.args == (Place(0), _PAIR, Place(3)) and not call.kwargs:
        return _set(new, node, *inputs) if len(inputs) == 4 else None
    if function in (np.max, np.min) and call.args == (Place(0),) and len(inputs) == 1:
        return _extremum(new, node, inputs[0], function, dict(call.kwargs))
    if getattr(function, "__name__", None) == "_strewn" and function.__module__ == "wengert.nn.pooling":
        return _strewn(new, node, *inputs, *call.args[1:]) if call.args[0] == Place(0) and len(inputs) == 1 else None
    if isinstance(function, Method) and function.__name__ == "view" and len(call.args) == 2 and len(inputs) == 1:
        integers = node.dtype.kind in "iu" and inputs[0].dtype.kind in "iu"
        if integers and node.dtype.itemsize == inputs[0].dtype.itemsize:
            return new.add("cast", inputs, None, node.shape, node.dtype)  # the same bits
    return None


def _extremum(new: Program, node: Node, x: Node, function: Any, kwargs: dict[str, Any]) -> Node | None:
    name, least = _EXTREMA[function]
    axis, keepdims, initial = kwargs.pop("axis", None), kwargs.pop("keepdims", False), kwargs.pop("initial", least)
    if kwargs or type(axis) is not int or type(keepdims) is not bool or not isinstance(initial, float):
        return None
    if initial != least or x.dtype.kind != "f" or x.dtype != node.dtype or not x.size:
        return None
    axis %= len(x.shape)
    kept = tuple([n for a, n in enumerate(x.shape) if a != axis])
    z = new.add("reduce", (x,), (name, (axis,)), kept, x.dtype)
    return z if z.shape == node.shape else new.add("reshape", (z,), None, node.shape, x.dtype)


def _strewn(new: Program, node: Node, g: Node, kernel: Any, geometry: Any, places: Any) -> Node | None:
    """What flows back through sums of windows: the transpose of a convolution with ones, in each channel."""
    from ..nn.convolve import convolve_transposed

    if g.dtype != node.dtype or kind(g.dtype) not in ("f4", "f8") or not g.size or not node.size:
        return None
    planes = g.shape[0] * g.shape[1]
    x = new.add("reshape", (g,), None, (planes, 1, *g.shape[2:]), g.dtype)
    ones = new.constant(np.ones((1, 1, *kernel), g.dtype))
    call = Call(convolve_transposed, (Place(0), Place(1)), {"places": tuple(places), "geometry": geometry})
    z = new.add("call", (x, ones), call, (planes, 1, *node.shape[2:]), g.dtype)
    return new.add("reshape", (z,), None, node.shape, g.dtype)


def _chosen(new: Program, x: Node, rows: Node, labels: Node) -> Node | None:
    """Where in the matrix the labels point, if they are one for each row."""
    if len(x.shape) != 2 or x.dtype.kind != "f" or kind(x.dtype) not in ("f4", "f8") or not x.size:
        return None
    n, columns = x.shape
    if rows.op != "constant" or rows.shape != (n,) or labels.shape != (n,) or kind(labels.dtype) not in ("i4", "i8"):
        return None
    if not np.array_equal(value_of(rows), np.arange(n)):
        return None
    t = labels.dtype

    def ufunc(name: str, a: Node, b: Node, dtype: Any = bool) -> Node:
        return new.add("ufunc", (a, b), name, np.broadcast_shapes(a.shape, b.shape), dtype)

    zero, end = new.constant(t.type(0)), new.constant(t.type(columns))
    counted = ufunc("add", labels, end, t)  # from the end
    at = new.add("where", (ufunc("less", labels, zero), counted, labels), None, (n,), t)
    inside = ufunc("bitwise_and", ufunc("greater_equal", at, zero), ufunc("less", at, end))
    new.checks.append(Check(new.add("reduce", (inside,), ("logical_and", (0,)), (), bool), np.True_))
    column = new.add("reshape", (at,), None, (n, 1), t)
    return ufunc("equal", column, new.constant(np.arange(columns, dtype=t)))


def _taken(new: Program, node: Node, x: Node, rows: Node, labels: Node) -> Node | None:
    """The greatest of a row in which all but one are -inf: that one in every bit, whatever it is."""
    if node.shape != x.shape[:1] or node.dtype != x.dtype:
        return None
    chosen = _chosen(new, x, rows, labels)
    if chosen is None:
        return None
    least = new.constant(x.dtype.type(-np.inf))
    z = new.add("where", (chosen, x, least), None, x.shape, x.dtype)
    return new.add("reduce", (z,), ("maximum", (1,)), node.shape, x.dtype)


def _set(new: Program, node: Node, x: Node, rows: Node, labels: Node, value: Node) -> Node | None:
    if node.shape != x.shape or value.dtype != x.dtype or value.shape not in ((), x.shape[:1]):
        return None
    chosen = _chosen(new, x, rows, labels)
    if chosen is None:
        return None
    if value.shape:
        value = new.add("reshape", (value,), None, (x.shape[0], 1), x.dtype)
    return new.add("where", (chosen, value, x), None, x.shape, x.dtype)
