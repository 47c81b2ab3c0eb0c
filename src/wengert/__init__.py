"""Define-by-run automatic differentiation for NumPy.

Write ordinary NumPy on `Variable`s; the run itself links every value to the Function that made it, and derivatives of
any order flow back (`y.backward()`, `grad`) or forward (`jvp`) along those links.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy

from . import (
    methods as methods,  # attaches what a Variable can do
    rules as rules,
)
from .declare import CONSTANT, FUNCTIONS, UFUNCS
from .function import Function as Function
from .functions import (
    Abs as Abs,
    Add as Add,
    Arccos as Arccos,
    Arccosh as Arccosh,
    Arcsin as Arcsin,
    Arcsinh as Arcsinh,
    Arctan as Arctan,
    Arctan2 as Arctan2,
    Arctanh as Arctanh,
    BroadcastTo as BroadcastTo,
    Cbrt as Cbrt,
    Conjugate as Conjugate,
    Cos as Cos,
    Cosh as Cosh,
    Divide as Divide,
    Dot as Dot,
    Exp as Exp,
    Exp2 as Exp2,
    Expm1 as Expm1,
    Hypot as Hypot,
    Log as Log,
    Log1p as Log1p,
    Log2 as Log2,
    Log10 as Log10,
    Logaddexp as Logaddexp,
    Matmul as Matmul,
    Max as Max,
    Maximum as Maximum,
    Mean as Mean,
    Min as Min,
    Minimum as Minimum,
    Multiply as Multiply,
    Negative as Negative,
    Power as Power,
    Prod as Prod,
    Reciprocal as Reciprocal,
    Relu as Relu,
    Reshape as Reshape,
    Sigmoid as Sigmoid,
    Sign as Sign,
    Sin as Sin,
    Sinh as Sinh,
    Sqrt as Sqrt,
    Square as Square,
    Squeeze as Squeeze,
    Std as Std,
    Subtract as Subtract,
    Sum as Sum,
    Swapaxes as Swapaxes,
    Tan as Tan,
    Tanh as Tanh,
    Transpose as Transpose,
    Var as Var,
)
from .recording import Recorder as Recorder, no_grad as no_grad
from .rules.elementwise import (
    absolute as absolute,
    add as add,
    angle as angle,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    cbrt as cbrt,
    conjugate as conjugate,
    cos as cos,
    cosh as cosh,
    deg2rad as deg2rad,
    divide as divide,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    fabs as fabs,
    float_power as float_power,
    fmod as fmod,
    hypot as hypot,
    imag as imag,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    logaddexp as logaddexp,
    logaddexp2 as logaddexp2,
    multiply as multiply,
    negative as negative,
    positive as positive,
    power as power,
    rad2deg as rad2deg,
    real as real,
    reciprocal as reciprocal,
    relu as relu,
    remainder as remainder,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    sinh as sinh,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    tan as tan,
    tanh as tanh,
)
from .rules.linalg import (
    dot as dot,
    einsum as einsum,
    matmul as matmul,
    tensordot as tensordot,
)
from .rules.reductions import (
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    std as std,
    sum as sum,
    var as var,
)
from .rules.selection import (
    clip as clip,
    fmax as fmax,
    fmin as fmin,
    maximum as maximum,
    minimum as minimum,
    where as where,
)
from .rules.shaping import (
    array as array,
    astype as astype,
    broadcast_to as broadcast_to,
    concatenate as concatenate,
    copy as copy,
    expand_dims as expand_dims,
    moveaxis as moveaxis,
    ravel as ravel,
    reshape as reshape,
    squeeze as squeeze,
    stack as stack,
    swapaxes as swapaxes,
    transpose as transpose,
)
from .variable import Variable as Variable

if TYPE_CHECKING:  # imported when first used
    from . import (
        compile as compile,
        data as data,
        fft as fft,
        implicit as implicit,
        linalg as linalg,
        nn as nn,
        optim as optim,
        polynomial as polynomial,
        random as random,
        train as train,
        tree as tree,
    )
    from .batching.vmap import vmap as vmap
    from .custom import custom_rule as custom_rule
    from .interpolate import CubicSpline as CubicSpline
    from .jacobians import (
        divergence as divergence,
        ggnvp as ggnvp,
        hessian as hessian,
        hvp as hvp,
        jacfwd as jacfwd,
        jacobian as jacobian,
        jacrev as jacrev,
        laplacian as laplacian,
    )
    from .numeric import GradientError as GradientError, check_grads as check_grads, numerical_diff as numerical_diff
    from .observe import Tape as Tape, debug as debug
    from .ode import solve_ivp as solve_ivp
    from .optimize import curve_fit as curve_fit, least_squares as least_squares, minimize as minimize
    from .quadrature import fixed_quad as fixed_quad, quad as quad
    from .recompute import checkpoint as checkpoint
    from .series import taylor as taylor
    from .transforms import (
        elementwise_grad as elementwise_grad,
        grad as grad,
        jvp as jvp,
        linearize as linearize,
        value_and_grad as value_and_grad,
        vjp as vjp,
    )
    from .vectorizing import vectorize as vectorize
    from .view import (
        name_scope as name_scope,
        print_graph as print_graph,
        to_dot as to_dot,
        to_mermaid as to_mermaid,
        to_png as to_png,
        to_svg as to_svg,
        view as view,
    )
    from .view.profile import profile as profile


abs = absolute  # NumPy's second names
degrees, radians, conj = rad2deg, deg2rad, conjugate
mod, true_divide, pow = remainder, divide, power
amax, amin, permute_dims, concat = max, min, transpose, concatenate

__version__ = "0.1.0"

_NAMESPACES = (
    *("compile", "data", "fft", "implicit", "linalg", "nn"),
    *("optim", "polynomial", "random", "scipy", "train", "tree"),
)
_LATER = {  # module: what is taken from it when first asked for
    "batching.vmap": ("vmap",),
    "recompute": ("checkpoint",),
    "custom": ("custom_rule",),
    "interpolate": ("CubicSpline",),
    "jacobians": ("divergence", "ggnvp", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "laplacian"),
    "ode": ("solve_ivp",),
    "numeric": ("GradientError", "check_grads", "numerical_diff"),
    "observe": ("Tape", "debug"),
    "optimize": ("curve_fit", "least_squares", "minimize"),
    "quadrature": ("fixed_quad", "quad"),
    "series": ("taylor",),
    "transforms": ("elementwise_grad", "grad", "jvp", "linearize", "value_and_grad", "vjp"),
    "vectorizing": ("vectorize",),
    "view": ("name_scope", "print_graph", "profile", "to_dot", "to_mermaid", "to_png", "to_svg", "view"),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    """What is loaded when first asked for: namespaces, solvers, and the less common functions of NumPy."""
    if name in _NAMESPACES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found
    function = getattr(numpy, name, None)
    if name[:1] != "_" and callable(function) and not isinstance(function, type):
        rules.load()
        known = UFUNCS.get(function) or FUNCTIONS.get(function) or (function if function in CONSTANT else None)
        if known is not None:
            return known
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMESPACES, *_HOMES})
