"""Forward mode: tangents pushed along the nodes that a run recorded, with the same declarations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .function import Call, Parts, Watched
from .recording import Mode, recorded, recording
from .reverse import has_nan, history, pull, zero_stays_zero
from .variable import Variable, wrap


def push(
    ys: Sequence[Any], xs: Sequence[Any], ts: Sequence[Any], graph: bool, apply: Any = None, since: int | None = None
) -> list[Any]:
    """The tangents of the nodes ys, given the tangents ts of the nodes xs; None where ys do not depend on xs.

    On Variables and differentiable where `graph` is set, else on arrays. With `since`, the walk starts from nodes that
    are older, which may be among xs.
    """
    tangents = dict(zip(xs, ts, strict=True))
    with recorded() if graph else Mode(recording()), np.errstate(invalid="ignore"):
        ends = {x.serial: None for x in xs}
        for n in history(ys, min(ends) if since is None else since, ends):
            if n in tangents:
                continue
            if isinstance(n, Call):
                _push_call(n, tangents, graph)
            else:
                n.push(tangents, graph, apply)
    found = [tangents.get(y) for y in ys]
    if apply is None and any([t is not None and has_nan(t) for t in found]):
        return push(ys, xs, ts, graph, zero_stays_zero, since)
    return found


def _push_call(call: Call, tangents: dict[Any, Any], graph: bool) -> None:
    """A user's Function has a pull-back only. That is linear in gy, and its own pull-back is the push-forward."""
    inputs = [(i, tangents[p]) for i, p in enumerate(call.parents) if p is not None and p in tangents]
    if not inputs:
        return
    if hasattr(call.fn, "_push_rule"):  # it has a rule: see custom.py
        call.fn._push_rule(call, tangents, graph)
        return
    gs = [Variable(np.ones_like(z)) for z in call.zs]
    with recorded():
        if graph:
            results, why = call.traced(gs)
        else:
            left: list[str] = []
            watched = [Watched(g._array, g._node, left) for g in gs]
            results, why = call.checked(call.as_called(lambda x, node: wrap(x, None)).backward(*watched)), None
            if left:
                raise TypeError(
                    f"{call.fn._rule_name()} {left[0]} of gy, so that forward mode cannot follow it; write it with "
                    "NumPy calls on gy itself"
                )
    if why is not None:  # the value is right all the same, from arrays
        array_tangents = {
            p: t._array if isinstance(t, Variable) else t for p, t in tangents.items() if p in call.parents
        }
        _push_call(call, array_tangents, False)
        parts = array_tangents.get(call)
        if parts is not None:
            values = call.once(tuple(parts) if type(parts) is Parts else (parts,), why, [t for _, t in inputs])
            tangents[call] = Parts(values) if len(values) > 1 else values[0]
        return
    flows = [(results[i], t) for i, t in inputs if isinstance(results[i], Variable) and results[i]._node is not None]
    if not flows:
        return
    ys = [gx._node for gx, _ in flows]
    parts = Parts(pull(ys, [t for _, t in flows], [g._node for g in gs], graph))
    if len(parts) > 1:
        tangents[call] = parts
    elif parts[0] is not None:
        tangents[call] = parts[0]
