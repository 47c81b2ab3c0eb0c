"""wg.random: the Generator's own numbers; derivatives against closed forms, quantile functions, and PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

SHAPES = (None, (4, 3), (0, 3), (2, 1, 3))
PARAMETERS: dict[str, tuple[float, ...]] = {
    "normal": (0.3, 0.7), "uniform": (0.3, 0.9), "exponential": (2.0,), "gamma": (0.7, 2.0), "beta": (0.6, 2.0),
    "laplace": (0.1, 2.0), "logistic": (0.1, 2.0), "gumbel": (0.1, 2.0), "rayleigh": (2.0,), "chisquare": (3.0,),
    "standard_t": (3.0,), "lognormal": (0.1, 0.4), "weibull": (1.5,), "pareto": (3.0,),
}  # fmt: skip
ROUNDED = {"lognormal", "weibull", "pareto"}  # NumPy's C code calls another exp
IMPLICIT = {"gamma", "beta", "chisquare", "standard_t"}


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def arrays(name: str) -> list[Any]:
    return [p * np.array([1.0, 1.3, 2.0]) for p in PARAMETERS[name]]


# ---- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("name", PARAMETERS)
def test_values_are_the_generators(name: str, size: Any):
    ours, theirs, plain = rng(), rng(), rng()
    z = getattr(wg.random, name)(ours, *map(wg.Variable, arrays(name)), size=size)
    same = getattr(wg.random, name)(plain, *arrays(name), size=size)
    expected = getattr(theirs, name)(*arrays(name), size=size)
    assert isinstance(z, wg.Variable)
    assert isinstance(same, np.ndarray)
    assert z.dtype == expected.dtype
    assert np.array_equal(z.data, same)
    if name in ROUNDED:
        np.testing.assert_allclose(z.data, expected, rtol=1e-15)
    else:
        assert np.array_equal(z.data, expected)
    assert ours.bit_generator.state == theirs.bit_generator.state == plain.bit_generator.state


@pytest.mark.parametrize("name", PARAMETERS)
def test_single_numbers(name: str):
    z = getattr(wg.random, name)(rng(), *map(wg.Variable, PARAMETERS[name]))
    assert z.shape == ()
    assert z.data == pytest.approx(getattr(rng(), name)(*PARAMETERS[name]), rel=1e-15)
    assert getattr(wg.random, name)(rng(), *PARAMETERS[name]) == z.data


@pytest.mark.parametrize("bits", [np.random.PCG64DXSM, np.random.MT19937, np.random.Philox])
def test_any_generator(bits: Any):
    v = wg.Variable(2.0)
    for name in ("normal", "gamma"):
        ours, theirs = np.random.Generator(bits(3)), np.random.Generator(bits(3))
        assert np.array_equal(getattr(wg.random, name)(ours, v, 0.5, 50).data, getattr(theirs, name)(2.0, 0.5, 50))


def test_float32():
    one, two = np.float32(1), wg.Variable(np.float32(2))
    draws = {
        "normal": (one + np.float32(2) * rng().standard_normal(5, np.float32), (one, two)),
        "uniform": (one + one * rng().random(5, np.float32), (one, two)),
        "exponential": (np.float32(2) * rng().standard_exponential(5, np.float32), (two,)),
        "gamma": (rng().standard_gamma(2.0, 5, np.float32), (two,)),
    }
    for name, (expected, parameters) in draws.items():
        two.cleargrad()
        z = getattr(wg.random, name)(rng(), *parameters, size=5, dtype=np.float32)
        np.sum(z).backward()
        assert z.dtype == two.grad.dtype == np.float32
        assert np.array_equal(z.data, expected), name
    z = wg.random.normal(rng(), 0.0, two, 3)
    assert z.dtype == np.float64  # as the Generator's
    np.sum(z).backward()
    assert two.grad.dtype == np.float32


def test_untracked_and_no_grad():
    v = wg.Variable(2.0)
    with wg.no_grad():
        z = wg.random.gamma(rng(), v, 3.0)
    assert z.creator is None
    assert wg.random.standard_t(rng(), wg.Variable(2)).creator is None  # an integer Variable is a constant


# ---- derivatives of numbers that are moved and stretched ----------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - IMPLICIT))
def test_derivatives(name: str):
    draw = getattr(wg.random, name)
    wg.check_grads(lambda *parameters: draw(rng(), *parameters, size=(4, 3)), *arrays(name), order=2)
    wg.check_grads(lambda *parameters: draw(rng(), *parameters), *map(np.asarray, PARAMETERS[name]))


def test_parameters_broadcast():
    loc, scale = wg.Variable(np.zeros((2, 1))), wg.Variable(np.ones(3))
    z = wg.random.normal(rng(), loc, scale, (4, 2, 3))
    np.sum(z).backward()
    assert np.array_equal(loc.grad, np.full((2, 1), 12.0))
    np.testing.assert_allclose(scale.grad, np.sum(z.data, (0, 1)))


def test_a_scale_of_zero_keeps_its_derivative():
    noise = rng().standard_normal()
    assert wg.grad(lambda scale: wg.random.normal(rng(), 1.0, scale))(0.0) == noise


def test_multivariate_normal():
    mean, cov = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    for size in (None, 5, (2, 4), 0):
        z = wg.random.multivariate_normal(rng(), wg.Variable(mean), wg.Variable(cov), size)
        np.testing.assert_allclose(
            z.data, rng().multivariate_normal(mean, cov, size, method="cholesky"), rtol=1e-13, atol=1e-14
        )

    def symmetric(a):
        return a @ a.T + np.eye(3)

    def draw(m, a):
        return wg.random.multivariate_normal(rng(), m, symmetric(a), (2, 2))

    wg.check_grads(draw, mean, cov, order=2)


# ---- implicit derivatives -----------------------------------------------------------------------------------


@pytest.fixture
def special() -> Any:
    return pytest.importorskip("scipy.special", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")


def derivatives(f: Any, x: float, order: int) -> list[float]:
    found = []
    for _ in range(order):
        f = wg.grad(f)
        found.append(float(f(x)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_derivatives_are_those_of_the_quantile_function(special: Any, seed: int):
    """At a fixed probability, which is what implicit differentiation holds constant; three orders."""
    for a in (0.2, 2.3, 40.0):
        u = special.gammainc(a, wg.random.gamma(rng(seed), a))
        implicit = derivatives(lambda a: wg.random.gamma(rng(seed), a, 3.0), a, 3)
        assert implicit == pytest.approx(derivatives(lambda a: 3 * special.gammaincinv(a, u), a, 3), rel=1e-9)  # noqa: B023
    for a, b in ((0.4, 0.7), (2.3, 1.2), (8.0, 20.0)):
        u = special.betainc(a, b, wg.random.beta(rng(seed), a, b))

        def first(a):
            return wg.random.beta(rng(seed), a, b)  # noqa: B023

        def second(b):
            return wg.random.beta(rng(seed), a, b)  # noqa: B023

        by_a, by_b = derivatives(lambda a: special.betaincinv(a, b, u), a, 2), derivatives(first, a, 2)  # noqa: B023
        assert by_a == pytest.approx(by_b, rel=1e-8)
        assert derivatives(second, b, 2) == pytest.approx(
            derivatives(lambda b: special.betaincinv(a, b, u), b, 2),  # noqa: B023
            rel=1e-8,
        )
    for df in (0.7, 3.0, 30.0):
        u = special.stdtr(df, wg.random.standard_t(rng(seed), df))
        implicit = derivatives(lambda v: wg.random.standard_t(rng(seed), v), df, 2)
        assert implicit == pytest.approx(derivatives(lambda v: special.stdtrit(v, u), df, 2), rel=1e-7)  # noqa: B023


@pytest.mark.parametrize("name", sorted(IMPLICIT))
def test_implicit_forward_mode_agrees_with_reverse(special: Any, name: str):
    def draw(*parameters):
        return getattr(wg.random, name)(rng(), *parameters, size=(4, 3))

    parameters = arrays(name)
    tangents = [np.array([1.0, -2.0, 0.5])] * len(parameters)
    weights = rng(0).normal(size=(4, 3))
    _, ty = wg.jvp(draw, tuple(parameters), tuple(tangents))
    grads = wg.vjp(draw, *parameters)[1](weights)
    assert np.sum(ty * weights) == pytest.approx(sum([g @ t for g, t in zip(grads, tangents, strict=True)]))


@pytest.mark.parametrize("a", [0.001, 0.01, 0.3, 1.0, 3.0, 30.0, 1e3, 1e5])
def test_gamma_agrees_with_pytorch(special: Any, a: float):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer that derivatives are compared with")
    v = wg.Variable(np.full(100, a))
    z = wg.random.gamma(rng(), v)
    np.sum(z).backward()
    theirs = torch._standard_gamma_grad(torch.tensor(v.data), torch.tensor(z.data)).numpy()
    assert np.all(np.isfinite(v.grad))
    normal = z.data > 1e-290
    np.testing.assert_allclose(v.grad[normal], theirs[normal], rtol=2e-3)  # PyTorch's own accuracy


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.2), (0.5, 0.5), (2.0, 0.3), (3.0, 4.0), (50.0, 80.0)])
def test_beta_agrees_with_pytorch(special: Any, a: float, b: float):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer that derivatives are compared with")
    va, vb = wg.Variable(np.full(100, a)), wg.Variable(np.full(100, b))
    z = wg.random.beta(rng(), va, vb)
    np.sum(z).backward()
    x, total = np.stack([z.data, 1 - z.data], -1), np.full((100, 2), a + b)
    both = [torch.tensor(v) for v in (x, np.stack([va.data, vb.data], -1), total)]
    slope = torch._dirichlet_grad(*both).numpy()  # of each of z and 1 - z, divided by the other
    np.testing.assert_allclose(va.grad, slope[:, 0] * x[:, 1], rtol=2e-3)
    np.testing.assert_allclose(vb.grad, -slope[:, 1] * x[:, 0], rtol=2e-3)


def test_numbers_near_the_bounds(special: Any):
    """Densities overflow there; the derivative of the logarithm is that of the series' first term."""
    a = wg.Variable(np.full(400, 0.002))
    z = wg.random.gamma(rng(), a)
    np.sum(z).backward()
    assert np.all(a.grad[z.data == 0] == 0)
    small = (z.data > 0) & (z.data < 1e-100)
    expected = z.data * (special.psi(1.002) - np.log(z.data, where=small, out=np.zeros(400))) / 0.002
    np.testing.assert_allclose(a.grad[small], expected[small])
    b = wg.Variable(np.full(400, 0.004))
    z = wg.random.beta(rng(), a, b)
    np.sum(z).backward()
    assert np.any((z.data > 0) & (z.data < 1e-100))
    assert np.any(z.data == 1)
    assert np.all(np.isfinite(b.grad))
    assert np.all(b.grad[z.data == 1] == 0)
    df = wg.Variable(np.full(400, 0.3))
    t = wg.random.standard_t(rng(), df)  # up to 1e13: in the far tail, t is proportional to p**(-1/df)
    np.sum(t).backward()
    far = np.argmax(np.abs(t.data))
    h = 1e-6
    p = special.stdtr(0.3, -abs(t.data[far]))
    quantile = [-special.stdtrit(0.3 + s, p) for s in (h, -h)]
    expected = np.sign(t.data[far]) * (quantile[0] - quantile[1]) / (2 * h)
    assert df.grad[far] == pytest.approx(expected, rel=1e-5)


