"""Native convolutions: against the NumPy ones, on every kind of machine that can be had here."""

import ctypes
import mmap

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")

import llvmlite.binding as llvm

from wengert.compile import convolution, convolution_kernel, convolution_sums, machine, steps
from wengert.compile.convolution_plan import plan_forward, plan_to_input
from wengert.nn import convolve
from wengert.nn.convolve import Geometry

HOST = machine.host()


def lower(vector, *without):
    """This machine without some of its instructions."""
    names = [f for f in HOST.features.split(",") if f]
    features = ["-" + f[1:] if f[1:].startswith(without) else f for f in names]
    return HOST._replace(vector=vector, fma="fma" not in without, cpu="x86-64", features=",".join(features))


LESS = {
    "avx2": lambda: lower(32, "avx512"),
    "sse": lambda: lower(16, "avx", "fma", "f16c", "xop", "vaes", "vpcl"),
}
ARM = machine.Machine("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", 16, True)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "")


def case(batch, channels, outputs, places, kernel, *, stride=1, padding=0, dilation=1, groups=1):
    n = len(places)
    each = [(v,) * n if isinstance(v, int) else v for v in (stride, padding, dilation)]
    pairs = tuple([p if isinstance(p, tuple) else (p, p) for p in each[1]])
    geometry = Geometry(each[0], pairs, each[2], groups)
    return (batch, channels, *places), (outputs, channels // groups, *kernel), geometry


CASES = {
    "3x3 same": case(3, 16, 32, (14, 14), (3, 3), padding=1),
    "one channel": case(2, 1, 16, (28, 28), (3, 3), padding=1),
    "odd channels": case(2, 20, 50, (9, 13), (3, 3), padding=1),
    "few outputs": case(2, 19, 3, (12, 17), (3, 3), padding=(1, 0)),
    "1x1": case(2, 24, 40, (7, 7), (1, 1)),
    "1x1, stride": case(2, 17, 33, (8, 9), (1, 1), stride=2),
    "5x5": case(2, 6, 16, (14, 14), (5, 5), padding=2),
    "stride": case(2, 7, 18, (15, 16), (3, 3), stride=2, padding=1),
    "strides": case(1, 5, 33, (11, 20), (4, 3), stride=(3, 4), padding=((2, 1), (0, 3))),
    "stride over kernel": case(1, 5, 21, (13, 13), (2, 2), stride=4, padding=1),
    "patches": case(2, 3, 24, (16, 16), (4, 4), stride=4),
    "dilation": case(2, 6, 20, (15, 15), (3, 3), padding=2, dilation=2),
    "stride and dilation": case(2, 4, 17, (17, 19), (3, 4), stride=(2, 3), padding=2, dilation=(3, 2)),
    "groups": case(2, 32, 48, (8, 8), (3, 3), padding=1, groups=4),
    "depthwise": case(2, 10, 10, (14, 20), (3, 3), padding=1, groups=10),
    "depthwise, stride": case(2, 6, 12, (15, 37), (3, 3), stride=2, padding=1, groups=6),
    "big kernel": case(1, 3, 20, (24, 24), (7, 7), stride=2, padding=3),
    "kernel of all": case(2, 5, 9, (4, 6), (4, 6)),
    "line": case(2, 9, 18, (50,), (5,), padding=2),
    "line, long kernel": case(1, 3, 17, (200,), (31,), stride=3, padding=15, dilation=2),
    "line, causal": case(2, 4, 4, (33,), (4,), padding=((3, 0),), groups=4),
    "space": case(2, 4, 18, (5, 6, 7), (3, 3, 3), padding=1),
    "space, stride": case(1, 3, 17, (6, 7, 8), (2, 3, 2), stride=(1, 2, 3), padding=(0, 1, 2), dilation=(2, 1, 1)),
    "many terms": case(1, 130, 17, (5, 5), (3, 3), padding=1),
    "many terms, few outputs": case(2, 70, 3, (3, 20), (3, 3), padding=1),
    "wide": case(1, 2, 3, (3, 600), (2, 2), padding=1),
}


def draw(shapes, dtype, seed=0):
    xs, ws, geometry = shapes
    rng = np.random.default_rng(seed)
    zs = (xs[0], ws[0], *geometry.outputs(xs[2:], ws[2:]))
    return [rng.standard_normal(s).astype(dtype) for s in (xs, ws, zs)]


def check(shapes, dtype, machine=None, threads=1, seed=0):
    (x, w, g), geometry = draw(shapes, dtype, seed), shapes[2]
    more = {"machine": machine, "threads": threads}
    pairs = [
        (convolution.forward(x, w, geometry, **more), convolve.convolve(x, w, geometry=geometry)),
        (
            convolution.to_input(g, w, x.shape[2:], geometry, **more),
            convolve.convolve_transposed(g, w, places=x.shape[2:], geometry=geometry),
        ),
        (
            convolution.to_kernel(x, g, w.shape[2:], geometry, **more),
            convolve.convolve_kernel(x, g, kernel=w.shape[2:], geometry=geometry),
        ),
    ]
    for mine, other in pairs:
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype == dtype
        largest = np.abs(other).max(initial=1.0)
        np.testing.assert_allclose(mine, other, rtol=0, atol=largest * (2e-5 if dtype == np.float32 else 1e-13))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name, dtype):
    check(CASES[name], dtype)


