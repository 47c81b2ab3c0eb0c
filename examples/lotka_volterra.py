"""Parameters of a Lotka-Volterra system from noisy counts of predators and prey.

    x' = a x - b x y        prey: multiply, and are eaten
    y' = -c y + d x y       predators: starve, and multiply as they eat

We know x and y at 40 times, each with an error of about 5 %. The parameters, and where the system started, are those of
greatest likelihood: a least-squares problem in logarithms. Each residual runs through `wg.solve_ivp`. Its Jacobian is
exact, one forward pass (`wg.jvp`) for each parameter; the method of Levenberg and Marquardt needs no more. The
Jacobian at the end also tells how sure we can be: the covariance of the estimate is the inverse of J.T J, times the
variance of the noise.

    python examples/lotka_volterra.py        prints a table, and draws lotka_volterra.png if matplotlib is there
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import wengert as wg

NAMES = ["a", "b", "c", "d", "x(0)", "y(0)"]
TRUE = np.array([1.0, 0.1, 1.5, 0.075, 10.0, 5.0])
GUESS = np.array([0.8, 0.08, 1.2, 0.09, 12.0, 6.0])
TIMES = np.linspace(0.0, 15.0, 40)
NOISE = 0.05


def lotka_volterra(t, state, rates):
    x, y = state
    a, b, c, d = rates
    return [a * x - b * x * y, -c * y + d * x * y]


def populations(p):
    """The logarithms of x and y at the times of the counts; p holds logarithms, so that nothing becomes negative."""
    p = np.exp(p)
    solution = wg.solve_ivp(
        lotka_volterra, (TIMES[0], TIMES[-1]), p[4:], "DOP853", t_eval=TIMES, args=(p[:4],), rtol=1e-6, atol=1e-8
    )
    return np.ravel(np.log(solution.y))


def jacobian(p):
    """The populations and their derivatives by p, a forward pass for each column."""
    passes = [wg.jvp(populations, (p,), (direction,)) for direction in np.eye(len(p))]
    return passes[0][0], np.stack([column for _, column in passes], axis=1)


def fit(counts, p, steps=30):
    """Levenberg and Marquardt: Gauss-Newton steps, damped until they go downhill."""
    damping = 1e-2
    predicted, J = jacobian(p)
    for i in range(steps):
        residual = counts - predicted
        loss = residual @ residual
        print(f"step {i:2d}   root mean square residual {np.sqrt(loss / len(counts)):.5f}")
        while True:
            step = np.linalg.solve(J.T @ J + damping * np.diag(np.diag(J.T @ J)), J.T @ residual)
            predicted = populations(p + step)
            if np.sum((counts - predicted) ** 2) < loss or np.max(np.abs(step)) < 1e-8:
                break
            damping *= 10
        p, damping = p + step, damping / 10
        if np.max(np.abs(step)) < 1e-5:
            break
        predicted, J = jacobian(p)
    return p, predicted, J


def draw(counts, p, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    t = np.linspace(TIMES[0], TIMES[-1], 400)
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    for q, style, label in [(TRUE, ":", "true"), (np.exp(p), "-", "estimated")]:
        y = wg.solve_ivp(lotka_volterra, (t[0], t[-1]), q[4:], t_eval=t, args=(q[:4],), rtol=1e-6).y
        for values, name, color in zip(y, ["prey", "predators"], ["C0", "C3"], strict=True):
            axes.plot(t, values, style, color=color, label=f"{name}, {label}")
    for values, color in zip(np.exp(counts).reshape(2, -1), ["C0", "C3"], strict=True):
        axes.plot(TIMES, values, "o", color=color, markersize=3)
    axes.set(xlabel="time", ylabel="population", ylim=(0, 52))
    axes.legend(ncols=2, fontsize="small")
    figure.savefig(path, dpi=150)
    print(f"\n{path}")


def main():
    rng = np.random.default_rng(1)
    counts = populations(np.log(TRUE)) + NOISE * rng.standard_normal(2 * len(TIMES))
    p, predicted, J = fit(counts, np.log(GUESS))

    variance = np.sum((counts - predicted) ** 2) / (len(counts) - len(p))
    estimate = np.exp(p)
    errors = estimate * np.sqrt(variance * np.diag(np.linalg.inv(J.T @ J)))  # of exp(p), to first order
    print(f"\n{'':8}{'true':>10}{'estimated':>12}{'standard error':>17}")
    for row in zip(NAMES, TRUE, estimate, errors, strict=True):
        print("{:8}{:10.4f}{:12.4f}{:17.4f}".format(*row))

    try:
        draw(counts, p, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
