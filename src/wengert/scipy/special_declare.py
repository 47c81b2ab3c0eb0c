"""How a ufunc of scipy.special is declared: by its partial derivatives.

    special(sp.erf, lambda _z, x: 2 / SQRT_PI * np.exp(-x * x))
    special(sp.jv, None, lambda _z, v, x: (sp.jv(v - 1, x) - sp.jv(v + 1, x)) / 2)

A partial reads the result and the arguments (one spelt `_x` is not saved), as the rules of `declare.py` do, and is
written in calls that work on arrays and on Variables, so that every order follows. None stands for an argument with
respect to which there is no derivative in terms of existing functions: a call in which it is tracked is refused.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import scipy.special as sp  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("wengert.scipy needs SciPy: pip install 'wengert[scipy]'") from error

from .. import declare
from ..operation import unbroadcast
from ..recording import recording
from ..reverse import has_nan, zero_stays_zero
from ..variable import Variable
from .composing import apart

Partial = Callable[..., Any]

RULES: dict[Any, Any] = {}  # scipy.special's ufuncs and what they become on Variables
PARTIALS: dict[Any, tuple[Partial | None, ...]] = {}


def known(ufunc: Any) -> bool:
    """Make every rule of scipy.special known to the protocol; whether there is one for this ufunc."""
    importlib.import_module(".special", __package__)
    declare.UFUNCS.update(RULES)
    return ufunc in RULES or ufunc in declare.CONSTANT


def special(ufunc: Any, *partials: Partial | None, real: bool = False, name: str | None = None) -> Any:
    """Declare a ufunc with one result by its partial derivatives.

    Args:
        real: whether its values on complex arguments are not holomorphic, so that those are refused.
        name: of a second name for a ufunc that has one already.
    """
    label = name or ufunc.__name__
    if any([p is None for p in partials]) or len(partials) > 2:
        rules = tuple([_rule(p) for p in partials])
        op = apart(
            label, "special", lambda: declare.general(label, ufunc, rules, rules, broadcasts=True, elementwise=True)
        )
    else:
        op = apart(label, "special", lambda: declare.elementwise(None, *map(_rule, partials), name=label, call=ufunc))
    return _register(ufunc, op, label, partials, real)


def several(ufunc: Any, *partials: Partial | None, real: bool = False) -> Any:
    """Declare a ufunc with several results: each partial `(zs, x, ...)` gives a tuple, one for each result."""
    label = ufunc.__name__
    pulls = [_pull_several(p, i) if p else _nothing for i, p in enumerate(partials)]
    pushes = [_push_several(p) if p else _nothing for p in partials]
    op = apart(label, "special", lambda: declare.several(label, ufunc, pulls, pushes))
    return _register(ufunc, op, label, partials, real)


def internal(name: str, function: Any, *partials: Partial | None) -> Any:
    """Declare a function that derivatives need and SciPy lacks; its other arguments are keywords."""
    rules = tuple([_rule(p) for p in partials])
    return apart(
        name, "special", lambda: declare.general(name, function, rules, rules, broadcasts=True, elementwise=True)
    )


def inverse(ufunc: Any, of: Any, places: tuple[Any, ...], value: int, within: Any = None) -> Any:
    """Declare the inverse of a function by the implicit function theorem.

    Args:
        of: the function f, declared already.
        places: f's arguments: "z" for the inverse's result, an integer for one of the inverse's arguments.
        value: which of the inverse's arguments is the value of f.
        within: the bounds of SciPy's search; a result there solves nothing, and its derivative is 0.
    """
    outer = PARTIALS[of]

    def partial(i: int) -> Partial | None:
        slope = outer[places.index("z")]
        other = None if i == value else outer[places.index(i)]
        if slope is None or (i != value and other is None):
            return None

        def derivative(z: Any, *xs: Any) -> Any:
            arguments = [z if p == "z" else xs[p] for p in places]
            d = slope(xs[value], *arguments)
            t = 1 / d if other is None else -other(xs[value], *arguments) / d
            return t if within is None else np.where((z > within[0]) & (z < within[1]), t, 0)

        return _named(derivative, ["z", *[f"x{k}" for k in range(ufunc.nin)]])

    return special(ufunc, *[partial(i) for i in range(ufunc.nin)])


# ---- rules from partials ------------------------------------------------------------------------------------


def _named(function: Any, names: list[str]) -> Any:
    """The function with parameters of these names, from which `declare` reads what to save."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])
    return function


