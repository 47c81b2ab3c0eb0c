"""Handwritten digits, by a network with one hidden layer.

The 1,797 images of 8 by 8 pixels come with the package. Two thirds of them are for learning; the rest is looked at
once, at the end. The network has 64 inputs, 128 hidden numbers and 10 outputs, whose largest is the answer:

    logits = W2 relu(W1 x + b1) + b2        loss = -log softmax(logits)[label]

Every line of the loop is written out: gradients to nothing, forward, backward, a step of Adam. So few images would soon
be known by heart. Against that, noise is added to them, and the loss asks for no more certainty than 90 %.

    python examples/digits_mlp.py        prints the progress and the accuracy; draws what it got wrong in digits_mlp.png
                                         if matplotlib is there
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import wengert as wg


def load(seed):
    """(images, labels) to learn from, and to test with."""
    images, labels = wg.data.digits().arrays
    digits = wg.data.ArrayDataset(images.reshape(-1, 64).astype(np.float32) / 16, labels)
    return wg.data.random_split(digits, [2, 1], seed=seed)


def train(model, data, epochs, lr, rng):
    loader = wg.data.DataLoader(data, batch_size=32, shuffle=True, seed=rng)
    opt = wg.optim.Adam(model.parameters(), lr=lr)
    schedule = wg.optim.CosineAnnealingLR(opt, epochs * len(loader))
    for epoch in range(1, epochs + 1):
        losses = []
        for images, labels in loader:
            opt.zero_grad()
            noisy = images + 0.2 * rng.standard_normal(images.shape, np.float32)
            loss = wg.nn.cross_entropy(model(noisy), labels, label_smoothing=0.1)
            loss.backward()
            opt.step()
            schedule.step()
            losses.append(loss.item())
        if epoch in (1, 2, 5) or epoch % 10 == 0:
            print(f"epoch {epoch:3d}   loss {np.mean(losses):.4f}")


def predict(model, images):
    with wg.no_grad():
        return np.argmax(model(images), axis=1)


def draw(images, labels, answers, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    wrong = np.flatnonzero(labels != answers)[:12]
    figure, axes = plt.subplots(2, 6, figsize=(8, 3.2), layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, wrong, strict=False):
        ax.imshow(images[i].reshape(8, 8), cmap="gray_r")
        ax.set_title(f"{labels[i]}, taken for {answers[i]}", fontsize="small")
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    learn, test = load(args.seed)
    rng = np.random.default_rng(args.seed)
    model = wg.nn.Sequential(wg.nn.Linear(64, 128, rng=rng), wg.nn.relu, wg.nn.Linear(128, 10, rng=rng))
    print(model.summary((1, 64)), "\n")

    start = time.perf_counter()
    train(model, learn, args.epochs, args.lr, rng)
    seconds = time.perf_counter() - start

    images, labels = test.arrays
    answers = predict(model, images)
    print(f"\n{seconds:.1f} s for {args.epochs} epochs of {len(learn)} images")
    print(f"test accuracy {100 * np.mean(answers == labels):.2f} % of {len(test)} images")
    try:
        draw(images, labels, answers, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
