"""The compiler's elementary functions: accuracy, special values, vectors of all widths, targets."""

import pathlib
import re

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding", reason="compiled code needs llvmlite")
mpmath = pytest.importorskip("mpmath", reason="the truth needs mpmath")
pytest.importorskip("scipy.special", reason="the truth needs SciPy")

from benchmarks import polynomials, ulp  # noqa: E402

from wengert.compile.maths import FUNCTIONS, Library, coefficients  # noqa: E402

DTYPES = (np.float32, np.float64)
AVX2 = "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+popcnt,+sse4.2"
PROCESSORS = {"this": None, "avx2": AVX2, "baseline": ""}  # the last has neither FMA nor, on x86, more than SSE2
WITHOUT_ERROR = sorted(set(FUNCTIONS) - set(ulp.INTERVALS) - {"float_power"})


def features_of(processor):
    """The features of a processor that can run here."""
    features = PROCESSORS[processor]
    present = ulp.host().split(",")
    if features and not all([f in present for f in features.split(",")]):
        pytest.skip("this processor has no AVX2")
    return features


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ulp.INTERVALS)
def test_at_most_two_units(name, dtype):
    """Of special values and their pairs, and of random arguments; NaN, infinities and signs of zeros are NumPy's."""
    n = 256 if name.startswith("erf") and dtype is np.float64 else 2048
    for processor in PROCESSORS:
        f = ulp.compiled(name, dtype, 8, features=features_of(processor))
        worst = ulp.sampled(name, f, dtype, n, seed=len(name))
        assert worst.error <= (0 if name in ulp.EXACT else 2), (processor, worst)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ulp.INTERVALS)
