"""Modules: the tree, states, modes, seeds, shapes that are refused; and layers by finite differences."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import wengert as wg
from wengert import nn


class Net(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(3, 4, rng=0), {"out": nn.Linear(4, 2, rng=1)}]
        self.norm = nn.BatchNorm(4)
        self.again = self.layers[0]
        self._cache = np.zeros(3)

    def forward(self, x):
        return self.layers[1]["out"](self.norm(self.layers[0](x)))


def test_the_attributes_are_the_tree():
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names == [
        "layers.0.weight", "layers.0.bias", "layers.1.out.weight", "layers.1.out.bias", "norm.weight", "norm.bias",
    ]  # fmt: skip
    assert net.size == 16 + 10 + 8
    assert [n for n, _ in net.named_buffers()] == ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert all([isinstance(p, wg.Variable) for p in net.parameters()])
    assert "34 parameters" in repr(net)
    net.me = net  # a cycle
    assert len(net.parameters()) == 6


def test_state_dicts():
    a, b = Net(), Net()
    for p in a.parameters():
        p.data += 1
    state = a.state_dict()
    before = {k: v.copy() for k, v in state.items()}
    for p in a.parameters():
        p.data += 1
    np.testing.assert_array_equal(state["norm.bias"], before["norm.bias"])
    assert b.load_state_dict(state) == ([], [], [])
    np.testing.assert_array_equal(b.layers[0].weight.data, state["layers.0.weight"])
    renamed = {k.replace("layers.0", "again"): v for k, v in state.items()}
    assert not any(b.load_state_dict(renamed))
    wrong = state | {"norm.bias": np.zeros(5), "extra": np.zeros(1)}
    del wrong["norm.weight"]
    kept = b.state_dict()
    with pytest.raises(
        ValueError, match=r"(?s)missing: norm.weight.*unexpected: extra.*mis-shaped: norm.bias is \(4,\), got"
    ):
        b.load_state_dict(wrong)
    np.testing.assert_array_equal(b.state_dict()["layers.0.weight"], kept["layers.0.weight"])
    left = b.load_state_dict(wrong, strict=False)
    assert (left.missing, left.unexpected, len(left.misshaped)) == (["norm.weight"], ["extra"], 1)


def test_copies_and_pickles_stay_parameters():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.layers[0]
        assert isinstance(other.again.weight, nn.Parameter)
        np.testing.assert_array_equal(other.again.weight.data, net.again.weight.data)


def test_modes_and_seeds():
    net = nn.Sequential(nn.Linear(4, 4, rng=3), nn.Dropout(0.5, rng=4))
    same = nn.Sequential(nn.Linear(4, 4, rng=3), nn.Dropout(0.5, rng=4))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(net(x).data, same(x).data)
    assert not np.array_equal(net(x).data, net.eval()(x).data)
    assert not any([m.training for m in net.modules()])
    with pytest.raises(TypeError, match="Generator"):
        nn.Linear(2, 2, rng="seed")


def test_lazy_layers():
    net = nn.Sequential(nn.Linear(None, 3, rng=0), nn.relu)
    with pytest.raises(RuntimeError, match="call the network once"):
        net.parameters()
    net(np.ones((2, 5), np.float32))
    assert net[0].weight.shape == (3, 5)


def test_lazy_channels():
    net = nn.Sequential(
        nn.Conv2d(None, 4, 3, padding=1, groups=2, rng=0), nn.BatchNorm(None), nn.ConvTranspose2d(None, 3, 2, rng=1)
    )
    same = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2, rng=0), nn.BatchNorm(4), nn.ConvTranspose2d(4, 3, 2, rng=1)
    )
    with pytest.raises(RuntimeError, match=r"0 \(Conv2d\): in_channels is None until the first call"):
        net.parameters()
    assert "not built yet" in repr(net)
    with pytest.raises(
        ValueError, match=r"x is \(batch, channels, \*places\) with 2 axes of places, got shape \(2, 5, 5\)"
    ):
        net(IMAGE[0])
    with pytest.raises(ValueError, match="3 channels to 4 can't be divided into 2 groups"):
        net(np.zeros((1, 3, 5, 5)))
    x = IMAGE.astype(np.float32)
    np.testing.assert_array_equal(net(x).data, same(x).data)
    assert repr(net) == repr(same)
    assert net.state_dict().keys() == same.state_dict().keys()
    with pytest.raises(ValueError, match=r"BatchNorm: x is \(batch, channels, ...\), got shape \(3,\)"):
        nn.BatchNorm(None)(np.zeros(3))


def test_what_is_refused():
    with pytest.raises(ValueError, match="not broadcast"):
        nn.mse_loss(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"class number 4 is not one of 0 to 3"):
        nn.cross_entropy(np.zeros((2, 4)), [0, 4])
    with pytest.raises(ValueError, match="the target has shape"):
        nn.cross_entropy(np.zeros((2, 4)), [[0], [1]])
    with pytest.raises(TypeError, match="floating-point numbers"):
        nn.cross_entropy(np.zeros((2, 4), int), [0, 1])
    with pytest.raises(ValueError, match="nothing"):
        nn.mse_loss(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="does not fit"):
        nn.convolution(np.zeros((1, 1, 2)), np.zeros((1, 1, 3)))
    with pytest.raises(ValueError, match="takes 3"):
        nn.convolution(np.zeros((1, 2, 5)), np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="linear: x has shape"):
        nn.Linear(3, 2)(np.zeros((2, 4)))
    with pytest.raises(IndexError, match="embedding: index 5"):
        nn.Embedding(5, 2)([5])
    with pytest.raises(TypeError, match="no derivative"):
        nn.Parameter([1, 2])


X = np.random.default_rng(0).normal(size=(2, 3, 4))
IMAGE = np.random.default_rng(1).normal(size=(2, 2, 5, 5))
LAYERS = [
    (nn.Linear(4, 2, rng=0), X), (nn.GRU(4, 3, rng=0), X), (nn.LSTM(4, 3, bidirectional=True, rng=0), X),
    (nn.LayerNorm(4), X), (nn.RMSNorm(4), X), (nn.MultiHeadAttention(4, 2, rng=0, rotary=True), X),
    (nn.TransformerEncoderBlock(4, 2, activation=nn.gelu, rng=0), X), (nn.Conv2d(2, 4, 3, groups=2, rng=0), IMAGE),
    (nn.ConvTranspose2d(2, 3, 2, stride=2, rng=0), IMAGE), (nn.BatchNorm(2), IMAGE), (nn.GroupNorm(1, 2), IMAGE),
    (nn.Residual(nn.Conv2d(2, 2, 3, padding=1, rng=0)), IMAGE),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "x"), LAYERS, ids=[type(layer).__name__ for layer, _ in LAYERS])
def test_gradients_by_finite_differences(layer, x):
    layer.astype(np.float64)
    names = [name for name, _ in layer.named_parameters()]
    values = [p.data.copy() for p in layer.parameters()]

    def f(x, *values):
        y = nn.functional_call(layer, dict(zip(names, values, strict=True)), x)
        return y[0] if isinstance(y, tuple) else y

    wg.check_grads(f, x, *values)


def test_masked_steps_change_nothing():
    layer = nn.LSTM(4, 3, layers=2, bidirectional=True, rng=0)
    x = X.astype(np.float32)
    padded = np.concatenate([x, np.full((2, 2, 4), 9, np.float32)], 1)
    mask = np.arange(5) < np.array([[3], [3]])
    y, (h, c) = layer(padded, mask=mask)
    expected, (h0, c0) = layer(x)
    for a, b in ((y.data[:, :3], expected.data), (h.data, h0.data), (c.data, c0.data)):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert not y.data[:, 3:].any()


def test_a_network_learns_and_grad_sees_functional_calls():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(2, 16, rng=rng), np.tanh, nn.Linear(16, 2, rng=rng))
    x = rng.normal(size=(64, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    for _ in range(300):
        net.zero_grad()
        loss = nn.cross_entropy(net(x), labels)
        loss.backward()
        for p in net.parameters():
            p.data -= 0.5 * p.grad
    assert loss.item() < 0.3
    values = {name: p.data for name, p in net.named_parameters()}
    grads = wg.grad(lambda v: nn.cross_entropy(nn.functional_call(net, v, x), labels))(values)
    net.zero_grad()
    nn.cross_entropy(net(x), labels).backward()
    for name, p in net.named_parameters():
        np.testing.assert_allclose(grads[name], p.grad, atol=1e-6)
