"""The less common ufuncs, ufunc methods, and the arguments that every ufunc takes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import Variable

A = np.array([1.5, -2.0, 0.0, 3.25, -0.5])
B = np.array([0.5, 1.0, -2.0, -0.75, 4.0])
ODD = np.array([0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan])
MASK = np.array([True, False, True, True, False])


def leaf(x=A):
    return Variable(np.array(x))


def grad(f, *xs):
    """The gradients of the sum of f."""
    vs = [leaf(x) for x in xs]
    np.sum(f(*vs)).backward()
    return [v.grad for v in vs]


# ---- values, bit for bit ----


@pytest.mark.parametrize("name", ["copysign", "nextafter", "heaviside", "divmod", "floor_divide", "logical_and"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_arguments(name, dtype):
    f = getattr(np, name)
    x, y = ODD[:, None].astype(dtype), ODD.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = f(x, y)
        for got in (f(Variable(x), Variable(y)), f(Variable(x), y), f(x, Variable(y))):
            pairs = zip(got, expected, strict=True) if name == "divmod" else [(got, expected)]
            for a, b in pairs:
                a = a.data if isinstance(a, Variable) else a
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
                np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


@pytest.mark.parametrize("name", ["frexp", "modf", "spacing", "signbit", "logical_not", "rint"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_argument(name, dtype):
    f, x = getattr(np, name), ODD.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected, got = f(x), f(Variable(x))
    pairs = zip(got, expected, strict=True) if isinstance(got, tuple) else [(got, expected)]
    for a, b in pairs:
        a = a.data if isinstance(a, Variable) else a
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_containers():
    m, e = np.frexp(leaf())
    assert isinstance(m, Variable)
    assert type(e) is np.ndarray
    assert e.dtype.kind == "i"
    fraction, whole = np.modf(leaf())
    assert isinstance(fraction, Variable)
    assert type(whole) is np.ndarray
    quotient, rest = np.divmod(leaf(), 0.7)
    assert isinstance(rest, Variable)
    assert type(quotient) is np.ndarray
    quotient, rest = np.divmod.outer(leaf(), B)
    assert rest.shape == (5, 5)
    assert type(quotient) is np.ndarray


def test_constants_are_plain_arrays():
    x, n = leaf(), Variable(np.array([6, 4]))
    for y in (np.spacing(x), np.signbit(x), x // 2, np.logical_xor(x, 0), np.isnan(x)):
        assert type(y) is np.ndarray
    for y in (np.gcd(n, 4), np.lcm(n, 3), n.data & 1, np.bitwise_or(n, 1), np.invert(n), np.left_shift(n, 1)):
        assert type(y) is np.ndarray
    assert np.bitwise_count(n).tolist() == [2, 1]
    assert np.logical_and.reduce(x) == np.False_
    assert np.greater.outer(x, [0.0]).shape == (5, 1)
    out = np.empty(5, bool)
    assert np.isnan(x, out=out) is out


# ---- derivatives ----


def test_conventions():
    np.testing.assert_array_equal(grad(np.copysign, A, -np.abs(B))[0], -np.sign(A))
    np.testing.assert_array_equal(grad(np.copysign, A, B)[1], 0)
    h = grad(lambda h: np.heaviside(A, h), B)[0]
    np.testing.assert_array_equal(h, A == 0)
    assert type(np.heaviside(leaf(), B)) is np.ndarray
    g, h = grad(np.nextafter, A, B)
    np.testing.assert_array_equal(g, 1)
    np.testing.assert_array_equal(h, 0)


def test_tied_winners_share():
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    for f in (np.maximum.reduce, np.fmax.reduce):
        np.testing.assert_allclose(grad(f, x)[0], [0, 1 / 3, 1 / 3, 0, 1 / 3])
        np.testing.assert_allclose(grad(lambda x, f=f: f(x, initial=3.0), x)[0], [0, 1 / 4, 1 / 4, 0, 1 / 4])
    expected = [1, 1 + 1 / 2 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 2 + 1 / 3, 0, 1 / 3]
    np.testing.assert_allclose(grad(np.maximum.accumulate, x)[0], expected)


def test_a_nan_is_passed_over_by_fmax():
    np.testing.assert_array_equal(grad(np.fmax.reduce, np.array([1.0, np.nan, 0.5]))[0], [1, 0, 0])


def test_hypot_of_nothing_but_zeros_has_gradient_zero():
    np.testing.assert_array_equal(grad(np.hypot.reduce, np.zeros(3))[0], 0)


def test_hypot_of_one_number_is_its_absolute_value():
    x = np.array([[-3.0, 2.0]])
    np.testing.assert_array_equal(grad(np.hypot.reduce, x)[0], [[-1, 1]])
    np.testing.assert_array_equal(grad(lambda x: np.hypot.reduce(x, initial=None), x)[0], [[1, 1]])
    np.testing.assert_array_equal(grad(lambda x: np.hypot.reduceat(x, [0]), x)[0], [[1, 1]])
    np.testing.assert_array_equal(grad(lambda x: np.hypot.reduce(x, axis=()), x)[0], [[-1, 1]])


def test_logaddexp_of_infinities():
    np.testing.assert_array_equal(grad(np.logaddexp.reduce, [-np.inf, -np.inf])[0], [0.5, 0.5])
    np.testing.assert_allclose(grad(np.logaddexp.reduce, [-np.inf, 1.0, 1.0])[0], [0, 0.5, 0.5])


def test_products_with_zeros_are_exact():
    np.testing.assert_array_equal(grad(lambda x: np.multiply.reduce(x, initial=2.0), [0.0, 2.0, 3.0])[0], [12, 0, 0])
    np.testing.assert_array_equal(grad(lambda x: np.multiply.accumulate(x)[-1], [0.0, 2.0, 3.0])[0], [6, 0, 0])


@pytest.mark.parametrize(
    "call",
    [
        lambda u, x: u.reduce(x),
        lambda u, x: u.reduce(x, axis=-1, keepdims=True),
        lambda u, x: u.accumulate(x, axis=1),
        lambda u, x: u.reduceat(x, [0, 2, 1], axis=1),
        lambda u, x: u.outer(x, 2.0),
        lambda u, x: u.outer(np.float32(0.5), x),
    ],
)
@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "maximum", "fmin", "logaddexp", "hypot", "float_power"]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_of_methods(name, call, dtype):
    ufunc, x = getattr(np, name), np.abs(np.random.default_rng(0).normal(1, 0.2, (3, 40))).astype(dtype)
    expected, y = call(ufunc, x), call(ufunc, Variable(x))
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y.data, expected)


def test_reductions_of_integers_are_untracked():
    y = np.add.reduce(Variable(np.array([1, 2])), initial=3)
    assert y.data == 6
    assert y.creator is None


# ---- at ----


def test_at_moves_the_handle():
    x, b = leaf(), leaf([1.0, 2.0, 3.0])
    y = x * 1
    before = y * 1
    np.multiply.at(y, [0, 0, 3], b)
    np.testing.assert_array_equal(y.data, [1.5 * 2, -2, 0, 3.25 * 3, -0.5])
    np.sum(y + before).backward()
    np.testing.assert_array_equal(x.grad, [3, 2, 2, 4, 2])
    np.testing.assert_array_equal(b.grad, [3, 1.5, 3.25])
    np.testing.assert_array_equal(A, [1.5, -2, 0, 3.25, -0.5])


def test_at_through_a_view():
    x = leaf()
    y = x * 1
    np.add.at(y[1:3], [0, 0], 5.0)
    np.testing.assert_array_equal(y.data, [1.5, 8, 0, 3.25, -0.5])


def test_at_on_an_array_with_an_untracked_index():
    a = np.zeros(3)
    np.add.at(a, Variable(np.array([0, 0])), 1.0)
    np.testing.assert_array_equal(a, [2, 0, 0])


# ---- out=, where=, dtype=, casting=, order= ----


def test_out_moves_the_handle_like_an_assignment():
    x, y = leaf(), leaf(B)
    z = y * 1
    assert np.multiply(x, 2.0, out=z) is z
    np.sum(z * z).backward()
    np.testing.assert_array_equal(x.grad, 8 * A)
    assert y.grad is None
    z = y * 1
    np.add(z, x, out=z)
    np.sum(z).backward()
    np.testing.assert_array_equal(y.grad, 1)


def test_out_takes_the_place_of_a_view():
    base = leaf() * 1
    np.exp(leaf([0.0, 0.0]), out=base[:2])
    np.testing.assert_array_equal(base.data, [1, 1, 0, 3.25, -0.5])


def test_out_of_a_constant_forgets_the_graph():
    x = leaf()
    y = x * 1
    np.floor(x, out=y)
    np.testing.assert_array_equal(y.data, np.floor(A))
    assert y.creator is None
    y = x * 1
    np.floor_divide(x, 2.0, out=y, where=MASK)
    np.sum(y).backward()
    np.testing.assert_array_equal(x.grad, ~MASK)


def test_out_of_constants_alone():
    x = leaf() * 1
    assert np.add(A, B, out=x) is x
    np.testing.assert_array_equal(x.data, A + B)
    assert x.creator is None


def test_out_of_several_results():
    a = leaf() * 1
    fraction, whole = np.modf(leaf(B), out=(a, None))
    assert fraction is a
    assert type(whole) is np.ndarray
    np.testing.assert_array_equal(a.data, np.modf(B)[0])


def test_out_is_cast_and_broadcast_as_in_numpy():
    x, out = leaf(), Variable(np.zeros((2, 5), np.float32))
    np.sin(x, out=out)
    expected = np.zeros((2, 5), np.float32)
    np.sin(A, out=expected)
    np.testing.assert_array_equal(out.data, expected)
    np.sum(out).backward()
    np.testing.assert_allclose(x.grad, 2 * np.cos(A), rtol=1e-6)


def test_out_of_reductions_computes_in_its_dtype():
    x = np.linspace(0, 1, 1000, dtype=np.float32)
    out, expected = Variable(np.zeros(())), np.zeros(())
    np.add.reduce(Variable(x), out=out)
    np.add.reduce(x, out=expected)
    assert out.data == expected


def test_out_under_no_grad_moves_only_the_data():
    p = leaf()
    creator = p.creator
    with wg.no_grad():
        np.multiply(p, 0.5, out=p)
    np.testing.assert_array_equal(p.data, A * 0.5)
    np.sum(p * p).backward()
    np.testing.assert_array_equal(p.grad, A)
    assert p.creator is creator


def test_where_computes_only_what_it_names():
    x, y = leaf(), leaf(B)
    z = y * 1
    np.divide(1.0, x, out=z, where=A != 0)  # no warning
    np.sum(z).backward()
    np.testing.assert_allclose(x.grad, np.where(A == 0, 0, -1 / np.where(A == 0, 1, A) ** 2))
    np.testing.assert_array_equal(y.grad, A == 0)


def test_where_in_reductions():
    x = leaf()
    y = np.add.reduce(x, where=Variable(MASK))
    assert y.data == np.add.reduce(A, where=MASK)
    y.backward()
    np.testing.assert_array_equal(x.grad, MASK)


def test_dtype_converts_the_operands_first():
    x = Variable(A.astype(np.float32))
    for y, expected in [
        (np.exp(x, dtype=np.float64), np.exp(A.astype(np.float32), dtype=np.float64)),
        (np.add(x, [1, 2, 3, 4, 5], dtype="d"), np.add(A.astype(np.float32), [1, 2, 3, 4, 5], dtype="d")),
        (np.multiply(leaf(), 1.1, dtype=np.float32), np.multiply(A, 1.1, dtype=np.float32)),
        (np.add(x, 1.1, casting="safe"), np.add(A.astype(np.float32), 1.1, casting="safe")),
        (np.add.accumulate(x, dtype="d"), np.add.accumulate(A.astype(np.float32), dtype="d")),
    ]:
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y.data, expected)
    np.sum(np.exp(x, dtype=np.float64)).backward()
    assert x.grad.dtype == np.float32


def test_order_and_subok():
    x = Variable(A.reshape(1, 5) * np.ones((3, 1)))
    assert np.exp(x, order="F").data.flags.f_contiguous
    np.testing.assert_array_equal(np.exp(x, subok=True, order="K").data, np.exp(x.data))


def test_axes_of_matrix_products():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3)), np.random.default_rng(1).normal(size=(4, 3, 5))
    axes = [(0, 2), (1, 2), (-1, 0)]
    got = np.matmul(Variable(x), Variable(y[..., :4].transpose(2, 1, 0)), axes=axes)
    np.testing.assert_array_equal(got.data, np.matmul(x, y[..., :4].transpose(2, 1, 0), axes=axes))


V, OUT = Variable(A.copy()), np.empty(5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: np.sin(V, out=OUT), r"^np\.sin: out= would write.*give out=, a Variable"),
        (lambda: np.add.reduce(V, out=np.empty(())), r"^np\.add\.reduce: out="),
        (lambda: np.modf(V, out=(OUT, None)), r"^np\.modf: out="),
        (lambda: np.sin(V, where=MASK), r"^np\.sin: where= has no derivative rule without out="),
        (lambda: np.sin(V, dtype=int), r"^np\.sin: dtype=int64 has no derivative rule"),
        (lambda: np.absolute(V + 0j, dtype=complex), r"^np\.absolute: dtype=complex128"),
        (lambda: np.sin(V + 0j, dtype=float), r"^np\.sin: argument 1 is complex128"),
        (lambda: np.add(V, V, dtype="f", casting="safe"), r"^np\.add: argument 1 is float64"),
        (lambda: np.add(V, V, signature="dd->d"), r"^np\.add: sig"),
        (lambda: np.add(V, V, order="A"), r"^np\.add: order= "),
        (lambda: np.sin(V, subok=False), r"^np\.sin: subok= "),
        (lambda: np.add(V, V, axis=0), "takes no axes=|unexpected keyword"),
        (lambda: np.exp(V, out=Variable(np.zeros(5, int))), r"^np\.exp: the result is float64.*int64"),
        (lambda: np.add.at(np.zeros(5), [0], V[:1]), r"^np\.add\.at: x is an array"),
        (lambda: np.floor_divide.at(V, [0], 2.0), r"^np\.floor_divide\.at has no derivative rule"),
        (lambda: np.power.reduce(V), r"^np\.power\.reduce: NumPy's result depends on the memory layout"),
        (lambda: np.spacing.at(V, [0]), r"^np\.spacing\.at has no derivative rule"),
        (lambda: np.strings.isalpha(V), r"^np\.isalpha has no derivative rule; it works on text"),
        (lambda: np.char.upper(V), "^np.*upper has no derivative rule; it works on text"),
        (lambda: np.argmax(V, 0, Variable(np.array(0))), r"^np\.argmax: out= a Variable"),
        (lambda: np.gcd(V, 2), "gcd"),
        (lambda: np.ldexp(V, 0.5), "^ldexp: "),
    ],
)  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(TypeError, match=message):
        call()
    np.testing.assert_array_equal(V.data, A)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"^np\.sin: the result has shape \(5,\) and out= has \(3,\)"):
        np.sin(V, out=Variable(np.zeros(3)))
    with pytest.raises(IndexError):
        np.add.at(leaf(), [7], 1.0)


@pytest.mark.parametrize("name", ["copysign", "logaddexp", "hypot", "maximum", "fmod", "ldexp"])
def test_gradients_are_torchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y = A[[0, 1, 3, 4]], np.array([2, 0, 3, 1]) if name == "ldexp" else B[[0, 1, 3, 4]]
    v = [leaf(x)] if name == "ldexp" else [leaf(x), leaf(y)]
    t = [torch.tensor(a.data, requires_grad=True) for a in v]
    np.sum(getattr(np, name)(*v, *([y] if name == "ldexp" else [])) ** 2).backward()
    torch.sum(getattr(torch, name)(*t, *([torch.tensor(y)] if name == "ldexp" else [])) ** 2).backward()
    for a, b in zip(v, t, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-12)


def test_accumulations_are_torchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for ours, theirs in [
        (np.add.accumulate, lambda t: torch.cumsum(t, 0)),
        (np.multiply.accumulate, lambda t: torch.cumprod(t, 0)),
        (np.logaddexp.accumulate, lambda t: torch.logcumsumexp(t, 0)),
        (np.maximum.accumulate, lambda t: torch.cummax(t, 0).values),
        (np.logaddexp.reduce, lambda t: torch.logsumexp(t, 0)),
    ]:
        v, t = leaf(), torch.tensor(A, requires_grad=True)
        np.sum(ours(v) ** 2).backward()
        torch.sum(theirs(t) ** 2).backward()
        np.testing.assert_allclose(v.grad, t.grad.numpy(), rtol=1e-9)
