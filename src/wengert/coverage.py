"""`wengert coverage`: every public function of NumPy, and whether it is differentiable, constant or refused.

The groups are read from the tables of `declare.py`; only what those tables cannot know is listed here.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.testing import overrides

from . import methods as methods, polynomial as polynomial, rules
from .declare import CONSTANT, FUNCTIONS, REFUSED, UFUNCS
from .variable import Variable

rules.load()

GROUPS = ("differentiable", "constant", "refused")
MEANING = {
    "differentiable": "derivatives of any order, in reverse and forward mode",
    "constant": "the result has no derivative: a Variable gives a plain array or value",
    "refused": "a tracked Variable raises an error, so that its graph is never lost unseen",
}

_NAMESPACES = (
    "numpy", "numpy.linalg", "numpy.fft", "numpy.emath", "numpy.strings", "numpy.char", "numpy.lib.stride_tricks",
    "numpy.lib.array_utils", "numpy.polynomial.polynomial", "numpy.polynomial.chebyshev",
    "numpy.polynomial.legendre", "numpy.polynomial.hermite", "numpy.polynomial.hermite_e",
    "numpy.polynomial.laguerre", "numpy.polynomial.polyutils",
)  # fmt: skip

# modules whose functions cannot be overridden: wengert has modules of the same names
_BY_NAME = {name for name in _NAMESPACES if hasattr(polynomial, name.rpartition(".")[2])} - {"numpy"}

# ---- what is in no table: functions that take no array, and attributes of Variable --------------------------

# settings, names of types, files, and arrays made from numbers alone
_NO_ARRAY = {
    "numpy.info", "numpy.frompyfunc", "numpy.isdtype", "numpy.hamming", "numpy.hanning", "numpy.bartlett",
    "numpy.blackman", "numpy.kaiser", "numpy.setbufsize", "numpy.getbufsize", "numpy.get_include", "numpy.geterr",
    "numpy.seterr", "numpy.geterrcall", "numpy.seterrcall", "numpy.indices", "numpy.promote_types",
    "numpy.mintypecode", "numpy.show_runtime", "numpy.show_config", "numpy.broadcast_shapes",
    "numpy.format_float_positional", "numpy.format_float_scientific", "numpy.base_repr", "numpy.binary_repr",
    "numpy.printoptions", "numpy.set_printoptions", "numpy.get_printoptions", "numpy.tril_indices",
    "numpy.triu_indices", "numpy.mask_indices", "numpy.diag_indices", "numpy.typename",
    "numpy.issubdtype", "numpy.isscalar", "numpy.iterable",
    "numpy.lib.array_utils.normalize_axis_index", "numpy.lib.array_utils.normalize_axis_tuple",
    "numpy.polynomial.chebyshev.chebgauss", "numpy.polynomial.chebyshev.chebpts1",
    "numpy.polynomial.chebyshev.chebpts2", "numpy.polynomial.chebyshev.chebinterpolate",
    "numpy.polynomial.legendre.leggauss", "numpy.polynomial.hermite.hermgauss",
    "numpy.polynomial.hermite_e.hermegauss", "numpy.polynomial.laguerre.laggauss",
    "numpy.polynomial.polyutils.format_float",
}  # fmt: skip
# they ask for the argument's memory or convert it with `__array__`, which a tracked Variable refuses
_CONVERT = {
    "numpy.asmatrix", "numpy.bmat", "numpy.asarray_chkfinite", "numpy.from_dlpack", "numpy.nested_iters",
    "numpy.lib.array_utils.byte_bounds", "numpy.lib.stride_tricks.as_strided",
    "numpy.polynomial.polyutils.as_series",
    "numpy.polynomial.polyutils.trimcoef", "numpy.polynomial.polyutils.getdomain",
    "numpy.polynomial.polyutils.mapdomain",
}  # fmt: skip
# their own code calls functions that a Variable overrides
_THROUGH = {
    "numpy.row_stack", "numpy.polynomial.polyutils.mapparms", "numpy.polynomial.polyutils.trimseq",
    "numpy.polynomial.chebyshev.chebweight",
    "numpy.polynomial.legendre.legweight", "numpy.polynomial.hermite.hermweight",
    "numpy.polynomial.hermite_e.hermeweight", "numpy.polynomial.laguerre.lagweight",
}  # fmt: skip
_STRUCTURED = "numpy.lib.recfunctions"  # of arrays with fields, which a Variable never holds
_DIFFERENTIABLE_METHODS = {"T", "mT", "flat", "flatten", "fill"}
_PLAIN_METHODS = {
    "data", "dtype", "item", "tolist", "nbytes", "itemsize", "strides", "flags", "device", "tobytes", "base",
}  # fmt: skip


def group(name: str, function: Any) -> list[str]:
    """The groups that a function of NumPy is in: exactly one, if all is well."""
    tables = (UFUNCS | FUNCTIONS, CONSTANT, REFUSED)
    found = [label for label, table in zip(GROUPS, tables, strict=True) if function in table]
    if found:
        return found
    lists = (name in _THROUGH or _by_name(name, function), name in _NO_ARRAY, name in _CONVERT or _STRUCTURED in name)
    return [label for label, listed in zip(GROUPS, lists, strict=True) if listed]


def _by_name(name: str, function: Any) -> bool:
    """Whether wengert has a function of its own under this name of a module that cannot be overridden."""
    namespace, _, short = name.rpartition(".")
    return (
        namespace in _BY_NAME
        and getattr(getattr(polynomial, namespace.rpartition(".")[2]), short, function) is not function
    )


def method_group(name: str) -> list[str]:
    """The groups of a method or attribute of ndarray, by what Variable has under its name."""
    described = getattr(np.ndarray, name)
    found = [g for g, table in (("constant", CONSTANT), ("refused", REFUSED)) if described in table]
    if inspect.getattr_static(Variable, name, None) is None or found:
        return found
    if name in _DIFFERENTIABLE_METHODS | _PLAIN_METHODS:
        return ["differentiable" if name in _DIFFERENTIABLE_METHODS else "constant"]
    return group(f"numpy.{name}", getattr(np, name, group))


# ---- the walk -----------------------------------------------------------------------------------------------


def names() -> Iterator[tuple[str, str, list[str]]]:
    """Every public function of NumPy: its namespace, its name and the groups that it is in."""
    seen: set[Any] = set()
    for namespace in _NAMESPACES:
        module = _module(namespace)
        for name in sorted(getattr(module, "__all__", None) or [n for n in dir(module) if n[0] != "_"]):
            function = getattr(module, name)
            if callable(function) and not isinstance(function, type) and hasattr(function, "__name__"):
                seen.add(function)
                yield namespace, name, group(f"{namespace}.{name}", function)
    for function in _others(seen):
        name = _full_name(function)
        yield "others that a Variable overrides", name, group(f"numpy.{name}", function)
    for name in sorted(n for n in dir(np.ndarray) if n[0] != "_"):
        yield "numpy.ndarray", name, method_group(name)


def _module(namespace: str) -> Any:
    module: Any = np
    for part in namespace.split(".")[1:]:
        module = getattr(module, part)
    return module


def _others(seen: set[Any]) -> list[Any]:
    """What NumPy lets others override, and does not list in the namespaces above."""
    functions = overrides.get_overridable_numpy_array_functions() | overrides.get_overridable_numpy_ufuncs()
    public = set(map(_full_name, seen))  # a function that takes `like=` is there twice, under one name
    others = [f for f in functions - seen if isinstance(f, np.ufunc) or _full_name(f) not in public]
    return sorted(others, key=_full_name)


def _full_name(function: Any) -> str:
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".removeprefix("numpy.")


# ---- the page -----------------------------------------------------------------------------------------------


def table() -> str:
    """The number of functions in each group, for each namespace, as plain text."""
    rows = _counts()
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:<{width}}" + "".join(f"{cell:>{len(GROUPS[0]) + 2}}" for cell in row[1:]) for row in rows]
    return "\n".join(lines) + "\n"


def _counts() -> list[list[str]]:
    counts: dict[str, list[int]] = {}
    for namespace, _, groups in names():
        count = counts.setdefault(namespace, [0] * (len(GROUPS) + 1))
        count[GROUPS.index(groups[0]) if len(groups) == 1 else -1] += 1
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    columns = len(GROUPS) + bool(total[-1])  # the last column is of what is in no group, or in two
    header = ["", *GROUPS, "undecided"][: columns + 1]
    return [header, *[[name, *map(str, count[:columns])] for name, count in (counts | {"all": total}).items()]]


def page() -> str:
    """docs/coverage.md."""
    version = ".".join(np.__version__.split(".")[:2])
    lines = [
        "# Coverage of NumPy",
        "",
        f"Every public function of NumPy {version} is in one of three groups. `python -m wengert coverage --markdown`",
        "writes this page; a test fails where it is out of date, and where a name is in no group or in two.",
        "",
        *[f"* **{name}**: {meaning}." for name, meaning in MEANING.items()],
        "",
    ]
    header, *rows = _counts()
    lines += ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    sections: dict[str, dict[str, list[str]]] = {}
    for namespace, name, groups in names():
        label = groups[0] if len(groups) == 1 else "undecided"
        sections.setdefault(namespace, {}).setdefault(label, []).append(name)
    for namespace, members in sections.items():
        lines += ["", f"## {namespace}", ""]
        if namespace in _BY_NAME:
            ours = namespace.replace("numpy", "wengert", 1)
            lines += [
                f"By the functions of the same names in `{ours}`: NumPy's own convert what they are given,",
                "or take a Variable for a number: right for one axis of coefficients, and of another shape for more.",
                "",
            ]
        for label in (*GROUPS, "undecided"):
            if label in members:
                lines += [f"**{label}**: " + ", ".join(f"`{name}`" for name in members[label]), ""]
        lines.pop()
    return "\n".join(lines) + "\n"


# ---- the command --------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--markdown", action="store_true", help="the whole page, with every name, as Markdown")
    parser.add_argument("--special", action="store_true", help="the page on SciPy, with the accuracy of each function")


def run(args: argparse.Namespace) -> int:
    """Print the table, or the page."""
    if args.special:
        from .scipy import coverage as of_scipy

        print(of_scipy.page(), end="")
        return 0
    print(page() if args.markdown else table(), end="")
    return 0