def test_gradients_of_means_are_unbiased(special: Any):
    n = 20_000
    cases = {
        "gamma": (lambda a, b: wg.random.gamma(rng(), a, b, n) ** 2, (1.5, 0.7), lambda a, b: a * (a + 1) * b * b),
        "beta": (lambda a, b: wg.random.beta(rng(), a, b, n), (1.5, 0.7), lambda a, b: a / (a + b)),
        "chisquare": (lambda df: wg.random.chisquare(rng(), df, n), (3.0,), lambda df: df),
        "t": (lambda df: wg.random.standard_t(rng(), df, n) ** 2, (12.0,), lambda df: df / (df - 2)),
    }
    for name, (draw, x, mean) in cases.items():
        places = tuple(range(len(x)))
        estimate = wg.grad(lambda *x: np.mean(draw(*x)), places)(*x)  # noqa: B023
        assert np.asarray(estimate) == pytest.approx(np.asarray(wg.grad(mean, places)(*x)), rel=0.08), name


@pytest.mark.parametrize("alpha", [[1.0, 2.0, 0.5], [0.01, 0.02, 0.03], [0.05, 0.0, 0.03], [2.0], [], [30.0, 0.2]])
@pytest.mark.parametrize("size", [None, 4, (2, 3), 0])
def test_dirichlet_values(special: Any, alpha: Any, size: Any):
    v = wg.Variable(np.array(alpha))
    z = wg.random.dirichlet(rng(), v, size)
    assert np.array_equal(z.data, rng().dirichlet(alpha, size))
    np.sum(z**2).backward()
    assert np.all(np.isfinite(v.grad))
    assert np.array_equal(wg.random.dirichlet(rng(), alpha, size), z.data)


