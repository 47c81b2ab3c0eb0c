"""A pole on a cart, balanced by an agent that learns from what happens (deep Q-learning).

The cart is pushed to the left or to the right, fifty times a second. An episode ends when the pole leans by more than
12 degrees, the cart is 2.4 m from the middle, or after 200 pushes; each push that it lasts counts 1. The dynamics are
those of Barto, Sutton and Anderson (IEEE Transactions on Systems, Man, and Cybernetics 13, 1983).

A network Q gives, for a state, what each push is worth: the sum of rewards to come, those n pushes away times 0.99**n.
It is fitted to its own answers one push later,

    Q(s, a)  ->  r + 0.99 Q'(s', argmax_b Q(s', b))        r alone, where the pole fell

for states drawn from a memory of what happened (Mnih et al., Nature 518, 2015). Q' follows Q slowly; that Q chooses the
push and Q' judges it keeps the answers from running away (van Hasselt, Guez and Silver, AAAI 2016).

    python examples/cartpole.py        prints the returns as they grow; draws cartpole.png if matplotlib is there
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np

import wengert as wg

DISCOUNT, BATCH, MEMORY = 0.99, 64, 20_000
LIMIT, ENOUGH = 200, 190  # pushes in an episode; the mean of 20 episodes at which it has learned enough


class CartPole:
    """The cart: `reset()` and `step(push)`, 0 for left and 1 for right. A state is (x, x', angle, angle')."""

    gravity, cart, pole, half_length, force, dt = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.state, self.steps = self.rng.uniform(-0.05, 0.05, 4), 0
        return self.state.astype(np.float32)

    def step(self, push):
        """(state, reward, whether the pole fell, whether the episode is over)."""
        x, dx, angle, spin = map(float, self.state)
        force = self.force if push else -self.force
        sin, cos, mass = math.sin(angle), math.cos(angle), self.cart + self.pole
        along = (force + self.pole * self.half_length * spin * spin * sin) / mass
        turn = (self.gravity * sin - cos * along) / (self.half_length * (4 / 3 - self.pole * cos * cos / mass))
        slide = along - self.pole * self.half_length * turn * cos / mass
        x, dx, angle, spin = x + self.dt * dx, dx + self.dt * slide, angle + self.dt * spin, spin + self.dt * turn
        self.state, self.steps = np.array([x, dx, angle, spin]), self.steps + 1
        fell = abs(x) > 2.4 or abs(angle) > math.radians(12)
        return self.state.astype(np.float32), 1.0, fell, fell or self.steps >= LIMIT


class Memory:
    """The latest things that happened, in arrays: (state, push, reward, next state, whether the pole fell)."""

    def __init__(self):
        self.count = 0
        self.columns = [np.zeros((MEMORY, *shape), kind) for shape, kind in
                        (((4,), "f4"), ((), "i8"), ((), "f4"), ((4,), "f4"), ((), "f4"))]  # fmt: skip

    def add(self, *event):
        for column, value in zip(self.columns, event, strict=True):
            column[self.count % MEMORY] = value
        self.count += 1

    def sample(self, rng):
        i = rng.integers(min(self.count, MEMORY), size=BATCH)
        return [column[i] for column in self.columns]


def network(rng):
    return wg.nn.Sequential(
        wg.nn.Linear(4, 64, rng=rng),
        wg.nn.relu,
        wg.nn.Linear(64, 64, rng=rng),
        wg.nn.relu,
        wg.nn.Linear(64, 2, rng=rng),
    )


def learn(q, slow, opt, events):
    states, pushes, rewards, later, fell = events
    with wg.no_grad():
        best = np.argmax(q(later), axis=1)
        worth = rewards + DISCOUNT * (1 - fell) * slow(later).data[np.arange(BATCH), best]
    opt.zero_grad()
    loss = wg.nn.huber_loss(q(states)[np.arange(BATCH), pushes], worth)
    loss.backward()
    opt.step()


def best(q, state):
    with wg.no_grad():
        return int(np.argmax(q(state)))


def train(episodes, lr, rng):
    env, memory = CartPole(rng), Memory()
    q = network(rng)
    slow, opt = copy.deepcopy(q), wg.optim.Adam(q.parameters(), lr=lr)
    returns = []
    for episode in range(1, episodes + 1):
        state, over, total = env.reset(), False, 0.0
        while not over:
            tries = max(0.02, 1 - memory.count / 3000)  # how often it tries any push
            push = int(rng.integers(2)) if rng.random() < tries else best(q, state)
            later, reward, fell, over = env.step(push)
            memory.add(state, push, reward, later, fell)
            state, total = later, total + reward
            if memory.count >= 500:
                learn(q, slow, opt, memory.sample(rng))
            if memory.count % 200 == 0:
                slow.load_state_dict(q.state_dict())
        returns.append(total)
        mean = np.mean(returns[-20:])
        if episode % 20 == 0 or mean >= ENOUGH:
            print(f"episode {episode:4d}   mean return of the last 20 {mean:6.1f}")
        if mean >= ENOUGH:
            break
    return q, returns


def play(env, act):
    """The return of one episode with this policy."""
    state, over, total = env.reset(), False, 0.0
    while not over:
        state, reward, _, over = env.step(act(state))
        total += reward
    return total


def draw(returns, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    ax.plot(returns, ".", color="0.6", markersize=3, label="each episode")
    means = [np.mean(returns[max(i - 20, 0) : i]) for i in range(1, len(returns) + 1)]
    ax.plot(means, label="mean of the last 20")
    ax.set(xlabel="episode", ylabel="pushes until the pole fell", ylim=(0, LIMIT * 1.05))
    ax.legend(loc="upper left")
    figure.savefig(path, dpi=120)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=400, help="at most")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    start = time.perf_counter()
    q, returns = train(args.episodes, args.lr, rng)
    seconds = time.perf_counter() - start
    env = CartPole(np.random.default_rng(args.seed + 1000))
    chance = np.mean([play(env, lambda _: env.rng.integers(2)) for _ in range(20)])
    learned = np.mean([play(env, lambda state: best(q, state)) for _ in range(20)])
    print(f"\n{seconds:.1f} s, {int(sum(returns)):,} pushes")
    print(f"mean return of 20 other episodes: pushes at random {chance:.1f}, the best push {learned:.1f} of {LIMIT}")
    try:
        draw(returns, Path(__file__).with_suffix(".png"))
    except ImportError:
        print("\n(no picture: matplotlib is not installed)")


if __name__ == "__main__":
    main()
