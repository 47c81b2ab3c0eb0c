"""First derivatives agree with PyTorch's, in double precision. Skipped where PyTorch is not installed."""

from __future__ import annotations

import numpy as np
import pytest
import rows_torch

import wengert as wg

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

S, V, M, T, Q = (), (5,), (3, 4), (2, 3, 4), (4, 4)
PLAIN, POSITIVE, INSIDE, ABOVE_1 = (-2.0, 2.0), (0.2, 3.0), (-0.9, 0.9), (1.1, 3.0)


def same(names, domain=PLAIN, shape=M):
    """Functions of one array that have one name in both libraries."""
    return {n: (getattr(np, n), getattr(torch, n), [shape], domain) for n in names.split()}


def same2(names, domain=POSITIVE, shapes=(M, (4,))):
    """Functions of two arrays that have one name in both libraries."""
    return {n: (getattr(np, n), getattr(torch, n), list(shapes), domain) for n in names.split()}


def pair(name, f, g, *shapes, domain=PLAIN):
    return {name: (f, g, list(shapes), domain)}


MASK = np.array([True, False, True, True])
INDEX = np.array([0, 2, 2, 1])

CASES = {
    **same("sin cos tan arctan sinh cosh tanh arcsinh exp exp2 expm1 negative positive square abs sign sinc deg2rad rad2deg"),
    **same("log log2 log10 log1p sqrt reciprocal", POSITIVE),
    **same("arcsin arccos arctanh", INSIDE),
    **same("arccosh", ABOVE_1),
    **same2("add subtract multiply divide maximum minimum fmax fmin hypot logaddexp logaddexp2 float_power arctan2 copysign"),
    **same2("fmod remainder", (0.7, 0.75)),
    **pair("cbrt", np.cbrt, lambda x: x ** (1 / 3), M, domain=POSITIVE),
    **pair("power", np.power, torch.pow, M, (4,), domain=POSITIVE),
    **pair("x**3", lambda x: x**3, lambda x: x**3, M),
    **pair("x**0.5", lambda x: x**0.5, lambda x: x**0.5, M, domain=POSITIVE),
    **pair("x**-1", lambda x: x**-1, lambda x: x**-1, M, domain=POSITIVE),
    **pair("2**x", lambda x: 2**x, lambda x: 2**x, M),
    **pair("fabs", np.fabs, torch.abs, M),
    **pair("sigmoid", wg.sigmoid, torch.sigmoid, M),
    **pair("relu", wg.relu, torch.relu, M),
    **pair("sum", np.sum, torch.sum, T),
    **pair("sum axis", lambda x: np.sum(x, (0, 2)), lambda x: torch.sum(x, (0, 2)), T),
    **pair("mean", np.mean, torch.mean, T),
    **pair("mean axis", lambda x: x.mean(1, keepdims=True), lambda x: x.mean(1, keepdim=True), T),
    **pair("var", lambda x: np.var(x, ddof=1), torch.var, T),
    **pair("var axis", lambda x: np.var(x, 0), lambda x: torch.var(x, 0, correction=0), T),
    **pair("std", lambda x: np.std(x, ddof=1), torch.std, T),
    **pair("std axis", lambda x: np.std(x, -1), lambda x: torch.std(x, -1, correction=0), T),
    **pair("prod", np.prod, torch.prod, M),
    **pair("prod axis", lambda x: np.prod(x, 1), lambda x: torch.prod(x, 1), T),
    **pair("max", np.max, torch.max, T),
    **pair("max axis", lambda x: np.max(x, (0, 1)), lambda x: torch.amax(x, (0, 1)), T),
    **pair("min", np.min, torch.min, T),
    **pair("min axis", lambda x: np.min(x, -1), lambda x: torch.amin(x, -1), T),
    **pair("where", lambda x, y: np.where(MASK, x, y), lambda x, y: torch.where(torch.tensor(MASK), x, y), M, (4,)),
    **pair("clip", lambda x: np.clip(x, -0.5, 0.7), lambda x: torch.clip(x, -0.5, 0.7), M),
    **pair("reshape", lambda x: np.reshape(x, (4, 6)) ** 2, lambda x: torch.reshape(x, (4, 6)) ** 2, T),
    **pair("ravel", lambda x: np.ravel(x) ** 2, lambda x: torch.ravel(x) ** 2, T),
    **pair("transpose", lambda x: np.transpose(x, (2, 0, 1)) ** 2, lambda x: x.permute(2, 0, 1) ** 2, T),
    **pair("T", lambda x: x.T**2, lambda x: x.T**2, M),
    **pair("swapaxes", lambda x: np.swapaxes(x, 0, 2) ** 2, lambda x: torch.swapaxes(x, 0, 2) ** 2, T),
    **pair("moveaxis", lambda x: np.moveaxis(x, 0, 2) ** 2, lambda x: torch.moveaxis(x, 0, 2) ** 2, T),
    **pair("expand_dims", lambda x: np.expand_dims(x, 1) ** 2, lambda x: torch.unsqueeze(x, 1) ** 2, M),
    **pair("squeeze", lambda x: np.squeeze(x[:, :1]) ** 2, lambda x: torch.squeeze(x[:, :1]) ** 2, M),
    **pair("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)) ** 2, lambda x: x.broadcast_to(2, 3, 4) ** 2, M),
    **pair("concatenate", lambda x, y: np.concatenate([x, y], 1) ** 2, lambda x, y: torch.cat([x, y], 1) ** 2, M, (3, 2)),
    **pair("stack", lambda x, y: np.stack([x, y], 1) ** 2, lambda x, y: torch.stack([x, y], 1) ** 2, M, M),
    **pair("getitem slice", lambda x: x[1:, ::2] ** 2, lambda x: x[1:, ::2] ** 2, M),
    **pair("getitem integer", lambda x: x[-1] ** 2, lambda x: x[-1] ** 2, M),
    **pair("getitem None", lambda x: x[:, None] ** 2, lambda x: x[:, None] ** 2, M),
    **pair("getitem fancy", lambda x: x[:, INDEX] ** 2, lambda x: x[:, torch.tensor(INDEX)] ** 2, M),
    **pair("getitem mask", lambda x: x[:, MASK] ** 2, lambda x: x[:, torch.tensor(MASK)] ** 2, M),
    **pair("matmul", np.matmul, torch.matmul, M, (4, 2)),
    **pair("matmul batch", np.matmul, torch.matmul, T, (4, 5)),
    **pair("matmul vector", np.matmul, torch.matmul, T, (4,)),
    **pair("dot", np.dot, torch.dot, V, V),
    **pair("tensordot", lambda x, y: np.tensordot(x, y, 2), lambda x, y: torch.tensordot(x, y, 2), T, (3, 4, 5)),
    **pair("einsum", lambda x, y: np.einsum("bij,jk->bik", x, y), lambda x, y: torch.einsum("bij,jk->bik", x, y), T, (4, 5)),
    **pair("einsum trace", lambda x: np.einsum("ii", x), lambda x: torch.einsum("ii", x), Q),
    **pair("softmax", lambda x: np.exp(x) / np.sum(np.exp(x), -1, keepdims=True), lambda x: torch.softmax(x, -1), M),
    **pair("logsumexp", lambda x: np.log(np.sum(np.exp(x), 1)), lambda x: torch.logsumexp(x, 1), M),
    **pair("softplus", lambda x: np.logaddexp(x, 0.0), torch.nn.functional.softplus, M),
    **pair("gelu", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
           lambda x: torch.nn.functional.gelu(x, approximate="tanh"), M),
    **pair("silu", lambda x: x * wg.sigmoid(x), torch.nn.functional.silu, M),
    **pair("layer norm", lambda x: (x - np.mean(x, -1, keepdims=True)) / np.sqrt(np.var(x, -1, keepdims=True) + 1e-5),
           lambda x: torch.nn.functional.layer_norm(x, (4,)), M),
}  # fmt: skip


def first_derivatives(f, g, shapes, domain):
    """The cotangents of all arguments, by Wengert and by PyTorch, for one random cotangent of the result."""
    rng = np.random.default_rng(0)
    xs = [rng.uniform(*domain, shape) for shape in shapes]
    ys, pullback = wg.vjp(lambda *xs: several(f(*xs)), *xs)
    ts = [torch.tensor(x, requires_grad=True) for x in xs]
    zs = several(g(*ts))
    gys = [rng.standard_normal(y.shape) for y in ys]
    for y, z, gy in zip(ys, zs, gys, strict=True):
        np.testing.assert_allclose(y, z.detach().resolve_neg().numpy(), rtol=1e-11, atol=1e-11)
        if z.requires_grad:
            z.backward(torch.tensor(gy), retain_graph=True)
    return pullback(gys), [t.grad.numpy() for t in ts]


def several(result):
    """The results of a function, in a list; that may be of one."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("name", CASES)
def test_first_derivatives_agree(name):
    for ours, theirs in zip(*first_derivatives(*CASES[name]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


ROWS = rows_torch.rows(torch)


@pytest.mark.parametrize("name", ROWS)
def test_first_derivatives_agree_for_each_function_of_numpy(name):
    f, g, shapes = ROWS[name]
    for ours, theirs in zip(*first_derivatives(f, g, shapes, PLAIN), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_at_least_150_functions_of_numpy_are_compared():
    functions = {getattr(np, name) for name in CASES if hasattr(np, name)}
    for name in ROWS:
        function = np
        for part in name.split("."):
            function = getattr(function, part)
        functions.add(function)
    assert len(functions) >= 150, len(functions)
