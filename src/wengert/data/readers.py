"""Readers of files: IDX, CSV, images and folders of images (npz: see `tensors.py`).

A file that is truncated, damaged or of another kind is a ValueError that names it.
"""

from __future__ import annotations

import gzip
import math
import os
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

_IDX = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def _content(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; unpacked, if it is gzip's."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else open(path, "rb") as source:
            return source.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from None


def read_idx(path: str | os.PathLike[str]) -> ndarray:
    """The array in an IDX file, the format of MNIST; files packed by gzip are unpacked.

    Two zero bytes, one for the dtype, one for the number of axes; the lengths as big-endian 32-bit integers; the
    numbers. Source: Y. LeCun, "The MNIST database of handwritten digits".

    Raises:
        ValueError: the file is truncated, damaged or of another kind; the message names it.
        OSError: it cannot be opened.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX:
        raise ValueError(f"{path} is no IDX file: it begins with {content[:4]!r}")
    dtype, start = np.dtype(_IDX[content[2]]), 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{path} is truncated: its header of {start} bytes ends after {len(content)}")
    shape = tuple([int(n) for n in np.frombuffer(content, ">u4", content[3], 4)])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        kind = "truncated" if len(content) < expected else "damaged"
        raise ValueError(f"{path} is {kind}: {len(content)} bytes, expected {expected} for shape {shape}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_csv(
    path: str | os.PathLike[str], delimiter: str = ",", header: bool = False, dtype: Any = np.float64
) -> ndarray:
    """The table of numbers in a text file, shape (rows, columns); files packed by gzip are unpacked.

    Args:
        delimiter: between columns.
        header: whether the first line has names; it is left out.
        dtype: of the result.

    Raises:
        ValueError: text that is no number, rows of different lengths, no rows, a damaged file; the message names it.
        OSError: it cannot be opened.
    """
    try:
        lines = _content(path).decode("utf-8-sig").splitlines()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return np.loadtxt(lines, dtype, delimiter=delimiter, skiprows=int(header), ndmin=2)
    except (ValueError, UserWarning) as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{path} is no table of numbers: {text}") from None


def read_image(path: str | os.PathLike[str], mode: str | None = None) -> ndarray:
    """An image as bytes, shape (channels, height, width): 1 channel for grey, 3 for colours.

    Args:
        mode: "L" for grey or "RGB" for colours; by default, grey images stay grey and others become colours.

    Needs Pillow. Raises:
        ValueError: the file is truncated, damaged or no image; the message names it.
        ImportError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError("reading images needs Pillow: pip install pillow") from None
    with open(path, "rb") as file:
        try:
            image = Image.open(file)
            found = np.asarray(image.convert(mode or ("L" if image.mode in ("1", "L") else "RGB")))
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} is truncated, damaged or no image: {error}") from None
    return found[None] if found.ndim == 2 else np.ascontiguousarray(np.moveaxis(found, -1, 0))


class ImageFolder:
    """A folder of folders of images as a data set: item i is an image and the number of its folder, its class.

    Args:
        folder: has one folder for each class; they are numbered in the order of their names.
        mode: as for `read_image`.

    `classes` are the names, `files` the pairs of path and number. Images are read when asked for.

    Raises:
        ValueError: no folders of images in it.
    """

    def __init__(self, folder: str | os.PathLike[str], mode: str | None = None) -> None:
        self.folder, self.mode = Path(folder), mode
        self.classes = sorted([entry.name for entry in self.folder.iterdir() if entry.is_dir()])
        self.files = [
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((self.folder / name).rglob("*"))
            if path.suffix.lower() in IMAGES and path.is_file()
        ]
        if not self.files:
            raise ValueError(f"ImageFolder: {self.folder} has no folders of images ({', '.join(IMAGES)})")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[ndarray, int]:
        path, number = self.files[index]
        return read_image(path, self.mode), number
