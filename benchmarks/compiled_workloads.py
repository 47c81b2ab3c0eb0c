"""What `compile` times: a value with its gradients, or a training step, written once for all libraries.

A function takes a namespace `xp` (NumPy, PyTorch, JAX's NumPy) with `erf` and `solve` added, so that all run the same
text; where a library has a fused function of its own that its users would call (layer norm, cross-entropy, scan), that
contender calls it. Each contender's call gives the loss and the gradients, or the loss and the parameters of a step.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

import wengert as wg

from .harness import PYTORCH, Call

COMPILED, PLAIN, TORCH_COMPILED, JAX = "wengert compiled", "wengert", "torch.compile", "jax.jit"
ours = SimpleNamespace(**{k: getattr(np, k) for k in np.__all__ if hasattr(np, k)})


class Task(NamedTuple):
    """One workload: how each contender prepares it, and how many times faster than the best peer it is to be."""

    name: str
    contenders: dict[str, Callable[[], Call]]
    factor: float
    rtol: float = 1e-9


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _namespaces() -> None:
    from wengert.scipy import special

    ours.erf, ours.solve = special.erf, np.linalg.solve


def _torch(threads: int) -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    torch.solve = torch.linalg.solve
    return torch


def _jax() -> tuple[Any, Any]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    xp = importlib.import_module("jax.numpy")
    names = SimpleNamespace(**{k: getattr(xp, k) for k in dir(xp) if not k.startswith("_")})
    names.erf, names.solve = importlib.import_module("jax.scipy.special").erf, xp.linalg.solve
    names.jax = jax
    return jax, names


# ---- a value and its gradients --------------------------------------------------------------------------------------


def value_and_grad(
    name: str,
    f: Callable[..., Any],
    arrays: Sequence[Any],
    constants: Sequence[Any] = (),
    *,
    factor: float,
    threads: int,
    by_torch: Any = None,
    by_jax: Any = None,
    rtol: float = 1e-9,
) -> Task:
    """`f(xp, *arrays, *constants)`, which is summed, and its gradients with respect to the arrays."""
    count = tuple(range(len(arrays)))

    def plain() -> Any:
        _namespaces()
        return wg.value_and_grad(lambda *xs: np.sum(f(ours, *xs)), argnums=count)

    def wengert() -> Call:
        g = plain()
        return lambda: _flat(g(*arrays, *constants))

    def compiled() -> Call:
        g = wg.compile(plain())
        return lambda: _flat(g(*arrays, *constants))

    def torch(wrap: Any = None) -> Call:
        torch = _torch(threads)
        xs = [torch.tensor(a, requires_grad=True) for a in arrays]
        others = [torch.tensor(c) for c in constants]
        g = by_torch or f
        loss = lambda *xs: g(torch, *xs).sum()  # noqa: E731
        loss = torch.compile(loss) if wrap else loss

        def call() -> Any:
            y = loss(*xs, *others)
            return [t.detach() for t in (y, *torch.autograd.grad(y, xs))]

        return call

    def jax() -> Call:
        jax, xp = _jax()
        g = by_jax or f
        run = jax.jit(jax.value_and_grad(lambda *xs: g(xp, *xs).sum(), argnums=count))
        xs = [xp.asarray(a) for a in (*arrays, *constants)]
        return lambda: _flat(jax.block_until_ready(run(*xs)))

    makers = {PLAIN: wengert, COMPILED: compiled, PYTORCH: torch, TORCH_COMPILED: lambda: torch(True), JAX: jax}
    return Task(name, makers, factor, rtol)


def _flat(result: Any) -> list[Any]:
    y, grads = result
    return [y, *(grads if isinstance(grads, (tuple, list)) else (grads,))]


def bell(xp: Any, x: Any) -> Any:
    """W1: three transcendental functions."""
    return xp.tanh(x) * xp.exp(-(x * x)) * xp.sin(x)


def black_scholes(xp: Any, s: Any, k: Any, t: Any, r: Any, v: Any) -> Any:
    """W2: the price of a call; its gradients are the Greeks."""
    root = v * xp.sqrt(t)
    d1 = (xp.log(s / k) + (r + 0.5 * v * v) * t) / root
    normal = lambda x: 0.5 * (1.0 + xp.erf(x * (1 / math.sqrt(2))))  # noqa: E731
    return s * normal(d1) - k * xp.exp(-(r * t)) * normal(d1 - root)


def rnn(xp: Any, wx: Any, wh: Any, b: Any, xs: Any, h: Any) -> Any:
    """W5: a recurrent network over 50 steps."""
    for t in range(50):
        h = xp.tanh(xs[t] @ wx + h @ wh + b)
    return (h * h).mean()


def rnn_scan(xp: Any, wx: Any, wh: Any, b: Any, xs: Any, h: Any) -> Any:
    """The same, as JAX would have it."""
    h, _ = xp.jax.lax.scan(lambda h, x: (xp.tanh(x @ wx + h @ wh + b), None), h, xs)
    return (h * h).mean()


def norm_loss(xp: Any, x: Any, g: Any, b: Any, labels: Any) -> Any:
    """W6: layer norm and cross-entropy of 4096 rows."""
    xc = x - x.mean(1, keepdims=True)
    z = xc / xp.sqrt((xc * xc).mean(1, keepdims=True) + 1e-5) * g + b
    z = z - xp.amax(z, 1, keepdims=True)
    return (xp.log(xp.exp(z).sum(1)) - z[xp.arange(len(labels)), labels]).mean()


def norm_loss_fused(torch: Any, x: Any, g: Any, b: Any, labels: Any) -> Any:
    """The same by PyTorch's own functions."""
    f = torch.nn.functional
    return f.cross_entropy(f.layer_norm(x, (x.shape[1],), g, b), labels)


