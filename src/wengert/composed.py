"""Operations whose value is NumPy's own and whose derivative is that of an equivalent composition of simpler ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from . import forward, reverse
from .batching.array import Batched, one_by_one
from .declare import general, implements
from .recording import recorded
from .variable import Variable


def composed(function: Any, *, name: str | None = None) -> Callable[[Any], Any]:
    """Declare a NumPy function by a composition; decorates one with the same parameters.

    The value is `function`'s on the data, bit for bit. The composition is written in NumPy calls that are
    differentiable, gives the same value up to rounding, and is run (on Variables) only for derivatives. Variables may
    stand anywhere in the arguments, in lists and tuples too; the result is one array.

        @composed(np.ptp)
        def ptp(a, axis=None):
            return np.max(a, axis) - np.min(a, axis)
    """

    def declare(composition: Any) -> Any:
        label = name or function.__name__

        def value(*xs: Any, rebuild: Any) -> Any:
            args, kwargs = rebuild(xs)
            return one_by_one(function, *args, **kwargs)

        def run(xs: Any, rebuild: Any) -> tuple[list[Variable], Any]:
            with recorded():
                vs = [reverse.argument(x) for x in xs]
                args, kwargs = rebuild(vs)
                return vs, composition(*args, **kwargs)

        def pull(i: int, g: Any, _z: Any, xs: Any, *, rebuild: Any) -> Any:
            vs, y = run(xs, rebuild)
            if not isinstance(y, Variable) or y._node is None:
                return vs[i]._array * 0
            (t,) = reverse.pull([y._node], [g], [vs[i]._node], isinstance(g, Variable))
            return vs[i]._array * 0 if t is None else t

        def push(i: int, t: Any, z: Any, xs: Any, *, rebuild: Any) -> Any:
            vs, y = run(xs, rebuild)
            if not isinstance(y, Variable) or y._node is None:
                return z * 0
            (ty,) = forward.push([y._node], [vs[i]._node], [t], isinstance(t, Variable))
            return z * 0 if ty is None else ty

        op = general(label, value, pull, push, reads=(True, True), holomorphic=False)

        def call(*args: Any, **kwargs: Any) -> Any:
            found: list[Variable] = []
            if kwargs.get("out") is not None:
                raise TypeError(f"{label}: out= would write a tracked result into a plain array; leave it out")
            places = _places((args, kwargs), found)
            if not found:
                return one_by_one(function, *args, **kwargs)
            return op(*found, rebuild=lambda xs: _rebuilt(places, iter(xs)))

        call.__name__ = call.__qualname__ = label
        call.__doc__ = f"`numpy.{label}` for arrays and Variables. Differentiable."
        call.composition = composition  # type: ignore[attr-defined]
        return implements(function)(call)

    return declare


_HERE = object()  # marks the place of a Variable


def _places(x: Any, found: list[Variable]) -> Any:
    """x with its Variables moved to `found`, in order."""
    if isinstance(x, Variable):
        found.append(x)
        return _HERE
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)([_places(item, found) for item in x])
    if isinstance(x, dict):
        return {k: _places(item, found) for k, item in x.items()}
    return x.copy() if isinstance(x, (ndarray, Batched)) else x


def _rebuilt(places: Any, xs: Any) -> Any:
    """The arguments with the next of xs in each place."""
    if places is _HERE:
        return next(xs)
    if isinstance(places, (list, tuple)) and not hasattr(places, "_fields"):
        return type(places)([_rebuilt(item, xs) for item in places])
    if isinstance(places, dict):
        return {k: _rebuilt(item, xs) for k, item in places.items()}
    return places
