"""Derivatives of small functions, by every way there is to get them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

import wengert as wg


def f(x: Any) -> Any:
    """exp(x**2)**2, built from three Functions."""
    return np.square(np.exp(np.square(x)))


def four_ways(x0: float) -> dict[str, float]:
    """The derivative of `f` at x0: what it was computed by, and its value."""
    x = wg.Variable(x0)
    y = f(x)
    y.backward()

    gx = np.array(1.0)
    v = y
    while v.creator is not None:  # from y back to x, one Function at a time
        function = v.creator
        gx = function.backward(gx)
        v = function.input

    return {
        "backward: y.backward(), x.grad": float(x.grad),
        "by hand: creator, backward(gy), input": float(gx),
        "central difference, step 1e-4": float(wg.numerical_diff(f, x, eps=1e-4)),
        "closed form: 4*x * exp(2*x**2)": float(4 * x0 * np.exp(2 * x0**2)),
    }


def tanh_derivatives(x: NDArray[np.float64], orders: int) -> list[NDArray[np.float64]]:
    """tanh and its first derivatives at x: each from the graph that the one before left behind."""
    v = wg.Variable(x)
    y: Any = np.tanh(v)
    curves = [y.data]
    for _ in range(orders):
        v.cleargrad()
        y.backward(create_graph=True)
        y = v.grad
        curves.append(y.data)
    return curves


def tanh_closed_forms(x: NDArray[np.float64], orders: int) -> list[NDArray[np.float64]]:
    """The same from formulas: with t = tanh(x), each one is a polynomial in t, and t' = 1 - t**2."""
    p, slope = Polynomial([0, 1]), Polynomial([1, 0, -1])
    curves = [p(np.tanh(x))]
    for _ in range(orders):
        p = p.deriv() * slope
        curves.append(p(np.tanh(x)))
    return curves
