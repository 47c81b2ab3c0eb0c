"""What all optimisers share: parameters and their groups, the walk of a step in blocks, states, and options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from ..variable import Leaf, Variable, describe, is_inexact

BLOCK = 2**15  # elements: a block of the parameter, gradient, state and scratch together stay in a core's cache
SCRATCH = 3  # arrays of one block: the decayed gradient, and two for `apply`

_BOUNDS = {  # option: lowest value, and what it must be less than
    "lr": (0.0, math.inf),
    "momentum": (0.0, math.inf),
    "dampening": (-math.inf, math.inf),
    "weight_decay": (0.0, math.inf),
    "betas": (0.0, 1.0),
    "eps": (0.0, math.inf),
    "rho": (0.0, math.nextafter(1.0, 2.0)),
    "alpha": (0.0, math.nextafter(1.0, 2.0)),
    "momentum_decay": (0.0, math.inf),
    "lr_decay": (0.0, math.inf),
    "initial_accumulator_value": (0.0, math.inf),
    "tolerance_grad": (0.0, math.inf),
    "tolerance_change": (0.0, math.inf),
}


class Slot:
    """One parameter in an optimiser: its Variable, its state, and its array cut into blocks."""

    __slots__ = ("array", "blocks", "decays", "frozen", "name", "state", "variable")
    _caches = ("blocks",)  # made from `array` and `state`

    def __init__(self, variable: Variable, name: str, decays: bool) -> None:
        self.variable, self.name, self.decays = variable, name, decays
        self.frozen = False
        self.state: dict[str, Any] = {}  # arrays like the parameter, and numbers; empty before the first step
        self.array: Any = None  # what `blocks` are views of
        self.blocks: list[tuple[Any, Any, dict[str, Any], tuple[Any, ...]]] = []  # rows, parameter, state, scratch


class Optimizer:
    """The base of all optimisers. One of your own needs two methods: `make_state` and `apply`.

    Args:
        params: Variables; or pairs `(name, Variable)`, as of `named_parameters()`; or a dict of name to Variable; or
            dicts `{"params": ..., "lr": ...}`, each a group with options of its own.
        options: the default of every option, for groups that leave it out.
        decay: which parameters `weight_decay` is for: a function of name and Variable. All, by default.

    A step changes `.data` of every parameter that has a gradient in place: also the array that the Variable was made
    of, and all that share its memory. It allocates nothing but, in the first step, states and one block of scratch.
    A parameter without a gradient is skipped: neither its data nor its state change. Complex numbers are taken as
    pairs of real ones. `param_groups` is a list of dicts of options, which may be changed between steps.

    Raises:
        ValueError: no parameters, one of them twice, an option that is not finite or out of bounds, read-only data.
        TypeError: something that is no Variable, integer data, the result of an operation.

    Example:
        >>> class Descent(wg.optim.Optimizer):
        ...     def __init__(self, params, lr):
        ...         super().__init__(params, {"lr": lr})
        ...     def apply(self, p, g, state, options, scratch):
        ...         p -= options["lr"] * g
        >>> w = wg.Variable(np.array([1.0, 2.0]))
        >>> opt = Descent([w], lr=0.25)
        >>> np.sum(w**2).backward()
        >>> opt.step()
        >>> w
        Variable([0.5, 1. ])
    """

    _caches = ("_scratch",)
    decoupled = False  # whether weights decay by themselves, not through the gradient
    own_decay = False  # whether `apply` sees to weight decay
    elementwise = True  # whether `apply` may be called on one block after the other

    def __init__(
        self, params: Any, options: dict[str, Any], decay: Callable[[str, Variable], bool] | None = None
    ) -> None:
        self.defaults = self._checked(options)
        self.param_groups: list[dict[str, Any]] = []
        self._slots: dict[int, Slot] = {}
        self._scratch: dict[Any, list[Any]] = {}  # dtype: arrays of one block
        self._decay = decay
        if isinstance(params, Variable):
            raise TypeError(f"{self._name}: expected a list of parameters, got one Variable; write [variable]")
        given = list(params.items() if isinstance(params, Mapping) else params)
        if given and all([isinstance(group, dict) for group in given]):
            for group in given:
                self.add_param_group(group)
        else:
            self.add_param_group({"params": given})

    # ---- what an optimiser is ---------------------------------------------------------------------------------

    def make_state(self, p: ndarray, options: dict[str, Any]) -> dict[str, Any]:
        """The state of one parameter before its first step: arrays like p, and numbers."""
        return {}

    def begin(self, state: dict[str, Any], options: dict[str, Any]) -> None:
        """Bring the numbers of a state forward, before each step: `state["step"]` counts from 1."""
        state["step"] += 1

    def apply(
        self, p: ndarray, g: ndarray, state: dict[str, Any], options: dict[str, Any], scratch: tuple[ndarray, ...]
    ) -> None:
        """Change p, and the arrays of its state, in place. `scratch`: two arrays like p for intermediate results."""
        raise NotImplementedError(f"{self._name} has no method apply")

    # ---- what a user calls ------------------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for slot in self._slots.values():
            slot.variable.cleargrad()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter once. `closure`, if given, computes the loss and its gradients first; returns its loss.

        Raises:
            ValueError: `.data` or the gradient changed its shape.
        """
        loss = None if closure is None else closure()
        for group in self.param_groups:
            without_decay = None
            for p in group["params"]:
                slot = self._slots[id(p)]
                g = p.grad
                if g is None or slot.frozen:
                    continue
                options = group
                if not slot.decays:
                    options = without_decay = without_decay or {**group, "weight_decay": 0.0}
                self._update(slot, g.data if isinstance(g, Variable) else g, options)
        return loss

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters: `{"params": ..., option: value, ...}`."""
        if "params" not in group:
            raise ValueError(f"{self._name}: a group of parameters needs the key 'params'; got {sorted(group)}")
        params = group["params"]
        unknown = group.keys() - self.defaults.keys() - {"params", "initial_lr"}
        if unknown:
            raise TypeError(f"{self._name} has no option {', '.join(sorted(unknown))}; it has {[*self.defaults]}")
        options = self._checked({**self.defaults, **{k: v for k, v in group.items() if k != "params"}})
        pairs = list(self._named(params))
        if not pairs:
            raise ValueError(f"{self._name}: no parameters to optimise; an iterator gives its items only once")
        slots: dict[int, Slot] = {}
        taken = {slot.name for slot in self._slots.values()}
        for name, p in pairs:
            self._check_parameter(p, name, options)
            if id(p) in slots or id(p) in self._slots:
                raise ValueError(f"{self._name}: parameter {name!r} ({describe(p)}) is given twice")
            if name in taken:
                raise ValueError(f"{self._name}: two parameters have the name {name!r}")
            taken.add(name)
            slots[id(p)] = Slot(p, name, self._decay is None or bool(self._decay(name, p)))
        self._slots.update(slots)
        self.param_groups.append({"params": [p for _, p in pairs], **options})

    def freeze(self, *params: Variable) -> None:
        """Leave these parameters as they are, until `unfreeze`. Their gradients are still computed."""
        for p in params:
            self._slot(p).frozen = True

    def unfreeze(self, *params: Variable) -> None:
        """Let these parameters change again; all, if none is given."""
        for slot in [self._slot(p) for p in params] or self._slots.values():
            slot.frozen = False

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next steps depend on, beside the parameters: dicts and lists of arrays and numbers."""
        groups = [
            {**group, "params": [self._slots[id(p)].name for p in group["params"]]} for group in self.param_groups
        ]
        states = {
            slot.name: {k: v.copy() if isinstance(v, ndarray) else v for k, v in slot.state.items()}
            for slot in self._slots.values()
            if slot.state
        }
        return {
            "state": states,
            "param_groups": groups,
            "frozen": [slot.name for slot in self._slots.values() if slot.frozen],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an optimiser of the same kind, with the same parameters in the same groups.

        Raises:
            ValueError: another number of groups, other names, states of another shape; nothing has changed then.
        """
        groups, states = state["param_groups"], state["state"]
        mine = [[self._slots[id(p)].name for p in group["params"]] for group in self.param_groups]
        theirs = [list(group["params"]) for group in groups]
        if mine != theirs:
            raise ValueError(f"{self._name}: the state is of parameters {theirs}, not {mine}")
        options = [self._checked({k: v for k, v in group.items() if k != "params"}) for group in groups]
        made = {}
        for group, new in zip(self.param_groups, options, strict=True):
            for p in group["params"]:
                slot = self._slots[id(p)]
                made[slot.name] = self._loaded(slot, states.get(slot.name), {**group, **new})
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
        for slot in self._slots.values():
            slot.state, slot.array = made[slot.name], None
            slot.frozen = slot.name in state.get("frozen", ())

    def __repr__(self) -> str:
        groups = [
            f"{sum([p.size for p in group['params']])} numbers in {len(group['params'])} parameters, "
            + ", ".join([f"{k}={v!r}" for k, v in group.items() if k != "params"])
            for group in self.param_groups
        ]
        return f"{self._name}({'; '.join(groups)})"

    # ---- a step -----------------------------------------------------------------------------------------------

    def _update(self, slot: Slot, g: Any, options: dict[str, Any]) -> None:
        if slot.array is None or slot.variable.data is not slot.array:
            self._prepare(slot, options)
        if g.shape != slot.array.shape:
            raise ValueError(
                f"{self._name}: parameter {slot.name!r} of shape {slot.array.shape} has a gradient of shape {g.shape}"
            )
        if g.dtype.kind == "c":
            g = real_pairs(g)
        state, decay = slot.state, options.get("weight_decay", 0.0)
        self.begin(state, options)
        blocks = slot.blocks
        if type(slot.array) is not ndarray:  # being recorded: whole, and with scratch that does not outlive the step
            p = real_pairs(slot.array) if slot.array.dtype.kind == "c" else slot.array
            blocks = [(None, p, {}, tuple([np.empty_like(p) for _ in range(SCRATCH)]))]
        for rows, p, arrays, (decayed, *scratch) in blocks:
            gradient = g if rows is None else g[rows]
            if decay and not self.own_decay:
                if self.decoupled:
                    p *= 1 - options["lr"] * decay
                else:
                    np.multiply(p, decay, out=decayed)
                    decayed += gradient
                    gradient = decayed
            self.apply(p, gradient, state if rows is None else {**state, **arrays}, options, tuple(scratch))

    def _prepare(self, slot: Slot, options: dict[str, Any]) -> None:
        """Make the state, in the first step, and cut it and the parameter into blocks along the first axis."""
        array = slot.variable.data
        p = real_pairs(array) if array.dtype.kind == "c" else array
        if not slot.state:
            slot.state = {"step": 0, **self.make_state(p, options)}
        for key, value in slot.state.items():
            if isinstance(value, ndarray) and value.shape != p.shape:
                raise ValueError(
                    f"{self._name}: parameter {slot.name!r} has shape {p.shape} now, its state {key} {value.shape}"
                )
        if not array.flags.writeable:
            raise ValueError(f"{self._name}: parameter {slot.name!r} has read-only data; give it a copy")
        per_block = max(1, BLOCK // (p[:1].size or 1)) if p.ndim else 1
        cut: list[Any] = [None]
        if self.elementwise and p.ndim and len(p) > per_block:
            cut = [slice(i, i + per_block) for i in range(0, len(p), per_block)]
        slot.array, slot.blocks = array, []
        for rows in cut:
            block = p if rows is None else p[rows]
            arrays = {k: v[rows] for k, v in slot.state.items() if rows is not None and isinstance(v, ndarray)}
            slot.blocks.append((rows, block, arrays, self._scratch_like(block)))

    def _scratch_like(self, block: ndarray) -> tuple[ndarray, ...]:
        kept = self._scratch.get(block.dtype)
        if kept is None or kept[0].size < block.size:
            kept = self._scratch[block.dtype] = [np.empty(block.size, block.dtype) for _ in range(SCRATCH)]
        return tuple([flat[: block.size].reshape(block.shape) for flat in kept])

    # ---- checks -----------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _slot(self, p: Any) -> Slot:
        if id(p) not in self._slots:
            what = describe(p) if isinstance(p, Variable) else repr(p)
            raise ValueError(f"{self._name}: {what} is none of its parameters")
        return self._slots[id(p)]

    def _named(self, params: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(params, Variable):
            params = [params]
        for i, item in enumerate(params.items() if isinstance(params, Mapping) else params, len(self._slots)):
            if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
                yield item
            else:
                yield str(i), item

    def _check_parameter(self, p: Any, name: str, options: dict[str, Any]) -> None:
        if not isinstance(p, Variable):
            raise TypeError(f"{self._name}: parameter {name!r} must be a Variable, got {type(p).__name__}")
        if not is_inexact(p):
            raise TypeError(
                f"{self._name}: parameter {name!r} ({describe(p)}) has no derivatives; make it floating-point"
            )
        if not isinstance(p._node, Leaf):
            raise TypeError(
                f"{self._name}: parameter {name!r} ({describe(p)}) is a result or a constant, not a Variable of its own"
            )
        if not p.data.flags.writeable:
            raise ValueError(f"{self._name}: parameter {name!r} has read-only data; give it a copy")
        eps = options.get("eps")
        if eps and not p.dtype.type(eps):
            raise ValueError(
                f"{self._name}: eps={eps} is zero in {p.dtype}, the dtype of parameter {name!r}; take 1e-4"
            )

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options as plain Python numbers, so that they never promote a dtype."""
        checked = dict(options)
        for key, (low, high) in _BOUNDS.items():
            value = options.get(key)
            if value is None:
                continue
            numbers = value if key == "betas" else [value]
            try:
                plain = [float(x) for x in numbers]
            except (TypeError, ValueError):
                raise TypeError(f"{self._name}: {key} must be a number, got {value!r}") from None
            if key == "betas" and len(plain) != 2:
                raise ValueError(f"{self._name}: betas must be two numbers, got {value!r}")
            if not all([math.isfinite(x) and low <= x < high for x in plain]):
                raise ValueError(f"{self._name}: {key} must be finite and {_range(low, high)}, got {value!r}")
            checked[key] = tuple(plain) if key == "betas" else plain[0]
        return checked

    def _loaded(self, slot: Slot, state: Mapping[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        """A copy of a state, with the dtypes of this optimiser's own."""
        if not state:
            return {}
        data = slot.variable.data
        p = real_pairs(data) if data.dtype.kind == "c" else data
        made = {"step": 0, **self.make_state(p, options)}
        if made.keys() != state.keys():
            raise ValueError(f"{self._name}: the state of {slot.name!r} has {[*state]}, expected {[*made]}")
        for key, value in made.items():
            if isinstance(value, ndarray):
                if np.shape(state[key]) != value.shape:
                    raise ValueError(
                        f"{self._name}: the state {key} of {slot.name!r} has shape {np.shape(state[key])}, "
                        f"expected {value.shape}"
                    )
                value[...] = state[key]
            else:
                made[key] = type(value)(state[key])
        return made


def _range(low: float, high: float) -> str:
    upper = "" if high == math.inf else f", less than {high:g}" if high == 1.0 and low == 0.0 else f", at most {high:g}"
    return ("any number" if low == -math.inf else f"at least {low:g}") + upper


def as_factor(factor: Any, x: Any) -> Any:
    """What multiplies x as a Python number of this value does: in x's precision."""
    return factor.astype(x.real.dtype) if isinstance(factor, np.generic) else factor


def real_pairs(a: ndarray) -> Any:
    """A complex array as real numbers, with a last axis of real and imaginary parts; a view."""
    return a[..., None].view(a.real.dtype)


def gradients(params: Iterable[Any]) -> list[Any]:
    """The gradients of those parameters that have one, as arrays that may be changed in place."""
    found = []
    for p in [params] if isinstance(params, Variable) else params:
        if isinstance(p, tuple) and len(p) == 2:
            p = p[1]
        if not isinstance(p, Variable):
            raise TypeError(f"expected Variables, got {type(p).__name__}")
        g = p.grad
        g = g.data if isinstance(g, Variable) else g
        if g is not None and not g.flags.writeable:
            p.grad = g = g.copy()
        if g is not None:
            found.append(g)
    return found
