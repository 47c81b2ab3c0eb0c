"""`view`: one self-contained HTML page, in which the graph can be walked."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import zlib
from dataclasses import asdict
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from .formulas import line_at
from .graph import UNKNOWN, Call, Graph, Value, read
from .groups import Group, group
from .layout import item_width
from .names import plain
from .svg import kind_of
from .values import shape_text, summary

OPEN = 3_000  # items up to which a page opens with all of its groups expanded
ROOM = 100  # bytes of compressed data for each item; graphs of fewer than 1,000 share as much as those have
DETAILS = ((64, 32), (24, 16), (6, 8), (1, 0))  # elements shown whole and pixels on a side: the first that has room


class Page:
    """A page that was written: `path` is its file, `html` its text. A notebook shows it in place."""

    def __init__(self, path: Path, html: str) -> None:
        self.path = path
        self.html = html

    def __repr__(self) -> str:
        return f"Page({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="graph" '
            'style="width:100%;height:620px;border:1px solid #8884;border-radius:8px"></iframe>'
        )


def view(
    *outputs: Any,
    path: str | Path = "graph.html",
    open_browser: bool | None = None,
    order: int = 0,
    profile: Any = None,
    title: str | None = None,
    language: str | None = None,
) -> Page:
    """Write a page that draws the graph of Variables, and open it in the browser; a notebook shows it in place.

    The page steps through the computation, forward and backward, and shows what flows: values, and the gradients that
    a `backward()` from the outputs brings. It is one file that asks nothing of any network.

    Only what the graph knows is shown. The value of an intermediate result is there if a Variable is still held on it,
    if a rule saved it, or if it can be computed again from such (or, and then the page says so, from leaves as they are
    now); under `wg.Tape()` all are kept. The user's lines are there for what was computed in `wg.debug()`,
    `wg.profile()` or `wg.name_scope(...)`. Calls of an `nn.Module` that is still held are groups, and its parameters
    have names, by their paths in it. Arrays are shown whole up to 64 elements; in large graphs, up to fewer.

    Costs one forward and one backward pass at most, of which nothing is left: no gradient changes, and the page keeps
    no array alive. 1,000 nodes make at most 150 kB.

    Args:
        outputs: Variables, or containers of them.
        path: the file to write.
        open_browser: None opens one where there is a screen, and neither in a notebook nor under `CI`.
        order: draw the derivative of this order instead, by the one leaf that each output depends on.
        profile: a `wg.profile()` under which the graph was computed; it colours the calls by cost.
        title: the page's title; by default the outputs' names.
        language: "en" or "ko"; by default the browser's.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where an output depends on several leaves; another language.

    Example:
        >>> import tempfile
        >>> x = wg.Variable(0.5, "x")
        >>> y = np.square(np.exp(np.square(x)))
        >>> y.backward()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = wg.view(y, path=f"{folder}/graph.html", open_browser=False)
        >>> page.html[:15]
        '<!doctype html>'
    """
    if language not in (None, "en", "ko"):
        raise ValueError(f"view: language is 'en' or 'ko', got {language!r}")
    graph = read(outputs, order, profile)
    if title is None:
        names = [n for i in graph.outputs if (n := getattr(graph.items[i], "name", None))]
        title = ", ".join(names) or "graph"
    html = page_html(graph, group(graph), title, language)
    page = Page(Path(path), html)
    page.path.write_text(html, encoding="utf-8")
    if open_browser or (open_browser is None and _has_screen()):
        import webbrowser

        webbrowser.open(page.path.resolve().as_uri())
    return page


def _has_screen() -> bool:
    if "CI" in os.environ or "ipykernel" in sys.modules:
        return False
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def page_html(graph: Graph, groups: list[Group], title: str, language: str | None = None) -> str:
    """The page's text. Data goes in compressed and as base64, so that nothing in it can be taken for markup."""
    files = resources.files(__package__)
    page = (files / "page.html").read_text(encoding="utf-8")
    room = ROOM * max(len(graph.items), 1_000)
    for whole, side in DETAILS[len(graph.items) > OPEN :]:
        text = json.dumps(page_data(graph, groups, whole, side), ensure_ascii=False, separators=(",", ":"))
        data = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode("ascii")
        if len(data) <= room:
            break
    parts = {
        "language": language or "",
        "title": escape(plain(title)),
        "style": (files / "page.css").read_text(encoding="utf-8"),
        "script": "".join([(files / name).read_text(encoding="utf-8") for name in SCRIPTS]),
        "data": data,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m[1]], page)


SCRIPTS = ("words.js", "layout.js", "page.js", "details.js", "walk.js")


def page_data(graph: Graph, groups: list[Group], whole: int = 64, side: int = 32) -> dict[str, Any]:
    """All that a page shows, as JSON has it. What is empty or unknown is left out."""
    detail = {"whole": whole, "side": side}
    formulas: dict[int, int] = {}
    items = [_item(item, graph, formulas, detail) for item in graph.items]
    calls = [item for item in graph.items if isinstance(item, Call)]
    known = {id(c.formula): c.formula for c in calls if c.formula}
    places = dict.fromkeys([*[c.line for c in calls if c.line], *[s for f in known.values() for s in f.sources]])
    return {
        "items": items,
        "outputs": graph.outputs,
        "note": graph.note,
        "formulas": [asdict(known[key]) for key in formulas],
        "lines": {place: text for place in places if (text := line_at(place))},
        "groups": [asdict(g) for g in groups],
        "collapsed": len(graph.items) > OPEN,
    }


def _item(item: Value | Call, graph: Graph, formulas: dict[int, int], detail: dict[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind_of(item), "label": item.label, "width": round(item_width(item.label), 1)}
    if item.group >= 0:
        row["group"] = item.group
    if isinstance(item, Value):
        row["shape"], row["dtype"] = shape_text(item.shape), str(item.dtype or "?")
        row["serial"], row["creator"] = item.serial, item.creator
        if item.again:
            row["again"] = True
        for key, x in (("name", item.name), ("value", item.value), ("grad", item.grad), ("flow", item.flow)):
            if x is not None:
                row[key] = x if key == "name" else summary(x, **detail)
        if row.get("grad") == row.get("flow") and "grad" in row:
            row["grad"] = True  # the same as what flows: most often, and long
        return row
    row["name"], row["inputs"], row["outputs"] = item.name, item.inputs, item.outputs
    constants = {k: c for k, (i, c) in enumerate(zip(item.inputs, item.constants, strict=True)) if i < 0}
    if constants:
        row["constants"] = {k: "?" if c is UNKNOWN else _constant(c, detail) for k, c in constants.items()}
    if item.flows:  # only those that differ from all that flows into the variable, because there are other uses
        row["flows"] = [_flow(t, i, graph, detail) for t, i in zip(item.flows, item.inputs, strict=True)]
    for key, text in (("given", item.given), ("line", item.line)):
        if text:
            row[key] = text
    if item.formula is not None:
        row["formula"] = formulas.setdefault(id(item.formula), len(formulas))
    if item.cost is not None:
        row["cost"] = item.cost
    return row


def _constant(c: Any, detail: dict[str, int]) -> Any:
    return summary(c, **detail) if hasattr(c, "dtype") else str(c)


def _flow(t: Any, i: int, graph: Graph, detail: dict[str, int]) -> Any:
    """What flows back to an input: True if that is all that reaches the variable, None if nothing does."""
    if t is None or not hasattr(t, "dtype"):
        return None
    total = graph.items[i].flow  # type: ignore[union-attr]
    found = summary(t, **detail)
    return True if total is not None and summary(total, **detail) == found else found
