"""What comes next in a curve: two recurrent networks, Elman's RNN and an LSTM, learn to go on with a noisy sine.

At each step a network sees one number of the curve and has to tell the next. It learns from pieces of 50 steps. In the
test it sees 100 steps of a cosine, and then lives on its own answers for 100 more: what it says is what it sees next.
Errors feed on themselves there, so this is the harder task.

    python examples/sine_prediction.py        prints both errors of both networks; draws sine_prediction.png if
                                              matplotlib is there
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import wengert as wg

STEP = 2 * np.pi / 25  # 25 numbers a turn
NOISE = 0.05
SEEN, ALONE = 100, 100


class Predictor(wg.nn.Module):
    def __init__(self, layer, hidden, rng):
        self.memory = layer(1, hidden, rng=rng)
        self.out = wg.nn.Linear(hidden, 1, rng=rng)

    def forward(self, x, state=None):
        hidden, state = self.memory(x, state)
        return self.out(hidden), state


def train(model, data, epochs, lr, seed):
    loader = wg.data.DataLoader(data, batch_size=32, shuffle=True, seed=seed)
    opt = wg.optim.Adam(model.parameters(), lr=lr)
    schedule = wg.optim.CosineAnnealingLR(opt, epochs)
    for _ in range(epochs):
        for x, y in loader:
            opt.zero_grad()
            loss = wg.nn.mse_loss(model(x)[0], y)
            loss.backward()
            wg.optim.clip_grad_norm(model.parameters(), 1.0)
            opt.step()
        schedule.step()
    return loss.item()


def go_on(model, seen, steps):
    """(the answers to what is seen, and what follows when each answer is seen next)."""
    with wg.no_grad():
        answers, state = model(seen[None, :, None])
        x, alone = answers[:, -1:], [answers[0, -1, 0]]
        for _ in range(steps - 1):
            x, state = model(x, state)
            alone.append(x[0, 0, 0])
    return answers[0, :, 0], np.array(alone)


def draw(curve, alone, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(9, 3), layout="constrained")
    ax.plot(curve, "k:", label="cosine")
    for name, answers in alone.items():
        ax.plot(np.arange(SEEN, SEEN + ALONE), answers, label=f"{name}, alone")
    ax.axvline(SEEN, color="0.7")
    ax.legend(loc="lower left")
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    pieces = wg.data.sequences(n=800, length=50, step=STEP, noise=NOISE, seed=args.seed)
    data = wg.data.ArrayDataset(*[a.astype(np.float32) for a in pieces.arrays])
    curve = np.cos(STEP * np.arange(SEEN + ALONE)).astype(np.float32)
    alone = {}
    print(f"root mean square errors; the noise is {NOISE}\n")
    print("network   parameters   next step   100 steps alone   seconds")
    for name, layer in (("RNN", wg.nn.RNN), ("LSTM", wg.nn.LSTM)):
        model = Predictor(layer, 32, np.random.default_rng(args.seed))
        start = time.perf_counter()
        train(model, data, args.epochs, args.lr, args.seed)
        seconds = time.perf_counter() - start
        answers, alone[name] = go_on(model, curve[:SEEN], ALONE)
        near = np.sqrt(np.mean((answers[10:] - curve[11 : SEEN + 1]) ** 2))  # the first answers know too little
        far = np.sqrt(np.mean((alone[name] - curve[SEEN:]) ** 2))
        print(f"{name:7}   {model.size:10,d}   {near:9.4f}   {far:15.4f}   {seconds:7.1f}")
    try:
        draw(curve, alone, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
