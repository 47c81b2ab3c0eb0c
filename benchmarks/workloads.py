"""What `overhead` times: five computations, each written once for the libraries and once by hand.

A library's function takes its namespace `xp`, so that all run the same text. Leaves are made before the clock
starts; forward, backward and forgetting the gradients are timed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg

from .harness import BY_HAND, PYTORCH, Call, Workload


def _torch() -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    return torch


# ---- each library's way from a function and arrays to gradients -----------------------------------------------------


def with_wengert(f: Callable[..., Any], arrays: Any, xp: Any = np) -> Call:
    """Wengert: `f(xp, *variables)`, with xp NumPy itself or wengert."""
    variables = [wg.Variable(a) for a in arrays]

    def call() -> Any:
        for v in variables:
            v.cleargrad()
        f(xp, *variables).backward()
        return [v.grad for v in variables]

    return call


def with_torch(f: Callable[..., Any], arrays: Any) -> Call:
    """PyTorch, on one thread."""
    torch = _torch()
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]

    def call() -> Any:
        for t in tensors:
            t.grad = None
        y = f(torch, *tensors)
        y.backward(None if y.ndim == 0 else torch.ones_like(y))
        return [t.grad for t in tensors]

    return call


def with_autograd(f: Callable[..., Any], arrays: Any) -> Call:
    """HIPS autograd."""
    autograd, xp = importlib.import_module("autograd"), importlib.import_module("autograd.numpy")
    vjp = autograd.make_vjp(lambda arrays: f(xp, *arrays))
    arrays = tuple(arrays)

    def call() -> Any:
        pull, y = vjp(arrays)
        return pull(np.ones(np.shape(y)))

    return call


def with_mygrad(f: Callable[..., Any], arrays: Any) -> Call:
    """MyGrad."""
    mygrad = importlib.import_module("mygrad")
    tensors = [mygrad.tensor(a) for a in arrays]

    def call() -> Any:
        for t in tensors:
            t.null_grad()
        f(mygrad, *tensors).backward()
        return [t.grad for t in tensors]

    return call


# ---- a chain of 50 sines and 50 products ----------------------------------------------------------------------------


def _chain(xp: Any, v: Any) -> Any:
    for _ in range(50):
        v = xp.sin(v)
        v = v * 1.01
    return v


def _chain_by_hand(x: np.ndarray) -> Call:
    def call() -> Any:
        saved = []
        v = x
        for _ in range(50):
            saved.append(v)
            v = np.sin(v)
            v = v * 1.01
        g = np.ones_like(v)
        for v in reversed(saved):
            g = g * 1.01
            g = g * np.cos(v)
        return [g]

    return call


def chain(size: int) -> Workload:
    """The chain on float64 elements: what one small operation costs."""
    x = np.linspace(0.0, 1.0, size)
    return Workload(
        f"chain {size}",
        {
            BY_HAND: lambda: _chain_by_hand(x),
            "wengert np.sin": lambda: with_wengert(_chain, [x]),
            "wengert wg.sin": lambda: with_wengert(_chain, [x], wg),
            PYTORCH: lambda: with_torch(_chain, [x]),
            "autograd": lambda: with_autograd(_chain, [x]),
            "mygrad": lambda: with_mygrad(_chain, [x]),
        },
    )


# ---- scalars and broadcasting ---------------------------------------------------------------------------------------


def _mixed(xp: Any, x: Any, w: Any) -> Any:
    u = 2.0 * x * w - 0.5
    bell = xp.exp(-(u**2) / 2.0)
    return xp.sum(bell * xp.tanh(x + w) / (1.0 + w**2))


def _mixed_by_hand(x: np.ndarray, w: np.ndarray) -> Call:
    def call() -> Any:
        a = 2.0 * x
        u = a * w - 0.5
        bell = np.exp(u**2 / -2.0)
        t = np.tanh(x + w)
        d = 1.0 + w**2
        q = bell * t / d
        q.sum()  # the value itself, which no gradient needs
        gu = -q * u
        gs = bell * (1.0 - t * t) / d
        gx = 2.0 * (gu * w).sum(1, keepdims=True) + gs.sum(1, keepdims=True)
        gw = (gu * a + gs).sum(0) - 2.0 * w * (q.sum(0) / d)
        return [gx, gw]

    return call


def mixed() -> Workload:
    """A mixed expression of shapes (32, 1) and (8,) with Python numbers."""
    arrays = np.linspace(-1.0, 1.0, 32).reshape(32, 1), np.linspace(0.5, 2.0, 8)
    return Workload(
        "mixed",
        {
            BY_HAND: lambda: _mixed_by_hand(*arrays),
            "wengert": lambda: with_wengert(_mixed, arrays),
            PYTORCH: lambda: with_torch(_mixed, arrays),
            "autograd": lambda: with_autograd(_mixed, arrays),
            "mygrad": lambda: with_mygrad(_mixed, arrays),
        },
    )


# ---- a graph of scalars ---------------------------------------------------------------------------------------------

SCALARS = (-0.4, 0.7)


def _scalars(relu: Callable[[Any], Any], a: Any, b: Any) -> Any:
    for _ in range(10):  # 6 operations each
        c = relu(a * b + 1.0)
        a = a + b * 0.1
        b = c**2
        b = b * 0.5
    return a * b


def _scalars_by_hand() -> Call:
    def call() -> Any:
        a, b = SCALARS
        saved = []
        for _ in range(10):
            s = a * b + 1.0
            c = s if s > 0 else 0.0
            saved.append((a, b, c))
            a = a + b * 0.1
            b = c**2 * 0.5
        ga, gb = b, a
        for a, b, c in reversed(saved):
            gs = gb * c if c > 0 else 0.0
            gb = ga * 0.1 + gs * a
            ga = ga + gs * b
        return [ga, gb]

    return call


def _scalars_with_micrograd() -> Call:
    value = importlib.import_module("micrograd.engine").Value
    leaves = [value(x) for x in SCALARS]

    def call() -> Any:
        for v in leaves:
            v.grad = 0.0
        _scalars(value.relu, *leaves).backward()
        return [v.grad for v in leaves]

    return call


def scalars() -> Workload:
    """A graph of 60 scalar operations, as micrograd does them; by hand on Python's own numbers."""
    return Workload(
        "scalars",
        {
            BY_HAND: _scalars_by_hand,
            "wengert": lambda: with_wengert(lambda xp, a, b: _scalars(wg.relu, a, b), SCALARS),
            PYTORCH: lambda: with_torch(lambda xp, a, b: _scalars(xp.relu, a, b), SCALARS),
            "autograd": lambda: with_autograd(lambda xp, a, b: _scalars(lambda v: xp.maximum(v, 0.0), a, b), SCALARS),
            "mygrad": lambda: with_mygrad(lambda xp, a, b: _scalars(lambda v: xp.maximum(v, 0.0), a, b), SCALARS),
            "micrograd": _scalars_with_micrograd,
        },
    )


