"""NumPy's functions beside PyTorch's: one row for each, under NumPy's name. `tests/test_torch.py` compares them."""

from __future__ import annotations

import numpy as np

V, M, T, Q = (5,), (3, 4), (2, 3, 4), (4, 4)
MASK = np.array([True, False, True, True])
PLACES = np.array([[2, 0, 1, 1], [0, 2, 2, 1], [1, 1, 0, 2]])
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25])


def symmetric(x):
    return (x + x.T) / 2


def positive_definite(torch_or_numpy, x):
    return x @ x.T + torch_or_numpy.eye(4, dtype=x.dtype)


def parts(xs):
    """The squares of several results."""
    return [x**2 for x in xs]


def real(torch, z):
    """Of a complex result what a derivative flows through."""
    return [torch.real(z), torch.imag(z)]


def rows(torch):
    """name -> (with NumPy, with PyTorch, the arguments' shapes); every one of the arguments gets a derivative."""
    t, L, F, N = torch, torch.linalg, torch.fft, np.linalg
    index, mask, weights = torch.tensor(PLACES), torch.tensor(MASK), torch.tensor(WEIGHTS)
    pad = torch.nn.functional.pad

    table = {
        # elementwise
        "nan_to_num": (lambda x: np.nan_to_num(np.where(MASK, x, np.nan)) ** 2, lambda x: t.nan_to_num(t.where(mask, x, t.nan)) ** 2, M),
        "i0": (np.i0, t.special.i0, M),
        "conj": (lambda x: np.real(np.conj(x * (1 + 2j)) ** 2), lambda x: t.real(t.conj(x * (1 + 2j)) ** 2), M),
        "real": (lambda x: np.real((x * (1 + 2j)) ** 2), lambda x: t.real((x * (1 + 2j)) ** 2), M),
        "imag": (lambda x: np.imag((x * (1 + 2j)) ** 2), lambda x: t.imag((x * (1 + 2j)) ** 2), M),
        "angle": (lambda x: np.angle(1.5 + 1j * x), lambda x: t.angle(1.5 + 1j * x), M),
        "ldexp": (lambda x: np.ldexp(x, 3), lambda x: t.ldexp(x, t.tensor(3)), M),
        "true_divide": (lambda x, y: np.true_divide(x, 3 + y), lambda x, y: t.true_divide(x, 3 + y), M, (4,)),
        # reductions
        "nansum": (lambda x: np.nansum(np.where(MASK, x, np.nan), 1), lambda x: t.nansum(t.where(mask, x, t.nan), 1), M),
        "nanmean": (lambda x: np.nanmean(np.where(MASK, x, np.nan), 1), lambda x: t.nanmean(t.where(mask, x, t.nan), 1), M),
        "median": (lambda x: np.median(x, 0), lambda x: t.median(x, 0).values, M),
        "nanmedian": (lambda x: np.nanmedian(np.where(MASK, x, np.nan), 1), lambda x: t.nanmedian(t.where(mask, x, t.nan), 1).values, M),
        "quantile": (lambda x: np.quantile(x, [0.3, 0.7], axis=1), lambda x: t.quantile(x, t.tensor([0.3, 0.7], dtype=x.dtype), 1), M),
        "percentile": (lambda x: np.percentile(x, 35), lambda x: t.quantile(x, 0.35), M),
        "nanquantile": (lambda x: np.nanquantile(np.where(MASK, x, np.nan), 0.3), lambda x: t.nanquantile(t.where(mask, x, t.nan), 0.3), M),
        "ptp": (lambda x: np.ptp(x, 1), lambda x: t.amax(x, 1) - t.amin(x, 1), M),
        "amax": (lambda x: np.amax(x, 0), lambda x: t.amax(x, 0), M),
        "amin": (lambda x: np.amin(x, 0), lambda x: t.amin(x, 0), M),
        "average": (lambda x: np.average(x, 1, WEIGHTS), lambda x: (x * weights).sum(1) / weights.sum(), M),
        "cov": (np.cov, t.cov, M),
        "corrcoef": (np.corrcoef, t.corrcoef, M),
        # along an axis
        "cumsum": (lambda x: np.cumsum(x, 1) ** 2, lambda x: t.cumsum(x, 1) ** 2, M),
        "cumprod": (lambda x: np.cumprod(x, 0), lambda x: t.cumprod(x, 0), M),
        "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=0) ** 2, lambda x: t.cumsum(x, 0) ** 2, M),
        "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=1), lambda x: t.cumprod(x, 1), M),
        "diff": (lambda x: np.diff(x, 2) ** 2, lambda x: t.diff(x, 2) ** 2, M),
        "trapezoid": (lambda x, y: np.trapezoid(x, y), t.trapezoid, M, M),
        "gradient": (lambda x: parts(np.gradient(x)), lambda x: parts(t.gradient(x)), M),
        "convolve": (np.convolve, lambda x, y: t.conv1d(x[None, None], y.flip(0)[None, None], padding=2)[0, 0], V, (3,)),
        "correlate": (np.correlate, lambda x, y: t.conv1d(x[None, None], y[None, None])[0, 0], V, (3,)),
        "sort": (lambda x: np.sort(x, 0) ** 2, lambda x: t.sort(x, 0).values ** 2, M),
        "partition": (lambda x: np.partition(x, 2, 0)[2], lambda x: t.kthvalue(x, 3, 0).values, M),
        "unwrap": (lambda x: np.unwrap(x) ** 2, lambda x: x**2, (4,)),
        # shaping
        "flip": (lambda x: np.flip(x, (0, 1)) ** 2, lambda x: t.flip(x, (0, 1)) ** 2, M),
        "fliplr": (lambda x: np.fliplr(x) ** 2, lambda x: t.fliplr(x) ** 2, M),
        "flipud": (lambda x: np.flipud(x) ** 2, lambda x: t.flipud(x) ** 2, M),
        "rot90": (lambda x: np.rot90(x) ** 2, lambda x: t.rot90(x) ** 2, M),
        "roll": (lambda x: np.roll(x, 2, 1) ** 2, lambda x: t.roll(x, 2, 1) ** 2, M),
        "tile": (lambda x: np.tile(x, (2, 3)) ** 2, lambda x: t.tile(x, (2, 3)) ** 2, M),
        "repeat": (lambda x: np.repeat(x, 3, 1) ** 2, lambda x: t.repeat_interleave(x, 3, 1) ** 2, M),
        "atleast_1d": (lambda x: np.atleast_1d(x) ** 2, lambda x: t.atleast_1d(x) ** 2, ()),
        "atleast_2d": (lambda x: np.atleast_2d(x) ** 2, lambda x: t.atleast_2d(x) ** 2, V),
        "atleast_3d": (lambda x: np.atleast_3d(x) ** 2, lambda x: t.atleast_3d(x) ** 2, M),
        "hstack": (lambda x, y: np.hstack([x, y]) ** 2, lambda x, y: t.hstack([x, y]) ** 2, M, M),
        "vstack": (lambda x, y: np.vstack([x, y]) ** 2, lambda x, y: t.vstack([x, y]) ** 2, M, M),
        "dstack": (lambda x, y: np.dstack([x, y]) ** 2, lambda x, y: t.dstack([x, y]) ** 2, M, M),
        "column_stack": (lambda x, y: np.column_stack([x, y]) ** 2, lambda x, y: t.column_stack([x, y]) ** 2, V, V),
        "block": (lambda x, y: np.block([[x, y], [y, x]]) ** 2, lambda x, y: t.vstack([t.hstack([x, y]), t.hstack([y, x])]) ** 2, M, M),
        "append": (lambda x, y: np.append(x, y) ** 2, lambda x, y: t.cat([x.ravel(), y.ravel()]) ** 2, M, V),
        "split": (lambda x: parts(np.split(x, 2, 1)), lambda x: parts(t.split(x, 2, 1)), M),
        "array_split": (lambda x: parts(np.array_split(x, 3, 1)), lambda x: parts(t.tensor_split(x, 3, 1)), M),
        "hsplit": (lambda x: parts(np.hsplit(x, 2)), lambda x: parts(t.hsplit(x, 2)), M),
        "vsplit": (lambda x: parts(np.vsplit(x, 3)), lambda x: parts(t.vsplit(x, 3)), M),
        "dsplit": (lambda x: parts(np.dsplit(x, 2)), lambda x: parts(t.dsplit(x, 2)), T),
        "unstack": (lambda x: parts(np.unstack(x, axis=1)), lambda x: parts(t.unbind(x, 1)), M),
        "diag": (lambda x: np.diag(x, 1) ** 2, lambda x: t.diag(x, 1) ** 2, V),
        "diagflat": (lambda x: np.diagflat(x) ** 2, lambda x: t.diagflat(x) ** 2, M),
        "diagonal": (lambda x: np.diagonal(x, 1, 1, 2) ** 2, lambda x: t.diagonal(x, 1, 1, 2) ** 2, T),
        "trace": (np.trace, t.trace, M),
        "tril": (lambda x: np.tril(x, 1) ** 2, lambda x: t.tril(x, 1) ** 2, M),
        "triu": (lambda x: np.triu(x, -1) ** 2, lambda x: t.triu(x, -1) ** 2, M),
        "meshgrid": (lambda x, y: parts(np.meshgrid(x, y, indexing="ij")), lambda x, y: parts(t.meshgrid(x, y, indexing="ij")), V, (3,)),
        "broadcast_arrays": (lambda x, y: parts(np.broadcast_arrays(x, y)), lambda x, y: parts(t.broadcast_tensors(x, y)), M, (4,)),
        "matrix_transpose": (lambda x: np.matrix_transpose(x) ** 2, lambda x: x.mT**2, T),
        "rollaxis": (lambda x: np.rollaxis(x, 2) ** 2, lambda x: t.movedim(x, 2, 0) ** 2, T),
        "pad": (lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect") ** 2, lambda x: pad(x, (2, 1), "reflect") ** 2, M),
        "insert": (lambda x, y: np.insert(x, 2, y, 1) ** 2, lambda x, y: t.cat([x[:, :2], y[:, None], x[:, 2:]], 1) ** 2, M, (3,)),
        "delete": (lambda x: np.delete(x, 1, 0) ** 2, lambda x: x[t.tensor([0, 2])] ** 2, M),
        "resize": (lambda x: np.resize(x, 7) ** 2, lambda x: t.cat([x, x[:2]]) ** 2, V),
        # choosing
        "take": (lambda x: np.take(x, [3, 0, 3]) ** 2, lambda x: t.take(x, t.tensor([3, 0, 3])) ** 2, M),
        "take_along_axis": (lambda x: np.take_along_axis(x, PLACES, 0) ** 2, lambda x: t.take_along_dim(x, index, 0) ** 2, M),
        "compress": (lambda x: np.compress(MASK, x, 1) ** 2, lambda x: x[:, mask] ** 2, M),
        "extract": (lambda x: np.extract(MASK, x) ** 2, lambda x: t.masked_select(x, mask) ** 2, (4,)),
        "choose": (lambda x, y: np.choose(MASK.astype(int), [x, y]) ** 2, lambda x, y: t.where(mask, y, x) ** 2, M, (4,)),
        "select": (lambda x, y: np.select([MASK, ~MASK], [x, y]) ** 2, lambda x, y: t.where(mask, x, y) ** 2, M, M),
        "piecewise": (lambda x: np.piecewise(x, [MASK], [np.sin, np.exp]), lambda x: t.where(mask, t.sin(x), t.exp(x)), (4,)),
        "copyto": (lambda x, y: put(np.copyto, x, y, where=MASK), lambda x, y: t.where(mask, y, x), M, M),
        "putmask": (lambda x, y: put(np.putmask, x, MASK, y), lambda x, y: x.masked_scatter(mask, y[mask]), (4,), (4,)),
        "put_along_axis": (lambda x, y: put(np.put_along_axis, x, PLACES[:1], y, 0), lambda x, y: x.scatter(0, index[:1], y), M, (1, 4)),
        "fill_diagonal": (lambda x, y: put(np.fill_diagonal, x, y), lambda x, y: x.diagonal_scatter(y), (3, 3), (3,)),
        # products
        "inner": (np.inner, t.inner, M, T),
        "outer": (np.outer, t.outer, V, (3,)),
        "vdot": (np.vdot, t.vdot, V, V),
        "vecdot": (np.vecdot, L.vecdot, M, (4,)),
        "matvec": (np.matvec, lambda x, y: (x @ y[..., None])[..., 0], T, (4,)),
        "vecmat": (np.vecmat, lambda x, y: (x[..., None, :] @ y)[..., 0, :], (3,), T),
        "kron": (np.kron, t.kron, M, (2, 2)),
        "cross": (np.cross, t.linalg.cross, (4, 3), (4, 3)),
        "vander": (np.vander, lambda x: t.stack([x**4, x**3, x**2, x, x**0], 1), V),
        "polyval": (np.polyval, lambda c, x: c[0] * x**2 + c[1] * x + c[2], (3,), M),
        # linear algebra
        "linalg.inv": (N.inv, L.inv, Q),
        "linalg.det": (N.det, L.det, Q),
        "linalg.slogdet": (lambda x: N.slogdet(x)[1], lambda x: L.slogdet(x)[1], Q),
        "linalg.solve": (N.solve, L.solve, Q, (4, 2)),
        "linalg.tensorsolve": (N.tensorsolve, L.tensorsolve, (2, 3, 6), (2, 3)),
        "linalg.tensorinv": (lambda x: N.tensorinv(x, 1), lambda x: L.tensorinv(x, 1), (6, 2, 3)),
        "linalg.cholesky": (lambda x: N.cholesky(positive_definite(np, x)), lambda x: L.cholesky(positive_definite(t, x)), Q),
        "linalg.qr": (lambda x: list(N.qr(x)), lambda x: list(L.qr(x)), (4, 3)),
        "linalg.svd": (lambda x: parts(N.svd(x, False)), lambda x: parts(L.svd(x, False)), M),
        "linalg.svdvals": (N.svdvals, L.svdvals, M),
        "linalg.eigh": (lambda x: parts(N.eigh(symmetric(x))), lambda x: parts(L.eigh(symmetric(x))), Q),
        "linalg.eigvalsh": (lambda x: N.eigvalsh(symmetric(x)), lambda x: L.eigvalsh(symmetric(x)), Q),
        "linalg.eigvals": (lambda x: np.sum(N.eigvals(x) ** 3).real, lambda x: t.sum(L.eigvals(x) ** 3).real, Q),
        "linalg.pinv": (N.pinv, L.pinv, M),
        "linalg.lstsq": (lambda x, y: N.lstsq(x, y, None)[0], lambda x, y: L.lstsq(x, y).solution, (5, 3), (5, 2)),
        "linalg.matrix_power": (lambda x: N.matrix_power(x, 3), lambda x: L.matrix_power(x, 3), Q),
        "linalg.multi_dot": (lambda x, y, z: N.multi_dot([x, y, z]), lambda x, y, z: L.multi_dot([x, y, z]), M, Q, (4, 2)),
        "linalg.norm": (N.norm, L.norm, M),
        "linalg.matrix_norm": (lambda x: N.matrix_norm(x, ord="nuc"), lambda x: L.matrix_norm(x, "nuc"), T),
        "linalg.vector_norm": (lambda x: N.vector_norm(x, ord=3, axis=1), lambda x: L.vector_norm(x, 3, 1), M),
        "linalg.cond": (N.cond, L.cond, Q),
        "linalg.cross": (N.cross, L.cross, (4, 3), (4, 3)),
        "linalg.diagonal": (lambda x: N.diagonal(x) ** 2, lambda x: L.diagonal(x) ** 2, T),
        "linalg.matmul": (N.matmul, L.matmul, T, (4, 2)),
        "linalg.outer": (N.outer, t.outer, V, (3,)),
        "linalg.tensordot": (lambda x, y: N.tensordot(x, y, axes=1), lambda x, y: t.tensordot(x, y, 1), T, (4, 2)),
        "linalg.trace": (N.trace, t.trace, Q),
        "linalg.vecdot": (N.vecdot, L.vecdot, M, (4,)),
        "lib.stride_tricks.sliding_window_view": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 1) ** 2, lambda x: x.unfold(1, 3, 1) ** 2, M),
        # Fourier
        **{f"fft.{n}": (lambda x, n=n: real(np, getattr(np.fft, n)(x)), lambda x, n=n: real(t, getattr(F, n)(x)), M)
           for n in ("fft", "ifft", "rfft", "ihfft", "fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn")},
        **{f"fft.{n}": (lambda x, n=n: getattr(np.fft, n)(x * (1 + 2j)), lambda x, n=n: getattr(F, n)(x * (1 + 2j)), M)
           for n in ("irfft", "hfft", "irfft2", "irfftn")},
        **{f"fft.{n}": (lambda x, n=n: getattr(np.fft, n)(x) ** 2, lambda x, n=n: getattr(F, n)(x) ** 2, M)
           for n in ("fftshift", "ifftshift")},
    }  # fmt: skip
    return {name: (f, g, list(shapes)) for name, (f, g, *shapes) in table.items() if exists(name)}


def put(function, x, *args, **kwargs):
    """What a function that writes to x leaves there."""
    z = x * 1.0
    function(z, *args, **kwargs)
    return z


def exists(name):
    """Whether this NumPy has the function."""
    found = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None