def test_dirichlet_derivatives(special: Any):
    alpha = np.array([1.5, 2.0, 0.5])

    def f(alpha):
        return np.mean(wg.random.dirichlet(rng(), alpha, 5_000), 0)

    _, pullback = wg.vjp(f, alpha)
    for i in range(3):
        expected = (np.eye(3)[i] * np.sum(alpha) - alpha[i]) / np.sum(alpha) ** 2
        np.testing.assert_allclose(pullback(np.eye(3)[i])[0], expected, atol=1e-2)

    def shares(z):
        return (z[0], z[1] / (z[1] + z[2]))

    u, v = [
        special.betainc(a, b, s) for a, b, s in zip(alpha, (2.5, 0.5), shares(rng().dirichlet(alpha)), strict=False)
    ]

    def quantile(alpha: Any) -> Any:
        first = special.betaincinv(alpha[0], alpha[1] + alpha[2], u)
        second = (1 - first) * special.betaincinv(alpha[1], alpha[2], v)
        return np.sum(np.stack([first, second, 1 - first - second]) ** 3)

    def ours(alpha):
        return np.sum(wg.random.dirichlet(rng(), alpha) ** 3)

    np.testing.assert_allclose(wg.grad(ours)(alpha), wg.grad(quantile)(alpha), rtol=1e-9)
    second = [wg.grad(lambda alpha: np.sum(wg.grad(f)(alpha) ** 2))(alpha) for f in (ours, quantile)]  # noqa: B023
    np.testing.assert_allclose(second[0], second[1], rtol=1e-8)


