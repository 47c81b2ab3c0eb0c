"""Named arrays in files: safetensors and npz. Nothing is ever unpickled, and a file is replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from ..variable import Variable

_NAMES = {  # safetensors' names of dtypes
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
_DTYPES = {np.dtype(code): name for name, code in _NAMES.items()}
_LONGEST_HEADER = 100_000_000  # bytes, as in the reference implementation


@contextlib.contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when `with` ends without error: written, synchronised, renamed.

    So at any moment, a crash or a power cut included, there is the old file or the new one, and never a part.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "notes")
        >>> with wg.data.written(path) as file:
        ...     _ = file.write(b"whole")
        >>> path.read_bytes()
        b'whole'
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # a private file, until now
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if os.name == "posix":  # the new name, too, shall outlast a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a dict of name to array (or Variable) as a safetensors file, as PyTorch, JAX and MLX read it.

    Args:
        path: the file; it is replaced whole, or not at all.
        tensors: real numbers, booleans and complex64, of any shape.
        metadata: text that `load_safetensors(path, metadata=True)` gives back.

    Raises:
        TypeError: a name or metadata that is no text, a dtype that the format does not have (complex128, objects).

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> wg.data.save_safetensors(path, {"weight": np.eye(2, dtype=np.float32)})
        >>> wg.data.load_safetensors(path)
        {'weight': array([[1., 0.],
               [0., 1.]], dtype=float32)}
    """
    arrays = _arrays("save_safetensors", tensors)
    header: dict[str, Any] = {}
    if metadata:
        if not all([isinstance(text, str) for pair in metadata.items() for text in pair]):
            raise TypeError("save_safetensors: metadata must be a dict of text to text")
        header["__metadata__"] = dict(metadata)
    start = 0
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))  # each is aligned so
    for name in order:
        a = arrays[name] = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        if a.dtype not in _DTYPES:
            raise TypeError(f"save_safetensors: {name!r} has dtype {a.dtype}, which the format does not have")
        header[name] = {"dtype": _DTYPES[a.dtype], "shape": list(a.shape), "data_offsets": [start, start + a.nbytes]}
        start += a.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with written(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(arrays[name]).data if arrays[name].size else b"")


