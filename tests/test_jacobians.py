"""Jacobians, Hessians, their products and traces: closed forms, differences, PyTorch; shapes, dtypes, containers."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
from differences import differences

import wengert as wg
from wengert import Variable

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 3))
MODES = ["auto", "reverse", "forward"]
everyone = pytest.mark.parametrize("mode", MODES)


FUNCTIONS = {
    "matrix times vector": (lambda x: A @ x, (3,)),
    "elementwise": (lambda x: np.sin(x) * x, (2, 3)),
    "scalar of an array": (lambda x: np.sum(x**3), (2, 3)),
    "array of a scalar": (lambda x: np.stack([x, x**2, np.exp(x)]), ()),
    "scalar of a scalar": (np.tanh, ()),
    "matrix of a matrix": (lambda x: x.T @ x, (2, 3)),
    "reductions": (lambda x: np.cumsum(x, axis=1) / np.max(x, axis=0), (2, 3)),
    "pieces": (lambda x: np.concatenate([x[::-1], x[:1] ** 2, np.where(x > 0, x, x**2)]), (4,)),
    "solve": (lambda x: np.linalg.solve(x @ x.T + 3 * np.eye(3), x), (3, 3)),
    "no rows": (lambda x: x[:0] * 2, (3,)),
    "no columns": (lambda x: np.sum(x) + np.ones(2), (0,)),
    "nothing at all": (lambda x: x * 2, (2, 0)),
}


@everyone
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_against_differences(name, mode):
    f, shape = FUNCTIONS[name]
    x = RNG.standard_normal(shape)
    J = wg.jacobian(f, mode=mode)(x)
    assert type(J) is np.ndarray
    assert J.shape == np.shape(f(x)) + shape
    np.testing.assert_allclose(J, differences(f, x), atol=1e-7)
    assert J.flags.writeable


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hessian_against_differences(name):
    f, shape = FUNCTIONS[name]
    x = RNG.standard_normal(shape)
    H = wg.hessian(f)(x)
    assert type(H) is np.ndarray
    assert H.shape == np.shape(f(x)) + shape + shape
    np.testing.assert_allclose(H, differences(wg.jacobian(f), x), atol=1e-6)
    np.testing.assert_allclose(wg.jacrev(wg.jacrev(f))(x), H, atol=1e-12) if H.any() else None


def test_auto_chooses_the_shorter_side(monkeypatch):
    from wengert import forward, reverse

    used = []
    monkeypatch.setattr(reverse, "pull", lambda *a, pull=reverse.pull: used.append("reverse") or pull(*a))
    monkeypatch.setattr(forward, "push", lambda *a, push=forward.push: used.append("forward") or push(*a))
    for f, x, mode in [
        (lambda x: A @ x, np.ones(3), "forward"),
        (lambda x: x @ A, np.ones(4), "reverse"),
        (lambda x: A.T @ A @ x, np.ones(3), "reverse"),
        (np.sum, np.ones(3), "reverse"),
        (lambda x: np.ones(5) * x, 1.0, "forward"),
    ]:
        used.clear()
        wg.jacobian(f)(x)
        assert set(used) == {mode}


@everyone
def test_dtypes_are_kept(mode):
    x = np.ones(3, np.float32)
    assert wg.jacobian(lambda x: np.sin(x) * 2.0, mode=mode)(x).dtype == np.float32
    assert wg.jacobian(lambda x: np.sin(x), mode=mode)(np.float16(1)).dtype == np.float16
    assert wg.jacobian(lambda x: x * np.ones(3), mode=mode)(x).dtype == np.float32  # of a float64 result
    assert wg.jacobian(lambda x: x * np.complex64(1j), mode=mode)(x).dtype == np.complex64
    assert wg.jacobian(lambda x, y: np.sum(x) * np.ones(2), 0, mode=mode)(x, 1.0).dtype == np.float32


def test_dtypes_of_second_order_are_kept():
    x = np.ones(3, np.float32)
    f = lambda x: np.sum(np.sin(x) * x**2)  # noqa: E731
    assert wg.hessian(f)(x).dtype == np.float32
    assert wg.hessian(np.sum)(x).dtype == np.float32
    assert wg.hvp(f, x, x).dtype == np.float32
    assert wg.hvp(f, x, np.ones(3)).dtype == np.float32
    assert wg.ggnvp(lambda x: x**2, f, x, x).dtype == np.float32
    assert wg.laplacian(f)(x).dtype == np.float32
    assert wg.laplacian(np.sum)(x).dtype == np.float32
    assert wg.divergence(np.sin)(x).dtype == np.float32


# ---- arguments, auxiliary data, what is not used ----


@everyone
def test_argnums_keywords_and_aux(mode):
    def f(x, y, *, scale=1.0):
        return x * np.sum(y) * scale, {"y": y, "note": "n"}

    J, aux = wg.jacobian(f, (1, 0), True, mode)(np.ones(2), np.full(3, 2.0), scale=3.0)
    np.testing.assert_array_equal(J[0], np.full((2, 3), 3.0))
    np.testing.assert_array_equal(J[1], 18 * np.eye(2))
    assert type(aux["y"]) is np.ndarray
    assert aux["note"] == "n"
    J, _ = wg.jacobian(f, argnums=-1, has_aux=True, mode=mode)(np.ones(2), np.full(3, 2.0))
    assert J.shape == (2, 3)
    H, aux = wg.hessian(f, argnums=(0, 1), has_aux=True)(np.ones(2), np.full(3, 2.0))
    assert [[h.shape for h in row] for row in H] == [[(2, 2, 2), (2, 2, 3)], [(2, 3, 2), (2, 3, 3)]]
    np.testing.assert_array_equal(H[0][1], np.eye(2)[:, :, None] * np.ones(3))
    assert type(aux["y"]) is np.ndarray
    value, aux = wg.laplacian(lambda x: (np.sum(x**2), x), has_aux=True)(np.ones(3))
    assert value == 6.0
    assert type(aux) is np.ndarray
    value, aux = wg.divergence(lambda x: (x**2, "aux"), has_aux=True)(np.ones(3))
    assert (value, aux) == (6.0, "aux")


@everyone
def test_what_is_not_used(mode):
    f = lambda x, y: {"a": x * 2, "b": np.ones(2)}  # noqa: E731
    with pytest.raises(ValueError, match=r"jacobian: the result does not depend on argument 1.*allow_unused"):
        wg.jacobian(f, (0, 1), mode=mode)(1.0, 2.0)
    J = wg.jacobian(f, (0, 1), mode=mode, allow_unused=True)(1.0, 2.0)
    assert J["a"] == (2.0, None)
    np.testing.assert_array_equal(J["b"][0], np.zeros(2))  # another result depends on x
    assert J["b"][1] is None
    with pytest.raises(ValueError, match=r"argument 0\['u'\]\[1\]"):
        wg.jacobian(lambda p: p["u"][0], mode=mode)({"u": [1.0, 2.0]})
    assert wg.jacobian(lambda x: np.ones(2), mode=mode, allow_unused=True)(1.0) is None


def test_a_linear_function_has_a_hessian_of_zeros():
    np.testing.assert_array_equal(wg.hessian(lambda x: A @ x)(np.ones(3)), np.zeros((4, 3, 3)))
    np.testing.assert_array_equal(wg.hessian(np.sum)(np.ones(3)), np.zeros((3, 3)))
    assert wg.hessian(lambda x: x)(1.0) == 0.0
    H = wg.hessian(lambda x, y: np.sum(x) * y**2 + y, (0, 1))(np.ones(2), 3.0)
    np.testing.assert_array_equal(H[0][0], np.zeros((2, 2)))
    np.testing.assert_array_equal(H[0][1], [6.0, 6.0])
    np.testing.assert_array_equal(H[1][0], [6.0, 6.0])
    assert H[1][1] == 4.0
    np.testing.assert_array_equal(wg.hvp(np.sum, np.ones(3), np.ones(3)), np.zeros(3))
    assert wg.laplacian(np.sum)(np.ones(3)) == 0.0
    np.testing.assert_array_equal(wg.laplacian(lambda x: A @ x)(np.ones(3)), np.zeros(4))
    np.testing.assert_array_equal(wg.ggnvp(lambda x: A @ x, np.sum, np.ones(3), np.ones(3)), np.zeros(3))


def test_second_order_of_what_is_not_used():
    for second in (wg.hessian, wg.laplacian):
        with pytest.raises(ValueError, match=f"{second.__name__}: the result does not depend on argument 1"):
            second(lambda x, y: x**2, (0, 1))(1.0, 2.0)
    assert wg.hessian(lambda x, y: x**2, (0, 1), allow_unused=True)(1.0, 2.0) == ((2.0, None), (None, None))
    with pytest.raises(ValueError, match=r"hvp: the result does not depend on argument 0\['b'\]"):
        wg.hvp(lambda p: p["a"] ** 2, {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 1.0})
    product = wg.hvp(lambda p: p["a"] ** 2, {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, allow_unused=True)
    assert product == {"a": 2.0, "b": None}
    with pytest.raises(ValueError, match="divergence: the result does not depend on argument 0"):
        wg.divergence(lambda x: np.ones(2))(np.ones(2))
    with pytest.raises(ValueError, match="ggnvp: the result does not depend on argument 1"):
        wg.ggnvp(lambda x, y: x, np.sum, (1.0, 1.0), (1.0, 1.0))


# ---- containers ----


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Model:
    weights: dict[str, Any]
    bias: Any
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})


class Pair:
    def __init__(self, first, second):
        self.first, self.second = first, second


wg.tree.register(Pair, lambda p: ((p.first, p.second), None), lambda _, children: Pair(*children))


@everyone
def test_jacobian_of_containers(mode):
    w, b = RNG.standard_normal((2, 3)), RNG.standard_normal(2)
    model = Model({"w": w}, [b, 0.5])

    def f(m, point):
        assert isinstance(m, Model)
        assert isinstance(point, Point)
        y = np.tanh(m.weights["w"] @ point.x + m.bias[0]) * m.bias[1] + point.y
        return Pair(y, {"norm": np.sum(y**2)})

    point = Point(RNG.standard_normal(3), 0.3)
    J = wg.jacobian(f, (0, 1), mode=mode)(model, point)
    assert type(J) is Pair
    by_model, by_point = J.first
    assert type(by_model) is Model
    assert by_model.activation == "tanh"
    assert type(by_point) is Point
    assert by_model.weights["w"].shape == (2, 2, 3)
    assert by_model.bias[0].shape == (2, 2)
    assert by_model.bias[1].shape == (2,)
    assert J.second["norm"][0].weights["w"].shape == (2, 3)
    assert by_point.x.shape == (2, 3)

    def replaced(w):
        return f(Model({"w": w}, [b, 0.5]), point)

    np.testing.assert_allclose(by_model.weights["w"], differences(lambda w: replaced(w).first, w), atol=1e-8)
    np.testing.assert_allclose(
        J.second["norm"][0].weights["w"], differences(lambda w: replaced(w).second["norm"], w), atol=1e-8
    )
    np.testing.assert_allclose(by_point.x, differences(lambda x: f(model, Point(x, 0.3)).first, point.x), atol=1e-8)


def test_hessian_of_containers():
    w, b = RNG.standard_normal((2, 3)), RNG.standard_normal(2)
    x = RNG.standard_normal(3)

    def f(p):
        y = np.tanh(p["w"] @ x + p["b"])
        return y, [np.sum(y) * p["b"][0]]

    H = wg.hessian(f)({"w": w, "b": b})
    assert isinstance(H, tuple)
    assert H[0]["w"]["b"].shape == (2, 2, 3, 2)
    assert H[1][0]["b"]["w"].shape == (2, 2, 3)
    np.testing.assert_allclose(H[1][0]["b"]["w"], np.moveaxis(H[1][0]["w"]["b"], 2, 0), atol=1e-12)
    flat = differences(lambda v: wg.jacobian(lambda b: f({"w": v, "b": b})[0])(b), w)
    np.testing.assert_allclose(H[0]["b"]["w"], flat, atol=1e-8)


def test_products_of_containers():
    p = Model({"w": RNG.standard_normal((2, 3))}, RNG.standard_normal(2))
    v = Model({"w": RNG.standard_normal((2, 3))}, RNG.standard_normal(2))
    x = RNG.standard_normal(3)
    predict = lambda m: {"y": np.tanh(m.weights["w"] @ x + m.bias)}  # noqa: E731
    loss = lambda out: np.sum(np.exp(out["y"]))  # noqa: E731
    flat = lambda m: np.concatenate([np.ravel(m.weights["w"]), m.bias])  # noqa: E731
    whole = lambda t: Model({"w": t[:6].reshape(2, 3)}, t[6:])  # noqa: E731
    H = wg.hessian(lambda t: loss(predict(whole(t))))(flat(p))
    product = wg.hvp(lambda m: loss(predict(m)), p, v)
    assert type(product) is Model
    np.testing.assert_allclose(flat(product), H @ flat(v))
    J = wg.jacobian(lambda t: predict(whole(t))["y"])(flat(p))
    G = J.T @ np.diag(np.exp(predict(p)["y"])) @ J
    product = wg.ggnvp(predict, loss, p, v)
    assert type(product) is Model
    np.testing.assert_allclose(flat(product), G @ flat(v))
    trace = wg.laplacian(lambda m: loss(predict(m)))(p)
    np.testing.assert_allclose(trace, np.trace(H))
    field = {"a": np.ones(2), "b": [2.0]}
    assert wg.divergence(lambda f: {"a": f["a"] ** 2, "b": [f["b"][0] ** 3]})(field) == 2 + 2 + 12.0


def test_several_primals():
    f = lambda x, y: np.sum(x**2) * y**3  # noqa: E731
    x, y, tx, ty = np.ones(2), 2.0, np.array([1.0, 0.0]), 1.0
    gx, gy = wg.hvp(f, (x, y), (tx, ty))
    np.testing.assert_allclose(gx, 2 * y**3 * tx + 2 * x * 3 * y**2 * ty)
    np.testing.assert_allclose(gy, 3 * y**2 * 2 * np.sum(x * tx) + np.sum(x**2) * 6 * y * ty)
    assert type(wg.hvp(f, [x, y], [tx, ty])) is tuple
    np.testing.assert_allclose(wg.hvp(np.sum, (x,), (tx,)), np.zeros(2))
    gx, gy = wg.ggnvp(lambda x, y: x * y, lambda z: np.sum(z**2) / 2, (x, y), (tx, ty))
    tz = tx * y + x * ty
    np.testing.assert_allclose(gx, tz * y)
    np.testing.assert_allclose(gy, np.sum(tz * x))
    assert wg.laplacian(f, (0, 1))(x, y) == 4 * 8 + 2 * 6 * 2
    assert wg.divergence(lambda x, y: (x**2 * y, y**2), (0, 1))(x, y) == 8.0 + 4.0


# ---- closed forms ----


def test_traces():
    x = RNG.standard_normal(3)
    np.testing.assert_allclose(wg.laplacian(lambda x: 1 / np.sqrt(np.sum(x**2)))(x), 0, atol=1e-12)
    np.testing.assert_allclose(wg.laplacian(lambda x: np.sum(x**2) ** 2)(x), 20 * np.sum(x**2))
    np.testing.assert_allclose(wg.laplacian(lambda x: x**3)(x), 6 * x)
    np.testing.assert_allclose(wg.laplacian(np.sin)(0.5), -np.sin(0.5))
    u = lambda x, t: np.exp(-2 * t) * np.sin(x[0]) * np.sin(x[1])  # noqa: E731  solves the heat equation
    np.testing.assert_allclose(wg.laplacian(u)(x[:2], 0.3), wg.grad(u, 1)(x[:2], 0.3))
    np.testing.assert_allclose(wg.divergence(lambda x: A.T @ A @ x)(x), np.trace(A.T @ A))
    np.testing.assert_allclose(wg.divergence(lambda x: x / np.sum(x**2) ** 1.5)(x), 0, atol=1e-12)
    np.testing.assert_allclose(wg.divergence(lambda x: np.stack([-x[1], x[0]]))(x[:2]), 0)
    assert wg.divergence(np.square)(3.0) == 6.0
    assert wg.divergence(np.square)(np.ones((0,))) == 0.0
    assert wg.laplacian(lambda x: np.sum(x) * 1.0)(np.ones((0,))) == 0.0


def test_ggnvp_is_the_hessian_where_the_model_is_linear():
    x, v = RNG.standard_normal((2, 3))
    loss = lambda y: np.log(np.sum(np.exp(y)))  # noqa: E731
    np.testing.assert_allclose(wg.ggnvp(lambda x: A @ x, loss, x, v), wg.hvp(lambda x: loss(A @ x), x, v), atol=1e-12)


# ---- nesting ----


def test_orders_three_and_four():
    f = lambda x: np.sum(np.sin(x) * x[::-1])  # noqa: E731
    x, v = RNG.standard_normal((2, 3))
    third = wg.jacobian(wg.hessian(f))(x)
    np.testing.assert_allclose(third, differences(wg.hessian(f), x), atol=1e-7)
    np.testing.assert_allclose(third, np.transpose(third, (2, 0, 1)), atol=1e-12)
    np.testing.assert_allclose(wg.jacfwd(wg.jacfwd(wg.jacfwd(f)))(x), third, atol=1e-12)
    np.testing.assert_allclose(wg.jacrev(wg.jacfwd(wg.jacrev(f)))(x), third, atol=1e-12)
    np.testing.assert_allclose(wg.jvp(wg.hessian(f), (x,), (v,))[1], third @ v, atol=1e-12)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(wg.hvp(f, x, v)))(x), np.sum(third @ v, axis=0), atol=1e-12)
    np.testing.assert_allclose(wg.hessian(wg.laplacian(f))(x), differences(wg.grad(wg.laplacian(f)), x), atol=1e-6)


@everyone
def test_gradients_through_jacobians(mode):
    f = lambda x: np.tanh(A @ x)  # noqa: E731
    x = RNG.standard_normal(3)
    norm = lambda x: np.sum(wg.jacobian(f, mode=mode)(x) ** 2)  # noqa: E731
    wg.check_grads(norm, x, order=1)
    logdet = lambda x: np.linalg.slogdet(wg.jacobian(lambda x: np.sinh(A.T @ A @ x), mode=mode)(x))[1]  # noqa: E731
    wg.check_grads(logdet, x * 0.1, order=1)
    wg.check_grads(lambda x: wg.divergence(lambda x: np.sin(A.T @ A @ x))(x), x, order=1)
    G = lambda x: np.sum(wg.ggnvp(f, lambda y: np.sum(y**4), x, np.ones(3)))  # noqa: E731
    wg.check_grads(G, x, order=1)


@everyone
def test_a_variable_in_the_closure(mode):
    w = Variable(np.array([1.0, 2.0]))
    J = wg.jacobian(lambda x: x**2 * w, mode=mode)(np.ones(2))
    assert isinstance(J, Variable)
    np.sum(J).backward()
    np.testing.assert_allclose(w.grad, [2.0, 2.0])
    w.cleargrad()
    H = wg.hessian(lambda p: np.sum(p["x"] ** 2 * w))({"x": np.ones(2)})
    np.sum(H["x"]["x"] * np.array([[1.0, 0.0], [0.0, 3.0]])).backward()
    np.testing.assert_allclose(w.grad, [2.0, 6.0])
    w.cleargrad()
    wg.laplacian(lambda x: np.sum(x**3 * w))(np.array([1.0, 2.0])).backward()
    np.testing.assert_allclose(w.grad, [6.0, 12.0])
    w.cleargrad()
    np.sum(wg.ggnvp(lambda x: x * w, lambda y: np.sum(y**2), np.ones(2), np.ones(2))).backward()
    np.testing.assert_allclose(w.grad, 4 * w.data)
    with wg.no_grad():
        assert type(wg.jacobian(lambda x: x**2 * w, mode=mode)(np.ones(2))) is np.ndarray


@everyone
def test_variables_as_arguments(mode):
    x = {"a": Variable(np.array([1.0, 2.0]))}
    J = wg.jacobian(lambda p: p["a"] ** 3, mode=mode)(x)
    assert isinstance(J["a"], Variable)
    np.sum(J["a"]).backward()
    np.testing.assert_allclose(x["a"].grad, 6 * x["a"].data)


def test_inside_no_grad():
    with wg.no_grad():
        np.testing.assert_allclose(wg.hessian(lambda x: np.sum(x**3))(np.ones(2)), 6 * np.eye(2))
        np.testing.assert_allclose(wg.jacfwd(lambda x: x**3)(np.ones(2)), 3 * np.eye(2))


class Cube(wg.Function):
    def forward(self, x):
        return x**3

    def backward(self, gy):
        return 3 * self.input**2 * gy


class DataCube(wg.Function):
    def forward(self, x):
        return x**3

    def backward(self, gy):
        return 3 * self.input.data**2 * gy


@everyone
@pytest.mark.parametrize("cls", [Cube, DataCube])
def test_users_functions(mode, cls):
    x = RNG.standard_normal(3)
    np.testing.assert_allclose(wg.jacobian(lambda x: A @ cls()(x), mode=mode)(x), A * 3 * x**2)


def test_hessian_of_users_functions():
    x = RNG.standard_normal(3)
    np.testing.assert_allclose(wg.hessian(lambda x: np.sum(Cube()(x)))(x), np.diag(6 * x))
    with pytest.raises(TypeError, match=r"DataCube\.backward works on arrays"):
        wg.hessian(lambda x: np.sum(DataCube()(x)))(x)


# ---- what is refused ----

REFUSED = [
    (
        lambda: wg.jacobian(np.sin, mode="backward"),
        ValueError,
        "'reverse' or 'forward', got 'backward'",
    ),
    (lambda: wg.jacobian(np.sin)(3), TypeError, "jacobian: argument 0 is int64"),
    (lambda: wg.jacrev(lambda p: p[0])([np.arange(3)]), TypeError, r"jacrev: argument 0\[0\] is int64"),
    (lambda: wg.jacfwd(lambda p: p["s"])({"s": "text"}), TypeError, r"jacfwd: argument 0\['s'\].*expected numbers"),
    (lambda: wg.jacobian(np.sin, 1)(3.0), TypeError, "argnums has 1, but the call has 1"),
    (lambda: wg.jacobian(np.add, (0, -2))(3.0, 2.0), TypeError, "twice"),
    (lambda: wg.jacobian(lambda x: "text")(3.0), TypeError, "jacobian: the result: expected numbers, got str"),
    (lambda: wg.hessian(np.sin)(3), TypeError, "hessian: argument 0 is int64"),
    (lambda: wg.hvp(np.sin, np.ones(2), np.ones(2)), TypeError, r"hvp: .*real scalar, got float64 of shape \(2,\)"),
    (lambda: wg.hvp(np.sum, np.ones(2), np.ones(3)), ValueError, r"hvp: tangent 0: expected shape \(2,\).*\(3,\)"),
    (lambda: wg.hvp(np.sum, (np.ones(2),), np.ones(2)), TypeError, "tangents is one too"),
    (lambda: wg.hvp(np.sum, (np.ones(2),), ()), ValueError, "hvp: 1 primals, but 0 tangents"),
    (lambda: wg.hvp(np.sum, 3, 1.0), TypeError, "hvp: argument 0 is int64"),
    (lambda: wg.hvp(lambda p: p["a"], {"a": 1.0}, {"b": 1.0}), ValueError, "hvp: tangent 0: expected a container like"),
    (lambda: wg.ggnvp(np.sin, np.sin, np.ones(2), np.ones(2)), TypeError, "ggnvp: .*real scalar"),
    (lambda: wg.laplacian(np.abs)(1j), TypeError, "laplacian: argument 0 is complex"),
    (lambda: wg.divergence(np.sin)(1j), TypeError, "divergence: argument 0 is complex"),
    (lambda: wg.divergence(np.sum)(np.ones(2)), ValueError, r"divergence: .*\[\(2,\)\]; it is \* of shapes \[\(\)\]"),
    (lambda: wg.divergence(lambda x: (x, x))(np.ones(2)), ValueError, r"like the argument, \*.*it is \(\*, \*\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- PyTorch ----


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, at the import of torch.func
def test_against_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    w, b, x = RNG.standard_normal((4, 3)), RNG.standard_normal(4), RNG.standard_normal(3)

    def ours(p):
        return np.tanh(p["w"] @ x + p["b"]) ** 3

    def theirs(p):
        return torch.tanh(p["w"] @ torch.tensor(x) + p["b"]) ** 3

    p = {"w": w, "b": b}
    q = {k: torch.tensor(v) for k, v in p.items()}
    for mine, other in [(wg.jacrev, torch.func.jacrev), (wg.jacfwd, torch.func.jacfwd)]:
        J, K = mine(ours)(p), other(theirs)(q)
        for k in p:
            np.testing.assert_allclose(J[k], K[k].numpy(), rtol=1e-10)
    H, K = wg.hessian(ours)(p), torch.func.hessian(theirs)(q)
    for k in p:
        for m in p:
            np.testing.assert_allclose(H[k][m], K[k][m].numpy(), rtol=1e-9, atol=1e-12)
    v = {"w": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(4)}
    product = wg.hvp(lambda p: np.sum(ours(p)), p, v)
    _, other = torch.func.jvp(
        torch.func.grad(lambda q: torch.sum(theirs(q))), (q,), ({k: torch.tensor(t) for k, t in v.items()},)
    )
    for k in p:
        np.testing.assert_allclose(product[k], other[k].numpy(), rtol=1e-9)
