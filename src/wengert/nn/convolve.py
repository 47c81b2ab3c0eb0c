"""Convolutions over any number of axes, and their two transposes. Data are
(batch, channels, *places).

What is called convolution here is, as everywhere in the field, a correlation: z[o, i] = sum_ck w[o, c, k] x[c, i + k].
Three operations, linear in each of their two arrays, are each other's derivatives: `convolution(x, w)`,
`convolution_transposed(g, w)`, which gives what has x's shape, and `convolution_kernel(x, g)`, which gives
what has w's.

Each works on a block of the batch at a time: the windows of the block are copied into a buffer that stays in the cache
(im2col; Chellapilla, Puri and Simard, 2006), and one product of matrices for each image does the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from ..declare import general
from ..operation import spread
from ..variable import data_of

CACHE = 1 << 19  # bytes of windows in a block
GATHER = 2  # adding up what meets in one place takes so many times as long as copying as much

Pairs = tuple[tuple[int, int], ...]


class Geometry(NamedTuple):
    """How a kernel goes over places, one entry for each axis."""

    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int

    def outputs(self, places: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """The number of places of the result."""
        rows = zip(places, kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple([(n + before + after - d * (k - 1) - 1) // s + 1 for n, k, s, (before, after), d in rows])

    def padded(self, places: Sequence[int]) -> tuple[int, ...]:
        """The number of places with the padding."""
        return tuple([n + before + after for n, (before, after) in zip(places, self.padding, strict=True)])


# ---- on arrays ----------------------------------------------------------------------------------------------


def _padded(x: ndarray, geometry: Geometry) -> ndarray:
    """x with zeros around its places."""
    if not any([before or after for before, after in geometry.padding]):
        return np.ascontiguousarray(x)
    z = np.zeros((*x.shape[:2], *geometry.padded(x.shape[2:])), x.dtype)
    z[_inside(x.shape[2:], geometry)] = x
    return z


def _inside(places: Sequence[int], geometry: Geometry) -> tuple[Any, ...]:
    """The index of what is not padding."""
    cuts = [slice(before, before + n) for n, (before, _) in zip(places, geometry.padding, strict=True)]
    return (..., *cuts)


def _windows(x: ndarray, kernel: Sequence[int], outputs: Sequence[int], geometry: Geometry) -> ndarray:
    """The windows of x, padded already, as a view: (batch, channels, *kernel, *outputs)."""
    steps = x.strides[2:]
    inner = [s * d for s, d in zip(steps, geometry.dilation, strict=True)]
    outer = [s * t for s, t in zip(steps, geometry.stride, strict=True)]
    return as_strided(x, (*x.shape[:2], *kernel, *outputs), (*x.strides[:2], *inner, *outer), writeable=False)


def _blocks(batch: int, bytes_each: int) -> Iterator[slice]:
    step = max(1, CACHE // max(bytes_each, 1))
    return (slice(i, min(i + step, batch)) for i in range(0, batch, step))


def _columns(x: ndarray, kernel: Sequence[int], outputs: Sequence[int], geometry: Geometry) -> Iterator[Any]:
    """For each block of the batch: its slice, and its windows as matrices (images, groups, inputs, places)."""
    batch, channels = x.shape[:2]
    rows, places = channels // geometry.groups * int(np.prod(kernel)), int(np.prod(outputs))
    views = _windows(_padded(x, geometry), kernel, outputs, geometry)
    buffer = None
    for block in _blocks(batch, geometry.groups * rows * places * x.itemsize):
        view = views[block]
        if buffer is None:
            buffer = np.empty(view.shape, x.dtype)
        part = buffer[: len(view)]
        part[...] = view
        yield block, part.reshape(len(view), geometry.groups, rows, places)


def _by_group(w: ndarray, groups: int) -> ndarray:
    """A kernel as a matrix for each group: (groups, outputs, inputs)."""
    return w.reshape(groups, w.shape[0] // groups, -1)


def convolve(x: Any, w: Any, b: Any = None, *, geometry: Geometry) -> ndarray:
    """The convolution of arrays, plus b for each output."""
    x, w, *bias = _alike(x, w) if b is None else _alike(x, w, b)
    outputs = geometry.outputs(x.shape[2:], w.shape[2:])
    places = int(np.prod(outputs))
    z = np.empty((x.shape[0], geometry.groups, w.shape[0] // geometry.groups, places), x.dtype)
    matrix = _by_group(w, geometry.groups)
    for block, columns in _columns(x, w.shape[2:], outputs, geometry):
        np.matmul(matrix, columns, out=z[block])
        if bias:
            z[block] += bias[0].reshape(geometry.groups, -1, 1)
    return z.reshape(x.shape[0], w.shape[0], *outputs)


def convolve_transposed(g: Any, w: Any, *, places: tuple[int, ...], geometry: Geometry) -> ndarray:
    """The transpose of `convolve` in x, for arrays: what flows back to an x with these places."""
    g, w = _alike(g, w)
    kernel, outputs, groups = w.shape[2:], g.shape[2:], geometry.groups
    batch, channels = g.shape[0], w.shape[1] * groups
    if (turned := _turned(geometry, kernel)) is not None and w.shape[0] <= GATHER * channels:
        return convolve(g, _turned_kernel(w, groups), geometry=turned)
    matrix = np.ascontiguousarray(_by_group(w, groups).transpose(0, 2, 1))
    g = g.reshape(batch, groups, w.shape[0] // groups, int(np.prod(outputs)))
    z = np.zeros((batch, channels, *geometry.padded(places)), g.dtype)
    each = channels * int(np.prod(kernel)) * int(np.prod(outputs)) * g.itemsize
    buffer = None
    for block in _blocks(batch, each):
        part, count = z[block], block.stop - block.start
        if buffer is None:
            buffer = np.empty((count, groups, matrix.shape[1], g.shape[3]), g.dtype)
        columns = np.matmul(matrix, g[block], out=buffer[:count])
        columns = columns.reshape(count, channels, *kernel, *outputs)
        for offset, index in _offsets(kernel, outputs, geometry):
            part[index] += columns[(slice(None), slice(None), *offset)]
    return z[_inside(places, geometry)]


def _turned(geometry: Geometry, kernel: Sequence[int]) -> Geometry | None:
    """The geometry of the convolution, with the kernel turned round, that the transpose is where the stride is 1."""
    reach = [d * (k - 1) for d, k in zip(geometry.dilation, kernel, strict=True)]
    padding = tuple([(r - before, r - after) for r, (before, after) in zip(reach, geometry.padding, strict=True)])
    if any([s != 1 for s in geometry.stride]) or any([min(pair) < 0 for pair in padding]):
        return None
    return geometry._replace(padding=padding)


def _turned_kernel(w: ndarray, groups: int) -> ndarray:
    """A kernel with each axis of places reversed, and inputs for outputs."""
    apart = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)
    turned = np.flip(apart, tuple(range(3, apart.ndim)))
    return turned.reshape(groups * apart.shape[1], apart.shape[2], *w.shape[2:])


def _offsets(kernel: Sequence[int], outputs: Sequence[int], geometry: Geometry) -> Iterator[tuple[Any, Any]]:
    """Each place of the kernel, and the index of the places that it meets, in the order of the outputs."""
    for offset in itertools.product(*map(range, kernel)):
        rows = zip(offset, outputs, geometry.stride, geometry.dilation, strict=True)
        yield offset, (..., *[slice(k * d, k * d + (n - 1) * s + 1, s) for k, n, s, d in rows])


def convolve_kernel(x: Any, g: Any, *, kernel: tuple[int, ...], geometry: Geometry) -> ndarray:
    """The transpose of `convolve` in w, for arrays: what flows back to a kernel of these sizes."""
    x, g = _alike(x, g)
    outputs, groups = g.shape[2:], geometry.groups
    rows, columns_of_z = x.shape[1] // groups * int(np.prod(kernel)), g.shape[1] // groups
    z = np.zeros((groups, rows, columns_of_z), x.dtype)
    g = g.reshape(g.shape[0], groups, columns_of_z, int(np.prod(outputs)))
    for block, columns in _columns(x, kernel, outputs, geometry):
        # BLAS is twice as fast when its second matrix is not a transposed one
        z += np.matmul(columns, np.ascontiguousarray(g[block].transpose(0, 1, 3, 2))).sum(0)
    return z.transpose(0, 2, 1).reshape(groups * columns_of_z, x.shape[1] // groups, *kernel)


def _alike(*arrays: Any) -> list[ndarray]:
    """All as ndarrays of one dtype (a batch under vmap is no ndarray: its examples then come one by one)."""
    found = [np.asarray(a) for a in arrays]
    dtype = np.result_type(*found)
    return [a.astype(dtype, copy=False) for a in found]


# ---- operations ---------------------------------------------------------------------------------------------
# Linear in each array: the push-forward puts the tangent in the array's place.

_convolution = general(
    "convolution",
    convolve,
    (
        lambda g, _z, x, w, *, geometry: _transposed(g, w, places=x.shape[2:], geometry=geometry),
        lambda g, _z, x, w, *, geometry: _kernel(x, g, kernel=w.shape[2:], geometry=geometry),
    ),
    (
        lambda t, _z, _x, w, *, geometry: _convolution(t, w, geometry=geometry),
        lambda t, _z, x, _w, *, geometry: _convolution(x, t, geometry=geometry),
    ),
)
_biased = general(
    "convolution_biased",
    convolve,
    (
        lambda g, _z, x, w, _b, *, geometry: _transposed(g, w, places=x.shape[2:], geometry=geometry),
        lambda g, _z, x, w, _b, *, geometry: _kernel(x, g, kernel=w.shape[2:], geometry=geometry),
        lambda g, _z, _x, _w, _b, *, geometry: g.sum((0, *range(2, g.ndim))),
    ),
    (
        lambda t, _z, _x, w, _b, *, geometry: _convolution(t, w, geometry=geometry),
        lambda t, _z, x, _w, _b, *, geometry: _convolution(x, t, geometry=geometry),
        lambda t, _z, x, w, _b, *, geometry: _everywhere(t, x.shape, w.shape, geometry),
    ),
)
_transposed = general(
    "convolution_transposed",
    convolve_transposed,
    (
        lambda h, _z, _g, w, *, places, geometry: _convolution(h, w, geometry=geometry),
        lambda h, _z, g, w, *, places, geometry: _kernel(h, g, kernel=w.shape[2:], geometry=geometry),
    ),
    (
        lambda t, _z, _g, w, *, places, geometry: _transposed(t, w, places=places, geometry=geometry),
        lambda t, _z, g, _w, *, places, geometry: _transposed(g, t, places=places, geometry=geometry),
    ),
)
_kernel = general(
    "convolution_kernel",
    convolve_kernel,
    (
        lambda h, _z, x, g, *, kernel, geometry: _transposed(g, h, places=x.shape[2:], geometry=geometry),
        lambda h, _z, x, _g, *, kernel, geometry: _convolution(x, h, geometry=geometry),
    ),
    (
        lambda t, _z, _x, g, *, kernel, geometry: _kernel(t, g, kernel=kernel, geometry=geometry),
        lambda t, _z, x, _g, *, kernel, geometry: _kernel(x, t, kernel=kernel, geometry=geometry),
    ),
)


def _everywhere(t: Any, x_shape: tuple[int, ...], w_shape: tuple[int, ...], geometry: Geometry) -> Any:
    """A number for each output, in all places of the result."""
    outputs = geometry.outputs(x_shape[2:], w_shape[2:])
    return spread(t.reshape(-1, *(1,) * len(outputs)), (x_shape[0], w_shape[0], *outputs))


# ---- arguments ----------------------------------------------------------------------------------------------


def sizes(value: Any, count: int, name: str, least: int = 1) -> tuple[int, ...]:
    """An integer, or one for each axis, as a tuple.

    Raises:
        ValueError: another number of them, or one below `least`.
    """
    values = (value,) * count if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != count or any([v < least for v in values]):
        raise ValueError(f"{name}: expected an integer from {least} on, or {count} of them, got {value!r}")
    return tuple(map(int, values))


def padding_pairs(
    padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], name: str
) -> Pairs:
    """Padding before and behind each axis, from an integer, one for each axis, a pair for each, "same" or "valid".

    Raises:
        ValueError: something else, or "same" with a stride.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if padding != "same" or any([s != 1 for s in stride]):
            raise ValueError(
                f"{name}: padding is a number, 'valid', or (where the stride is 1) 'same'; got {padding!r}"
            )
        wide = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple([(w // 2, w - w // 2) for w in wide])
    if isinstance(padding, (tuple, list)) and padding and isinstance(padding[0], (tuple, list)):
        return tuple(map(tuple, [sizes(p, 2, f"{name}: padding", 0) for p in padding]))  # type: ignore[arg-type]
    return tuple([(p, p) for p in sizes(padding, len(kernel), f"{name}: padding", 0)])


def geometry_of(name: str, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int) -> Geometry:
    """A Geometry from arguments as users give them.

    Raises:
        ValueError: they don't fit the number of axes.
    """
    count = len(kernel)
    stride, dilation = sizes(stride, count, f"{name}: stride"), sizes(dilation, count, f"{name}: dilation")
    return Geometry(stride, padding_pairs(padding, kernel, stride, dilation, name), dilation, int(groups))


def _shapes_of(name: str, x: Any, weight: Any, bias: Any, count: int, outputs: int) -> tuple[Any, Any]:
    xs, ws = np.shape(data_of(x)), np.shape(data_of(weight))
    if len(xs) != count + 2 or len(ws) != count + 2:
        raise ValueError(
            f"{name}: x is (batch, channels, {count} more) and weight has {count + 2} axes; got {xs} and {ws}"
        )
    if bias is not None and np.shape(data_of(bias)) != (outputs,):
        raise ValueError(f"{name}: bias has shape {np.shape(data_of(bias))}, expected {(outputs,)}")
    return xs, ws


def convolution(
    x: Any, weight: Any, bias: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """The convolution of x with a kernel, over as many axes as the kernel has behind its first two.

    Args:
        x: shape (batch, channels, *places).
        weight: shape (outputs, channels / groups, *kernel).
        bias: shape (outputs,), or None.
        stride, dilation: an integer, or one for each axis of places.
        padding: zeros before and behind each axis: an integer, one for each axis, a pair for each, "valid" or "same".
        groups: channels and outputs are divided into so many groups that do not meet.

    Gives shape (batch, outputs, *new places), with (n + 2 padding - dilation (kernel - 1) - 1) // stride + 1 for n
    places. Its derivatives cost as much again for x and for weight.

    Raises:
        ValueError: shapes or arguments that don't fit.

    Example:
        >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0.0, -1.0]]])
        >>> wg.nn.convolution(x, w)
        array([[[-2., -2., -2.]]])
    """
    count = max(np.ndim(data_of(weight)) - 2, 0)
    xs, ws = _shapes_of("convolution", x, weight, bias, count, np.shape(data_of(weight))[0])
    if groups < 1 or xs[1] != ws[1] * groups or ws[0] % groups:
        raise ValueError(
            f"convolution: x has {xs[1]} channels; a weight of shape {ws} in {groups} groups takes {ws[1] * groups}"
        )
    geometry = geometry_of("convolution", ws[2:], stride, padding, dilation, groups)
    outputs = geometry.outputs(xs[2:], ws[2:])
    if any([n < 1 for n in outputs]):
        raise ValueError(f"convolution: a kernel of {ws[2:]} (dilation {geometry.dilation}) does not fit into {xs[2:]}")
    if bias is None:
        return _convolution(x, weight, geometry=geometry)
    return _biased(x, weight, bias, geometry=geometry)


def convolution_transposed(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The transpose of `convolution` with the same stride, padding and dilation: it makes more places of few.

    Args:
        x: shape (batch, channels, *places).
        weight: shape (channels, outputs / groups, *kernel).
        output_padding: places to add behind each axis, which a convolution with a stride would not tell apart.

    Gives (n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1 places for n.

    Raises:
        ValueError: shapes or arguments that don't fit.

    Example:
        >>> x, w = np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0]]])
        >>> wg.nn.convolution_transposed(x, w, stride=2)
        array([[[1., 1., 2., 2.]]])
    """
    name, count = "convolution_transposed", max(np.ndim(data_of(weight)) - 2, 0)
    xs, ws = _shapes_of(name, x, weight, bias, count, (*np.shape(data_of(weight)), 0, 0)[1] * groups)
    if groups < 1 or xs[1] != ws[0] or ws[0] % groups:
        raise ValueError(f"{name}: x has {xs[1]} channels; a weight of shape {ws} in {groups} groups takes {ws[0]}")
    geometry = geometry_of(name, ws[2:], stride, padding, dilation, groups)
    extra = sizes(output_padding, count, f"{name}: output_padding", 0)
    rows = zip(xs[2:], ws[2:], geometry.stride, geometry.padding, geometry.dilation, extra, strict=True)
    places = tuple([(n - 1) * s - sum(p) + d * (k - 1) + e + 1 for n, k, s, p, d, e in rows])
    if any([n < 1 for n in places]) or any(
        [e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation, strict=True)]
    ):
        raise ValueError(
            f"{name}: {xs[2:]} places would become {places}; output_padding is less than the stride or dilation"
        )
    z = _transposed(x, weight, places=places, geometry=geometry)
    return z if bias is None else z + bias.reshape(-1, *(1,) * count)
