"""Random numbers whose distribution's parameters can be differentiated: sampling by reparameterisation.

A `numpy.random.Generator` comes first, then what its method of the same name takes. The numbers are those that the
Generator itself would draw, and it ends in the same state; each depends on the parameters as a Variable.

    z = wg.random.normal(rng, loc, scale, size)      # rng.normal(loc, scale, size)

Where a number is a function of the parameters and of noise free of them (`loc + scale * noise`), that function is
recorded. Elsewhere the derivative is implicit: the cumulative distribution function F of the sample stays constant, so
dz/da = -(dF/da) / density(z) (M. Figurnov, S. Mohamed and A. Mnih, "Implicit reparameterization gradients", NeurIPS
2018). Either way the gradient of the mean of f(z) is estimated without bias. Every order works: implicit derivatives
are made of SciPy's special functions and need the extra `scipy`.

All functions: parameters broadcast; `size` is by default their common shape; one draw and a few NumPy calls. Implicit
derivatives take about 10 microseconds for each number: integrals of 200 nodes. `dtype=np.float32` draws single
precision where NumPy's Generator does. The functions raise what NumPy raises for parameters out of bounds
(`ValueError: scale < 0`) and sizes that do not fit, and TypeError for anything but a Generator.

Example:
    >>> rng = np.random.default_rng(0)
    >>> scale = wg.Variable(2.0)
    >>> z = wg.random.normal(rng, 1.0, scale, 4)
    >>> np.array_equal(z.data, np.random.default_rng(0).normal(1.0, 2.0, 4))
    True
    >>> np.sum(z).backward()
    >>> bool(np.isclose(scale.grad, np.sum((z.data - 1) / 2)))
    True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.random import Generator

from .declare import general
from .rules.shaping import astype
from .scipy.composing import apart
from .variable import Variable, data_of, wrap

# ---- noise that is free of parameters, moved and stretched --------------------------------------------------


def normal(rng: Generator, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Normal distribution: `rng.normal(loc, scale, size)`, bit for bit.

    In single precision: `loc + scale * rng.standard_normal(size, dtype=np.float32)`.

    Example:
        >>> wg.grad(lambda loc: wg.random.normal(np.random.default_rng(0), loc, 2.0))(1.0)
        array(1.)
    """
    (loc, scale), shape = _drawing(rng, "normal", (loc, scale), size, dtype)
    return loc + scale * rng.standard_normal(shape, dtype=dtype)


