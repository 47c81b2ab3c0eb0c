"""Losses. Shapes have to be equal where elements are compared: nothing is broadcast, so nothing is compared twice.

`reduction` is "mean", "sum" or "none" in all of them. Targets may be Variables; class numbers are integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import linear
from ..variable import Variable, data_of
from .activations import (
    _floating,
    log_softmax,
    softmax,
    softmax_array,
    softmax_rule,
    softplus,
)


def shapes_agree(name: str, **arrays: Any) -> None:
    """Check that arrays have one shape.

    Raises:
        ValueError: they have not.
    """
    shapes = {key: np.shape(_value(x)) for key, x in arrays.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{key} has shape {shape}" for key, shape in shapes.items())
        raise ValueError(f"{name}: {told}; they have to be equal, and are not broadcast (reshape one of them)")


def _value(x: Any) -> Any:
    return x._array if isinstance(x, Variable) else x


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """Losses of each element, as the caller wants them.

    Raises:
        ValueError: reduction is not one of the three, or there is nothing to take the mean of.
    """
    check_reduction(name, reduction)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if not losses.size:
        raise ValueError(f"{name}: there is nothing to take the mean of (shape {losses.shape}); use reduction='sum'")
    return losses.mean()


def check_reduction(name: str, reduction: str) -> None:
    """Raises ValueError if it is none of the three."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


# ---- cross-entropy ------------------------------------------------------------------------------------------
# For logits x of one example and weights q of the classes, the loss is sum_c q_c (logsumexp(x) - x_c), and its gradient
# softmax(x) * sum(q) - q. Without smoothing, q is 0 but for the label's class.


def _picked(x: Any, labels: Any) -> Any:
    return x[np.arange(labels.size), labels]


def _label_losses(x: Any, labels: Any, weights: Any, smooth: Any) -> Any:
    """The loss of each row of x. weights: of each row's own class; smooth: what every class gets, or None."""
    x = x - x.max(axis=1, keepdims=True)
    lse = np.log(np.exp(x).sum(axis=1))
    z = lse - _picked(x, labels)
    if weights is not None:
        z = z * weights
    if smooth is not None:
        z = z + (lse * smooth.sum(axis=1) - (x * smooth).sum(axis=1))
    return z


def _label_error(x: Any, labels: Any, weights: Any, smooth: Any) -> Any:
    """The gradient of each row's loss by the row."""
    p = softmax_array(x, 1)
    total: Any = weights
    if smooth is not None:
        total = smooth.sum(axis=1) + (1 if weights is None else weights)
    if total is not None:
        p = p * total[:, None]
    p[np.arange(labels.size), labels] -= 1 if weights is None else weights
    return p if smooth is None else p - smooth


def _error_rule(g: Any, _z: Any, x: Any, labels: Any, weights: Any, smooth: Any) -> Any:
    """The Jacobian of the gradient is symmetric: that of a softmax, times the sum of the weights."""
    t = softmax_rule(g, softmax(x, 1), 1)
    total: Any = weights
    if smooth is not None:
        total = smooth.sum(axis=1) + (1 if weights is None else weights)
    return t if total is None else t * total[:, None]


@linear(None, name="cross_entropy_error", call=_label_error, push=_error_rule)
def _error(g: Any, z: Any, x: Any, labels: Any, weights: Any, smooth: Any) -> Any:
    return _error_rule(g, z, x, labels, weights, smooth)


def _cross_entropy_value(x: Any, labels: Any, weights: Any, smooth: Any, scale: Any) -> Any:
    z = _label_losses(x, labels, weights, smooth)
    return z if scale is None else z.sum() * scale


def _cross_entropy_push(t: Any, _z: Any, x: Any, labels: Any, weights: Any, smooth: Any, scale: Any) -> Any:
    along = np.sum(_error(x, labels, weights, smooth) * t, axis=1)
    return along if scale is None else np.sum(along) * scale