def test_student_t(special: Any):
    df, scale = wg.Variable(np.array([2.0, 3.0])), wg.Variable(2.0)
    z = wg.random.student_t(rng(), df, np.zeros((3, 1)), scale)
    assert np.array_equal(z.data, 2 * rng().standard_t([2.0, 3.0], (3, 2)))
    np.sum(z).backward()
    assert scale.grad == pytest.approx(np.sum(z.data) / 2)
    assert df.grad.shape == (2,)


# ---- Gumbel-softmax -----------------------------------------------------------------------------------------


def test_gumbel_softmax():
    logits = np.array([[0.1, 1.0, -0.4], [2.0, 0.0, 0.0]])
    x = (logits + rng().gumbel(size=(2, 3))) / 0.7
    z = wg.random.gumbel_softmax(rng(), logits, 0.7)
    np.testing.assert_allclose(z, np.exp(x) / np.sum(np.exp(x), -1, keepdims=True), rtol=1e-14)
    wg.check_grads(lambda x, t: wg.random.gumbel_softmax(rng(), x, t), logits, np.asarray(0.7), order=2)
    wg.check_grads(lambda x: wg.random.gumbel_softmax(rng(), x, 0.7, (4, 2, 3), axis=1), logits)


def test_hard_gumbel_softmax_has_the_derivative_of_the_relaxed_one():
    logits, temperature = wg.Variable(np.array([0.1, 1.0, -0.4])), wg.Variable(0.3)
    weights = np.array([1.0, -2.0, 0.5])
    gradients = []
    for hard in (False, True):
        z = wg.random.gumbel_softmax(rng(), logits, temperature, (5, 3), hard=hard)
        np.sum(z * weights).backward()
        gradients.append((logits.grad, temperature.grad))
        logits.cleargrad()
        temperature.cleargrad()
    assert set(np.unique(z.data)) == {0.0, 1.0}
    assert np.array_equal(np.sum(z.data, -1), np.ones(5))
    for soft, straight in zip(*gradients, strict=True):
        np.testing.assert_allclose(straight, soft)