def bodies(xp: Any, x: Any, y: Any, vx: Any, vy: Any, m: Any) -> Any:
    """W7: 100 steps of eight bodies that attract each other."""
    for _ in range(100):
        x, y, vx, vy = _bodies_step(xp, x, y, vx, vy, m)
    return (x * x + y * y).sum()


def _bodies_step(xp: Any, x: Any, y: Any, vx: Any, vy: Any, m: Any) -> Any:
    dx = x.reshape(1, 8) - x.reshape(8, 1)
    dy = y.reshape(1, 8) - y.reshape(8, 1)
    d2 = dx * dx + dy * dy + 0.1
    w = m.reshape(1, 8) / (d2 * xp.sqrt(d2))
    vx = vx + 0.01 * (w * dx).sum(1)
    vy = vy + 0.01 * (w * dy).sum(1)
    return x + 0.01 * vx, y + 0.01 * vy, vx, vy


def bodies_scan(xp: Any, x: Any, y: Any, vx: Any, vy: Any, m: Any) -> Any:
    """The same, as JAX would have it."""
    (x, y, _, _), _ = xp.jax.lax.scan(lambda c, _: (_bodies_step(xp, *c, m), None), (x, y, vx, vy), None, length=100)
    return (x * x + y * y).sum()


def rosenbrock(xp: Any, x: Any) -> Any:
    """W9: Rosenbrock's function of many variables."""
    a, b = x[:-1], x[1:]
    t, u = b - a * a, 1.0 - a
    return (100.0 * (t * t) + u * u).sum()


def lstm(xp: Any, wx: Any, wh: Any, b: Any, xs: Any, h: Any, c: Any) -> Any:
    """W10: a long short-term memory over 50 steps, hidden 128."""
    n = h.shape[1]
    sigmoid = lambda x: 1.0 / (1.0 + xp.exp(-x))  # noqa: E731
    for t in range(50):
        z = xs[t] @ wx + h @ wh + b
        c = sigmoid(z[:, n : 2 * n]) * c + sigmoid(z[:, :n]) * xp.tanh(z[:, 2 * n : 3 * n])
        h = sigmoid(z[:, 3 * n :]) * xp.tanh(c)
    return (h * h).mean()


