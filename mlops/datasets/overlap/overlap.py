"""What training rows are left out for: they hold what a model will be judged by, or they come nearly twice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """A training row that is left out: the file it shares words with, those words, and how the row begins."""

    source: str
    shared: str
    opening: str


@dataclass(frozen=True)
class Contamination:
    """The training rows to leave out, counted from 0; how many share text with each file; the first few of each."""

    lines: frozenset[int]
    by_source: dict[str, int]
    examples: tuple[Leak, ...]


@dataclass(frozen=True)
class Twin:
    """A row that is left out, the earlier one that stays for it, and the share of runs they have in common."""

    line: int
    kept: int
    similarity: float


@dataclass(frozen=True)
class Example:
    """A row that is left out and the one that stays, from where they begin to differ."""

    left_out: str
    kept: str
    similarity: float


@dataclass(frozen=True)
class NearDuplicates:
    """The near duplicates of a file, in file order, and the least alike of them in words."""

    twins: tuple[Twin, ...]
    examples: tuple[Example, ...]

    @property
    def lines(self) -> frozenset[int]:
        """Return the lines to leave out, counted from 0."""
        return frozenset(twin.line for twin in self.twins)


@dataclass(frozen=True)
class Overlap:
    """The training rows to leave out, each for one reason."""

    contamination: Contamination
    near_duplicates: NearDuplicates

    @property
    def lines(self) -> frozenset[int]:
        """Return the lines to leave out, counted from 0."""
        return self.contamination.lines | self.near_duplicates.lines
