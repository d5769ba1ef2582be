"""The requests of one step, told apart by who answered, and what they show without any statistics, pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlops.rollout.examples import Example
    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.probe import Sample

IN_A_ROW: Final = 5
"""Answers in a row by which a weight of 0 or 100 percent is believed, at least."""
DOUBT: Final = 0.01
"""How likely the weight before may give as many in a row."""
LEAST: Final = 20
"""Latest answers by which any other weight is believed, if both deployments gave at least half their shares."""


@dataclass(frozen=True)
class Window:
    """The requests of one step; `examples` are the conversations by their numbers."""

    samples: Sequence[Sample]
    candidate: str
    stable: str | None
    examples: Mapping[int, Example]

    @cached_property
    def mine(self) -> list[Sample]:
        """Return the candidate's requests."""
        return [sample for sample in self.samples if sample.deployment == self.candidate]

    @cached_property
    def others(self) -> list[Sample]:
        """Return the stable deployment's requests."""
        return [sample for sample in self.samples if sample.deployment == self.stable] if self.stable else []

    @property
    def num_failed(self) -> int:
        """Return how many of the candidate's requests failed."""
        return sum(not sample.ok for sample in self.mine)

    @property
    def stable_failed(self) -> int:
        """Return how many of the stable deployment's requests failed."""
        return sum(not sample.ok for sample in self.others)

    @property
    def latency_s(self) -> float | None:
        """Return the median of the candidate's answers."""
        return _median(self.mine)

    @property
    def stable_latency_s(self) -> float | None:
        """Return the median of the stable deployment's answers."""
        return _median(self.others)


def enough(window: Window, plan: RolloutPlan) -> bool:
    """Return whether both deployments were asked often enough to be judged."""
    return len(window.mine) >= plan.min_requests and (window.stable is None or len(window.others) >= plan.min_requests)


def in_effect(samples: Sequence[Sample], *, candidate: str, weight: int, before: int) -> bool:
    """Return whether un-pinned requests show that a written weight has reached the data plane, not the one `before`.

    One that nobody answered is the candidate's: one that hangs must not hide by it.
    """
    mine = [sample.deployment in (candidate, None) for sample in samples]
    if 0 < weight < 100:  # noqa: PLR2004 - percent
        others = [sample.deployment != candidate for sample in samples[-LEAST:]]
        is_seen = sum(mine[-LEAST:]) / LEAST >= weight / 200 and sum(others) / LEAST >= (100 - weight) / 200
        return len(mine) >= LEAST and is_seen
    needed = _in_a_row(weight, before)
    return len(mine) >= needed and all(one == bool(weight) for one in mine[-needed:])


def _in_a_row(weight: int, before: int) -> int:
    """Return how many answers in a row tell all or nothing from the weight before, which gives many of them, too."""
    chance = (before if weight else 100 - before) / 100
    return max(IN_A_ROW, math.ceil(math.log(DOUBT) / math.log(chance))) if 0 < chance < 1 else IN_A_ROW


def share(samples: Sequence[Sample], is_counted: Callable[[Sample], bool]) -> float:
    """Return the share of requests that are counted, 0 of none."""
    return sum(map(is_counted, samples)) / len(samples) if samples else 0.0


def _median(samples: Iterable[Sample]) -> float | None:
    seconds = [sample.seconds for sample in samples if sample.ok]
    return median(seconds) if seconds else None
