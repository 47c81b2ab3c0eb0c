"""wg.optim: updates compared with PyTorch's, memory, resuming, groups, schedules, clipping, averages, messages."""

from __future__ import annotations

import contextlib
import json
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg

optim = wg.optim
TORCH = "the updates are compared with PyTorch's, which has to be installed apart"

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("SGD", "SGD", {"lr": 0.05}),
    ("SGD", "SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("AdaGrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("AdaDelta", "Adadelta", {"lr": 1.0, "weight_decay": 0.1}),
    ("RMSprop", "RMSprop", {"lr": 0.01, "weight_decay": 0.1}),
    ("RMSprop", "RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}),
    ("Adam", "Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("Adam", "Adam", {"lr": 0.05, "amsgrad": True}),
    ("AdamW", "AdamW", {"lr": 0.05, "weight_decay": 0.1}),
    ("NAdam", "NAdam", {"lr": 0.02, "weight_decay": 0.1}),
    ("Lion", "", {"lr": 0.01, "weight_decay": 0.1}),
    ("LAMB", "", {"lr": 0.01, "weight_decay": 0.1}),
]
OWN = [(name, options) for name, _, options in CASES]


def problem(rng: np.random.Generator, dtype: Any = np.float64) -> list[wg.Variable]:
    """Parameters of many shapes: one of several blocks, one in Fortran's order, a scalar."""
    arrays: list[Any] = [rng.normal(size=s) for s in [(3, 4), (700, 50), (5,), ()]]
    arrays.append(np.asfortranarray(rng.normal(size=(6, 7))))
    return [wg.Variable(np.array(a, dtype, order="K")) for a in arrays]


def lion_step(torch: Any, p: Any, g: Any, s: dict[str, Any], lr: float, weight_decay: float) -> None:
    m = s.setdefault("m", torch.zeros_like(p))
    p.mul_(1 - lr * weight_decay).sub_(lr * torch.sign(0.9 * m + 0.1 * g))
    s["m"] = 0.99 * m + 0.01 * g


def lamb_step(torch: Any, p: Any, g: Any, s: dict[str, Any], lr: float, weight_decay: float) -> None:
    t = s["t"] = s.get("t", 0) + 1
    s["m"] = 0.9 * s.get("m", 0 * p) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0 * p) + 0.001 * g * g
    r = s["m"] / (1 - 0.9**t) / ((s["v"] / (1 - 0.999**t)).sqrt() + 1e-6) + weight_decay * p
    p.sub_(lr * p.norm() / r.norm() * r)


@pytest.mark.parametrize(("name", "theirs", "options"), CASES)
def test_agrees_with_torch_over_100_steps(name: str, theirs: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    rng = np.random.default_rng(0)
    params = problem(rng)
    targets = [rng.normal(size=p.shape) for p in params]
    tensors = [torch.tensor(p.data.copy(), requires_grad=True) for p in params]
    opt = getattr(optim, name)(params, **options)
    other = getattr(torch.optim, theirs)(tensors, **options) if theirs else None
    states: list[dict[str, Any]] = [{} for _ in tensors]
    for step in range(100):
        opt.zero_grad()
        noise = 1 + 0.1 * math.sin(step)
        for p, target in zip(params, targets, strict=True):
            np.sum(np.cosh(0.5 * (p - noise * target))).backward()
        opt.step()
        for p, target, state in zip(tensors, targets, states, strict=True):
            p.grad = None
            torch.cosh(0.5 * (p - torch.tensor(noise * target))).sum().backward()
            if other is None:
                with torch.no_grad():
                    {"Lion": lion_step, "LAMB": lamb_step}[name](torch, p, p.grad, state, **options)
        if other is not None:
            other.step()
    for p, tensor in zip(params, tensors, strict=True):
        np.testing.assert_allclose(p.data, tensor.detach().numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_agrees_with_torch(search: str | None) -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(30, 12)), rng.normal(size=30)
    w, c = wg.Variable(rng.normal(size=(3, 4))), wg.Variable(0.5)
    tw, tc = (torch.tensor(v.data.copy(), requires_grad=True) for v in (w, c))
    options = {"lr": 0.5 if search is None else 1.0, "max_iter": 5, "history_size": 4, "line_search_fn": search}
    opt, other = optim.LBFGS([w, c], **options), torch.optim.LBFGS([tw, tc], **options)

    def closure() -> Any:
        opt.zero_grad()
        loss = np.mean(np.log(np.cosh(a @ w.reshape(12) + c - b))) + 0.01 * np.sum(w**4)
        loss.backward()
        return loss

    def theirs() -> Any:
        other.zero_grad()
        loss = torch.log(torch.cosh(torch.tensor(a) @ tw.reshape(12) + tc - torch.tensor(b))).mean()
        loss = loss + 0.01 * (tw**4).sum()
        loss.backward()
        return loss

    for _ in range(20):
        mine = opt.step(closure)
        assert abs(mine.item() - other.step(theirs).item()) < 1e-9
    np.testing.assert_allclose(w.data, tw.detach().numpy(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(c.data, tc.detach().numpy(), rtol=1e-6, atol=1e-6)


def test_lbfgs_resumes_exactly() -> None:
    def run(steps: int, state: Any = None, data: Any = None) -> Any:
        w = wg.Variable(np.array([-1.2, 1.0]) if data is None else data.copy())
        opt = optim.LBFGS([w], max_iter=3, history_size=3, line_search_fn="strong_wolfe")
        if state is not None:
            opt.load_state_dict(state)

        def closure() -> Any:
            opt.zero_grad()
            loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
            loss.backward()
            return loss

        for _ in range(steps):
            opt.step(closure)
        return opt.state_dict(), w.data

    state, data = run(3)
    assert np.array_equal(run(4, state, data)[1], run(7)[1])


@pytest.mark.parametrize(("name", "options"), OWN)
def test_in_place_without_allocating_and_dtype_kept(name: str, options: dict[str, Any]) -> None:
    w = wg.Variable(np.ones((512, 512), np.float32))
    b = wg.Variable(np.ones((64,), np.float32))
    arrays = [w.data, b.data]
    opt = getattr(optim, name)([w, b], **options)
    for p in (w, b):
        p.grad = np.full(p.shape, 0.5, np.float32)
    opt.step()
    tracemalloc.start()
    opt.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # w takes a megabyte
    assert w.data is arrays[0]
    assert b.data is arrays[1]
    assert w.dtype == b.dtype == np.float32
    for state in opt.state_dict()["state"].values():
        assert all(v.dtype == np.float32 for v in state.values() if isinstance(v, np.ndarray))


@pytest.mark.parametrize(("name", "options"), OWN)
def test_blocks_give_the_same_bits_and_resuming_is_exact(name: str, options: dict[str, Any]) -> None:
    def start(rng: np.random.Generator) -> Any:
        params = problem(rng, np.float32)
        opt = getattr(optim, name)([(f"p{i}", p) for i, p in enumerate(params)], **options)
        return params, opt, optim.CosineAnnealingLR(opt, T_max=20)

    def go(params: Any, opt: Any, schedule: Any, steps: range) -> None:
        for step in steps:
            for i, p in enumerate(params):
                p.grad = np.random.default_rng([step, i]).normal(size=p.shape).astype(np.float32)
            opt.step()
            schedule.step()

    whole = start(np.random.default_rng(3))
    go(*whole, range(12))
    first = start(np.random.default_rng(3))
    go(*first, range(7))
    kept = first[1].state_dict()
    text = json.dumps(kept, default=lambda a: {"array": a.tolist()})
    state = json.loads(text, object_hook=lambda d: np.array(d["array"]) if "array" in d else d)
    second = start(np.random.default_rng(4))
    for p, q in zip(second[0], first[0], strict=True):
        p.data[...] = q.data
    second[1].load_state_dict(state)
    second[2].load_state_dict(first[2].state_dict())
    go(*second, range(7, 12))
    for p, q in zip(second[0], whole[0], strict=True):
        assert p.data.tobytes() == q.data.tobytes()
    assert kept["state"]["p0"]["step"] == 7


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "Lion", "LAMB", "AdaGrad", "AdaDelta", "RMSprop"])
def test_complex_parameters_are_pairs_of_real_ones(name: str) -> None:
    z = wg.Variable(np.array([[1 + 2j, 3 - 1j], [0.5j, -1]]).T)
    pair = wg.Variable(np.stack([z.data.real, z.data.imag], -1))
    opt, other = getattr(optim, name)([z], lr=0.1), getattr(optim, name)([pair], lr=0.1)
    for _ in range(5):
        opt.zero_grad()
        other.zero_grad()
        np.sum(abs(z) ** 2).backward()
        np.sum(pair**2).backward()
        opt.step()
        other.step()
    assert z.dtype == np.complex128
    np.testing.assert_allclose(np.stack([z.data.real, z.data.imag], -1), pair.data, rtol=1e-12, atol=1e-12)


def test_scalars_and_empty_arrays() -> None:
    x, e = wg.Variable(2.0), wg.Variable(np.empty((0, 3)))
    opt = optim.Adam([x, e], lr=0.1)
    (x**2 + np.sum(e)).backward()
    opt.step()
    assert x.item() == pytest.approx(1.9)
    assert x.data.shape == ()
    assert e.shape == (0, 3)


def test_groups_decay_freezing_and_missing_gradients() -> None:
    w, b, c = (wg.Variable(np.ones(2), name) for name in "wbc")
    opt = optim.SGD([{"params": [w, b]}, {"params": [c], "lr": 0.5}], lr=0.1, decay=lambda _, p: p is w, weight_decay=1)
    w.grad, b.grad = np.zeros(2), np.zeros(2)
    opt.step()
    assert (w.data[0], b.data[0], c.data[0]) == (0.9, 1.0, 1.0)
    c.grad = np.ones(2)
    opt.freeze(w)
    opt.step()
    assert (w.data[0], c.data[0]) == (0.9, 0.5)
    state = opt.state_dict()
    assert state["frozen"] == ["0"]
    opt.unfreeze()
    opt.step()
    assert w.data[0] == pytest.approx(0.81)
    opt.load_state_dict(state)
    opt.step()
    assert w.data[0] == pytest.approx(0.81)
    opt.zero_grad()
    assert w.grad is None
    assert "lr=0.5" in repr(opt)
    assert opt.step(lambda: 7) == 7


def test_data_that_was_replaced_is_found_again() -> None:
    w = wg.Variable(np.ones(3))
    opt = optim.Adam([w], lr=0.1)
    w.grad = np.ones(3)
    opt.step()
    w.data = np.zeros(3)
    opt.step()
    assert np.allclose(w.data, -0.1)
    w.data = np.zeros(4)
    with pytest.raises(ValueError, match=r"parameter '0' has shape \(4,\) now"):
        opt.step()


def test_gradients_of_create_graph_are_used() -> None:
    w = wg.Variable(np.ones(3))
    opt = optim.SGD([w], lr=0.1)
    np.sum(w**2).backward(create_graph=True)
    assert optim.clip_grad_norm([w], 100.0) == pytest.approx(math.sqrt(12))
    opt.step()
    assert np.allclose(w.data, 0.8)


V = wg.Variable(np.ones(2))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.Adam([]), ValueError, "no parameters"),
        (lambda: optim.Adam(iter(())), ValueError, "no parameters"),
        (lambda: optim.Adam(V), TypeError, r"write \[variable\]"),
        (lambda: optim.Adam([V, V]), ValueError, "given twice"),
        (lambda: optim.Adam([("a", V), ("a", wg.Variable(1.0))]), ValueError, "two parameters have the name 'a'"),
        (lambda: optim.Adam([np.ones(2)]), TypeError, "must be a Variable, got ndarray"),
        (lambda: optim.Adam([wg.Variable(np.arange(3))]), TypeError, "no derivatives"),
        (lambda: optim.Adam([V * 2]), TypeError, "a result or a constant"),
        (lambda: optim.Adam([wg.Variable(np.broadcast_to(1.0, 3))]), ValueError, "read-only"),
        (lambda: optim.Adam([V], lr=float("nan")), ValueError, "lr must be finite"),
        (lambda: optim.Adam([V], lr=float("inf")), ValueError, "lr must be finite"),
        (lambda: optim.Adam([V], lr=-1), ValueError, "at least 0"),
        (lambda: optim.Adam([V], lr="fast"), TypeError, "lr must be a number"),
        (lambda: optim.Adam([V], betas=(0.9, 1.0)), ValueError, "less than 1"),
        (lambda: optim.Adam([V], betas=(0.9,)), ValueError, "two numbers"),
        (lambda: optim.Adam([{"params": [V], "momentum": 1}]), TypeError, "no option momentum"),
        (lambda: optim.Adam([{"lr": 1}]), ValueError, "needs the key 'params'"),
        (lambda: optim.Adam([wg.Variable(np.ones(2, np.float16))]), ValueError, "eps=1e-08 is zero in float16"),
        (lambda: optim.SGD([V], nesterov=True), ValueError, "nesterov needs momentum"),
        (lambda: optim.LBFGS([V], line_search_fn="armijo"), ValueError, "strong_wolfe"),
        (lambda: optim.LBFGS([V]).step(), TypeError, "needs a closure"),
        (lambda: optim.Adam([V]).freeze(wg.Variable(1.0)), ValueError, "none of its parameters"),
        (lambda: optim.Optimizer([V], {}).apply(*[None] * 5), NotImplementedError, "no method apply"),  # type: ignore[arg-type]
        (lambda: optim.StepLR(optim.Adam([V]), 0), ValueError, "positive integer"),
        (lambda: optim.StepLR(V, 1), TypeError, "expected an Optimizer"),
        (lambda: optim.ReduceLROnPlateau(optim.Adam([V])).step(float("nan")), ValueError, "NaN"),
        (lambda: optim.ExponentialMovingAverage([V], decay=1.0), ValueError, "decay"),
        (lambda: optim.clip_grad_norm([V], -1.0), ValueError, "max_norm"),
    ],
)
def test_messages(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_states_that_do_not_fit_change_nothing() -> None:
    w = wg.Variable(np.ones(3))
    opt = optim.Adam([w])
    w.grad = np.ones(3)
    opt.step()
    other = optim.Adam([wg.Variable(np.ones(4))])
    with pytest.raises(ValueError, match=r"has shape \(3,\), expected \(4,\)"):
        other.load_state_dict(opt.state_dict())
    with pytest.raises(ValueError, match=r"has \['step', 'm', 'v'\], expected \['step'\]"):
        optim.SGD([w]).load_state_dict({**optim.SGD([w]).state_dict(), "state": opt.state_dict()["state"]})
    with pytest.raises(ValueError, match="the state is of parameters"):
        optim.Adam([("w", w)]).load_state_dict(opt.state_dict())


def test_clipping() -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    rng = np.random.default_rng(0)
    for order in (1.0, 2.0, math.inf):
        params = problem(rng)
        tensors = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params]
        for p, t in zip(params, tensors, strict=True):
            p.grad = rng.normal(size=p.shape)
            t.grad = torch.tensor(p.grad.copy())
        norm = optim.clip_grad_norm(params, 0.7, order)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(tensors, 0.7, order)))
        for p, t in zip(params, tensors, strict=True):
            np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol=1e-9)
    big = wg.Variable(np.zeros(2, np.float32))
    big.grad = np.full(2, 1e30, np.float32)
    assert optim.clip_grad_norm([big], 1.0) == pytest.approx(math.sqrt(2) * 1e30)
    assert big.grad.dtype == np.float32
    np.testing.assert_allclose(big.grad, math.sqrt(0.5), rtol=1e-6)
    big.grad = np.array([np.nan, 1], np.float32)
    with pytest.raises(ValueError, match=r"norm of the gradients is nan; the first such gradient has shape \(2,\)"):
        optim.clip_grad_norm([big], 1.0)
    assert math.isnan(optim.clip_grad_norm([big], 1.0, error_if_nonfinite=False))
    assert optim.clip_grad_norm([V], 1.0) == 0.0
    z = wg.Variable(np.zeros(1, complex))
    z.grad = np.array([3 - 4j])
    optim.clip_grad_value([z], 1.0)
    assert z.grad[0] == 1 - 1j


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [4, 9], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 6}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}),
    (
        "OneCycleLR",
        {"max_lr": 0.5, "epochs": 4, "steps_per_epoch": 5, "three_phase": True, "anneal_strategy": "linear"},
    ),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules_agree_with_torch(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    opt = optim.SGD([{"params": [wg.Variable(1.0)], "lr": 0.3}, {"params": [wg.Variable(1.0)]}], lr=1.0, momentum=0.9)
    tensors = [torch.ones(1, requires_grad=True) for _ in range(2)]
    other = torch.optim.SGD([{"params": tensors[:1], "lr": 0.3}, {"params": tensors[1:]}], lr=1.0, momentum=0.9)
    mine, theirs = getattr(optim, name)(opt, **options), getattr(torch.optim.lr_scheduler, name)(other, **options)
    for t in range(19):
        assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-9), t
        assert opt.param_groups[0]["momentum"] == pytest.approx(other.param_groups[0]["momentum"])
        other.step()
        mine.step()
        theirs.step()
    again = getattr(optim, name)(optim.SGD([wg.Variable(1.0), wg.Variable(1.0)], lr=0.3, momentum=0.9), **options)
    again.load_state_dict(mine.state_dict())
    assert again.get_last_lr()[0] == mine.get_last_lr()[0]


