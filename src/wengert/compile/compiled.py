"""`wg.compile`: a function that records its calls, keeps the recordings, and replays the one whose guards hold."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import generic, ndarray

from ..recording import recording as recording_mode
from ..variable import Variable
from . import passes, record, watch
from .draws import Draws
from .guards import Guards, Names
from .program import Place, Program, Update
from .record import Diverged, Host, Recording
from .replay import Replay
from .results import Constant, Given, Recipes, Replayed, Unknown, Values, plain
from .traced import Number, Traced
from .world import _MISSING, Inlined, Linked, Slot, Unsupported, World, names_in

RECORDINGS = 16  # of one function
FAILURES = 8  # of one check
STRIKES = 4  # recordings in a row that could not be kept

_LOCK = threading.RLock()  # one recording at a time: the world is swapped while it runs


def _after_fork() -> None:
    global _LOCK
    _LOCK, record._current = threading.RLock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class CompileWarning(UserWarning):
    """A compiled function runs as a plain one, for the reason that is given."""


# ---- NumPy's ways with invalid values -------------------------------------------------------------------------------

try:
    _errors = np._core.umath._extobj_contextvar.get  # type: ignore[attr-defined]
    _USUAL = _errors()
except AttributeError:  # another version of NumPy
    _errors, _USUAL = np.geterr, None  # type: ignore[assignment]


def _raises() -> bool:
    """Whether NumPy does more than warn where a value is invalid."""
    return not {"warn", "ignore"}.issuperset(np.geterr().values())


class Kept:
    """A recording that is kept: its guard, its program, and how results and effects are made."""

    def __init__(self, **parts: Any) -> None:
        self.guard: Callable[[Any, Any], Any] = parts["guard"]
        self.failures: list[tuple[Any, str]] = parts["failures"]
        self.program: Program = parts["program"]
        self.runner: Any = parts["runner"]
        self.native: bool = parts["native"]
        self.result: Any = parts["result"]
        self.effects: list[tuple[Any, Any, str, Any]] = parts["effects"]  # recipe of the holder, kind, key, recipe
        self.host: list[tuple[Any, Any]] = parts["host"]
        self.host_checks: list[Any] = parts["host_checks"]
        self.host_inputs: list[tuple[int, int]] = parts["host_inputs"]  # step, position among the program's inputs
        self.updated: list[int] = parts["updated"]  # positions of inputs that are written to
        self.numbers: list[Slot] = parts["numbers"]  # of the world, that are guarded by value
        self.generators: list[Any] = parts["generators"]  # that are drawn from
        self.mode = True
        self.calls = 0
        self.checks = [_expected(c.value) for c in self.program.checks]
        self.simple = not (self.effects or self.host or self.updated or self.checks)

    def replay(self, found: tuple[Any, ...]) -> Any:
        """The result; a `_Void`, before anything is changed, if a check fails."""
        if not self.generators:
            return self._replay(found)
        states = [g.bit_generator.state for g in self.generators]
        result: Any = _PLAIN
        try:
            result = self._replay(found)
        finally:
            if result.__class__ is _Void:
                for g, state in zip(self.generators, states, strict=True):
                    g.bit_generator.state = state
        return result

    def _replay(self, found: tuple[Any, ...]) -> Any:
        arrays, kept, read, places = found
        if self.simple:
            self.calls += 1
            return self.result.make(Values(self.runner.run(arrays)[0], kept, places, read))
        numbers: list[Any] = []
        if self.host:
            given = iter(read)
            for function, args in self.host:
                numbers.append(
                    next(given)
                    if function == "read"
                    else function(*[numbers[a.k] if type(a) is Place else a for a in args])
                )
            for k, value, line in self.host_checks:
                if numbers[k] != value or type(numbers[k]) is not type(value):
                    return _Void(line)
            for k, position in self.host_inputs:
                arrays[position] = np.asarray(numbers[k])
        if self.updated and not _apart(arrays, self.updated):
            return _PLAIN
        outputs, updates, checks = self.runner.run(arrays)
        for value, expected, c in zip(checks, self.checks, self.program.checks, strict=True):
            if not expected(value):
                return _Void(c.line)
        for u, value in zip(self.program.updates, updates, strict=True):
            arrays[u.input.attributes][...] = value
        values = Values(outputs, kept, places, numbers)
        if self.effects:
            made = [(holder.make(values), kind, key, recipe.make(values)) for holder, kind, key, recipe in self.effects]
            for holder, kind, key, value in made:
                from .world import write

                write(holder, kind, key, value)
        self.calls += 1
        return self.result.make(values)


class _Void:
    """A replay whose check failed."""

    __slots__ = ("line",)

    def __init__(self, line: str) -> None:
        self.line = line


_PLAIN: Any = _Void("")


def _expected(value: Any) -> Callable[[Any], bool]:
    """Whether a value is this one, in every bit."""
    if isinstance(value, np.bool_):
        truth = bool(value)
        return lambda v: bool(v) is truth
    array = np.asarray(value)
    content, shape = array.tobytes(), array.shape
    return lambda v: np.shape(v) == shape and np.asarray(v, array.dtype).tobytes() == content


def _apart(arrays: Sequence[Any], updated: Sequence[int]) -> bool:
    """Whether arrays that are written to share memory with no other."""
    if len({id(a) for a in arrays}) != len(arrays):
        return False
    written = [arrays[i] for i in updated]
    views = [a for a in arrays if type(a) is ndarray and a.base is not None]
    if not views:
        return True
    return not any([a is not b and np.may_share_memory(a, b) for a in written for b in arrays])


class Compiled(Inlined):
    """What `wg.compile` gives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._kept: dict[bool, list[Kept]] = {True: [], False: []}
        self._front: Kept | None = None  # the recording that was used last
        self._why: str | None = None  # it runs plainly
        self._dynamic: set[Any] = set()  # places of numbers that change from call to call
        self._codes: dict[Any, Any] = {}  # code that was found to run, with its globals
        self._failures: Counter[str] = Counter()  # lines: how often a recording was made because of a value there
        self._voids: list[str] = []
        self._strikes = 0
        self._notes: list[str] = []
        self._off = os.environ.get("WENGERT_COMPILE") == "0"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return functools.partial(Compiled.__call__, self, instance)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__qualname__', self.function)!s}>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result."""
        mode, kept = recording_mode(), self._front
        if kept is not None and mode is kept.mode and record._current is None and _errors() is _USUAL:
            found = kept.guard(args, kwargs)
            if type(found) is tuple:
                try:
                    result = kept.replay(found)
                except Exception:
                    result = _PLAIN  # the slow way finds out
                if result.__class__ is not _Void:
                    return result
        if self._why is not None or self._off or (mode is not True and mode is not False):
            return self.function(*args, **kwargs)
        if _errors() is not _USUAL and _raises():
            return self.function(*args, **kwargs)
        result = self._replayed(mode, args, kwargs)
        if result.__class__ is not _Void:
            return result
        return self._recorded(mode, args, kwargs)

    def _replayed(self, mode: bool, args: Any, kwargs: Any) -> Any:
        """The result of a recording whose guards hold; a `_Void`, if there is none."""
        for kept in self._kept[mode]:
            found = kept.guard(args, kwargs)
            if type(found) is tuple:
                if record._current is not None and record._current.thread == threading.get_ident():
                    return self.function(*args, **kwargs)  # part of another recording
                try:
                    result = kept.replay(found)
                except Diverged as error:
                    result = _Void(str(error))
                except Exception:  # the function itself says what is wrong, in its own line
                    return self.function(*args, **kwargs)
                if result is _PLAIN:
                    return self.function(*args, **kwargs)
                if result.__class__ is _Void:
                    self._voids.append(result.line)
                    continue
                recordings = self._kept[mode]
                if recordings[0] is not kept:
                    self._kept[mode] = [kept, *[k for k in recordings if k is not kept]]
                self._front = kept
                return result
        return _PLAIN

    # ---- recording ------------------------------------------------------------------------------------------------------

    def _recorded(self, mode: bool, args: Any, kwargs: Any) -> Any:
        current = record._current
        if current is not None and current.thread == threading.get_ident():
            return self.function(*args, **kwargs)
        with _LOCK:
            self._voids.clear()
            result = self._replayed(mode, args, kwargs)  # another thread may have made the recording
            if result.__class__ is not _Void:
                return result
            self._look_into(mode, args, kwargs)
            if self._why is None:
                run = _Run(self, args, kwargs)
                if run.ready:
                    return run(mode)
        return self.function(*args, **kwargs)

    def _look_into(self, mode: bool, args: Any, kwargs: Any) -> None:
        """Why no recording holds: numbers that change become inputs; too many recordings end it."""
        words: list[str] = []
        for kept in self._kept[mode]:
            self._dynamic.update([slot.place for slot in kept.numbers if _is_another(slot)])
            failed = kept.guard(args, kwargs)
            if type(failed) is int and failed >= 0:
                place, text = kept.failures[failed]
                words.append(text)
                if place is not None:
                    self._dynamic.add(text if text.startswith("argument ") else place)
        self._failures.update(set(self._voids))
        line, count = self._failures.most_common(1)[0] if self._failures else ("", 0)
        if count >= FAILURES:
            self.fall_back(f"a value that Python asks for is another one at each call ({count} times)", line)
        elif len(self._kept[mode]) >= RECORDINGS:
            text, _ = Counter(words).most_common(1)[0] if words else ("a value that Python asks for", 0)
            self.fall_back(f"it was recorded {RECORDINGS} times, and {text} is still another one", line)

    def fall_back(self, why: str, line: str) -> None:
        """Run plainly from now on, and say so once."""
        self._why, self._front = f"{why}{f' ({line})' if line else ''}", None
        name = getattr(self.function, "__qualname__", repr(self.function))
        warnings.warn(f"wg.compile: {name} runs without being compiled: {self._why}", CompileWarning, stacklevel=2)

    def keep(self, mode: bool, kept: Kept) -> None:
        """Keep a recording, in front of the others."""
        self._strikes = 0
        self._kept[mode] = [kept, *self._kept[mode]]
        kept.mode, self._front = mode, kept

    def strike(self, why: str, line: str) -> None:
        """A run that was not kept; the next may be."""
        self._notes.append(why)
        self._strikes += 1
        if self._strikes >= STRIKES:
            self.fall_back(why, line)

    def explain(self) -> str:
        """What was recorded, what fell back and why, as text."""
        from .explain import explain

        return explain(self)

    @property
    def recordings(self) -> int:
        """How many recordings are kept."""
        return sum(map(len, self._kept.values()))


