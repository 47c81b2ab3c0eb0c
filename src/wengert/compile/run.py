"""One call that is recorded: the world is swapped, the function runs, and what it left becomes a recording to keep."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections import Counter
from types import FrameType
from typing import Any

import numpy as np
from numpy import generic, ndarray

from ..variable import Variable
from . import passes, watch
from .calls import Recording
from .draws import Draws
from .guards import Guards, Names
from .kept import Kept
from .program import Place, Program, Update
from .record import Host
from .results import Constant, Given, Recipes, Replayed, Unknown, Values, plain
from .traced import Traced
from .world import _MISSING, Linked, Slot, Unsupported, World, names_in


class Run:
    """One call that is recorded."""

    def __init__(self, compiled: Any, args: Any, kwargs: Any) -> None:
        self.compiled, self.args, self.kwargs = compiled, args, kwargs
        self.function = compiled.function
        self.ready = False
        try:
            self.world = World([self.function, args, kwargs], compiled._codes.items())
        except Linked:
            return
        except Unsupported as error:
            compiled.fall_back(str(error), home(self.function))
            return
        self.recording = Recording()
        self.ready = True

    def __call__(self, mode: bool) -> Any:
        """The result, which is that of a plain run."""
        world, recording = self.world, self.recording
        states = {i: _state(g) for i, g in world.generators.items()}
        self._loaded = watch.loaded()
        look = watch.Watch(recording, world.containers())
        self._arrays: dict[int, Traced] = {}
        self._draws: dict[int, Draws] = {}
        self._words = _argument_words(world, self.args, self.kwargs)
        again = False
        try:
            try:
                args = world.swapped(self.args, None, self._stand_in)
                world.swap(self._stand_in)
                with recording.running(), watch.patched(), look.watching():
                    result = [self.function(*args, **self.kwargs)]
                del args
            except BaseException as error:
                again = isinstance(error, Exception) and self._undo(error, states)
                if not again:
                    self._settle()
                    raise
            else:
                look.look_again()
                drawn = [i for i, g in world.generators.items() if not watch._alike(_state(g), states[i])]
                if not recording.drawn.issuperset(drawn):
                    recording.give_up("random numbers are drawn in a way that is not seen", home(self.function))
                self.drawn = [world.generators[i] for i in recording.drawn if i in world.generators]
                return self._finish(mode, result, look)
        finally:
            recording.open = False
            world.restore()
        return self._plainly()

    def _stand_in(self, value: Any, place: Any) -> Any:
        """What is recorded, in the place of a value of the world or an argument."""
        kind = type(value)
        if kind is ndarray:
            if value.dtype.kind not in "biufc":
                return value
            if id(value) not in self._arrays:
                self._arrays[id(value)] = self.recording.input(value, place)
            return self._arrays[id(value)]
        if isinstance(value, np.random.Generator):
            return self._draws.setdefault(id(value), Draws(self.recording, value))
        if isinstance(value, generic):
            return self.recording.input(value, place) if value.dtype.kind in "fc" else value
        if kind in (int, float) and self._words.get(place, place) in self.compiled._dynamic:
            return self.recording.number(value, place)
        return value

    def _undo(self, error: Exception, states: dict[int, Any]) -> bool:
        """After an exception: put everything back; whether the call can be made again, plainly."""
        recording, world = self.recording, self.world
        recording.open = False
        if recording.irreversible:
            return False
        world.rolled_back()
        for t in recording.inputs:
            if t is not None and t.original is not None:
                t.value[...] = t.original
        for i, g in world.generators.items():
            if hasattr(g, "bit_generator"):
                g.bit_generator.state = states[i]
            else:
                g.set_state(states[i])
        self._failed = error.with_traceback(None)
        return True

    def _plainly(self) -> Any:
        """The call again, as it is: the exception is the user's own, or there is none."""
        result = self.function(*self.args, **self.kwargs)
        error = self._failed
        self.compiled.fall_back(f"it could not be recorded: {type(error).__name__}: {error}", home(self.function))
        return result

    def _settle(self, changed: Any = None, shapes: Any = None) -> None:
        """Leave the world as a plain run leaves it."""
        if changed is None:
            changed, shapes = self.world.changes()
        self.recording.open = False
        self.world.restore()
        for slot in changed:
            _made_plain(slot)
        for holder in shapes:
            plain(holder.value)

    # ---- after the run ------------------------------------------------------------------------------------------

    def _finish(self, mode: bool, box: list[Any], look: watch.Watch) -> Any:
        compiled, recording, world = self.compiled, self.recording, self.world
        recording.quiet = True
        result = box.pop()
        changed, shapes = world.changes()
        kept = None
        missed = [c for c in look.codes if c not in world.visited and not watch.is_library(c.co_filename)]
        soft = ""
        compiled._codes.update({c: look.codes[c] for c in missed})
        loaded = watch.loaded() != self._loaded
        try:
            if loaded:
                soft = "a part of Wengert was loaded, whose functions were NumPy's own until then"
            elif recording.why is None:
                if missed:
                    soft = f"{missed[0]} was found to be called"
                elif shapes or any([slot.read() is _MISSING for slot in changed]):
                    what = type(shapes[0].value).__name__ if shapes else "dict"
                    soft = f"a {what} that outlives the call is changed in its length or keys"
                else:
                    kept = self._made(result, changed, look)
                    soft = "" if kept is not None else "its result is linked to a Variable that was passed"
        except Unknown as error:
            recording.give_up(f"its result, or what it puts into an attribute, holds {error}", home(self.function))
        except RecursionError:
            recording.give_up("there is too much to guard", home(self.function))
        except Exception as error:  # the result is there, and right
            if os.environ.get("WENGERT_COMPILE") == "debug":
                raise
            recording.give_up(f"internal error: {type(error).__name__}: {error}", home(self.function))
        self._settle(changed, shapes)
        result = _unlinked(plain(result)) if kept is not None else plain(result)
        if kept is not None:
            kept = self._alone(kept)
        if kept is not None:
            compiled.keep(mode, kept)
        elif recording.why is not None and not loaded:
            compiled.fall_back(recording.why, recording.at)
        elif soft:
            compiled.strike(soft, home(self.function), compiled.linked or loaded)
        return result

    def _alone(self, kept: Kept) -> Kept | None:
        """The recording, if nothing but it holds what was recorded."""
        recording = self.recording
        recording.inputs.clear()
        recording._adopted.clear()
        self._arrays.clear()
        self._draws.clear()
        for h in self.world.holders.values():
            for slot in h.slots.values():
                slot.now = None
        if any([r() is not None for r in recording.alive]):
            gc.collect()
            if any([r() is not None for r in recording.alive]):
                why = "values of the run are kept where they are not seen"
                recording.give_up(why, home(self.function))
                recording.why = why
                return None
        return kept

    def _made(self, result: Any, changed: list[Slot], look: watch.Watch) -> Kept | None:
        compiled, recording, world = self.compiled, self.recording, self.world
        program = recording.program
        names: set[str] = set()
        everything = False
        for code in look.codes:
            names |= names_in(code)
            own = watch.is_library(code.co_filename)
            if {"vars", "__dict__"} & set(code.co_names) and not code.co_filename.startswith(watch._STDLIB):
                everything = everything or not own or os.sep + "nn" + os.sep in code.co_filename
            if not own and "getattr" in code.co_names:
                everything = True
        read = Names(names, everything)
        for h in world.holders.values():
            for slot in h.slots.values():
                if id(slot.value) in world.opaque and slot.name in read:
                    raise Unknown(f"or reads a {type(slot.value).__name__}, which compile cannot follow")
        guards = Guards(recording, world, read)
        objects = {i: k for k, i in enumerate(guards.objects)}
        recipes = Recipes(recording, world, objects)
        met = set(recording._adopted)  # in the run; others are results
        effects = []
        for slot in changed:
            holder = Given(objects[id(slot.holder)]) if id(slot.holder) in objects else Constant(slot.holder)
            value = slot.read()
            if slot.key == "_written":
                effects.append((holder, slot.kind, slot.key, _Fresh()))
                continue
            if slot.key in ("_node", "_serial"):
                raise Unknown("a Variable that becomes part of a graph")
            effects.append((holder, slot.kind, slot.key, recipes.of(value)))
        if any([isinstance(v, Variable) and _reaches(v, objects, self.world) for v in _leaves(result)]):
            compiled.linked = True
            return None
        made = recipes.of(result)
        # inputs that are written to
        written = [
            (t, node) for t, node in zip(recording.inputs, program.inputs, strict=True) if t is not None and t._version
        ]
        for t, node in written:
            if t.source is None:
                raise Unknown("or is written into an array that was made without NumPy's usual functions")
            program.updates.append(Update(node, t._node))
        touched = [t.value for t in recording.inputs if t is not None and t.touched]
        if any([a is not t.value and np.may_share_memory(a, t.value) for t, _ in written for a in touched]):
            raise Unknown("or writes to an array that shares memory with another")
        del touched
        program.outputs = [*recipes.nodes, *recording.draws]
        constants = {}
        views = Counter([id(array.base) for array, _, _ in recording.adopted_arrays()])
        for array, t, was in recording.adopted_arrays():
            if array.tobytes() != was.tobytes():
                raise Unknown("or reads an array that was changed without NumPy's usual functions")
            held = 0 if id(array) in met else 2 if array is result else 1
            shown = id(array.base) in recording.shown
            if shown or not _held_elsewhere(array, held, views):
                constants[t._node.attributes] = was
            elif not _is_cached(array):
                raise Unknown("or reads an array by a way that is not seen")
            elif id(t) not in guards.arrays:  # somebody may write to it: the same array is read at each call
                guards.arrays[id(t)] = guards.object_name(array)
        program, positions = passes.simplified(program, constants)
        arrays, updated = [], []
        host_inputs: list[tuple[int, int]] = []
        numbers = {node.attributes: k for k, node in recording.host_inputs.items()}
        for new, old in enumerate(positions):
            t = recording.inputs[old]
            if t is None:
                host_inputs.append((numbers[old], new))
                arrays.append("None")
                continue
            name = guards.arrays.get(id(t))
            if name is None:
                raise Unknown("or reads an array by a way that could not be found")
            arrays.append(f"asarray({name})" if isinstance(t.value, generic) else name)
        updated = [u.input.attributes for u in program.updates]
        kept_names = [guards.arrays[id(t)] for t in recipes.kept]
        used = {a.k for h in recording.host for a in h.args if type(a) is Place} | {c.k for c in recording.host_checks}
        used |= recording.host_inputs.keys() | recipes.numbers
        host = [h if h.function != "read" or k in used else Host(_nothing, ()) for k, h in enumerate(recording.host)]
        if not all([h.args[0] in guards.numbers for h in host if h.function == "read"]):
            raise Unknown("or reads a number by a way that could not be found")
        reads = [guards.numbers[h.args[0]] for h in host if h.function == "read"]
        guard = guards.made(arrays, kept_names, reads, list(guards.objects.values()) if objects else [])
        return Kept(
            guard=guard,
            failures=guards.failures,
            program=program,
            native=_native(program),
            result=made,
            effects=effects,
            host=[tuple(h) for h in host],
            host_checks=[tuple(c) for c in recording.host_checks],
            host_inputs=host_inputs,
            updated=updated,
            generators=self.drawn,
            numbers=guards.numbers_by_value,
        )


