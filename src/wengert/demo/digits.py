"""The handwritten digits that come with the package; `digits.md` tells their source and licence."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The UCI optical digits: images, shape (1797, 8, 8), values 0 to 16, and labels, shape (1797,), 0 to 9.

    Raises:
        ValueError: the file in the package is not the one that was put there.
    """
    source = resources.files(__package__) / "digits.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    if images.shape != (1797, 8, 8) or labels.shape != (1797,) or images.max() > 16 or labels.max() > 9:
        raise ValueError(f"{source} is damaged: it holds {images.shape} images; install wengert again")
    return images, labels
