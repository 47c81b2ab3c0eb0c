"""Pictures of a graph: everything in them is the engine's."""

from __future__ import annotations

import base64
import gc
import json
import re
import subprocess
import sys
import threading
import weakref
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

import wengert as wg
from wengert.view.graph import Call, Value, read
from wengert.view.groups import group
from wengert.view.layout import layout


def data_of_page(page):
    packed = re.search(r'id="data">([^<]*)<', page.html)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_values_that_nobody_holds():
    x = wg.Variable(0.5, "x")
    y = np.sin((x * 2.0) * x) + 1.0
    values = [item.value for item in read(y).items if isinstance(item, Value)]
    assert [float(v) for v in values] == [0.5, 1.0, 0.5, np.sin(0.5), np.sin(0.5) + 1.0]
    lost = np.cos(np.exp(y)) + 1.0  # y + 1 is computed again only from what is known as it was
    assert float([i.value for i in read(lost).items if isinstance(i, Value)][-1]) == lost.item()


def test_values_computed_again_from_leaves_that_no_rule_saved():
    x, b = wg.Variable(2.0, "x"), wg.Variable(1.0, "b")
    y = np.sum(3.0 * x + b)
    again = [(i.value, i.again) for i in read(y).items if isinstance(i, Value) and i.creator >= 0]
    assert again == [(6.0, True), (7.0, True), (7.0, False)]
    with wg.name_scope("constants are noted"):
        y = (x + 2.0) - np.arange(2.0)
    (call,) = [i for i in read(y).items if isinstance(i, Call) and i.name == "subtract"]
    np.testing.assert_array_equal(call.constants[1], [0.0, 1.0])
    assert [i.value for i in read(y).items if isinstance(i, Value)][1] == 4.0


def test_a_leaf_changed_after_the_call_is_never_computed_with():
    x, b = wg.Variable(2.0, "x"), wg.Variable(1.0, "b")
    y = np.tanh(x * x + b)
    b.data = 5.0
    hidden = [i for i in read(y).items if isinstance(i, Value) and i.creator >= 0]
    assert hidden[1].value is None  # x * x + b as it was is not known
    assert hidden[2].value == np.tanh(5.0)
    w = wg.Variable(np.ones(3), "w")
    z = (w + b) * 2.0 - w
    w.data[...] = 4.0  # what was w + b, and all that depends on it, is unknown
    values = [i.value for i in read(z).items if isinstance(i, Value) and i.creator >= 0]
    assert [v is None for v in values] == [True, True, False]
    np.testing.assert_array_equal(values[-1], z.data)


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


@pytest.mark.parametrize("make", ["view", "to_svg", "to_dot", "to_mermaid", "print_graph"])
def test_pictures_change_no_gradient_and_keep_no_graph(make, tmp_path, capsys):
    draw = getattr(wg, make)
    options = {"path": tmp_path / "g.html", "open_browser": False} if make == "view" else {}
    rng = np.random.default_rng(0)
    net = wg.nn.Sequential(wg.nn.Linear(3, 4, rng=rng), wg.nn.tanh, wg.nn.Linear(4, 1, rng=rng))
    data = rng.normal(size=(5, 3))

    def gradients(net, draw_before, draw_after):
        net.zero_grad()
        loss = np.mean(np.square(net(data)))
        if draw_before:
            draw(loss, **options)
            assert all(p.grad is None for p in net.parameters())
        loss.backward()
        kept = draw(loss, **options) if draw_after else None
        loss.backward()
        return loss, kept, [p.grad.copy() for p in net.parameters()]

    plain = gradients(net, False, False)[2]
    loss, kept, drawn = gradients(net, True, True)
    for a, b in zip(plain, drawn, strict=True):
        np.testing.assert_array_equal(a, b)
    alive = [weakref.ref(loss), weakref.ref(net), *map(weakref.ref, net.parameters())]
    del loss, net
    gc.collect()
    assert [ref() for ref in alive] == [None] * len(alive)
    assert kept is None if make == "print_graph" else kept is not None


def test_modules_keep_no_graph_and_make_no_cycle():
    class Keeps(wg.nn.Module):
        def forward(self, x):
            self.last = np.sin(x) * 2
            return self.last

    gc.collect()
    gc.disable()
    try:
        net, x = Keeps(), wg.Variable(1.0)
        gone = [weakref.ref(net), weakref.ref(net(x))]
        del net
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