def uniform(rng: Generator, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Uniform distribution on [low, high): `rng.uniform(low, high, size)`, bit for bit.

    In single precision: `low + (high - low) * rng.random(size, dtype=np.float32)`.

    Example:
        >>> low, high = wg.grad(lambda a, b: wg.random.uniform(np.random.default_rng(0), a, b), (0, 1))(1.0, 2.0)
        >>> float(low + high)
        1.0
    """
    (low, high), shape = _drawing(rng, "uniform", (low, high), size, dtype)
    return low + (high - low) * rng.random(shape, dtype=dtype)


def exponential(rng: Generator, scale: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Exponential distribution with mean `scale`: `rng.exponential(scale, size)`, bit for bit.

    In single precision: `scale * rng.standard_exponential(size, dtype=np.float32)`.

    Example:
        >>> z, dz = wg.value_and_grad(lambda scale: wg.random.exponential(np.random.default_rng(0), scale))(3.0)
        >>> float((z / dz).round(12))
        3.0
    """
    (scale,), shape = _drawing(rng, "exponential", (scale,), size, dtype)
    return scale * rng.standard_exponential(shape, dtype=dtype)


def laplace(rng: Generator, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Laplace distribution: `rng.laplace(loc, scale, size)`, bit for bit."""
    (loc, scale), shape = _drawing(rng, "laplace", (loc, scale), size)
    return loc + scale * rng.laplace(0.0, 1.0, shape)


def logistic(rng: Generator, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Logistic distribution: `rng.logistic(loc, scale, size)`, bit for bit."""
    (loc, scale), shape = _drawing(rng, "logistic", (loc, scale), size)
    return loc + scale * rng.logistic(0.0, 1.0, shape)


def gumbel(rng: Generator, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Gumbel distribution: `rng.gumbel(loc, scale, size)`, bit for bit."""
    (loc, scale), shape = _drawing(rng, "gumbel", (loc, scale), size)
    return loc + scale * rng.gumbel(0.0, 1.0, shape)


def lognormal(rng: Generator, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
    """Log-normal distribution: `rng.lognormal(mean, sigma, size)`, up to the rounding of NumPy's `exp`."""
    (mean, sigma), shape = _drawing(rng, "lognormal", (mean, sigma), size)
    return np.exp(mean + sigma * rng.standard_normal(shape))


def rayleigh(rng: Generator, scale: Any = 1.0, size: Any = None) -> Any:
    """Rayleigh distribution: `rng.rayleigh(scale, size)`, bit for bit."""
    (scale,), shape = _drawing(rng, "rayleigh", (scale,), size)
    return scale * np.sqrt(2.0 * rng.standard_exponential(shape))


def weibull(rng: Generator, a: Any, size: Any = None) -> Any:
    """Weibull distribution of shape a: `rng.weibull(a, size)`, up to the rounding of NumPy's `power`.

    Raises:
        ValueError: a <= 0; NumPy gives 0 for a = 0.
    """
    (a,), shape = _drawing(rng, "weibull", (a,), size)
    if np.any(data_of(a) == 0):
        raise ValueError("a == 0")
    return rng.standard_exponential(shape) ** (1.0 / a)


def pareto(rng: Generator, a: Any, size: Any = None) -> Any:
    """Pareto II (Lomax) distribution of shape a: `rng.pareto(a, size)`, up to the rounding of NumPy's `expm1`."""
    (a,), shape = _drawing(rng, "pareto", (a,), size)
    return np.expm1(rng.standard_exponential(shape) / a)


def multivariate_normal(rng: Generator, mean: Any, cov: Any, size: Any = None) -> Any:
    """Multivariate normal distribution: `rng.multivariate_normal(mean, cov, size, method="cholesky")`.

    Args:
        mean: shape `(n,)`.
        cov: shape `(n, n)`, symmetric and positive definite; its lower triangle is read, as by `np.linalg.cholesky`,
            and the gradient is of that triangle.

    The same numbers up to the rounding of the matrix product; shape `(*size, n)`.

    Raises:
        ValueError: shapes that do not fit.
        numpy.linalg.LinAlgError: cov is not positive definite.

    Example:
        >>> f = lambda cov: np.sum(wg.random.multivariate_normal(np.random.default_rng(0), np.zeros(2), cov) ** 2)
        >>> wg.grad(f)(np.eye(2)).shape
        (2, 2)
    """
    _generator(rng, "multivariate_normal")
    rng.multivariate_normal(data_of(mean), data_of(cov), (0,), method="cholesky")  # NumPy's own check of them
    mean, cov = [_floating(x, np.float64) for x in (mean, cov)]
    factor = np.linalg.cholesky(cov)
    noise = rng.standard_normal((*_size(size), mean.shape[0]))
    return mean + noise @ np.swapaxes(factor, -1, -2)


def gumbel_softmax(
    rng: Generator, logits: Any, temperature: Any = 1.0, size: Any = None, hard: bool = False, axis: int = -1
) -> Any:
    """A relaxed sample of a categorical distribution: `softmax((logits + gumbel noise) / temperature)`.

    Args:
        logits: unnormalised log-probabilities of the categories, which lie along `axis`.
        temperature: positive; towards 0 the samples approach one-hot vectors and the gradients' variance grows.
        size: the shape of the result; by default that of logits. The dtype is that of logits, too.
        hard: give exact one-hot vectors, of the largest element, with the derivatives of the relaxed ones ("straight
            through"). They are samples of the categorical distribution itself; but the derivative is not that of the
            value returned, which is constant almost everywhere, and as an estimate of that of its mean it is biased.

    E. Jang, S. Gu and B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017.

    Raises:
        ValueError: temperature <= 0, or sizes that do not fit.

    Example:
        >>> z = wg.random.gumbel_softmax(np.random.default_rng(0), np.log([0.2, 0.3, 0.5]), 0.5)
        >>> float(np.sum(z).round(12))
        1.0
    """
    if not np.all(data_of(temperature) > 0):
        raise ValueError("temperature <= 0")
    dtype = np.result_type(data_of(logits))
    (logits,), shape = _drawing(rng, "gumbel", (logits,), size)
    x = (logits + rng.gumbel(0.0, 1.0, shape or ())) / temperature
    e = np.exp(x - np.max(data_of(x), axis=axis, keepdims=True))
    z = e / np.sum(e, axis=axis, keepdims=True)
    z = astype(z, dtype) if dtype.kind == "f" else z
    if not hard:
        return z
    soft = data_of(z)
    one = np.zeros(soft.shape, soft.dtype)
    np.put_along_axis(one, np.argmax(soft, axis=axis, keepdims=True), 1.0, axis=axis)
    return one + (z - soft)


# ---- implicit reparameterisation ----------------------------------------------------------------------------


def _implicit(name: str, slope: Any) -> Any:
    """The operation that gives numbers drawn already, as a function of the parameters that they were drawn with.

    `slope(i, z, *parameters)` is their derivative with respect to parameter i. For higher orders it is differentiated
    itself, through z too.
    """

    def rule(i: int, g: Any, z: Any, xs: Any, *, drawn: Any) -> Any:
        wide = [v if v.dtype == np.float64 else v.astype(np.float64) for v in (z, *xs)]
        d = slope(i, *wide)
        return g * (d if z.dtype == np.float64 else d.astype(z.dtype))

    def value(*_xs: Any, drawn: Any) -> Any:
        return drawn()

    op = apart(
        name, "random", lambda: general(name, value, rule, rule, broadcasts=True, reads=(True, True), elementwise=True)
    )

    def call(drawn: Any, *parameters: Any) -> Any:
        drawn = np.asarray(drawn)[()]
        if not any([isinstance(p, Variable) for p in parameters]):
            return drawn
        _special()  # or there is an error now, not in backward
        return op(*parameters, drawn=lambda: drawn)

    return call


def _special() -> Any:
    return import_module(".scipy.special_incomplete", __package__)


def _piecewise(pieces: list[tuple[Any, Any]], *xs: Any) -> Any:
    """Functions of z and the parameters, each where its condition holds.

    Where none does, z was rounded to a bound of its support, and the derivative is 0 (or z is NaN, and so is it).
    """
    total: Any = np.zeros(np.broadcast_shapes(*[x.shape for x in xs]))
    total = np.where(np.isnan(data_of(xs[0])), np.nan, total)
    for condition, f in pieces:
        inside = np.broadcast_to(condition, total.shape)
        if inside.all():
            return f(*xs)
        if inside.any():
            total = np.where(inside, f(*[np.where(inside, x, 0.5) for x in xs]), total)
    return total


_TINY = 1e-100  # where the first term of the distribution function's series is exact, and densities may overflow


def _gamma_slope(_i: int, z: Any, a: Any) -> Any:
    of, at = _special(), data_of(z)
    return _piecewise(
        [
            (at > _TINY, lambda z, a: -of.gamma_moment(a, z, k=1) / of.gamma_density(a, z)),
            ((at > 0) & (at <= _TINY), lambda z, a: z * (of.sp.psi(a + 1) - np.log(z)) / a),
        ],
        z, a,
    )  # fmt: skip


def _beta_slope(i: int, z: Any, a: Any, b: Any) -> Any:
    of, at = _special(), data_of(z)
    by = (of.by_a, of.by_b)[i]

    def near_zero(z: Any, a: Any, b: Any) -> Any:
        own = of.sp.psi(b) if i else of.sp.psi(a + 1) - np.log(z)
        return z * (own - of.sp.psi(a + b)) / a

    return _piecewise(
        [
            ((at > _TINY) & (at < 1), lambda z, a, b: -by(a, b, z) / of.beta_density(a, b, z)),
            ((at > 0) & (at <= _TINY), near_zero),
        ],
        z, a, b,
    )  # fmt: skip


def _student_slope(_i: int, z: Any, v: Any) -> Any:
    """Of t > 0, the distribution function is 1/2 + betainc(1/2, v/2, y)/2 = 1 - betainc(v/2, 1/2, 1 - y)/2.

    y = t**2 / (v + t**2), of which the smaller one of y and 1 - y is used; the density is that of y times dy/dt.
    """
    of = _special()
    square = data_of(z * z)
    far = square > data_of(v)

    def near_slope(z: Any, v: Any) -> Any:
        y = z * z / (v + z * z)
        by = of.by_b(0.5, v / 2, y) / 2
        return z / (2 * v) - by / of.beta_density(0.5, v / 2, y) * (v + z * z) ** 2 / (2 * v * z)

    def far_slope(z: Any, v: Any) -> Any:
        w = v / (v + z * z)
        by = of.by_a(v / 2, 0.5, w) / 2
        return z / (2 * v) + by / of.beta_density(v / 2, 0.5, w) * (v + z * z) * (v / z + z) / (2 * v)

    return _piecewise([(far, far_slope), (~far & (square > 0), near_slope)], z, v)


_gamma = _implicit("standard_gamma", _gamma_slope)
_beta = _implicit("beta", _beta_slope)
_student = _implicit("standard_t", _student_slope)


def gamma(rng: Generator, shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = np.float64) -> Any:
    """Gamma distribution: `rng.gamma(shape, scale, size)`, bit for bit. Implicit in `shape`.

    In single precision: `scale * rng.standard_gamma(shape, size, dtype=np.float32)`.

    Example:
        >>> wg.grad(lambda a: wg.random.gamma(np.random.default_rng(0), a))(2.0).round(6)
        np.float64(1.039699)
    """
    (shape, scale), size = _drawing(rng, "gamma", (shape, scale), size, dtype)
    return scale * _gamma(rng.standard_gamma(data_of(shape), size, dtype=dtype), shape)


def chisquare(rng: Generator, df: Any, size: Any = None) -> Any:
    """Chi-square distribution: `rng.chisquare(df, size)`, bit for bit. Implicit in `df`."""
    (df,), size = _drawing(rng, "chisquare", (df,), size)
    half = df / 2.0
    return 2.0 * _gamma(rng.standard_gamma(data_of(half), size), half)


def beta(rng: Generator, a: Any, b: Any, size: Any = None) -> Any:
    """Beta distribution: `rng.beta(a, b, size)`, bit for bit. Implicit in a and b.

    Example:
        >>> da, db = wg.grad(lambda a, b: wg.random.beta(np.random.default_rng(0), a, b), (0, 1))(2.0, 3.0)
        >>> bool(da > 0 > db)
        True
    """
    (a, b), size = _drawing(rng, "beta", (a, b), size)
    return _beta(rng.beta(data_of(a), data_of(b), size), a, b)


def standard_t(rng: Generator, df: Any, size: Any = None) -> Any:
    """Student's t distribution: `rng.standard_t(df, size)`, bit for bit. Implicit in `df`."""
    (df,), size = _drawing(rng, "standard_t", (df,), size)
    return _student(rng.standard_t(data_of(df), size), df)


def student_t(rng: Generator, df: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Student's t distribution, moved and stretched: `loc + scale * rng.standard_t(df, size)`. Implicit in `df`.

    Raises:
        ValueError: df <= 0, scale < 0.
    """
    (loc, scale), size = _drawing(rng, "normal", (loc, scale), size, at_least=np.shape(data_of(df)))
    return loc + scale * standard_t(rng, df, size)


def dirichlet(rng: Generator, alpha: Any, size: Any = None) -> Any:
    """Dirichlet distribution: `rng.dirichlet(alpha, size)`, bit for bit.

    Args:
        alpha: shape `(n,)`.

    Shape `(*size, n)`. Implicit in alpha by stick-breaking: what element i takes of the elements from i on is
    beta-distributed with alpha[i] and sum(alpha[i+1:]).

    Example:
        >>> f = lambda alpha: wg.random.dirichlet(np.random.default_rng(0), alpha)[0]
        >>> g = wg.grad(f)(np.array([1.0, 2.0, 3.0]))
        >>> bool(g[0] > 0 and g[1] == g[2] < 0)
        True
    """
    _generator(rng, "dirichlet")
    z = rng.dirichlet(data_of(alpha), size)
    if not isinstance(alpha, Variable):
        return z
    alpha = _floating(alpha, z.dtype)
    if alpha.size < 2:
        return z + 0.0 * alpha
    rest = np.cumsum(z[..., ::-1], -1)[..., ::-1]
    share = np.divide(z, rest, out=np.zeros_like(z), where=rest > 0)[..., :-1]
    share = _beta(share, alpha[:-1], np.cumsum(alpha[::-1])[::-1][1:])
    one = np.ones((*z.shape[:-1], 1))
    composed = np.concatenate([share, one], -1) * np.concatenate([one, np.cumprod(1 - share, -1)], -1)
    return z + (composed - data_of(composed))


# ---- arguments ----------------------------------------------------------------------------------------------


def _generator(rng: Any, name: str) -> None:
    if not isinstance(rng, Generator):
        raise TypeError(
            f"wg.random.{name}: rng: expected a numpy.random.Generator, np.random.default_rng(seed), as the first "
            f"argument; got {type(rng).__name__}"
        )


def _size(size: Any) -> tuple[int, ...]:
    return () if size is None else (int(size),) if isinstance(size, (int, np.integer)) else tuple(size)


def _floating(x: Any, dtype: Any) -> Any:
    """x in the dtype in which numbers are drawn."""
    if isinstance(x, Variable) and x._node is not None:
        return x if x.dtype == dtype else astype(x, dtype)
    data = np.asarray(data_of(x), dtype)[()]
    return wrap(data, None) if isinstance(x, Variable) else data


def _drawing(
    rng: Any, name: str, parameters: tuple[Any, ...], size: Any, dtype: Any = np.float64, at_least: Any = ()
) -> tuple[list[Any], Any]:
    """The parameters as floating-point numbers, and the size to draw; raises what NumPy's method would raise."""
    _generator(rng, name)
    data = [data_of(p) for p in parameters]
    shape = np.broadcast_shapes(at_least, *map(np.shape, data))
    getattr(rng, name)(*data, size=(0, *shape))  # draws nothing, checks the parameters
    if size is not None:
        size = _size(size)
        extra = len(size) - len(shape)
        if extra < 0 or any([n not in (1, m) for n, m in zip(shape, size[extra:], strict=True)]):
            raise ValueError(f"{name}: size={size} does not hold parameters of shape {shape}")
    return [_floating(p, dtype) for p in parameters], size if size is not None else shape or None


def __getattr__(name: str) -> Any:
    if callable(getattr(Generator, name, None)) and name[0] != "_":
        raise AttributeError(
            f"wengert.random.{name}: no reparameterisation of it is known here, so its numbers have no derivative; "
            f"draw them from the Generator itself, rng.{name}(...), with the .data of Variables"
            + ("; gumbel_softmax relaxes a choice" if name in ("choice", "multinomial", "permutation") else "")
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
