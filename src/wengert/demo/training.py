"""Teaching the network of `network.py` to read digits."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

import wengert as wg

from ..data import digits
from .network import loss, scores, start, update


class Training:
    """Stochastic gradient descent on 4/5 of the digits, in an order that a seed fixes; 1/5 is kept for the test.

    `times` collects the seconds of every step: forward, backward, update.
    """

    def __init__(self, seed: int = 0, batch: int = 32, rate: float = 0.3) -> None:
        self.rng = np.random.default_rng(seed)
        self.batch, self.rate = batch, rate
        self.images, self.labels = digits().arrays
        self.pixels = self.images.reshape(-1, 64) / 16
        self.test, self.train = np.split(self.rng.permutation(len(self.labels)), [len(self.labels) // 5])
        self.weights = start(self.rng)
        self.times: list[tuple[float, float, float]] = []

    def epochs(self, count: int) -> Iterator[float]:
        """Go through the training images `count` times; yields the mean loss of each time."""
        for _ in range(count):
            order = self.rng.permutation(self.train)
            batches = np.split(order, range(self.batch, len(order), self.batch))
            yield float(np.mean([self.step(batch) for batch in batches]))

    def step(self, batch: NDArray[np.intp]) -> float:
        """Learn from the images with these indices; gives the loss before."""
        images, labels = self.pixels[batch], self.labels[batch]
        t0 = perf_counter()
        y = loss(self.weights, images, labels)
        t1 = perf_counter()
        y.backward()
        t2 = perf_counter()
        update(self.weights, self.rate)
        self.times.append((t1 - t0, t2 - t1, perf_counter() - t2))
        return float(y.item())

    def read_test(self) -> NDArray[np.intp]:
        """What the network reads in each of the test images."""
        with wg.no_grad():
            return np.asarray(np.argmax(scores(self.weights, self.pixels[self.test]), axis=1))
