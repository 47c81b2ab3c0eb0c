"""Where to draw what: a layered layout, from the top down. `page.js` has the same steps, and a test compares them.

1. Ranks by the longest path. An item that nothing leads to stands just above its first use.
2. An edge over several ranks gets a bend in each of them, so that it is led around what is there. A very long one, or a
   long one from a leaf, ends in a *ghost* instead: a small copy of its source beside the use. That keeps a parameter
   that is used 150 times from becoming a hairball.
3. Barycentre sweeps: the items of a rank are sorted by the mean place of their neighbours, and put as near to it as
   their widths allow (the least squares, by pooling adjacent violators).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

RANK = 58.0  # pixels between ranks
GAP = 18.0  # and between neighbours
FAR = 24  # ranks over which an edge is drawn in full
FAR_LEAF = 3  # the same for an edge from a leaf
SWEEPS = 6
BEND, GHOST = 6.0, 34.0  # widths of bends and ghosts
HEAVY, LIGHT = 4.0, 0.01  # how little bends, and how much ghosts give way to others; an item has weight 1


class Layout(NamedTuple):
    """Centres of items and ghosts, and the points of each edge; `ghosts` are `(item, x, y)`."""

    x: list[float]
    y: list[float]
    routes: list[list[tuple[float, float]]]
    ghosts: list[tuple[int, float, float]]
    width: float
    height: float


def layout(widths: Sequence[float], edges: Iterable[tuple[int, int]]) -> Layout:
    """Place items of these widths; `edges` are pairs of positions. Takes time linear in the ranks that edges span.

    Edges normally lead to later items; one that does not (between collapsed groups) does not count for the ranks.
    """
    edges = list(edges)
    rank = _ranks(len(widths), edges)
    leaf = [True] * len(widths)
    for _, b in edges:
        leaf[b] = False
    size, level, weight = list(widths), list(rank), [1.0] * len(widths)
    before: list[list[int]] = [[] for _ in size]
    after: list[list[int]] = [[] for _ in size]

    def point(width: float, at: int, heavy: float) -> int:
        size.append(width)
        weight.append(heavy)
        level.append(at)
        before.append([])
        after.append([])
        return len(size) - 1

    paths, ghosts = [], []
    for a, b in edges:
        span = rank[b] - rank[a]
        path = [a]
        if span > FAR or (leaf[a] and span > FAR_LEAF) or span < 1:
            path = [point(GHOST, max(rank[b] - 1, 0), LIGHT)]
            ghosts.append((a, path[-1]))
        else:
            path += [point(BEND, r, HEAVY) for r in range(rank[a] + 1, rank[b])]
        path.append(b)
        for p, q in pairwise(path):
            after[p].append(q)
            before[q].append(p)
        paths.append(path)

    x = _columns(size, level, weight, before, after)
    left = min([c - w / 2 for c, w in zip(x, size, strict=True)], default=0.0)
    x = [c - left for c in x]
    y = [RANK * r + RANK / 2 for r in level]
    right = max([c + w / 2 for c, w in zip(x, size, strict=True)], default=0.0)
    n = len(widths)
    return Layout(
        x[:n],
        y[:n],
        [[(x[p], y[p]) for p in path] for path in paths],
        [(a, x[p], y[p]) for a, p in ghosts],
        right,
        RANK * (max(level, default=-1) + 1),
    )


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    rank = [0] * count
    into: list[list[int]] = [[] for _ in range(count)]
    first = [-1] * count  # the lowest rank among the uses
    for a, b in edges:
        if a < b:
            into[b].append(a)
    for b in range(count):
        for a in into[b]:
            rank[b] = max(rank[b], rank[a] + 1)
    for a, b in edges:
        if a < b and (first[a] < 0 or rank[b] < first[a]):
            first[a] = rank[b]
    for a in range(count):
        if not into[a] and first[a] > 0:
            rank[a] = first[a] - 1
    return rank


def _columns(
    size: Sequence[float],
    level: Sequence[int],
    weight: Sequence[float],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
) -> list[float]:
    rows: dict[int, list[int]] = defaultdict(list)
    for p, r in enumerate(level):
        rows[r].append(p)
    x = [0.0] * len(size)
    for row in rows.values():
        _place(row, [0.0] * len(row), size, weight, x)
    down = sorted(rows)
    for sweep in range(SWEEPS + 1):
        for r in down if sweep % 2 == 0 else reversed(down):
            row = rows[r]
            want = {}
            for p in row:
                near = before[p] if sweep % 2 == 0 else after[p]
                if sweep == SWEEPS or not near:  # the last one looks both ways
                    near = [*before[p], *after[p]]
                total = sum([weight[q] for q in near])
                want[p] = sum([weight[q] * x[q] for q in near]) / total if near else x[p]
            row.sort(key=want.__getitem__)
            _place(row, [want[p] for p in row], size, weight, x)
    return x


def _place(
    row: Sequence[int], want: Sequence[float], size: Sequence[float], weight: Sequence[float], x: list[float]
) -> None:
    """Set x of a row, in this order, as near to `want` as the widths allow, in the sense of weighted least squares."""
    offsets, offset = [], 0.0
    blocks: list[tuple[float, float, int]] = []  # weighted sum, weight and number of neighbours that touch
    for k, p in enumerate(row):
        if k:
            offset += (size[row[k - 1]] + size[p]) / 2 + GAP
        offsets.append(offset)
        total, heavy, count = weight[p] * (want[k] - offset), weight[p], 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / heavy:
            left = blocks.pop()
            total, heavy, count = left[0] + total, left[1] + heavy, left[2] + count
        blocks.append((total, heavy, count))
    k = 0
    for total, heavy, count in blocks:
        for _ in range(count):
            x[row[k]] = total / heavy + offsets[k]
            k += 1


def text_width(text: str) -> float:
    """About how wide a label is, in pixels."""
    return sum([13.0 if ord(c) >= 0x1100 else 12.4 if c in "mwMW@%" else 7.2 for c in text])


def item_width(text: str) -> float:
    """How wide the shape around a label is."""
    return max(44.0, text_width(text) + 26.0)
