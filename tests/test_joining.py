"""Joining, splitting, padding, filling: containers, views, writing in place, constants, refusals, and PyTorch."""

from __future__ import annotations

import numpy as np
import numpy.lib.recfunctions as recfunctions
import pytest

import wengert as wg
from wengert import Variable

M = np.arange(12.0).reshape(3, 4) / 7
MASK = M > 0.9


def var(*shape):
    return Variable(np.linspace(0.1, 1.0, int(np.prod(shape))).reshape(shape))


# ---- containers ----


@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda x: np.split(x, 2, axis=1), list),
        (lambda x: np.array_split(x, 3, axis=1), list),
        (lambda x: np.hsplit(x, 2), list),
        (lambda x: np.vsplit(x, 3), list),
        (lambda x: np.atleast_1d(x, x), tuple),
        (lambda x: np.broadcast_arrays(x, np.ones(4)), tuple),
        (lambda x: np.meshgrid(x[0], x[1]), tuple),
        (lambda x: np.meshgrid(x[0], x[1], sparse=True, copy=False), list),
        (lambda x: np.ix_(x[0], x[1]), tuple),
        (lambda x: np.linspace(x[0], x[1], 4, retstep=True), tuple),
    ],
)
def test_containers_are_numpys(f, kind):
    expected, got = f(M), f(Variable(M))
    assert type(got) is type(expected) is kind
    assert len(got) == len(expected)
    for e, z in zip(expected, got, strict=True):
        np.testing.assert_array_equal(z.data, e)
    wg.check_grads(lambda x: tuple(z * 1.0 for z in f(x)), M)


@pytest.mark.skipif(not hasattr(np, "unstack"), reason="np.unstack came with NumPy 2.1")
def test_unstack():
    parts = np.unstack(Variable(M), axis=1)
    assert isinstance(parts, tuple)
    assert [p.shape for p in parts] == [(3,)] * 4
    wg.check_grads(lambda x: np.unstack(x, axis=-1)[1] ** 2, M)
    with pytest.raises(ValueError, match="unstack"):
        np.unstack(Variable(1.0))


def test_ix_of_masks_and_of_integers_is_plain():
    rows, columns, values = np.ix_([True, False, True], Variable([3, 1]), Variable([0.5, 1.5]))
    assert type(rows) is type(columns) is np.ndarray
    assert values.shape == (1, 1, 2)
    np.testing.assert_array_equal(rows.ravel(), [0, 2])


def test_nested_lists_may_hold_variables():
    x = Variable(2.0)
    y = np.vstack([Variable(np.ones(2)), [x, x * x]])
    np.sum(y).backward()
    assert x.grad == 5.0


def test_block_refuses_what_numpy_refuses():
    x = var(2, 2)
    for arrays, error in [([x, [x]], ValueError), ([x, []], ValueError), ([(x, x)], TypeError)]:
        with pytest.raises(error, match="block"):
            np.block(arrays)
    y = np.block(x)
    y[0, 0] = 9.0
    assert x.data[0, 0] == 0.1


# ---- views share memory, copies do not ----

