"""What `Module.summary` shows: one run under a Recorder, which counts the operations of each module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..recording import Recorder, recorded
from ..variable import Variable, data_of
from .module import Module


@dataclass
class Layer:
    """One call of a module: where it is, what it gave and what it cost, with all that it called."""

    name: str
    kind: str
    depth: int
    output: Any = None
    parameters: int = 0
    flops: int = 0


@dataclass
class Summary:
    """One row for each call of a module, in order; the first is the whole. `str` is a table."""

    layers: list[Layer] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """The number of parameters' elements in all."""
        return self.layers[0].parameters

    @property
    def flops(self) -> int:
        """Floating-point operations in all; a multiplication and an addition are two."""
        return self.layers[0].flops

    def __str__(self) -> str:
        rows = [("layer", "output", "parameters", "FLOPs")]
        for r in self.layers:
            label = f"{r.name} {r.kind}" if r.name else r.kind
            rows.append(("  " * r.depth + label, str(r.output), f"{r.parameters:,}", f"{r.flops:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        )

    __repr__ = __str__


class Counter(Recorder):
    """Sees modules and operations, and charges each operation to the modules that are running."""

    def __init__(self, root: Module) -> None:
        self.names = {id(m): name for name, m in root.named_modules()}
        self.summary = Summary()
        self.running: list[Layer] = []

    def module(self, module: Module, args: Any, kwargs: Any) -> Any:
        """A call of a module."""
        name = self.names.get(id(module), "").rpartition(".")[2]
        row = Layer(name, type(module).__name__, len(self.running))
        self.summary.layers.append(row)
        self.running.append(row)
        y = module.forward(*args, **kwargs)
        self.running.pop()
        row.output, row.parameters = _shapes(y), module.size  # now lazy layers know theirs
        return y

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        y = self.run(op, args, kwargs)
        for row in self.running:
            row.flops += _flops(op.__name__, args, kwargs, y)
        return y


def _shapes(y: Any) -> Any:
    if isinstance(y, (tuple, list)):
        return tuple([_shapes(item) for item in y])
    return np.shape(data_of(y)) if isinstance(y, Variable) or hasattr(y, "shape") else None


def _size(x: Any) -> int:
    return int(np.size(data_of(x))) if isinstance(x, Variable) or hasattr(x, "dtype") else 1


MOVES = {
    "reshape", "transpose", "swapaxes", "moveaxis", "expand_dims", "squeeze", "ravel", "broadcast_to", "getitem", "put",
    "setitem", "concatenate", "copy", "astype", "pad", "where", "embedding", "argument", "split", "flip", "roll",
}  # fmt: skip
EACH = {
    "softmax": 5,
    "log_softmax": 5,
    "cross_entropy": 5,
    "standardise": 8,
    "layer_norm": 10,
    "rms_normalise": 4,
}  # for each input


def _flops(name: str, args: Sequence[Any], kwargs: Any, y: Any) -> int:
    """Floating-point operations of one call: exact for products, one for each element of anything elementwise."""
    if name in MOVES:
        return 0
    out = sum(map(_size, y)) if isinstance(y, tuple) else _size(y)
    if name in ("matmul", "dot"):
        return 2 * out * (np.shape(data_of(args[0])) or (1,))[-1]
    if name in ("linear", "linear_unbiased"):
        return out * (2 * np.shape(data_of(args[0]))[-1] + (name == "linear"))
    if name in ("convolution", "convolution_biased"):
        return out * (2 * int(np.prod(np.shape(data_of(args[1]))[1:])) + (name == "convolution_biased"))
    if name in ("sweep", "self_attention"):
        return int(kwargs["call"].flops(*[np.shape(data_of(a)) for a in args]))
    if name == "convolution_transposed":  # each input meets each weight of its group
        return 2 * _size(args[0]) * int(np.prod(np.shape(data_of(args[1]))[1:]))
    if name in ("tensordot", "einsum"):
        return 2 * int(np.sqrt(out * float(np.prod([_size(a) for a in args]))))
    if name in EACH:
        return EACH[name] * _size(args[0])
    return max([out, *[_size(a) for a in args]])


def summarise(module: Module, input_shapes: Sequence[Any], dtype: Any) -> Summary:
    """Run a module on inputs of these shapes, and tell what each part made of them."""
    dtype = np.dtype(dtype)
    inputs = []
    for shape in input_shapes:
        x = shape if hasattr(shape, "dtype") else np.zeros(shape, dtype)
        inputs.append(Variable(x) if x.dtype.kind == "f" else x)  # what is tracked is seen
    modes = [(m, m.training) for m in module.modules()]
    try:
        with recorded(), (counter := Counter(module)):
            module.eval()
            module(*inputs)
    finally:
        for m, training in modes:
            m.training = training
    return counter.summary
