"""The accuracy that docs/special.md states, against mpmath; the page; and that scipy.special has no name in no group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mpmath", reason="mpmath gives the reference values: pip install 'wengert[peers]'")
sp = pytest.importorskip("scipy.special", reason="SciPy is an optional extra: pip install 'wengert[scipy]'")

from special_references import REFERENCES, SLOPES, error  # noqa: E402

from wengert.scipy.special_accuracy import ROWS, UNMEASURED, Row  # noqa: E402
from wengert.scipy.special_declare import PARTIALS  # noqa: E402

THERE = [row for row in ROWS if hasattr(sp, row.name)]
SLOW = {
    "besselpoly": 2,
    "chndtrix": 2,
    "kelvin": 2,
    "ncfdtri": 2,
    "nctdtr": 2,
    "nctdtrit": 1,
    "ncfdtrinc": 1,
    "nctdtrinc": 1,
    "chndtrinc": 1,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore:non-integer arg n:DeprecationWarning")
@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.name}-{i}") for i, row in enumerate(THERE)])
def test_the_stated_accuracy(row: Row):
    tracked = [i for i, partial in enumerate(PARTIALS[getattr(sp, row.name)]) if partial is not None]
    with np.errstate(all="ignore"):
        errors = [error(row, i, SLOW.get(row.name, 6), 0) for i in tracked]
    assert len(row.bounds) == len(tracked)
    assert all(e <= bound for e, bound in zip(errors, row.bounds, strict=True)), f"{row.name}: {errors}"


def test_every_function_states_its_accuracy():
    differentiable = {f.__name__ for f, partials in PARTIALS.items() if any(partials) and f.__name__ in sp.__all__}
    stated = {row.name for row in ROWS} | set(UNMEASURED)
    assert differentiable <= stated
    assert {row.name for row in THERE} <= differentiable
    assert {row.name for row in ROWS} == (set(REFERENCES) | set(SLOPES))


# ---- groups, and the page -----------------------------------------------------------------------------------

from wengert.__main__ import main  # noqa: E402
from wengert.scipy import coverage  # noqa: E402

PAGE = Path(__file__).parents[1] / "docs" / "special.md"
VERSION = ".".join(coverage.scipy.__version__.split(".")[:2])
WRITTEN_FOR = PAGE.read_text(encoding="utf-8").split("What of SciPy ")[1].split()[0]


def test_every_name_of_scipy_special_is_in_one_group():
    found = {name: coverage.groups(name, function) for name, function in coverage.names().items()}
    wrong = {name: groups for name, groups in found.items() if len(groups) != 1}
    assert not wrong, "declare a rule, or list it in wengert/scipy/coverage.py"


@pytest.mark.skipif(VERSION != WRITTEN_FOR, reason="docs/special.md is of another version of SciPy")
def test_the_lists_name_what_exists():
    assert set(coverage.names()) >= coverage.THROUGH | coverage.CONSTANT | set(coverage.REFUSED)


@pytest.mark.skipif(VERSION != WRITTEN_FOR, reason="docs/special.md is of another version of SciPy")
def test_the_page_is_up_to_date(capsys):
    assert main(["coverage", "--special"]) == 0
    written = PAGE.read_text(encoding="utf-8")
    assert capsys.readouterr().out == written, "run: python -m wengert coverage --special > docs/special.md"


@pytest.mark.parametrize(
    "name", ["jvp", "h1vp", "softplus", "sinc", "comb", "factorial", "diric", "sph_harm_y", "legendre_p"]
)
def test_functions_that_are_no_ufuncs(name: str):
    import wengert as wg

    x = wg.Variable([0.6, 1.7])
    arguments = {
        "jvp": (1, x),
        "h1vp": (1, x),
        "comb": (x, 2),
        "diric": (x, 3),
        "sph_harm_y": (2, 1, x, 0.3),
        "legendre_p": (2, x),
    }
    call = lambda: getattr(sp, name)(*arguments.get(name, (x,)))  # noqa: E731
    if name in coverage.THROUGH:
        assert call().creator is not None
    else:
        with pytest.raises(TypeError):
            call()
