"""Three arms of a spiral, told apart by a small network: a border that no straight line draws.

The points of each arm lie at a radius r and an angle 4 (arm + r), with noise. Two hidden layers bend the plane until
three straight borders suffice. The network learns from 300 points, and is tested on 300 others.

    python examples/spiral.py        prints the progress, draws the regions as text, and as spiral.png if matplotlib is
                                     there
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import wengert as wg


def train(model, data, epochs, lr, seed):
    loader = wg.data.DataLoader(data, batch_size=30, shuffle=True, seed=seed)
    opt = wg.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = wg.optim.CosineAnnealingLR(opt, epochs)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for points, arms in loader:
            opt.zero_grad()
            loss = wg.nn.cross_entropy(model(points), arms)
            loss.backward()
            opt.step()
            total += loss.item() * len(arms)
        schedule.step()
        if epoch % max(epochs // 6, 1) == 0:
            print(f"epoch {epoch:3d}   loss {total / len(data):.4f}")


def predict(model, points):
    with wg.no_grad():
        return np.argmax(model(points), axis=1)


def regions(model, rows, columns):
    """The network's answers on a grid over the square from -1 to 1."""
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(1, -1, rows))
    return predict(model, np.stack([x.ravel(), y.ravel()], 1)).reshape(rows, columns)


def draw(model, points, arms, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
    ax.imshow(regions(model, 300, 300), extent=(-1, 1, -1, 1), cmap="viridis", alpha=0.4)
    ax.scatter(*points.T, c=arms, cmap="viridis", s=14, edgecolors="k", linewidths=0.4)
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    learn, test = wg.data.spiral(seed=args.seed), wg.data.spiral(seed=args.seed + 1000)
    rng = np.random.default_rng(args.seed)
    model = wg.nn.Sequential(
        wg.nn.Linear(2, 32, rng=rng), np.tanh, wg.nn.Linear(32, 32, rng=rng), np.tanh, wg.nn.Linear(32, 3, rng=rng)
    )
    train(model, learn, args.epochs, args.lr, args.seed)

    print()
    for row in regions(model, 17, 45):
        print("".join(["·+#"[arm] for arm in row]))
    points, arms = test.arrays
    print(f"\ntest accuracy {100 * np.mean(predict(model, points) == arms):.1f} % of {len(test)} other points")
    try:
        draw(model, points, arms, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