def _made_plain(slot: Slot) -> None:
    value = slot.read()
    if value is not _MISSING:
        new = plain(value)
        if new is not value:
            slot.write(new)


class _Fresh:
    """A mark that is another one each time."""

    def make(self, values: Values) -> Any:
        """The mark."""
        return object()


def _held_elsewhere(array: ndarray, own: int, views: Counter[int]) -> bool:
    """Whether somebody who may change it holds an array that the recording came upon, or what that is a view of."""
    held = sys.getrefcount(array) > _RECORDED_REFERENCES + own
    base = array.base
    while base is not None and not held:
        held = not isinstance(base, ndarray) or sys.getrefcount(base) > _BASE_REFERENCES + views[id(base)]
        base = base.base if isinstance(base, ndarray) else None
    return held


def _is_cached(array: ndarray) -> bool:
    """Whether all others that hold the array are caches of `functools.lru_cache`, which give the same one again."""
    seen = {type(r) for r in gc.get_referrers(array)}
    cache = functools._lru_cache_wrapper
    return array.base is None and cache in seen and seen <= {cache, tuple, Traced, FrameType}


_RECORDED_REFERENCES = 6  # the recording's three, the two callers', and the call's own
_BASE_REFERENCES = 2  # beside its views': a name, and the call's own


