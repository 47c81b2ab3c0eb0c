"""What a page holds, against the engine: every node, edge, value and gradient of graphs made at random."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import zlib

import numpy as np
import pytest

import wengert as wg
from wengert import reverse
from wengert.operation import Operation

NAMES = {"nan": np.nan, "inf": np.inf}


def data_of(*outputs, path, **options):
    page = wg.view(*outputs, path=path / "g.html", open_browser=False, **options)
    packed = re.search(r'id="data">([^<]*)<', page.html)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def array_of(shown, item):
    """The array that a page shows whole."""
    x = np.array(eval(shown, {**NAMES, "__builtins__": {}}), item["dtype"])
    return x.reshape(eval(item["shape"]))


class Pair(wg.Function):
    """A user's function with two results."""

    def forward(self, x, y):
        return x * y, x - y

    def backward(self, ga, gb):
        x, y = self.inputs
        return ga * y + gb, ga * x - gb


def steps(rng):
    """Functions of some of the Variables made so far; each gives what it made."""

    def unary(v):
        f = [np.sin, np.tanh, np.negative, np.square, np.exp, lambda v: v + 1.5, lambda v: 2 * v, lambda v: v / 3][
            rng.integers(8)
        ]
        return f(v * 0.25) if f is np.exp else f(v)

    def binary(v, w):
        return [np.add, np.subtract, np.multiply, np.maximum][rng.integers(4)](v, w)

    def matrix(v, w):
        return np.tanh(v @ w.T) if v.ndim == 2 and v.shape == w.shape else v * w

    def view(v):
        return v.T[..., :1] if v.ndim == 2 else v.reshape(1, 1)

    def written(v):
        w = v * 1.0
        if w.size:
            w[(0,) * w.ndim] = np.sum(v) * 0.5
        w += v
        return w

    def several(v):
        q, r = np.linalg.qr(np.reshape(np.sum(v), (1, 1)) + np.array([[2.0, 1.0], [0.5, 3.0]]))
        return q @ r

    def users(v):
        a, b = Pair()(v, np.sin(v))
        return a * 0.5 + b

    def spectrum(v):
        return np.real(np.fft.fft(np.reshape(v, (-1,)) + 0.5)) if v.size else v

    def picked(v):
        return v[np.zeros(3, int)] if v.ndim and len(v) else v

    return [unary, unary, binary, matrix, view, written, several, users, spectrum, picked]


SHAPES = [(), (3,), (2, 3), (1, 3), (2, 3), (0, 3)]


def build(seed, calls=18):
    """A graph, with all that was held on the way: the same for a seed."""
    rng = np.random.default_rng(seed)
    held = [wg.Variable(rng.uniform(-1.5, 1.5, s), f"v{k}") for k, s in enumerate(SHAPES)]
    choices = steps(rng)
    while calls:
        f = choices[rng.integers(len(choices))]
        operands = [held[i] for i in rng.integers(len(held), size=f.__code__.co_argcount)]
        try:
            made = f(*operands)
        except ValueError:  # shapes that do not go together
            continue
        held.append(made)
        calls -= 1
    total = np.sum(held[0])
    for v in held[1:]:
        total = total + np.sum(v) * 0.1
    return [*held, total]


@pytest.mark.parametrize("seed", range(25))
def test_every_node_edge_value_and_gradient(seed, tmp_path):
    held = build(seed)
    y = held[-1]
    y.backward()
    data = data_of(y, path=tmp_path)
    check_nodes(data, y)
    check_flows(data)
    items = {item["serial"]: item for item in data["items"] if item["kind"] != "call"}
    for v in held:
        item = items[v._node.serial]
        assert item.get("name") == v.name
        np.testing.assert_array_equal(array_of(item["value"], item), v.data)
        grad = item["flow"] if item["grad"] is True else item["grad"]
        np.testing.assert_array_equal(array_of(grad, item), v.grad)


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_the_same_where_only_leaves_are_held(seed, noted, tmp_path):
    whole = build(seed)
    whole[-1].backward()
    order = [n.serial for n in values_of(whole[-1])]
    with wg.name_scope("all") if noted else contextlib.nullcontext():
        *leaves, y = (v for k, v in enumerate(build(seed)) if k < len(SHAPES) or k == len(whole) - 1)
    data = data_of(y, path=tmp_path)
    check_nodes(data, y)
    check_flows(data)
    items = [item for item in data["items"] if item["kind"] != "call"]
    assert items[0]["serial"] == leaves[0]._node.serial
    assert len(items) == len(order)
    shown = dict(zip(order, items, strict=True))
    assert not any("grad" in item for item in items)
    for v in whole:
        k = v._node.serial
        if "value" in shown[k]:
            np.testing.assert_array_equal(array_of(shown[k]["value"], shown[k]), v.data)
            np.testing.assert_array_equal(array_of(shown[k]["flow"], shown[k]), v.grad)
        else:
            assert not noted  # x + 1 keeps neither x nor 1


