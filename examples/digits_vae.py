"""A variational autoencoder of handwritten digits: pictures as points of a small space, and new pictures from it.

An encoder tells, for an image x, where in a space of 8 numbers it lies, and how sure that is: a mean and a standard
deviation. A decoder tells from a point z how dark each of the 64 pixels is. A pixel of these images is a count: so many
dots of 16 are ink, which makes it binomial. Both learn by maximising a lower bound of the likelihood of the images
(Kingma and Welling, ICLR 2014),

    log p(x)  >=  E log p(x | z) - KL(q(z | x) || N(0, 1)),        z = mean + std * noise,

in which the noise is drawn apart from the parameters, so that the derivative passes through the draw.

    python examples/digits_vae.py        prints the bound and new digits as text; draws digits_vae.png if matplotlib is
                                         there
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np

import wengert as wg

LATENT, DOTS = 8, 16
WAYS = np.log([math.comb(DOTS, k) for k in range(DOTS + 1)]).astype(np.float32)  # of k dots of ink among 16


class Autoencoder(wg.nn.Module):
    def __init__(self, rng, hidden=128):
        def two_layers(inputs, outputs):
            return wg.nn.Sequential(
                wg.nn.Linear(inputs, hidden, rng=rng), wg.nn.silu, wg.nn.Linear(hidden, outputs, rng=rng)
            )

        self.encoder, self.decoder = two_layers(64, 2 * LATENT), two_layers(LATENT, 64)

    def bound(self, counts, rng):
        """The two parts of the lower bound, means over the batch: E log p(x | z), and the divergence."""
        x = counts.astype(np.float32) / DOTS
        parts = self.encoder(x)
        mean, log_std = parts[:, :LATENT], parts[:, LATENT:]
        z = mean + np.exp(log_std) * rng.standard_normal(mean.shape, np.float32)
        wrong = DOTS * wg.nn.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        divergence = np.sum(0.5 * (mean**2 + np.exp(2 * log_std) - 1) - log_std)
        return (np.sum(WAYS[counts]) - wrong) / len(x), divergence / len(x)

    def pictures(self, z):
        with wg.no_grad():
            return wg.nn.sigmoid(self.decoder(z)).data.reshape(-1, 8, 8)


def train(model, data, test, epochs, lr, rng):
    loader = wg.data.DataLoader(data, batch_size=64, shuffle=True, seed=rng)
    opt = wg.optim.Adam(model.parameters(), lr=lr)
    schedule = wg.optim.CosineAnnealingLR(opt, epochs)
    print("epoch   bound of log p(x): learning   images not learned from = log p(x | z) - KL")
    for epoch in range(1, epochs + 1):
        for (counts,) in loader:
            opt.zero_grad()
            likely, divergence = model.bound(counts, rng)
            loss = divergence - likely
            loss.backward()
            opt.step()
        schedule.step()
        if epoch == 1 or epoch % max(epochs // 6, 1) == 0:
            (a, b), (c, d) = measure(model, data, rng), measure(model, test, rng)
            print(f"{epoch:5d}   {a - b:28.2f}   {c - d:24.2f} = {c:.2f} - {d:.2f}")


def measure(model, data, rng):
    with wg.no_grad():
        return [part.item() for part in model.bound(data.arrays[0], rng)]


def as_text(pictures):
    """Pictures side by side, two characters a pixel."""
    shades = np.array(list(" .:-=+*#%@"))
    rows = np.concatenate([np.pad(p, ((0, 0), (0, 2))) for p in pictures], axis=1)
    return "\n".join(["".join(np.repeat(row, 2)) for row in shades[(rows * 9.99).astype(int)]])


def draw(model, x, rng, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with wg.no_grad():
        means = model.encoder(x).data[:, :LATENT]
    rows = [x.reshape(-1, 8, 8), model.pictures(means), model.pictures(rng.standard_normal((12, LATENT), np.float32))]
    figure, axes = plt.subplots(3, 12, figsize=(9, 2.6), layout="constrained")
    for row, name, pictures in zip(axes, ["images", "decoded again", "new"], rows, strict=True):
        row[0].set_title(name, loc="left", fontsize="small")
        for ax, picture in zip(row, pictures, strict=True):
            ax.axis("off")
            ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, _ = wg.data.digits().arrays
    learn, test = wg.data.random_split(wg.data.ArrayDataset(images.reshape(-1, 64)), [2, 1], seed=args.seed)
    rng = np.random.default_rng(args.seed)
    model = Autoencoder(rng)
    start = time.perf_counter()
    train(model, learn, test, args.epochs, args.lr, rng)
    print(f"\n{time.perf_counter() - start:.1f} s; six new digits:\n")
    print(as_text(model.pictures(rng.standard_normal((6, LATENT), np.float32))))
    try:
        draw(model, test.arrays[0][:12].astype(np.float32) / DOTS, rng, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