VIEWS = {
    "flip": np.flip,
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "rot90": np.rot90,
    "diagonal": np.diagonal,
    "diag of a matrix": np.diag,
    "matrix_transpose": np.matrix_transpose,
    "linalg.diagonal": np.linalg.diagonal,
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "split": lambda x: np.split(x, 2)[1],
    "atleast_3d": np.atleast_3d,
    "trim_zeros": np.trim_zeros,
    "meshgrid": lambda x: np.meshgrid(x[0], x[1], sparse=True, copy=False)[0],
}
COPIES = {
    "tile": lambda x: np.tile(x, 1),
    "repeat": lambda x: np.repeat(x, 1, 0),
    "roll": lambda x: np.roll(x, 0),
    "resize": lambda x: np.resize(x, (4, 4)),
    "take": lambda x: np.take(x, [0, 1], 0),
    "delete": lambda x: np.delete(x, [], 0),
    "tril": np.tril,
    "pad": lambda x: np.pad(x, 0),
    "diag of a vector": lambda x: np.diag(x[0]),
    "block": np.block,
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_follow_what_is_written_to_the_base(name):
    a = np.linspace(0.1, 1.0, 16).reshape(4, 4)

    def program(x, v):
        y = x * 1.0
        view = VIEWS[name](y)
        before = np.sum(np.sin(view))
        y[0] = v
        y[3, 3] = v * v
        return before + np.sum(view**3)

    assert program(Variable(a), Variable(0.5)).data == program(a, 0.5)
    wg.check_grads(program, a, 0.5)


@pytest.mark.parametrize("name", COPIES)
def test_copies_share_nothing(name):
    x = var(4, 4)
    z = COPIES[name](x)
    z[...] = 7.0
    assert not np.any(x.data == 7.0)


@pytest.mark.parametrize("take", [lambda y: np.flip(y, 0), lambda y: np.rot90(y), lambda y: np.vsplit(y, 2)[1]])
def test_writing_through_a_view(take):
    a = np.linspace(0.1, 1.0, 16).reshape(4, 4)

    def program(x, v):
        y = x * 1.0
        take(y)[0, 1:] = v
        np.copyto(take(y)[1], v * v)
        return np.sum(np.sin(y) * x)

    assert program(Variable(a), Variable(0.5)).data == program(a, 0.5)
    wg.check_grads(program, a, 0.5)


def test_a_window_follows_its_base_and_cannot_be_written_through():
    x = var(4)
    windows = np.lib.stride_tricks.sliding_window_view(x, 2)
    x[0] = 9.0
    assert windows.data[0, 0] == 9.0
    with pytest.raises(TypeError, match="sliding_window_view"):
        windows[0, 0] = 1.0


# ---- writing in place ----

WRITES = {
    "copyto": lambda a, v: np.copyto(a, v),
    "put": lambda a, v: np.put(a, [0, 1], v),
    "place": lambda a, v: np.place(a, a > 0.3, v),
    "putmask": lambda a, v: np.putmask(a, a > 0.3, v),
    "put_along_axis": lambda a, v: np.put_along_axis(a, np.array([[0], [1], [2]]), v, 1),
}


@pytest.mark.parametrize("name", WRITES)
def test_writing_moves_the_handle_and_leaves_the_past(name):
    a = M[:, :3].copy()
    x, v = Variable(a), Variable(2.0)
    y = x * 1.0
    old = np.sum(y**2)
    assert WRITES[name](y, v) is None
    expected = a.copy()
    WRITES[name](expected, 2.0)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(a, M[:, :3])
    old.backward()
    np.testing.assert_array_equal(x.grad, 2 * a)
    assert v.grad is None
    np.sum(y).backward()
    assert v.grad == np.sum(expected != a)


@pytest.mark.parametrize("name", WRITES)
def test_writing_into_a_plain_array_is_refused(name):
    a = M[:, :3].copy()
    with pytest.raises(TypeError, match=f"{name}: the array that is written to is a plain one"):
        WRITES[name](a, Variable(2.0))
    np.testing.assert_array_equal(a, M[:, :3])
    WRITES[name](a, Variable(2))  # nothing to remember
    assert (a == 2).any()


def test_fill_diagonal_of_a_plain_array_is_refused():
    with pytest.raises(TypeError, match="lose its graph"):
        np.fill_diagonal(np.ones((2, 2)), Variable(2.0))


def test_writing_that_numpy_refuses():
    y, n = var(3, 4), Variable([1, 2, 3])
    for call, error in [
        (lambda: np.put(y, 12, 1.0), IndexError),
        (lambda: np.place(y, MASK, []), ValueError),
        (lambda: np.put_along_axis(y, np.array([0]), 1.0, 1), ValueError),
        (lambda: np.copyto(n, 1.5), TypeError),
        (lambda: np.copyto(y, 1j), TypeError),
        (lambda: np.fill_diagonal(Variable([1.0]), 1.0), ValueError),
    ]:
        with pytest.raises(error):
            call()
    np.copyto(n, 5)
    assert n.tolist() == [5, 5, 5]


def test_nan_to_num_in_place():
    x = Variable(np.array([1.0, np.nan, np.inf]))
    y = x * 1.0
    assert np.nan_to_num(y, copy=False, posinf=3.0) is y
    assert y.tolist() == [1.0, 0.0, 3.0]
    np.sum(y * y).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 0.0, 0.0])


