"""Functions that users write."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import Variable


class SquareOnData(wg.Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input.data * gy


class SquareOnVariables(wg.Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input * gy


class ExpOnKeptArray(wg.Function):
    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, gy):
        return gy * self.y


class ExpOnOutput(wg.Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        return gy * self.output


class Product(wg.Function):
    def forward(self, x, y):
        return x * y

    def backward(self, gy):
        x, y = self.inputs
        return gy * y, gy * x


class SumAndProduct(wg.Function):
    def forward(self, x, y):
        return x + y, x * y

    def backward(self, gs, gp):
        x, y = self.inputs
        return gs + gp * y, gs + gp * x


class Scale(wg.Function):
    """Linear, with a parameter: its backward depends on no input, and rightly so."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return self.factor * x

    def backward(self, gy):
        return self.factor * gy


def test_names_the_class_where_a_method_is_missing():
    class Half(wg.Function):
        pass

    with pytest.raises(NotImplementedError, match=r"Half\.forward"):
        Half()(Variable(1.0))

    class Quarter(wg.Function):
        def forward(self, x):
            return x / 4

    y = Quarter()(Variable(1.0))
    with pytest.raises(NotImplementedError, match=r"Quarter\.backward"):
        y.backward()


def test_constants_among_the_inputs():
    x = Variable(3.0)
    y = Product()(x, 4.0)
    y.backward()
    assert x.grad == 4.0
    assert y.creator.inputs[0] is x
    assert y.creator.inputs[1].creator is None
    assert Product()(2.0, np.array(4.0)).creator is None


def test_several_outputs():
    x, y = Variable([1.0, 2.0]), Variable([3.0, 4.0])
    f = SumAndProduct()
    s, p = f(x, y)
    assert s.creator is f
    assert p.creator is f
    assert [o is v for o, v in zip(f.outputs, (s, p), strict=True)] == [True, True]
    np.sum(s * 2.0 + p).backward()
    np.testing.assert_array_equal(x.grad, [5.0, 6.0])
    np.testing.assert_array_equal(y.grad, [3.0, 4.0])
    np.testing.assert_array_equal(s.grad, [2.0, 2.0])
    x.cleargrad()
    np.sum(p).backward()  # one output alone: nothing flows from the other
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])


def test_one_instance_called_several_times():
    for f in (SquareOnData(), SquareOnVariables(), ExpOnKeptArray(), wg.Square()):
        x = Variable(0.5)
        y = f(f(x))
        y.backward()
        expected = np.exp(np.exp(0.5)) * np.exp(0.5) if isinstance(f, ExpOnKeptArray) else 4 * 0.5**3
        np.testing.assert_allclose(x.grad, expected)
        a, b = Variable(2.0), Variable(3.0)
        ya, yb = f(a), f(b)
        with wg.no_grad():
            f(Variable(100.0))
        ya.backward()
        yb.backward()
        expected = [np.exp(2.0), np.exp(3.0)] if isinstance(f, ExpOnKeptArray) else [4.0, 6.0]
        np.testing.assert_allclose([a.grad, b.grad], expected)


def test_an_input_that_moved_on_is_seen_as_it_was():
    for f in (SquareOnData(), SquareOnVariables()):
        x = Variable([1.0, 2.0])
        a = x * 1.0
        y = f(a)
        a[0] = 50.0
        a += 1.0
        np.sum(y).backward()
        np.testing.assert_array_equal(x.grad, [2.0, 4.0])
        p = Variable(3.0)
        y = f(p)
        p.data = np.array(100.0)
        y.backward()
        assert p.grad == 6.0


def test_output_is_there_when_nobody_else_holds_it():
    x = Variable(0.5)
    y = np.sin(ExpOnOutput()(x))
    y.backward()
    np.testing.assert_allclose(x.grad, np.cos(np.exp(0.5)) * np.exp(0.5))


@pytest.mark.parametrize("f", [SquareOnVariables(), ExpOnOutput(), Scale(3.0)])
def test_written_on_variables_differentiates_to_any_order(f):
    wg.check_grads(f, np.array([0.5, 1.5]), order=2)
    wg.check_grads(lambda x: np.sin(f(f(x))), np.array([0.5, 0.7]), order=2)
    third = wg.grad(wg.grad(wg.grad(lambda x: f(x) * x**2)))(0.7)
    expected = {SquareOnVariables: 24 * 0.7, ExpOnOutput: np.exp(0.7) * (0.49 + 4.2 + 6), Scale: 18.0}[type(f)]
    np.testing.assert_allclose(third, expected)