@pytest.mark.parametrize("way", ["channels", "places"])
@pytest.mark.parametrize("name", ["3x3 same", "few outputs", "strides", "groups", "depthwise, stride", "line", "space"])
def test_both_ways(name, way, monkeypatch):
    others = (
        (convolution_sums.Across, convolution_kernel.Along)
        if way == "channels"
        else (convolution_sums.Summing, convolution_kernel.Correlating)
    )
    for other in others:
        monkeypatch.setattr(other, "cost", property(lambda self: float("inf"), lambda self, value: None), raising=False)
    convolution._native.cache_clear()
    check(CASES[name], np.float32)
    convolution._native.cache_clear()


def random_case(rng):
    n, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))

    def each(low, high):
        return tuple(map(int, rng.integers(low, high, n)))

    kernel, dilation, stride = each(1, 6 - n), each(1, 4), each(1, 5)
    padding = tuple([(int(a), int(b)) for a, b in rng.integers(0, 4, (n, 2))])
    least = [d * (k - 1) + 1 - a - b for d, k, (a, b) in zip(dilation, kernel, padding, strict=True)]
    places = tuple([max(p, q, 1) for p, q in zip(each(1, {1: 60, 2: 18, 3: 8}[n]), least, strict=True)])
    channels, outputs = int(rng.integers(1, 20)) * groups, int(rng.integers(1, 40)) * groups
    shapes = (int(rng.integers(1, 5)), channels, *places), (outputs, channels // groups, *kernel)
    return (*shapes, Geometry(stride, padding, dilation, groups))


@pytest.mark.parametrize("seed", range(20))
def test_random(seed):
    rng = np.random.default_rng(seed)
    check(random_case(rng), [np.float32, np.float64][seed % 2], seed=seed)


@pytest.mark.skipif(HOST.vector < 32, reason="this machine has no AVX2")
@pytest.mark.parametrize("level", LESS)
@pytest.mark.parametrize("name", ["3x3 same", "odd channels", "few outputs", "strides", "depthwise, stride", "space"])
def test_less_machine(name, level):
    check(CASES[name], [np.float32, np.float64][len(name) % 2], LESS[level]())


@pytest.mark.parametrize("name", ["3x3 same", "strides", "depthwise, stride", "few outputs"])
def test_aarch64_is_valid(name):
    xs, ws, geometry = CASES[name]
    zs = (xs[0], ws[0], *geometry.outputs(xs[2:], ws[2:]))
    emitted = [
        convolution.emit_sum("forward", plan_forward(xs, ws, geometry), "f4", ARM, bias=True, relu=True),
        convolution.emit_sum("to_input", plan_to_input(zs, ws, xs[2:], geometry), "f4", ARM),
        convolution.emit_to_kernel("to_kernel", plan_forward(xs, ws, geometry), "f4", ARM),
    ]
    parsed = llvm.parse_assembly(steps.module(ARM, *emitted))
    parsed.verify()
    assert ARM.target().emit_object(parsed)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8), (0, 0, 8, 8)])
def test_nothing(shape):
    check((shape, (4, shape[1], 3, 3), Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1)), np.float32)


def test_no_outputs():
    geometry = Geometry((1,), ((1, 1),), (1,), 1)
    x, w = np.ones((2, 3, 5)), np.ones((0, 3, 3))
    assert convolution.forward(x, w, geometry).shape == (2, 0, 5)
    np.testing.assert_array_equal(convolution.to_input(np.ones((2, 0, 5)), w, (5,), geometry), np.zeros((2, 3, 5)))
    assert convolution.to_kernel(x, np.ones((2, 0, 5)), (3,), geometry).shape == (0, 3, 3)


@pytest.mark.parametrize("name", ["3x3 same", "stride", "depthwise"])
def test_threads_change_nothing(name):
    (x, w, g), geometry = draw(CASES[name], np.float32), CASES[name][2]
    for f in (
        lambda threads: convolution.forward(x, w, geometry, threads=threads),
        lambda threads: convolution.to_input(g, w, x.shape[2:], geometry, threads=threads),
        lambda threads: convolution.to_kernel(x, g, w.shape[2:], geometry, threads=threads),
    ):
        first = f(1)
        for threads in (2, 3, 5):
            np.testing.assert_array_equal(f(threads), first)