# ---- a training step of a small network -----------------------------------------------------------------------------

BATCH, INPUTS, HIDDEN, CLASSES = 32, 64, 64, 10
RATE = 0.01
ROWS = np.arange(BATCH)


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, INPUTS)), rng.integers(0, CLASSES, BATCH)


def _parameters() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    w1, w2 = rng.normal(size=(INPUTS, HIDDEN)) / 8, rng.normal(size=(HIDDEN, CLASSES)) / 8
    return [w1, np.zeros(HIDDEN), w2, np.zeros(CLASSES)]


def _loss(xp: Any, x: np.ndarray, labels: np.ndarray, w1: Any, b1: Any, w2: Any, b2: Any, data: Any) -> Any:
    scores = xp.tanh(x @ w1 + b1) @ w2 + b2
    scores = scores - data(scores).max(axis=1, keepdims=True)  # a constant: it only keeps exp from overflowing
    logs = scores - xp.log(xp.sum(xp.exp(scores), axis=1, keepdims=True))
    return -xp.mean(logs[ROWS, labels])


def _network_by_hand() -> Call:
    x, labels = _batch()
    w1, b1, w2, b2 = parameters = _parameters()

    def call() -> Any:
        h = np.tanh(x @ w1 + b1)
        scores = h @ w2 + b2
        scores -= scores.max(axis=1, keepdims=True)
        e = np.exp(scores)
        total = e.sum(axis=1, keepdims=True)
        (np.log(total[:, 0]) - scores[ROWS, labels]).mean()  # the loss itself, which a training loop reports
        g = e / total
        g[ROWS, labels] -= 1.0
        g /= BATCH
        gh = (g @ w2.T) * (1.0 - h * h)
        for p, gp in zip(parameters, (x.T @ gh, gh.sum(0), h.T @ g, g.sum(0)), strict=True):
            p -= RATE * gp
        return parameters

    return call