# ---- padding ----


def test_pad_by_a_function():
    def border(vector, widths, axis, options):
        vector[: widths[0]] = options["value"] * (axis + 1)
        vector[vector.shape[0] - widths[1] :] = vector[widths[0]]

    def f(x, v):
        return np.pad(x, ((1, 2), (2, 1)), border, value=v)

    a = M[:2, :3]
    np.testing.assert_array_equal(f(Variable(a), Variable(2.0)).data, f(a, 2.0))
    wg.check_grads(lambda x, v: f(x, v) ** 2, a, 2.0)


def test_pad_refuses_what_numpy_refuses():
    x = var(3)
    with pytest.raises(ValueError, match="mode 'other' is not supported"):
        np.pad(x, 1, "other")
    with pytest.raises(ValueError, match="unsupported keyword"):
        np.pad(x, 1, "edge", end_values=1)
    with pytest.raises(TypeError, match="integral"):
        np.pad(x, 1.5)
    with pytest.raises(ValueError, match="negative"):
        np.pad(x, -1)
    with pytest.raises(TypeError, match="int64"):
        np.pad(Variable([1, 2]), 1, constant_values=Variable(0.5))
    assert np.pad(Variable([1, 2]), 1, "reflect").tolist() == [2, 1, 2, 1]


# ---- an array that is changed later does no harm ----


def test_arguments_that_change_later_do_no_harm():
    x, i, times, mask = Variable([1.0, 2.0, 3.0]), np.array([0, 1]), np.array([1, 2, 0]), np.array([True, False, True])
    y = np.sum(np.take(x, i)) + np.sum(np.repeat(x, times)) + np.sum(np.select([mask], [x]))
    y += np.sum(np.insert(x, i, 0.0)) + np.sum(np.take_along_axis(x, i, 0)) + np.sum(np.choose(i, [x[:2], x[1:]]))
    z = np.sum(np.roll(x, i[:1]) * np.array([1.0, 10.0, 100.0]))
    i[:], times[:], mask[:] = 1, 0, False
    y.backward()
    np.testing.assert_array_equal(x.grad, [1 + 1 + 1 + 1 + 1 + 1, 1 + 2 + 0 + 1 + 1 + 0, 0 + 0 + 1 + 1 + 0 + 1])
    x.cleargrad()
    z.backward()
    np.testing.assert_array_equal(x.grad, [1.0, 10.0, 100.0])


# ---- like= ----


def test_values_without_derivatives_are_cast_as_numpy_casts_them():
    assert np.insert(Variable([1, 2]), 0, 1.5).tolist() == [1, 1, 2]
    assert np.pad(Variable([1, 2]), 1, constant_values=1.5).tolist() == [1, 1, 2, 1]


def test_like_makes_a_variable_that_can_be_filled():
    x = var(3)
    for z, expected in [
        (np.zeros(3, like=x), np.zeros(3)),
        (np.ones((2, 2), np.float32, like=x), np.ones((2, 2), np.float32)),
        (np.eye(2, like=x), np.eye(2)),
        (np.identity(2, like=x), np.identity(2)),
        (np.tri(3, k=-1, like=x), np.tri(3, k=-1)),
        (np.arange(3.0, like=x), np.arange(3.0)),
        (np.full(2, 7.0, like=x), np.full(2, 7.0)),
        (np.array([[1, 2]], float, ndmin=3, like=x), np.array([[[1.0, 2.0]]])),
        (np.asarray([1.0], like=x), np.ones(1)),
    ]:
        assert isinstance(z, Variable)
        assert z.creator is None
        assert z.dtype == expected.dtype
        np.testing.assert_array_equal(z.data, expected)
    z = np.zeros(3, like=x)
    for i in range(3):
        z[i] = x[i] ** 2
    np.sum(z).backward()
    np.testing.assert_array_equal(x.grad, 2 * x.data)