def test_every_width_has_the_same_bits(name, dtype):
    with np.errstate(all="ignore"):
        xs = [np.concatenate(x) for x in zip(*ulp.samples(name, dtype, 80, 1), strict=True)]
        expected = ulp.compiled(name, dtype, 16)(*xs)
        for width in (1, 4, 5):
            result = ulp.compiled(name, dtype, width)(*xs)
            np.testing.assert_array_equal(result, expected)
            numbers = ~np.isnan(expected)
            np.testing.assert_array_equal(np.signbit(result[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WITHOUT_ERROR)
def test_simple_functions_are_numpys(name, dtype):
    rng = np.random.default_rng(0)
    count, bits = FUNCTIONS[name][0], f"i{np.dtype(dtype).itemsize}"
    info = np.iinfo(bits)
    xs = ulp.special(count, dtype)
    xs = [np.append(x, rng.integers(info.min, info.max, 64, bits).view(dtype)) for x in xs]
    xs = [np.append(x, rng.uniform(-9, 9, 48).astype(dtype)) for x in xs]
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*xs)
        for width, processor in ((16, "this"), (1, "this"), (4, "baseline")):
            result = ulp.compiled(name, dtype, width, features=features_of(processor))(*xs)
            np.testing.assert_array_equal(result, expected)
            if name not in ("fmax", "fmin", "maximum", "minimum"):  # of zeros, any
                numbers = ~np.isnan(expected)
                np.testing.assert_array_equal(np.signbit(result[numbers]), np.signbit(expected[numbers]))


def test_float_power_is_power():
    assert FUNCTIONS["float_power"] == FUNCTIONS["power"]


@pytest.mark.parametrize("features", [None, ""])
def test_angles_near_multiples_of_a_right_one(features):
    """Those that lose most digits: float64's worst case (Muller, Elementary Functions, 2016), and many turns of pi."""
    x = np.array(
        [6381956970095103.0 * 2.0**797, -(2.0**1023), 1e22, 3.141592653589793, 355.0, 2.0**21, 2.0**21 - 1, 1e6]
    )
    x = np.append(x, np.round(np.arange(1, 25) * 1e4 * np.pi, 11))
    for name in ("sin", "cos", "tan"):
        result = ulp.compiled(name, np.float64, 8, features=features)(x)
        with mpmath.workprec(1400):
            expected = [getattr(mpmath, name)(mpmath.mpf(float(v))) for v in x]
            error = [abs((float(r) - w) / np.spacing(abs(float(w)))) for r, w in zip(result, expected, strict=True)]
        assert max(error) < 2


def test_powers_that_are_floats_are_exact():
    x, y = np.meshgrid(np.arange(1.0, 17.0), np.arange(0.0, 13.0))
    x, y = np.append(x.ravel(), [10.0] * 16), np.append(y.ravel(), np.arange(7.0, 23.0))
    exact = np.array([float(int(a) ** int(b)) for a, b in zip(x, y, strict=True)])
    f = ulp.compiled("power", np.float64, 16)
    np.testing.assert_array_equal(f(x, y), exact)
    np.testing.assert_array_equal(f(-x, y), np.where(y % 2 == 1, -exact, exact))
    np.testing.assert_array_equal(f(x * x, np.full_like(x, 0.5)), x)


def calls(assembly):
    """The names of functions that assembly calls."""
    return set(re.findall(r"^\s*(?:callq?|bl)\s+([\w.$@]+)", assembly, re.MULTILINE))


@pytest.mark.parametrize(
    ("triple", "cpu", "fma"),
    [
        ("aarch64-unknown-linux-gnu", "", True),
        ("arm64-apple-macosx", "", True),
        ("x86_64-unknown-linux-gnu", "", False),
        ("x86_64-unknown-linux-gnu", "haswell", True),
        ("x86_64-pc-windows-msvc", "skylake-avx512", True),
    ],
)
def test_other_targets_need_no_library(triple, cpu, fma):
    target = ulp.machine(triple, cpu)
    for dtype, width in ((np.float32, 4), (np.float64, 2)):
        library = Library(fma)
        t = {np.float32: "<4 x float>", np.float64: "<2 x double>"}[dtype]
        lines = []
        for name, (count, _) in FUNCTIONS.items():
            symbol = library.function(name, dtype, width)
            result = f"<{width} x i1>" if name in ulp.MASKS else t
            arguments = ", ".join([f"{t} %{v}" for v in "xy"[:count]])
            lines += [f"define {result} @use_{name}({arguments}) {{", f"  %r = call {result} {symbol}({arguments})"]
            lines += [f"  ret {result} %r", "}"]
        assembly = target.emit_assembly(ulp.optimized(library.text() + "\n".join(lines), target))
        assert all(["wg_reduce" in name for name in calls(assembly)]), calls(assembly)
        assert "use_arctan2" in assembly


def test_a_library_has_each_definition_once():
    library = Library(fma=True)
    for width in (8, 8, 16):
        for name in ("sin", "cos", "exp"):
            library.function(name, np.float32, width)
    library.declare("declare <8 x float> @llvm.fma.v8f32(<8 x float>, <8 x float>, <8 x float>)")
    llvm.parse_assembly(library.text()).verify()
    assert library.text().count("@wg_inverse_pi =") == 1


def test_the_coefficients_are_those_of_the_recipe():
    with open(coefficients.__file__) as file:
        assert file.read() == polynomials.text() + "\n"


def test_the_documented_errors_are_within_the_bound():
    path = pathlib.Path(__file__).parents[1] / "docs" / "compiled_functions.md"
    rows = [line.split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")][1:]
    assert [row[0].removeprefix("| ") for row in rows] == list(ulp.INTERVALS)
    assert all([0 <= float(cell.split(" ")[0]) <= 2 for row in rows for cell in row[1:]])


def test_measuring_tells_an_error_from_none():
    w = np.array([1.0, 0.0, np.inf, np.nan, 1e-45], np.float64)
    same = w.astype(np.float32)
    assert ulp.units("exp", same, w, [same]).max() < 0.5
    for k, wrong in ((0, np.float32(1 + 2**-22)), (1, np.float32(-0.0)), (2, np.float32(1)), (3, np.float32(0))):
        z = same.copy()
        z[k] = wrong
        assert ulp.units("exp", z, w, [z])[k] > 1.9
