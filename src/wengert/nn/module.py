"""`Module`, a network or a part of one, and `Parameter`, what is learned. A module's attributes are the tree.

class Net(wg.nn.Module):
    def __init__(self, rng):
        self.layers = [wg.nn.Linear(64, 32, rng=rng), wg.nn.Linear(32, 10, rng=rng)]

    def forward(self, x):
        return self.layers[1](wg.nn.relu(self.layers[0](x)))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from weakref import ref

import numpy as np
from numpy import ndarray

from ..recording import recording
from ..tree import leaves
from ..variable import Variable, as_data, info_of, is_inexact, tick, wrap

if TYPE_CHECKING:
    from .summary import Summary


class Parameter(Variable):
    """A leaf Variable that a Module learns. It has an array of its own: the data are copied.

    Args:
        data: floating-point or complex numbers, an array or a nested list.
        name: a label for messages and pictures.

    Raises:
        TypeError: integers, or no numbers.

    Example:
        >>> w = wg.nn.Parameter([1.0, 2.0])
        >>> np.sum(w**2).backward()
        >>> w.grad
        array([2., 4.])
    """

    __slots__ = ()

    def __init__(self, data: Any, name: str | None = None) -> None:
        array = as_data(data.data if isinstance(data, Variable) else data, "Parameter: data")
        if not is_inexact(array):
            raise TypeError(f"Parameter: {array.dtype} data have no derivative; use .astype(float)")
        super().__init__(np.array(array), name)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Variable").replace("\n", "\n ")

    def __copy__(self) -> Parameter:
        return Parameter(self.data, self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        return Parameter(self.data, self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameter, (self.data, self.name)


Rename = Mapping[str, str | None] | Callable[[str], str | None] | None


class Mismatch(NamedTuple):
    """What `load_state_dict` could not place: names, and for the mis-shaped a sentence each."""

    missing: list[str]
    unexpected: list[str]
    misshaped: list[str]


class Module:
    """A network, or a part of one: a subclass with `forward`. Calling it calls `forward`.

    What it consists of are its attributes: Parameters, Modules, and lists, tuples and dicts of these, at any depth.
    Arrays among the attributes whose names don't start with "_" are buffers: saved with the parameters, not learned
    (running statistics). Names join attributes, keys and positions with dots: `layers.0.weight`. A parameter or module
    in several places is one: it is counted once, under the first name. `__init__` need not call `super().__init__()`.

    Raises:
        NotImplementedError: there is no `forward`.

    Example:
        >>> class Scale(wg.nn.Module):
        ...     def __init__(self):
        ...         self.factor = wg.nn.Parameter(2.0)
        ...     def forward(self, x):
        ...         return self.factor * x
        >>> scale = Scale()
        >>> scale(np.ones(2)).backward()
        >>> scale.factor.grad
        array(2.)
        >>> scale.named_parameters()
        [('factor', Parameter(2.))]
    """

    training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = recording()
        if mode is False:
            return self.forward(*args, **kwargs)
        calls = _thread.calls
        outermost = calls is None
        if outermost:
            _thread.calls = calls = []
        since = tick()
        try:
            if mode is True or not hasattr(mode, "module"):
                y = self.forward(*args, **kwargs)
            else:
                y = mode.module(self, args, kwargs)
        finally:
            if outermost:
                _thread.calls = None
        calls.append((since, tick(), type(self), id(self)))
        if outermost:
            _leave(ref(self), calls, y, since)
        return y

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result, from arrays and Variables."""
        raise NotImplementedError(f"{type(self).__name__}.forward is not defined")

    # ---- the tree -------------------------------------------------------------------------------------------

    def members(self) -> Iterator[tuple[str, Any]]:
        """Names and values of what the module consists of; by default its attributes."""
        yield from vars(self).items()

    def unready(self) -> str | None:
        """Why the parameters are not there yet, in words: a lazy layer before its first call."""
        return None

    def parameters(self) -> list[Parameter]:
        """Every parameter once."""
        return [p for _, p in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Pairs of a name and a parameter, every parameter once.

        Raises:
            RuntimeError: a lazy layer has not been called, so its parameters don't exist.
        """
        return _once(self, Parameter)

    def named_buffers(self) -> list[tuple[str, ndarray]]:
        """Pairs of a name and an array that is state, but not learned."""
        return _once(self, ndarray)

    def buffers(self) -> list[ndarray]:
        """Every array that is state, but not learned."""
        return [b for _, b in self.named_buffers()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Pairs of a name and a module, every module once, this one (named "") first."""
        return _once(self, Module, ready=False)

    def modules(self) -> list[Module]:
        """Every module once, this one first."""
        return [m for _, m in self.named_modules()]

    def named_generators(self) -> list[tuple[str, np.random.Generator]]:
        """Pairs of a name and a Generator, every one once: with `state_dict`, all that training on depends on.

        Generators stand among the attributes, as Dropout's `rng` does. `state_dict` leaves them out; the state of one
        is `generator.bit_generator.state`, which can be read and set.

        Example:
            >>> net = wg.nn.Sequential(wg.nn.Dropout(0.5, rng=1), wg.nn.Dropout(0.5, rng=2))
            >>> [name for name, _ in net.named_generators()]
            ['0.rng', '1.rng']
        """
        return _once(self, np.random.Generator, ready=False)

    @property
    def size(self) -> int:
        """The number of parameters' elements."""
        return sum([p.size for p in self.parameters()])

    # ---- modes and types ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Let every module behave as in training (Dropout drops, BatchNorm takes the batch's statistics)."""
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Self:
        """Let every module behave as in use: the opposite of `train`."""
        return self.train(False)

    def astype(self, dtype: Any) -> Self:
        """Convert parameters and floating-point buffers in place; their gradients are forgotten.

        Raises:
            TypeError: dtype is not floating-point or complex.
        """
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc":
            raise TypeError(f"astype: parameters are floating-point or complex, not {dtype}")
        for p in self.parameters():
            p.cleargrad()
            p.data = p.data.astype(dtype)
        for m in self.modules():
            for key, value in list(m.members()):
                if _is_buffer(key, value) and value.dtype.kind == "f":
                    setattr(m, key, value.astype(dtype if dtype.kind == "f" else value.dtype))
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.cleargrad()

    # ---- state ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, ndarray]:
        """Parameters and buffers by name, as copies: training on does not change them."""
        return {name: np.array(_array(x)) for name, x in [*self.named_parameters(), *self.named_buffers()]}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, rename: Rename = None) -> Mismatch:
        """Set parameters and buffers in place, from arrays by name. They keep their dtypes.

        Args:
            state: what `state_dict` gave, PyTorch's too; any mapping from names to arrays. A shared parameter goes by
                any of its names.
            strict: whether everything has to fit; otherwise what fits is loaded, and the rest is returned.
            rename: this module's names for those of `state`: a dict of names, or of what they begin with up to a dot,
                of which the longest counts (`{"fc": "head", "model": ""}`; "" is all); or a function of a name.
                None for a name leaves it out.

        Raises:
            ValueError: strict, and names are missing, unexpected or of another shape or kind. All of them are listed,
                and nothing is changed. Or: rename gives one name to two, or has a name that `state` has not.

        Example:
            >>> layer = wg.nn.Linear(2, 3, rng=np.random.default_rng(0))
            >>> layer.load_state_dict({"weight": np.zeros((3, 3)), "bias": np.zeros(3)})
            Traceback (most recent call last):
            ValueError: Linear.load_state_dict: nothing was loaded
              mis-shaped: weight is (3, 2), got (3, 3)
            >>> layer.load_state_dict({"fc.weight": np.ones((3, 2)), "fc.bias": np.zeros(3)}, rename={"fc": ""})
            Mismatch(missing=[], unexpected=[], misshaped=[])
        """
        return self._load("load_state_dict", "", state, strict, rename)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write `state_dict()` to a file, .safetensors or .npz. It is replaced whole, or not at all.

        Raises:
            ValueError: another ending.
        """
        from ..data.tensors import save_tensors

        save_tensors(path, self.state_dict())

    def load_weights(self, path: str | PathLike[str], strict: bool = True, rename: Rename = None) -> Mismatch:
        """`load_state_dict` of a file: .safetensors, .npz, or the .safetensors.index.json of several files.

        Layers have PyTorch's names and shapes, so that files of PyTorch's models (`safetensors.torch.save_model`) can
        be loaded, and the other way round. Other kinds of floating-point numbers are converted. Nothing is unpickled.

        Args:
            strict, rename: see `load_state_dict`.

        Raises:
            ValueError: as `load_state_dict`; or the file is truncated, damaged or of another kind: it is named.

        Example:
            >>> import os, tempfile
            >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
            >>> wg.nn.Sequential(wg.nn.Linear(2, 3, rng=0), wg.nn.Linear(3, 1, rng=1)).save_weights(path)
            >>> layer = wg.nn.Linear(2, 3, rng=2)
            >>> layer.load_weights(path, strict=False, rename={"0": ""}).unexpected
            ['1.bias', '1.weight']
        """
        from ..data.tensors import load_tensors

        return self._load("load_weights", f" from {path}", load_tensors(path), strict, rename)

    def _load(self, method: str, source: str, state: Mapping[str, Any], strict: bool, rename: Rename) -> Mismatch:
        if rename is not None:
            state = _renamed(f"{type(self).__name__}.{method}", state, rename)
        names: dict[int, list[str]] = {}
        places: dict[int, Any] = {}
        for name, x in _everything(self, ready=True):
            if isinstance(x, (Parameter, ndarray)):
                names.setdefault(id(x), []).append(name)
                places[id(x)] = x
        known = {name for aliases in names.values() for name in aliases}
        wrong = Mismatch([], [name for name in state if name not in known], [])
        fitting = []
        for key, x in places.items():
            given = [name for name in names[key] if name in state]
            if not given:
                wrong.missing.append(names[key][0])
                continue
            target, values = _array(x), [np.asarray(_array(state[name])) for name in given]
            if values[0].shape != target.shape:
                wrong.misshaped.append(f"{given[0]} is {target.shape}, got {values[0].shape}")
            elif not np.can_cast(values[0].dtype, target.dtype, "same_kind"):
                wrong.misshaped.append(f"{given[0]} is {target.dtype}, got {values[0].dtype}")
            elif not all([np.array_equal(values[0], v, equal_nan=True) for v in values[1:]]):
                wrong.misshaped.append(f"{' and '.join(given)} are one parameter, got different values")
            else:
                fitting.append((target, values[0]))
        if strict and any(wrong):
            lines = [f"\n  {what}: {', '.join(found)}" for what, found in zip(_WRONG, wrong, strict=True) if found]
            raise ValueError(f"{type(self).__name__}.{method}: nothing was loaded{source}{''.join(lines)}")
        for target, value in fitting:
            target[...] = value
        return wrong

    # ---- looking at it --------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return _text(type(self).__name__, self, set())

    def extra_repr(self) -> str:
        """What `repr` tells of a layer besides its parameters."""
        return ""

    def summary(self, *input_shapes: Any, dtype: Any = np.float32) -> Summary:
        """What each layer makes of inputs of these shapes, with its parameters and FLOPs.

        Args:
            input_shapes: one shape (with the batch axis) for each input, or an array itself.
            dtype: of the inputs given by shape; integers are zeros, as an embedding takes them.

        The network runs once in eval mode, and is left as it was. A multiplication and an addition are two FLOPs.

        Example:
            >>> net = wg.nn.Sequential(wg.nn.Linear(64, 32), wg.nn.relu, wg.nn.Linear(32, 10))
            >>> net.summary((1, 64))
            layer       output   parameters  FLOPs
            Sequential  (1, 10)       2,410  4,810
              0 Linear  (1, 32)       2,080  4,128
              2 Linear  (1, 10)         330    650
        """
        from .summary import summarise

        return summarise(self, input_shapes, dtype)


class _Thread(threading.local):
    calls: Any = None  # the calls of Modules inside the outermost one that the thread is in


_thread = _Thread()


def _leave(module: Any, calls: list[Any], y: Any, since: int) -> None:
    """Note on the nodes of a result which calls of Modules made it, for pictures.

    Each is two ticks, between which its nodes were made, the class of the Module, and its identity.
    """
    for part in (y,) if isinstance(y, Variable) else leaves(y):
        if isinstance(part, Variable) and (n := part._node) is not None and n.serial > since:
            info_of(n).calls = module, calls


_WRONG = ("missing", "unexpected", "mis-shaped")


def _renamed(what: str, state: Mapping[str, Any], rename: Any) -> dict[str, Any]:
    """A state under other names: see `Module.load_state_dict`."""
    used: set[str] = set()

    def mapped(name: str) -> Any:
        keys = [key for key in rename if key in ("", name) or name.startswith(f"{key}.")]
        used.update(keys)
        if not keys:
            return name
        key = max(keys, key=len)
        rest = name[len(key) :].removeprefix(".")
        return rename[key] if not rest or rename[key] is None else _joined(rename[key], rest)

    found: dict[str, Any] = {}
    old: dict[str, str] = {}
    for name, value in state.items():
        new = mapped(name) if isinstance(rename, Mapping) else rename(name)
        if not (new is None or isinstance(new, str)):
            raise TypeError(f"{what}: rename gives a text for a name, or None, got {new!r} for {name}")
        if new in found:
            raise ValueError(f"{what}: rename makes {new} of both {old[new]} and {name}")
        if new is not None:
            found[new], old[new] = value, name
    if isinstance(rename, Mapping) and (unused := [key for key in rename if key not in used]):
        raise ValueError(
            f"{what}: rename has {', '.join(map(repr, unused))}; there are {', '.join(state) or 'no names'}"
        )
    return found


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Variable) else x


def _is_buffer(key: str, value: Any) -> bool:
    return isinstance(value, ndarray) and not key.startswith("_")


def _everything(root: Module, ready: bool) -> list[tuple[str, Any]]:
    """Names of all modules, parameters, buffers and Generators under a module, with every name of what is shared."""
    found: list[tuple[str, Any]] = []

    def visit(name: str, x: Any, above: tuple[int, ...]) -> None:
        if id(x) in above:  # a module that refers back to one that contains it
            return
        if isinstance(x, (Parameter, np.random.Generator)):
            found.append((name, x))
        elif isinstance(x, Module):
            if ready and (why := x.unready()):
                raise RuntimeError(f"{name or 'this'} ({type(x).__name__}): {why}")
            found.append((name, x))
            for key, value in x.members():
                if _is_buffer(key, value):
                    found.append((_joined(name, key), value))
                else:
                    visit(_joined(name, key), value, (*above, id(x)))
        elif isinstance(x, (list, tuple)):
            for i, item in enumerate(x):
                visit(_joined(name, i), item, (*above, id(x)))
        elif isinstance(x, dict):
            for key, item in x.items():
                visit(_joined(name, key), item, (*above, id(x)))

    visit("", root, ())
    return found


def _joined(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _once(root: Module, kind: type, ready: bool = True) -> list[Any]:
    """Those of a kind, each under its first name."""
    first: dict[int, tuple[str, Any]] = {}
    for name, x in _everything(root, ready):
        if isinstance(x, kind):
            first.setdefault(id(x), (name, x))
    return list(first.values())


def _text(label: str, module: Module, seen: set[int]) -> str:
    """A module as text: its own parameters with shapes, then its parts, each on a line."""
    if id(module) in seen:
        return f"{label}(the same as above)"
    seen.add(id(module))
    own, parts = [module.extra_repr()], []
    for key, value in module.members():
        leaves: list[tuple[str, Any]] = []
        _direct(key, value, leaves)
        for name, x in leaves:
            if isinstance(x, Parameter):
                own.append(f"{name} {x.shape}")
            elif isinstance(x, Module):
                parts.append(_text(f"{name}: {type(x).__name__}", x, seen))
            else:
                parts.append(f"{name}: {getattr(x, '__name__', repr(x))}")
    count = "not built yet" if any([m.unready() for m in module.modules()]) else f"{module.size:,} parameters"
    head = f"{label}({', '.join([*filter(None, own), count])}"
    return f"{head})" if not parts else "\n  ".join([head, *[p.replace("\n", "\n  ") for p in parts]]) + "\n)"


def _direct(name: str, x: Any, found: list[tuple[str, Any]]) -> None:
    """The parameters and modules of an attribute, and the functions in a Sequential, without their own parts."""
    if isinstance(x, (Parameter, Module)) or (callable(x) and name.isdigit()):
        found.append((name, x))
    elif isinstance(x, (list, tuple, dict)):
        for key, item in x.items() if isinstance(x, dict) else enumerate(x):
            _direct(f"{name}.{key}", item, found)


def functional_call(module: Module, values: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """`module(*args, **kwargs)` with these arrays or Variables in place of parameters: a function of them.

    With it a network can be given to `wg.grad`, `wg.hvp`, `wg.vmap` and `wg.check_grads`. Parameters that are not named
    keep their values. The parameters are put back afterwards; not for two threads at once on one module.

    Raises:
        KeyError: the module has no parameter of such a name.
        ValueError: another shape than the parameter's.

    Example:
        >>> layer = wg.nn.Linear(2, 1, bias=False, rng=np.random.default_rng(0))
        >>> f = lambda values: np.sum(wg.nn.functional_call(layer, values, np.array([[1.0, 2.0]])))
        >>> wg.grad(f)({"weight": np.zeros((1, 2))})
        {'weight': array([[1., 2.]])}
    """
    places = {name: x for name, x in _everything(module, ready=True) if isinstance(x, Parameter)}
    before = []
    for name, value in values.items():
        if name not in places:
            raise KeyError(f"functional_call: {type(module).__name__} has no parameter {name!r}; it has {[*places]}")
        if np.shape(_raw(value)) != places[name].shape:
            raise ValueError(f"functional_call: {name} has shape {places[name].shape}, got {np.shape(_raw(value))}")
    try:
        for name, value in values.items():
            p = places[name]
            before.append((p, p._array, p._node))
            v = value if isinstance(value, Variable) else wrap(as_data(value), None)
            _stand_for(p, v._array, v._node)
        return module(*args, **kwargs)
    finally:
        for p, data, node in reversed(before):
            _stand_for(p, data, node)


def _raw(x: Any) -> Any:
    return x._array if isinstance(x, Variable) else x


def _stand_for(p: Parameter, data: Any, node: Any) -> None:
    p._array, p._node = data, node
    if node is not None:
        p._serial = node.serial
