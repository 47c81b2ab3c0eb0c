"""`wengert coverage --special`: every public function of scipy.special, with its group and accuracy; and the other modules'.

What is differentiable is read from the rules; what is not a ufunc and not ours is listed here.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import scipy  # type: ignore[import-untyped]
import scipy.special as sp  # type: ignore[import-untyped]

from .. import declare
from . import special
from .special_accuracy import ROWS, UNMEASURED
from .special_declare import PARTIALS, argument_name

# their own code calls functions that a Variable overrides
THROUGH = {"h1vp", "h2vp", "ivp", "jvp", "kvp", "yvp", "assoc_laguerre", "sinc", "softplus"}

# their arguments are whole numbers and parameters: their results have no derivative
CONSTANT = {
    "bernoulli", "euler", "stirling2", "geterr", "seterr", "ellip_normal", "fresnel_zeros",
    "mathieu_even_coef", "mathieu_odd_coef", "obl_cv_seq", "pro_cv_seq", "chebyc", "chebys", "chebyt", "chebyu",
    "gegenbauer", "genlaguerre", "hermite", "hermitenorm", "jacobi", "laguerre", "legendre", "sh_chebyt", "sh_chebyu",
    "sh_jacobi", "sh_legendre", "jnjnp_zeros", "jnyn_zeros",
}  # fmt: skip

# and what to use instead
REFUSED = {
    "assoc_legendre_p": "lpmv", "assoc_legendre_p_all": "lpmv for each order", "legendre_p": "eval_legendre",
    "legendre_p_all": "eval_legendre for each order", "sph_legendre_p": "lpmv of cos(theta), times its norm",
    "sph_legendre_p_all": "lpmv of cos(theta), times its norm", "sph_harm_y": "lpmv of cos(theta), times exp(1j m phi) and its norm",
    "sph_harm_y_all": "lpmv of cos(theta), times exp(1j m phi) and its norm", "lqmn": "hyp2f1 (DLMF 14.3.7)",
    "lqn": "hyp2f1 (DLMF 14.3.7)", "riccati_jn": "z times spherical_jn for each order",
    "riccati_yn": "z times spherical_yn for each order", "lmbda": "jv, times gamma(v + 1) (2 / x)**v",
    "pbdv_seq": "pbdv for each order", "pbvv_seq": "pbvv for each order", "pbdn_seq": "pbdv for real arguments",
    "comb": "binom", "perm": "poch(N - k + 1, k)", "factorial": "gamma(n + 1)", "factorial2": "gamma, by its definition",
    "factorialk": "gamma, by its definition", "diric": "np.sin(n x / 2) / (n np.sin(x / 2))",
    "ellip_harm": "its value alone, on .data", "ellip_harm_2": "its value alone, on .data",
}  # fmt: skip


def names() -> dict[str, str]:
    """scipy.special's public functions."""
    found = {n: getattr(sp, n) for n in sp.__all__}
    return {n: f for n, f in sorted(found.items()) if callable(f) and not isinstance(f, type)}


def groups(name: str, function: Any) -> list[str]:
    """The groups that it is in: exactly one, if all is well."""
    if isinstance(function, np.ufunc):
        if function in declare.CONSTANT:
            return ["constant"]
        return ["differentiable" if any(PARTIALS.get(function, ())) else "refused"] if function in PARTIALS else []
    listed = (name in vars(special) or name in THROUGH, name in CONSTANT or _roots(name), name in REFUSED)
    return [g for g, there in zip(("differentiable", "constant", "refused"), listed, strict=True) if there]


def _roots(name: str) -> bool:
    """Zeros of functions, and nodes and weights of quadratures."""
    return name.endswith(("_zeros", "_roots")) or name.startswith("roots_")


# ---- the page -----------------------------------------------------------------------------------------------


def _interval(where: Any) -> str:
    if isinstance(where, list):
        return "{" + ", ".join(f"{v:g}" for v in where) + "}"
    return f"[{where[0]:g}, {where[1]:g}]"


