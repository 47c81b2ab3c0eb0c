"""A graph in the languages of other programs: Graphviz's DOT, and Mermaid, which Markdown pages draw."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .graph import Call, read
from .svg import COLOURS, describe, kind_of


def to_dot(*outputs: Any, path: str | Path | None = None, order: int = 0) -> str:
    """The graph of Variables in Graphviz's language: `dot -Tpdf`.

    Args:
        outputs: Variables, or containers of them.
        path: a file to write the text to as well.
        order: write the derivative of this order instead, by the one leaf that each output depends on.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where an output depends on several leaves.

    Example:
        >>> print(wg.to_dot(np.sin(wg.Variable(0.0, "x"))))  # doctest: +ELLIPSIS
        digraph {
          node [style=filled, fontname="sans-serif", fontsize=11]
          n0 [label="x", tooltip="x: float64 () = 0.0", shape=ellipse, ...]
          n1 [label="sin", tooltip="sin()", shape=box, ...]
          n2 [label="0", tooltip="0: float64 () = 0.0", shape=ellipse, ...]
          n0 -> n1
          n1 -> n2
        }
        <BLANKLINE>
    """
    graph = read(outputs, order)
    lines = ["digraph {", '  node [style=filled, fontname="sans-serif", fontsize=11]']
    for i, item in enumerate(graph.items):
        shape = "box" if isinstance(item, Call) else "ellipse"
        fill, line = COLOURS[kind_of(item)]
        look = f'shape={shape}, fillcolor="{fill}", color="{line}"'
        lines.append(f"  n{i} [label={_quoted(item.label)}, tooltip={_quoted(describe(item))}, {look}]")
    lines += [f"  n{a} -> n{b}" for a, b in graph.edges()]
    return _written("\n".join([*lines, "}\n"]), path)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def to_mermaid(*outputs: Any, path: str | Path | None = None, order: int = 0) -> str:
    """The graph of Variables in Mermaid's language, which GitHub, GitLab and Jupyter draw in Markdown.

    Args:
        outputs: Variables, or containers of them.
        path: a file to write the text to as well.
        order: write the derivative of this order instead, by the one leaf that each output depends on.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where an output depends on several leaves.

    Example:
        >>> print(wg.to_mermaid(np.sin(wg.Variable(0.0, "x"))))  # doctest: +ELLIPSIS
        flowchart TD
          n0(["x"]):::leaf
          n1["sin"]:::call
          n2(["0"]):::output
          n0 --> n1
          n1 --> n2
          classDef value ...
    """
    graph = read(outputs, order)
    lines = ["flowchart TD"]
    for i, item in enumerate(graph.items):
        left, right = ("[", "]") if isinstance(item, Call) else ("([", "])")
        lines.append(f'  n{i}{left}"{_entities(item.label)}"{right}:::{kind_of(item)}')
    lines += [f"  n{a} --> n{b}" for a, b in graph.edges()]
    for kind in ("value", "leaf", "output", "call"):
        fill, line = COLOURS[kind]
        lines.append(f"  classDef {kind} fill:{fill},stroke:{line},color:#1f2933")
    return _written("\n".join(lines) + "\n", path)


def _entities(text: str) -> str:
    """Everything that Mermaid, HTML or Markdown (`1. `, `- `) could read as its own, by number."""
    return re.sub(r"[^\w .,()+×…-]|[.+-](?=\s)", lambda c: f"#{ord(c[0])};", text)


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text
