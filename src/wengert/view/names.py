"""Names for pictures: Recorders that note the user's line and the scopes of a call on its nodes, and Modules' paths."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import numpy as np

from .. import reverse
from ..observe import users_line
from ..recording import Recorder
from ..variable import Variable, info_of, tick

_SMALL = 64  # elements of a constant up to which it is noted


class Notes(Recorder):
    """Notes the user's line of every call on its nodes, and small constants, which not every rule keeps."""

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        since = tick()
        result = self.run(op, args, kwargs)
        self.note(result, since, users_line(), args)
        return result

    def note(self, result: Any, since: int, line: str, args: tuple[Any, ...]) -> list[Any]:
        """Mark the nodes behind the result that are younger than `since`, and give them."""
        made = result if isinstance(result, tuple) else (result,)
        nodes = {v._node.serial: v._node for v in made if isinstance(v, Variable) and v._node is not None}
        young = reverse.history([n for s, n in nodes.items() if s >= since], since)
        for n in young:
            info = info_of(n)
            info.line = info.line or line
        if len(young) == 1 and len(args) == len(young[0].parents):  # no composition, and all operands in place
            young[0].info.args = tuple([_constant(a) for a in args])
        return young


def _constant(x: Any) -> Any:
    """A copy of a number or a small array; None for anything else."""
    if isinstance(x, (bool, int, float, complex, np.generic)):
        return x
    return x.copy() if isinstance(x, np.ndarray) and x.size <= _SMALL else None


class name_scope(Notes):
    """A context whose calls are drawn as one group, which can be collapsed.

    Scopes nest, also with calls of an `nn.Module`, which are groups without it. The context also notes the user's line
    of every call, and small constants. A call in it takes some microseconds longer.

    Args:
        name: the label of the group. Each `with` is a group of its own, also under the same name.

    Raises:
        TypeError: the name is not text.

    Example:
        >>> x = wg.Variable(1.0, "x")
        >>> with wg.name_scope("gate"):
        ...     y = np.tanh(x) * x
        >>> wg.print_graph(y)  # doctest: +ELLIPSIS
        #1:  0.761594... = multiply(#2, x)  [gate]
        └─ x:  1.0
        #2:  0.761594... = tanh(x)  [gate]
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name_scope: expected a name, got {type(name).__name__}")
        self.name = name

    def __enter__(self) -> name_scope:
        self._scope = (self.name, tick())
        return super().__enter__()

    def note(self, result: Any, since: int, line: str, args: tuple[Any, ...]) -> list[Any]:
        young = super().note(result, since, line, args)
        for n in young:  # the scopes outside have left their names already
            n.info.scope = (*n.info.scope, self._scope)
        return young


def plain(text: Any) -> str:
    """Text without what is no character to look at: control characters, lone surrogates, changes of direction."""
    return "".join(
        [c if c.isprintable() or c in "\u200c\u200d" else " " if c.isspace() else "\ufffd" for c in str(text)]
    )


Scope = tuple[tuple[str, int], ...]  # labels from the outside in, each with the tick at which it began


def scopes(nodes: Sequence[Any]) -> tuple[dict[Any, Scope], dict[int, str]]:
    """The scopes of nodes, and the paths of parameters by their serial numbers.

    A call of a Module is a scope like a `name_scope`: it made what is behind its result and younger than its beginning.
    Its label is the path from the outermost Module that is being called, such as `encoder.layers.0: Linear`.
    """
    results: dict[int, list[Any]] = {}  # of each outermost call
    outermost: dict[int, tuple[Any, list[Any]]] = {}
    for n in nodes:
        if (noted := getattr(getattr(n, "info", None), "calls", None)) is not None:
            results.setdefault(id(noted[1]), []).append(n)
            outermost[id(noted[1])] = noted[0](), sorted(noted[1])
    modules: dict[Any, list[tuple[str, int]]] = {}
    parameters: dict[int, str] = {}
    for key, (root, calls) in outermost.items():
        paths = {} if root is None else {id(m): name for name, m in root.named_modules()}  # None: nobody holds it
        with suppress(RuntimeError):  # a part that was never called has no parameters yet
            for name, p in () if root is None else root.named_parameters():
                parameters.setdefault(p._serial, name)
        begun: list[Any] = []
        waiting = iter([*calls, (sys.maxsize,)])
        call = next(waiting)
        for n in reverse.history(results[key], calls[0][0]):
            while call[0] < n.serial:
                begun.append(call)
                call = next(waiting)
            begun = [c for c in begun if c[1] > n.serial]
            for since, _, kind, i in begun:
                path = f"{paths[i]}: " if paths.get(i) else ""
                modules.setdefault(n, []).append((path + kind.__name__, since))
    found: dict[Any, Scope] = {}
    for n in nodes:
        scope = [*getattr(getattr(n, "info", None), "scope", ()), *modules.get(n, [])]
        if scope:
            found[n] = tuple([(plain(name), since) for name, since in sorted(scope, key=itemgetter(1))])
    return found, parameters
