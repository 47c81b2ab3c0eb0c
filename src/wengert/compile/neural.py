"""Calls of Wengert's own functions for which there are kernels: convolutions and max pooling."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import convolution, pooling
from .convolution_plan import Plan, plan_forward, plan_to_input
from .picks import inner
from .program import Node, Place, filled
from .steps import Emitted, Step


class Kernels(NamedTuple):
    """What a call is in native code: what writes it, of what, in which type, and with which of its options."""

    write: Callable[..., Emitted]
    plan: Plan
    kind: str
    options: tuple[str, ...] = ()

    def emitted(self, name: str, machine: Any) -> Emitted:
        """The kernels. They write "result"."""
        return self.write(name, self.plan, np.dtype(self.kind), machine, **dict.fromkeys(self.options, True))

    @property
    def work(self) -> int:
        """About how many multiplications."""
        plan = self.plan
        return math.prod((plan.batch, plan.groups, plan.inputs, plan.outputs, *plan.places, *plan.kernel))

    @property
    def sums(self) -> bool:
        """Whether the result is a sum, which may be followed by a positive part."""
        return self.write is convolution.emit_sum


class Part(NamedTuple):
    """One of the steps of kernels."""

    kernels: Kernels
    number: int

    def step(self, machine: Any) -> Step:
        """It itself."""
        return emitted(self.kernels, machine).steps[self.number]


@functools.lru_cache(1024)
def emitted(kernels: Kernels, machine: Any) -> Emitted:
    """The kernels, written once."""
    return kernels.emitted("KERNEL", machine)


class Positive:
    """A function, and of its result the positive part."""

    def __init__(self, function: Any) -> None:
        self.function, self.__name__ = function, "positive part of " + getattr(function, "__name__", "call")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return np.maximum(self.function(*args, **kwargs), 0)


class Known(NamedTuple):
    """Kernels, and the node of each array that they read, by its name."""

    kernels: Kernels
    arrays: dict[str, Node]


def native(node: Node) -> Known | None:
    """How a `call` node is computed natively, if it is: arrays of one floating-point type, none of them empty."""
    call = node.attributes
    positive = isinstance(call.function, Positive)
    writer = _WRITERS.get(_name(call.function.function if positive else call.function))
    if writer is None or node.dtype.str[1:] not in ("f4", "f8") or not node.dtype.isnative:
        return None
    if any([x.dtype != node.dtype or not x.size or len(x.shape) > 5 for x in (*node.inputs, node)]):
        return None
    try:
        found: Known = writer(*filled(call.args, node.inputs), **filled(call.kwargs, node.inputs))
    except (TypeError, ValueError, AttributeError, IndexError):  # other arguments than are expected
        return None
    if not all([isinstance(x, Node) for x in found.arrays.values()]) or not math.prod(found.kernels.plan.places):
        return None
    if positive:
        found = found._replace(kernels=found.kernels._replace(options=(*found.kernels.options, "relu")))
    return found


def is_scattered(node: Node) -> bool:
    """Whether a node is what flows back through max pooling, of (what comes, the array, its maxima)."""
    if node.op != "call" or len(node.inputs) != 3 or len({x.dtype for x in (*node.inputs, node)}) > 1:
        return False
    call = node.attributes
    return _WRITERS.get(_name(call.function)) is _scattered and call.args[:3] == (Place(0), Place(1), Place(2))


def _name(function: Any) -> Any:
    function = inner(function)
    return getattr(function, "__module__", None), getattr(function, "__name__", None)


def _convolve(x: Node, w: Node, b: Node | None = None, *, geometry: Any) -> Known:
    plan, arrays = plan_forward(x.shape, w.shape, geometry), {"source": x, "weights": w}
    if b is None:
        return Known(Kernels(convolution.emit_sum, plan, x.dtype.str), arrays)
    return Known(Kernels(convolution.emit_sum, plan, x.dtype.str, ("bias",)), arrays | {"bias": b})


def _transposed(g: Node, w: Node, *, places: Any, geometry: Any) -> Known:
    plan = plan_to_input(g.shape, w.shape, places, geometry)
    return Known(Kernels(convolution.emit_sum, plan, g.dtype.str), {"source": g, "weights": w})


def _kernel(x: Node, g: Node, *, kernel: Any, geometry: Any) -> Known:
    plan = plan_forward(x.shape, (g.shape[1], x.shape[1] // geometry.groups, *kernel), geometry)
    return Known(Kernels(convolution.emit_to_kernel, plan, x.dtype.str), {"source": x, "gradient": g})


def _largest(x: Node, kernel: Any, geometry: Any) -> Known:
    plan = pooling.plan_pool(x.shape, kernel, geometry)
    return Known(Kernels(pooling.emit_max_pool, plan, x.dtype.str), {"source": x})


def _scattered(g: Node, x: Node, z: Node, kernel: Any, geometry: Any) -> Known:
    plan = pooling.plan_pool(x.shape, kernel, geometry)
    return Known(Kernels(pooling.emit_max_pool_back, plan, x.dtype.str), {"source": x, "gradient": g})


# by module and name: these modules are not loaded before somebody uses them
_WRITERS: dict[Any, Callable[..., Known]] = {
    ("wengert.nn.convolve", "convolve"): _convolve,
    ("wengert.nn.convolve", "convolve_transposed"): _transposed,
    ("wengert.nn.convolve", "convolve_kernel"): _kernel,
    ("wengert.nn.pooling", "_largest"): _largest,
    ("wengert.nn.pooling", "_scattered"): _scattered,
}
