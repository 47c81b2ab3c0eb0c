"""Pictures of a graph: everything in them is the engine's."""

from __future__ import annotations

import base64
import gc
import json
import re
import subprocess
import sys
import weakref
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

import wengert as wg
from wengert import reverse
from wengert.view.graph import Call, Value, read
from wengert.view.groups import group
from wengert.view.layout import layout


def data_of_page(page):
    packed = re.search(r'id="data">([^<]*)<', page.html)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def random_graph(seed, calls=25):
    rng = np.random.default_rng(seed)
    held = [wg.Variable(rng.uniform(0.5, 1.5, (2, 3) if k % 2 else ()), f"v{k}") for k in range(3)]
    for _ in range(calls):
        x, y = (held[i] for i in rng.integers(len(held), size=2))
        k = rng.integers(6)
        held.append([np.sin(x), x * y, x + y, x / (1 + y * y), np.tanh(x) - 0.5, np.sum(x) * 0.1][k])
    y = sum(np.mean(v) for v in held)
    return held, y


@pytest.mark.parametrize("seed", range(8))
def test_the_page_shows_what_the_engine_has(seed, tmp_path):
    held, y = random_graph(seed)
    y.backward()
    data = data_of_page(wg.view(y, path=tmp_path / "g.html", open_browser=False))
    items = data["items"]
    nodes = reverse.history([y._node])
    values = {item["serial"]: item for item in items if item["kind"] != "call"}
    assert values.keys() == {n.serial for n in nodes}
    for n in nodes:
        item = values[n.serial]
        if n.leaf:
            assert item["creator"] == -1
            continue
        call = items[item["creator"]]
        assert call["name"] == n.op.__name__
        assert [i if i < 0 else items[i]["serial"] for i in call["inputs"]] == [
            -1 if p is None else p.serial for p in n.parents
        ]
    for v in [*held, y]:
        if v._node.serial not in values:
            continue
        item = values[v._node.serial]
        for text, array in ((item["value"], v.data), (item["flow"] if item["grad"] is True else item["grad"], v.grad)):
            shown = np.array(json.loads(re.sub(r"(\d)\.(?!\d)", r"\1.0", text)))
            np.testing.assert_array_equal(shown, array)
        assert (item["shape"], item["dtype"]) == (str(v.shape), str(v.dtype))


@pytest.mark.parametrize("seed", range(3))
def test_what_flows_is_what_backward_leaves(seed):
    held, y = random_graph(seed)
    graph = read(y)
    y.backward()
    flows = {item.serial: item for item in graph.items if isinstance(item, Value)}
    for v in held:
        if v._node.serial in flows:
            assert flows[v._node.serial].grad is None
            np.testing.assert_array_equal(flows[v._node.serial].flow, v.grad)


def test_values_that_nobody_holds():
    x = wg.Variable(0.5, "x")
    y = np.sin((x * 2.0) * x) + 1.0
    values = [item.value for item in read(y).items if isinstance(item, Value)]
    assert [float(v) for v in values] == [0.5, 1.0, 0.5, np.sin(0.5), np.sin(0.5) + 1.0]
    lost = np.cos(np.exp(y)) + 1.0  # y + 1 is computed again only from what is known as it was
    assert float([i.value for i in read(lost).items if isinstance(i, Value)][-1]) == lost.item()


def test_a_leaf_changed_after_the_call_is_never_computed_with():
    x, b = wg.Variable(2.0, "x"), wg.Variable(1.0, "b")
    y = np.tanh(x * x + b)
    b.data = 5.0
    hidden = [i for i in read(y).items if isinstance(i, Value) and i.creator >= 0]
    assert hidden[1].value is None  # x * x + b as it was is not known
    assert hidden[2].value == np.tanh(5.0)


def test_float32_complex_empty_and_several_outputs(tmp_path):
    x = wg.Variable(np.ones((2, 0), np.float32), "x")
    z = wg.Variable(np.array(1 + 2j), "z")
    q, r = np.linalg.qr(wg.Variable(np.eye(2) + 1, "a"))
    outputs = [np.sum(np.sin(x)), np.sin(z), np.sum(q @ r)]
    data = data_of_page(wg.view(*outputs, path=tmp_path / "g.html", open_browser=False))
    assert {i["dtype"] for i in data["items"] if i.get("name") in ("x", "z")} == {"float32", "complex128"}
    (qr,) = [i for i in data["items"] if i["kind"] == "call" and len(i["outputs"]) == 2]
    assert qr["name"] == "qr"
    assert data["note"] == ""


def test_nothing_is_changed_and_nothing_kept(tmp_path):
    x = wg.Variable(np.array([1.0, 2.0]), "x")
    y = np.sum(np.sin(x))
    page = wg.view(y, path=tmp_path / "g.html", open_browser=False)
    assert x.grad is None
    assert y.grad is None
    y.backward()
    before = x.grad.copy()
    wg.to_svg(y)
    np.testing.assert_array_equal(x.grad, before)
    gone = weakref.ref(x)
    del x, y
    gc.collect()
    assert gone() is None
    assert "srcdoc" in page._repr_html_()


def test_a_rule_that_fails_leaves_a_note():
    class Odd(wg.Function):
        def forward(self, x):
            return x

    assert "Odd.backward is not defined" in read(Odd()(wg.Variable(1.0))).note


