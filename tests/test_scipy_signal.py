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

LONG = np.random.default_rng(2).normal(size=30)
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
    *[("hilbert", lambda m, x, n=n: m.hilbert(x, n), (X,)) for n in (None, 6, 10)], ("hilbert", lambda m, x: m.hilbert(x, axis=0), (IMAGE,)),
    *[("resample", lambda m, x, n=n: m.resample(x, n), (x,)) for n in (3, 4, 6, 7, 8, 11, 12) for x in (X, IMAGE.T)],
    *[("resample", lambda m, x, w=w: m.resample(x, 9, axis=1, window=w), (IMAGE,)) for w in ("hamming", np.arange(1.0, 7))],
    ("resample", lambda m, x: m.resample(x, 4, t=np.arange(7))[0], (X,)),
    ("detrend", lambda m, x: m.detrend(x), (IMAGE,)), ("detrend", lambda m, x: m.detrend(x, axis=0, type="constant"), (IMAGE,)),
    ("detrend", lambda m, x: m.detrend(x, bp=[3]), (X,)),
    *[("savgol_filter", lambda m, x, k=k: m.savgol_filter(x, 5, 2, mode=k, cval=0.4), (X,)) for k in ("interp", "mirror", "nearest", "wrap", "constant")],
    *[("savgol_filter", lambda m, x, w=w: m.savgol_filter(x, w, 2, deriv=1, delta=0.5, axis=0), (IMAGE,)) for w in (3, 5)],
    ("savgol_filter", lambda m, x: m.savgol_filter(x, 4, 2), (X,)),
    *[("upfirdn", lambda m, h, x, u=u, d=d: m.upfirdn(h, x, u, d), (Y, x)) for u, d in ((1, 1), (3, 2), (2, 5)) for x in (X, IMAGE)],
    ("upfirdn", lambda m, h, x: m.upfirdn(h, x, 2, 1, axis=0), (Y, IMAGE)),
    *[("resample_poly", lambda m, x, u=u, d=d: m.resample_poly(x, u, d), (IMAGE,)) for u, d in ((1, 1), (3, 2), (2, 6))],
    ("resample_poly", lambda m, x: m.resample_poly(x, 2, 3, axis=1, window=np.array([0.2, 0.5, 0.2])), (IMAGE,)),
    *[("decimate", lambda m, x, f=f, z=z: m.decimate(x, 2, 3, f, zero_phase=z), (LONG,)) for f in ("iir", "fir") for z in (True, False)],
    ("decimate", lambda m, x: m.decimate(x, 3, ftype="fir", axis=0), (IMAGE,)),
    *[("sosfiltfilt", lambda m, x, p=p: m.sosfiltfilt(SOS, x, padtype=p, padlen=4), (X,)) for p in ("odd", "even", "constant", None)],
    ("sosfiltfilt", lambda m, x: m.sosfiltfilt(SOS, x, axis=0), (np.stack([LONG, LONG**2], 1),)),
    ("deconvolve", lambda m, x, y: m.deconvolve(x, y), (X, Y)), ("deconvolve", lambda m, x, y: m.deconvolve(x, y)[1], (Y, X)),
    ("freqz", lambda m, b, a: m.freqz(b, a, 5)[1], (B, A)), ("freqz", lambda m, b: m.freqz(b, worN=[0.3, 1.0], fs=4.0)[1], (B,)),
]  # fmt: skip

GEOMETRIC = ("reflect", "mirror", "nearest", "wrap", "grid-wrap", "constant", "grid-constant")
COORDINATES = np.random.default_rng(3).uniform(-2.0, 7.0, (2, 6))
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
    *[("map_coordinates", lambda m, x, c, o=o, k=k: m.map_coordinates(x, c, order=o, mode=k, cval=0.4), (IMAGE, COORDINATES))
      for o in (1, 3) for k in GEOMETRIC], *[("map_coordinates", lambda m, x, o=o: m.map_coordinates(x, COORDINATES, order=o), (IMAGE,)) for o in (0, 2, 4, 5)],
    *[("shift", lambda m, x, s, k=k: m.shift(x, s, mode=k), (IMAGE, np.array([0.6, -1.3]))) for k in GEOMETRIC],
    ("shift", lambda m, x, s: m.shift(x, s, order=1, prefilter=False), (IMAGE, np.array(0.4))),
    *[("zoom", lambda m, x, k=k, g=g: m.zoom(x, (1.7, 0.6), mode=k, grid_mode=g), (IMAGE,)) for k in GEOMETRIC for g in (False, True)
      if not (g and k in ("constant", "wrap"))],  # SciPy warns of these
    *[("rotate", lambda m, x, a, k=k, r=r: m.rotate(x, a, mode=k, reshape=r), (IMAGE, np.array(20.0))) for k in ("reflect", "constant") for r in (False, True)],
    ("rotate", lambda m, x: m.rotate(x, 20.0, axes=(0, 2)), (RNG.normal(size=(3, 2, 4)),)),
    ("affine_transform", lambda m, x, a, b: m.affine_transform(x, a, b, mode="wrap"), (IMAGE, np.array([[1.1, 0.2], [-0.3, 0.9]]), np.array([0.33, 0.47]))),
    ("affine_transform", lambda m, x, a: m.affine_transform(x, a, output_shape=(3, 3), mode="mirror"), (IMAGE, np.array([[1.1, 0.2, 0.1], [-0.3, 0.9, 0.7]]))),
    ("affine_transform", lambda m, x, a: m.affine_transform(x, a, 0.13, order=1), (IMAGE, np.array([0.77, 1.13]))),
    ("spline_filter", lambda m, x: m.spline_filter(x, output=x.dtype), (IMAGE,)), ("spline_filter1d", lambda m, x: m.spline_filter1d(x, 2, 0, x.dtype, "grid-wrap"), (IMAGE,)),
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
    if name in ("hilbert", "savgol_filter"):
        return  # SciPy has them for real signals only
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
     (nd.shift, (IMAGE, 1.0)), (nd.zoom, (IMAGE, 2.0)), (nd.rotate, (IMAGE, 9.0)), (ss.resample, (X, 3)), (ss.savgol_filter, (X, 3, 1)), (nd.median_filter, (IMAGE, 3))],
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
    with pytest.raises(AttributeError, match=r"wengert\.scipy\.ndimage\.median_filter"):
        wnd.median_filter  # noqa: B018


@pytest.mark.parametrize(
    "call",
    [lambda x: wss.filtfilt(B, A, x, method="gust"), lambda x: wss.filtfilt(wg.Variable(B), A, x), lambda x: wss.upfirdn(B, x, mode="wrap"),
     lambda x: wss.resample_poly(x, 2, 1, padtype="line"), lambda x: wss.sosfiltfilt(wg.Variable(SOS), x), lambda x: wss.resample(x, 3, domain="freq"),
     lambda x: wnd.shift(x, 1.0, mode="nearest", prefilter=False)],
)  # fmt: skip
def test_what_has_no_rule_is_refused_at_the_call(call: Any):
    with pytest.raises(NotImplementedError, match=r"scipy\.(signal|ndimage).* no derivative rule"):
        call(wg.Variable(X))
