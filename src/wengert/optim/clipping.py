"""Gradients kept within bounds, between `backward` and `step`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import BLOCK, as_factor, gradients


def clip_grad_norm(params: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = True) -> float:
    """Scale all gradients together, in place, so that their norm is at most `max_norm`; returns the norm before.

    Args:
        params: Variables, or pairs of a name and a Variable; those without a gradient are left out.
        max_norm: what the norm of all gradients, taken as one vector, may be.
        norm_type: which p-norm; `inf` for the largest number.
        error_if_nonfinite: whether a gradient with NaN or infinities is an error; else it makes all gradients NaN or 0.

    The norm is computed in double precision; the factor is `max_norm / (norm + 1e-6)`, as in PyTorch. Two passes.

    Raises:
        ValueError: a bound that is negative or no number, a norm that is not finite.

    Example:
        >>> w = wg.Variable(np.array([3.0, 4.0]))
        >>> np.sum(w**2 / 2).backward()
        >>> wg.optim.clip_grad_norm([w], max_norm=1.0)
        5.0
        >>> w.grad.round(4)
        array([0.6, 0.8])
    """
    _bound("clip_grad_norm: max_norm", max_norm)
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm: norm_type must be positive, got {norm_type!r}")
    grads = gradients(params)
    norm = _number(np.linalg.norm(np.array([_norm(g, norm_type) for g in grads]), norm_type)) if grads else 0.0
    if error_if_nonfinite and not np.isfinite(norm):
        bad = next((i for i, g in enumerate(grads) if not np.all(np.isfinite(g))), None)
        where = "" if bad is None else f"; the first such gradient has shape {grads[bad].shape}"
        raise ValueError(f"clip_grad_norm: the norm of the gradients is {norm}{where}")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1.0:
        for g in grads:
            g *= as_factor(factor, g)
    return norm


def clip_grad_value(params: Any, clip_value: float) -> None:
    """Limit every number of every gradient to [-clip_value, clip_value], in place; of complex ones, both parts.

    Raises:
        ValueError: a bound that is negative or no number.

    Example:
        >>> w = wg.Variable(np.array([3.0, -0.5]))
        >>> np.sum(w**2).backward()
        >>> wg.optim.clip_grad_value([w], 2.0)
        >>> w.grad
        array([ 2., -1.])
    """
    _bound("clip_grad_value: clip_value", clip_value)
    for g in gradients(params):
        for part in (g.real, g.imag) if g.dtype.kind == "c" else (g,):
            np.clip(part, -clip_value, clip_value, out=part)


def _norm(g: Any, order: float) -> float:
    """In double precision, block by block."""
    parts: list[Any] = []
    per_block = max(1, BLOCK // (g[:1].size or 1)) if g.ndim else 1
    for i in range(0, len(g) if g.ndim else 1, per_block):
        block = np.abs(g[i : i + per_block] if g.ndim else g).astype(np.float64, copy=False)
        parts.append(np.linalg.norm(block.reshape(-1), order) if block.size else 0.0)
    return _number(np.linalg.norm(np.array(parts), order)) if parts else 0.0


def _number(x: Any) -> Any:
    """A NumPy scalar as Python's float; one that is recorded as it is."""
    return float(x) if type(x) is np.float64 else x


def _bound(what: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{what} must be a number of at least 0, got {value!r}")