def test_modules_are_groups_with_their_paths():
    class Layer(wg.nn.Module):
        def __init__(self):
            self.linear = wg.nn.Linear(3, 3, rng=np.random.default_rng(0))

        def forward(self, x, pair=False):
            y = np.tanh(self.linear(x))
            return (y, [y * 2]) if pair else y

    class Net(wg.nn.Module):
        def __init__(self):
            self.encoder = {"layers": [Layer(), Layer()]}
            self.off = wg.nn.Dropout(0.5).eval()

        def forward(self, x):
            first, second = self.encoder["layers"]
            a, [b] = first(self.off(x), pair=True)
            with wg.name_scope("middle"):
                c = second(a + b)
            return np.sum(first(c))

    net = Net()
    groups = group(read(net(np.ones((2, 3)))))
    paths = [" / ".join(path_of(groups, k)) for k in range(len(groups))]
    assert paths == [
        "Net",
        "Net / encoder.layers.0: Layer",
        "Net / encoder.layers.0: Layer / encoder.layers.0.linear: Linear",
        "Net / middle",
        "Net / middle / encoder.layers.1: Layer",
        "Net / middle / encoder.layers.1: Layer / encoder.layers.1.linear: Linear",
        "Net / encoder.layers.0: Layer",
        "Net / encoder.layers.0: Layer / encoder.layers.0.linear: Linear",
    ]
    assert {g.kind for g in groups} == {"scope"}
    names = [i.name for i in read(net(np.ones((2, 3)))).items if isinstance(i, Value) and i.creator < 0]
    assert sorted(names) == [f"encoder.layers.{k}.linear.{n}" for k in (0, 1) for n in ("bias", "weight")]


def path_of(groups, k):
    return [*(path_of(groups, groups[k].parent) if groups[k].parent >= 0 else []), groups[k].name]


@pytest.mark.parametrize("recorder", [wg.Tape, wg.profile, wg.debug, lambda: wg.name_scope("s")])
def test_modules_are_groups_under_every_recorder(recorder):
    class Steps(wg.nn.Module):
        def __init__(self):
            self.weight = wg.nn.Parameter(np.full((3, 3), 0.1))

        def forward(self, h):
            for _ in range(5):
                h = 0.5 * np.tanh(h @ self.weight)
            return h

    net = Steps()
    with recorder():
        y = net(np.ones((2, 3)))
    names = [g.name for g in group(read(y))]
    assert "Steps" in names
    assert any(name.startswith("5 × (") for name in names)


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


def test_a_polynomial_ends_in_constants():
    x = wg.Variable(3.0, "x")
    values = [read(x**2, order=k).items for k in (1, 2, 3, 4)]
    assert [float(items[-1].value) for items in values] == [6.0, 2.0, 0.0, 0.0]
    for order in (-1, 1.5, "2"):
        with pytest.raises(ValueError, match="order: expected 0, 1, 2"):
            wg.to_svg(x**2, order=order)


STRANGE = "<b>\"'&\\N{}|;#`]]>\x00\x1b[31m\ud800\u202e\n%% 1. end 한글 😀"


def test_strange_names_in_every_picture(tmp_path, capsys):
    x = wg.Variable(0.5, STRANGE)
    with wg.name_scope(STRANGE):
        y = np.sin(x)
    y.name = "1. " + STRANGE[:8]
    picture = wg.to_svg(y, path=tmp_path / "g.svg")
    root = ElementTree.fromstring((tmp_path / "g.svg").read_bytes())
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0].startswith("<b>\"'&\\N{}|;#`]]>")
    assert "한글 😀" in titles[0]
    assert "\u202e" not in picture
    text = wg.to_dot(y, path=tmp_path / "g.dot")
    assert dot_statements(text) == {"node": 3, "edge": 2}
    text = wg.to_mermaid(y, path=tmp_path / "g.md")
    labels = re.findall(r'"(.*)"', text)
    assert len(labels) == 3
    assert not any(set(label) & set('<>"`{}|&;#\\') - set("#;") for label in labels)
    assert labels[-1].startswith("1#46; #60;b#62;")
    wg.print_graph(y)
    assert "\x1b" not in capsys.readouterr().out
    wg.view(y, path=tmp_path / "g.html", open_browser=False, title=STRANGE)


def dot_statements(text):
    """The statements of a graph in Graphviz's language, read by its grammar; anything else is an error."""
    quoted = r'"(?:[^"\\]|\\.)*"'
    attribute = rf"\w+=(?:{quoted}|\w+)"
    listed = rf"\[{attribute}(?:, {attribute})*\]"
    first, *lines, last, end = text.split("\n")
    assert (first, last, end) == ("digraph {", "}", "")
    counts = {"node": 0, "edge": 0}
    for line in lines:
        if re.fullmatch(rf"  n\d+ {listed}", line):
            counts["node"] += 1
        elif re.fullmatch(r"  n\d+ -> n\d+", line):
            counts["edge"] += 1
        else:
            assert re.fullmatch(rf"  node {listed}", line), line
    return counts


