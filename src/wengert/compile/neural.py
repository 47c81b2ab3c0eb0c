"""Calls of Wengert's own functions for which there are kernels: convolutions and max pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..nn import convolve, pooling as plain
from . import convolution, pooling
from .convolution_plan import plan_forward, plan_to_input
from .program import Node, filled
from .steps import Emitted

Emit = Callable[[str], Emitted]


class Known(NamedTuple):
    """What writes the kernels, under a name; and the node of each array that they read. They write "result"."""

    emit: Emit
    arrays: dict[str, Node]


def native(node: Node, machine: Any) -> Known | None:
    """How a `call` node is computed natively, if it is: arrays of one floating-point type, none of them empty."""
    call = node.attributes
    function = getattr(call.function, "function", call.function)  # what a recording may have put around it
    writer = _WRITERS.get(function)
    if writer is None or node.dtype.str[1:] not in ("f4", "f8") or not node.dtype.isnative:
        return None
    if any([x.dtype != node.dtype or not x.size or len(x.shape) > 5 for x in (*node.inputs, node)]):
        return None
    try:
        emit, plan, arrays = writer(*filled(call.args, node.inputs), **filled(call.kwargs, node.inputs))
    except (TypeError, ValueError, AttributeError):  # other arguments than are expected
        return None
    if not all([isinstance(x, Node) for x in arrays.values()]) or not math.prod(plan.places):
        return None
    return Known(lambda name: emit(name, plan, node.dtype, machine), arrays)


def _convolve(x: Node, w: Node, *, geometry: Any) -> Any:
    return convolution.emit_sum, plan_forward(x.shape, w.shape, geometry), {"source": x, "weights": w}


def _transposed(g: Node, w: Node, *, places: Any, geometry: Any) -> Any:
    return convolution.emit_sum, plan_to_input(g.shape, w.shape, places, geometry), {"source": g, "weights": w}


def _kernel(x: Node, g: Node, *, kernel: Any, geometry: Any) -> Any:
    shape = (g.shape[1], x.shape[1] // geometry.groups, *kernel)
    return convolution.emit_to_kernel, plan_forward(x.shape, shape, geometry), {"source": x, "gradient": g}


def _largest(x: Node, kernel: Any, geometry: Any) -> Any:
    return pooling.emit_max_pool, pooling.plan_pool(x.shape, kernel, geometry), {"source": x}


def _scattered(g: Node, x: Node, kernel: Any, geometry: Any) -> Any:
    return pooling.emit_max_pool_back, pooling.plan_pool(x.shape, kernel, geometry), {"source": x, "gradient": g}


_WRITERS: dict[Any, Callable[..., Any]] = {
    convolve.convolve: _convolve,
    convolve.convolve_transposed: _transposed,
    convolve.convolve_kernel: _kernel,
    plain._largest: _largest,
    plain._scattered: _scattered,
}
