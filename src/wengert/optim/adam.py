"""Optimisers with running means of the gradient and of its square: Adam, AdamW, NAdam, LAMB; and Lion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from .optimizer import Optimizer, as_factor


class Adam(Optimizer):
    """The mean of the gradient over the root of the mean of its square; both corrected for their start at zero.

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)       in step t = 1, 2, ...

    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015. With `amsgrad`, the largest v until
    now takes the place of v (S. J. Reddi et al., "On the convergence of Adam and beyond", ICLR 2018). Weight decay is
    added to the gradient. State: two arrays, three with `amsgrad`; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.Adam([w], lr=0.1)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> w
        Variable([0.9, 1.9])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decay: Any = None,
    ) -> None:
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {"lr": lr, **options}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        kept = ("m", "v", "v_max") if options["amsgrad"] else ("m", "v")
        return {key: np.zeros_like(p) for key in kept}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        m, v, t, (b1, b2), (u, _) = state["m"], state["v"], state["step"], options["betas"], scratch
        _means(m, v, g, b1, b2, u)
        if options["amsgrad"]:
            v = np.maximum(state["v_max"], v, out=state["v_max"])
        root = math.sqrt(1 - b2**t)
        np.sqrt(v, out=u)
        if p.itemsize == 2:  # where eps * root might be 0
            u /= root
            root = 1.0
        u += options["eps"] * root
        np.divide(m, u, out=u)
        u *= options["lr"] * root / (1 - b1**t)
        p -= u


class AdamW(Adam):
    """Adam, where weights decay by themselves: p = p * (1 - lr * weight_decay) before the step.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019. All else as in `Adam`.

    Example:
        >>> model = {"weight": wg.Variable(np.ones((2, 2))), "bias": wg.Variable(np.zeros(2))}
        >>> opt = wg.optim.AdamW(model, weight_decay=0.1, decay=lambda name, p: p.ndim > 1)
        >>> np.sum(np.ones(2) @ model["weight"] + model["bias"]).backward()
        >>> opt.step()
        >>> model["weight"].data, model["bias"].data
        (array([[0.9989, 0.9989],
               [0.9989, 0.9989]]), array([-0.001, -0.001]))
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        decay: Any = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decay=decay)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

        mu(t) = b1 * (1 - 0.96**(t * momentum_decay) / 2)
        p = p - lr * (mu(t+1) * m / (1 - mu(1)...mu(t+1)) + (1 - mu(t)) * g / (1 - mu(1)...mu(t)))
                   / (sqrt(v / (1 - b2**t)) + eps)                           with m and v as in `Adam`

    T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016. Weight decay is added to the gradient.
    State: two arrays; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.NAdam([w], lr=0.1)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> bool(np.all(w.data < [1.0, 2.0]))
        True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        *,
        decay: Any = None,
    ) -> None:
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        super().__init__(params, {"lr": lr, **options}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"mu_product": 1.0, "m": np.zeros_like(p), "v": np.zeros_like(p)}

    def begin(self, state: dict[str, Any], options: dict[str, Any]) -> None:
        super().begin(state, options)
        state["mu_product"] *= self._mu(state["step"], options)

    def _mu(self, t: int, options: dict[str, Any]) -> float:
        return options["betas"][0] * (1 - 0.5 * 0.96 ** (t * options["momentum_decay"]))  # type: ignore[no-any-return]

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        m, v, t, (b1, b2), (u, w) = state["m"], state["v"], state["step"], options["betas"], scratch
        mu, mu_next, product = self._mu(t, options), self._mu(t + 1, options), state["mu_product"]
        _means(m, v, g, b1, b2, u)
        np.divide(v, 1 - b2**t, out=u)
        np.sqrt(u, out=u)
        u += options["eps"]
        for x, rate in ((g, (1 - mu) / (1 - product)), (m, mu_next / (1 - product * mu_next))):
            np.divide(x, u, out=w)
            w *= options["lr"] * rate
            p -= w


class Lion(Optimizer):
    """The sign of a mean of gradients: every number moves by lr.

        p = p * (1 - lr * weight_decay) - lr * sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g

    X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023: take a rate 3 to 10 times smaller
    than for AdamW, and a weight decay larger by as much. State: one array; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, -2.0]))
        >>> opt = wg.optim.Lion([w], lr=0.1)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> w
        Variable([ 0.9, -1.9])
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        decay: Any = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"m": np.zeros_like(p)}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        m, (b1, b2), (u, w) = state["m"], options["betas"], scratch
        np.multiply(m, b1, out=u)
        np.multiply(g, 1 - b1, out=w)
        u += w
        np.sign(u, out=u)
        u *= options["lr"]
        p -= u
        m *= b2
        np.multiply(g, 1 - b2, out=u)
        m += u


class LAMB(Optimizer):
    """Adam's step, scaled for each parameter to the parameter's own length: for large batches.

        r = (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps) + weight_decay * p      with m and v as in `Adam`
        p = p - lr * (|p| / |r|) * r                 the ratio of the norms is 1 where one of them is 0

    Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020. State: two
    arrays; the scratch has the size of the largest parameter; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([3.0, 4.0]))
        >>> opt = wg.optim.LAMB([w], lr=0.1)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> bool(np.isclose(np.linalg.norm(w.data - [3.0, 4.0]), 0.1 * 5))
        True
    """

    own_decay = True
    elementwise = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        decay: Any = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"m": np.zeros_like(p), "v": np.zeros_like(p)}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        m, v, t, (b1, b2), (r, u) = state["m"], state["v"], state["step"], options["betas"], scratch
        _means(m, v, g, b1, b2, u)
        np.divide(v, 1 - b2**t, out=u)
        np.sqrt(u, out=u)
        u += options["eps"]
        np.divide(m, u, out=r)
        r /= 1 - b1**t
        np.multiply(p, options["weight_decay"], out=u)
        r += u
        lengths = [np.sqrt(np.sum(np.square(x, out=u), dtype=np.float64)) for x in (p, r)]
        r *= as_factor(options["lr"] * (lengths[0] / lengths[1] if all(lengths) else 1.0), r)
        p -= r


def _means(m: Any, v: Any, g: Any, b1: float, b2: float, u: Any) -> None:
    """m = b1 * m + (1 - b1) * g and v = b2 * v + (1 - b2) * g**2, in place."""
    m *= b1
    np.multiply(g, 1 - b1, out=u)
    m += u
    v *= b2
    np.square(g, out=u)
    u *= 1 - b2
    v += u
