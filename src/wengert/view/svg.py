"""A still picture of a graph: SVG, and PNG through matplotlib, from the same layout."""

from __future__ import annotations

import re
import warnings
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from .graph import Call, Graph, Value, read
from .layout import Layout, item_width, layout

HEIGHT = 32.0  # of a shape
MARGIN = 16.0
COLOURS = {  # fill, line
    "value": ("#fff6e8", "#d08a2e"),
    "leaf": ("#ffe3b8", "#c0741a"),
    "output": ("#fbdcd7", "#bf4b3c"),
    "call": ("#e7eff8", "#4b78a8"),
    "edge": ("none", "#8a93a0"),
    "ghost": ("#ffffff", "#d9b07a"),
}
TEXT = "#1f2933"
FONTS = (  # of matplotlib's pictures: the first that has a letter draws it
    "DejaVu Sans",
    "Noto Sans KR", "Noto Sans CJK KR", "Noto Sans CJK JP", "NanumGothic", "Malgun Gothic", "AppleGothic",
)  # fmt: skip
FONT = "Inter, system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK KR', sans-serif"


def kind_of(item: Value | Call) -> str:
    """Which colour an item has."""
    if isinstance(item, Call):
        return "call"
    return "output" if item.output else "leaf" if item.creator < 0 else "value"


def placed(graph: Graph) -> Layout:
    """The layout of a graph with all its items."""
    return layout([item_width(item.label) for item in graph.items], graph.edges())


def to_svg(*outputs: Any, path: str | Path | None = None, order: int = 0) -> str:
    """The graph of Variables as an SVG picture: round shapes for variables, boxes for functions.

    Args:
        outputs: Variables, or containers of them.
        path: a file to write the picture to as well.
        order: draw the derivative of this order instead, by the one leaf that each output depends on.

    Returns:
        The text of the SVG file. Each shape carries name, shape, dtype and value as a tooltip.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where an output depends on several leaves.

    Example:
        >>> x = wg.Variable(0.5, "x")
        >>> picture = wg.to_svg(np.tanh(x), order=2)
        >>> picture[:4], picture.count("<ellipse") > 5
        ('<svg', True)
    """
    graph = read(outputs, order)
    at = placed(graph)
    width, height = at.width + 2 * MARGIN, at.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN:g} {-MARGIN:g} {width:.1f} {height:.1f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="{FONT}" font-size="12.5" text-anchor="middle" '
        f'fill="{TEXT}" role="img">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0.5 8 4 0 7.5z" fill="{COLOURS["edge"][1]}"/></marker></defs>',
    ]
    for route in at.routes:
        parts.append(f'<path d="{curve(route)}" {_paint("edge")} stroke-width="1.2" marker-end="url(#arrow)"/>')
    for i, x, y in at.ghosts:
        label = escape(graph.items[i].label[:4])
        parts.append(
            f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="17" ry="11" {_paint("ghost")} stroke-dasharray="3 2"/>'
            f'<text x="{x:.1f}" y="{y + 4:.1f}" font-size="10.5">{label}</text>'
        )
    for item, x, y in zip(graph.items, at.x, at.y, strict=True):
        half, paint = item_width(item.label) / 2, _paint(kind_of(item))
        if isinstance(item, Value):
            shape = f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{half:.1f}" ry="{HEIGHT / 2:g}" {paint}/>'
        else:
            shape = (
                f'<rect x="{x - half:.1f}" y="{y - HEIGHT / 2:.1f}" width="{2 * half:.1f}" height="{HEIGHT:g}" '
                f'rx="3" {paint}/>'
            )
        text = f'<text x="{x:.1f}" y="{y + 4.5:.1f}">{escape(item.label)}</text>'
        parts.append(f"<g><title>{escape(describe(item))}</title>{shape}{text}</g>")
    picture = "\n".join([*parts, "</svg>\n"])
    if path is not None:
        Path(path).write_text(picture, encoding="utf-8")
    return picture


def _fonts(text: str) -> list[str]:
    """Those of FONTS that there are. matplotlib's list may be older than what is installed, so it is looked for."""
    from matplotlib import font_manager as fonts

    known = {font.name for font in fonts.fontManager.ttflist}
    if max(map(ord, text), default=0) > 0x10FF and known.isdisjoint(FONTS[1:]):
        for file in fonts.findSystemFonts():
            if re.search("Noto ?Sans(CJK|KR)|Nanum|malgun|AppleGothic", Path(file).name):
                fonts.fontManager.addfont(file)
        known = {font.name for font in fonts.fontManager.ttflist}
    return [name for name in FONTS if name in known]


