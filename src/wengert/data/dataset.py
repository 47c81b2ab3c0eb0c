"""Data sets: whatever has a length and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy import ndarray

from .. import tree


@runtime_checkable
class Dataset(Protocol):
    """What a `DataLoader` takes: any object with a length and items, which may be containers of arrays.

    If it has a method `batch(indices)`, too, that gives many items at once, stacked, instead of one after the other.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class ArrayDataset:
    """Arrays of the same length as a data set; item i is a tuple of their items.

    Args:
        arrays: one or more arrays; or one container of them (a dict, say), whose items are containers alike.

    `dataset.arrays` is what was given. Arrays are not copied; memory maps may stand for them. A batch costs one
    fancy index of each array.

    Raises:
        ValueError: no array, or arrays of different lengths.

    Example:
        >>> pairs = wg.data.ArrayDataset(np.arange(6).reshape(3, 2), np.array([0, 1, 2]))
        >>> pairs[1]
        (array([2, 3]), np.int64(1))
        >>> images, labels = pairs.arrays
        >>> named = wg.data.ArrayDataset({"x": np.arange(3), "y": np.ones(3)})
        >>> named.batch([0, 2])
        {'x': array([0, 2]), 'y': array([1., 1.])}
    """

    def __init__(self, *arrays: Any) -> None:
        alone = len(arrays) == 1 and not hasattr(arrays[0], "shape")
        self.arrays = arrays[0] if alone else arrays
        self.arrays = tree.map(lambda a: a if hasattr(a, "shape") else np.asarray(a), self.arrays)
        leaves = tree.leaves(self.arrays)
        if not leaves or any([a.ndim == 0 for a in leaves]):
            raise ValueError("ArrayDataset: expected arrays with at least one axis")
        if len({len(a) for a in leaves}) > 1:
            raise ValueError(f"ArrayDataset: the arrays have different lengths: {[len(a) for a in leaves]}")
        self._length = len(leaves[0])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        return tree.map(lambda a: a[index], self.arrays)

    def batch(self, indices: Any) -> Any:
        """Items, stacked."""
        indices = np.asarray(indices, dtype=np.intp)
        return tree.map(lambda a: a[indices], self.arrays)


class Subset:
    """Some items of a data set, by their indices.

    Example:
        >>> odd = wg.data.Subset([10, 11, 12, 13], [1, 3])
        >>> len(odd), odd[1], odd.arrays
        (2, 13, array([11, 13]))
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, dtype=np.intp)
        n = len(dataset)
        if self.indices.size and (self.indices.min() < -n or self.indices.max() >= n):
            raise IndexError(f"Subset: indices from {self.indices.min()} to {self.indices.max()} of {n} items")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    @property
    def arrays(self) -> Any:
        """All items, stacked."""
        return self.batch(np.arange(len(self)))

    def batch(self, indices: Any) -> Any:
        """Items, stacked."""
        return items(self.dataset, self.indices[np.asarray(indices, dtype=np.intp)])


def random_split(dataset: Any, sizes: Sequence[float], seed: Any) -> list[Subset]:
    """Parts of a data set, in random order, that have no item in common.

    Args:
        sizes: numbers of items that add up to the length; or else proportions: `[2, 1]` is two thirds and a third.
        seed: an integer, or a NumPy Generator.

    Example:
        >>> [len(part) for part in wg.data.random_split(range(10), [8, 2], seed=0)]
        [8, 2]
        >>> [len(part) for part in wg.data.random_split(range(10), [0.7, 0.3], seed=0)]
        [7, 3]
    """
    n, total = len(dataset), float(sum(sizes))
    if not sizes or any([s < 0 for s in sizes]) or not total > 0:
        raise ValueError(f"random_split: sizes must be numbers of at least 0, not all 0; got {list(sizes)}")
    ends = np.rint(np.cumsum(sizes) / total * n).astype(int)
    order = np.random.default_rng(seed).permutation(n)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


def items(dataset: Any, indices: Any) -> Any:
    """Items of a data set, stacked: by its own method `batch`, if it has one."""
    if hasattr(dataset, "batch"):
        return dataset.batch(indices)
    return collate([dataset[int(i)] for i in indices])


def collate(samples: Sequence[Any]) -> Any:
    """One container of arrays with a new first axis, from containers of arrays or numbers. Texts stay a list.

    Raises:
        ValueError: no items, containers or shapes that differ: says where.

    Example:
        >>> wg.data.collate([{"x": np.zeros(2), "y": 1}, {"x": np.ones(2), "y": 2}])
        {'x': array([[0., 0.],
               [1., 1.]]), 'y': array([1, 2])}
    """
    if not samples:
        raise ValueError("collate: no items")
    first, built = tree.flatten(samples[0])
    rows = [first, *[tree.match(built, s, f"collate: item {i}") for i, s in enumerate(samples[1:], 1)]]
    stacked: list[Any] = []
    for path, column in zip(built.paths(), zip(*rows, strict=True), strict=True):
        if isinstance(column[0], (str, bytes)):
            stacked.append(list(column))
            continue
        arrays: list[ndarray] = [np.asarray(x) for x in column]
        if len({a.shape for a in arrays}) > 1:
            shapes = sorted({a.shape for a in arrays})
            raise ValueError(f"collate: items have different shapes{' at ' + path if path else ''}: {shapes}")
        stacked.append(np.stack(arrays))
    return built.unflatten(stacked)
