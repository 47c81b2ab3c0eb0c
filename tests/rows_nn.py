"""Rows of the test table: networks."""

from __future__ import annotations

import numpy as np
from rowkit import REAL, Row, row

from wengert import nn
from wengert.nn import affine, convolve as conv, losses, pooling, sweep
from wengert.nn.attend import SelfAttention

V, T, E = (4,), (2, 3, 2), (0, 3)
G1 = conv.Geometry((2,), ((1, 2),), (1,), 1)
G2 = conv.Geometry((1, 2), ((1, 1), (0, 1)), (2, 1), 2)
G3 = conv.Geometry((1, 1), ((2, 1), (0, 1)), (1, 2), 2)  # a transpose that is a convolution
LABELS, INDEX = np.array([0, 2, 1]), np.array([[0, 2, 2], [1, 1, 0]])
RAMP = np.arange(7.0).reshape(1, 1, 7)
MASK, KEYS = np.array([[True, True, False], [False, True, True]]), np.array([[[[True, False, True]]], [[[False] * 3]]])
WEIGHTS, SMOOTH = np.array([0.5, 0.0, 2.0]), np.full((3, 4), 0.1)


def _op(name, op, *shapes, **options):
    return row(name, op, *shapes, dtypes=options.pop("dtypes", REAL), **options)


ROWS: list[Row] = [
    *[_op("linear", nn.linear, x, (2, 3), (2,)) for x in [(3,), (4, 3), (2, 4, 3), (0, 3)]],
    *[_op("linear_unbiased", nn.linear, x, (2, 3)) for x in [(3,), (4, 3), (2, 4, 3), (0, 3)]],
    *[_op("leaky_relu", lambda x: nn.leaky_relu(x, 0.1), s, distinct=True) for s in (V, T, E)],
    *[_op("elu", lambda x: nn.elu(x, 0.7), s, distinct=True) for s in (V, T, E)],
    _op("elu", nn.selu, T, distinct=True),
    *[_op("softmax", nn.softmax, s) for s in (V, T, E)],
    _op("softmax", lambda x: nn.softmax(x, (0, 2)), T),
    _op("softmax", lambda x: nn.softmax(x, where=np.array([[True, False, True], [False] * 3])), (2, 3)),
    *[_op("log_softmax", nn.log_softmax, s) for s in (V, T, E)],
    _op("log_softmax", lambda x: nn.log_softmax(x, 1), T),
    *[_op("standardise", lambda x: nn.standardise(x, eps=0.1), s) for s in (V, T)],
    _op("standardise", lambda x: nn.standardise(x, (0, 2), 0.1), T),
    *[_op("layer_norm", lambda x, w, b, n=n: nn.layer_norm(x, w, b, ndim=n, eps=0.1), (2, 3, 4), (2, 3, 4)[-n:], (2, 3, 4)[-n:]) for n in (1, 2)],
    *[_op("rms_normalise", nn.rms_norm, s) for s in (V, T)],
    *[_op("cross_entropy", lambda x, r=r: nn.cross_entropy(x, LABELS, reduction=r), (3, 4)) for r in ("mean", "sum", "none")],
    _op("cross_entropy", lambda x: nn.cross_entropy(x, LABELS, label_smoothing=0.1, ignore_index=2), (3, 4), dtypes=("float64",)),
    _op("cross_entropy_error", lambda x: losses._error(x, LABELS, None, None), (3, 4)),
    _op("cross_entropy_error", lambda x: losses._error(x, LABELS, WEIGHTS, SMOOTH), (3, 4), dtypes=("float64",)),
    _op("embedding", lambda w: nn.embedding(INDEX, w), (3, 2)),
    _op("embedding_gather", lambda g: affine._gather(g, index=INDEX, rows=3, width=(2,)), (2, 3, 2)),
    _op("convolution", lambda x, w: conv._convolution(x, w, geometry=G1), (2, 3, 6), (4, 3, 3)),
    _op("convolution", lambda x, w: conv._convolution(x, w, geometry=G2), (2, 4, 5, 6), (2, 2, 2, 3)),
    _op("convolution_biased", lambda *xs: conv._biased(*xs, geometry=G1), (2, 3, 6), (4, 3, 3), (4,)),
    _op("convolution_biased", lambda *xs: conv._biased(*xs, geometry=G2), (2, 4, 5, 6), (2, 2, 2, 3), (2,)),
    _op("convolution", lambda x, w: conv._convolution(x, w, geometry=G3), (2, 4, 5, 3), (2, 2, 3, 2)),
    _op("convolution_transposed", lambda g, w: conv._transposed(g, w, places=(6,), geometry=G1), (2, 4, 4), (4, 3, 3)),
    _op("convolution_transposed", lambda g, w: conv._transposed(g, w, places=(5, 6), geometry=G2), (2, 2, 5, 3), (2, 2, 2, 3)),
    _op("convolution_kernel", lambda x, g: conv._kernel(x, g, kernel=(3,), geometry=G1), (2, 3, 6), (2, 4, 4)),
    *[_op("sweep", lambda *xs, c=c, m=m, b=b: np.concatenate(c(m, b)(*xs)), (2, 3, 2 * c.gates), (2 * c.gates, 2), (2 * c.gates,), *[(2, 2)] * c.states)
      for c, m, b in [(sweep.Lstm, None, False), (sweep.Lstm, MASK, True), (sweep.Gru, None, True), (sweep.Gru, MASK, False), (sweep.Elman, MASK, False), (sweep.ReluElman, None, False)]],
    _op("self_attention", lambda x: SelfAttention(2)(x)[0], (2, 3, 12)),
    _op("self_attention", lambda x: SelfAttention(1, np.tri(3, dtype=bool), np.linspace(0, 2, 9).reshape(1, 1, 3, 3))(x)[0], (2, 3, 6), dtypes=("float64",)),
    _op("self_attention", lambda x: SelfAttention(1, KEYS)(x)[0], (2, 3, 3)),
    _op("max_pool", lambda x: nn.max_pool(x, 2), (2, 1, 7), distinct=True),
    _op("max_pool", lambda x: nn.max_pool(x, (3, 2), stride=2, padding=1), (1, 2, 5, 6), distinct=True),
    _op("max_pool_gather", lambda t: pooling._gather(t, RAMP, pooling._largest(RAMP, (2,), G1), (2,), G1), (1, 1, 7), dtypes=("float64",)),
    _op("max_pool_scatter", lambda t: pooling._scatter(t, RAMP, pooling._largest(RAMP, (2,), G1), (2,), G1), (1, 1, 5), dtypes=("float64",)),
    _op("sum_pool", lambda x: nn.avg_pool(x, 3, stride=2, padding=1), (1, 2, 5, 6)),
    _op("sum_pool_transposed", lambda g: pooling._strew(g, (2,), G1, (7,)), (1, 2, 5)),
]  # fmt: skip
