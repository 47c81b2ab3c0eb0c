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


@pytest.mark.parametrize(
    ("loss", "expected", "gradient"),
    [
        (lambda x: nn.hinge_loss(x, np.array([1.0, -1.0, 1.0])), (0.5 + 2.0) / 3, [-1 / 3, 1 / 3, 0]),
        (lambda x: nn.log_cosh_loss(x, np.zeros(3), reduction="sum"), np.sum(np.log(np.cosh([0.5, 1.0, 2.0]))), np.tanh([0.5, 1.0, 2.0])),
        (lambda x: nn.nll_loss(x, 1), -1.0, [0, -1, 0]),
        (lambda x: nn.contrastive_loss(x, np.array([0.5, 1.0, 0.0]), 1), 4.0, [0, 0, 4]),
        (lambda x: nn.contrastive_loss(x, np.array([0.5, 1.0, 0.0]), 0, margin=3.0), 1.0, [0, 0, -2]),
        (lambda x: nn.info_nce_loss(x.reshape(3, 1), np.ones((3, 1))), np.log(3), [0, 0, 0]),
    ],
    ids=["hinge", "log cosh", "nll", "contrastive, same", "contrastive, other", "info nce"],
)  # fmt: skip
def test_losses_in_closed_form(loss, expected, gradient):
    x = wg.Variable(np.array([0.5, 1.0, 2.0]))
    y = loss(x)
    y.backward()
    np.testing.assert_allclose(y.data, expected)
    np.testing.assert_allclose(x.grad, gradient, atol=1e-12)


def _costs(module, *shapes, **options):
    summary = module.summary(*shapes, **options)
    return [(row.kind, row.output, row.parameters, row.flops) for row in summary.layers]


def test_summary_of_convolutions():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.relu, nn.MaxPool(2), nn.Flatten(), nn.Linear(8 * 4 * 4, 10))
    assert _costs(net, (2, 3, 8, 8)) == [
        ("Sequential", (2, 10), 8 * 28 + 1290, 2 * (8 * 64 * 55 + 2 * 512 + 10 * 257)),
        ("Conv2d", (2, 8, 8, 8), 8 * 28, 2 * 8 * 64 * (2 * 27 + 1)),
        ("MaxPool", (2, 8, 4, 4), 0, 2 * 8 * 64),
        ("Flatten", (2, 128), 0, 0),
        ("Linear", (2, 10), 1290, 2 * 10 * 257),
    ]
    assert _costs(nn.ConvTranspose1d(2, 3, 4, stride=2, bias=False), (1, 2, 5)) == [
        ("ConvTranspose1d", (1, 3, 12), 24, 2 * 10 * 12)
    ]


def test_summary_of_recurrent_layers():
    ((kind, output, parameters, flops),) = _costs(nn.LSTM(3, 4, layers=2), (2, 5, 3))
    assert (kind, output) == ("LSTM", ((2, 5, 4), ((2, 2, 4), (2, 2, 4))))
    assert parameters == 16 * (3 + 4 + 2) + 16 * (4 + 4 + 2)
    products = 2 * 2 * 5 * 16 * (3 + 4 + 4 + 4)  # a multiplication and an addition for each weight, step and example
    assert products < flops < 1.7 * products


def test_summary_of_transformers():
    rows = _costs(nn.TransformerEncoder(2, 8, 2), (3, 5, 8))
    assert [row[0] for row in rows].count("MultiHeadAttention") == 2
    products = 2 * 3 * 5 * (12 * 8 * 8) + 2 * 2 * 3 * 5 * 5 * 8  # of one block
    assert rows[0][1] == (3, 5, 8)
    assert 2 * products < rows[0][3] < 1.5 * 2 * products
    assert rows[0][2] == 2 * (8 * 32 + 32 + 32 * 8 + 8 + 24 * 8 + 24 + 8 * 8 + 8 + 4 * 8) + 16


# ---- operations that do several things at once: see nn/fused.py ----


RECURRENT = [nn.RNN(4, 3, rng=0), nn.RNN(4, 3, relu=True, rng=0), nn.GRU(4, 3, rng=0), nn.LSTM(4, 3, rng=0)]
FUSED = [*RECURRENT, nn.MultiHeadAttention(4, 2, rng=0), nn.LayerNorm(4)]
IDS = ["rnn", "rnn with relu", "gru", "lstm", "attention", "layer norm"]


@pytest.mark.parametrize("layer", FUSED, ids=IDS)
def test_fused_layers_in_every_mode(layer):
    layer.astype(np.float64)

    def f(x):
        y = layer(x)
        return y[0] if isinstance(y, tuple) else y

    expected = f(X).data
    np.testing.assert_allclose(wg.vmap(lambda x: f(x[None])[0])(X).data, expected, atol=1e-12)
    jacobian = _array(wg.jacobian(f)(X))
    g = np.random.default_rng(2).normal(size=expected.shape)
    along = np.tensordot(g, jacobian, g.ndim)
    np.testing.assert_allclose(_array(wg.vjp(f, X)[1](g)), along, atol=1e-12)
    t = np.random.default_rng(3).normal(size=X.shape)
    np.testing.assert_allclose(_array(wg.jvp(f, (X,), (t,))[1]), np.tensordot(jacobian, t, t.ndim), atol=1e-12)
    x = wg.Variable(X)
    y = f(x)
    y.grad = g
    y.backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, along, atol=1e-12)


def _array(x):
    x = x[0] if isinstance(x, tuple) else x
    return x.data if isinstance(x, wg.Variable) else x


@pytest.mark.parametrize("layer", RECURRENT, ids=IDS[:4])
def test_no_steps_and_no_examples(layer):
    for shape in [(2, 0, 4), (0, 3, 4)]:
        y, state = layer(np.zeros(shape, np.float32))
        assert y.shape == (*shape[:2], 3)
        assert (state[0] if isinstance(state, tuple) else state).shape == (1, shape[0], 3)
    x = wg.Variable(np.zeros((0, 3, 4)))
    np.sum(layer(x)[0]).backward()
    assert x.grad.shape == (0, 3, 4)


def test_a_fused_call_that_is_repeated_keeps_its_own_derivative():
    call = nn.sweep.Lstm()
    arrays = [np.random.default_rng(i).normal(size=s) for i, s in enumerate([(2, 3, 8), (8, 2), (8,), (2, 2), (2, 2)])]
    xs = [wg.Variable(a) for a in arrays]
    y = call(*xs)[0]
    call(*[wg.Variable(2 * a) for a in arrays])
    np.sum(y**2).backward()
    for i, x in enumerate(xs):
        expected = wg.grad(lambda a, i=i: np.sum(nn.sweep.Lstm()(*arrays[:i], a, *arrays[i + 1 :])[0] ** 2))(arrays[i])
        np.testing.assert_allclose(x.grad, expected)


def test_dropout_of_attention_is_seen_by_its_derivative():
    layer = nn.MultiHeadAttention(4, 2, dropout=0.5, rng=0).astype(np.float64)

    def f(x):
        layer.rng.bit_generator.state = state
        return layer(x)

    state = layer.rng.bit_generator.state
    assert not np.allclose(f(X).data, layer.eval()(X).data)
    layer.train()
    wg.check_grads(f, X)


def test_no_gradient_for_an_array():
    y = nn.Conv2d(2, 3, 3, rng=0)(IMAGE.astype(np.float32))
    assert y.creator.parents[0] is None
    y = nn.Linear(4, 2, rng=0)(X.astype(np.float32))
    assert y.creator.parents[0] is None
