"""Bad input gets a sentence with the function, the argument and what to do."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

V3 = Variable(np.ones(3))

MESSAGES = [
    # shapes
    (lambda: V3 + Variable(np.ones(2)), ValueError,
     r"^add: operands could not be broadcast together with shapes \(3,\) \(2,\) \(argument 1 has shape \(3,\), argument 2 "
     r"has shape \(2,\)\): make trailing axes equal or 1 \(reshape, expand_dims, \.T\)$"),
    (lambda: np.power(V3, np.ones((2, 2))), ValueError, r"^power: .*argument 2 has shape \(2, 2\)"),
    (lambda: V3 @ np.ones((2, 2)), ValueError, r"^matmul: Input operand 1 has a mismatch.*argument 1 has shape \(3,\)"),
    (lambda: V3.reshape(2, 2), ValueError, r"^reshape: cannot reshape array of size 3 into shape \(2,2\)"),
    (lambda: np.concatenate([V3, np.ones((2, 2))]), ValueError, r"^concatenate: .*argument 2 has shape \(2, 2\)"),
    (lambda: np.stack([V3, np.ones(2)]), ValueError, r"^stack: all arrays need one shape, got \[\(2,\), \(3,\)\]"),
    (lambda: np.concatenate([Variable(1.0), V3]), ValueError, "concatenate: arrays without axes.*np.stack"),
    (lambda: np.einsum("ij,jk", V3), ValueError, "einsum: 2 terms in 'ij,jk' for 1 operands"),
    (lambda: np.sum(V3, axis=3), np.exceptions.AxisError, "axis 3 is out of bounds"),
    (lambda: V3[7], IndexError, "index 7 is out of bounds"),
    # dtypes and objects
    (lambda: V3 + None, TypeError, r"^add: argument 2: expected numbers, got NoneType"),
    (lambda: V3 * "text", TypeError, r"^multiply: argument 2: expected numbers, got str"),
    (lambda: V3 + object(), TypeError, r"^add: .*argument 2 has dtype object\): convert with \.astype\(float\)$"),
    (lambda: np.sin(Variable(np.array([None, 1.0], object))), TypeError, r"^sin: .*argument 1 has dtype object"),
    (lambda: np.arctan2(V3, 1j), TypeError, r"^arctan2: .*argument 2 has dtype complex128"),
    (lambda: Variable(None), TypeError, "data: expected numbers, got NoneType"),
    (lambda: Variable("text"), TypeError, "data: expected numbers, got str"),
    (lambda: Variable(np.array("2020-01-01", "M8[D]")), TypeError, "datetime64"),
    (lambda: Variable(V3), TypeError, r"data is a Variable already; use \.detach\(\) or \.data"),
    (lambda: Variable([[1.0], [1.0, 2.0]]), TypeError, "data: NumPy makes no array of this list"),
    (lambda: Variable([V3, V3]), TypeError, r"wg\.array"),
    # constants
    (lambda: Variable(3).backward(), RuntimeError,
     r"^backward: Variable of int64 \(\) is a constant: integers and booleans have no derivative; use \.astype\(float\)$"),
    (lambda: (V3.detach() * 2).backward(), RuntimeError, "is a constant: nothing it was computed from is tracked"),
    # gradients set by hand
    (lambda: setattr(Variable(np.ones(3), "w"), "grad", np.ones(2)), ValueError,
     r"^grad: expected shape \(3,\), the shape of the value; got \(2,\)$"),
    (lambda: setattr(Variable(np.ones(3)), "grad", np.ones(3) * 1j), TypeError,
     "^grad: expected dtype float64, the dtype of the value; got complex128$"),
    (lambda: setattr(Variable(np.ones(3)), "grad", "text"), TypeError, "^grad: expected numbers, got str"),
    (lambda: setattr(Variable(3), "grad", 1.0), TypeError, "^grad: Variable of int64.*is not tracked"),
    # integers where a gradient is asked for
    (lambda: wg.grad(np.sin)(3), TypeError,
     r"^grad: argument 0 is int64, which has no derivative; make it floating-point \(1\.0 for 1, or \.astype\(float\)\)"),
    # functions and arguments without a rule
    (lambda: np.packbits(V3), TypeError, r"^np\.packbits has no derivative rule; "),
    (lambda: np.save("file", V3), TypeError, r"^np\.save has no derivative rule; "),
    (lambda: np.strings.upper(V3), TypeError, "upper"),
    (lambda: np.power.reduce(V3), TypeError, r"^np\.power\.reduce: .*memory layout.*functools\.reduce"),
    (lambda: np.sum(V3, where=V3), TypeError, r"^sum: where= is a tracked Variable of float64 \(3,\), .*pass its \.data"),
    (lambda: np.cumsum(V3, out=np.ones(3)), TypeError, "^cumsum: out="),
    (lambda: np.sum(V3, bogus=1), TypeError, "sum.*bogus"),
    (lambda: np.sin(V3, out=np.ones(3)), TypeError, r"^np\.sin: out= would write.*`a = a \+ v`"),
    (lambda: np.sin(V3, where=np.array([True, False, True])), TypeError, r"^np\.sin: where= has no derivative rule"),
    (lambda: np.concatenate([V3], out=np.ones(3)), TypeError, "^concatenate: out="),
    # leaving the graph
    (lambda: float(Variable(1.0)), TypeError, r"^float\(\) of a tracked Variable would lose its graph\. Use \.item\(\)"),
    (lambda: np.asarray(V3), TypeError, r"lose its graph\. Use wg\.array.*\.data or \.detach\(\)"),
    (lambda: [1, 2][Variable(1.0)], TypeError, "cannot be an index"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES, ids=range(len(MESSAGES)))
def test_message(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_value_that_was_not_kept_says_how_to_keep_it():
    y = Variable(1.0) * 2.0 + 1.0
    (middle,) = y.creator.inputs
    with pytest.raises(RuntimeError, match=r"Keep the Variable itself, or record the computation under wg\.Tape"):
        middle.data  # noqa: B018
    assert repr(middle) == "Variable(<value not kept>)"
    assert type(middle.creator).__name__ == "Multiply"