def test_ten_thousand_nodes_as_text_and_pictures(capsys):
    y = wg.Variable(0.5, "x")
    for _ in range(5_000):
        y = np.sin(y) * 1.1
    wg.print_graph(y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 201
    assert "9801 more" in lines[-1]
    wg.print_graph(y, max_lines=20_000)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10_001
    assert max(map(len, lines)) < 80
    assert wg.to_svg(y).count("<ellipse") == 10_001


def test_png(tmp_path):
    pytest.importorskip("matplotlib", reason="draws the PNG")
    for name in ("$x$", "손실", "\U0001f600 \\ ${"):
        wg.to_png(np.sin(wg.Variable(1.0, name)), path=tmp_path / "g.png")
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


@pytest.mark.parametrize(
    ("shape", "dtype"), [((), float), ((3,), np.float32), ((3, 3), float), ((8, 8), complex), ((50, 60), np.float32)]
)
def test_a_thousand_nodes_make_a_small_file(shape, dtype, tmp_path):
    rng = np.random.default_rng(0)
    w, y = (wg.Variable(rng.normal(size=shape).astype(dtype), n) for n in "wx")
    with wg.debug():
        for _ in range(166):
            y = np.sin(w * y + rng.normal(size=shape).astype(dtype))
    y = np.sum(y)
    page = wg.view(y, path=tmp_path / "g.html", open_browser=False)
    assert len(data_of_page(page)["items"]) == 1000
    assert page.path.stat().st_size <= 150_000


def test_small_arrays_are_whole(tmp_path):
    x = wg.Variable(np.random.default_rng(0).normal(size=(8, 8)), "x")
    (item, *_) = data_of_page(wg.view(np.sum(np.sin(x)), path=tmp_path / "g.html", open_browser=False))["items"]
    np.testing.assert_array_equal(np.array(json.loads(item["value"])), x.data)
    assert item["value"].count("\n") == 7


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


def test_profile_in_threads_and_nested(tmp_path):
    x = wg.Variable(np.ones(10), "x")

    def work():
        with p:
            np.sum(np.sin(x)).backward()

    with wg.profile() as p, wg.profile() as inner:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        y = np.cos(x)
    assert sorted(e.operation for e in p.events) == ["cos", *["sin"] * 6, *["sum"] * 6]
    assert [e.operation for e in inner.events] == ["cos"]
    assert len({e.thread for e in p.events}) >= 2
    events = p.trace()["traceEvents"]
    assert all(e.keys() == {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"} for e in events)
    assert all(e["ts"] >= 0 and e["dur"] > 0 and e["ph"] == "X" for e in events)
    json.dumps(events)
    with pytest.raises(ValueError, match="'line' or 'operation'"):
        p.rows("other")
    with wg.profile() as p:
        q, r = np.linalg.qr(wg.Variable(np.eye(3) + 1))
        np.sum(q * r).backward()
    assert {row.operation for row in p} == {"qr", "multiply", "sum"}
    assert y.shape == (10,)


def test_command(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)

    def run(*args):
        command = [sys.executable, "-m", "wengert", "view", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    done = run("model.py:loss", "--shape", "3", "--shape", "4,3", "--no-browser")
    assert (done.returncode, done.stdout) == (0, "Page: graph.html\n"), done.stderr
    (tmp_path / "bad.py").write_text("def f(:\n")
    wrong = {
        ("model.py",): "FILE.py:FUNCTION",
        ("none.py:f",): "no file",
        ("model.py:f",): "it has loss, zero, net",
        ("bad.py:f",): "bad.py failed: SyntaxError",
        ("model.py:zero",): 'File "model.py", line 6, in zero',
        ("model.py:loss", "--shape", "3x"): "whole numbers such as 4,3",
        ("model.py:loss", "--shape", "3"): "missing 1 required positional argument: 'x'",
        ("model.py:loss", "--example", "1/"): "SyntaxError",
        ("model.py:loss", "--shape", "3", "--example", "1"): "not allowed with",
        ("model.py:loss", "--shape", "3", "--shape", "4,3", "--order", "-1"): "order: expected 0, 1, 2",
    }
    for arguments, why in wrong.items():
        done = run(*arguments)
        assert done.returncode == 2, arguments
        assert why in done.stderr
        assert "command.py" not in done.stderr
    done = run("model.py:net", "--example", "np.ones((2, 3)), {'scale': 2.0}", "--out", "net.html", "--no-browser")
    assert (done.returncode, done.stdout) == (0, "Page: net.html\n"), done.stderr
    data = data_of_page(wg.view.Page(tmp_path / "net.html", (tmp_path / "net.html").read_text()))
    assert {"x", "weight", "bias"} <= {i.get("name") for i in data["items"]}
    assert "Linear" in {g["name"] for g in data["groups"]}
    assert all("value" in i and "grad" in i for i in data["items"] if i["kind"] == "leaf")
    assert any(str(i.get("line", "")).endswith("model.py:10") for i in data["items"])


MODEL = """\
import numpy as np
import wengert as wg
def loss(w, x):
    return np.sum(np.tanh(x @ w))
def zero(x):
    return 1 / 0
def net(x, options):
    layer = wg.nn.Linear(3, 2, rng=np.random.default_rng(0))

    return np.mean(layer(x) * options["scale"])
"""