def test_cut_freed_and_constant_graphs(tmp_path):
    x = wg.Variable(np.array([1e308, -1e308] * 50), "x")
    y = x * 2e-3
    z = np.sum(y * 2)
    y.unchain()
    assert [i.name for i in read(z).items if isinstance(i, Call)] == ["multiply", "sum"]
    z.backward(retain_graph=False)
    assert "freed" in read(z).note
    assert len(read(wg.Variable(3)).items) == 1
    wg.view(x * 1, wg.Variable(np.full((9, 9), np.nan)), path=tmp_path / "g.html", open_browser=False)


def test_markup_in_names_is_text(tmp_path):
    name = '<script>alert("1")</script>{{data}}'
    x = wg.Variable(1.0, name)
    page = wg.view(x * 2, x, path=tmp_path / "g.html", open_browser=False)
    assert "<script>alert" not in page.html
    assert "<script>alert" not in wg.to_svg(np.sin(x))
    assert any(i.get("name") == name for i in data_of_page(page)["items"])
    ElementTree.fromstring(wg.to_svg(np.sin(x)))
    assert "<script" not in wg.to_mermaid(np.sin(x))


def test_pictures_of_higher_derivatives():
    x = wg.Variable(1.0, "x")
    picture = wg.to_svg(np.tanh(x), order=8)
    assert picture.count("<ellipse") > 1000
    assert wg.to_dot(np.tanh(x), order=1).startswith("digraph")
    assert all(i.value is not None for i in read(np.tanh(x), order=4).items if isinstance(i, Value))
    graph = read(np.sin(x), order=2)
    assert graph.items[graph.outputs[0]].value == -np.sin(1.0)
    with pytest.raises(ValueError, match="one leaf"):
        wg.to_svg(x * wg.Variable(2.0), order=1)
    assert x.grad is None


def test_png(tmp_path):
    pytest.importorskip("matplotlib", reason="draws the PNG")
    wg.to_png(np.sin(wg.Variable(1.0, "$x$")), path=tmp_path / "g.png")
    assert (tmp_path / "g.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_no_variable():
    for draw in (wg.view, wg.to_svg, wg.to_dot, wg.to_mermaid, wg.print_graph):
        with pytest.raises(TypeError, match="expected"):
            draw(np.ones(3))
        with pytest.raises(TypeError, match="at least one"):
            draw()
    with pytest.raises(TypeError, match="name_scope"):
        wg.name_scope(3)


def test_scopes_patterns_and_parts():
    x = wg.Variable(1.0)
    y = x
    for _ in range(2):
        with wg.name_scope("outer"), wg.name_scope("inner"):
            y = np.sin(y) * y
    for _ in range(5):
        y = np.exp(np.tanh(y))
    graph = read(y)
    groups = group(graph)
    assert [(g.name, g.kind) for g in groups][:2] == [("outer", "scope"), ("inner", "scope")]
    assert sum(g.name == "inner" for g in groups) == 2
    assert any(g.kind == "pattern" and g.name.startswith("5 ×") and g.count == 10 for g in groups)
    call = next(i for i in graph.items if isinstance(i, Call))
    assert call.line.startswith(__file__)


def test_layout_places_without_overlaps():
    rng = np.random.default_rng(0)
    widths = list(rng.uniform(40, 120, 80))
    edges = [(int(rng.integers(max(0, b - 9), b)), b) for b in range(5, 80) for _ in range(2)]
    at = layout(widths, edges)
    for a in range(80):
        for b in range(a):
            assert at.y[a] != at.y[b] or abs(at.x[a] - at.x[b]) >= (widths[a] + widths[b]) / 2
    assert layout([], []).x == []


def test_a_thousand_nodes_make_a_small_file(tmp_path):
    w, y = wg.Variable(np.eye(3), "w"), wg.Variable(np.ones(3), "x")
    for _ in range(333):
        y = np.tanh(w @ y + 0.1)
    page = wg.view(np.sum(y), path=tmp_path / "g.html", open_browser=False)
    assert page.path.stat().st_size < 150_000


def test_profile(tmp_path):
    x = wg.Variable(np.ones(1000), "x")
    with wg.profile() as p:
        y = np.sum(np.sin(x) * x)
        with wg.name_scope("inside"):
            y.backward()
    rows = {row.operation: row for row in p.rows("operation")}
    assert rows.keys() == {"sin", "multiply", "sum"}
    assert all(r.calls == 1 and r.forward > 0 and r.backward > 0 for r in rows.values())
    assert rows["sin"].bytes == 16_000
    assert all(row.line.startswith(__file__) for row in p)
    assert "multiply" in str(p)
    trace = p.trace(tmp_path / "trace.json")
    assert {e["cat"] for e in trace["traceEvents"]} == {"forward", "backward"}
    assert json.loads((tmp_path / "trace.json").read_text()) == trace
    data = data_of_page(wg.view(y, path=tmp_path / "g.html", open_browser=False, profile=p))
    assert all(i["cost"][0] > 0 for i in data["items"] if i["kind"] == "call")
    gone = weakref.ref(x)
    del x, y
    gc.collect()
    assert gone() is None


def test_command(tmp_path):
    (tmp_path / "model.py").write_text("import numpy as np\ndef loss(w, x):\n    return np.sum(np.tanh(x @ w))\n")

    def run(*args):
        command = [sys.executable, "-m", "wengert", "view", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    done = run("model.py:loss", "--shape", "3", "--shape", "4,3", "--no-browser")
    assert (done.returncode, done.stdout) == (0, "Page: graph.html\n"), done.stderr
    wrong = {"model.py": "FILE.py:FUNCTION", "none.py:f": "no file", "model.py:f": "it has loss"}
    for target, why in wrong.items():
        done = run(target)
        assert done.returncode == 2
        assert why in done.stderr