def load_safetensors(path: str | os.PathLike[str], metadata: bool = False) -> Any:
    """The dict of name to array of a safetensors file; with `metadata`, also its dict of texts: `(arrays, texts)`.

    bfloat16, which NumPy has not, becomes float32, exactly.

    Raises:
        ValueError: the file is truncated, damaged or of another kind; the message names it.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ValueError(f"{path} is no safetensors file, or is truncated: {size} bytes, a header of {length}")
        try:
            header = json.loads(file.read(length))
            texts = header.pop("__metadata__", {})
            entries = [_entry(name, e) for name, e in header.items()]
            if not all([isinstance(text, str) for text in texts.values()]):
                raise TypeError("texts")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"{path} is damaged: its header is not that of a safetensors file") from None
        content = np.fromfile(file, np.uint8)
    tensors, end = {}, 0
    for start, stop, name, kind, shape in sorted(entries):
        tensors[name] = _tensor(path, content, name, kind, shape, start, stop)
        if start != end:
            raise ValueError(f"{path} is damaged: {name!r} begins at byte {start}, expected {end}")
        end = stop
    if end != len(content):
        raise ValueError(f"{path} is damaged: {len(content)} bytes of data, expected {end}")
    found = {name: tensors[name] for name in header}
    return (found, texts) if metadata else found


def _entry(name: str, entry: Any) -> tuple[int, int, str, str, tuple[int, ...]]:
    """What the header says of one array; an error of any kind if it is not what it ought to be."""
    start, stop = entry["data_offsets"]
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if not isinstance(kind, str) or not all([type(n) is int and n >= 0 for n in (start, stop, *shape)]):
        raise ValueError(name)
    return start, stop, name, kind, shape


def _tensor(path: Any, content: ndarray, name: str, kind: str, shape: Any, start: int, stop: int) -> ndarray:
    if stop > len(content):
        raise ValueError(f"{path} is truncated or damaged: {name!r} lies at bytes {start} to {stop} of {len(content)}")
    if kind != "BF16" and kind not in _NAMES:
        raise ValueError(f"{path}: {name!r} has dtype {kind}, which NumPy does not have")
    dtype = np.dtype("<u2" if kind == "BF16" else _NAMES[kind])
    if stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{path} is damaged: {name!r} of {kind} {list(shape)} has {stop - start} bytes")
    try:
        a = np.frombuffer(content[start:stop].tobytes(), dtype).reshape(shape)
    except ValueError:  # more axes than NumPy has, or nothing times more than memory has
        raise ValueError(f"{path}: {name!r} has shape {list(shape)}, which NumPy cannot have") from None
    if kind == "BF16":
        return (a.astype(np.uint32) << 16).view(np.float32)
    return a.astype(dtype.newbyteorder("="))


def save_npz(path: str | os.PathLike[str], tensors: Mapping[str, Any]) -> None:
    """Write a dict of name to array (or Variable) as NumPy's npz: all dtypes but objects.

    The file is replaced whole, or not at all.

    Raises:
        TypeError: a name that is no text, an array of objects.
    """
    arrays = _arrays("save_npz", tensors)
    with written(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, a, allow_pickle=False)


def load_npz(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """The dict of name to array of an npz file; archives with pickled objects are refused.

    Raises:
        ValueError: the file is truncated, damaged or of another kind; the message names it.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
        >>> wg.data.save_npz(path, {"layer.weight": np.ones(2)})
        >>> wg.data.load_npz(path)
        {'layer.weight': array([1., 1.])}
    """
    with open(path, "rb") as file:  # NumPy leaves a damaged file open that it has opened itself
        try:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, ndarray):
                raise ValueError("it holds one array; read it with np.load")
            found = {name: archive[name] for name in archive.files}
            if strange := [name for name, a in found.items() if not isinstance(a, ndarray)]:
                raise ValueError(f"{strange[0]} is no array")
            return found
        except Exception as error:  # whatever the readers of zip, of deflate and of NumPy's headers come upon
            raise ValueError(f"{path} is truncated, damaged or no npz file: {error}") from None


read_npz = load_npz


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Any]) -> None:
    """`save_safetensors` or `save_npz`, by the ending of the file's name.

    Raises:
        ValueError: another ending.
    """
    if Path(path).suffix == ".safetensors":  # other libraries want to be told whose layouts these are
        save_safetensors(path, tensors, {"format": "pt"})
    elif Path(path).suffix == ".npz":
        save_npz(path, tensors)
    else:
        raise ValueError(f"save_tensors: the name has to end in .safetensors or .npz, got {path}")


def load_tensors(path: str | os.PathLike[str]) -> dict[str, ndarray]:
    """The dict of name to array of a file, by the ending of its name: .safetensors or .npz.

    Of weights in several files, the name of their index, `model.safetensors.index.json`, stands for all.

    Raises:
        ValueError: another ending, or a file is truncated or damaged; the message names it.
    """
    if Path(path).suffix == ".safetensors":
        return load_safetensors(path)
    if Path(path).suffix == ".npz":
        return load_npz(path)
    if Path(path).name.endswith(".safetensors.index.json"):
        return _load_shards(Path(path))
    raise ValueError(
        f"load_tensors: {path} ends in none of .safetensors, .npz and .safetensors.index.json. PyTorch's .pt, .pth and "
        ".bin are pickles, which can run any code and are not read: there, safetensors.torch.save_model(model, path)"
    )


def _load_shards(path: Path) -> dict[str, ndarray]:
    try:
        places = dict(json.loads(path.read_bytes())["weight_map"])
        if not all([isinstance(file, str) and Path(file).name == file for file in places.values()]):
            raise ValueError("file names")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path} is damaged, or no index of safetensors files beside it") from None
    tensors: dict[str, ndarray] = {}
    for file in sorted(set(places.values())):
        tensors |= {name: a for name, a in load_safetensors(path.parent / file).items() if places.get(name) == file}
    if missing := [name for name in places if name not in tensors]:
        raise ValueError(f"{path} tells of {missing[0]!r}, which is not in {path.parent / places[missing[0]]}")
    return {name: tensors[name] for name in places}


def _arrays(what: str, tensors: Mapping[str, Any]) -> dict[str, ndarray]:
    found = {}
    for name, value in tensors.items():
        a = np.asarray(value.data if isinstance(value, Variable) else value)
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(f"{what}: names must be text other than '__metadata__', got {name!r}")
        if a.dtype.hasobject:
            raise TypeError(f"{what}: {name!r} is an array of objects")
        found[name] = a
    return found