def values_of(*outputs):
    """The nodes that stand for a value: all but those of calls with several results."""
    nodes = reverse.history([y._node for y in outputs])
    several = {n.p for n in nodes if type(n).__name__ == "Pick"}
    return [n for n in nodes if n not in several]


def check_nodes(data, *outputs):
    """Nodes, edges and constants; and each value against the call that made it, made again from the values shown."""
    items = data["items"]
    values = {item["serial"]: item for item in items if item["kind"] != "call"}
    calls = {item["name"]: 0 for item in items if item["kind"] == "call"}
    nodes = values_of(*outputs)
    assert values.keys() == {n.serial for n in nodes}
    assert [items[i]["serial"] for i in data["outputs"]] == [y._node.serial for y in outputs]
    for n in nodes:
        item = values[n.serial]
        if n.leaf:
            assert item["creator"] == -1
            continue
        call = items[item["creator"]]
        made = n.p if type(n).__name__ == "Pick" else n
        calls[call["name"]] += 1
        assert [i if i < 0 else items[i]["serial"] for i in call["inputs"]] == [
            -1 if p is None else p.serial for p in made.parents
        ]
        assert items.index(item) in call["outputs"]
        if not isinstance(made, Operation):
            continue
        assert call["name"] == made.op.__name__
        operands = [operand(items, call, k) for k in range(len(call["inputs"]))]
        if made is n and "value" in item and all(x is not None for x in operands):
            with np.errstate(all="ignore"):
                z = made.op(*operands, *made.args, **made.kwargs)
            np.testing.assert_array_equal(array_of(item["value"], item), z)
    assert all(calls.values())


def operand(items, call, k):
    """What a page shows of an operand."""
    i = call["inputs"][k]
    if i >= 0:
        return array_of(items[i]["value"], items[i]) if "value" in items[i] else None
    shown = call["constants"][str(k)]
    return None if shown in ("?", "…") or not isinstance(shown, str) else np.array(eval(shown, dict(NAMES)))[()]