def test_like_keeps_the_graph_of_what_is_converted():
    x, v = var(3), Variable(2.0)
    assert np.asarray(x, like=x) is x
    assert np.asanyarray(x, like=x) is x
    assert np.require(x, like=x) is x
    assert np.ascontiguousarray(v, like=x).shape == (1,)
    y = np.array([[v, 1.0], [v * v, 3.0]], like=x)
    y = np.sum(y) + np.sum(np.full((2, 2), v, like=x)) + np.sum(np.asfortranarray([v, v], np.float32, like=x))
    y += np.sum(np.full_like(x, v)) + np.sum(np.array(x, copy=True, like=x))
    y.backward()
    assert v.grad == 1 + 4 + 4 + 2 + 3
    np.testing.assert_array_equal(x.grad, 1.0)


def test_full_like():
    x = var(2)
    plain = np.full_like(x, 3)
    assert type(plain) is np.ndarray
    assert plain.tolist() == [3.0, 3.0]
    for a in (Variable([1, 2]), np.ones(2, np.float32)):
        with pytest.raises(TypeError):
            np.full_like(a, Variable(2.0))
    assert np.full_like(Variable(np.ones(2, np.float32)), Variable(2.0), shape=(3,)).dtype == np.float32


# ---- functions of functions ----


def test_apply_along_axis_of_a_constant_function_is_plain():
    z = np.apply_along_axis(np.argmax, 1, Variable(M))
    assert type(z) is np.ndarray
    np.testing.assert_array_equal(z, 3)
    with pytest.raises(ValueError, match="iteration dimensions"):
        np.apply_along_axis(np.sum, 0, Variable(np.ones((3, 0))))

    def first_an_integer(v):
        return 0 if v[0] == 0 else v[0]

    with pytest.raises(TypeError, match="apply_along_axis"):
        np.apply_along_axis(first_an_integer, 1, Variable(M))


def test_piecewise():
    x, w = Variable(np.array([-2.0, 0.5, 3.0])), Variable(2.0)
    y = np.piecewise(x, [x < 0, x > 1], [lambda v: w * v, w, 7.0])
    assert y.tolist() == [-4.0, 7.0, 2.0]
    np.sum(y).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 0.0, 0.0])
    assert w.grad == -1.0
    with pytest.raises(ValueError, match="2 condition"):
        np.piecewise(x, [x < 0, x > 1], [1.0])
    with pytest.raises(TypeError):
        np.piecewise(x.data, [x.data < 0], [w, 0.0])
    assert np.piecewise(Variable([1, 2]), [[True, False]], [5, 6]).tolist() == [5, 6]


def test_vectorized_functions_are_refused_not_detached():
    for f in (np.vectorize(lambda v: v * 2), np.vectorize(np.sum, signature="(n)->()")):
        with pytest.raises(TypeError):
            f(var(3))
    w = Variable(2.0)
    with pytest.raises(TypeError, match="graph"):
        np.vectorize(lambda v: v * w)(np.ones(3))


def test_ways_that_lose_the_graph_are_refused():
    x = var(3)
    for call in (
        lambda: np.lib.stride_tricks.as_strided(x, (2,), (8,)),
        lambda: np.r_[x, 1.0],
        lambda: np.asarray(x),
        lambda: np.full(2, x[0]),
        lambda: np.arange(x[0]),
        lambda: np.pad(np.ones(2), 1, constant_values=x[0]),
        lambda: np.repeat(np.ones(3), x),
        lambda: np.select([np.array([True])], [np.ones(1)], x[0]),
    ):
        with pytest.raises(TypeError):
            call()


# ---- conventions ----


def test_nan_to_num_of_complex_numbers_treats_the_parts_alone():
    x = Variable(np.array([1 + 2j, np.nan + 1j, 1 + np.inf * 1j]))
    x.data[2] = complex(1.0, np.inf)
    y = np.nan_to_num(x, posinf=5.0)
    np.testing.assert_array_equal(y.data, np.nan_to_num(x.data, posinf=5.0))
    np.sum(y.real + y.imag).backward()
    np.testing.assert_array_equal(x.grad, [1 + 1j, 1j, 1])


