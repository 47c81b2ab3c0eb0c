"""The operation: `Function`, which users subclass, and `Node`, one recorded call.

Built-in operations are declared in `declare.py`; their nodes are Functions too.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import generic, ndarray

from .batching.array import Batched, BatchedError, looped
from .recording import Mode, recording
from .saved import fingerprint, unchanged
from .variable import Variable, as_data, handle_of, is_inexact, move, references, tick, tie, wrap


class Function:
    """An operation. Subclass it with `forward` on ndarrays and `backward` on what `gy` is.

    `backward` receives one `gy` for each output and returns one gradient for each input (None for an input
    without one). It reads `self.input` / `self.inputs` and `self.output` / `self.outputs`. Written on these
    Variables it can be differentiated to any order; written on their `.data`, or on arrays that `forward` kept,
    it serves first derivatives, and a second one raises an error.

    Raises:
        NotImplementedError: `forward` or `backward` is not defined.

    Example:
        >>> class Square(wg.Function):
        ...     def forward(self, x):
        ...         return x**2
        ...     def backward(self, gy):
        ...         return 2 * self.input * gy
        >>> x = wg.Variable(3.0)
        >>> y = Square()(x)
        >>> y.backward()
        >>> x.grad
        array(6.)
    """

    __slots__ = ()
    _written_on = "self.inputs and self.outputs themselves"  # what a rule should be written on, in messages

    if TYPE_CHECKING:
        inputs: tuple[Variable, ...]

    def __call__(self, *inputs: Any) -> Any:
        """Apply the operation; arrays and numbers among the inputs are constants."""
        mode = recording()
        if mode is True or mode is False:
            return _call(self, inputs, mode)
        return mode.call(self, inputs, {})

    def forward(self, *xs: Any) -> Any:
        """The value, from ndarrays: an array, or a tuple of them for several outputs."""
        raise NotImplementedError(f"{type(self).__name__}.forward is not defined")

    def backward(self, *gys: Any) -> Any:
        """The gradients of the inputs, from those of the outputs."""
        raise NotImplementedError(f"{type(self).__name__}.backward is not defined")

    def _rule_name(self) -> str:
        """What gives the derivative, in messages."""
        return f"{type(self).__name__}.backward"

    @property
    def input(self) -> Variable:
        """The first input."""
        return self.inputs[0]

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The outputs of the latest call that somebody still holds."""
        return tuple(v for ref in self.__dict__.get("_outputs", ()) if (v := ref()) is not None)

    @property
    def output(self) -> Variable:
        """The first output of the latest call."""
        held = self.outputs
        if not held:
            raise RuntimeError(f"{type(self).__name__}.output: nobody holds it, or there was no call yet")
        return held[0]


def _call(self: Function, inputs: tuple[Any, ...], record: bool) -> Any:
    """A call of a user's Function."""
    state = self.__dict__
    previous = state.pop("_node", None)
    if previous is not None and (node := previous()) is not None and node.fn is self:
        node.fn = node.at_the_call()  # the latest call owns the instance; an earlier one keeps a snapshot
    before = dict(state)
    handles = tuple([v if isinstance(v, Variable) else wrap(as_data(v), None) for v in inputs])
    zs = self.forward(*[_read_only(v._array) for v in handles])
    many = isinstance(zs, tuple)
    outs = tuple([wrap(_result(z, self), None) for z in (zs if many else (zs,))])
    state["inputs"] = handles
    state["_outputs"] = [weakref.ref(o) for o in outs]
    if record and any([v._node is not None for v in handles]):
        node = Call(self, handles, outs)
        node.kept = [k for k, v in state.items() if k[0] != "_" and v is not before.get(k) and _holds_floats(v)]
        state["_node"] = weakref.ref(node)
        for k, o in enumerate(outs):
            if is_inexact(o._array):
                o._node = n = Pick(node, k) if many else node
                o._serial = n.serial
    return outs if many else outs[0]


def _read_only(x: Any) -> Any:
    """A view that cannot be written to: a user's code works on arrays that the graph has saved."""
    if type(x) is Batched:
        return x.copy()
    x = np.asarray(x).view()
    x.setflags(write=False)
    return x


def set_creator(self: Variable, function: Function) -> None:
    """Link this Variable by hand as the output of a Function that has been called.

    Raises:
        TypeError: not a Function.
        ValueError: the Function has not been called.
    """
    if not isinstance(function, Function):
        raise TypeError(f"set_creator: expected a wg.Function, got {type(function).__name__}")
    if isinstance(function, Node):
        node = function if hasattr(function, "serial") else function.output._node
    else:
        if "inputs" not in function.__dict__:
            raise ValueError(f"set_creator: {type(function).__name__} has not been called, so it has no inputs")
        node = Call(function, function.inputs, (self,))
        function.__dict__["_outputs"] = [weakref.ref(self)]
    move(self, self._array, node)


