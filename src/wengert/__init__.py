"""Define-by-run automatic differentiation for NumPy.

Write ordinary NumPy on `Variable`s; the run itself links every value to the Function that made it, and derivatives of
any order flow back (`y.backward()`, `grad`) or forward (`jvp`) along those links.
"""

from importlib import import_module
from typing import Any

import numpy

from . import methods as methods  # attaches what a Variable can do
from . import rules as rules
from .declare import CONSTANT, FUNCTIONS, UFUNCS
from .function import Function as Function
from .functions import (
    Abs as Abs,
)
from .functions import (
    Add as Add,
)
from .functions import (
    Arccos as Arccos,
)
from .functions import (
    Arccosh as Arccosh,
)
from .functions import (
    Arcsin as Arcsin,
)
from .functions import (
    Arcsinh as Arcsinh,
)
from .functions import (
    Arctan as Arctan,
)
from .functions import (
    Arctan2 as Arctan2,
)
from .functions import (
    Arctanh as Arctanh,
)
from .functions import (
    BroadcastTo as BroadcastTo,
)
from .functions import (
    Cbrt as Cbrt,
)
from .functions import (
    Conjugate as Conjugate,
)
from .functions import (
    Cos as Cos,
)
from .functions import (
    Cosh as Cosh,
)
from .functions import (
    Divide as Divide,
)
from .functions import (
    Dot as Dot,
)
from .functions import (
    Exp as Exp,
)
from .functions import (
    Exp2 as Exp2,
)
from .functions import (
    Expm1 as Expm1,
)
from .functions import (
    Hypot as Hypot,
)
from .functions import (
    Log as Log,
)
from .functions import (
    Log1p as Log1p,
)
from .functions import (
    Log2 as Log2,
)
from .functions import (
    Log10 as Log10,
)
from .functions import (
    Logaddexp as Logaddexp,
)
from .functions import (
    Matmul as Matmul,
)
from .functions import (
    Max as Max,
)
from .functions import (
    Maximum as Maximum,
)
from .functions import (
    Mean as Mean,
)
from .functions import (
    Min as Min,
)
from .functions import (
    Minimum as Minimum,
)
from .functions import (
    Multiply as Multiply,
)
from .functions import (
    Negative as Negative,
)
from .functions import (
    Power as Power,
)
from .functions import (
    Prod as Prod,
)
from .functions import (
    Reciprocal as Reciprocal,
)
from .functions import (
    Relu as Relu,
)
from .functions import (
    Reshape as Reshape,
)
from .functions import (
    Sigmoid as Sigmoid,
)
from .functions import (
    Sign as Sign,
)
from .functions import (
    Sin as Sin,
)
from .functions import (
    Sinh as Sinh,
)
from .functions import (
    Sqrt as Sqrt,
)
from .functions import (
    Square as Square,
)
from .functions import (
    Squeeze as Squeeze,
)
from .functions import (
    Std as Std,
)
from .functions import (
    Subtract as Subtract,
)
from .functions import (
    Sum as Sum,
)
from .functions import (
    Swapaxes as Swapaxes,
)
from .functions import (
    Tan as Tan,
)
from .functions import (
    Tanh as Tanh,
)
from .functions import (
    Transpose as Transpose,
)
from .functions import (
    Var as Var,
)
from .numeric import GradientError as GradientError
from .numeric import check_grads as check_grads
from .numeric import numerical_diff as numerical_diff
from .observe import Tape as Tape
from .observe import debug as debug
from .recording import Recorder as Recorder
from .recording import no_grad as no_grad
from .rules.elementwise import (
    absolute as absolute,
)
from .rules.elementwise import (
    add as add,
)
from .rules.elementwise import (
    angle as angle,
)
from .rules.elementwise import (
    arccos as arccos,
)
from .rules.elementwise import (
    arccosh as arccosh,
)
from .rules.elementwise import (
    arcsin as arcsin,
)
from .rules.elementwise import (
    arcsinh as arcsinh,
)
from .rules.elementwise import (
    arctan as arctan,
)
from .rules.elementwise import (
    arctan2 as arctan2,
)
from .rules.elementwise import (
    arctanh as arctanh,
)
from .rules.elementwise import (
    cbrt as cbrt,
)
from .rules.elementwise import (
    conjugate as conjugate,
)
from .rules.elementwise import (
    cos as cos,
)
from .rules.elementwise import (
    cosh as cosh,
)
from .rules.elementwise import (
    deg2rad as deg2rad,
)
from .rules.elementwise import (
    divide as divide,
)
from .rules.elementwise import (
    exp as exp,
)
from .rules.elementwise import (
    exp2 as exp2,
)
from .rules.elementwise import (
    expm1 as expm1,
)
from .rules.elementwise import (
    fabs as fabs,
)
from .rules.elementwise import (
    float_power as float_power,
)
from .rules.elementwise import (
    fmod as fmod,
)
from .rules.elementwise import (
    hypot as hypot,
)
from .rules.elementwise import (
    imag as imag,
)
from .rules.elementwise import (
    log as log,
)
from .rules.elementwise import (
    log1p as log1p,
)
from .rules.elementwise import (
    log2 as log2,
)
from .rules.elementwise import (
    log10 as log10,
)
from .rules.elementwise import (
    logaddexp as logaddexp,
)
from .rules.elementwise import (
    logaddexp2 as logaddexp2,
)
from .rules.elementwise import (
    multiply as multiply,
)
from .rules.elementwise import (
    negative as negative,
)
from .rules.elementwise import (
    positive as positive,
)
from .rules.elementwise import (
    power as power,
)
from .rules.elementwise import (
    rad2deg as rad2deg,
)
from .rules.elementwise import (
    real as real,
)
from .rules.elementwise import (
    reciprocal as reciprocal,
)
from .rules.elementwise import (
    relu as relu,
)
from .rules.elementwise import (
    remainder as remainder,
)
from .rules.elementwise import (
    sigmoid as sigmoid,
)
from .rules.elementwise import (
    sign as sign,
)
from .rules.elementwise import (
    sin as sin,
)
from .rules.elementwise import (
    sinh as sinh,
)
from .rules.elementwise import (
    sqrt as sqrt,
)
from .rules.elementwise import (
    square as square,
)
from .rules.elementwise import (
    subtract as subtract,
)
from .rules.elementwise import (
    tan as tan,
)
from .rules.elementwise import (
    tanh as tanh,
)
from .rules.linalg import (
    dot as dot,
)
from .rules.linalg import (
    einsum as einsum,
)
from .rules.linalg import (
    matmul as matmul,
)
from .rules.linalg import (
    tensordot as tensordot,
)
from .rules.reductions import (
    max as max,
)
from .rules.reductions import (
    mean as mean,
)
from .rules.reductions import (
    min as min,
)
from .rules.reductions import (
    prod as prod,
)
from .rules.reductions import (
    std as std,
)
from .rules.reductions import (
    sum as sum,
)
from .rules.reductions import (
    var as var,
)
from .rules.selection import (
    clip as clip,
)
from .rules.selection import (
    fmax as fmax,
)
from .rules.selection import (
    fmin as fmin,
)
from .rules.selection import (
    maximum as maximum,
)
from .rules.selection import (
    minimum as minimum,
)
from .rules.selection import (
    where as where,
)
from .rules.shaping import (
    array as array,
)
from .rules.shaping import (
    astype as astype,
)
from .rules.shaping import (
    broadcast_to as broadcast_to,
)
from .rules.shaping import (
    concatenate as concatenate,
)
from .rules.shaping import (
    copy as copy,
)
from .rules.shaping import (
    expand_dims as expand_dims,
)
from .rules.shaping import (
    moveaxis as moveaxis,
)
from .rules.shaping import (
    ravel as ravel,
)
from .rules.shaping import (
    reshape as reshape,
)
from .rules.shaping import (
    squeeze as squeeze,
)
from .rules.shaping import (
    stack as stack,
)
from .rules.shaping import (
    swapaxes as swapaxes,
)
from .rules.shaping import (
    transpose as transpose,
)
from .transforms import elementwise_grad as elementwise_grad
from .transforms import grad as grad
from .transforms import jvp as jvp
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp
from .variable import Variable as Variable

abs = absolute  # NumPy's second names
degrees, radians, conj = rad2deg, deg2rad, conjugate
mod, true_divide, pow = remainder, divide, power
amax, amin, permute_dims, concat = max, min, transpose, concatenate

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The less common functions of NumPy, declared when first asked for, and the namespaces linalg, fft and so on."""
    if name in ("fft", "linalg", "polynomial", "scipy"):
        return import_module(f"{__name__}.{name}")
    function = getattr(numpy, name, None)
    if name[:1] != "_" and callable(function) and not isinstance(function, type):
        rules.load()
        known = UFUNCS.get(function) or FUNCTIONS.get(function) or (function if function in CONSTANT else None)
        if known is not None:
            return known
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