def test_real_if_close():
    x = Variable(np.array([1 + 1e-15j, 2.0]))
    assert np.real_if_close(x).dtype == np.float64
    assert np.real_if_close(x, tol=2).dtype == np.complex128
    assert np.real_if_close(var(2)).dtype == np.float64
    np.sum(np.real_if_close(x) ** 2).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_tied_winners_of_a_padding_share():
    x = Variable([1.0, 3.0, 3.0])
    np.pad(x, (0, 1), "maximum")[-1].backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.5, 0.5])


def test_cross_of_other_lengths():
    x = var(2)
    with pytest.warns(DeprecationWarning, match="2-dimensional"):
        np.cross(x, x)
    with pytest.raises(ValueError, match="cross"):
        np.cross(x, np.ones(4))
    with pytest.raises(ValueError, match="cross"):
        np.linalg.cross(x, x)


# ---- constants and refusals ----

CONSTANTS = {
    "fix": np.fix,
    "around": lambda x: np.around(x, 1),
    "argwhere": np.argwhere,
    "flatnonzero": np.flatnonzero,
    "isreal": np.isreal,
    "iscomplex": np.iscomplex,
    "isposinf": np.isposinf,
    "isneginf": np.isneginf,
    "isin": lambda x: np.isin(x, [0.5]),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_plain_arrays(name):
    z = CONSTANTS[name](Variable(M))
    assert type(z) is np.ndarray
    np.testing.assert_array_equal(z, CONSTANTS[name](M))


def test_constants_that_are_no_arrays():
    x, n = var(3, 3), Variable([1, 5])
    assert np.common_type(x) is np.float64
    assert np.can_cast(x, np.complex128)
    assert np.array_equiv(x, x.data)
    for function in (np.diag_indices_from, np.tril_indices_from, np.triu_indices_from):
        np.testing.assert_array_equal(function(x), function(x.data))
    np.testing.assert_array_equal(np.unravel_index(n, (2, 3)), np.unravel_index([1, 5], (2, 3)))
    assert np.ravel_multi_index((n, n), (9, 9)).tolist() == [10, 50]
    assert np.min_scalar_type(Variable(1)) == np.uint8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.save("never", x), r"np.save .*\.data"),
        (lambda x: np.savez("never", x), r"np.savez .*\.data"),
        (lambda x: np.savetxt("never", x), r"np.savetxt .*\.data"),
        (lambda x: np.loadtxt("never", like=x), r"np.loadtxt .*Variables of what was loaded"),
        (lambda x: np.fromfunction(lambda i: i, (2,), like=x), "np.fromfunction .*array"),
        (lambda x: np.packbits(x), "np.packbits .*bits"),
        (lambda x: np.unpackbits(x), "np.unpackbits .*bits"),
        (lambda x: np.is_busday(x), "np.is_busday .*dates"),
        (lambda x: np.datetime_as_string(x), "np.datetime_as_string .*dates"),
        (lambda x: np.take(x, [0], out=np.ones(1)), "take: out="),
        (lambda x: np.trace(x[:, None], out=np.ones(1)), "trace: out="),
        (lambda x: np.compress([1], x, out=np.ones(1)), "compress: out="),
        (lambda x: np.choose([0], [x], out=np.ones(1)), "choose: out="),
        (lambda x: np.outer(x, x, out=np.ones((3, 3))), "outer: out="),
        (lambda x: np.vstack([x, x], dtype=int), "same_kind"),
        (lambda x: np.insert([1, 2], 0, x), "insert: arr is int64"),
        (lambda x: np.take(x, x), "Cannot cast"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(TypeError, match=message):
        call(var(3))


@pytest.mark.parametrize(
    "name", [n for n in recfunctions.__dict__ if hasattr(getattr(recfunctions, n), "_implementation")]
)
def test_structured_arrays_are_refused(name):
    function = getattr(recfunctions, name)
    if function.__module__ == "numpy.lib.recfunctions":
        with pytest.raises(TypeError, match=name):
            Variable.__array_function__(var(2), function, (Variable,), (), {})


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.split(x, 5), ValueError),
        (lambda x: np.hsplit(x[0, 0], 1), ValueError),
        (lambda x: np.vsplit(x[0], 1), ValueError),
        (lambda x: np.dsplit(x, 1), ValueError),
        (lambda x: np.take(x, 99), IndexError),
        (lambda x: np.delete(x, 99), IndexError),
        (lambda x: np.insert(x, 99, 0.0), IndexError),
        (lambda x: np.compress([[1]], x), ValueError),
        (lambda x: np.resize(x, -1), ValueError),
        (lambda x: np.linalg.outer(x, x), ValueError),
        (lambda x: np.matrix_transpose(x[0]), ValueError),
        (lambda x: np.trim_zeros(x[0], "x"), ValueError),
        (lambda x: np.meshgrid(x[0], indexing="other"), ValueError),
        (lambda x: np.apply_over_axes(lambda a, axis: np.sum(a), x, [0]), ValueError),
        (lambda x: np.geomspace(0.0, x, 3), ValueError),
        (lambda x: np.linspace(0.0, x, -1), ValueError),
        (lambda x: np.choose([5], [x[0], x[1]]), ValueError),
    ],
)
def test_errors_are_numpys(call, error):
    for x in (M, Variable(M)):
        with pytest.raises(error):
            call(x)


