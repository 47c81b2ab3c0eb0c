"""Two networks that learn against each other to draw digits (Goodfellow et al., NeurIPS 2014).

The generator makes images from 16 random numbers. The discriminator tells whether an image is real. It learns to be
right; the generator learns to be taken for real:

    discriminator:  -log D(x) - log(1 - D(G(z)))        generator:  -log D(G(z))

Whether that went well is measured in two ways on images that neither network has seen. The Fréchet distance compares
means and covariances of all pixels. And the real image nearest to each drawing says which digit it is, so that a
generator that has settled for one digit is found out.

    python examples/digits_gan.py        prints the progress and both measures; draws digits_gan.png if matplotlib is
                                         there
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import wengert as wg

NOISE = 16


def networks(rng):
    def stack(inputs, hidden, outputs):
        act = wg.nn.Activation(wg.nn.leaky_relu, 0.2)
        return wg.nn.Sequential(
            wg.nn.Linear(inputs, hidden, rng=rng), act,
            wg.nn.Linear(hidden, hidden, rng=rng), act,
            wg.nn.Linear(hidden, outputs, rng=rng),
        )  # fmt: skip

    generator, discriminator = stack(NOISE, 128, 64), stack(64, 128, 1)
    generator.layers.append(wg.nn.sigmoid)
    return generator, discriminator


def drawings(generator, n, rng):
    with wg.no_grad():
        return generator(rng.standard_normal((n, NOISE), np.float32)).data


def train(generator, discriminator, images, test, epochs, lr, rng):
    loader = wg.data.DataLoader(wg.data.ArrayDataset(images), 64, shuffle=True, drop_last=True, seed=rng)
    opt_g = wg.optim.Adam(generator.parameters(), lr=lr, betas=(0.5, 0.99))
    opt_d = wg.optim.Adam(discriminator.parameters(), lr=lr, betas=(0.5, 0.99))
    average = wg.optim.ExponentialMovingAverage(generator.parameters(), 0.99)
    smear = 0.1  # noise on all that the discriminator sees keeps it from being certain too soon

    def judged(x, real):
        logits = discriminator(x + smear * rng.standard_normal(x.shape, np.float32))
        return wg.nn.binary_cross_entropy_with_logits(logits, np.full(logits.shape, real, np.float32))

    print("epoch   discriminator   generator   distance to other digits")
    for epoch in range(1, epochs + 1):
        for (x,) in loader:
            fake = generator(rng.standard_normal((len(x), NOISE), np.float32))
            opt_d.zero_grad()
            loss_d = judged(x, 0.9) + judged(fake.detach(), 0.0)
            loss_d.backward()
            opt_d.step()

            opt_g.zero_grad()
            loss_g = judged(fake, 1.0)
            loss_g.backward()
            opt_g.step()
            average.update()
        if epoch == 1 or epoch % max(epochs // 8, 1) == 0:
            with average.applied():
                far = distance(drawings(generator, 1000, rng), test)
            print(f"{epoch:5d}   {loss_d.item():13.3f}   {loss_g.item():9.3f}   {far:24.3f}")
    return average


def distance(x, y):
    """The Fréchet distance of two normal distributions with the means and covariances of x and y."""
    a, b = np.cov(x.T), np.cov(y.T)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a) + np.trace(b) - 2 * both


def nearest(x, images):
    """For each x, the index of the image next to it."""
    return np.argmin((images**2).sum(1) - 2 * x @ images.T, axis=1)


def draw(pictures, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(4, 12, figsize=(9, 3.2), layout="constrained")
    for ax, picture in zip(axes.flat, pictures.reshape(-1, 8, 8), strict=True):
        ax.axis("off")
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, labels = wg.data.digits().arrays
    digits = wg.data.ArrayDataset(images.reshape(-1, 64).astype(np.float32) / 16, labels)
    learn, other = (part.arrays for part in wg.data.random_split(digits, [2, 1], seed=args.seed))
    rng = np.random.default_rng(args.seed)
    generator, discriminator = networks(rng)
    start = time.perf_counter()
    average = train(generator, discriminator, learn[0], other[0], args.epochs, args.lr, rng)
    seconds = time.perf_counter() - start

    with average.applied():
        drawn = drawings(generator, 1000, rng)
    shares = np.bincount(other[1][nearest(drawn, other[0])], minlength=10) / len(drawn)
    print(f"\n{seconds:.1f} s")
    for name, x in (("drawings", drawn), ("real ones", learn[0]), ("noise", rng.random((1000, 64)))):
        print(f"distance of {name:9} to other digits {distance(x, other[0]):7.3f}")
    print("per cent of the drawings that are", ", ".join([f"{d}: {100 * share:.0f}" for d, share in enumerate(shares)]))
    print(f"digits drawn: {np.count_nonzero(shares > 0.01)} of 10")
    try:
        draw(drawn[:48], Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