def _nothing() -> None:
    """Stands for a number that nothing reads."""


def _native(program: Program) -> Any:
    """Native code for the program; None without llvmlite, or where there is none for it.

    Calls of functions run in order, once each, and their exceptions pass.
    """
    try:
        from . import native
    except ImportError:
        return None
    return native.build(program, native.usual_threads())


def _state(g: Any) -> Any:
    return g.bit_generator.state if hasattr(g, "bit_generator") else g.get_state(legacy=False)


def _leaves(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return [leaf for v in x.values() for leaf in _leaves(v)]
    if isinstance(x, (list, tuple)):
        return [leaf for v in x for leaf in _leaves(v)]
    return [x]


def _reaches(v: Variable, objects: dict[int, int], world: World) -> bool:
    """Whether a Variable's graph comes from a Variable that the caller passed."""
    from ..reverse import history

    if v._node is None or type(v._node) is Replayed or id(v) in objects or v._node.leaf:
        return False
    given = {id(h.value._node) for i, h in world.holders.items() if i in objects and isinstance(h.value, Variable)}
    return any([id(n) in given for n in history((v._node,))])


def _unlinked(x: Any) -> Any:
    """A result as a replay gives it: no graph."""
    for v in _leaves(x):
        if isinstance(v, Variable) and v._node is not None and not v._node.leaf:
            v._node = node = Replayed()
            v._serial = node.serial
    return x


def _argument_words(world: World, args: Any, kwargs: Any) -> dict[Any, str]:
    """Places in the arguments, in words: the same at each call."""
    found: dict[Any, str] = {}
    todo = [(v, (id(args), i), f"argument {i}") for i, v in enumerate(args)]
    todo += [(v, (id(kwargs), k), f"argument {k}") for k, v in kwargs.items()]
    for v, place, words in todo:
        found[place] = words
        if isinstance(v, (list, tuple)):
            todo += [(item, (id(v), i), f"{words}[{i}]") for i, item in enumerate(v)]
        elif isinstance(v, dict):
            todo += [(item, (id(v), k), f"{words}[{k!r}]") for k, item in v.items()]
        if len(found) > 10_000:
            break
    return found


def home(function: Any) -> str:
    """The line where a function begins."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""
