"""Running a list through NumPy: what there is where no native code is.

The list becomes the source of one Python function, a NumPy call for each node. Results that do not leave the run are
written into buffers that are shared by results which are not alive at the same time, and kept for the next call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from .program import Node, Program, region, ufunc_of, value_of

try:  # what np.errstate does, in a fifth of the time
    from numpy._core.umath import _extobj_contextvar, _make_extobj  # type: ignore[attr-defined]

    _QUIET = _make_extobj(all="ignore")

    class quiet:
        """A context without warnings of invalid values."""

        def __enter__(self) -> None:
            self._token = _extobj_contextvar.set(_QUIET)

        def __exit__(self, *exc: object) -> None:
            _extobj_contextvar.reset(self._token)

except ImportError:  # another version of NumPy

    def quiet() -> Any:  # type: ignore[no-redef]
        """A context without warnings of invalid values."""
        return np.errstate(all="ignore")


_VIEWS = {"reshape", "transpose", "slice", "broadcast"}
_SMALL = 1 << 10  # bytes below which a new array costs no more than a buffer


class Replay:
    """A program that NumPy runs. Any number of threads may run it at once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._space: dict[str, Any] = {"np": np, "ndarray": ndarray}
        self._lines: list[str] = []
        self._pool: list[list[Any]] = []  # buffers that no run uses now
        self._sizes: list[int] = []
        self._storage = self._storages()
        self._write()

    def run(self, arrays: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """The values of outputs, updates and checks. Outputs are arrays that nobody else holds."""
        pool = self._pool
        try:
            buffers = pool.pop()
        except IndexError:
            buffers = [np.empty(n, np.uint8) for n in self._sizes]
        try:
            with quiet():  # what is invalid was said when it was recorded
                return self._function(arrays, buffers)  # type: ignore[no-any-return]
        finally:
            pool.append(buffers)

    # ---- who shares whose memory --------------------------------------------------------------------------------

    def _storages(self) -> list[int]:
        """For each node the one whose memory its value may be in."""
        of: list[int] = []
        for node in self.program.nodes:
            shares = node.op in _VIEWS or (node.op == "item")
            of.append(of[node.inputs[0].index] if shares else node.index)
        return of

    def _plan(self) -> dict[int, tuple[int, int]]:
        """node: (buffer, bytes), for results that stay inside."""
        nodes, of = self.program.nodes, self._storage
        last = list(range(len(nodes)))
        leaves: set[int] = set()
        for node in nodes:
            for x in node.inputs:
                last[of[x.index]] = node.index
                if node.op in ("call",):
                    leaves.add(of[x.index])  # what it does with its arguments is not known
        for node in self.program.roots:
            leaves.add(of[node.index])
        free: list[int] = []
        ends: dict[int, list[int]] = {}
        plan: dict[int, tuple[int, int]] = {}
        for node in nodes:
            n = node.size * node.dtype.itemsize
            if (
                node.op in ("ufunc", "reduce", "matmul", "concatenate")
                and node.index not in leaves
                and n >= _SMALL
                and node.shape
            ):
                fitting = [b for b in free if self._sizes[b] >= n]
                if fitting:
                    b = min(fitting, key=self._sizes.__getitem__)
                    free.remove(b)
                elif free:
                    b = max(free, key=self._sizes.__getitem__)
                    free.remove(b)
                    self._sizes[b] = n
                else:
                    b = len(self._sizes)
                    self._sizes.append(n)
                plan[node.index] = b, n
                ends.setdefault(last[node.index], []).append(b)
            free += ends.pop(node.index, [])
        return plan

    # ---- source -------------------------------------------------------------------------------------------------

    def _let(self, value: Any) -> str:
        name = f"c{len(self._space)}"
        self._space[name] = value
        return name

    def _write(self) -> None:
        plan = self._plan()
        dies: dict[int, list[int]] = {}
        last: dict[int, int] = {}
        held = {n.index for n in self.program.roots}
        for node in self.program.nodes:
            last[node.index] = node.index
            for x in node.inputs:
                last[x.index] = node.index
        for index, at in last.items():
            if index not in held and self.program.nodes[index].op != "constant":
                dies.setdefault(at, []).append(index)
        views: dict[tuple[int, tuple[int, ...], Any], str] = {}
        for node in self.program.nodes:
            if node.op == "constant":
                self._space[f"v{node.index}"] = value_of(node)
                continue
            out = None
            if node.index in plan:
                b, _ = plan[node.index]
                key = b, node.shape, node.dtype
                if key not in views:
                    views[key] = f"b{len(views)}"
                out = views[key]
            self._lines.append(f"v{node.index} = {self._expression(node, out)}")
            gone = [i for i in dies.get(node.index, ()) if i not in held]
            if gone:
                self._lines.append("del " + ", ".join([f"v{i}" for i in gone]))
        head = []
        for (b, shape, dtype), name in views.items():
            n = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            head.append(f"{name} = buffers[{b}][:{n}].view({self._let(dtype)}).reshape({shape})")
        checks = ", ".join([f"v{c.node.index}" for c in self.program.checks])
        tail = f"return [{self._outputs()}], [{self._updates()}], [{checks}]"
        body = [*head, *self._lines, tail]
        source = "def run(arrays, buffers):\n" + "".join([f" {line}\n" for line in body])
        self.source = source
        exec(compile(source, "<replay of wg.compile>", "exec"), self._space)
        self._function = self._space["run"]

    def _outputs(self) -> str:
        taken: set[int] = set()
        parts = []
        for node in self.program.outputs:
            storage = self._storage[node.index]
            owner = self.program.nodes[storage]
            own = node.op not in (*_VIEWS, "input", "constant", "call", "item") and owner.index not in taken
            taken.add(storage)
            parts.append(f"{'own' if own else 'copied'}(v{node.index})")
        self._space.update(own=np.asarray, copied=_copied)
        return ", ".join(parts)

    def _updates(self) -> str:
        """New values of inputs: copies, where they lie in the memory of an input."""
        parts = []
        for u in self.program.updates:
            owner = self.program.nodes[self._storage[u.node.index]]
            parts.append(f"copied(v{u.node.index})" if owner.op in ("input", "call", "item") else f"v{u.node.index}")
        return ", ".join(parts)

    def _expression(self, node: Node, out: str | None) -> str:
        op, a = node.op, node.attributes
        xs = [f"v{x.index}" for x in node.inputs]
        into = "" if out is None else f", out={out}"
        if op == "input":
            return f"arrays[{a}]"
        if op == "ufunc":
            return f"{self._let(ufunc_of(a))}({', '.join(xs)}{into})"
        if op == "where":
            return f"{self._let(np.where)}({', '.join(xs)})"
        if op == "cast":
            return f"{self._let(_cast)}({xs[0]}, {self._let(node.dtype)})"
        if op == "reduce":
            ufunc = self._let(getattr(np, a[0]).reduce)
            return f"{ufunc}({xs[0]}, {a[1]}, {self._let(node.dtype)}{into})"
        if op == "broadcast":
            return f"{self._let(np.broadcast_to)}({xs[0]}, {node.shape})"
        if op == "reshape":
            return f"{self._let(np.reshape)}({xs[0]}, {node.shape})"
        if op == "transpose":
            return f"{xs[0]}.transpose({a})"
        if op == "slice":
            return f"{xs[0]}[{self._let(region(a))}]"
        if op == "assign":
            return f"{self._let(_assigned)}({xs[0]}, {self._let(region(a))}, {xs[1]})"
        if op == "concatenate":
            return f"{self._let(np.concatenate)}(({', '.join(xs)},), {a}{into})"
        if op == "matmul":
            return f"{self._let(np.matmul)}({', '.join(xs)}{into})"
        if op == "item":
            return f"{xs[0]}[{a}]"
        return f"{self._let(a)}(({', '.join(xs)}{',' if xs else ''}))"


def _copied(x: Any) -> ndarray:
    return np.array(x)


def _cast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)


def _assigned(x: Any, where: Any, y: Any) -> ndarray:
    z = np.array(x)
    z[where] = y
    return z