def _nothing(_g: Any, _z: Any, *_xs: Any) -> Any:
    raise AssertionError("a rule of an argument that is refused when it is tracked")


def _rule(partial: Partial | None) -> Any:
    if partial is None:
        return _nothing

    parameters = inspect.signature(partial).parameters.values()
    names = ", ".join([p.name for p in parameters if p.kind is not p.KEYWORD_ONLY])
    # the engine reads from the rule's own parameters what to save
    return eval(f"lambda g, {names}, **kwargs: g * partial({names}, **kwargs)", {"partial": partial})


def _pull_several(partial: Partial, place: int) -> Any:
    def pull(gs: Any, zs: Any, *xs: Any) -> Any:
        x = xs[place]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = sum([_times(g, np.conj(d)) for g, d in zip(gs, partial(zs, *xs), strict=True)])
        return unbroadcast(np.real(t) if x.dtype.kind != "c" and t.dtype.kind == "c" else t, x.shape)

    return pull


def _push_several(partial: Partial) -> Any:
    def push(t: Any, zs: Any, *xs: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return tuple([_times(t, d) for d in partial(zs, *xs)])

    return push


def _times(g: Any, d: Any) -> Any:
    """g d, and 0 where g is 0: another result's derivative may be infinite there."""
    t = g * d
    return zero_stays_zero(lambda g, _z, d: g * d, g, (None, d), (), {}) if has_nan(t) else t


_NO_FORM = "there is no closed form in terms of existing functions"

# ---- what stands for a ufunc on Variables -------------------------------------------------------------------


def _register(ufunc: Any, op: Any, label: str, partials: tuple[Any, ...], real: bool) -> Any:
    refused = [i for i, p in enumerate(partials) if p is None]
    call = op if not refused and not (real and "D" in "".join(ufunc.types)) else _checked(op, ufunc, refused, real)
    if ufunc not in RULES:
        RULES[ufunc] = call
        PARTIALS[ufunc] = partials
    return call


def _checked(op: Any, ufunc: Any, refused: list[int], real: bool) -> Any:
    """op, refusing the arguments that have no derivative at the call, not in backward."""
    name = op.__name__

    def call(*xs: Any) -> Any:
        if recording() is not False:
            for i, x in enumerate(xs):
                if not isinstance(x, Variable) or x._node is None:
                    continue
                if i in refused:
                    why = "SciPy's values are unreliable" if "_rad2" in name else _NO_FORM
                    raise NotImplementedError(
                        f"scipy.special.{name}: no derivative with respect to {argument_name(ufunc, i)}: {why}; pass "
                        "that argument as a constant (its .data)"
                    )
                if real and x.dtype.kind == "c":
                    raise NotImplementedError(
                        f"scipy.special.{name}: not holomorphic in a complex {argument_name(ufunc, i)}; use the "
                        "function without the exponential factor"
                    )
        return op(*xs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = "wengert.scipy.special"
    call.__doc__ = op.__doc__
    call.node = op.node  # type: ignore[attr-defined]
    return call


def argument_name(ufunc: Any, i: int) -> str:
    """The name that SciPy's documentation gives to argument i."""
    for found in re.findall(rf"{ufunc.__name__}\(([^)]*)", ufunc.__doc__ or ""):
        names = [n.strip() for n in found.split(",")]
        if len(names) > ufunc.nin and not names[0].startswith("x1"):
            return names[i]
    return f"argument {i + 1}"


def refuse_rest() -> None:
    """Give every other ufunc of scipy.special its value on constants, and a refusal of tracked arguments."""
    for module in (sp, sp._ufuncs):
        for ufunc in vars(module).values():
            if isinstance(ufunc, np.ufunc) and ufunc not in RULES and ufunc not in declare.CONSTANT:
                declared = special if ufunc.nout == 1 else several
                declared(ufunc, *[None] * ufunc.nin)
