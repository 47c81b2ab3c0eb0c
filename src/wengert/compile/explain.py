"""What `explain` prints: the recordings of a function, their lists, their guards, and what fell back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .program import Node, Program

MOST = 200  # lines of one list


def explain(compiled: Any) -> str:
    """The text."""
    name = getattr(compiled.function, "__qualname__", repr(compiled.function))
    lines = [f"{name}: {_count(compiled.recordings, 'recording')}"]
    if compiled._off:
        lines.append("switched off by WENGERT_COMPILE=0")
    if compiled._why is not None:
        lines.append(f"runs without being compiled: {compiled._why}")
    for note, count in Counter(compiled._notes).items():
        lines.append(f"not kept, {_count(count, 'time')}: {note}")
    for line, count in compiled._failures.items():
        lines.append(f"void, {_count(count, 'time')}: a value was another one ({line})")
    for mode, recordings in compiled._kept.items():
        for i, kept in enumerate(recordings, 1):
            lines += ["", f"recording {i}{'' if mode else ' under no_grad'}: {_summary(kept)}", *_list(kept.program)]
            words = [text for _, text in kept.failures]
            lines.append(f"guards: {_count(len(words), 'check')}: " + "; ".join(dict.fromkeys(words)))
    return "\n".join(lines)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _summary(kept: Any) -> str:
    program = kept.program
    calls = [n for n in program.nodes if n.op == "call"]
    parts = [
        _count(len(program.nodes), "node"),
        f"{sum([n.size * n.dtype.itemsize for n in program.nodes]):,} bytes of values",
        _code(kept.native),
        f"used {_count(kept.calls, 'time')}",
    ]
    if calls and kept.native is None:
        parts.append("NumPy is called for " + ", ".join(dict.fromkeys([n.title for n in calls])))
    if program.updates:
        parts.append(f"{_count(len(program.updates), 'array')} changed in place")
    if kept.effects:
        parts.append(f"{_count(len(kept.effects), 'attribute or item')} set")
    if program.checks:
        parts.append(f"{_count(len(program.checks), 'value')} looked at")
    return ", ".join(parts)


def _code(native: Any) -> str:
    if native is None:
        return "replayed through NumPy"
    plan = native.plan
    loops = sum([len(segment) for segment in plan.segments])
    text = f"native code: {_count(loops, 'step')}, {plan.arena.size:,} bytes of memory"
    if plan.between:
        names = ", ".join(dict.fromkeys([n.title for n in plan.between]))
        text += f", {_count(len(plan.between), 'node')} by NumPy ({names})"
    return text


def _list(program: Program) -> list[str]:
    lines = [f"  {node!r}{_where(node)}" for node in program.nodes[:MOST]]
    if len(program.nodes) > MOST:
        lines.append(f"  and {len(program.nodes) - MOST} more")
    lines.append("  -> " + (", ".join([f"%{n.index}" for n in program.outputs]) or "nothing"))
    lines += [f"  %{u.input.index} becomes %{u.node.index}" for u in program.updates]
    lines += [f"  %{c.node.index} has to be {c.value!r}  # {c.line}" for c in program.checks]
    return lines


def _where(node: Node) -> str:
    return f"  # {node.line}" if node.line else ""