def _table() -> list[str]:
    lines = ["| function | domain | bound of the error |", "|---|---|---|"]
    for row in ROWS:
        ufunc = getattr(sp, row.name)
        tracked = [i for i, p in enumerate(PARTIALS[ufunc]) if p is not None]
        arguments = [argument_name(ufunc, i) for i in range(ufunc.nin)]
        bounds = zip(tracked, row.bounds, strict=True)
        errors = ", ".join([f"{bound:.0e}" + (f" in {arguments[i]}" if ufunc.nin > 1 else "") for i, bound in bounds])
        domain = ", ".join([f"{a} in {_interval(w)}" for a, w in zip(arguments, row.domain, strict=True)])
        lines.append(f"| `{row.name}` | {domain} | {errors} |")
    return lines


def page() -> str:
    """docs/special.md."""
    version = ".".join(scipy.__version__.split(".")[:2])
    found = {
        g: [n for n, f in names().items() if groups(n, f) == [g]] for g in ("differentiable", "constant", "refused")
    }
    python = [n for n in found["differentiable"] if not isinstance(getattr(sp, n), np.ufunc)]
    partly = {
        n: [argument_name(f, i) for i, p in enumerate(PARTIALS[f]) if p is None]
        for n, f in names().items()
        if isinstance(f, np.ufunc) and n in found["differentiable"] and f in PARTIALS and None in PARTIALS[f]
    }
    refused = [n for n in found["refused"] if isinstance(getattr(sp, n), np.ufunc)]
    lines = [
        "# SciPy",
        "",
        f"What of SciPy {version} is differentiable, and how accurately. `python -m wengert coverage --special` writes this page;",
        "a test fails where it is out of date, where an error is larger than stated, and where a name is in no group.",
        "",
        "## scipy.special: accuracy of first derivatives",
        "",
        "For each differentiable argument x, over the stated domain, against mpmath in float64: the error",
        "|computed - exact| / (|exact| + |x d(exact)/dx|) is below the bound. That is the relative error, and near a zero of",
        "the derivative the relative change of x that explains the difference. Where a bound is far above 1e-14, SciPy's own",
        "values have that error.",
        "",
        *_table(),
        "",
        "Against finite differences alone (mpmath has no such functions): "
        + ", ".join(f"`{n}`" for n in UNMEASURED if hasattr(sp, n))
        + ".",
        "",
        "Second derivatives, in both modes, are compared with finite differences. Those of `gammainc`, `betainc` and the",
        "distributions made of them go to the third order in the shape parameters; `smirnov` and `smirnovi` have the first",
        "order only. `elliprj` of a negative p (a principal value) has derivative nan. Orders that are not whole: SciPy's own",
        "values of `eval_chebyt` and its like are wrong for large orders and x < 0, and the derivatives with them.",
        "",
        "## scipy.special: groups",
        "",
        f"**differentiable** ({len(found['differentiable'])}): the functions above, and "
        + ", ".join(f"`{n}`" for n in python)
        + ", which are no ufuncs: "
        + ", ".join(f"`{n}`" for n in python if n in THROUGH)
        + " work as they are, the others are taken from `wengert.scipy.special`.",
        "",
        "Arguments with no derivative in terms of existing functions; a call in which one of them is tracked is refused:",
        "",
        *[f"* `{n}`: {', '.join(arguments)}" for n, arguments in partly.items()],
        "",
        f"**constant** ({len(found['constant'])}): " + ", ".join(f"`{n}`" for n in found["constant"]) + ".",
        "",
        f"**refused** ({len(found['refused'])}): "
        + ", ".join(f"`{n}`" for n in refused)
        + " (no closed form, or unreliable values: pass .data), and",
        "",
        *[f"* `{n}`: use {REFUSED[n]}" for n in found["refused"] if n in REFUSED],
        "",
    ]
    for name in ("linalg", "signal", "ndimage"):
        ours = members(name)
        lines += [f"## scipy.{name}", "", f"**differentiable** ({len(ours)}), by `wengert.scipy.{name}`: "]
        lines[-1] += ", ".join(f"`{n}`" for n in ours) + "."
        lines += [
            "",
            f"`scipy.{name}`'s own functions raise `TypeError` for a tracked Variable and say what to use.",
            "",
        ]
    lines.pop()
    return "\n".join(lines) + "\n"


def members(name: str) -> list[str]:
    """The functions of scipy.linalg, signal or ndimage that have a rule."""
    theirs, ours = importlib.import_module(f"scipy.{name}"), importlib.import_module(f".{name}", __package__)
    return sorted([n for n in theirs.__all__ if n in vars(ours) and callable(vars(ours)[n])])