def lstm_scan(xp: Any, wx: Any, wh: Any, b: Any, xs: Any, h: Any, c: Any) -> Any:
    """The same, as JAX would have it."""
    n, sigmoid = h.shape[1], xp.jax.nn.sigmoid

    def step(state: Any, x: Any) -> Any:
        h, c = state
        z = x @ wx + h @ wh + b
        c = sigmoid(z[:, n : 2 * n]) * c + sigmoid(z[:, :n]) * xp.tanh(z[:, 2 * n : 3 * n])
        return (sigmoid(z[:, 3 * n :]) * xp.tanh(c), c), None

    (h, _), _ = xp.jax.lax.scan(step, (h, c), xs)
    return (h * h).mean()


def transformer_block(xp: Any, x: Any, wqkv: Any, wo: Any, w1: Any, w2: Any, g1: Any, g2: Any) -> Any:
    """W11: a pre-norm block of 4 heads."""
    batch, context, width = x.shape
    heads, each = 4, width // 4

    def norm(x: Any, g: Any) -> Any:
        xc = x - x.mean(-1, keepdims=True)
        return xc / xp.sqrt((xc * xc).mean(-1, keepdims=True) + 1e-5) * g

    qkv = (norm(x, g1) @ wqkv).reshape(batch, context, 3, heads, each)
    q, k, v = [xp.swapaxes(qkv[:, :, i], 1, 2) for i in range(3)]
    scores = q @ xp.swapaxes(k, 2, 3) * (1 / math.sqrt(each))
    e = xp.exp(scores - xp.amax(scores, -1, keepdims=True))
    attended = (e / e.sum(-1, keepdims=True)) @ v
    x = x + xp.swapaxes(attended, 1, 2).reshape(batch, context, width) @ wo
    u = norm(x, g2) @ w1
    u = 0.5 * u * (1.0 + xp.tanh(0.7978845608028654 * (u + 0.044715 * u * u * u)))
    y = x + u @ w2
    return (y * y).mean()


def gaussian_process(xp: Any, scale: Any, noise: Any, x: Any, y: Any, eye: Any) -> Any:
    """W13: the negative log likelihood of 500 points under a Gaussian process."""
    d = (x.reshape(-1, 1) - x.reshape(1, -1)) / scale
    k = xp.exp(-0.5 * d * d) + noise * eye
    low = xp.linalg.cholesky(k)
    return 0.5 * (y * xp.solve(k, y)).sum() + xp.log(xp.diagonal(low)).sum()


def heat(xp: Any, u: Any, inverse: Any) -> Any:
    """W14: 500 implicit steps of the heat equation on 200 points."""
    for _ in range(500):
        u = inverse @ u
    return (u * u).sum()


def heat_scan(xp: Any, u: Any, inverse: Any) -> Any:
    """The same, as JAX would have it."""
    u, _ = xp.jax.lax.scan(lambda u, _: (inverse @ u, None), u, None, length=500)
    return (u * u).sum()


# ---- training steps -------------------------------------------------------------------------------------------------


def _layers(sizes: Sequence[int]) -> list[np.ndarray]:
    rng = _rng()
    return [
        a.astype(np.float32)
        for i, o in itertools.pairwise(sizes)
        for a in (rng.standard_normal((i, o)) / np.sqrt(i), np.zeros(o))
    ]


