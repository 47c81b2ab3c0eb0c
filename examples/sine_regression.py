"""A curve through noisy points: sin(2 pi x), which a network with one hidden layer has to find by itself.

    y = W2 tanh(W1 x + b1) + b2        loss = mean((y - data)**2)

The whole data set is one batch, so that the loss is a function of the parameters and nothing else. L-BFGS, which learns
the curvature as it goes, needs a hundredth of the gradients that plain descent takes to come as low.

    python examples/sine_regression.py        prints both, side by side, and draws sine_regression.png if matplotlib is
                                              there
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import wengert as wg


def network(seed):
    rng = np.random.default_rng(seed)
    return wg.nn.Sequential(wg.nn.Linear(1, 10, rng=rng), np.tanh, wg.nn.Linear(10, 1, rng=rng)).astype(float)


def fit(model, opt, x, y, gradients):
    """The loss after each gradient, of so many at most."""
    losses = []

    def loss():
        opt.zero_grad()
        value = wg.nn.mse_loss(model(x), y)
        value.backward()
        losses.append(value.item())
        return value

    while len(losses) < gradients:
        opt.step(loss)
    return losses[:gradients]


def predict(model, x):
    with wg.no_grad():
        return model(x)


def draw(x, y, models, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    t = np.linspace(0, 1, 300)[:, None]
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    ax.plot(x, y, ".", color="0.6", label="data")
    ax.plot(t, np.sin(2 * np.pi * t), "k:", label="sin(2 pi x)")
    for name, model in models.items():
        ax.plot(t, predict(model, t), label=name)
    ax.legend()
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gradients", type=int, default=10_000, help="of plain descent; L-BFGS gets a hundredth")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    x, y = wg.data.sine(n=100, noise=0.1, seed=args.seed).arrays
    models = {"plain descent": network(args.seed), "L-BFGS": network(args.seed)}
    plain, lbfgs = models.values()
    descent = fit(plain, wg.optim.SGD(plain.parameters(), lr=0.1), x, y, args.gradients)
    curvature = fit(
        lbfgs, wg.optim.LBFGS(lbfgs.parameters(), line_search_fn="strong_wolfe"), x, y, max(args.gradients // 100, 1)
    )

    print("gradients   plain descent      L-BFGS   (mean square)")
    for n in np.unique(np.geomspace(1, len(descent), 9).astype(int)):
        print(f"{n:9,d}   {descent[n - 1]:13.5f}   {f'{curvature[n - 1]:.5f}' if n <= len(curvature) else '':>9}")
    t = np.linspace(0, 1, 300)[:, None]
    print()
    for name, model in models.items():
        error = np.sqrt(np.mean((predict(model, t) - np.sin(2 * np.pi * t)) ** 2))
        print(f"{name:13s}  root mean square error to the sine, which it never saw: {error:.4f}; the noise is 0.1")
    try:
        draw(x, y, models, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
