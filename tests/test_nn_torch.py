"""Layers and losses against PyTorch, with the same weights: values, and gradients of inputs and parameters."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import nn

torch = pytest.importorskip("torch", reason="PyTorch is installed apart")
F = torch.nn.functional
RNG = np.random.default_rng(0)


def _x(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def _first(y):
    return y[0] if isinstance(y, tuple) else y


def _agree(mine, theirs, *inputs, call=lambda layer, *xs: layer(*xs), theirs_call=None):
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    xs = [wg.Variable(x) if x.dtype.kind == "f" else x for x in inputs]
    ts = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y, t = _first(call(mine, *xs)), _first((theirs_call or call)(theirs, *ts))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, t.detach().numpy(), atol=2e-5, rtol=1e-4)
    w = np.random.default_rng(9).normal(size=y.shape).astype(np.float32)
    np.sum(y * w).backward()
    (t * torch.tensor(w)).sum().backward()
    for x, u in zip(xs, ts, strict=True):
        if u.grad is not None:
            np.testing.assert_allclose(x.grad, u.grad.numpy(), atol=5e-5, rtol=1e-3)
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, p in mine.named_parameters():
        assert p.grad.dtype == np.float32
        np.testing.assert_allclose(p.grad, gradients[name].numpy(), atol=1e-4, rtol=1e-3, err_msg=name)


T = torch.nn
LAYERS = {
    "linear": (nn.Linear(3, 4), T.Linear(3, 4), [_x(5, 3)]),
    "linear of a sequence": (nn.Linear(3, 4, bias=False), T.Linear(3, 4, bias=False), [_x(2, 5, 3)]),
    "bilinear": (nn.Bilinear(3, 2, 4), T.Bilinear(3, 2, 4), [_x(5, 3), _x(5, 2)]),
    "embedding": (nn.Embedding(5, 3, padding_idx=1), T.Embedding(5, 3, padding_idx=1), [np.array([[0, 1, 1], [4, 4, 2]])]),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), T.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), [_x(2, 4, 9)]),
    "conv2d": (nn.Conv2d(3, 5, (3, 5), padding="same"), T.Conv2d(3, 5, (3, 5), padding="same"), [_x(4, 3, 7, 6)]),
    "conv2d dilated": (nn.Conv2d(2, 4, 3, stride=(2, 1), padding=2, dilation=2), T.Conv2d(2, 4, 3, stride=(2, 1), padding=2, dilation=2), [_x(2, 2, 9, 8)]),
    "conv2d depthwise": (nn.Conv2d(4, 4, 3, groups=4), T.Conv2d(4, 4, 3, groups=4), [_x(2, 4, 6, 6)]),
    "conv2d whose transpose is one": (nn.Conv2d(4, 6, 3, padding=1, groups=2), T.Conv2d(4, 6, 3, padding=1, groups=2), [_x(3, 4, 5, 7)]),
    "conv2d of one place": (nn.Conv2d(4, 3, 1, bias=False), T.Conv2d(4, 3, 1, bias=False), [_x(3, 4, 5, 7)]),
    "conv3d": (nn.Conv3d(2, 3, 2), T.Conv3d(2, 3, 2), [_x(2, 2, 4, 3, 5)]),
    "transposed 1d": (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), T.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), [_x(2, 4, 5)]),
    "transposed 2d": (nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), T.ConvTranspose2d(3, 2, 4, stride=2, padding=1), [_x(2, 3, 5, 4)]),
    "transposed 3d": (nn.ConvTranspose3d(2, 3, 2), T.ConvTranspose3d(2, 3, 2), [_x(1, 2, 2, 3, 2)]),
    "max pool": (nn.MaxPool(3, stride=2, padding=1), T.MaxPool2d(3, stride=2, padding=1), [_x(2, 3, 7, 8)]),
    "avg pool": (nn.AvgPool(3, stride=2, padding=1), T.AvgPool2d(3, stride=2, padding=1), [_x(2, 3, 7, 8)]),
    "adaptive avg": (nn.AdaptiveAvgPool((3, 2)), T.AdaptiveAvgPool2d((3, 2)), [_x(2, 3, 7, 8)]),
    "adaptive max": (nn.AdaptiveMaxPool((3, 2)), T.AdaptiveMaxPool2d((3, 2)), [_x(2, 3, 7, 8)]),
    "batch norm": (nn.BatchNorm(3), T.BatchNorm2d(3), [_x(4, 3, 5, 2)]),
    "layer norm": (nn.LayerNorm((3, 4)), T.LayerNorm((3, 4)), [_x(5, 3, 4)]),
    "layer norm without bias": (nn.LayerNorm(4, bias=False), T.LayerNorm(4, bias=False), [_x(5, 3, 4)]),
    "rms norm": (nn.RMSNorm(4), T.RMSNorm(4, eps=1e-6), [_x(5, 3, 4)]),
    "prelu": (nn.PReLU(3), T.PReLU(3), [_x(5, 3, 4)]),
    "group norm": (nn.GroupNorm(2, 4), T.GroupNorm(2, 4), [_x(3, 4, 5)]),
    "instance norm": (nn.InstanceNorm(3), T.InstanceNorm2d(3), [_x(2, 3, 4, 4)]),
    "rnn": (nn.RNN(3, 4, layers=2), T.RNN(3, 4, num_layers=2, batch_first=True), [_x(2, 5, 3)]),
    "rnn with relu": (nn.RNN(3, 4, relu=True, bias=False), T.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True), [_x(2, 5, 3)]),
    "gru without bias": (nn.GRU(3, 4, bias=False), T.GRU(3, 4, bias=False, batch_first=True), [_x(2, 5, 3)]),
    "lstm without bias": (nn.LSTM(3, 4, bias=False), T.LSTM(3, 4, bias=False, batch_first=True), [_x(2, 5, 3)]),
    "gru": (nn.GRU(3, 4, layers=2, bidirectional=True), T.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True), [_x(2, 5, 3)]),
    "lstm": (nn.LSTM(3, 4, layers=2, bidirectional=True), T.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True), [_x(2, 5, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    mine, theirs, inputs = LAYERS[name]
    _agree(mine, theirs, *inputs)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_states_and_lengths(kind):
    """First and last states, and sequences of different lengths, which PyTorch takes packed."""
    mine, theirs = getattr(nn, kind)(3, 4, layers=2), getattr(T, kind)(3, 4, num_layers=2, batch_first=True)
    mine.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x, lengths = _x(3, 6, 3), [6, 4, 1]
    first = [
        wg.Variable(np.random.default_rng(i).normal(size=(2, 3, 4)).astype(np.float32)) for i in range(mine.states)
    ]
    ts = [torch.tensor(s.data, requires_grad=True) for s in first]
    y, last = mine(x, first if kind == "LSTM" else first[0], mask=np.arange(6) < np.array(lengths)[:, None])
    packed = T.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths, batch_first=True)
    u, expected = theirs(packed, tuple(ts) if kind == "LSTM" else ts[0])
    u = T.utils.rnn.pad_packed_sequence(u, batch_first=True)[0]
    np.testing.assert_allclose(y.data, u.detach().numpy(), atol=1e-5)
    if kind != "LSTM":
        last, expected = (last,), (expected,)
    np.sum(y * y + sum([s.sum() for s in last])).backward()
    torch.sum(u * u + sum([s.sum() for s in expected])).backward()
    for a, b in zip(first, ts, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), atol=1e-4)
    for (name, p), q in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), atol=1e-4, rtol=1e-3, err_msg=name)


def test_a_sequence_attends_to_itself():
    mask = np.array([[True, True, False, True, True], [True] * 5])
    tri = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    _agree(
        nn.MultiHeadAttention(8, 2),
        T.MultiheadAttention(8, 2, batch_first=True),
        _x(2, 5, 8),
        call=lambda layer, x: layer(x, mask=mask, causal=True),
        theirs_call=lambda layer, x: layer(x, x, x, key_padding_mask=torch.tensor(~mask), attn_mask=tri),
    )


def test_encoders():
    block = T.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, norm_first=True)
    _agree(
        nn.TransformerEncoder(2, 8, 2, 12),
        T.TransformerEncoder(block, 2, T.LayerNorm(8), enable_nested_tensor=False),
        _x(2, 5, 8),
    )


def test_batch_norm_keeps_the_same_statistics():
    mine, theirs = nn.BatchNorm(3), T.BatchNorm1d(3)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(6, 3)).astype(np.float32)
        mine(x)
        theirs(torch.tensor(x))
    for name, b in mine.named_buffers():
        np.testing.assert_allclose(b, theirs.state_dict()[name].numpy(), rtol=1e-5)
    x = _x(4, 3)
    np.testing.assert_allclose(mine.eval()(x).data, theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-5)


def test_attention():
    mask = np.array([[True, True, False], [True, True, True]])
    _agree(
        nn.MultiHeadAttention(8, 2),
        T.MultiheadAttention(8, 2, batch_first=True),
        _x(2, 5, 8),
        _x(2, 3, 8)[:, :3],
        call=lambda layer, q, k: layer(q, k, mask=mask),
        theirs_call=lambda layer, q, k: layer(q, k, k, key_padding_mask=torch.tensor(~mask)),
    )


@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_blocks(norm_first):
    options = {"dim_feedforward": 12, "dropout": 0.0, "batch_first": True, "norm_first": norm_first}
    tri = torch.nn.Transformer.generate_square_subsequent_mask(5)
    _agree(
        nn.TransformerEncoderBlock(8, 2, 12, norm_first=norm_first),
        T.TransformerEncoderLayer(8, 2, **options),
        _x(2, 5, 8),
        call=lambda layer, x: layer(x, causal=True),
        theirs_call=lambda layer, x: layer(x, src_mask=tri),
    )
    _agree(
        nn.TransformerDecoderBlock(8, 2, 12, norm_first=norm_first),
        T.TransformerDecoderLayer(8, 2, **options),
        _x(2, 5, 8),
        _x(2, 7, 8),
        theirs_call=lambda layer, x, m: layer(x, m, tgt_mask=tri),
    )


ACTIVATIONS = [
    ("relu", "relu"), ("leaky_relu", "leaky_relu"), ("elu", "elu"), ("selu", "selu"), ("celu", "celu"), ("gelu", "gelu"),
    ("silu", "silu"), ("mish", "mish"), ("softplus", "softplus"), ("softsign", "softsign"), ("relu6", "relu6"),
    ("hardtanh", "hardtanh"), ("hard_sigmoid", "hardsigmoid"), ("hard_silu", "hardswish"), ("log_sigmoid", "logsigmoid"),
    ("glu", "glu"),
]  # fmt: skip


@pytest.mark.parametrize(("mine", "theirs"), ACTIVATIONS)
def test_activations(mine, theirs):
    x = np.linspace(-7.3, 7.1, 24, dtype=np.float32)
    v, t = wg.Variable(x), torch.tensor(x, requires_grad=True)
    y, u = getattr(nn, mine)(v), getattr(F, theirs)(t)
    np.testing.assert_allclose(y.data, u.detach().numpy(), atol=1e-6, rtol=1e-4)
    np.sum(y).backward()
    u.sum().backward()
    assert y.dtype == v.grad.dtype == np.float32
    np.testing.assert_allclose(v.grad, t.grad.numpy(), atol=1e-6, rtol=1e-4)


def _loss(mine, theirs, x):
    v, t = wg.Variable(x), torch.tensor(x, requires_grad=True)
    y, u = mine(v), theirs(t)
    np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-6)
    np.sum(y).backward()
    u.sum().backward()
    np.testing.assert_allclose(v.grad, t.grad.numpy(), atol=1e-7)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 2.0, 0.1]])
@pytest.mark.parametrize("ignore", [None, 2])
def test_cross_entropy(reduction, smoothing, weight, ignore):
    labels = np.array([0, 2, 3, 2, 1])
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    _loss(
        lambda x: nn.cross_entropy(x, labels, weight=weight, label_smoothing=smoothing, ignore_index=ignore, reduction=reduction),
        lambda x: F.cross_entropy(x, torch.tensor(labels), w, label_smoothing=smoothing, ignore_index=-100 if ignore is None else ignore, reduction=reduction),
        RNG.normal(size=(5, 4)),
    )  # fmt: skip


def _contrastive(x, y, same, margin):
    d = torch.linalg.norm(x - y, dim=1)
    return torch.where(same > 0, d**2, F.relu(margin - d) ** 2).mean()


def test_other_losses():
    x, y, p = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4)), RNG.uniform(size=(5, 4))
    q = p / p.sum(1, keepdims=True)
    t = torch.tensor
    cases = [
        (lambda x: nn.cross_entropy(x, q), lambda x: F.cross_entropy(x, t(q))),
        (lambda x: nn.cross_entropy(x, [0, 1, 2, 0], axis=0), lambda x: F.cross_entropy(x.T, t([0, 1, 2, 0]))),
        (lambda x: nn.mse_loss(x, y), lambda x: F.mse_loss(x, t(y))),
        (lambda x: nn.l1_loss(x, y), lambda x: F.l1_loss(x, t(y))),
        (lambda x: nn.huber_loss(x, y, delta=0.7), lambda x: F.huber_loss(x, t(y), delta=0.7)),
        (lambda x: nn.smooth_l1_loss(x, y, beta=0.7), lambda x: F.smooth_l1_loss(x, t(y), beta=0.7)),
        (lambda x: nn.kl_divergence(nn.log_softmax(x), q), lambda x: F.kl_div(F.log_softmax(x, 1), t(q), reduction="batchmean")),
        (lambda x: nn.binary_cross_entropy_with_logits(x, p, pos_weight=2.0), lambda x: F.binary_cross_entropy_with_logits(x, t(p), pos_weight=t(2.0))),
        (lambda x: nn.binary_cross_entropy(nn.sigmoid(x), p), lambda x: F.binary_cross_entropy(torch.sigmoid(x), t(p))),
        (lambda x: nn.gaussian_nll_loss(x, y, p), lambda x: F.gaussian_nll_loss(x, t(y), t(p))),
        (lambda x: nn.triplet_loss(x, y, p), lambda x: F.triplet_margin_loss(x, t(y), t(p), eps=0)),
        (lambda x: nn.cosine_similarity(x, y), lambda x: F.cosine_similarity(x, t(y))),
        (lambda x: nn.nll_loss(nn.log_softmax(x), [0, 3, 1, 1, 2]), lambda x: F.nll_loss(F.log_softmax(x, 1), t([0, 3, 1, 1, 2]))),
        (lambda x: nn.nll_loss(nn.log_softmax(x, 0), [4, 0, 0, 2], axis=0, reduction="none"), lambda x: F.nll_loss(F.log_softmax(x.T, 1), t([4, 0, 0, 2]), reduction="none")),
        (lambda x: nn.log_cosh_loss(x, y), lambda x: torch.log(torch.cosh(x - t(y))).mean()),
        (lambda x: nn.hinge_loss(x, np.sign(y), margin=0.5), lambda x: F.relu(0.5 - t(np.sign(y)) * x).mean()),
        (lambda x: nn.contrastive_loss(x, y, [1, 0, 0, 1, 0], margin=2.5), lambda x: _contrastive(x, t(y), t([1, 0, 0, 1, 0]), 2.5)),
        (lambda x: nn.info_nce_loss(x, y, temperature=0.3), lambda x: F.cross_entropy(F.normalize(x) @ F.normalize(t(y)).T / 0.3, torch.arange(5))),
    ]  # fmt: skip
    for mine, theirs in cases:
        _loss(mine, theirs, x)


def test_ctc():
    target, times, counts = np.array([[1, 1, 3], [2, 4, 4], [3, 1, 2]]), np.array([7, 6, 7]), np.array([3, 2, 0])
    for reduction in ("mean", "sum", "none"):
        _loss(
            lambda x, r=reduction: nn.ctc_loss(nn.log_softmax(x), target, times, counts, reduction=r),
            lambda x, r=reduction: F.ctc_loss(
                F.log_softmax(x, 2).transpose(0, 1),
                torch.tensor(target),
                torch.tensor(times),
                torch.tensor(counts),
                reduction=r,
            ),
            RNG.normal(size=(3, 7, 5)),
        )