# ---- against PyTorch ----

TORCH = {
    "vstack": (lambda x, y: np.vstack([x, y]), lambda t, x, y: t.vstack([x, y])),
    "hstack": (lambda x, y: np.hstack([x, y]), lambda t, x, y: t.hstack([x, y])),
    "dstack": (lambda x, y: np.dstack([x, y]), lambda t, x, y: t.dstack([x, y])),
    "column_stack": (lambda x, y: np.column_stack([x, y]), lambda t, x, y: t.column_stack([x, y])),
    "split": (lambda x, y: np.split(x, 2)[1] * y[:2], lambda t, x, y: t.tensor_split(x, 2)[1] * y[:2]),
    "tile": (
        lambda x, y: np.tile(x, (2, 1, 3)) * np.tile(y, 3),
        lambda t, x, y: t.tile(x, (2, 1, 3)) * t.tile(y, (3,)),
    ),
    "repeat": (
        lambda x, y: np.repeat(x * y, [1, 2, 0, 3], 1),
        lambda t, x, y: t.repeat_interleave(x * y, t.tensor([1, 2, 0, 3]), 1),
    ),
    "roll": (lambda x, y: np.roll(x, (1, 2), (0, 1)) * y, lambda t, x, y: t.roll(x, (1, 2), (0, 1)) * y),
    "rot90": (lambda x, y: np.rot90(x) @ y, lambda t, x, y: t.rot90(x) @ y),
    "flip": (lambda x, y: np.flip(x, 1) * y, lambda t, x, y: t.flip(x, (1,)) * y),
    "fliplr": (lambda x, y: np.fliplr(x) * np.flipud(y), lambda t, x, y: t.fliplr(x) * t.flipud(y)),
    "tril": (lambda x, y: np.tril(x, 1) + np.triu(y, -1), lambda t, x, y: t.tril(x, 1) + t.triu(y, -1)),
    "diag": (lambda x, y: np.diag(x, 1) * np.diag(y[0])[:3, 0], lambda t, x, y: t.diag(x, 1) * t.diag(y[0])[:3, 0]),
    "diagonal": (lambda x, y: np.diagonal(x, 1) * y[0, 0], lambda t, x, y: t.diagonal(x, 1) * y[0, 0]),
    "trace": (lambda x, y: np.trace(x @ y), lambda t, x, y: t.trace(x @ y)),
    "diagflat": (lambda x, y: np.diagflat(x * y), lambda t, x, y: t.diagflat(x * y)),
    "take": (lambda x, y: np.take(x * y, [5, 0, 5]), lambda t, x, y: t.take(x * y, t.tensor([5, 0, 5]))),
    "take_along_axis": (
        lambda x, y: np.take_along_axis(x * y, np.array([[3, 3], [0, 1], [2, 2], [0, 3]]), 1),
        lambda t, x, y: t.take_along_dim(x * y, t.tensor([[3, 3], [0, 1], [2, 2], [0, 3]]), 1),
    ),
    "pad": (lambda x, y: np.pad(x * y, 2), lambda t, x, y: t.nn.functional.pad(x * y, (2, 2, 2, 2))),
    "pad reflect": (
        lambda x, y: np.pad(x * y, ((0, 0), (2, 3)), "reflect"),
        lambda t, x, y: t.nn.functional.pad(x * y, (2, 3), "reflect"),
    ),
    "pad edge": (
        lambda x, y: np.pad(x * y, ((0, 0), (2, 3)), "edge"),
        lambda t, x, y: t.nn.functional.pad(x * y, (2, 3), "replicate"),
    ),
    "pad wrap": (
        lambda x, y: np.pad(x * y, ((0, 0), (2, 3)), "wrap"),
        lambda t, x, y: t.nn.functional.pad(x * y, (2, 3), "circular"),
    ),
    "meshgrid": (
        lambda x, y: np.multiply(*np.meshgrid(x[0], y[1], indexing="ij")),
        lambda t, x, y: t.multiply(*t.meshgrid(x[0], y[1], indexing="ij")),
    ),
    "outer": (lambda x, y: np.outer(x[0], y[1]), lambda t, x, y: t.outer(x[0], y[1])),
    "inner": (np.inner, lambda t, x, y: t.inner(x, y)),
    "vdot": (lambda x, y: np.vdot(x[0], y[1]), lambda t, x, y: t.vdot(x[0], y[1])),
    "kron": (np.kron, lambda t, x, y: t.kron(x, y)),
    "cross": (lambda x, y: np.linalg.cross(x[:, :3], y[:, 1:]), lambda t, x, y: t.linalg.cross(x[:, :3], y[:, 1:])),
    "nan_to_num": (lambda x, y: np.nan_to_num(x / (y > 0.2)), lambda t, x, y: t.nan_to_num(x / (y > 0.2))),
    "putmask": (lambda x, y: _putmask(x * y, y), lambda t, x, y: t.where(x * y > 0.3, y, x * y)),
    "windows": (
        lambda x, y: np.lib.stride_tricks.sliding_window_view(x * y, 2, 1),
        lambda t, x, y: (x * y).unfold(1, 2, 1),
    ),
}