def _paint(kind: str) -> str:
    fill, line = COLOURS[kind]
    return f'fill="{fill}" stroke="{line}"'


def curve(route: list[tuple[float, float]]) -> str:
    """A smooth path through the points, from the lower side of the first shape to the upper side of the last."""
    points = ends(route)
    x, y = points[0]
    path = [f"M{x:.1f} {y:.1f}"]
    for u, v in points[1:]:
        middle = (y + v) / 2
        path.append(f"C{x:.1f} {middle:.1f} {u:.1f} {middle:.1f} {u:.1f} {v:.1f}")
        x, y = u, v
    return "".join(path)


def ends(route: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The route with its ends on the rims of the shapes instead of in their middle."""
    (x, y), (u, v) = route[0], route[-1]
    return [(x, y + HEIGHT / 2), *route[1:-1], (u, v - HEIGHT / 2)]


def describe(item: Value | Call) -> str:
    """One line about an item: a tooltip."""
    if isinstance(item, Call):
        return f"{item.name}({item.given})" + (f"  {item.line}" if item.line else "")
    name = item.name or item.label
    shape = "" if item.shape is None else f" {item.dtype} {tuple(map(int, item.shape))}"
    return f"{name}:{shape}" + (f" = {item.value}" if item.value is not None and item.value.size <= 16 else "")


def to_png(*outputs: Any, path: str | Path, order: int = 0, dpi: int = 120) -> None:
    """The same picture as a PNG file. Needs matplotlib.

    Args:
        outputs: Variables, or containers of them.
        path: the file to write.
        order: draw the derivative of this order instead, by the one leaf that each output depends on.
        dpi: dots for every 72 units of the picture; less where that would make more than 20,000 dots a side.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: no Variables.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: no window system, no global state
        from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch
        from matplotlib.path import Path as Curve
    except ImportError as error:
        raise ImportError("to_png needs matplotlib: pip install 'wengert[demo]'; to_svg needs nothing") from error
    graph = read(outputs, order)
    fonts = _fonts("".join([item.label for item in graph.items]))
    at = placed(graph)
    width, height = at.width + 2 * MARGIN, at.height + 2 * MARGIN
    figure = Figure(figsize=(width / 72, height / 72), dpi=min(dpi, 20_000 * 72 / max(width, height)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, at.width + MARGIN), ylim=(at.height + MARGIN, -MARGIN))
    axes.axis("off")
    for route in at.routes:
        points = ends(route)
        corners = [points[0]]
        for (x, y), (u, v) in pairwise(points):
            corners += [(x, (y + v) / 2), (u, (y + v) / 2), (u, v)]
        wire = Curve(corners, [Curve.MOVETO] + [Curve.CURVE4] * (len(corners) - 1))
        axes.add_patch(FancyArrowPatch(path=wire, arrowstyle="-|>", mutation_scale=7, color=COLOURS["edge"][1], lw=1))
    ghosts = [("ghost", graph.items[i].label[:4], x, y, 34.0) for i, x, y in at.ghosts]
    shown = zip(graph.items, at.x, at.y, strict=True)
    for kind, label, x, y, wide in [*ghosts, *[(kind_of(i), i.label, x, y, item_width(i.label)) for i, x, y in shown]]:
        fill, line = COLOURS[kind]
        if kind == "call":
            box = (x - wide / 2 + 3, y - HEIGHT / 2 + 3)
            shape: Any = FancyBboxPatch(box, wide - 6, HEIGHT - 6, boxstyle="round,pad=3", fc=fill, ec=line)
        else:
            shape = Ellipse((x, y), wide, 22 if kind == "ghost" else HEIGHT, fc=fill, ec=line)
        axes.add_patch(shape)
        text = label.replace("$", r"\$")
        axes.text(x, y, text, ha="center", va="center", fontsize=9.5, color=TEXT, family=fonts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a letter that no font has is drawn as a box
        figure.savefig(path, format="png", metadata={"Software": None})
