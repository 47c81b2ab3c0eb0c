"""What `training` times: five networks, each written once for `wg.nn` and once for `torch.nn`, with the same names.

A call is one whole step: forward, the cross-entropy, backward, the optimiser. Before the clock starts, weights are
copied from one library to the other and batches are made; both go through the same few batches in turn.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

from .harness import PYTORCH, Call, Workload

COMPILED = "wengert compiled"
FUSED = "PyTorch, fused step"
BATCHES = 4
RATE = 1e-3


def _torch() -> Any:
    return importlib.import_module("torch")


class Namespace:
    """What the two libraries name differently: modules for `wg.nn`, so that a network is written once."""

    def __init__(self, **names: Any) -> None:
        self.__dict__.update(names)


def _of_wengert(rng: np.random.Generator) -> Namespace:
    nn = wg.nn

    def blocks(count: int, width: int, heads: int) -> Any:
        gelu = functools.partial(nn.gelu, approximate=True)
        encoder = nn.TransformerEncoder(count, width, heads, activation=gelu, rng=rng)
        return encoder, lambda x: encoder(x, causal=True)

    return Namespace(
        Module=nn.Module,
        linear=lambda n, m: nn.Linear(n, m, rng=rng),
        embedding=lambda n, m: nn.Embedding(n, m, rng=rng),
        convolution=lambda n, m: nn.Conv2d(n, m, 3, padding="same", rng=rng),
        max_pool=lambda x: nn.max_pool(x, 2),
        lstm=lambda n, m: nn.LSTM(n, m, rng=rng),
        blocks=blocks,
        relu=nn.relu,
        cross_entropy=lambda x, labels: nn.cross_entropy(x.reshape(-1, x.shape[-1]), labels.reshape(-1)),
    )


def _of_torch() -> Namespace:
    torch = _torch()
    nn, functions = torch.nn, torch.nn.functional

    def blocks(count: int, width: int, heads: int) -> Any:
        block = nn.TransformerEncoderLayer(
            width,
            heads,
            4 * width,
            0.0,
            lambda x: functions.gelu(x, approximate="tanh"),
            batch_first=True,
            norm_first=True,
        )
        encoder = nn.TransformerEncoder(block, count, nn.LayerNorm(width), enable_nested_tensor=False)
        mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)
        return encoder, lambda x: encoder(x, mask=mask, is_causal=True)

    return Namespace(
        Module=nn.Module,
        linear=nn.Linear,
        embedding=nn.Embedding,
        convolution=lambda n, m: nn.Conv2d(n, m, 3, padding="same"),
        max_pool=lambda x: functions.max_pool2d(x, 2),
        lstm=lambda n, m: nn.LSTM(n, m, batch_first=True),
        blocks=blocks,
        relu=torch.relu,
        cross_entropy=lambda x, labels: functions.cross_entropy(x.reshape(-1, x.shape[-1]), labels.reshape(-1)),
    )


# ---- networks: from a namespace, a module with what its forward does ------------------------------------------------

CLASSES, LETTERS, HIDDEN, STEPS, WIDTH, HEADS, CONTEXT = 10, 96, 128, 50, 128, 4, 128


def _mlp(xp: Namespace, *sizes: int) -> tuple[dict[str, Any], Callable[..., Any]]:
    layers = [xp.linear(n, m) for n, m in itertools.pairwise(sizes)]

    def forward(x: Any) -> Any:
        for layer in layers[:-1]:
            x = xp.relu(layer(x))
        return layers[-1](x)

    return {f"linear{i}": layer for i, layer in enumerate(layers)}, forward


def _cnn(xp: Namespace) -> tuple[dict[str, Any], Callable[..., Any]]:
    first, second, last = xp.convolution(1, 16), xp.convolution(16, 32), xp.linear(32 * 7 * 7, CLASSES)

    def forward(x: Any) -> Any:
        x = xp.max_pool(xp.relu(first(x)))
        x = xp.max_pool(xp.relu(second(x)))
        return last(x.reshape(x.shape[0], -1))

    return {"first": first, "second": second, "last": last}, forward


def _lstm(xp: Namespace) -> tuple[dict[str, Any], Callable[..., Any]]:
    letters, lstm, last = xp.embedding(LETTERS, HIDDEN), xp.lstm(HIDDEN, HIDDEN), xp.linear(HIDDEN, LETTERS)
    return {"letters": letters, "lstm": lstm, "last": last}, lambda x: last(lstm(letters(x))[0])


def _transformer(xp: Namespace) -> tuple[dict[str, Any], Callable[..., Any]]:
    letters, places = xp.embedding(LETTERS, WIDTH), xp.embedding(CONTEXT, WIDTH)
    blocks, through = xp.blocks(4, WIDTH, HEADS)
    last = xp.linear(WIDTH, LETTERS)
    parts = {"letters": letters, "places": places, "blocks": blocks, "last": last}
    return parts, lambda x, order: last(through(letters(x) + places(order)))


# ---- data -----------------------------------------------------------------------------------------------------------


def _vectors(rng: np.random.Generator, batch: int, *shape: int) -> list[np.ndarray]:
    return [rng.normal(size=(batch, *shape)).astype(np.float32), rng.integers(0, CLASSES, batch)]


def _text(rng: np.random.Generator, batch: int, length: int) -> list[np.ndarray]:
    """Letters and the next ones. Some follow others more often, so that there is something to learn."""
    letters = np.cumsum(rng.integers(0, 5, (batch, length + 1)), axis=1) % LETTERS
    return [letters[:, :-1], letters[:, 1:]]


def _text_with_places(rng: np.random.Generator, batch: int, length: int) -> list[np.ndarray]:
    x, y = _text(rng, batch, length)
    return [x, np.arange(length), y]


# ---- a step ---------------------------------------------------------------------------------------------------------


class Setting:
    """One workload: a network, its batches, and a step by either library from the same weights."""

    def __init__(
        self, network: Callable[..., Any], batches: Callable[[np.random.Generator], list[np.ndarray]], optimizer: str
    ) -> None:
        self.network, self.optimizer = network, optimizer
        rng = np.random.default_rng(0)
        self.batches = [batches(rng) for _ in range(BATCHES)]

    def _net(self) -> tuple[Any, Callable[..., Any], Namespace]:
        xp = _of_wengert(np.random.default_rng(1))
        parts, forward = self.network(xp)
        net = xp.Module()
        net.__dict__.update(parts)
        return net, forward, xp

    def with_wengert(self, wrap: Callable[[Any], Any] | None = None) -> Call:
        """`wg.nn` and `wg.optim`."""
        net, forward, xp = self._net()
        optimizer, turn = getattr(wg.optim, self.optimizer)(net.parameters(), lr=RATE), self._turns(self.batches)

        def step(labels: Any, *inputs: Any) -> Any:
            optimizer.zero_grad()
            loss = xp.cross_entropy(forward(*inputs), labels)
            loss.backward()
            optimizer.step()
            return loss.data

        run = wrap(step) if wrap else step

        def call() -> Any:
            *inputs, labels = turn()
            return [run(labels, *inputs)]

        return call

    def with_torch(self, **options: Any) -> Call:
        """PyTorch, eager, from the same weights."""
        torch, xp = _torch(), _of_torch()
        parts, forward = self.network(xp)
        net = xp.Module()
        for name, part in parts.items():
            net.add_module(name, part)
        net.load_state_dict({name: torch.tensor(a) for name, a in self._net()[0].state_dict().items()})
        optimizer = getattr(torch.optim, self.optimizer)(net.parameters(), lr=RATE, **options)
        turn = self._turns([[torch.tensor(a) for a in batch] for batch in self.batches])

        def call() -> Any:
            *inputs, labels = turn()
            optimizer.zero_grad()
            loss = xp.cross_entropy(forward(*inputs), labels)
            loss.backward()
            optimizer.step()
            return [loss.detach()]

        return call

    @staticmethod
    def _turns(batches: list[Any]) -> Callable[[], Any]:
        state = [0]

        def turn() -> Any:
            state[0] += 1
            return batches[state[0] % len(batches)]

        return turn


def _workload(name: str, network: Callable[..., Any], batches: Callable[..., Any]) -> Callable[[str], Workload]:
    def make(optimizer: str) -> Workload:
        setting = Setting(network, batches, optimizer)
        contenders = {
            "wengert": setting.with_wengert,
            COMPILED: lambda: setting.with_wengert(wg.compile),
            PYTORCH: setting.with_torch,
            FUSED: lambda: setting.with_torch(fused=True),
        }
        return Workload(name, contenders, reference="wengert", calls=3, rtol=1e-4)

    return make


NETWORKS: dict[str, Callable[[str], Workload]] = {
    "digits": _workload("MLP 64-64-10", lambda xp: _mlp(xp, 64, 64, CLASSES), lambda rng: _vectors(rng, 32, 64)),
    "mlp": _workload(
        "MLP 784-1024-1024-10",
        lambda xp: _mlp(xp, 784, 1024, 1024, CLASSES),
        lambda rng: _vectors(rng, 128, 784),
    ),
    "cnn": _workload("CNN 28x28", _cnn, lambda rng: _vectors(rng, 64, 1, 28, 28)),
    "lstm": _workload("LSTM 128, 50 steps", _lstm, lambda rng: _text(rng, 32, STEPS)),
    "transformer": _workload("transformer 128, 4", _transformer, lambda rng: _text_with_places(rng, 16, CONTEXT)),
}
