"""Where does a convolutional network look? Grad-CAM (Selvaraju et al., ICCV 2017) on digits that lie somewhere.

An image is 24 by 24 pixels of clutter, with a digit of 8 by 8 at a random place. The network is told which digit, and
never where. The gradient of its answer's score by the feature maps A_k of the last convolution says how much each map
speaks for it; the maps, so weighted, show where it found that:

    w_k = mean over places of d score / d A_k          heat = relu(sum_k w_k A_k)

Since we know where the digit is, we can tell how much of the heat lies on it. There are no hooks: the program keeps the
Variable of the feature maps, and `backward` leaves their gradient in it.

    python examples/grad_cam.py        prints the accuracy and how much of the heat lies on the digits; draws
                                       grad_cam.png if matplotlib is there
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import wengert as wg

SIDE, DIGIT = 24, 8


def scene(images, rng):
    """Images of clutter, pieces of digits of 3 by 3 pixels, with a whole digit each; and the digits' corners."""
    n = len(images)
    x = np.zeros((n, 1, SIDE, SIDE), np.float32)
    for i in range(n):
        for _ in range(14):
            (a, b), (c, d) = rng.integers(SIDE - 3, size=2), rng.integers(DIGIT - 3, size=2)
            x[i, 0, a : a + 3, b : b + 3] = images[rng.integers(n), c : c + 3, d : d + 3]
    corners = rng.integers(SIDE - DIGIT + 1, size=(n, 2))
    for picture, image, (a, b) in zip(x[:, 0], images, corners, strict=True):
        picture[a : a + DIGIT, b : b + DIGIT] = image
    return x, corners


class Network(wg.nn.Module):
    def __init__(self, rng):
        def block(inputs, outputs):
            return [wg.nn.Conv2d(inputs, outputs, 3, padding=1, rng=rng), wg.nn.BatchNorm(outputs), wg.nn.relu]

        self.features = wg.nn.Sequential(*block(1, 16), wg.nn.MaxPool(2), *block(16, 32), *block(32, 32))
        self.pool = wg.nn.AdaptiveMaxPool(1)
        self.head = wg.nn.Linear(32, 10, rng=rng)

    def scores(self, maps):
        return self.head(self.pool(maps)[:, :, 0, 0])

    def forward(self, x):
        return self.scores(self.features(x))


def train(model, images, labels, epochs, lr, rng):
    opt = wg.optim.AdamW(model.parameters(), lr=lr)
    steps = -(-len(images) // 64)
    schedule = wg.optim.OneCycleLR(opt, lr, epochs * steps)
    for epoch in range(1, epochs + 1):
        x, _ = scene(images, rng)  # new clutter and new places in each epoch
        right = 0
        for batch, y in wg.data.DataLoader(wg.data.ArrayDataset(x, labels), 64, shuffle=True, seed=rng):
            opt.zero_grad()
            logits = model(batch)
            wg.nn.cross_entropy(logits, y).backward()
            opt.step()
            schedule.step()
            right += np.sum(np.argmax(logits, axis=1) == y)
        print(f"epoch {epoch:2d}   training accuracy {100 * right / len(labels):5.1f} %")


def grad_cam(model, x):
    """(answers, heat): heat has the size of x."""
    maps = model.features(x)
    scores = model.scores(maps)
    answers = np.argmax(scores, axis=1)
    np.sum(np.max(scores, axis=1)).backward()
    weights = maps.grad.mean((2, 3), keepdims=True)
    heat = np.maximum((weights * maps.data).sum(1), 0)
    return answers, heat.repeat(2, axis=1).repeat(2, axis=2)


def share_on_digit(heat, corners):
    """How much of each picture's heat lies on the digit."""
    on = np.array([h[a : a + DIGIT, b : b + DIGIT].sum() for h, (a, b) in zip(heat, corners, strict=True)])
    return on / np.maximum(heat.sum((1, 2)), 1e-12)


def draw(x, heat, answers, corners, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 6, figsize=(10, 3.6), layout="constrained")
    for column, picture, h, answer, (a, b) in zip(axes.T, x[:, 0], heat, answers, corners, strict=False):
        for ax in column:
            ax.axis("off")
            ax.imshow(picture, cmap="gray_r")
        column[0].set_title(f"answer {answer}", fontsize="small")
        column[1].imshow(h, cmap="hot", alpha=0.6)
        column[1].add_patch(plt.Rectangle((b - 0.5, a - 0.5), DIGIT, DIGIT, fill=False, edgecolor="c"))
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, labels = wg.data.digits().arrays
    digits = wg.data.ArrayDataset(images.astype(np.float32) / 16, labels)
    learn, test = wg.data.random_split(digits, [2, 1], seed=args.seed)
    rng = np.random.default_rng(args.seed)
    model = Network(rng)
    start = time.perf_counter()
    train(model, *learn.arrays, args.epochs, args.lr, rng)
    seconds = time.perf_counter() - start

    model.eval()
    images, labels = test.arrays
    x, corners = scene(images, rng)
    answers, heat = grad_cam(model, x)
    share = share_on_digit(heat, corners)
    print(f"\n{seconds:.1f} s")
    print(f"test accuracy {100 * np.mean(answers == labels):.1f} %")
    print(f"heat on the digit, by Grad-CAM: {100 * share.mean():.1f} %, by chance: {100 * (DIGIT / SIDE) ** 2:.1f} %")
    try:
        draw(x, heat, answers, corners, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
