"""A network for handwritten digits in plain NumPy: only the weights are Variables."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg


def start(rng: np.random.Generator) -> list[wg.Variable]:
    w1, w2 = rng.normal(0, 1 / 8, (64, 32)), rng.normal(0, 1 / 6, (32, 10))
    return [wg.Variable(w) for w in (w1, np.zeros(32), w2, np.zeros(10))]


def scores(weights: list[wg.Variable], images: Any) -> Any:
    w1, b1, w2, b2 = weights
    return np.tanh(images @ w1 + b1) @ w2 + b2


def loss(weights: list[wg.Variable], images: Any, labels: Any) -> Any:
    s = scores(weights, images)
    s = s - np.max(s, axis=1, keepdims=True)
    log_p = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def update(weights: list[wg.Variable], rate: float) -> None:
    for w in weights:
        w.data -= rate * w.grad
        w.cleargrad()