def test_several_inputs_and_outputs_differentiate_to_any_order():
    wg.check_grads(Product(), np.array([0.5, 1.5]), np.array([2.0, 3.0]))
    wg.check_grads(SumAndProduct(), np.array([0.5, 1.5]), np.array([2.0, 3.0]))
    wg.check_grads(lambda x, y: SumAndProduct()(x, y)[1], 0.5, 2.0)


@pytest.mark.parametrize(
    ("f", "why"), [(SquareOnData(), r"reads \.data"), (ExpOnKeptArray(), r"keeps arrays in self\.y")]
)
def test_second_derivative_through_arrays_is_refused(f, why):
    wg.check_grads(f, np.array([0.5, 1.5]), order=1)
    x = Variable(0.5)
    y = f(x)
    y.backward(create_graph=True)
    g = x.grad  # the first derivative is right, and can be read
    assert g.data == (1.0 if isinstance(f, SquareOnData) else np.exp(0.5))
    with pytest.raises(TypeError, match=rf"{type(f).__name__}\.backward works on arrays \({why}\)"):
        g.backward()
    with pytest.raises(TypeError, match="cannot be differentiated again"):
        wg.grad(wg.grad(f))(0.5)
    with pytest.raises(TypeError, match="cannot be differentiated again"):
        wg.jvp(wg.grad(f), (0.5,), (1.0,))
    with pytest.raises(TypeError, match="cannot be differentiated again"):
        wg.grad(lambda x: wg.jvp(f, (x,), (1.0,))[1])(0.5)


@pytest.mark.parametrize(
    ("leave", "names"),
    [(lambda v: v.item(), "item"), (lambda v: v.tolist(), "tolist"), (lambda v: v.detach(), "detach")],
)
def test_other_ways_out_of_the_graph_are_noticed(leave, names):
    class Sneaky(wg.Function):
        def forward(self, x):
            return x**2

        def backward(self, gy):
            return 2 * leave(self.input) * gy

    with pytest.raises(TypeError, match=names):
        wg.grad(wg.grad(Sneaky()))(0.5)


def test_wrong_number_of_gradients():
    class Wrong(Product):
        def backward(self, gy):
            return gy

    with pytest.raises(ValueError, match=r"Wrong\.backward returned 1 gradients for 2 inputs"):
        Wrong()(Variable(1.0), Variable(2.0)).backward()


def test_wrong_shape_of_a_gradient():
    class Wrong(wg.Function):
        def forward(self, x):
            return x.sum()

        def backward(self, gy):
            return gy

    with pytest.raises(ValueError, match=r"Wrong\.backward: gradient 0 has shape \(\), but input 0 has \(3,\)"):
        Wrong()(Variable(np.ones(3))).backward()


def test_none_means_no_gradient():
    class First(wg.Function):
        def forward(self, x, y):
            return x * 1.0

        def backward(self, gy):
            return gy, None

    x, y = Variable(1.0), Variable(2.0)
    (First()(x, y) + y).backward()
    assert (x.grad, y.grad) == (1.0, 1.0)
    with pytest.raises(ValueError, match="argument 1"):
        wg.grad(First(), 1)(1.0, 2.0)


@pytest.mark.parametrize("result", [None, "text"])
def test_forward_has_to_return_numbers(result):
    class Wrong(wg.Function):
        def forward(self, x):
            return result

    with pytest.raises(TypeError, match=r"Wrong\.forward"):
        Wrong()(Variable(1.0))


def test_forward_has_to_return_arrays():
    class Wrong(wg.Function):
        def forward(self, x):
            return self.saved * x

    f = Wrong()
    f.saved = Variable(2.0)
    with pytest.raises(TypeError, match="returned a Variable"):
        f(Variable(1.0))


def test_integer_outputs_are_constants():
    class Index(wg.Function):
        def forward(self, x):
            return np.argmax(x), x * 2.0

        def backward(self, gi, gy):
            return 2.0 * gy

    x = Variable([1.0, 3.0])
    i, y = Index()(x)
    assert i.creator is None
    np.sum(y).backward()
    np.testing.assert_array_equal(x.grad, 2.0)


