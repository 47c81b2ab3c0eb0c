"""The formula of a call and of its derivatives, read from the source of its rules."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..function import Call as UsersCall
from ..operation import Binary, Operation, Unary

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "pow_operator": "**", "matmul": "@",
    "remainder": "%",
}  # fmt: skip
_MOST_LINES = 20  # of a rule that is longer than a formula
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Formula:
    """`z = x * y`; for each input `gx = gz * y`; and where the rules stand, `file:line`.

    In `forward`, `…` stands for the inputs and the other arguments of a call. `inputs` has their names, where each has
    a rule of its own.
    """

    forward: str
    result: str = "y"
    inputs: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def formula_of(n: Any) -> Formula:
    """The formula of a node's operation; the same object for every call of it."""
    if isinstance(n, Operation):
        cls: Any = n.op.node  # type: ignore[attr-defined]
        return _of_operation(cls)
    kind: Any = type(n.function if isinstance(n, UsersCall) else n)
    return _of_function(kind)


@functools.cache
def _of_operation(cls: Any) -> Formula:
    op, own = cls.op.__name__, isinstance(cls.pulls, (tuple, list))
    pulls = cls.pulls if own else (getattr(cls.pulls, "rule", None),)
    result = "z" if own and len(pulls) == 2 else "y"
    simple = ["x", "y"][: len(pulls)] if issubclass(cls, (Unary, Binary)) else []
    written = f" {_INFIX[op]} ".join(simple) if op in _INFIX and simple else f"{op}({', '.join(simple) or '…'})"
    found = Formula(f"{result} = {written}", result)
    for i, rule in enumerate(pulls):
        code = getattr(rule, "__code__", None)
        parsed = None if code is None else _find(code)
        if code is not None:
            found.sources.append(_place(code.co_filename, code.co_firstlineno if parsed is None else parsed.lineno))
        if parsed is not None:
            params = [a.arg.lstrip("_") for a in parsed.args.args]
            if params[:1] == ["i"] and not simple:  # one rule for all inputs
                params = params[1:]
            name = params[2 + i].removesuffix("_shape") if 2 + i < len(params) else "x"
            found.inputs.append(name)
            found.backward.append(_derivative(parsed, params, result, name))
    if len(found.inputs) != len(pulls) or not own:
        found.inputs = []
    if op == "matmul":
        found.forward = "z = x @ y"
    return found


def _place(file: str, line: int) -> str:
    """`file:line`, from the package on where the file belongs to it."""
    return f"{Path(file).relative_to(_ROOT.parent).as_posix() if Path(file).is_relative_to(_ROOT) else file}:{line}"


def line_at(place: str) -> str:
    """The text of a line that is given as `file:line`; empty where there is none."""
    file, _, number = place.rpartition(":")
    if not number.isdigit():
        return ""
    full = _ROOT.parent / file if file.startswith(f"{_ROOT.name}/") else file
    return linecache.getline(str(full), int(number)).strip()[:200]


def _derivative(rule: Any, params: list[str], result: str, of: str) -> str:
    """`gx = gz * y` from `lambda g, _z, _x, y: g * y`; the rule's lines where it is more than a formula."""
    body = rule.body
    if isinstance(rule, ast.FunctionDef):
        steps = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        if len(steps) != 1 or not isinstance(steps[0], ast.Return) or steps[0].value is None:
            for a in [*rule.args.args, *rule.args.kwonlyargs, rule.args.vararg, rule.args.kwarg]:
                if a is not None:
                    a.annotation = None
            rule.body, rule.returns, rule.decorator_list = steps, None, []
            return "\n".join(ast.unparse(rule).splitlines()[:_MOST_LINES])
        body = steps[0].value
    names = dict(zip(params[:2], (f"g{result}", result), strict=False))
    return f"g{of} = {ast.unparse(_Renamed(names).visit(body))}"


class _Renamed(ast.NodeTransformer):
    """Cotangent and result under the names of the formula, and NumPy's functions without `np.`."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "np":
            return ast.Name(node.attr)
        return self.generic_visit(node)


def _find(code: Any) -> Any:
    """The lambda or function in the source that this code was compiled from; fresh, to be changed at will."""
    source = "".join(linecache.getlines(code.co_filename))
    spots = [(row, column) for row, _, column, _ in code.co_positions() if row and column]
    try:
        parsed = ast.parse(source)
    except SyntaxError:
        return None
    if not spots:
        return None
    first = min(spots)
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            begin = min([node.lineno, *[d.lineno for d in node.decorator_list]])
            if begin == code.co_firstlineno:
                return node
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
            start = node.body.lineno, node.body.col_offset
            end = node.body.end_lineno, node.body.end_col_offset
            if start <= first < end and max(spots) < end:
                return node
    return None


@functools.lru_cache(256)
def _of_function(cls: type) -> Formula:
    """A user's Function, whose `backward` is shown as it is written."""
    found = Formula(f"y = {cls.__name__}(…)")
    code = getattr(getattr(cls, "backward", None), "__code__", None)
    if code is None:
        return found
    file, number = code.co_filename, code.co_firstlineno
    below = linecache.getlines(file)[number - 1 :]  # inspect.getsource would look into every module that is loaded
    if not below:
        return found
    lines = inspect.getblock(below)
    found.backward.append(textwrap.dedent("".join(lines[:_MOST_LINES])).rstrip())
    found.sources.append(_place(file, number))
    return found
