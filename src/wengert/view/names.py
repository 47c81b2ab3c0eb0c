"""Recorders that leave notes on nodes, for pictures to show: the user's line, and the scope of a call."""

from __future__ import annotations

from typing import Any

from .. import reverse
from ..observe import users_line
from ..recording import Recorder
from ..variable import Variable, info_of, tick


class Notes(Recorder):
    """Notes the user's line of every call on its nodes, and the calls of Modules as scopes."""

    def call(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        since = tick()
        result = self.run(op, args, kwargs)
        self.note(result, since, users_line())
        return result

    def note(self, result: Any, since: int, line: str) -> list[Any]:
        """Mark the nodes behind the result that are younger than `since`, and give them."""
        made = result if isinstance(result, tuple) else (result,)
        nodes = {v._node.serial: v._node for v in made if isinstance(v, Variable) and v._node is not None}
        young = reverse.history([n for s, n in nodes.items() if s >= since], since)
        for n in young:
            info = info_of(n)
            info.line = info.line or line
        return young

    def module(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of an `nn.Module`, which is a scope of the module's name."""
        with name_scope(type(module).__name__):
            return module.forward(*args, **kwargs)


class name_scope(Notes):
    """A context whose calls are drawn as one group, which can be collapsed. Scopes nest.

    It also notes the user's line of every call. A call in it takes some microseconds longer.

    Args:
        name: the label of the group. Each `with` is a group of its own, also under the same name.

    Raises:
        TypeError: the name is not text.

    Example:
        >>> x = wg.Variable(1.0, "x")
        >>> with wg.name_scope("gate"):
        ...     y = np.tanh(x) * x
        >>> wg.print_graph(y)  # doctest: +ELLIPSIS
        1:  0.761594... = multiply(2, x)  [gate]
        └─ x:  1.0
        2:  0.761594... = tanh(x)  [gate]
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name_scope: expected a name, got {type(name).__name__}")
        self.name = name

    def __enter__(self) -> name_scope:
        self._scope = (self.name, tick())
        return super().__enter__()

    def note(self, result: Any, since: int, line: str) -> list[Any]:
        young = super().note(result, since, line)
        for n in young:  # the scopes outside have left their names already
            n.info.scope = (*n.info.scope, self._scope)
        return young