def test_gumbel_softmax_draws_from_the_categorical_distribution():
    p = np.array([0.2, 0.5, 0.3])
    z = wg.random.gumbel_softmax(rng(), np.log(p), 0.5, (20_000, 3), hard=True)
    np.testing.assert_allclose(np.mean(z, 0), p, atol=0.02)


def test_gumbel_softmax_keeps_float32():
    logits = wg.Variable(np.zeros(3, np.float32))
    for hard in (False, True):
        z = wg.random.gumbel_softmax(rng(), logits, 0.5, hard=hard)
        z[0].backward()
        assert z.dtype == logits.grad.dtype == np.float32


def test_nan_stays_nan(special: Any):
    df = wg.Variable(np.array([np.nan, 2.0]))
    z = wg.random.standard_t(rng(), df)
    assert np.array_equal(np.isnan(z.data), np.isnan(rng().standard_t(df.data)))
    np.sum(z).backward()
    assert np.array_equal(np.isnan(df.grad), np.isnan(z.data))


def test_large_logits_do_not_overflow():
    z = wg.random.gumbel_softmax(rng(), np.array([1e5, 0.0]), 0.01)
    assert np.array_equal(z, [1.0, 0.0])


# ---- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("normal", (0.0, -1.0)), ("uniform", (1.0, 0.0)), ("exponential", (-1.0,)), ("gamma", (-1.0,)),
        ("gamma", (1.0, -1.0)), ("beta", (0.0, 1.0)), ("laplace", (0.0, -1.0)), ("logistic", (0.0, -1.0)),
        ("gumbel", (0.0, -1.0)), ("lognormal", (0.0, -1.0)), ("rayleigh", (-1.0,)), ("weibull", (-1.0,)),
        ("pareto", (0.0,)), ("chisquare", (0.0,)), ("standard_t", (0.0,)),
        ("dirichlet", (np.array([1.0, -1.0]),)), ("normal", (np.zeros(2), np.array([1.0, -1.0]))),
    ],
)  # fmt: skip
def test_parameters_out_of_bounds_raise_as_numpys(name: str, parameters: Any):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        getattr(rng(), name)(*parameters)
    generator = rng()
    for wrapped in (parameters, tuple(map(wg.Variable, parameters))):
        with pytest.raises(ValueError) as ours:  # noqa: PT011
            getattr(wg.random, name)(generator, *wrapped)
        assert str(ours.value) == str(theirs.value)
    assert generator.bit_generator.state == rng().bit_generator.state


def test_errors():
    for wrong in (0, np.random, None):
        with pytest.raises(TypeError, match=r"wg\.random\.normal: rng: expected a numpy\.random\.Generator"):
            wg.random.normal(wrong, 0.0, 1.0)
    with pytest.raises(TypeError, match=r"wg\.random\.dirichlet: rng"):
        wg.random.dirichlet([1.0, 2.0], 3)
    with pytest.raises(ValueError, match=r"normal: size=\(2,\) does not hold parameters of shape \(3,\)"):
        wg.random.normal(rng(), np.zeros(3), 1.0, 2)
    with pytest.raises(ValueError, match=r"size=\(1,\) does not hold"):
        wg.random.normal(rng(), np.zeros(3), 1.0, (1,))
    with pytest.raises(TypeError, match="Unsupported dtype"):
        wg.random.normal(rng(), 0.0, 1.0, dtype=np.float16)
    with pytest.raises(ValueError, match="temperature <= 0"):
        wg.random.gumbel_softmax(rng(), np.zeros(2), 0.0)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        wg.random.multivariate_normal(rng(), np.zeros(2), -np.eye(2))
    with pytest.raises(AttributeError, match=r"poisson: no reparameterisation .* rng\.poisson"):
        _ = wg.random.poisson
    with pytest.raises(AttributeError, match="gumbel_softmax relaxes"):
        _ = wg.random.choice
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wg.random.nothing
