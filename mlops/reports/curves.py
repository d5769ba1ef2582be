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
    """A metric over its steps; `points` are in a box of 320 by 96, higher values further up.

    What is not finite is counted and not drawn; `latest` may be so, and all is NaN where nothing is finite.
    """

    name: str
    num_values: int
    first: int
    last: int
    lowest: float
    highest: float
    latest: float
    points: str
    num_not_finite: int = 0

    @property
    def described(self) -> str:
        """Return the curve in words, for who does not see it."""
        return (
            f"{self.name}: {self.num_values} values from step {self.first} to {self.last}, "
            f"lowest {self.lowest:.4g}, highest {self.highest:.4g}, latest {self.latest:.4g}"
        ) + (f", {self.num_not_finite} not finite" if self.num_not_finite else "")


def curve(name: str, values: Sequence[tuple[int, float]]) -> Curve | None:
    """Return the curve of (step, value) pairs, or None of no values; one that never changes runs through the middle."""
    if not values:
        return None
    finite = [(step, value) for step, value in values if math.isfinite(value)]
    steps, heights = [step for step, _ in values], [value for _, value in finite] or [math.nan]
    drawn = finite[:: -(-len(finite) // MOST_POINTS) or 1]
    first, across = min(steps), max(steps) - min(steps) or 1
    top, up = max(heights), max(heights) - min(heights)
    points = " ".join(
        f"{WIDTH * (step - first) / across:.1f},{HEIGHT * ((top - value) / up if up else 0.5):.1f}"
        for step, value in drawn
    )
    latest, lost = values[-1][1], len(values) - len(finite)
    return Curve(name, len(finite), first, max(steps), min(heights), top, latest, points, lost)
