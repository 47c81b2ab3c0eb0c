"""scipy.signal and scipy.ndimage on Variables: values bit for bit, derivatives in both modes, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

ss = pytest.importorskip("scipy.signal", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")
nd = pytest.importorskip("scipy.ndimage", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")

import wengert.scipy.ndimage as wnd  # noqa: E402
import wengert.scipy.signal as wss  # noqa: E402

RNG = np.random.default_rng(0)
X, Y, EVEN = RNG.normal(size=7), RNG.normal(size=3), RNG.normal(size=4)
IMAGE, KERNEL, OBLONG = RNG.normal(size=(5, 6)), RNG.normal(size=(3, 2)), RNG.normal(size=(2, 3))
B, A = np.array([0.5, -0.2, 0.3]), np.array([1.2, -0.6, 0.2])
SOS = np.array([[0.5, 0.2, 0.1, 1.0, -0.4, 0.1], [0.3, -0.1, 0.2, 1.0, 0.3, -0.2]])

ONES = np.ones((2, 1), np.float32)  # the column that SciPy wants to be 1

SIGNAL: list[tuple[str, Any, tuple[Any, ...]]] = [
    *[(f, lambda m, x, y, f=f, mode=mode: getattr(m, f)(x, y, mode), pair)
      for f in ("convolve", "fftconvolve", "oaconvolve", "correlate") for mode in ("full", "same", "valid")
      for pair in ((X, Y), (X, EVEN), (Y, X), (IMAGE, KERNEL))],
    *[(f, lambda m, x, y, f=f, method=method: getattr(m, f)(x, y, method=method), (X, Y))
      for f in ("convolve", "correlate") for method in ("fft", "direct")],
    *[(f, lambda m, x, y, f=f, mode=mode: getattr(m, f)(x, y, mode, axes=1), pair) for f in ("fftconvolve", "oaconvolve")
      for mode in ("full", "same", "valid") for pair in ((IMAGE, IMAGE[:, :3]), (IMAGE, Y[None]), (Y[None], IMAGE[:, :2]))],
    *[(f, lambda m, x, y, f=f, mode=mode, kind=kind: getattr(m, f)(x, y, mode, kind), (IMAGE, k))
      for f in ("convolve2d", "correlate2d") for mode in ("full", "same", "valid") for kind in ("fill", "wrap", "symm")
      for k in (KERNEL, OBLONG)],
    ("convolve2d", lambda m, x, y: m.convolve2d(x, y, "same", "fill", 1.5), (IMAGE, KERNEL)),
    ("lfilter", lambda m, b, a, x: m.lfilter(b, a, x), (B, A, X)),
    ("lfilter", lambda m, b, a, x: m.lfilter(b, a, x), (B, A[:2], IMAGE)),
    ("lfilter", lambda m, b, a, x: m.lfilter(b[:1], a, x, axis=0), (B, A, IMAGE)),
    ("lfilter", lambda m, b, x: m.lfilter(b, [1.0], x), (B, X)),
    ("lfilter", lambda m, b, x: m.lfilter(b, [1.0], x), (X, Y)),
    ("lfilter", lambda m, b, a, x, zi: m.lfilter(b, a, x, zi=zi), (B, A, X, Y[:2])),
    ("lfilter", lambda m, b, a, x, zi: m.lfilter(b, a, x, axis=0, zi=zi), (B, A[:2], IMAGE, IMAGE[:2])),
    ("lfilter", lambda m, b, a, x, zi: m.lfilter(b, a, x, zi=zi), (B[:2], A, X, Y[:2])),
    ("sosfilt", lambda m, b, a, x: m.sosfilt(np.concatenate([b, ONES, a], 1), x), (SOS[:, :3], SOS[:, 4:], X)),
    ("sosfilt", lambda m, x: m.sosfilt(SOS, x, axis=0), (IMAGE,)),
    ("sosfilt", lambda m, x, zi: m.sosfilt(SOS, x, zi=zi), (X, KERNEL[:2])),
    ("sosfilt", lambda m, x, zi: m.sosfilt(SOS, x, axis=0, zi=zi), (IMAGE, RNG.normal(size=(2, 2, 6)))),
    *[("filtfilt", lambda m, x, p=p: m.filtfilt(B, A, x, padtype=p, padlen=4), (X,)) for p in ("odd", "even", "constant")],
    ("filtfilt", lambda m, x: m.filtfilt(B, A, x, axis=0, padtype=None), (IMAGE,)),
    ("filtfilt", lambda m, x: m.filtfilt(B, A, x), (RNG.normal(size=12),)),
]  # fmt: skip

MODES = ("reflect", "mirror", "nearest", "wrap", "constant")
NDIMAGE: list[tuple[str, Any, tuple[Any, ...]]] = [
    *[(f, lambda m, x, w, f=f, mode=mode: getattr(m, f)(x, w, mode=mode, cval=0.7), (IMAGE, w))
      for f in ("correlate", "convolve") for mode in MODES for w in (KERNEL, OBLONG)],
    *[(f, lambda m, x, w, f=f, o=o: getattr(m, f)(x, w, origin=o), (IMAGE, KERNEL)) for f in ("correlate", "convolve")
      for o in (0, (1, -1), (-1, 0))],
    *[(f, lambda m, x, w, f=f: getattr(m, f)(x, w, axis=0, mode="wrap"), (IMAGE, w)) for f in ("correlate1d", "convolve1d")
      for w in (Y, EVEN)],
    *[(f, lambda m, x, w, f=f: getattr(m, f)(x, w, origin=1), (X, Y)) for f in ("correlate1d", "convolve1d")],
    *[("gaussian_filter1d", lambda m, x, o=o: m.gaussian_filter1d(x, 0.8, order=o), (X,)) for o in (0, 1, 2, 3)],
    *[("gaussian_filter", lambda m, x, mode=mode: m.gaussian_filter(x, 1.1, mode=mode), (IMAGE,)) for mode in MODES],
    ("gaussian_filter", lambda m, x: m.gaussian_filter(x, (0.6, 1.1), order=(1, 0), truncate=3.0), (IMAGE,)),
    ("gaussian_filter", lambda m, x: m.gaussian_filter(x, 0.9, axes=(1,), radius=2), (IMAGE,)),
    *[("uniform_filter", lambda m, x, n=n: m.uniform_filter(x, n), (IMAGE,)) for n in (1, 2, 3, (4, 3))],
    ("uniform_filter1d", lambda m, x: m.uniform_filter1d(x, 4, axis=0, mode="constant", cval=2.0), (IMAGE,)),
    *[(f, lambda m, x, f=f: getattr(m, f)(x, axis=0), (IMAGE,)) for f in ("sobel", "prewitt")],
    *[(f, lambda m, x, f=f: getattr(m, f)(x, mode="nearest"), (IMAGE,)) for f in ("sobel", "prewitt", "laplace")],
    ("gaussian_laplace", lambda m, x: m.gaussian_laplace(x, 0.7), (IMAGE,)),
    ("gaussian_gradient_magnitude", lambda m, x: m.gaussian_gradient_magnitude(x, 0.7, truncate=3.0), (IMAGE,)),
]  # fmt: skip
PARAMETERS = [
    pytest.param(module, ours, *case, id=f"{case[0]}-{i}")
    for module, ours, cases in ((ss, wss, SIGNAL), (nd, wnd, NDIMAGE))
    for i, case in enumerate(cases)
]


def parts(z: Any) -> tuple[Any, ...]:
    return z if isinstance(z, tuple) else (z,)


@pytest.mark.parametrize(("module", "ours", "name", "call", "xs"), PARAMETERS)
def test_value_is_scipys(module: Any, ours: Any, name: str, call: Any, xs: Any):
    for dtype in ("float64", "float32"):
        ys = [np.asarray(x, dtype) for x in xs]
        got, expected = call(ours, *[wg.Variable(y) for y in ys]), call(module, *ys)
        for z, e in zip(parts(got), parts(expected), strict=True):
            np.testing.assert_array_equal(z.data, e)
            assert e.dtype == z.dtype
        np.testing.assert_array_equal(parts(call(ours, *ys))[0], parts(expected)[0])


@pytest.mark.parametrize(("module", "ours", "name", "call", "xs"), PARAMETERS)
def test_derivatives(module: Any, ours: Any, name: str, call: Any, xs: Any):
    wg.check_grads(lambda *ys: call(ours, *ys), *xs)


@pytest.mark.parametrize(("name", "call", "xs"), [pytest.param(*c, id=f"{c[0]}-{i}") for i, c in enumerate(SIGNAL)])
def test_complex_derivatives(name: str, call: Any, xs: Any):
    rng = np.random.default_rng(1)
    wg.check_grads(lambda *ys: call(wss, *ys), *[x + 0.3j * rng.normal(size=x.shape) for x in xs], order=1)


def test_a_gaussian_filter_in_its_width():
    for order in (0, 1, 2):
        wg.check_grads(lambda x, s, order=order: wnd.gaussian_filter1d(x, s, order=order), X, 0.9)
    wg.check_grads(lambda x, s: wnd.gaussian_filter(x, s), IMAGE, np.array([0.9, 0.6]))


def test_zero_axes():
    assert wss.convolve(wg.Variable(2.0), 3.0).data == 6
    wg.check_grads(lambda x, y: wss.convolve(x, y), np.array(2.0), np.array(3.0))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(ss.convolve, (X, Y)), (ss.fftconvolve, (X, Y)), (ss.oaconvolve, (X, Y)), (ss.correlate, (X, Y)),
     (ss.convolve2d, (IMAGE, KERNEL)), (ss.lfilter, (B, A, X)), (ss.sosfilt, (SOS, X)), (ss.filtfilt, (B, A, X)),
     (ss.hilbert, (X,)), (ss.detrend, (X,)), (nd.correlate, (IMAGE, KERNEL)), (nd.convolve, (IMAGE, KERNEL)),
     (nd.gaussian_filter, (IMAGE, 1.0)), (nd.uniform_filter, (IMAGE, 3)), (nd.map_coordinates, (IMAGE, OBLONG[:, :2])),
     (nd.shift, (IMAGE, 1.0)), (nd.zoom, (IMAGE, 2.0)), (nd.median_filter, (IMAGE, 3))],
)  # fmt: skip
def test_scipys_own_functions_refuse_a_tracked_variable(function: Any, arguments: Any):
    for i, x in enumerate(arguments):
        if isinstance(x, np.ndarray):
            with pytest.raises((TypeError, ValueError)):
                function(*[wg.Variable(x) if k == i else y for k, y in enumerate(arguments)])


def test_refusals():
    x = wg.Variable(X)
    with pytest.raises(TypeError, match=r"output="):
        wnd.gaussian_filter(x, 1.0, output=np.empty(7))
    with pytest.raises(AttributeError, match=r"wengert\.scipy\.signal\.medfilt"):
        wss.medfilt  # noqa: B018
    with pytest.raises(AttributeError, match=r"wengert\.scipy\.ndimage\.zoom"):
        wnd.zoom  # noqa: B018