@pytest.mark.parametrize("name", [n for n in dir(wg) if n[0].isupper() and isinstance(getattr(wg, n), type)])
def test_built_in_classes(name):
    cls = getattr(wg, name)
    if not issubclass(cls, wg.Function) or cls is wg.Function:
        return
    parameters = {"Reshape": ((3, 1),), "BroadcastTo": ((2, 3),), "Swapaxes": (0, 0), "Transpose": (), "Sum": (0,)}
    f = cls(*parameters.get(name, ()))
    x = Variable(np.array([1.25, 1.5, 1.75]) if name in ("Arccosh",) else np.array([0.25, 0.5, 0.75]))
    two = name in ("Add", "Subtract", "Multiply", "Divide", "Power", "Maximum", "Minimum", "Matmul", "Dot", "Hypot",
                   "Arctan2", "Logaddexp")  # fmt: skip
    y = f(x, Variable(np.array([0.5, 0.25, 1.0]))) if two else f(x)
    assert y.creator is f
    assert f.input is x
    assert f.output is y
    assert isinstance(f, wg.Function)
    np.sum(y).backward()
    by_hand = f.backward(np.ones(y.shape))
    np.testing.assert_array_equal(by_hand[0] if two else by_hand, x.grad)


def test_a_recorded_call_cannot_be_called():
    y = np.sin(Variable(1.0))
    with pytest.raises(TypeError, match="recorded call"):
        y.creator(Variable(1.0))


def test_a_subclass_of_a_built_in_class_uses_its_own_rules():
    class Wrong(wg.Sin):
        def forward(self, x):
            return np.sin(x)

        def backward(self, gy):
            return gy * 100.0

    x = Variable(1.0)
    Wrong()(x).backward()
    assert x.grad == 100.0


def test_names_of_ones_own_attributes_are_free():
    class Named(Scale):
        def __init__(self):
            super().__init__(2.0)
            self.name, self.p, self.x, self.args = "n", 1, 2, 3

    x = Variable(1.0)
    f = Named()
    f(x).backward()
    assert x.grad == 2.0
    assert f.name == "n"


class Power(wg.Function):
    def __init__(self, n):
        self.n = n
        self.passes = 0

    def forward(self, x):
        return x**self.n

    def backward(self, gy):
        self.passes += 1
        return self.n * self.input ** (self.n - 1) * gy


def test_attributes_are_those_of_the_call():
    f, x = Power(3), Variable(2.0)
    y = f(x)
    f.n = 5
    z = f(x)
    f.n = 7
    y.backward()
    assert x.grad == 12.0
    x.cleargrad()
    z.backward()
    assert x.grad == 80.0
    assert wg.grad(wg.grad(Power(3)))(2.0) == 12.0


def test_what_backward_changes_stays():
    f, x = Power(3), Variable(2.0)
    y = f(x)
    y.backward()
    y.backward()
    assert f.passes == 2


JOINED = {
    "where": lambda x: np.where(x > 6, x, x * x),
    "concatenate": lambda x: np.concatenate([x, x]),
    "einsum": lambda x: np.einsum("ij,jk", x, x),
    "assignment": lambda x: put_first(x * 1.0, x[1]),
    "several results": lambda x: np.linalg.slogdet(x)[1],
    "several results, all": lambda x: np.linalg.eigh(x)[0],
    "a user's": Power(2),
    "composed": lambda x: np.ptp(x),
    "elements": wg.vectorize(lambda a: a * a),
}


def put_first(y, v):
    y[0] = v
    return y


@pytest.mark.parametrize("name", JOINED)
def test_every_kind_of_node_can_be_freed_and_cut(name):
    f, x = JOINED[name], Variable(np.arange(9.0).reshape(3, 3) + 5 * np.eye(3))
    y = np.sum(f(x))
    y.backward(retain_graph=False)
    np.testing.assert_allclose(x.grad, wg.grad(lambda x: np.sum(f(x)))(x.data))
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()
    x.cleargrad()
    z = f(x)
    y = np.sum(z)
    z.unchain()
    y.backward()
    assert z.creator is None
    assert z.grad is not None
    assert x.grad is None


def test_several_results_by_hand():
    x = Variable(np.diag([1.0, 2.0, 3.0]) + 0.1)
    w, v = np.linalg.eigh(x)
    f = w.creator
    assert f is v.creator
    assert f.input is x
    np.testing.assert_array_equal(f.outputs[1].data, v.data)
    np.testing.assert_allclose(f.backward(np.ones(3), None), np.eye(3), atol=1e-12)
    with pytest.raises(TypeError, match="expected 2 cotangents, got 1"):
        f.backward(np.ones(3))
