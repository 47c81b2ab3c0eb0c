"""`logsumexp`, `softmax` and `log_softmax`: functions of whole axes, which SciPy does not hand to NumPy's protocols."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import declare
from ..rules.reductions import kept
from ..variable import Variable, data_of
from .composing import apart
from .special_declare import sp

# ---- log(sum(b exp(a))) -------------------------------------------------------------------------------------


def _shares(z: Any, a: Any, b: Any, axis: Any, keepdims: bool) -> Any:
    """exp(a) / sum(b exp(a)) without overflow."""
    m = kept(z, a.shape, axis, keepdims)
    w = np.exp(np.where(a == m, 0, a - np.where(a == m, 0, m)))
    return w / np.sum(b * w, axis, keepdims=True)


def _pull_a(g: Any, z: Any, a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return kept(g, a.shape, axis, keepdims) * b * _shares(z, a, b, axis, keepdims)


def _pull_b(g: Any, z: Any, a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return kept(g, a.shape, axis, keepdims) * _shares(z, a, b, axis, keepdims)


def _push_a(t: Any, z: Any, a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return np.sum(t * b * _shares(z, a, b, axis, keepdims), axis, keepdims=keepdims)


def _push_b(t: Any, z: Any, a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return np.sum(t * _shares(z, a, b, axis, keepdims), axis, keepdims=keepdims)


def _value(a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return sp.logsumexp(a, axis, b, keepdims)


def _value_of_size(a: Any, b: Any, *, axis: Any, keepdims: bool) -> Any:
    return sp.logsumexp(a, axis, b, keepdims, True)[0]


_plain = apart(
    "logsumexp",
    "special",
    lambda: declare.general(
        "logsumexp",
        lambda a, *, axis, keepdims: sp.logsumexp(a, axis, None, keepdims),
        (lambda g, z, a, **options: _pull_b(g, z, a, 1, **options),),
        (lambda t, z, a, **options: _push_b(t, z, a, 1, **options),),
    ),
)
_weighted = apart(
    "logsumexp", "special", lambda: declare.general("logsumexp", _value, (_pull_a, _pull_b), (_push_a, _push_b))
)
_sized = apart(
    "logsumexp", "special", lambda: declare.general("logsumexp", _value_of_size, (_pull_a, _pull_b), (_push_a, _push_b))
)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """`scipy.special.logsumexp` for arrays and Variables. Differentiable in a and b."""
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        return sp.logsumexp(a, axis, b, keepdims, return_sign)
    if b is None and not return_sign:
        return _plain(a, axis=axis, keepdims=keepdims)
    x, y = np.asarray(data_of(a)), np.asarray(1.0 if b is None else data_of(b))
    if return_sign and "c" in (x.dtype.kind, y.dtype.kind):
        raise NotImplementedError("scipy.special.logsumexp: return_sign=True of complex data has no derivative here")
    b = np.ones((), np.result_type(x, np.float32)) if b is None else b
    shape = np.broadcast_shapes(x.shape, y.shape)
    a, b = [np.broadcast_to(v, shape) if np.shape(v) != shape else v for v in (a, b)]
    if not return_sign:
        return _weighted(a, b, axis=axis, keepdims=keepdims)
    sign = sp.logsumexp(x, axis, None if b is None else y, keepdims, True)[1]
    return _sized(a, b, axis=axis, keepdims=keepdims), sign


# ---- softmax ------------------------------------------------------------------------------------------------


def _total(g: Any, axis: Any) -> Any:
    return np.sum(g, axis, keepdims=True)


def _softmax(g: Any, z: Any, _x: Any, axis: Any = None) -> Any:
    return z * (g - _total(g * z, axis))


def _log_softmax(g: Any, z: Any, _x: Any, axis: Any = None) -> Any:
    return g - np.exp(z) * _total(g, axis)


def _push_log_softmax(t: Any, z: Any, _x: Any, axis: Any = None) -> Any:
    return t - _total(np.exp(z) * t, axis)


softmax = apart(
    "softmax", "special", lambda: declare.linear(None, name="softmax", call=sp.softmax, push=_softmax)(_softmax)
)
log_softmax = apart(
    "log_softmax",
    "special",
    lambda: declare.linear(None, name="log_softmax", call=sp.log_softmax, push=_push_log_softmax)(_log_softmax),
)
