"""Products of matrices, by NumPy's own BLAS, called from native code."""

from __future__ import annotations

import ctypes
import glob
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .program import Node
from .views import View, reshaped

# (function, m, n, k, a, lda, ta, b, ldb, tb, c, ldc, bytes between batches of a, b, c) for each batch lo ... hi - 1
_WRAPPER = """
define void @wg_gemm_{t}(ptr %args, i64 %lo, i64 %hi) {{
entry:
 {loads}
 %f = inttoptr i64 %w0 to ptr
 %ta = trunc i64 %w6 to i32
 %tb = trunc i64 %w9 to i32
 br label %head
head:
 %i = phi i64 [%lo, %entry], [%i1, %body]
 %go = icmp slt i64 %i, %hi
 br i1 %go, label %body, label %out
body:
 %oa = mul i64 %i, %w12
 %pa = add i64 %w4, %oa
 %a = inttoptr i64 %pa to ptr
 %ob = mul i64 %i, %w13
 %pb = add i64 %w7, %ob
 %b = inttoptr i64 %pb to ptr
 %oc = mul i64 %i, %w14
 %pc = add i64 %w10, %oc
 %c = inttoptr i64 %pc to ptr
 call void %f(i32 101, i32 %ta, i32 %tb, i64 %w1, i64 %w2, i64 %w3, {t} 1.0, ptr %a, i64 %w5, ptr %b, i64 %w8, {t} 0.0, ptr %c, i64 %w11)
 %i1 = add i64 %i, 1
 br label %head
out:
 ret void
}}
"""  # noqa: E501
_LOADS = "\n ".join([f"%q{i} = getelementptr i64, ptr %args, i64 {i}\n %w{i} = load i64, ptr %q{i}" for i in range(15)])
WRAPPERS = "".join([_WRAPPER.format(t=t, loads=_LOADS) for t in ("float", "double")])
NAMES = ("wg_gemm_float", "wg_gemm_double")


@cache
def blas() -> dict[str, int] | None:
    """The addresses of matrix products with 64-bit sizes in the library that NumPy uses, or None."""
    home = os.path.dirname(np.__file__)
    places = [os.path.join(os.path.dirname(home), "numpy.libs"), os.path.join(home, ".dylibs"), home + "/.libs"]
    for path in [p for place in places for p in sorted(glob.glob(os.path.join(place, "*openblas*")))]:
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for form in ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_"):
            try:
                functions = [getattr(library, form.format(c)) for c in "sd"]
            except AttributeError:
                continue
            addresses = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in functions]
            return dict(zip(("f4", "f8"), addresses, strict=True))
    return None


class Operand(NamedTuple):
    """A matrix as BLAS takes it: the step between rows (or columns, if transposed), and between batches."""

    step: int
    transposed: bool
    batch: int


def operand(node: Node, view: View, batch: Sequence[int]) -> Operand | None:
    """How BLAS reads a matrix, broadcast over the axes before its last two; None if it can't."""
    rows, columns = node.shape[-2:]
    r, c = view.strides[-2:]
    strides = (0,) * (len(batch) + 2 - len(node.shape)) + tuple(
        [0 if n == 1 else s for n, s in zip(node.shape[:-2], view.strides[:-2], strict=True)]
    )
    size = int(np.prod(batch, dtype=np.int64))
    flat = reshaped(batch, strides, (size,))
    if flat is None:
        return None
    if (c == 1 or columns == 1) and (rows == 1 or r >= columns):
        return Operand(columns if rows == 1 else r, False, flat[0])
    if (r == 1 or rows == 1) and (columns == 1 or c >= rows):
        return Operand(rows if columns == 1 else c, True, flat[0])
    return None


def native(node: Node) -> bool:
    """Whether a product is one of BLAS."""
    t = node.dtype.str[1:]
    alike = all([x.dtype == node.dtype and x.size for x in node.inputs])
    return t in ("f4", "f8") and alike and node.size > 0 and blas() is not None and bool(node.dtype.isnative)


def arguments(node: Node, a: Operand, b: Operand, *pointers: Any) -> tuple[Any, ...]:
    """The words of a step, from pointers to the three matrices."""
    (m, n), k, size = node.shape[-2:], node.inputs[0].shape[-1], node.dtype.itemsize
    addresses = blas()
    assert addresses is not None
    return (
        addresses[node.dtype.str[1:]],
        *(m, n, k),
        *(pointers[0], a.step, 112 if a.transposed else 111),
        *(pointers[1], b.step, 112 if b.transposed else 111),
        *(pointers[2], n, a.batch * size, b.batch * size, m * n * size),
    )
