"""numpy.fft: what the rows of the test table cannot say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

X = np.random.default_rng(0).uniform(-1, 1, (3, 4, 6))
Z = X + 1j * np.random.default_rng(1).uniform(-1, 1, X.shape)
REAL_TO_HALF = {"rfft", "rfft2", "rfftn", "ihfft"}
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]


def argument(name):
    return X if name in REAL_TO_HALF else Z


@pytest.mark.parametrize("name", ONE + MANY)
def test_values_are_numpys_bit_for_bit(name):
    f = getattr(np.fft, name)
    options = [{"n": n, "axis": a} for n in (None, 3, 5, 9) for a in (-1, 0)]
    if name in MANY:
        options = [{}, {"s": (3, 7), "axes": (0, 2)}, {"s": (-1, 4), "axes": (-1, 1)}, {"axes": (1,)}, {"axes": (0, 2)}]
    for x in (
        argument(name),
        argument(name).astype("F" if name not in REAL_TO_HALF else "f"),
        X,
        np.arange(24).reshape(2, 3, 4),
    ):
        for o in options:
            for norm in (None, "backward", "ortho", "forward"):
                y, expected = f(Variable(x), **o, norm=norm), f(x, **o, norm=norm)
                assert y.dtype == expected.dtype
                np.testing.assert_array_equal(y.data, expected)


def test_axes_without_lengths_warn_as_in_numpy():
    for f in (np.fft.fftn, np.fft.irfftn):
        for s, axes in (((2, 2), None), ((2, None), (0, 1))):
            with pytest.warns(DeprecationWarning, match=r"`s`"):
                expected = f(Z, s=s, axes=axes)
            with pytest.warns(DeprecationWarning, match=r"`s`"):
                y = f(Variable(Z), s=s, axes=axes)
            np.testing.assert_array_equal(y.data, expected)


def test_a_transform_over_no_axes_is_the_argument():
    np.testing.assert_array_equal(np.fft.fftn(Variable(X), axes=()).data, np.fft.fftn(X, axes=()))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.fft.fft(x, out=np.empty(X.shape, complex)), TypeError, "^fft: out="),
        (lambda x: np.fft.hfft(x, out=np.empty(X.shape)), TypeError, "^hfft: out="),
        (lambda x: np.fft.fftn(x, out=np.empty(X.shape, complex)), TypeError, "^fftn: out="),
        (lambda x: np.fft.irfft2(x, out=np.empty(X.shape)), TypeError, "^irfftn: out="),
        (lambda x: np.fft.fft(x, norm="unit"), ValueError, "norm"),
        (lambda x: np.fft.fftn(x, (2,), (0, 1)), ValueError, "^fftn: s has 1 lengths for 2 axes"),
        (lambda x: np.fft.fft(x, 0), ValueError, "data points"),
        (lambda x: np.fft.rfft(x * 1j), TypeError, "^rfft: "),
        (lambda x: np.fft.fft(x, axis=5), IndexError, "out of range"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(Variable(X))


def test_frequencies_are_constants():
    assert type(np.fft.fftfreq(4)) is np.ndarray


def test_gradients_of_real_arguments_are_real():
    for f in (np.fft.fft, np.fft.rfft, np.fft.fft2, np.fft.irfft):
        x = Variable(X)
        np.sum(np.abs(f(x)) ** 2).backward()
        assert x.grad.dtype == np.float64


def test_parseval():
    """The energy of a signal is that of its spectrum, so the gradient is 2x."""
    x = Variable(X)
    np.sum(np.abs(np.fft.fft(x, norm="ortho")) ** 2).backward()
    np.testing.assert_allclose(x.grad, 2 * X, rtol=1e-12)


def test_the_imaginary_part_of_a_real_mean_has_no_gradient():
    z = Variable(np.fft.rfft(X[0, 0]))
    np.sum(np.fft.irfft(z) ** 2).backward()
    assert z.grad[0].imag == z.grad[-1].imag == 0


@pytest.mark.parametrize("name", [*ONE, *MANY, "fftshift", "ifftshift"])
def test_gradients_are_torchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    options = [{}]
    if name in ONE:
        options = [{"n": n, "norm": norm} for n in (None, 4, 9) for norm in ("backward", "ortho", "forward")]
    elif name in MANY:
        options = [{"norm": "ortho"}, {"norm": "forward"}]
    x = argument(name)
    for o in options:
        v, t = Variable(x), torch.tensor(x, requires_grad=True)
        y = getattr(np.fft, name)(v, **o)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            u = getattr(torch.fft, name)(t, **o)
            w = np.random.default_rng(2).uniform(-1, 1, y.shape)
            np.sum(np.abs(y * w + 0.1) ** 3).backward()
            torch.sum(torch.abs(u * torch.tensor(w) + 0.1) ** 3).backward()
        np.testing.assert_allclose(v.grad, t.grad.resolve_conj().numpy(), rtol=1e-9, atol=1e-12)


def test_a_convolution_theorem_to_second_order():
    def convolved(x, y):
        return np.fft.irfft(np.fft.rfft(x, 8) * np.fft.rfft(y, 8), 8)

    wg.check_grads(convolved, X[0, 0], X[1, 1], order=2)
