"""Models of the usual kinds for images and for characters: what `wengert train` trains, and to begin with.

Images are (batch, channels, height, width); the results are scores of the classes. `rng` is a Generator or a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn
from ..nn import init
from ..recording import no_grad
from ..variable import data_of


def mlp(features: int, classes: int, hidden: Sequence[int] = (64,), dropout: float = 0.0, rng: Any = None) -> Any:
    """Linear layers with relu between them, on all numbers of an example.

    Example:
        >>> net = wg.train.models.mlp(64, 10, hidden=[32], rng=0)
        >>> net(np.zeros((5, 1, 8, 8), np.float32)).shape
        (5, 10)
    """
    rng = init.generator(rng)
    layers: list[Any] = [nn.Flatten()]
    for n in hidden:
        layers += [nn.Linear(features, n, rng=rng), nn.relu]
        layers += [nn.Dropout(dropout, rng=rng)] if dropout else []
        features = n
    return nn.Sequential(*layers, nn.Linear(features, classes, rng=rng))


def cnn(
    shape: Sequence[int],
    classes: int,
    channels: Sequence[int] = (16, 32),
    hidden: int = 128,
    dropout: float = 0.25,
    rng: Any = None,
) -> Any:
    """Convolutions of 3x3, each with batch normalisation, relu and pooling by 2; then two linear layers.

    Args:
        shape: of an image: (channels, height, width).

    Example:
        >>> net = wg.train.models.cnn((1, 8, 8), 10, rng=0)
        >>> net(np.zeros((5, 1, 8, 8), np.float32)).shape
        (5, 10)
    """
    rng = init.generator(rng)
    before, height, width = shape
    layers: list[Any] = []
    for n in channels:
        layers += [nn.Conv2d(before, n, 3, padding=1, bias=False, rng=rng), nn.BatchNorm(n), nn.relu, nn.MaxPool(2)]
        before, height, width = n, height // 2, width // 2
    layers += [nn.Flatten(), nn.Linear(before * height * width, hidden, rng=rng), nn.relu, nn.Dropout(dropout, rng=rng)]
    return nn.Sequential(*layers, nn.Linear(hidden, classes, rng=rng))


def resnet(shape: Sequence[int], classes: int, channels: Sequence[int] = (16, 32, 64), rng: Any = None) -> Any:
    """Residual blocks (He et al., CVPR 2016), one for each number of channels; each but the first halves the image.

    Args:
        shape: of an image: (channels, height, width).
    """
    rng = init.generator(rng)
    before = channels[0]
    layers: list[Any] = [*_convolved(shape[0], before, 3, 1, rng), nn.relu]
    for i, n in enumerate(channels):
        stride = 2 if i else 1
        body = nn.Sequential(*_convolved(before, n, 3, stride, rng), nn.relu, *_convolved(n, n, 3, 1, rng))
        same = before == n and stride == 1
        layers += [nn.Residual(body, None if same else nn.Sequential(*_convolved(before, n, 1, stride, rng))), nn.relu]
        before = n
    return nn.Sequential(*layers, nn.AdaptiveAvgPool(1), nn.Flatten(), nn.Linear(before, classes, rng=rng))


def _convolved(before: int, after: int, kernel: int, stride: int, rng: Any) -> list[Any]:
    conv = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False, rng=rng)
    return [conv, nn.BatchNorm(after)]


class RowLSTM(nn.Module):
    """An LSTM that reads an image of one channel row by row; its last output is classified."""

    def __init__(self, width: int, classes: int, hidden: int = 128, rng: Any = None) -> None:
        rng = init.generator(rng)
        self.lstm = nn.LSTM(width, hidden, rng=rng)
        self.head = nn.Linear(hidden, classes, rng=rng)

    def forward(self, x: Any) -> Any:
        return self.head(self.lstm(x[:, 0])[0][:, -1])


class RowTransformer(nn.Module):
    """A transformer whose tokens are the rows of an image of one channel; the mean of its outputs is classified."""

    def __init__(
        self, width: int, classes: int, features: int = 64, heads: int = 4, layers: int = 2, rng: Any = None
    ) -> None:
        rng = init.generator(rng)
        self.embedding = nn.Linear(width, features, rng=rng)
        self.encoder = nn.TransformerEncoder(layers, features, heads, rotary=True, rng=rng)
        self.head = nn.Linear(features, classes, rng=rng)

    def forward(self, x: Any) -> Any:
        return self.head(np.mean(self.encoder(self.embedding(x[:, 0])), 1))


class CharacterLSTM(nn.Module):
    """Scores of the next character at each place, from (batch, length) character numbers.

    Example:
        >>> model = wg.train.models.CharacterLSTM(50, hidden=16, rng=0)
        >>> model(np.zeros((2, 7), int)).shape
        (2, 7, 50)
    """

    def __init__(self, alphabet: int, features: int = 64, hidden: int = 256, layers: int = 1, rng: Any = None) -> None:
        rng = init.generator(rng)
        self.embedding = nn.Embedding(alphabet, features, rng=rng)
        self.lstm = nn.LSTM(features, hidden, layers, rng=rng)
        self.head = nn.Linear(hidden, alphabet, rng=rng)

    def forward(self, codes: Any) -> Any:
        return self.head(self.lstm(self.embedding(codes))[0])


class CharacterTransformer(nn.Module):
    """The same by a causal transformer of the GPT kind, with rotary positions."""

    def __init__(self, alphabet: int, features: int = 128, heads: int = 4, layers: int = 4, rng: Any = None) -> None:
        rng = init.generator(rng)
        self.embedding = nn.Embedding(alphabet, features, rng=rng)
        self.encoder = nn.TransformerEncoder(layers, features, heads, rotary=True, rng=rng)
        self.head = nn.Linear(features, alphabet, rng=rng)

    def forward(self, codes: Any) -> Any:
        return self.head(self.encoder(self.embedding(codes), causal=True))


def continued(model: Any, codes: Any, count: int, context: int, temperature: float = 1.0, rng: Any = None) -> Any:
    """Character numbers with `count` more, each drawn by the model's scores from up to `context` before it.

    Args:
        temperature: below 1 for what is likely, above 1 for what is not.

    Cost: `count` calls of the model, which should be in eval mode.
    """
    rng, codes = init.generator(rng), np.asarray(codes)
    with no_grad():
        for _ in range(count):
            scores = data_of(model(codes[None, -context:]))[0, -1]
            drawn = np.argmax(scores / temperature + rng.gumbel(size=scores.shape))  # the Gumbel trick: by softmax
            codes = np.append(codes, drawn)
    return codes
