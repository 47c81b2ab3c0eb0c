"""Containers: taken apart, put together, matched; what counts as one."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import wengert as wg

Point = namedtuple("Point", ["x", "y"])


@dataclasses.dataclass(frozen=True)
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(default="layer", metadata={"static": True})


def test_every_kind_of_container_comes_back_as_it_was():
    tree = {"a": [1.0, (2.0, Point(3.0, None))], "b": Layer(np.ones(2), 5.0, "first"), "c": (), "d": {}}
    leaves, structure = wg.tree.flatten(tree)
    assert len(leaves) == structure.size == 5
    back = wg.tree.unflatten(structure, leaves)
    assert back.keys() == tree.keys()
    assert back["a"] == tree["a"]
    assert type(back["a"][1][1]) is Point
    assert back["b"].w is leaves[3]
    assert back["b"].name == "first"
    assert (back["c"], back["d"]) == ((), {})
    assert structure.paths() == ["['a'][0]", "['a'][1][0]", "['a'][1][1].x", "['b'].w", "['b'].b"]
    assert repr(structure).startswith("{'a': [*, (*, Point(x=*, y=None))], 'b': Layer(w=*")


def test_a_leaf_alone():
    v = wg.Variable(1.0)
    leaves, structure = wg.tree.flatten(v)
    assert leaves[0] is v
    assert structure.paths() == [""]
    assert structure.unflatten([3]) == 3
    with pytest.raises(ValueError, match="expected 1 leaves, got 2"):
        structure.unflatten([1, 2])


def test_map_matches_by_key_and_refuses_other_structures():
    assert wg.tree.map(lambda a, b: a - b, {"x": 3, "y": [4]}, {"y": [1], "x": 2}) == {"x": 1, "y": [3]}
    for other in ({"x": 3}, {"x": 3, "y": 4}, {"x": [3], "y": [4]}, [3, [4]], {"x": 3, "y": (4,)}):
        with pytest.raises(ValueError, match=r"argument 2: expected a container like \{'x': \*, 'y': \[\*\]\}"):
            wg.tree.map(lambda a, b: a, {"x": 3, "y": [4]}, other)
    assert wg.tree.structure({"x": 3, "y": [4]}) == wg.tree.structure({"y": [1], "x": 2})
    assert wg.tree.structure([1, 2]) != wg.tree.structure((1, 2))


def test_registered_classes_are_containers():
    class Box:
        def __init__(self, inside: Any, label: str) -> None:
            self.inside, self.label = inside, label

    assert len(wg.tree.leaves([Box(1.0, "a")])) == 1
    wg.tree.register(Box, lambda b: ([b.inside], b.label), lambda label, children: Box(*children, label))
    back = wg.tree.map(lambda x: 2 * x, Box([1.0, 2.0], "a"))
    assert (back.inside, back.label) == ([2.0, 4.0], "a")


def test_a_dataclass_is_rebuilt_without_its_init():
    @dataclasses.dataclass
    class Checked:
        x: float

        def __post_init__(self) -> None:
            assert isinstance(self.x, float)

    assert wg.tree.map(str, Checked(1.0)).x == "1.0"