def test_one_cycle_turns_adams_first_beta_and_ends() -> None:
    opt = optim.Adam([wg.Variable(1.0)])
    schedule = optim.OneCycleLR(opt, max_lr=1.0, total_steps=4)
    assert opt.param_groups[0]["betas"] == (0.95, 0.999)
    for _ in range(4):
        schedule.step()
    with pytest.raises(ValueError, match="step 5 of a schedule of 4 steps"):
        schedule.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau_agrees_with_torch(mode: str, threshold_mode: str) -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    opt, other = optim.SGD([wg.Variable(1.0)], lr=1.0), torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    options = {"mode": mode, "threshold_mode": threshold_mode, "threshold": 0.05, "patience": 1, "cooldown": 2}
    mine = optim.ReduceLROnPlateau(opt, **options, min_lr=1e-3)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **options, min_lr=1e-3)
    rng = np.random.default_rng(0)
    for t in range(40):
        value = 1 / (1 + t) + 0.1 * rng.normal()
        mine.step(value)
        theirs.step(value)
        assert mine.get_last_lr() == pytest.approx([g["lr"] for g in other.param_groups]), t
        again = optim.ReduceLROnPlateau(opt, **options, min_lr=1e-3)
        again.load_state_dict(json.loads(json.dumps(mine.state_dict())))
        mine = again
    assert mine.get_last_lr()[0] < 1


def test_moving_average() -> None:
    w = wg.Variable(np.zeros((700, 50), np.float32))
    kept = w.data
    average = optim.ExponentialMovingAverage([w], decay=0.9, warm_up=True)
    expected = 0.0
    for t in range(1, 6):
        w.data += 1
        average.update()
        d = min(0.9, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * t
    with contextlib.suppress(KeyError), average.applied():
        assert w.data is kept
        np.testing.assert_allclose(w.data, expected, rtol=1e-6)
        raise KeyError
    assert np.all(w.data == 5)
    other = optim.ExponentialMovingAverage([wg.Variable(np.zeros((700, 50), np.float32))], decay=0.9, warm_up=True)
    other.load_state_dict(average.state_dict())
    assert np.array_equal(other.state_dict()["state"]["0"]["average"], average.state_dict()["state"]["0"]["average"])
    with pytest.raises(TypeError, match=r"call update\(\)"):
        average.step()
