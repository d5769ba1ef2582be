"""Curves as points of an SVG that the page draws in its own colors; no style is in them, so a strict policy holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 320, 96
MOST_POINTS: Final = 400


@dataclass(frozen=True)
class Curve:
    """A metric over its steps; `points` are in a box of 320 by 96, higher values further up."""

    name: str
    num_values: int
    first: int
    last: int
    lowest: float
    highest: float
    latest: float
    points: str

    @property
    def described(self) -> str:
        """Return the curve in words, for who does not see it."""
        return (
            f"{self.name}: {self.num_values} values from step {self.first} to {self.last}, "
            f"lowest {self.lowest:.4g}, highest {self.highest:.4g}, latest {self.latest:.4g}"
        )


def curve(name: str, values: Sequence[tuple[int, float]]) -> Curve | None:
    """Return the curve of (step, value) pairs; values that are not finite are left out, and None if none is left."""
    finite = [(step, value) for step, value in values if math.isfinite(value)]
    if not finite:
        return None
    steps, heights = [step for step, _ in finite], [value for _, value in finite]
    drawn = finite[:: -(-len(finite) // MOST_POINTS)]
    across, up = max(steps) - min(steps) or 1, max(heights) - min(heights) or 1
    points = " ".join(
        f"{WIDTH * (step - min(steps)) / across:.1f},{HEIGHT * (max(heights) - value) / up:.1f}"
        for step, value in drawn
    )
    return Curve(name, len(finite), min(steps), max(steps), min(heights), max(heights), heights[-1], points)
