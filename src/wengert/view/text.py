"""A graph as text, for terminals."""

from __future__ import annotations

from itertools import count
from typing import Any

from .graph import Call, Graph, Value, read
from .values import shape_text, summary


def print_graph(*outputs: Any, order: int = 0, max_lines: int = 200) -> None:
    """Print the graph of Variables as a tree, from the outputs down to the leaves.

    Each variable is printed once; its number, or name, stands where it is used again. Only a call with several
    computed inputs indents, so that a long chain stays a column.

    Args:
        outputs: Variables, or containers of them.
        order: print the derivative of this order instead, by the one leaf that each output depends on.
        max_lines: how many variables to print at most.

    Raises:
        TypeError: no Variables.
        ValueError: `order` where an output depends on several leaves.

    Example:
        >>> x = wg.Variable(np.array([0.0, 1.0]), "x")
        >>> y = np.sum(x * np.exp(x))
        >>> y.backward()
        >>> wg.print_graph(y)  # doctest: +ELLIPSIS
        #1:  2.718281828459045 = sum(#2)  grad 1.0
        #2:  (2,) float64 = multiply(x, #3)
        └─ x:  (2,) float64  grad [1.0, 5.43656365...]
        #3:  (2,) float64 = exp(x)
    """
    print(tree_text(read(outputs, order), max_lines))


def tree_text(graph: Graph, max_lines: int = 200) -> str:
    """What `print_graph` prints."""
    items = graph.items
    names: dict[int, str] = {}
    taken: set[str] = set()
    numbers = count(1)

    def name(i: int) -> str:
        item = items[i]
        assert isinstance(item, Value)
        if i not in names:
            if item.name is not None and item.name not in taken:
                names[i] = item.name
            else:
                names[i] = next(n for n in map("#{}".format, numbers) if n not in taken)
            taken.add(names[i])
        return names[i]

    lines: list[str] = []
    printed: set[int] = set()
    stack = [(i, "", "") for i in reversed(graph.outputs)]  # a position, and what stands before its line and its tree
    while stack:
        i, head, rest = stack.pop()
        item = items[i]
        assert isinstance(item, Value)
        if i in printed:
            continue
        if len(lines) == max_lines:
            values = sum([isinstance(v, Value) for v in items])
            lines.append(f"… and {values - len(printed)} more variables: max_lines={max_lines}")
            break
        printed.add(i)
        text = f"{head}{name(i)}:  {_what(item)}"
        if item.creator >= 0:
            call = items[item.creator]
            assert isinstance(call, Call)
            used = [_constant(c) if k < 0 else name(k) for k, c in zip(call.inputs, call.constants, strict=True)]
            text += f" = {call.name}({', '.join([*used, *filter(None, [call.given])])})"
            below = [k for k in dict.fromkeys(call.inputs) if k >= 0 and k not in printed]
            made = [k for k in below if items[k].creator >= 0]  # type: ignore[union-attr]
            if len(made) == 1:  # goes on in the same column, after the leaves
                stack.append((made[0], rest, rest))
                below.remove(made[0])
            for last, k in enumerate(reversed(below)):
                stack.append((k, rest + ("├─ " if last else "└─ "), rest + ("│  " if last else "   ")))
            if call.scope:
                text += f"  [{'/'.join([s for s, _ in call.scope])}]"
        if item.grad is not None:
            text += f"  grad {_brief(item.grad)}"
        lines.append(text)
    return "\n".join(lines)


def _what(item: Value) -> str:
    if item.value is not None and item.value.ndim == 0:
        return str(item.value)
    return f"{shape_text(item.shape)} {item.dtype or ''}".rstrip()


def _brief(x: Any) -> str:
    found = summary(x, whole=6)
    if isinstance(found, str):
        return found.replace("\n", " ")
    return f"{found['min']:.4g} … {found['max']:.4g}" if "min" in found else "nan"


def _constant(c: Any) -> str:
    return str(c) if isinstance(c, (int, float, complex)) or getattr(c, "shape", None) == () else "…"
