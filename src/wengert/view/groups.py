"""Groups of calls that a picture can show as one: scopes, repeated patterns, and parts of what is long."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Call, Graph, Value

LONG = 400  # calls side by side, above which they are divided into parts
_PERIOD = 64  # the longest pattern that is looked for


@dataclass(slots=True)
class Group:
    """`kind` is "scope" (`name` is the user's), "pattern" (a repetition, `name` its operations) or "part"."""

    name: str
    kind: str
    parent: int = -1
    count: int = 0


def group(graph: Graph) -> list[Group]:
    """Give each item of the graph its group, -1 for none; groups come after their parents."""
    groups: list[Group] = []
    scopes: dict[tuple[Any, ...], int] = {(): -1}
    inside: dict[int, list[Call]] = defaultdict(list)  # the calls that stand in a scope itself
    for item in graph.items:
        if isinstance(item, Call):
            for k in range(len(item.scope)):
                path = item.scope[: k + 1]
                if path not in scopes:
                    scopes[path] = len(groups)
                    groups.append(Group(path[-1][0], "scope", scopes[path[:-1]]))
            item.group = scopes[item.scope]
            inside[item.group].append(item)
    for parent, calls in inside.items():
        _patterns(calls, parent, groups)
        _parts([c for c in calls if c.group == parent], parent, groups)
    if len(groups) > LONG:
        _parts_of_groups(groups)
    _values(graph)
    for item in graph.items:
        if isinstance(item, Call):
            g = item.group
            while g >= 0:
                groups[g].count += 1
                g = groups[g].parent
    return groups


def _patterns(calls: list[Call], parent: int, groups: list[Group]) -> None:
    """Groups for runs of operations that repeat at least three times, such as the turns of a loop."""
    names = np.unique([c.name for c in calls], return_inverse=True)[1]
    n, at = len(calls), 0
    # same[p][i]: how far the operations from i on equal those p later
    same = {p: _run_lengths(names[p:] == names[:-p]) for p in range(2, min(_PERIOD, n // 3) + 1)}
    while at < n:
        best, turns = 0, 0
        for p, lengths in same.items():
            k = 1 + int(lengths[at]) // p if at < len(lengths) else 1
            if k >= 3 and k * p > best * turns and len(set(names[at : at + p].tolist())) > 1:
                best, turns = p, k
        if not best:
            at += 1
            continue
        first = [c.name for c in calls[at : at + best]]
        title = ", ".join(first[:4]) + (", …" if best > 4 else "")
        outer = len(groups)
        groups.append(Group(f"{turns} × ({title})", "pattern", parent))
        for k in range(turns):
            for c in calls[at + k * best : at + (k + 1) * best]:
                c.group = len(groups)
            groups.append(Group(f"{k + 1} / {turns}", "pattern", outer))
        at += best * turns


def _run_lengths(equal: Any) -> Any:
    """For each place, how many True follow from there on."""
    gaps = np.flatnonzero(~equal)
    ends = np.append(gaps, len(equal))
    return ends[np.searchsorted(gaps, np.arange(len(equal)))] - np.arange(len(equal))


def _parts(calls: list[Call], parent: int, groups: list[Group]) -> None:
    if len(calls) <= LONG:
        return
    step = math.isqrt(len(calls)) + 1
    for k in range(0, len(calls), step):
        part = calls[k : k + step]
        for c in part:
            c.group = len(groups)
        groups.append(Group(f"{part[0].name} … {part[-1].name}", "part", parent))


def _parts_of_groups(groups: list[Group]) -> None:
    """The same for groups with too many direct members: such as a loop of thousands of turns."""
    members: dict[int, list[int]] = defaultdict(list)
    for k, g in enumerate(groups):
        members[g.parent].append(k)
    for parent, children in members.items():
        if len(children) <= LONG:
            continue
        step = math.isqrt(len(children)) + 1
        for at in range(0, len(children), step):
            part = children[at : at + step]
            for k in part:
                groups[k].parent = len(groups)
            groups.append(Group(f"{groups[part[0]].name} … {groups[part[-1]].name}", "part", parent))


def _values(graph: Graph) -> None:
    """A result is in the group of its call; a leaf in that of its uses, if it is one."""
    items = graph.items
    uses: dict[int, set[int]] = defaultdict(set)
    for item in items:
        if isinstance(item, Call):
            for i in item.inputs:
                uses[i].add(item.group)
    for i, item in enumerate(items):
        if isinstance(item, Value):
            if item.creator >= 0:
                item.group = items[item.creator].group
            elif len(uses[i]) == 1:
                (item.group,) = uses[i]