def _network_with_wengert() -> Call:
    x, labels = _batch()
    parameters = [wg.Variable(p) for p in _parameters()]

    def call() -> Any:
        _loss(np, x, labels, *parameters, data=lambda v: v.data).backward()
        for p in parameters:
            p.data -= RATE * p.grad
            p.cleargrad()
        return [p.data for p in parameters]

    return call


def _network_with_torch(fused: bool = False) -> Call:
    torch = _torch()
    x, labels = map(torch.tensor, _batch())
    rows = torch.tensor(ROWS)
    w1, b1, w2, b2 = parameters = [torch.tensor(p, requires_grad=True) for p in _parameters()]

    def loss() -> Any:
        if fused:  # what PyTorch's own layers call
            h = torch.tanh(torch.addmm(b1, x, w1))
            return torch.nn.functional.cross_entropy(torch.addmm(b2, h, w2), labels)
        scores = torch.tanh(x @ w1 + b1) @ w2 + b2
        scores = scores - scores.detach().max(dim=1, keepdim=True).values
        logs = scores - torch.log(torch.sum(torch.exp(scores), dim=1, keepdim=True))
        return -torch.mean(logs[rows, labels])

    def call() -> Any:
        loss().backward()
        with torch.no_grad():
            for p in parameters:
                p.sub_(p.grad, alpha=RATE)
                p.grad = None
        return [p.detach() for p in parameters]

    return call


def _network_with_autograd() -> Call:
    autograd, xp = importlib.import_module("autograd"), importlib.import_module("autograd.numpy")
    getval = importlib.import_module("autograd.tracer").getval
    x, labels = _batch()
    parameters = _parameters()
    gradient = autograd.grad(lambda parameters: _loss(xp, x, labels, *parameters, data=getval))

    def call() -> Any:
        for p, gp in zip(parameters, gradient(parameters), strict=True):
            p -= RATE * gp
        return parameters

    return call


def _network_with_mygrad() -> Call:
    mygrad = importlib.import_module("mygrad")
    x, labels = _batch()
    parameters = [mygrad.tensor(p) for p in _parameters()]

    def call() -> Any:
        _loss(mygrad, x, labels, *parameters, data=lambda v: v.data).backward()
        for p in parameters:
            p.data -= RATE * p.grad
            p.null_grad()
        return [p.data for p in parameters]

    return call


def network() -> Workload:
    """A step of a 64-64-10 network with tanh and softmax cross-entropy: forward, backward, descent; batch of 32."""
    return Workload(
        "network 64-64-10",
        {
            BY_HAND: _network_by_hand,
            "wengert": _network_with_wengert,
            PYTORCH: _network_with_torch,
            "PyTorch, fused": lambda: _network_with_torch(fused=True),
            "autograd": _network_with_autograd,
            "mygrad": _network_with_mygrad,
        },
    )


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "chain10": lambda: chain(10),
    "chain1000": lambda: chain(1000),
    "mixed": mixed,
    "scalars": scalars,
    "network": network,
}