def _result(z: Any, fn: Function) -> Any:
    if isinstance(z, Variable):
        raise TypeError(f"{type(fn).__name__}.forward returned a Variable; it works on ndarrays and returns them")
    if z is None:
        raise TypeError(f"{type(fn).__name__}.forward returned None; return the value")
    return as_data(z, f"{type(fn).__name__}.forward")


def _holds_floats(value: Any) -> bool:
    """Whether an attribute set by `forward` could carry a dependence on the inputs past the graph."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_floats, value))
    return isinstance(value, (float, complex)) or (isinstance(value, (ndarray, generic, Batched)) and is_inexact(value))


MANY: Any = object()  # in place of a second parent: there may be any number


class Node(Function):
    """One recorded call. `parents` are nodes (None for a constant); a subclass for each arity saves what rules read."""

    __slots__ = ("info", "serial")
    parents: tuple[Any, ...] = ()
    leaf = False
    p: Any = None  # the parents once more, where there are at most two, which is faster to read
    q: Any = MANY

    @property
    def function(self) -> Function:
        """What `Variable.creator` shows."""
        return self

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        """Pairs of a parent and what flows back to it, on arrays or (graph) on Variables."""
        raise NotImplementedError

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        """Forward mode: from the parents' tangents to this node's."""
        raise NotImplementedError

    def back_generic(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        """Reverse mode: add to the cotangents of the parents, on arrays or (graph) on Variables.

        `apply(rule, g, operands, args, kwargs)`, if given, stands between an elementwise rule and its call.
        """
        for p, t in self.cotangents(g, graph, apply):
            give(cotangents, p, t)

    back = back_generic  # a subclass may have a faster one for real arrays

    def saved(self) -> tuple[Any, ...]:
        """The value of the result (None if not kept) and those of the inputs, as far as they were saved."""
        return (None,) * (1 + len(self.parents))

    def release(self, state: str) -> None:
        """Drop parents and saved values. state is "cut" (a leaf from now on) or "freed" (backward is an error)."""
        for cls in type(self).__mro__:
            for slot in getattr(cls, "__slots__", ()):
                if slot not in ("info", "serial", "__weakref__"):
                    setattr(self, slot, ())
        self.__class__ = _released(type(self), state)

    # ---- walking the graph by hand --------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[Variable, ...]:  # type: ignore[override]
        """The tracked inputs."""
        pairs = zip(self.parents, self.saved()[1:], strict=True)
        return tuple([handle_of(p, _value(x, p)) for p, x in pairs if p is not None])

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The output."""
        return (handle_of(self, self.saved()[0]),)

    @property
    def output(self) -> Variable:
        """The output."""
        return self.outputs[0]

    def backward(self, *gys: Any) -> Any:
        """The gradients of `inputs`, from that of the output: an array, or a tuple for several inputs."""
        (gy,) = gys
        graph = isinstance(gy, Variable)
        table: list[Any] = [t for _, t in self.cotangents(gy if graph else np.asarray(gy), graph)]
        table = [t if isinstance(t, Variable) else np.asarray(t) for t in table]
        return table[0] if len(table) == 1 else tuple(table)


def _value(x: Any, parent: Any) -> Any:
    """A parent's value: what its child saved, or what it saved itself."""
    if hasattr(x, "dtype"):
        return x
    return parent.saved()[0] if isinstance(parent, Node) else None


def give(cotangents: dict[Any, Any], p: Any, t: Any) -> None:
    """Add t to what flows back to p: in place where nothing else holds the array that is there."""
    old = cotangents.get(p)
    if old is None:
        cotangents[p] = t
    elif (
        type(old) is ndarray
        and references(old) == _ALONE
        and old.base is None
        and type(t) is ndarray
        and old.dtype == t.dtype
        and old.shape == t.shape
    ):
        old += t
    else:
        cotangents[p] = old + t


def _alone() -> int:
    cotangents = {0: np.empty(1)}
    old = cotangents.get(0)
    return references(old)


_ALONE = _alone()  # references to an array that only the table and one local name hold


_states: dict[tuple[type, str], type] = {}


def _released(cls: type, state: str) -> type:
    """A class of the same layout as cls for a node without parents."""
    base = next(c for c in cls.__mro__ if c.__dict__.get("__slots__"))
    key = base, state
    if key not in _states:
        mixin = Cut if state == "cut" else Freed
        _states[key] = type(mixin.__name__, (mixin, base), {"__slots__": (), "parents": ()})
    return _states[key]