class _Run:
    """One call that is recorded."""

    def __init__(self, compiled: Compiled, args: Any, kwargs: Any) -> None:
        self.compiled, self.args, self.kwargs = compiled, args, kwargs
        self.function = compiled.function
        self.ready = False
        try:
            self.world = World([self.function, args, kwargs], compiled._codes.items())
        except Linked:
            return
        except Unsupported as error:
            compiled.fall_back(str(error), _home(self.function))
            return
        self.recording = Recording()
        self.ready = True

    def __call__(self, mode: bool) -> Any:
        """The result, which is that of a plain run."""
        world, recording = self.world, self.recording
        states = {i: _state(g) for i, g in world.generators.items()}
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
                    recording.give_up("random numbers are drawn in a way that is not seen", _home(self.function))
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
        self.compiled.fall_back(f"it could not be recorded: {type(error).__name__}: {error}", _home(self.function))
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

    # ---- after the run ------------------------------------------------------------------------------------------------------

    def _finish(self, mode: bool, box: list[Any], look: watch.Watch) -> Any:
        compiled, recording, world = self.compiled, self.recording, self.world
        recording.quiet = True
        result = box.pop()
        changed, shapes = world.changes()
        kept = None
        missed = [c for c in look.codes if c not in world.visited and not watch.is_library(c.co_filename)]
        soft = ""
        try:
            if recording.why is None:
                if missed:
                    compiled._codes.update({c: look.codes[c] for c in missed})
                    soft = f"{missed[0]} was found to be called"
                elif shapes or any([slot.read() is _MISSING for slot in changed]):
                    what = type(shapes[0].value).__name__ if shapes else "dict"
                    soft = f"a {what} that outlives the call is changed in its length or keys"
                else:
                    kept = self._made(result, changed, look)
        except Unknown as error:
            recording.give_up(f"its result, or what it puts into an attribute, holds {error}", _home(self.function))
        except RecursionError:
            recording.give_up("there is too much to guard", _home(self.function))
        except Exception as error:  # the result is there, and right
            if os.environ.get("WENGERT_COMPILE") == "debug":
                raise
            recording.give_up(f"internal error: {type(error).__name__}: {error}", _home(self.function))
        self._settle(changed, shapes)
        result = _unlinked(plain(result)) if kept is not None else plain(result)
        if kept is not None:
            kept = self._alone(kept)
        if kept is not None:
            compiled.keep(mode, kept)
        elif recording.why is not None:
            compiled.fall_back(recording.why, recording.at)
        elif soft:
            compiled.strike(soft, _home(self.function))
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
                recording.give_up(why, _home(self.function))
                recording.why = why
                return None
        return kept

    def _made(self, result: Any, changed: list[Slot], look: watch.Watch) -> Kept | None:
        recording, world = self.recording, self.world
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
            raise Unknown("a Variable that is linked to an argument; return its .data, or compile a function of arrays")
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
        program.outputs = [*recipes.nodes, *recording.draws]
        constants = {}
        for array, t, was in recording.adopted_arrays():
            if array.tobytes() != was.tobytes():
                raise Unknown("or reads an array that was changed without NumPy's usual functions")
            if not _held_elsewhere(array):
                constants[t._node.attributes] = was
            elif id(t) not in guards.arrays:  # somebody may change it: the same array is read at each call
                guards.arrays[id(t)] = guards.object_name(array)
        program, positions = passes.simplified(program, constants)
        arrays, updated = [], []
        host_inputs: list[tuple[int, int]] = []
        numbers = {node.attributes: k for k, node in recording.host_inputs.items()}
        after: list[str] = []
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
        guard = guards.made(arrays, kept_names, reads, list(guards.objects.values()) if objects else [], after)
        native = _native(program)
        return Kept(
            guard=guard,
            failures=guards.failures,
            program=program,
            runner=native or Replay(program),
            native=native is not None,
            result=made,
            effects=effects,
            host=[tuple(h) for h in host],
            host_checks=[tuple(c) for c in recording.host_checks],
            host_inputs=host_inputs,
            updated=updated,
            generators=self.drawn,
            numbers=guards.numbers_by_value,
        )