def check_flows(data):
    """What flows into a variable is the sum of what its uses hand back, and ones where the walk starts."""
    items = data["items"]
    sums = {}
    for call in items:
        for k, i in enumerate(call.get("inputs", [])):
            if i >= 0 and (flow := call.get("flows", [None] * (k + 1))[k]) is not None:
                flow = items[i]["flow"] if flow is True else flow
                sums[i] = sums.get(i, 0) + array_of(flow, items[i])
    for i, item in enumerate(items):
        if item["kind"] == "call" or "flow" not in item:
            continue
        start = np.ones(eval(item["shape"])) if i in data["outputs"] else 0
        np.testing.assert_allclose(array_of(item["flow"], item), sums.get(i, 0) + start, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_graphs_of_derivatives(seed, tmp_path):
    rng = np.random.default_rng(seed)
    x = wg.Variable(rng.uniform(0.5, 1.0, 3), "x")
    f = [np.tanh, np.exp, lambda v: v**3, lambda v: np.sin(v) / v][seed]
    y = np.sum(f(x) * x)
    y.backward(create_graph=True)
    data = data_of(x.grad, y, path=tmp_path)
    check_nodes(data, x.grad, y)
    check_flows(data)
    shown = data["items"][data["outputs"][0]]
    np.testing.assert_array_equal(array_of(shown["value"], shown), x.grad.data)
    second = data["items"][0]["flow"]
    x.cleargrad()
    np.sum(wg.elementwise_grad(lambda v: f(v) * v)(x)).backward()
    expected = x.grad + wg.grad(lambda v: np.sum(f(v) * v))(x.data)
    np.testing.assert_allclose(array_of(second, data["items"][0]), expected, rtol=1e-10)


@pytest.mark.parametrize("order", range(1, 6))
def test_derivatives_by_order(order, tmp_path):
    x = wg.Variable(0.3, "x")
    data = data_of(np.tanh(x), path=tmp_path, order=order)
    f = np.tanh
    for _ in range(order):
        f = wg.grad(f)
    shown = data["items"][data["outputs"][0]]
    assert float(shown["value"]) == pytest.approx(f(0.3), rel=1e-12)
    assert all("value" in item for item in data["items"] if item["kind"] != "call")


def special(kind):
    """Variables of every kind that data can have."""
    if kind == "complex":
        z = wg.Variable(np.array([1 + 2j, -0.5j]), "z")
        return [z], np.sum(np.abs(z * z + 1) ** 2)
    if kind == "float32":
        x = wg.Variable(np.array([0.1, 0.2], np.float32), "x")
        return [x], np.sum(np.exp(x) * x)
    if kind == "empty":
        x = wg.Variable(np.ones((0, 3)), "x")
        return [x], np.sum(np.sin(x) * x)
    if kind == "nan":
        x = wg.Variable(np.array([0.0, -1.0, np.inf]), "x")
        return [x], np.sum(np.log(x) * x)
    if kind == "0-d":
        x = wg.Variable(np.array(2.0), "x")
        return [x], x**3 / x
    w, x = wg.Variable(np.eye(2) * 0.5, "w"), wg.Variable(np.ones(2), "x")
    h = x
    for _ in range(150):
        h = np.tanh(w @ h)
    return [w, x], np.sum(h)


@pytest.mark.parametrize("kind", ["complex", "float32", "empty", "nan", "0-d", "shared"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_data(kind, tmp_path):
    leaves, y = special(kind)
    y.backward()
    data = data_of(y, path=tmp_path)
    check_nodes(data, y)
    items = {item.get("name"): item for item in data["items"]}
    for v in leaves:
        item = items[v.name]
        assert (item["shape"], item["dtype"]) == (str(v.shape), str(v.dtype))
        np.testing.assert_array_equal(array_of(item["value"], item), v.data)
        grad = item["flow"] if item["grad"] is True else item["grad"]
        np.testing.assert_array_equal(array_of(grad, item), v.grad)


def test_two_outputs_one_of_which_went_back(tmp_path):
    x = wg.Variable(np.array([1.0, 2.0]), "x")
    a, b = np.sum(x * x), np.sum(np.sin(x))
    a.backward()
    data = data_of(a, b, path=tmp_path)
    item = data["items"][0]
    np.testing.assert_array_equal(array_of(item["grad"], item), x.grad)
    np.testing.assert_allclose(array_of(item["flow"], item), x.grad + np.cos(x.data))
    check_flows(data)


@pytest.mark.parametrize("shape", [(9, 11), (50, 60), (200,), (4, 5, 6), (1, 300), (300, 1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, complex])
def test_summaries_of_large_arrays(shape, dtype, tmp_path):
    rng = np.random.default_rng(0)
    array = rng.normal(size=shape).astype(dtype)
    array.flat[3] = np.nan
    x = wg.Variable(array, "x")
    item = data_of(np.sum(np.abs(x)), path=tmp_path)["items"][0]
    found = item["value"]
    good = np.abs(array) if dtype is complex else array.astype(float)
    good = good[np.isfinite(good)]
    assert found["bad"] == 1
    assert (found["min"], found["max"]) == (good.min(), good.max())
    assert found["mean"] == pytest.approx(good.mean())
    counts = np.histogram(good, 16)[0]
    assert np.abs(np.array(found["bins"]) - 99 * counts / counts.max()).max() <= 99 / counts.max() + 1
    assert ("image" in found) == (len(shape) == 2)
    if len(shape) == 2:
        rows, columns, text = found["image"]
        assert len(base64.b64decode(text)) == rows * columns
        assert max(rows, columns) <= 32
        assert base64.b64decode(text)[0] == 128 + round(
            127 * float(np.abs(array.flat[0]) if dtype is complex else array.flat[0]) / np.abs(good).max()
        )
