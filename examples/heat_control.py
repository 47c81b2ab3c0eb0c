"""Optimal control of the heat equation: how to run two heaters so that a rod ends at a given temperature.

A rod of length 1 cools at both ends, u = 0 there. Heaters sit at a quarter and at three quarters of it; their powers
over time are to be found. The rod follows

    du/dt = k d2u/dx2 + sum_j p_j(t) b_j(x),    u(x, 0) = 0,

in implicit Euler steps (I + dt k L) u_new = u_old + dt B p, a linear system each. The aim is a profile at the end,

    J(p) = 1/2 |u(T) - target|^2 dx + alpha/2 |p|^2 dt,    0 <= p <= 40.

`wg.minimize` needs the gradient of J by 2 x 40 powers: one walk back through forty linear solves, each of which is one
solve with the transposed matrix. That walk is the adjoint equation of the control literature, which nobody wrote here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse

import wengert as wg

POINTS, STEPS = 79, 40
CONDUCTIVITY, TIME, LIMIT = 0.4, 1.0, 40.0

x = np.linspace(0, 1, POINTS + 2)[1:-1]
dx, dt = x[1] - x[0], TIME / STEPS
laplacian = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(POINTS, POINTS)) / dx**2
step_matrix = (scipy.sparse.eye_array(POINTS) + dt * CONDUCTIVITY * laplacian).tocsc()
heaters = np.stack([np.exp(-(((x - place) / 0.06) ** 2)) for place in (0.25, 0.75)], axis=1)
target = 1 - np.abs(2 * x - 1) ** 3


def simulate(powers):
    """The temperature at every time; powers is (STEPS, 2)."""
    u, profiles = np.zeros(POINTS), []
    for p in powers:
        u = wg.implicit.linear_solve(step_matrix, u + dt * (heaters @ p))
        profiles.append(u)
    return profiles


def objective(powers, alpha):
    error = simulate(powers)[-1] - target
    return 0.5 * dx * np.sum(error**2) + 0.5 * alpha * dt * np.sum(powers**2)


def main() -> None:
    start = np.ones((STEPS, 2))
    gradient = wg.grad(objective)(start, 1e-4)
    eps, direction = 1e-5, np.random.default_rng(0).standard_normal(start.shape)
    difference = (objective(start + eps * direction, 1e-4) - objective(start - eps * direction, 1e-4)) / (2 * eps)
    print("The derivative along a random direction")
    print(f"  by one walk back        {np.sum(gradient * direction): .9e}")
    print(f"  by central difference   {difference: .9e}\n")

    print("  alpha    energy   |u(T) - target|   runs   half of the energy after t")
    runs = {}
    for alpha in (1e-3, 1e-4, 1e-5, 1e-6):
        fit = wg.minimize(
            objective, start, args=(alpha,), bounds=[(0, LIMIT)] * start.size, options={"maxiter": 400, "maxfun": 800}
        )
        error = np.sqrt(dx * np.sum((simulate(fit.x)[-1] - target) ** 2))
        energy = dt * np.sum(fit.x**2)
        spent = np.cumsum(np.sum(fit.x**2, axis=1))
        half = dt * np.searchsorted(spent, spent[-1] / 2)
        print(f"  {alpha:.0e}  {energy:8.3f}  {error:16.5f}  {fit.nfev:5d}  {half:12.2f}")
        runs[alpha] = fit.x, simulate(fit.x)[-1]
    print("\nCheap heating comes late: what is fed in early has leaked out through the ends by the end.")
    draw(runs)


def draw(runs) -> None:
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(x, target, "k--", label="target")
    for alpha, (powers, final) in runs.items():
        left.plot(x, final, label=f"alpha = {alpha:.0e}")
        right.step(dt * np.arange(1, STEPS + 1), powers[:, 0], label=f"alpha = {alpha:.0e}")
    left.set(xlabel="x", ylabel="temperature at the end")
    right.set(xlabel="t", ylabel="power of heater 1")
    left.legend()
    picture = Path(__file__).with_suffix(".png")
    figure.savefig(picture, dpi=120)
    print(f"\nwrote {picture.name}")


if __name__ == "__main__":
    main()
