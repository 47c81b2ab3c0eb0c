"""`scipy.special` for arrays and Variables, by SciPy's names.

Its ufuncs are differentiable where their derivative has a closed form in terms of existing functions, or, for the shape
parameters of incomplete gamma and beta functions, is computed by quadrature; a call in which any other argument is
tracked raises NotImplementedError that names it. `scipy.special.gammaln(x)` does the same as
`wengert.scipy.special.gammaln(x)`; the functions that are no ufuncs (`logsumexp`, `softmax`, `polygamma`, ...) have to be
taken from here.

docs/special.md states the accuracy of each, and what is refused. smirnov and smirnovi have a first derivative only. At an
inverse's bound (k = 0 of bdtrik, nbdtrik, pdtrik) the derivative is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import declare
from . import (  # noqa: F401  importing them declares their rules
    special_bessel,
    special_distributions,
    special_elementary,
    special_elliptic,
    special_erf,
    special_gamma,
    special_incomplete,
    special_series,
)
from .special_bessel import spherical_in, spherical_jn, spherical_kn, spherical_yn
from .special_declare import RULES, refuse_rest, sp
from .special_gamma import multigammaln, polygamma
from .special_reductions import log_softmax, logsumexp, softmax
from .special_series import lambertw

FUNCTIONS = (
    log_softmax, logsumexp, softmax, lambertw, multigammaln, polygamma, spherical_in, spherical_jn, spherical_kn,
    spherical_yn,
)  # fmt: skip

refuse_rest()
declare.UFUNCS.update(RULES)


def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """`scipy.special.zeta` for arrays and Variables. Differentiable in q."""
    if out is not None:
        raise TypeError("zeta: out= would write a tracked result into a plain array; leave it out")
    return RULES[sp._ufuncs._riemann_zeta](x) if q is None else RULES[sp._ufuncs._zeta](x, q)


def __getattr__(name: str) -> Any:
    function = getattr(sp, name)
    if isinstance(function, np.ufunc):
        return RULES.get(function, function)  # the steps `round` and `gammasgn` as they are
    raise AttributeError(f"wengert.scipy.special.{name}: not differentiable; use scipy.special.{name} on .data")


def __dir__() -> list[str]:
    return sorted([*globals(), *[name for name in dir(sp) if isinstance(getattr(sp, name), np.ufunc)]])
