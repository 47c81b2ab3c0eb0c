"""Recurrent layers: RNN (Elman), GRU and LSTM, stacked and in one or both directions.

Sequences are (batch, length, features).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..variable import data_of
from . import init
from .affine import linear
from .layers import dropout
from .module import Module, Parameter
from .sweep import Elman, Gru, Lstm, ReluElman, Sweep


class _Recurrent(Module):
    _sweep: type[Sweep]

    def __init__(
        self,
        in_features: int,
        hidden: int,
        layers: int = 1,
        *,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        rng: Any = None,
        dtype: Any = np.float32,
    ) -> None:
        self.in_features, self.hidden, self.layers, self.bias = in_features, hidden, layers, bias
        self.bidirectional, self.p = bidirectional, dropout
        self.rng = rng = init.generator(rng)
        rows, bound = self._sweep.gates * hidden, max(hidden, 1) ** -0.5
        for layer, suffix in self._places():
            columns = in_features if layer == 0 else hidden * (1 + bidirectional)
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for name, shape in shapes.items():
                setattr(self, name + suffix, Parameter(init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)))

    def _places(self) -> list[tuple[int, str]]:
        """The layers, and what the names of their parameters end in, one for each direction."""
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [(layer, f"_l{layer}{end}") for layer in range(self.layers) for end in ends]

    @property
    def states(self) -> int:
        """How many arrays the state is made of."""
        return self._sweep.states

    def forward(self, x: Any, state: Any = None, *, mask: Any = None) -> Any:
        """`(outputs, state)`: outputs (batch, length, hidden), twice as many with both directions.

        Args:
            state: the first state, (layers * directions, batch, hidden), or a pair of these for the LSTM; zeros
                by default. The last state has the same form.
            mask: (batch, length), True for what belongs to the sequence. Elsewhere the state stays as it is and the
                output is 0, so that padding, before or behind, changes nothing.

        Raises:
            ValueError: shapes that don't fit.
        """
        shape = np.shape(data_of(x))
        if len(shape) != 3 or shape[2] != self.in_features:
            raise ValueError(f"{type(self).__name__}: x is (batch, length, {self.in_features}), got shape {shape}")
        if mask is not None:
            mask = np.asarray(data_of(mask)).astype(bool)
            if mask.shape != shape[:2]:
                raise ValueError(f"{type(self).__name__}: mask has shape {mask.shape}, expected {shape[:2]}")
        firsts = self._first_states(state, shape[0], x.dtype)
        lasts, outputs = [], []
        for i, (layer, suffix) in enumerate(self._places()):
            y, last = self._run(x, suffix, [s[i] for s in firsts], mask)
            lasts.append(last)
            outputs.append(y)
            if len(outputs) == 1 + self.bidirectional:
                x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, -1)
                outputs = []
                if self.p and self.training and layer < self.layers - 1:
                    x = dropout(x, self.p, rng=self.rng)
        stacked = tuple([np.stack([last[k] for last in lasts]) for k in range(self.states)])
        return x, stacked if self.states > 1 else stacked[0]

    def _first_states(self, state: Any, batch: int, dtype: Any) -> list[Any]:
        shape = self.layers * (1 + self.bidirectional), batch, self.hidden
        if state is None:
            return [np.zeros(shape, dtype)] * self.states
        given = [state] if self.states == 1 else list(state)
        if len(given) != self.states or any([np.shape(data_of(s)) != shape for s in given]):
            raise ValueError(
                f"{type(self).__name__}: the state has shape {shape}, got {[np.shape(data_of(s)) for s in given]}"
            )
        return given

    def _run(self, x: Any, suffix: str, state: list[Any], mask: Any) -> tuple[Any, Any]:
        """One layer in one direction."""
        w, u = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
        b = getattr(self, "bias_ih" + suffix) if self.bias else None
        c = getattr(self, "bias_hh" + suffix) if self.bias else np.zeros(len(u), u.dtype)
        if self.bias and not self._sweep.apart:
            b, c = None, b + c
        gates = linear(x, w, b)  # of all steps at once
        if not gates.shape[1]:
            return np.zeros((*gates.shape[:2], self.hidden), gates.dtype), tuple(state)
        backwards = suffix.endswith("reverse")
        states = self._sweep(mask, backwards)(gates, u, c, *state)
        y = states[0] if mask is None else np.where(mask[..., None], states[0], 0)
        return y, tuple([s[:, 0 if backwards else -1] for s in states])


class RNN(_Recurrent):
    """h = tanh(W x + b + U h + c) at each step (Elman, 1990).

    Args:
        in_features: of the sequence.
        hidden: of the state and the outputs, for each direction.
        layers: how many, each on the outputs of the one before.
        bias: whether there are any.
        bidirectional: whether a second run goes backwards; its outputs are appended.
        dropout: between layers, in training, with numbers from `rng`.
        relu: relu in place of tanh.

    Parameters of layer k: `weight_ih_lk`, `weight_hh_lk`, `bias_ih_lk`, `bias_hh_lk`, and with `_reverse`.
    """

    _sweep = Elman

    def __init__(self, in_features: int, hidden: int, layers: int = 1, *, relu: bool = False, **options: Any) -> None:
        super().__init__(in_features, hidden, layers, **options)
        if relu:
            self._sweep = ReluElman


class GRU(_Recurrent):
    """The gated recurrent unit (Cho et al., EMNLP 2014), with the reset gate behind the product, as in cuDNN.

    Arguments and parameters as those of `RNN`; the gates are in the order reset, update, new.
    """

    _sweep = Gru


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; with a forget gate, Gers et al., 2000).

    Arguments and parameters as those of `RNN`; the gates are in the order input, forget, cell, output. The state is a
    pair of h and c.

    Example:
        >>> layer = wg.nn.LSTM(3, 4, layers=2, bidirectional=True, rng=np.random.default_rng(0))
        >>> y, (h, c) = layer(np.zeros((5, 7, 3), np.float32))
        >>> y.shape, h.shape, c.shape
        ((5, 7, 8), (4, 5, 4), (4, 5, 4))
    """

    _sweep = Lstm