class Cut:
    """The node of a Variable that was unchained: a leaf."""

    __slots__ = ()
    p = q = None
    function = None

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        pass

    back_generic = back

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> tuple[()]:
        return ()

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        pass

    def saved(self) -> tuple[Any, ...]:
        return (None,)

    def release(self, state: str) -> None:
        pass


class Freed(Cut):
    """A node that a pass with `retain_graph=False` went through."""

    __slots__ = ()

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        raise RuntimeError("this graph was freed by backward(retain_graph=False); compute it again, or retain it")

    back_generic = back

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Any:
        self.back(g, {})


# ---- calls of users' Functions ------------------------------------------------------------------------------


class Parts(list[Any]):
    """The cotangents of a call with several outputs; None where nothing flows."""

    dtype = np.dtype(object)


class Call(Node):
    """One call of a user's Function. Its rule may read any input and output, so all values are saved."""

    __slots__ = ("__weakref__", "attributes", "fn", "kept", "parents", "watched", "xs", "zs")

    def __init__(self, fn: Function, handles: tuple[Variable, ...], outs: tuple[Variable, ...]) -> None:
        self.serial = tick()
        self.fn = fn
        self.kept: list[str] = []  # attributes set by forward that hold floating-point values
        self.attributes = {k: v for k, v in fn.__dict__.items() if k[0] != "_" and k != "inputs"}
        self.parents = tuple([v._node for v in handles])
        self.xs = tuple([v._array for v in handles])
        self.zs = tuple([v._array for v in outs])
        self.watched = [(a, fingerprint(a)) for a in (*self.xs, *self.zs) if type(a) is ndarray]

    @property
    def function(self) -> Function:
        return self.fn

    def saved(self) -> tuple[Any, ...]:
        return (self.zs[0] if len(self.zs) == 1 else None, *self.xs)

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        gs = g if type(g) is Parts else [g]
        gs = [np.zeros_like(z) if t is None else t for t, z in zip(gs, self.zs, strict=True)]
        results = self._on_variables(gs) if graph else self._on_arrays(gs)
        for i, (p, x, t) in enumerate(zip(self.parents, self.xs, results, strict=True)):
            if p is None or t is None:
                continue
            if t.shape != x.shape:
                name = type(self.fn).__name__
                raise ValueError(f"{name}.backward: gradient {i} has shape {t.shape}, but input {i} has {x.shape}")
            yield p, t

    def _on_arrays(self, gs: list[Any]) -> tuple[Any, ...]:
        unchanged(self.watched, type(self.fn).__name__)
        fn = self.fn
        held, data = (*fn.inputs, *fn.outputs), self.xs + self.zs
        moved = len(held) != len(data) or any([v._array is not x for v, x in zip(held, data, strict=True)])
        if moved or self.changed():
            fn = self.as_called(tie)  # a handle has moved on, or is gone
        try:
            with Mode(False):
                results = self.checked(fn.backward(*[_read_only(g) for g in gs]))
        except BatchedError:
            kept = {k: v for k, v in self.fn.__dict__.items() if type(v) is Batched}
            return looped(self._on_example, (tuple(gs), self.xs, self.zs, kept), {})  # type: ignore[no-any-return]
        if fn is self.fn:  # what backward itself changed stays
            self.attributes = {k: fn.__dict__.get(k) for k in self.attributes}
        return tuple([t._array if isinstance(t, Variable) else t for t in results])

    def _on_example(self, gs: Any, xs: Any, zs: Any, kept: dict[str, Any]) -> tuple[Any, ...]:
        """The gradients of one example of a batch, which `backward` cannot take whole."""
        call = copy.copy(self)
        call.xs, call.zs, call.watched, call.fn = xs, zs, [], copy.copy(self.fn)
        call.fn.__dict__.update(kept)
        return call._on_arrays(list(gs))

    def _on_variables(self, gs: list[Any]) -> tuple[Any, ...]:
        gs = [g if isinstance(g, Variable) else wrap(g, None) for g in gs]
        try:
            results, why = self.traced(gs)
        except BatchedError:
            return looped(lambda *gs: self._on_variables(list(gs)), tuple(gs), {})  # type: ignore[no-any-return]
        if why is not None:
            results = self.once(self._on_arrays([g._array for g in gs]), why, gs)
        return tuple([t if t is None or isinstance(t, Variable) else wrap(t, None) for t in results])

    def traced(self, gs: list[Variable]) -> tuple[tuple[Any, ...], str | None]:
        """`backward` on Variables, and how it left the graph, if it did."""
        unchanged(self.watched, type(self.fn).__name__)
        left: list[str] = []
        fn = self.as_called(lambda data, node: Watched(data, node, left))
        results = self.checked(fn.backward(*[Watched(g._array, g._node, left) for g in gs]))
        return results, f"keeps arrays in self.{self.kept[0]}" if self.kept else left[0] if left else None

    def once(self, values: tuple[Any, ...], why: str, gs: list[Variable]) -> tuple[Any, ...]:
        """Values that cannot be differentiated again."""
        error = TypeError(
            f"{self.fn._rule_name()} works on arrays ({why}), so it cannot be differentiated again: a second "
            f"derivative would be wrong. Write it with NumPy calls on {self.fn._written_on}"
        )
        sources = (*self.parents, *[g._node for g in gs])
        return tuple([t if t is None else wrap(t, Once(error, sources)) for t in values])

    def as_called(self, handle: Any) -> Function:
        """The Function as it was when called, with inputs and outputs made by handle(data, node)."""
        fn = self.at_the_call()
        several = len(self.zs) > 1
        nodes = [Pick(self, k) if several else self for k in range(len(self.zs))]
        outs = [handle(z, n) for z, n in zip(self.zs, nodes, strict=True)]
        fn.__dict__["inputs"] = tuple(
            [handle(x, p) if p is not None else wrap(x, None) for x, p in zip(self.xs, self.parents, strict=True)]
        )
        fn.__dict__["_outputs"] = [lambda v=v: v for v in outs]
        return fn

    def changed(self) -> bool:
        """Whether an attribute of the Function was set after the call."""
        now = self.fn.__dict__
        return any([now.get(k) is not v for k, v in self.attributes.items()])

    def at_the_call(self) -> Function:
        """A copy of the Function with the attributes that it had then."""
        fn = copy.copy(self.fn)
        fn.__dict__.update(self.attributes)
        return fn

    def checked(self, results: Any) -> tuple[Any, ...]:
        """What the user's backward returned, as arrays, Variables and None."""
        results = results if isinstance(results, tuple) else (results,)
        if len(results) != len(self.parents):
            name = type(self.fn).__name__
            raise ValueError(f"{name}.backward returned {len(results)} gradients for {len(self.parents)} inputs")
        return tuple(
            [
                t if t is None or isinstance(t, Variable) else as_data(t, f"{type(self.fn).__name__}.backward")
                for t in results
            ]
        )


