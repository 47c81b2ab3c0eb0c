"""A rate for each number, from the squares of its gradients: AdaGrad, AdaDelta, RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .optimizer import Optimizer


class AdaGrad(Optimizer):
    """Each number's rate falls with the sum of its squared gradients.

        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)       in step t = 1, 2, ...

    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011. Weight decay is added to the gradient. State: one array; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.AdaGrad([w], lr=0.5)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> w
        Variable([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        decay: Any = None,
    ) -> None:
        options = {"lr_decay": lr_decay, "initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"sum": np.full_like(p, options["initial_accumulator_value"])}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        s, (u, _) = state["sum"], scratch
        np.square(g, out=u)
        s += u
        np.sqrt(s, out=u)
        u += options["eps"]
        np.divide(g, u, out=u)
        u *= options["lr"] / (1 + (state["step"] - 1) * options["lr_decay"])
        p -= u


class AdaDelta(Optimizer):
    """Steps in the units of the parameter: the ratio of two running means of squares.

        v = rho * v + (1 - rho) * g**2
        d = sqrt(e + eps) / sqrt(v + eps) * g
        e = rho * e + (1 - rho) * d**2
        p = p - lr * d

    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701. Weight decay is added to the gradient.
    State: two arrays; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.AdaDelta([w])
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> bool(np.all(w.data < [1.0, 2.0]))
        True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        decay: Any = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"square": np.zeros_like(p), "step_square": np.zeros_like(p)}

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        v, e, rho, (d, u) = state["square"], state["step_square"], options["rho"], scratch
        _mean_of_squares(v, g, rho, u)
        np.add(e, options["eps"], out=d)
        np.sqrt(d, out=d)
        np.add(v, options["eps"], out=u)
        np.sqrt(u, out=u)
        d /= u
        d *= g
        _mean_of_squares(e, d, rho, u)
        d *= options["lr"]
        p -= d


class RMSprop(Optimizer):
    """The gradient divided by the root of the running mean of its squares.

        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g               centered only: v is then v - a**2 below
        b = momentum * b + g / (sqrt(v) + eps)
        p = p - lr * b

    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", 2012; centered: A. Graves, arXiv:1308.0850. Weight decay is added
    to the gradient. State: one array, one more if centered, one more with momentum; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.RMSprop([w], lr=0.1)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> w.data.round(6)
        array([0., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        decay: Any = None,
    ) -> None:
        options = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": bool(centered)}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options}, decay)

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        kept = ["square"] + ["mean"] * options["centered"] + ["momentum"] * bool(options["momentum"])
        return {key: np.zeros_like(p) for key in kept}

    def begin(self, state: dict[str, Any], options: dict[str, Any]) -> None:
        super().begin(state, options)
        if options["momentum"] and "momentum" not in state:
            raise ValueError("RMSprop: momentum was 0 in the first step, so no state was made for it")

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        v, alpha, (u, w) = state["square"], options["alpha"], scratch
        _mean_of_squares(v, g, alpha, u)
        if options["centered"]:
            a = state["mean"]
            a *= alpha
            np.multiply(g, 1 - alpha, out=u)
            a += u
            np.square(a, out=w)
            np.subtract(v, w, out=w)
            np.maximum(w, 0, out=w)  # rounding may make a variance negative
            np.sqrt(w, out=u)
        else:
            np.sqrt(v, out=u)
        u += options["eps"]
        np.divide(g, u, out=u)
        if options["momentum"]:
            b = state["momentum"]
            b *= options["momentum"]
            b += u
            u[...] = b
        u *= options["lr"]
        p -= u


def _mean_of_squares(v: Any, g: Any, rho: float, u: Any) -> None:
    """v = rho * v + (1 - rho) * g**2, in place."""
    v *= rho
    np.square(g, out=u)
    u *= 1 - rho
    v += u
