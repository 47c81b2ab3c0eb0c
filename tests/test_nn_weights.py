"""Weights in files: under other names, in pieces, damaged and hostile."""

from __future__ import annotations

import json
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest

import wengert as wg
from wengert import nn


def _net(seed=0):
    return nn.Sequential(nn.Linear(2, 3, rng=seed), nn.BatchNorm(3), nn.relu, nn.Linear(3, 1, rng=seed + 1))


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_there_and_back(name, tmp_path):
    a, b = _net(0), _net(5)
    a(np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32))  # statistics
    a.save_weights(tmp_path / name)
    assert b.load_weights(str(tmp_path / name)) == ([], [], [])
    for (x, p), (y, q) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        assert (x, p.dtype, p.shape) == (y, q.dtype, q.shape)
        np.testing.assert_array_equal(p, q)


class Renamed(nn.Module):
    def __init__(self):
        self.body, self.head = nn.Sequential(nn.Linear(2, 3, rng=3)), nn.Linear(3, 1, rng=4)


def test_renaming():
    state = {f"model.{name}": a for name, a in _net().state_dict().items() if not name.startswith("1.")}
    state["model.step"] = np.zeros(())
    into = Renamed()
    maps = [
        {"model.0": "body.0", "model.3": "head", "model.step": None},
        {"model": None, "model.0": "body.0", "model.3.weight": "head.weight", "model.3.bias": "head.bias"},
        {"model": "body", "model.3": "head", "model.step": None},
        lambda name: None if name.endswith("step") else name.replace("model.3", "head").replace("model", "body"),
    ]
    for rename in maps:
        for p in into.parameters():
            p.data[...] = 0
        into.load_state_dict(state, rename=rename)
        np.testing.assert_array_equal(into.head.weight.data, state["model.3.weight"])
        np.testing.assert_array_equal(into.body[0].bias.data, state["model.0.bias"])
    left = into.load_state_dict(state, strict=False, rename={"model": ""})
    assert left.missing == ["body.0.weight", "body.0.bias", "head.weight", "head.bias"]
    assert left.unexpected == ["0.weight", "0.bias", "3.weight", "3.bias", "step"]
    inner = nn.Linear(2, 3).load_state_dict({"weight": np.ones((3, 2)), "bias": np.ones(3)}, rename={"": ""})
    assert not any(inner)
    into.body.load_state_dict(nn.Linear(2, 3).state_dict(), rename={"": "0"})
    with pytest.raises(ValueError, match=r"rename has 'fc', 'mod'; there are model\.0\.weight, model\.0\.bias, model"):
        into.load_state_dict(state, rename={"fc": "head", "mod": "body", "model": "body"})
    with pytest.raises(ValueError, match="rename makes x of both"):
        into.load_state_dict(state, rename=lambda name: "x")
    with pytest.raises(TypeError, match="a text for a name, or None, got 3 for model"):
        into.load_state_dict(state, rename=lambda name: 3)


def test_what_does_not_fit_is_listed_with_the_file(tmp_path):
    path = tmp_path / "net.safetensors"
    net, other = _net(), nn.Sequential(nn.Linear(2, 4, rng=0), nn.relu, nn.relu, nn.Linear(3, 1, rng=0))
    other.save_weights(path)
    before = net.state_dict()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        net.load_weights(path)
    assert str(caught.value) == (
        f"Sequential.load_weights: nothing was loaded from {path}\n"
        "  missing: 1.weight, 1.bias, 1.running_mean, 1.running_var, 1.num_batches_tracked\n"
        "  mis-shaped: 0.weight is (3, 2), got (4, 2), 0.bias is (3,), got (4,)"
    )
    for name, a in net.state_dict().items():
        np.testing.assert_array_equal(a, before[name])
    left = net.load_weights(path, strict=False)
    assert (len(left.missing), left.unexpected, len(left.misshaped)) == (5, [], 2)
    np.testing.assert_array_equal(net[3].weight.data, other[3].weight.data)
    with pytest.raises(RuntimeError, match=r"0 \(Conv2d\): in_channels is None until the first call"):
        nn.Sequential(nn.Conv2d(None, 4, 3)).load_weights(path)