def test_bias_and_relu():
    for name in ("3x3 same", "few outputs", "strides", "many terms", "groups"):
        (x, w, _), geometry = draw(CASES[name], np.float64), CASES[name][2]
        bias = np.random.default_rng(1).standard_normal(len(w))
        z = convolve.convolve(x, w, geometry=geometry) + bias.reshape(-1, *(1,) * (x.ndim - 2))
        np.testing.assert_allclose(convolution.forward(x, w, geometry, bias=bias), z, atol=1e-11)
        mine = convolution.forward(x, w, geometry, bias=bias, relu=True)
        np.testing.assert_allclose(mine, np.maximum(z, 0), atol=1e-11)
    x[0, 0] = np.nan
    assert np.isnan(convolution.forward(x, w, geometry, relu=True)[0, 0]).any()


def test_infinities_stay_where_they_are():
    for name in ("3x3 same", "few outputs", "depthwise", "depthwise, stride", "strides", "one channel"):
        (x, w, g), geometry = draw(CASES[name], np.float64), CASES[name][2]
        for value in (np.inf, np.nan):
            x[0, 0, -1, -1] = g[0, 0, 0, 0] = value
            with np.errstate(invalid="ignore"):
                pairs = [
                    (convolution.forward(x, w, geometry), convolve.convolve(x, w, geometry=geometry)),
                    (
                        convolution.to_input(g, w, x.shape[2:], geometry),
                        convolve.convolve_transposed(g, w, places=x.shape[2:], geometry=geometry),
                    ),
                    (
                        convolution.to_kernel(x, g, w.shape[2:], geometry),
                        convolve.convolve_kernel(x, g, kernel=w.shape[2:], geometry=geometry),
                    ),
                ]
            for mine, other in pairs:
                np.testing.assert_allclose(mine, other, atol=1e-11)


@pytest.mark.parametrize("shapes", [CASES["many terms"], case(64, 4, 17, (20, 20), (3, 3), padding=1)])
def test_no_less_accurate_than_blas(shapes):
    (x, w, g), geometry = draw(shapes, np.float32), shapes[2]
    x, g = np.abs(x), np.abs(g)  # sums that grow
    exact = [a.astype(np.float64) for a in (x, w, g)]
    places, kernel = x.shape[2:], w.shape[2:]
    for mine, blas, right, times in (
        (
            convolution.forward(x, w, geometry),
            convolve.convolve(x, w, geometry=geometry),
            convolve.convolve(exact[0], exact[1], geometry=geometry),
            1.5,
        ),
        (
            convolution.to_input(g, w, places, geometry),
            convolve.convolve_transposed(g, w, places=places, geometry=geometry),
            convolve.convolve_transposed(exact[2], exact[1], places=places, geometry=geometry),
            3.0,  # im2col has a short sum for each tap here
        ),
        (
            convolution.to_kernel(x, g, kernel, geometry),
            convolve.convolve_kernel(x, g, kernel=kernel, geometry=geometry),
            convolve.convolve_kernel(exact[0], exact[2], kernel=kernel, geometry=geometry),
            1.5,
        ),
    ):
        rms = [np.sqrt(np.mean((z - right) ** 2)) for z in (mine, blas)]
        assert rms[0] <= times * rms[1]


# ---- memory that is not there ------------------------------------------------------------------------------------


class Guarded:
    """Bytes between two pages that nobody may touch."""

    def __init__(self):
        self.pages = []

    def __call__(self, size, front=False):
        page = mmap.PAGESIZE
        room = -(-size // page) * page
        pages = mmap.mmap(-1, room + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for at in (start, start + page + room):
            assert protect(ctypes.c_void_p(at), ctypes.c_size_t(page), 0) == 0
        self.pages.append(pages)
        first = page if front else page + room - size
        return np.frombuffer(pages, np.uint8, size, first)

    def copy(self, array, front=False):
        z = self(array.nbytes, front).view(array.dtype).reshape(array.shape)
        z[...] = array
        return z


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mprotect"), reason="no mprotect here")
@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("level", ["host", *LESS])
def test_nothing_else_is_touched(level, front, monkeypatch):
    if level != "host" and HOST.vector < 32:
        pytest.skip("this machine has no AVX2")
    guarded, less = Guarded(), HOST if level == "host" else LESS[level]()
    monkeypatch.setattr(steps, "buffer", lambda size: guarded(size, front))
    for name in ("odd channels", "1x1", "strides", "depthwise", "depthwise, stride", "kernel of all", "few outputs"):
        shapes = CASES[name]
        arrays, geometry = [guarded.copy(a, front) for a in draw(shapes, np.float32)], shapes[2]
        x, w, g = arrays
        for emit, plan, given, result in (
            (convolution.emit_sum, plan_forward(x.shape, w.shape, geometry), {"source": x, "weights": w}, g),
            (
                convolution.emit_sum,
                plan_to_input(g.shape, w.shape, x.shape[2:], geometry),
                {"source": g, "weights": w},
                x,
            ),
            (convolution.emit_to_kernel, plan_forward(x.shape, w.shape, geometry), {"source": x, "gradient": g}, w),
        ):
            z = guarded.copy(np.zeros_like(result), front)
            convolution._native(emit, plan, np.dtype(np.float32), less)({**given, "result": z})
            assert z.any()
