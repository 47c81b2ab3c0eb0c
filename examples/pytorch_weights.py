"""A network that was trained in PyTorch, used and trained on here, and given back.

Layers have PyTorch's names and shapes, so a safetensors file is all that goes from one to the other. Where the modules
of two programs have different names, `rename` says which is which. Nothing is unpickled: such a file holds numbers.

    python examples/pytorch_weights.py        prints what each of them makes of the same images (needs PyTorch and
                                              safetensors)
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import wengert as wg


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
        )
        self.fc = torch.nn.Linear(256, 10)

    def forward(self, x):
        return self.fc(self.body(x).flatten(1))


class Ours(wg.nn.Module):
    def __init__(self):
        self.features = wg.nn.Sequential(
            wg.nn.Conv2d(1, 16, 3, padding=1), wg.nn.BatchNorm(16), wg.nn.relu, wg.nn.MaxPool(2), wg.nn.Flatten()
        )
        self.head = wg.nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.features(x))


def train_theirs(model, images, labels, steps, rng):
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        i = rng.integers(len(images), size=64)
        opt.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.tensor(images[i])), torch.tensor(labels[i])).backward()
        opt.step()


def train_ours(model, images, labels, steps, rng):
    opt = wg.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        i = rng.integers(len(images), size=64)
        opt.zero_grad()
        wg.nn.cross_entropy(model(images[i]), labels[i]).backward()
        opt.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    images, labels = wg.data.digits().arrays
    digits = wg.data.ArrayDataset(images[:, None].astype(np.float32) / 16, labels.astype(np.int64))
    learn, (images, labels) = (part.arrays for part in wg.data.random_split(digits, [2, 1], seed=args.seed))
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    def theirs_tell(name):
        with torch.no_grad():
            return told(name, theirs.eval()(torch.tensor(images)).numpy())

    def ours_tell(name):
        with wg.no_grad():
            return told(name, ours.eval()(images).data)

    def told(name, logits):
        print(f"{name:30} test accuracy {100 * np.mean(np.argmax(logits, axis=1) == labels):.2f} %")
        return logits

    theirs, ours = Theirs(), Ours()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.safetensors")
        train_theirs(theirs, *learn, args.steps, rng)
        safetensors.torch.save_model(theirs, path)
        ours.load_weights(path, rename={"body": "features", "fc": "head"})
        differences = [theirs_tell("PyTorch, trained there") - ours_tell("Wengert, with these weights")]

        train_ours(ours.train(), *learn, 4 * args.steps, rng)
        state = {name.replace("features", "body").replace("head", "fc"): a for name, a in ours.state_dict().items()}
        wg.data.save_tensors(path, state)
        safetensors.torch.load_model(theirs, path)
        differences.append(ours_tell("Wengert, trained on") - theirs_tell("PyTorch, with these weights"))
    print(f"largest differences of outputs {' and '.join([f'{np.max(np.abs(d)):.1e}' for d in differences])}")


if __name__ == "__main__":
    main()
