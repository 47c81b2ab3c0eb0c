"""What the rows of the test table are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

REAL = ("float32", "float64")
COMPLEX = ("float32", "float64", "complex128")


@dataclass(frozen=True)
class Row:
    """One operation with one pattern of arguments."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    domains: tuple[tuple[float, float], ...]
    dtypes: tuple[str, ...] = COMPLEX
    numpy: Callable[..., Any] | None = None  # what gives the value, where `function` does not run on arrays
    distinct: bool = False  # whether values are kept apart (where they are compared with each other)

    def arguments(self, dtype: str, seed: int = 0) -> tuple[Any, ...]:
        """One argument for each shape, inside its domain."""
        rng = np.random.default_rng([seed, *map(ord, self.name)])
        return tuple(self._draw(rng, *item, dtype) for item in zip(self.shapes, self.domains, strict=True))

    def _draw(self, rng: Any, shape: tuple[int, ...], domain: tuple[float, float], dtype: str) -> Any:
        lo, hi = domain
        x = rng.uniform(lo, hi, shape)
        if self.distinct and x.size:
            x = np.linspace(lo, hi, x.size)[rng.permutation(x.size)].reshape(shape)
        if dtype == "complex128":
            x = x + 1j * rng.uniform(0.2, 0.9, shape)
        return np.asarray(x, dtype)

    def __str__(self) -> str:
        return f"{self.name}-{'-'.join('x'.join(map(str, s)) or '0d' for s in self.shapes)}"


def row(name: str, function: Callable[..., Any], *shapes: Any, **options: Any) -> Row:
    """A row with every argument from (-2, 2), unless `domain` says otherwise."""
    domain = options.pop("domain", (-2.0, 2.0))
    return Row(name, function, shapes, (domain,) * len(shapes), **options)