def _is_another(slot: Slot) -> bool:
    """Whether a number is another one of the same type."""
    now = slot.read()
    return type(now) is type(slot.value) and now != slot.value


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


def _held_elsewhere(array: ndarray) -> bool:
    """Whether somebody beside the recording holds an array that it came upon, or what that is a view of."""
    held = sys.getrefcount(array) > _RECORDED_REFERENCES
    base = array.base
    while base is not None and not held:
        held = not isinstance(base, ndarray) or sys.getrefcount(base) > _BASE_REFERENCES
        base = base.base if isinstance(base, ndarray) else None
    return held


_RECORDED_REFERENCES = 6  # the recording's three, the two callers', and the call's own
_BASE_REFERENCES = 3


def _nothing() -> None:
    """Stands for a number that nothing reads."""


def _native(program: Program) -> Any:
    """Native code for the program; None where there is none."""
    try:
        from .native import build  # type: ignore[import-not-found]
    except ImportError:
        return None
    return build(program)


def _home(function: Any) -> str:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


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


_ = (Number,)


def compile(function: Callable[..., Any]) -> Compiled:  # noqa: A001
    """The same function, faster: its calls are recorded once, and replayed.

    The first call of each kind runs as it is, and what it did with NumPy is recorded: forward, backward, and changes
    made in place. Later calls replay that. What a recording depends on is guarded: dtypes, shapes and layouts of
    arrays; numbers, strings and functions in arguments, closures, globals and attributes; and the outcome of every
    branch on a value. Where one is another, the call is recorded anew, and both recordings are kept. The result is that
    of the function itself, up to rounding. What cannot be replayed makes the function run plainly, with one
    `CompileWarning` that names the line.

    Args:
        function: anything that computes with NumPy calls, `wg.grad` and `backward()` inside included.

    A Variable in the result has no graph. `explain()` of the compiled function tells what was recorded;
    `WENGERT_COMPILE=0` in the environment switches it off.

    Raises:
        TypeError: `function` cannot be called.

    Example:
        >>> f = wg.compile(wg.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2)))
        >>> f(np.array([0.0, 0.5]))
        (array(0.21355223), array([0.        , 0.72686198]))
        >>> f(np.array([0.0, 1.0]))
        (array(0.58002566), array([0.        , 0.63970001]))
    """
    if not callable(function):
        raise TypeError(f"compile: expected a function, got {type(function).__name__}")
    return Compiled(function)