class Pick(Node):
    """One of several outputs of a call."""

    __slots__ = ("k", "p")
    q = None

    def __init__(self, p: Any, k: int) -> None:
        self.serial = tick()
        self.p = p
        self.k = k

    @property
    def parents(self) -> tuple[Any, ...]:  # type: ignore[override]
        return (self.p,)

    @property
    def function(self) -> Function:
        return self.p.function  # type: ignore[no-any-return]

    def saved(self) -> tuple[Any, ...]:
        return self.p.zs[self.k], None

    def back(self, g: Any, cotangents: dict[Any, Any], graph: bool = False, apply: Any = None) -> None:
        parts = cotangents.get(self.p)
        if parts is None:
            parts = cotangents[self.p] = Parts([None] * len(self.p.zs))
        parts[self.k] = g if parts[self.k] is None else parts[self.k] + g

    back_generic = back

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Iterator[tuple[Any, Any]]:
        raise RuntimeError("one output of several has no backward of its own; call its Function's")

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        parts = tangents.get(self.p)
        if parts is not None and parts[self.k] is not None:
            tangents[self] = parts[self.k]


class Once(Node):
    """A gradient that is right as a value and has no derivative of its own: an error that says why."""

    __slots__ = ("error", "parents")

    def __init__(self, error: Exception, sources: tuple[Any, ...]) -> None:
        self.serial = tick()
        self.parents = tuple([n for n in sources if n is not None])
        self.error = error

    def cotangents(self, g: Any, graph: bool, apply: Any = None) -> Any:
        raise self.error

    def push(self, tangents: dict[Any, Any], graph: bool, apply: Any = None) -> None:
        if any([p in tangents for p in self.parents]):
            raise self.error


class NeedsVariables(RuntimeError):
    """Raised by a rule on arrays that has to differentiate what flows to it: the walk is run again on Variables."""


class Watched(Variable):
    """An input or output that notes when a rule leaves the graph through it."""

    __slots__ = ("_left",)

    def __init__(self, data: Any, node: Any, left: list[str]) -> None:
        self._array = data
        self._node = node
        self._left = left

    @property  # type: ignore[misc]
    def data(self) -> ndarray:
        self._left.append("reads .data")
        return np.asarray(self._array)

    def item(self, *args: Any) -> Any:
        self._left.append("reads .item()")
        return super().item(*args)

    def tolist(self) -> Any:
        self._left.append("reads .tolist()")
        return super().tolist()

    def detach(self) -> Variable:
        self._left.append("reads .detach()")
        return super().detach()
