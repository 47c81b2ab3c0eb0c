"""`DataLoader`: a data set in batches."""

from __future__ import annotations

import multiprocessing
import signal
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.random import SeedSequence, default_rng

from .dataset import items
from .transforms import run


class DataLoader:
    """Batches of a data set, one epoch for each `for` loop.

    Args:
        dataset: an object with a length and items: see `Dataset`.
        batch_size: items in a batch; the last one may be smaller.
        shuffle: whether each epoch has a random order of its own.
        seed: an integer, or a NumPy Generator that gives one. Order and transforms of an epoch depend on it alone.
        drop_last: leave out a last batch that is smaller.
        transform: a function of a batch; a `RandomTransform` also gets a Generator, of its own for each batch.
        collate: makes a batch of a list of items, for items that `wg.data.collate` cannot stack.
        prefetch: how many batches are made ahead, in the background.
        workers: how many threads do that; with `processes=True`, processes.
        processes: worth their start (half a second each) and the way of each batch through a pipe only where items
            are made in Python, such as decoded images; NumPy's and Pillow's work runs beside other threads. The data
            set and the transform are pickled for them, and a script needs `if __name__ == "__main__":`.

    `state_dict()` is the position and the random state: after `load_state_dict`, the next loop goes on with the very
    batches that would have come, with any number of workers. A loop that is left early is not gone on with: the next
    one is a new epoch.

    Raises:
        ValueError: sizes out of bounds, an empty data set.

    Example:
        >>> loader = wg.data.DataLoader(range(5), batch_size=2, shuffle=True, seed=0)
        >>> [batch.tolist() for batch in loader]
        [[0, 3], [2, 1], [4]]
        >>> len(loader)
        3
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: Any = None,
        drop_last: bool = False,
        transform: Callable[..., Any] | None = None,
        collate: Callable[[list[Any]], Any] | None = None,
        prefetch: int = 0,
        workers: int = 1,
        processes: bool = False,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("prefetch", prefetch, 0), ("workers", workers, 1)):
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"DataLoader: {name} must be an integer of at least {least}, got {value!r}")
        if not len(dataset):
            raise ValueError("DataLoader: the data set is empty")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, int(batch_size), shuffle, drop_last
        self.prefetch = max(int(prefetch), int(workers)) if processes else int(prefetch)
        self.workers, self.processes = int(workers), processes
        if seed is None:
            seed = SeedSequence().entropy
        self.seed = int(seed.integers(2**63) if isinstance(seed, np.random.Generator) else seed)
        self.epoch = 0
        self.position = 0  # batches of this epoch that were handed out
        self._resumed = False
        self._make = _Maker(dataset, transform, collate)
        self._pool: Executor | None = None

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self.position and not self._resumed:  # the loop before was left early
            self.epoch, self.position = self.epoch + 1, 0
        self._resumed = False
        epoch = self.epoch
        for i, batch in self._batches(epoch, self.position):
            self.epoch, self.position = epoch, i + 1
            yield batch
        self.epoch, self.position = epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: what `load_state_dict` needs to go on with the next batch. Numbers only."""
        shape = {"length": len(self.dataset), "batch_size": self.batch_size, "drop_last": self.drop_last}
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position, "shuffle": self.shuffle, **shape}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there in the next loop.

        Raises:
            ValueError: the state is of other data or other batches.
        """
        mine = self.state_dict()
        for key in ("length", "batch_size", "drop_last", "shuffle"):
            if state[key] != mine[key]:
                raise ValueError(f"DataLoader: the state has {key}={state[key]}, this loader {mine[key]}")
        self.seed, self.epoch, self.position = (int(state[key]) for key in ("seed", "epoch", "position"))
        self._resumed = self.position > 0

    def close(self) -> None:
        """End the threads or processes, which else end with the loader. The next loop starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _batches(self, epoch: int, start: int) -> Iterator[tuple[int, Any]]:
        n = len(self.dataset)
        order = default_rng(self._entropy(epoch)).permutation(n) if self.shuffle else np.arange(n)
        tasks = (
            (i, order[i * self.batch_size : (i + 1) * self.batch_size], self._entropy(epoch, i))
            for i in range(start, len(self))
        )
        if not self.prefetch:
            for i, indices, entropy in tasks:
                yield i, self._make(indices, entropy)
            return
        pool = self._started()
        waiting: deque[tuple[int, Any]] = deque()
        call = _make_in_process if self.processes else self._make
        try:
            for i, indices, entropy in tasks:
                waiting.append((i, pool.submit(call, indices, entropy)))
                if len(waiting) > self.prefetch:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _entropy(self, epoch: int, batch: int | None = None) -> SeedSequence:
        return SeedSequence(self.seed, spawn_key=(epoch,) if batch is None else (epoch, batch))

    def _started(self) -> Executor:
        if self._pool is None:
            if self.processes:
                context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
                self._pool = ProcessPoolExecutor(self.workers, context, _start_process, (self._make,))
            else:
                self._pool = ThreadPoolExecutor(self.workers, "wengert-data")
            weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        return self._pool


class _Maker:
    """Makes one batch, wherever it is called."""

    def __init__(self, dataset: Any, transform: Any, collate: Any) -> None:
        self.dataset, self.transform, self.collate = dataset, transform, collate

    def __call__(self, indices: Any, entropy: SeedSequence) -> Any:
        if self.collate is None:
            batch = items(self.dataset, indices)
        else:
            batch = self.collate([self.dataset[int(i)] for i in indices])
        return batch if self.transform is None else run(self.transform, batch, default_rng(entropy))


_maker: _Maker | None = None  # of a worker process


def _start_process(maker: _Maker) -> None:
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the process that has the loop
    _maker = maker


def _make_in_process(indices: Any, entropy: SeedSequence) -> Any:
    assert _maker is not None
    return _maker(indices, entropy)
