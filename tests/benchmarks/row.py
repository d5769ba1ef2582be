"""A line of the table of a benchmark."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    measure: str
    ours: str
    floor: str
    held: bool


def at_most(measure: str, found: Counter[str], total: int, most: float) -> Row:
    """Return the line of a share that must be at most `most`, with the kinds that it is of."""
    named = ", ".join(f"{number} x {kind}" for kind, number in found.items())
    told = f"{found.total() / total:.1%} of {total}" + (f" ({named})" if named else "")
    return Row(measure, told, f"at most {most:.0%}", held=found.total() <= most * total)