def regression(xp: Any, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any) -> Any:
    """W4's loss: a small network with tanh, mean square."""
    r = xp.tanh(xp.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3 - y
    return (r * r).mean()


def descent(*, factor: float, threads: int) -> Task:
    """W4: a step of gradient descent on a network 13-32-32-1, batch 16: parameters in, parameters out."""
    rng = _rng()
    x, y = rng.standard_normal((16, 13)).astype(np.float32), rng.standard_normal((16, 1)).astype(np.float32)
    start = _layers([13, 32, 32, 1])

    def step(parameters: list[Any]) -> Any:
        loss, grads = wg.value_and_grad(lambda ps: regression(np, x, y, *ps))(parameters)
        return loss, [p - np.float32(1e-3) * g for p, g in zip(parameters, grads, strict=True)]

    def wengert(wrap: Any = None) -> Call:
        run, state = wrap(step) if wrap else step, [list(map(np.copy, start))]

        def call() -> Any:
            loss, state[0] = run(state[0])
            return [loss, *state[0]]

        return call

    def torch(wrap: bool = False) -> Call:
        torch = _torch(threads)
        ps = [torch.tensor(p, requires_grad=True) for p in start]
        opt = torch.optim.SGD(ps, lr=1e-3)
        f = lambda *ps: regression(torch, torch.tensor(x), torch.tensor(y), *ps)  # noqa: E731
        f = torch.compile(f) if wrap else f

        def call() -> Any:
            opt.zero_grad()
            loss = f(*ps)
            loss.backward()
            opt.step()
            return [t.detach() for t in (loss, *ps)]

        return call

    def jax() -> Call:
        jax, xp = _jax()
        gradient = jax.value_and_grad(lambda ps: regression(xp, x, y, *ps))

        def step(ps: Any) -> Any:
            loss, grads = gradient(ps)
            return loss, [p - 1e-3 * g for p, g in zip(ps, grads, strict=True)]

        run, state = jax.jit(step), [list(map(xp.asarray, start))]

        def call() -> Any:
            loss, state[0] = jax.block_until_ready(run(state[0]))
            return [loss, *state[0]]

        return call

    makers = {
        PLAIN: wengert,
        COMPILED: lambda: wengert(wg.compile),
        PYTORCH: torch,
        TORCH_COMPILED: lambda: torch(True),
        JAX: jax,
    }
    return Task("W4 descent 13-32-32-1", makers, factor, 1e-4)


def training(
    name: str, make: Callable[[Any, bool], tuple[Any, Any]], x: Any, y: Any, *, factor: float, threads: int
) -> Task:
    """A step of Adam on a network: `make(library, is_torch)` gives the model and its parameters' names in order."""

    def wengert(wrap: Any = None) -> Call:
        model, _ = make(wg, False)
        opt = wg.optim.Adam(model.parameters(), lr=1e-3)

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = wg.nn.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            return loss.data

        run = wrap(step) if wrap else step
        return lambda: [run(x, y)]

    def torch(wrap: bool = False) -> Call:
        torch = _torch(threads)
        model, copy = make(torch, True)
        copy(make(wg, False)[0])
        opt = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        tx, ty = torch.tensor(x), torch.tensor(y)
        f = lambda: torch.nn.functional.cross_entropy(model(tx), ty)  # noqa: E731
        f = torch.compile(f) if wrap else f

        def call() -> Any:
            opt.zero_grad()
            loss = f()
            loss.backward()
            opt.step()
            return [loss.detach()]

        return call

    makers = {
        PLAIN: wengert,
        COMPILED: lambda: wengert(wg.compile),
        PYTORCH: torch,
        TORCH_COMPILED: lambda: torch(True),
    }
    return Task(name, makers, factor, 1e-3)


def adam(*, factor: float, threads: int) -> Task:
    """W8: one step of Adam on ten million parameters, whose gradient is there."""
    rng, n = _rng(), 10_000_000
    start, gradient = _normal(rng, n), _normal(rng, n)

    def wengert(wrap: Any = None) -> Call:
        p = wg.nn.Parameter(start)
        opt = wg.optim.Adam([p], lr=1e-3)
        p.grad = gradient
        run = wrap(opt.step) if wrap else opt.step

        def call() -> Any:
            run()
            return [p.data[:1000]]

        return call

    def torch(wrap: bool = False) -> Call:
        torch = _torch(threads)
        p = torch.tensor(start, requires_grad=True)
        p.grad = torch.tensor(gradient)
        opt = torch.optim.Adam([p], lr=1e-3, fused=not wrap)
        run = torch.compile(lambda: opt.step()) if wrap else opt.step

        def call() -> Any:
            run()
            return [p.detach()[:1000]]

        return call

    makers = {
        PLAIN: wengert,
        COMPILED: lambda: wengert(wg.compile),
        PYTORCH: torch,
        TORCH_COMPILED: lambda: torch(True),
    }
    return Task("W8 Adam 1e7", makers, factor, 1e-4)


def _mlp(library: Any, is_torch: bool) -> tuple[Any, Any]:
    nn = library.nn
    options: dict[str, Any] = {} if is_torch else {"rng": _rng()}
    relu = nn.ReLU() if is_torch else nn.relu
    sizes = [784, 1024, 1024, 10]
    layers: list[Any] = []
    for i, o in itertools.pairwise(sizes):
        layers += [nn.Linear(i, o, **options), relu]
    model = nn.Sequential(*layers[:-1])
    return model if is_torch else model.astype(np.float32), lambda other: _copied(library, model, other)


def _cnn(library: Any, is_torch: bool, norm: bool = False) -> tuple[Any, Any]:
    nn = library.nn
    options: dict[str, Any] = {} if is_torch else {"rng": _rng()}
    relu, pool, flat = (
        (nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()) if is_torch else (nn.relu, nn.MaxPool(2), nn.Flatten())
    )
    layers: list[Any] = []
    for i, o in ((1, 16), (16, 32)):
        layers += [
            nn.Conv2d(i, o, 3, padding=1, **options),
            *([nn.BatchNorm2d(o) if is_torch else nn.BatchNorm(o)] * norm),
        ]
        layers += [relu, pool]
    model = nn.Sequential(*layers, flat, nn.Linear(32 * 49, 10, **options))
    return model if is_torch else model.astype(np.float32), lambda other: _copied(library, model, other)


def _copied(torch: Any, model: Any, other: Any) -> None:
    model.load_state_dict({k: torch.tensor(v) for k, v in other.state_dict().items()})


# ---- the table ------------------------------------------------------------------------------------------------------


def _bell(size: int, dtype: Any, threads: int) -> Task:
    x = _rng().standard_normal(size).astype(dtype)
    kind = np.dtype(dtype).name
    return value_and_grad(f"W1 {size:.0e} {kind}", bell, [x], factor=3.5, threads=threads, rtol=1e-4)


def _options(threads: int) -> Task:
    rng, n = _rng(), 1_000_000
    bounds = [(80, 120), (80, 120), (0.1, 2), (0.0, 0.05), (0.1, 0.5)]
    arrays = [rng.uniform(a, b, n) for a, b in bounds]
    return value_and_grad("W2 Black-Scholes 1e6", black_scholes, arrays, factor=1.9, threads=threads, rtol=1e-6)


def _normal(rng: Any, *shape: int, scale: float = 1.0) -> Any:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def _rnn(threads: int) -> Task:
    rng = _rng()
    arrays = [_normal(rng, 64, 64, scale=1 / 8), _normal(rng, 64, 64, scale=1 / 8), np.zeros(64, np.float32)]
    constants = [_normal(rng, 50, 16, 64), np.zeros((16, 64), np.float32)]
    return value_and_grad(
        "W5 RNN 50 steps", rnn, arrays, constants, factor=3, threads=threads, by_jax=rnn_scan, rtol=1e-3
    )


def _norm(threads: int) -> Task:
    rng, rows, columns = _rng(), 4096, 1024
    arrays = [_normal(rng, rows, columns), 1 + _normal(rng, columns, scale=0.1), _normal(rng, columns, scale=0.1)]
    constants = [rng.integers(0, columns, rows)]
    name = "W6 layer norm, cross-entropy"
    return value_and_grad(
        name, norm_loss, arrays, constants, factor=2.4, threads=threads, by_torch=norm_loss_fused, rtol=1e-3
    )


def _bodies(threads: int) -> Task:
    rng = _rng()
    arrays = [rng.standard_normal(8) for _ in range(4)]
    masses = [rng.uniform(0.5, 1, 8)]
    return value_and_grad(
        "W7 ODE 100 steps", bodies, arrays, masses, factor=8, threads=threads, by_jax=bodies_scan, rtol=1e-5
    )


def _lstm(threads: int) -> Task:
    rng, n = _rng(), 128
    arrays = [_normal(rng, n, 4 * n, scale=n**-0.5), _normal(rng, n, 4 * n, scale=n**-0.5), np.zeros(4 * n, np.float32)]
    constants = [_normal(rng, 50, 32, n), np.zeros((32, n), np.float32), np.zeros((32, n), np.float32)]
    return value_and_grad(
        "W10 LSTM 50 steps", lstm, arrays, constants, factor=2, threads=threads, by_jax=lstm_scan, rtol=1e-3
    )


def _transformer(threads: int) -> Task:
    rng, n = _rng(), 256
    shapes = [(n, 3 * n), (n, n), (n, 4 * n), (4 * n, n)]
    arrays = [_normal(rng, 16, 128, n), *[_normal(rng, *s, scale=s[0] ** -0.5) for s in shapes]]
    arrays += [np.ones(n, np.float32), np.ones(n, np.float32)]
    return value_and_grad("W11 transformer block", transformer_block, arrays, factor=1.3, threads=threads, rtol=1e-2)


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    """W11's attention alone: 16 batches of 4 heads, context 128, 64 each."""
    scores = q @ xp.swapaxes(k, 2, 3) * (1 / math.sqrt(q.shape[-1]))
    e = xp.exp(scores - xp.amax(scores, -1, keepdims=True))
    y = (e / e.sum(-1, keepdims=True)) @ v
    return (y * y).mean()


def attention_fused(torch: Any, q: Any, k: Any, v: Any) -> Any:
    """The same by PyTorch's own function."""
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return (y * y).mean()


def _attention(threads: int) -> Task:
    arrays = [_normal(_rng(), 16, 4, 128, 64) for _ in range(3)]
    return value_and_grad(
        "W11 attention", attention, arrays, factor=1.8, threads=threads, by_torch=attention_fused, rtol=1e-2
    )


def _process(threads: int) -> Task:
    x = np.linspace(0, 10, 500)
    arrays, constants = [np.array(0.7), np.array(0.1)], [x, np.sin(x), np.eye(500)]
    return value_and_grad(
        "W13 Gaussian process", gaussian_process, arrays, constants, factor=1, threads=threads, rtol=1e-5
    )


def _heat(threads: int) -> Task:
    n = 200
    a = np.eye(n) * 1.2 - np.eye(n, k=1) * 0.1 - np.eye(n, k=-1) * 0.1
    u = np.sin(np.linspace(0, np.pi, n))
    constants = [np.linalg.inv(a)]
    return value_and_grad(
        "W14 heat 500 steps", heat, [u], constants, factor=3, threads=threads, by_jax=heat_scan, rtol=1e-6
    )


def _digits(shape: tuple[int, ...]) -> tuple[Any, Any]:
    rng = _rng()
    return _normal(rng, *shape), rng.integers(0, 10, shape[0])


def tasks(threads: int) -> dict[str, Callable[[], Task]]:
    """Every workload by a short name."""
    f32, f64 = np.float32, np.float64
    sizes = {"1e3": 10**3, "1e5": 10**5, "1e6": 10**6, "1e7": 10**7}
    made: dict[str, Callable[[], Task]] = {}
    for dtype, letter in ((f32, "f"), (f64, "d")):
        for text, size in sizes.items():
            made[f"w1{letter}{text}"] = lambda size=size, dtype=dtype: _bell(size, dtype, threads)  # type: ignore[misc]
    rosenbrock_x = _rng().standard_normal(1_000_000)
    made["w2"] = lambda: _options(threads)
    made["w3"] = lambda: training("W3 MLP 784-1024-1024-10", _mlp, *_digits((128, 784)), factor=1, threads=threads)
    made["w4"] = lambda: descent(factor=12, threads=threads)
    made["w5"] = lambda: _rnn(threads)
    made["w6"] = lambda: _norm(threads)
    made["w7"] = lambda: _bodies(threads)
    made["w8"] = lambda: adam(factor=1.3, threads=threads)
    made["w9"] = lambda: value_and_grad(
        "W9 Rosenbrock 1e6", rosenbrock, [rosenbrock_x], factor=2.5, threads=threads, rtol=1e-6
    )
    made["w10"] = lambda: _lstm(threads)
    made["w11"] = lambda: _transformer(threads)
    made["w11a"] = lambda: _attention(threads)
    made["w12"] = lambda: training("W12 CNN 28x28", _cnn, *_digits((64, 1, 28, 28)), factor=4, threads=threads)
    made["w12n"] = lambda: training(
        "W12 CNN with batch norm", partial(_cnn, norm=True), *_digits((64, 1, 28, 28)), factor=2, threads=threads
    )
    made["w13"] = lambda: _process(threads)
    made["w14"] = lambda: _heat(threads)
    return made
