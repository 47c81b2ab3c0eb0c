"""Gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum or Nesterov's momentum if wanted.

        g = gradient + weight_decay * p
        b = momentum * b + (1 - dampening) * g       b = g in the first step
        p = p - lr * b                               Nesterov: p - lr * (g + momentum * b)

    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in PyTorch's
    form, where lr multiplies the momentum too. State: one array, with momentum; `params`, `decay`: see `Optimizer`.

    Example:
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = wg.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> for _ in range(100):
        ...     opt.zero_grad()
        ...     np.sum(w**2).backward()
        ...     opt.step()
        >>> bool(np.all(abs(w.data) < 0.1))
        True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        decay: Any = None,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, {"lr": lr, **options}, decay)

    def _checked(self, options: Any) -> dict[str, Any]:
        checked = super()._checked(options)
        if checked["nesterov"] and (not checked["momentum"] or checked["dampening"]):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening = 0")
        return checked

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        return {"momentum": np.zeros_like(p)} if options["momentum"] else {}

    def begin(self, state: dict[str, Any], options: dict[str, Any]) -> None:
        super().begin(state, options)
        if options["momentum"] and "momentum" not in state:
            raise ValueError("SGD: momentum was 0 in the first step, so no state was made for it; start with another")

    def apply(self, p: Any, g: Any, state: dict[str, Any], options: dict[str, Any], scratch: Any) -> None:
        momentum, (u, _) = options["momentum"], scratch
        if momentum:
            b = state["momentum"]
            if state["step"] == 1:
                b[...] = g
            else:
                b *= momentum
                np.multiply(g, 1 - options["dampening"], out=u)
                b += u
            if options["nesterov"]:
                np.multiply(b, momentum, out=u)
                u += g
                g = u
            else:
                g = b
        np.multiply(g, options["lr"], out=u)
        p -= u