@linear(None, name="cross_entropy", call=_cross_entropy_value, push=_cross_entropy_push)
def _cross_entropy(g: Any, _z: Any, x: Any, labels: Any, weights: Any, smooth: Any, scale: Any) -> Any:
    return _error(x, labels, weights, smooth) * (g[:, None] if scale is None else g * scale)


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    axis: int = -1,
    weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """The cross-entropy of softmax(logits) with a target: the negative log-likelihood of the right classes.

    Args:
        logits: scores, not probabilities; the classes are along `axis`, the last (in PyTorch it is axis 1).
        target: class numbers, integers of logits' shape without `axis`; or probabilities of logits' shape.
        weight: of each class, shape (classes,). The mean is then that weighted with the right classes' weights.
        label_smoothing: the part of the target, from 0 to 1, that is spread evenly over the classes (Szegedy et al.,
            CVPR 2016).
        ignore_index: examples of this class number count nothing, for the mean neither.

    One operation; the derivative takes one softmax.

    Raises:
        ValueError: shapes that don't fit, a class number out of range, or nothing to take the mean of.
        TypeError: class numbers that are not integers.

    Example:
        >>> logits = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> print(round(wg.nn.cross_entropy(logits, [0, 2]), 6))
        0.895495
    """
    logits = _floating(logits, "cross_entropy")
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is from 0 to 1, got {label_smoothing}")
    if logits.ndim == 0:
        raise ValueError("cross_entropy: logits have shape (); the classes need an axis")
    classes = logits.shape[axis]
    weight = _class_weights(weight, classes, logits.dtype)
    if not isinstance(target, Variable):
        target = np.asarray(target) if not hasattr(target, "dtype") else target
    if target.dtype.kind == "f":
        shapes_agree("cross_entropy", logits=logits, target=target)
        return _soft_cross_entropy(logits, target, axis, weight, label_smoothing, ignore_index, reduction)
    labels = data_of(target)
    _check_labels(labels, logits.shape, axis, classes, ignore_index)
    if logits.ndim != 2 or axis not in (-1, 1):
        logits = np.moveaxis(logits, axis, -1).reshape(-1, classes)
    flat = labels.reshape(-1)
    used = None if ignore_index is None else flat != ignore_index
    if used is not None:
        flat = np.where(used, flat, 0)
    weights, smooth = _weights_of(flat, used, weight, label_smoothing, classes, logits.dtype)
    scale = None if reduction == "none" else 1.0
    if reduction == "mean":
        own = weight[flat] * (True if used is None else used) if weight is not None else used
        total = float(flat.size if own is None else own.sum())
        if total == 0:
            raise ValueError("cross_entropy: no example counts, so there is no mean; use reduction='sum'")
        scale = 1 / total
    z = _cross_entropy(logits, flat, weights, smooth, scale)
    return z.reshape(labels.shape) if scale is None else z


def _class_weights(weight: Any, classes: int, dtype: Any) -> Any:
    if weight is None:
        return None
    weight = np.asarray(data_of(weight), dtype)
    if weight.shape != (classes,):
        raise ValueError(f"cross_entropy: weight has shape {weight.shape}, but there are {classes} classes")
    return weight


def _check_labels(labels: Any, shape: tuple[int, ...], axis: int, classes: int, ignore_index: int | None) -> None:
    axis %= len(shape)
    expected = shape[:axis] + shape[axis + 1 :]
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: class numbers are integers, got {labels.dtype}")
    if labels.shape != expected:
        raise ValueError(
            f"cross_entropy: logits have shape {shape} with {classes} classes along axis {axis}, so the target has "
            f"shape {expected} (class numbers) or {shape} (probabilities); got {labels.shape}"
        )
    if (
        not labels.size or labels.view(labels.dtype.str.replace("i", "u")).max() < classes
    ):  # negative ones count as large
        return
    wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        raise ValueError(f"cross_entropy: class number {labels[wrong][0]} is not one of 0 to {classes - 1}")


def _weights_of(flat: Any, used: Any, weight: Any, smoothing: float, classes: int, dtype: Any) -> tuple[Any, Any]:
    """Of each example: the weight of its own class, and (with smoothing) what every class gets; None for 1, for 0."""
    weights = None if weight is None else weight[flat]
    if used is not None:
        weights = used.astype(dtype) if weights is None else weights * used
    if not smoothing:
        return weights, None
    every = (
        np.full((1, classes), smoothing / classes, dtype) if weight is None else weight[None] * (smoothing / classes)
    )
    smooth = every * np.ones((flat.size, 1), dtype) if used is None else every * used[:, None]
    own = np.ones(flat.size, dtype) if weights is None else weights
    return own * (1 - smoothing), smooth


def _soft_cross_entropy(
    x: Any, target: Any, axis: int, weight: Any, smoothing: float, ignore: Any, reduction: str
) -> Any:
    if ignore is not None:
        raise ValueError("cross_entropy: ignore_index is for class numbers; give such examples zero probabilities")
    if smoothing:
        target = target * (1 - smoothing) + smoothing / x.shape[axis]
    if weight is not None:
        target = target * weight.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return reduced("cross_entropy", -(target * log_softmax(x, axis)).sum(axis), reduction)


