"""Gaussian-process regression: hyperparameters by maximising the marginal likelihood, then a prediction with its error.

    python examples/gaussian_process.py [picture.png]

The model is a sum of a smooth trend, a periodic part and noise. Its six hyperparameters stand in a dict; the gradient
of the likelihood comes from the same lines that compute it (C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes
for Machine Learning", 2006, equations 2.23-2.30).
"""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import wengert as wg


def kernel(p, x, y):
    """The covariance of the values at x and y: a slow trend, and a periodic function."""
    r = x[:, None] - y
    trend = np.exp(-((r / p["trend length"]) ** 2) / 2)
    wave = np.exp(-2 * (np.sin(np.pi * r / p["period"]) / p["smoothness"]) ** 2)
    return p["trend size"] ** 2 * trend + p["wave size"] ** 2 * wave


def factor(p, x):
    """The Cholesky factor of the data's covariance."""
    return np.linalg.cholesky(kernel(p, x, x) + p["noise"] ** 2 * np.eye(len(x)))


def loss(log_p, x, y):
    """The negative logarithm of the marginal likelihood; hyperparameters are positive, so their logarithms vary."""
    lower = factor(positive(log_p), x)
    whitened = np.linalg.solve(lower, y)
    return whitened @ whitened / 2 + np.sum(np.log(np.diagonal(lower))) + len(x) / 2 * np.log(2 * np.pi)


def positive(log_p):
    """The hyperparameters by name."""
    return {name: np.exp(log_p[i]) for i, name in enumerate(START)}


def predict(p, x, y, at):
    """Mean and standard deviation of the function at new points, given the data."""
    lower, cross = factor(p, x), kernel(p, x, at)
    half = np.linalg.solve(lower, cross)
    variance = np.diagonal(kernel(p, at, at)) - np.sum(half**2, axis=0)
    return half.T @ np.linalg.solve(lower, y), np.sqrt(variance)


START = {
    "trend size": 2.0, "trend length": 4.0, "wave size": 1.0, "period": 1.1, "smoothness": 1.0, "noise": 0.3,
}  # fmt: skip
TRUTH = {"period": 1.0, "noise": 0.15}


def truth(x):
    """The function to be found."""
    return 0.08 * x**2 - 0.4 * x + np.sin(2 * np.pi * x) + 0.4 * np.cos(4 * np.pi * x)


def main():
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 8, 90))
    x = x[(x < 3.5) | (x > 4.5)]  # a gap to bridge
    y = truth(x) + TRUTH["noise"] * rng.normal(size=x.size)
    center = np.mean(y)

    value_and_grad = wg.value_and_grad(loss)
    start = np.log(list(START.values()))
    wg.check_grads(lambda q: loss(q, x[:20], y[:20] - center), start)
    runs = []
    for period in (0.7, 0.9, 1.1, 1.4):  # the likelihood has a maximum near each multiple and fraction of the period
        first = np.log(list({**START, "period": period}.values()))
        bounds = [(q - w, q + w) for q, w in zip(first, (2, 2, 2, 0.2, 2, 2), strict=True)]
        runs.append(minimize(value_and_grad, first, args=(x, y - center), jac=True, bounds=bounds, method="L-BFGS-B"))
    found = min(runs, key=lambda run: run.fun)
    error = np.sqrt(np.diagonal(np.linalg.inv(hessian(found.x, x, y - center))))

    print(f"{x.size} points; log marginal likelihood {-loss(start, x, y - center):.2f} at the start,")
    print(", ".join([f"{-run.fun:.2f}" for run in runs]), f"after {sum([run.nfev for run in runs])} evaluations\n")
    print(f"{'hyperparameter':16}{'start':>8}{'found':>10}{'error of its log':>18}{'truth':>8}")
    for name, e in zip(START, error, strict=True):
        print(f"{name:16}{START[name]:8.2f}{positive(found.x)[name]:10.3f}{e:18.3f}{TRUTH.get(name, ''):>8}")

    at = np.linspace(-0.5, 10, 600)
    mean, sigma = predict(positive(found.x), x, y - center, at)
    inside = np.abs(mean + center - truth(at)) < 2 * sigma
    print(f"\nthe true function lies within two standard deviations at {np.mean(inside):.0%} of the points")
    try:
        path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".png"))
        draw(path, x, y, at, mean + center, sigma)
    except ImportError:
        print("no picture: matplotlib is not installed")


def hessian(log_p, x, y):
    """The second derivatives of the loss, row by row: the gradient of each element of the gradient."""
    gradient = wg.grad(loss)
    return np.stack([wg.grad(lambda q, i=i: gradient(q, x, y)[i])(log_p) for i in range(log_p.size)])


def draw(path, x, y, at, mean, sigma):
    """The data, the prediction and its error band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(at, mean - 2 * sigma, mean + 2 * sigma, alpha=0.2, label="two standard deviations")
    axes.plot(at, mean, color="tab:blue", label="prediction")
    axes.plot(at, truth(at), "k--", lw=0.8, label="true function")
    axes.plot(x, y, "k.", ms=4, label="data")
    axes.legend(loc="upper left")
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
