"""Connectionist temporal classification (Graves et al., ICML 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..variable import data_of
from .activations import _floating
from .losses import check_reduction, reduced

NOT_REACHED = -1e30  # the logarithm of a probability of 0, without the NaNs of infinities


def ctc_loss(
    log_probabilities: Any,
    target: Any,
    input_lengths: Any = None,
    target_lengths: Any = None,
    *,
    blank: int = 0,
    reduction: str = "mean",
) -> Any:
    """The negative log-probability of label sequences, over all ways to align them with the steps.

    Args:
        log_probabilities: shape (batch, steps, classes), as `log_softmax` gives.
        target: class numbers, shape (batch, labels), none of them the blank.
        input_lengths, target_lengths: shape (batch,); by default all steps, and all labels.
        blank: the class number that means no label.
        reduction: "mean" divides each loss by its number of labels first, as PyTorch does.

    A few NumPy calls for each step. A sequence too long for its steps has the loss inf, and no gradient.

    Raises:
        ValueError: shapes, lengths or class numbers that don't fit.

    Example:
        >>> even = np.log(np.full((1, 2, 2), 0.5))
        >>> print(round(wg.nn.ctc_loss(even, [[1]]), 6))  # -1, 1- and 11, of four
        0.287682
    """
    x = _floating(log_probabilities, "ctc_loss")
    check_reduction("ctc_loss", reduction)
    labels = np.asarray(data_of(target))
    if x.ndim != 3 or labels.ndim != 2 or len(labels) != x.shape[0] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"ctc_loss: log_probabilities are (batch, steps, classes) and target integers (batch, labels), got "
            f"{x.shape} and {labels.dtype} {labels.shape}"
        )
    batch, steps, classes = x.shape
    times = _lengths("input_lengths", input_lengths, batch, steps)
    counts = _lengths("target_lengths", target_lengths, batch, labels.shape[1])
    used = np.arange(labels.shape[1]) < counts[:, None]
    labels = np.where(used, labels, blank)
    if not 0 <= blank < classes or ((labels < 0) | (labels >= classes))[used].any() or (labels == blank)[used].any():
        raise ValueError(f"ctc_loss: labels are from 0 to {classes - 1} and not the blank, {blank}")
    extended = np.full((batch, 2 * labels.shape[1] + 1), blank)
    extended[:, 1::2] = labels
    skips = np.zeros(extended.shape, bool)  # from one label to the next, if they differ
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    rows = np.arange(batch)
    emitted = x[rows[:, None, None], np.arange(steps)[:, None], extended[:, None, :]]
    far = np.full((batch, 2), NOT_REACHED, x.dtype)
    start = np.where(np.arange(extended.shape[1]) == 0, 0, NOT_REACHED).astype(x.dtype)
    alpha: Any = np.broadcast_to(start, extended.shape)  # before the first step
    for t in range(steps):
        shifted = np.concatenate([far, alpha], 1)
        one, two = shifted[:, 1:-1], np.where(skips, shifted[:, :-2], NOT_REACHED)
        new = np.logaddexp(np.logaddexp(alpha, one), two) + emitted[:, t]
        alpha = np.where((t < times)[:, None], new, alpha)
    last = alpha[rows, 2 * counts]
    before = np.where(counts > 0, alpha[rows, np.maximum(2 * counts - 1, 0)], NOT_REACHED)
    losses = -np.logaddexp(last, before)
    losses = np.where(data_of(losses) < -NOT_REACHED / 2, losses, np.inf)
    if reduction == "mean":
        losses = losses / np.maximum(counts, 1).astype(x.dtype)
    return reduced("ctc_loss", losses, reduction)


def _lengths(name: str, lengths: Any, batch: int, most: int) -> Any:
    if lengths is None:
        return np.full(batch, most)
    lengths = np.asarray(data_of(lengths))
    if lengths.shape != (batch,) or (lengths < 0).any() or (lengths > most).any():
        raise ValueError(f"ctc_loss: {name} has shape {(batch,)} and numbers from 0 to {most}, got {lengths}")
    return lengths