def nll_loss(log_probabilities: Any, target: Any, *, axis: int = -1, reduction: str = "mean") -> Any:
    """The negative log-likelihood of class numbers, from logarithms of probabilities: `cross_entropy` without softmax.

    The classes are along `axis`, the last (in PyTorch it is axis 1).

    Raises:
        ValueError, TypeError: as `cross_entropy`.
    """
    x = _floating(log_probabilities, "nll_loss")
    labels = np.asarray(data_of(target))
    _check_labels(labels, x.shape, axis, x.shape[axis], None)
    picked = np.take_along_axis(x, np.expand_dims(labels, axis), axis)
    return reduced("nll_loss", -np.squeeze(picked, axis), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, *, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """The cross-entropy of sigmoid(logits) with probabilities (0 and 1, or between), without overflow.

    Args:
        weight: of each element; broadcasts to them.
        pos_weight: the weight of the positive part, as for rare positives; broadcasts too.

    Raises:
        ValueError: logits and target have different shapes.

    Example:
        >>> print(round(wg.nn.binary_cross_entropy_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0])), 6))
        0.346574
    """
    shapes_agree("binary_cross_entropy_with_logits", logits=logits, target=target)
    x, target = _floating(logits, "binary_cross_entropy_with_logits"), _number(target, logits)
    if pos_weight is None:
        losses = softplus(x) - x * target
    else:
        losses = (1 - target) * x + (1 + (pos_weight - 1) * target) * softplus(-x)
    return reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


def binary_cross_entropy(probabilities: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The cross-entropy of probabilities with others. Logarithms are at least -100, as in PyTorch.

    From a sigmoid's result it loses digits: prefer `binary_cross_entropy_with_logits`.

    Raises:
        ValueError: different shapes, or probabilities outside 0 to 1.
    """
    shapes_agree("binary_cross_entropy", probabilities=probabilities, target=target)
    p, target = _floating(probabilities, "binary_cross_entropy"), _number(target, probabilities)
    data = data_of(p)
    if not ((data >= 0) & (data <= 1)).all():
        raise ValueError("binary_cross_entropy: probabilities are from 0 to 1; for logits use the one _with_logits")
    floor = float(np.exp(-100))
    losses = -(target * np.log(np.maximum(p, floor)) + (1 - target) * np.log(np.maximum(1 - p, floor)))
    return reduced("binary_cross_entropy", losses, reduction)


def _number(target: Any, like: Any) -> Any:
    """A target as floating-point numbers of the same precision: integers and booleans count as 0 and 1."""
    if isinstance(target, Variable) and target.dtype.kind == "f":
        return target
    target = np.asarray(data_of(target))
    return target if target.dtype.kind == "f" else target.astype(_value(like).dtype)


# ---- regression ---------------------------------------------------------------------------------------------


def _difference(name: str, x: Any, target: Any) -> Any:
    shapes_agree(name, input=x, target=target)
    return (x if isinstance(x, Variable) else np.asarray(x)) - (
        target if isinstance(target, Variable) else np.asarray(target)
    )


def mse_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The squared error.

    Raises:
        ValueError: different shapes.

    Example:
        >>> print(wg.nn.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
        2.0
        >>> wg.nn.mse_loss(np.zeros(3), np.zeros((3, 1)))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: mse_loss: input has shape (3,), target has shape (3, 1); they have to be equal, and are not ...
    """
    return reduced("mse_loss", np.square(_difference("mse_loss", x, target)), reduction)


def l1_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The absolute error; its derivative where there is none is 0.

    Raises:
        ValueError: different shapes.
    """
    return reduced("l1_loss", np.abs(_difference("l1_loss", x, target)), reduction)


def huber_loss(x: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Half the squared error up to delta, and linear beyond (Huber, Annals of Mathematical Statistics 35, 1964).

    Raises:
        ValueError: different shapes, or delta is not positive.
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is positive, got {delta}")
    d = _difference("huber_loss", x, target)
    inside = np.clip(d, -delta, delta)
    return reduced("huber_loss", inside * (d - 0.5 * inside), reduction)


def smooth_l1_loss(x: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    """The Huber loss divided by beta (Girshick, ICCV 2015); for beta = 0 the absolute error."""
    if beta == 0:
        return l1_loss(x, target, reduction=reduction)
    return huber_loss(x, target, delta=beta, reduction=reduction) / beta


def log_cosh_loss(x: Any, target: Any, *, reduction: str = "mean") -> Any:
    """log(cosh(error)): smooth, like half the squared error near 0 and like the absolute error far from it."""
    d = _difference("log_cosh_loss", x, target)
    return reduced("log_cosh_loss", d + softplus(-2 * d) - float(np.log(2)), reduction)


# ---- distributions ------------------------------------------------------------------------------------------


def kl_divergence(log_q: Any, p: Any, *, axis: int = -1, log_target: bool = False, reduction: str = "mean") -> Any:
    """The Kullback-Leibler divergence of p from q: the sum of p * (log p - log q) along an axis.

    Args:
        log_q: logarithms of the model's probabilities, as `log_softmax` gives.
        p: the target's probabilities, or (log_target) their logarithms. Where p is 0, the term is 0.
        reduction: of the divergences, one for each distribution.

    Raises:
        ValueError: different shapes.

    Example:
        >>> half = np.array([0.5, 0.5])
        >>> print(wg.nn.kl_divergence(np.log(half), half))
        0.0
    """
    shapes_agree("kl_divergence", log_q=log_q, p=p)
    if log_target:
        terms = np.exp(p) * (p - log_q)
    else:
        positive = data_of(p) > 0
        terms = p * (np.log(np.where(positive, p, 1)) - log_q)
    return reduced(
        "kl_divergence", np.asarray(terms).sum(axis) if not isinstance(terms, Variable) else terms.sum(axis), reduction
    )


def gaussian_nll_loss(mean: Any, target: Any, variance: Any, *, eps: float = 1e-6, reduction: str = "mean") -> Any:
    """The negative log-likelihood of a normal distribution, without its constant; variances are at least eps.

    Raises:
        ValueError: different shapes.
    """
    shapes_agree("gaussian_nll_loss", mean=mean, target=target, variance=variance)
    v = np.maximum(variance, eps)
    return reduced("gaussian_nll_loss", 0.5 * (np.log(v) + np.square(mean - target) / v), reduction)


# ---- distances ----------------------------------------------------------------------------------------------


def _distance(x: Any, y: Any) -> Any:
    """Euclidean, along the last axis; its derivative at 0 is 0."""
    return np.linalg.norm(x - y, axis=-1)


def triplet_loss(anchor: Any, positive: Any, negative: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, |anchor - positive| - |anchor - negative| + margin), along the last axis (Schroff et al., CVPR 2015).

    Raises:
        ValueError: different shapes.
    """
    shapes_agree("triplet_loss", anchor=anchor, positive=positive, negative=negative)
    losses = np.maximum(_distance(anchor, positive) - _distance(anchor, negative) + margin, 0)
    return reduced("triplet_loss", losses, reduction)


def contrastive_loss(x: Any, y: Any, same: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """distance**2 for pairs that belong together, max(0, margin - distance)**2 for others (Hadsell et al., CVPR 2006).

    Args:
        x, y: shape (..., features).
        same: shape (...), 1 or True for pairs that belong together.

    Raises:
        ValueError: different shapes.
    """
    shapes_agree("contrastive_loss", x=x, y=y)
    same = np.asarray(data_of(same))
    if same.shape != np.shape(_value(x))[:-1]:
        raise ValueError(f"contrastive_loss: same has shape {same.shape}, but the pairs {np.shape(_value(x))[:-1]}")
    d = _distance(x, y)
    losses = np.where(same.astype(bool), np.square(d), np.square(np.maximum(margin - d, 0)))
    return reduced("contrastive_loss", losses, reduction)


def info_nce_loss(x: Any, y: Any, *, temperature: float = 0.1, reduction: str = "mean") -> Any:
    """Each row of x against all rows of y, of which the one in the same place is right (van den Oord et al., 2018).

    Cosine similarities divided by the temperature are the logits of a cross-entropy.

    Raises:
        ValueError: different shapes, or not (examples, features).
    """
    from .activations import normalize

    shapes_agree("info_nce_loss", x=x, y=y)
    if len(np.shape(_value(x))) != 2:
        raise ValueError(f"info_nce_loss: x and y are (examples, features), got shape {np.shape(_value(x))}")
    logits = normalize(x) @ normalize(y).T / temperature
    return cross_entropy(logits, np.arange(logits.shape[0]), reduction=reduction)


def cosine_similarity(x: Any, y: Any, *, axis: int = -1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along an axis.

    Raises:
        ValueError: different shapes.
    """
    shapes_agree("cosine_similarity", x=x, y=y)
    norms = np.linalg.norm(x, axis=axis) * np.linalg.norm(y, axis=axis)
    return np.sum(x * y, axis=axis) / np.maximum(norms, eps)


def hinge_loss(scores: Any, sign: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, margin - sign * score), for signs of +1 and -1.

    Raises:
        ValueError: different shapes.
    """
    shapes_agree("hinge_loss", scores=scores, sign=sign)
    return reduced("hinge_loss", np.maximum(margin - np.asarray(data_of(sign)) * scores, 0), reduction)
