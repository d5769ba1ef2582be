"""The graph of a pipeline: boxes in columns, each to the right of what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.workspace.history import Job

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 176, 52, 40, 16
MOST_LETTERS: Final = 17


@dataclass(frozen=True)
class Box:
    """A step and where it is drawn; `seconds` is how long it took, or None while it has not ended."""

    name: str
    status: str
    seconds: float | None
    x: int
    y: int

    @property
    def label(self) -> str:
        """Return the name, shortened to what fits: trials of a sweep differ in their last letters."""
        kept = MOST_LETTERS // 2
        return self.name if len(self.name) <= MOST_LETTERS else f"{self.name[:kept]}…{self.name[-kept:]}"


@dataclass(frozen=True)
class Arrow:
    """A way from box to box; `carries` says whether data goes there, or one only began after the other."""

    path: str
    carries: bool


@dataclass(frozen=True)
class Graph:
    """Boxes and arrows, and the size of the picture."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    width: int
    height: int


def draw(job: str, steps: Sequence[Job], bindings: Mapping[str, frozenset[str]]) -> Graph:
    """Return the graph of a job's steps; `bindings` says which steps of the job each one takes data from.

    A step that is a pipeline is drawn as its own steps, one after the other as they began.
    """
    begun = {step.display_name: step for step in steps if step.parent == job}
    chains = {name: _chain(begun[name], steps) if name in begun else [name] for name in {**bindings, **begun}}
    edges = {(chains[one][-1], chains[name][0]): True for name, before in bindings.items() for one in sorted(before)}
    for chain in chains.values():
        edges |= dict.fromkeys(pairwise(chain), False)
    known = {step.name: step for step in steps}
    boxes = _place([name for chain in chains.values() for name in chain], list(edges), known)
    arrows = tuple(Arrow(_path(boxes[start], boxes[end]), carries) for (start, end), carries in edges.items())
    width = max((box.x for box in boxes.values()), default=0) + BOX_WIDTH
    height = max((box.y for box in boxes.values()), default=0) + BOX_HEIGHT
    return Graph(tuple(boxes.values()), arrows, width, height)


def _chain(step: Job, steps: Sequence[Job]) -> list[str]:
    """Return the names of the step's own steps and theirs, or its own name if it has none."""
    inner = [name for child in steps if child.parent == step.name for name in _chain(child, steps)]
    return inner or [step.name]


def _place(names: list[str], edges: list[tuple[str, str]], known: Mapping[str, Job]) -> dict[str, Box]:
    columns: dict[str, int] = dict.fromkeys(names, 0)
    for _ in names:  # as many rounds as there are boxes: longer no way can be
        for start, end in edges:
            columns[end] = max(columns[end], columns[start] + 1)
    rows: dict[int, int] = {}
    boxes = {}
    for name in names:
        column = columns[name]
        row = rows[column] = rows.get(column, -1) + 1
        boxes[name] = _box(name, known.get(name), column * (BOX_WIDTH + GAP_X), row * (BOX_HEIGHT + GAP_Y))
    return boxes


def _box(name: str, step: Job | None, x: int, y: int) -> Box:
    if step is None:
        return Box(name, "NotStarted", None, x, y)
    return Box(step.display_name, step.status, step.seconds, x, y)


def _path(start: Box, end: Box) -> str:
    """Return the way between two boxes; if there are columns between them, above the row, behind no box."""
    x, y = start.x + BOX_WIDTH, start.y + BOX_HEIGHT // 2
    if end.x - x == GAP_X:
        return f"M{x} {y} {_bend(x, y, end.y + BOX_HEIGHT // 2)}"
    lane, last = start.y - GAP_Y // 2, end.x - GAP_X
    return f"M{x} {y} {_bend(x, y, lane)} H{last} {_bend(last, lane, end.y + BOX_HEIGHT // 2)}"


def _bend(x: int, y: int, to: int) -> str:
    """Return a curve across the gap between two columns."""
    middle = x + GAP_X // 2
    return f"C{middle} {y} {middle} {to} {x + GAP_X} {to}"