def _putmask(a, y):
    np.putmask(a, a > 0.3, y)
    return a


@pytest.mark.parametrize("name", TORCH)
def test_against_torch(name):
    torch = pytest.importorskip("torch", reason="a comparison with PyTorch")
    ours, theirs = TORCH[name]
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 1.0, (4, 4)), rng.uniform(0.3, 1.0, (4, 4))
    x, y = Variable(a), Variable(b)
    s, u = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    z, w = ours(x, y), theirs(torch, s, u)
    np.testing.assert_allclose(z.data, w.detach().numpy(), rtol=1e-13)
    weights = np.cos(np.arange(z.size)).reshape(z.shape)
    np.sum(z * weights).backward()
    (w * torch.tensor(weights)).sum().backward()
    for v, t in ((x, s), (y, u)):
        np.testing.assert_allclose(
            v.grad if v.grad is not None else 0, 0 if t.grad is None else t.grad.numpy(), rtol=1e-11, atol=1e-13
        )


def test_complex_products_against_torch():
    torch = pytest.importorskip("torch", reason="a comparison with PyTorch")
    rng = np.random.default_rng(1)
    a, b = [rng.standard_normal(3) + 1j * rng.standard_normal(3) for _ in range(2)]
    for ours, theirs in [
        (np.vdot, torch.vdot),
        (np.inner, torch.inner),
        (np.outer, torch.outer),
        (np.kron, torch.kron),
        (np.cross, torch.linalg.cross),
    ]:
        x, y = Variable(a), Variable(b)
        s, u = [torch.tensor(v, requires_grad=True) for v in (a, b)]
        np.sum(np.abs(ours(x, y)) ** 2).backward()
        theirs(s, u).abs().square().sum().backward()
        np.testing.assert_allclose(x.grad, s.grad.numpy(), rtol=1e-12)
        np.testing.assert_allclose(y.grad, u.grad.numpy(), rtol=1e-12)
