"""Calls of a program that have kernels."""

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")

from wengert.compile import machine, neural, steps
from wengert.compile.program import Call, Place, Program, evaluate
from wengert.nn import convolve, pooling
from wengert.nn.convolve import Geometry

GEOMETRY = Geometry((2, 1), ((1, 1), (0, 2)), (1, 1), 1)
HALVES = Geometry((2, 2), ((0, 0), (0, 0)), (1, 1), 1)


def calls():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 8, 9)), rng.standard_normal((5, 3, 3, 2))
    g, h = rng.standard_normal((2, 5, 4, 10)), rng.standard_normal((2, 3, 4, 4))
    two = Place(0), Place(1)
    return [
        (convolve.convolve, two, {"geometry": GEOMETRY}, (x, w)),
        (convolve.convolve_transposed, two, {"places": (8, 9), "geometry": GEOMETRY}, (g, w)),
        (convolve.convolve_kernel, two, {"kernel": (3, 2), "geometry": GEOMETRY}, (x, g)),
        (pooling._largest, (Place(0), (2, 2), HALVES), {}, (x,)),
        (pooling._scattered, (*two, (2, 2), HALVES), {}, (h, x)),
    ]


def call_node(function, args, kwargs, arrays, dtype=np.float64):
    program, arrays = Program(), [a.astype(dtype) for a in arrays]
    inputs = [program.input(a.shape, a.dtype) for a in arrays]
    call = Call(function, args, kwargs)
    z = call(arrays)
    return program.add("call", inputs, call, z.shape, z.dtype), arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", range(5))
def test_a_call_is_native(k, dtype):
    node, arrays = call_node(*calls()[k], dtype)
    found = neural.native(node, machine.host())
    given = {name: np.ascontiguousarray(arrays[x.index]) for name, x in found.arrays.items()}
    z = np.empty(node.shape, node.dtype)
    steps.Native(found.emit, machine.host())({**given, "result": z})
    np.testing.assert_allclose(z, evaluate(node, arrays), atol=1e-5)


def test_others_are_not():
    function, args, kwargs, arrays = calls()[0]
    assert neural.native(call_node(np.add, args, {}, [arrays[0], arrays[0]])[0], machine.host()) is None
    assert neural.native(call_node(function, args, kwargs, arrays, complex)[0], machine.host()) is None
    empty = [arrays[0][:0], arrays[1]]
    assert neural.native(call_node(function, args, kwargs, empty)[0], machine.host()) is None