def test_weights_in_several_files(tmp_path):
    net, state = _net(5), _net().state_dict()
    places = {name: f"model-0000{1 + (i > 3)}-of-00002.safetensors" for i, name in enumerate(state)}
    for file in set(places.values()):
        wg.data.save_tensors(tmp_path / file, {name: state[name] for name in state if places[name] == file})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 9}, "weight_map": places}))
    net.load_weights(index)
    np.testing.assert_array_equal(net[3].weight.data, state["3.weight"])
    index.write_text(json.dumps({"weight_map": places | {"extra": min(places.values())}}))
    with pytest.raises(ValueError, match=r"index.json tells of 'extra', which is not in .*model-00001-of"):
        net.load_weights(index)
    for bad in ({}, [], {"weight_map": {"x": "../other.safetensors"}}, {"weight_map": {"x": 1}}, {"weight_map": 3}):
        index.write_text(json.dumps(bad))
        with pytest.raises(ValueError, match=r"index\.json is damaged"):
            net.load_weights(index)
    index.write_text(json.dumps({"weight_map": {"x": "absent.safetensors"}}))
    with pytest.raises(FileNotFoundError, match="absent"):
        net.load_weights(index)


def test_other_kinds_of_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:  # as PyTorch writes them
        archive.writestr("m/data.pkl", pickle.dumps({"weight": 1}))
    with pytest.raises(ValueError, match=r"m\.pt ends in none of .*pickles, which can run any code"):
        nn.Linear(2, 3).load_weights(tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"has to end in \.safetensors or \.npz, got .*m\.pt"):
        nn.Linear(2, 3).save_weights(tmp_path / "m.pt")
    for name in ("m.npz", "m.safetensors"):  # whatever they call it, nothing is unpickled
        (tmp_path / name).write_bytes((tmp_path / "m.pt").read_bytes())
        with pytest.raises(ValueError, match=name + r" is .*(no array|or is truncated)"):
            nn.Linear(2, 3).load_weights(tmp_path / name)
    np.savez(tmp_path / "m.npz", weight=np.array([{}, 1], object))
    with pytest.raises(ValueError, match=r"m\.npz is truncated, damaged or no npz file: Object arrays cannot"):
        nn.Linear(2, 3).load_weights(tmp_path / "m.npz")
    with pytest.raises(FileNotFoundError, match="absent"):
        nn.Linear(2, 3).load_weights(tmp_path / "absent.npz")


HEADERS = {
    "overlapping": '{"h":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"g":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    "with a hole": '{"h":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}',
    "huge and empty": '{"h":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}',
    "many axes": '{"h":{"dtype":"F32","shape":[1' + 99 * ",1" + '],"data_offsets":[0,4]}}',
    "no offsets": '{"h":{"dtype":"F32","shape":[1],"data_offsets":["0",4]}}',
    "three offsets": '{"h":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}',
    "true": '{"h":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
    "dtype": '{"h":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}',
    "texts": '{"__metadata__":{"a":1},"h":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    "deep": "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers(name, tmp_path):
    path, header = tmp_path / "m.safetensors", HEADERS[name].encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ValueError, match=r"m\.safetensors"):
        wg.data.load_tensors(path)
    path.write_bytes(struct.pack("<Q", 2**60) + header)
    with pytest.raises(ValueError, match="or is truncated"):
        wg.data.load_tensors(path)


@pytest.mark.parametrize("name", ["m.npz", "m.safetensors"])
def test_damaged_files_load_or_are_named(name, tmp_path):
    path, draw = tmp_path / name, random.Random(0)
    _net().save_weights(path)
    whole = path.read_bytes()
    refused = []
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 5])):
            damaged[draw.randrange(min(len(whole), 600))] = draw.randrange(256)
        path.write_bytes(damaged if draw.random() < 0.8 else damaged[: draw.randrange(len(whole))])
        try:
            wg.data.load_tensors(path)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 200
    assert all([str(path) in message for message in refused])
