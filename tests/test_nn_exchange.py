"""Weights of PyTorch's models in files: here and back, by name, with the same results."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from test_nn_torch import LAYERS, F, T, _first, _x, nn, torch

import wengert as wg

files = pytest.importorskip("safetensors.torch", reason="safetensors is installed apart")
torch.set_num_threads(1)


def _there_and_back(mine, theirs, path, *inputs, other=None):
    """PyTorch's weights give PyTorch's result here; these weights, saved here, are the same in PyTorch."""
    theirs.eval()
    files.save_model(theirs, path)
    assert mine.load_weights(path) == ([], [], [])
    with torch.no_grad():
        expected = _first(theirs(*[torch.tensor(x) for x in inputs])).numpy()
    with wg.no_grad():
        y = _first(mine.eval()(*inputs))
    np.testing.assert_allclose(y.data if isinstance(y, wg.Variable) else y, expected, atol=1e-5)
    mine.save_weights(path)
    back = copy.deepcopy(theirs)
    for t in [*back.parameters(), *back.buffers()]:
        t.data = torch.zeros_like(t)
    assert files.load_model(back, path) == (set(), [])
    for name, t in theirs.state_dict().items():
        assert torch.equal(t, back.state_dict()[name]), name


MORE = {
    "prelu": (nn.PReLU(3), T.PReLU(3), [_x(2, 3, 4)]),
    "rms norm": (nn.RMSNorm(4, eps=1e-6), T.RMSNorm(4, eps=1e-6), [_x(5, 4)]),
    "layer norm without bias": (nn.LayerNorm(4, bias=False), T.LayerNorm(4, bias=False), [_x(5, 4)]),
    "instance norm": (nn.InstanceNorm(3, affine=True), T.InstanceNorm1d(3, affine=True), [_x(2, 3, 4)]),
    "gru without bias": (nn.GRU(3, 4, bias=False), T.GRU(3, 4, bias=False, batch_first=True), [_x(2, 5, 3)]),
    "attention": (nn.MultiHeadAttention(8, 2), T.MultiheadAttention(8, 2, batch_first=True), [_x(2, 5, 8)] * 3),
    "attention to others": (nn.MultiHeadAttention(8, 2, key_features=6, value_features=3, bias=False), T.MultiheadAttention(8, 2, kdim=6, vdim=3, bias=False, batch_first=True), [_x(2, 5, 8), _x(2, 4, 6), _x(2, 4, 3)]),
    "encoder block": (nn.TransformerEncoderBlock(8, 2, 12), T.TransformerEncoderLayer(8, 2, 12, norm_first=True, batch_first=True), [_x(2, 5, 8)]),
    "encoder block, norm behind": (nn.TransformerEncoderBlock(8, 2, 12, norm_first=False, activation=nn.gelu), T.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True), [_x(2, 5, 8)]),
    "decoder": (nn.TransformerDecoder(2, 8, 2, 12, norm_first=False, final_norm=False), T.TransformerDecoder(T.TransformerDecoderLayer(8, 2, 12, batch_first=True), 2), [_x(2, 1, 8), _x(2, 4, 8)]),
}  # fmt: skip


@pytest.mark.parametrize("name", [*LAYERS, *MORE])
def test_layers(name, tmp_path):
    mine, theirs, inputs = copy.deepcopy((LAYERS | MORE)[name])
    for b in theirs.buffers():
        b.data = torch.rand_like(b) + 0.5 if b.is_floating_point() else torch.full_like(b, 7)
    _there_and_back(mine, theirs, tmp_path / "layer.safetensors", *inputs)


def test_a_convolutional_network(tmp_path):
    theirs = T.Sequential(
        T.Conv2d(1, 4, 3, padding=1), T.BatchNorm2d(4), T.ReLU(), T.MaxPool2d(2),
        T.Conv2d(4, 6, 3, bias=False), T.BatchNorm2d(6), T.ReLU(), T.AdaptiveAvgPool2d(2), T.Flatten(), T.Linear(24, 10),
    )  # fmt: skip
    theirs(torch.tensor(_x(8, 1, 12, 12)))  # statistics of a batch
    mine = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm(4), nn.relu, nn.MaxPool(2),
        nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm(6), nn.relu, nn.AdaptiveAvgPool(2), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    _there_and_back(mine, theirs, tmp_path / "cnn.safetensors", _x(2, 1, 12, 12))


class TheirReader(T.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm = T.Embedding(7, 5), T.LSTM(5, 6, 2, bidirectional=True, batch_first=True)
        self.out = T.Linear(12, 3)

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0][:, -1])


class Reader(nn.Module):
    def __init__(self):
        self.embed, self.lstm = nn.Embedding(7, 5), nn.LSTM(5, 6, 2, bidirectional=True)
        self.out = nn.Linear(12, 3)

    def forward(self, x):
        return self.out(self.lstm(self.embed(x))[0][:, -1])


def test_a_recurrent_network(tmp_path):
    _there_and_back(Reader(), TheirReader(), tmp_path / "lstm.safetensors", np.array([[1, 2, 3, 6], [0, 0, 5, 4]]))


class TheirWriter(T.Module):
    def __init__(self):
        super().__init__()
        self.embed = T.Embedding(7, 8)
        layer = T.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
        self.encoder = T.TransformerEncoder(layer, 2, T.LayerNorm(8), enable_nested_tensor=False)
        self.head = T.Linear(8, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)))


class Writer(nn.Module):
    def __init__(self):
        self.embed, self.encoder = nn.Embedding(7, 8), nn.TransformerEncoder(2, 8, 2, 16)
        self.head = nn.Linear(8, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)))


def test_a_transformer_with_a_shared_weight(tmp_path):
    mine = Writer()
    _there_and_back(mine, TheirWriter(), tmp_path / "t.safetensors", np.array([[1, 2, 3, 6], [0, 0, 5, 4]]))
    assert mine.head.weight is mine.embed.weight


def test_states_of_pytorch_models_as_they_are():
    mine, theirs = nn.Linear(3, 2), T.Linear(3, 2)
    mine.load_state_dict(theirs.state_dict())
    x = _x(4, 3)
    np.testing.assert_allclose(
        mine(x).data, F.linear(torch.tensor(x), *theirs.parameters()).detach().numpy(), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_numbers(dtype, tmp_path):
    path = tmp_path / "half.safetensors"
    theirs = T.Linear(3, 2).to(dtype)
    files.save_model(theirs, path)
    mine = nn.Linear(3, 2)
    mine.load_weights(path)
    assert mine.weight.dtype == np.float32
    np.testing.assert_array_equal(mine.weight.data, theirs.weight.detach().to(torch.float32).numpy())
