"""Asking a new deployment until its latency is steady, so that its first slow answers are nobody's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlops.rollout.examples import Example
    from mlops.rollout.probe import Probe

SPAN: Final = 6
"""Requests whose median is compared with that of as many before."""
TOLERANCE: Final = 0.2
MOST: Final = 60


@dataclass(frozen=True)
class Warmth:
    """How a warm-up went: `seconds` are those of its last requests' median."""

    num_requests: int
    num_failed: int
    seconds: float
    is_steady: bool


def warm_up(probe: Probe, examples: Iterable[Example], *, deployment: str, concurrency: int) -> Warmth:
    """Ask a deployment at the concurrency it will be judged at, until it is steady or has been asked often enough."""
    seconds: list[float] = []
    failed, asked = 0, iter(examples)
    with ThreadPoolExecutor(concurrency) as pool:
        while not is_steady(seconds) and len(seconds) + failed < MOST:
            wave = [next(asked) for _ in range(concurrency)]
            samples = list(pool.map(lambda example: probe.ask(example.messages, deployment=deployment), wave))
            seconds += [sample.seconds for sample in samples if sample.ok]
            failed += sum(not sample.ok for sample in samples)
    return Warmth(len(seconds) + failed, failed, median(seconds[-SPAN:]) if seconds else 0.0, is_steady(seconds))


def is_steady(seconds: Sequence[float]) -> bool:
    """Return whether the last requests took about as long as those before them, or less than a moment."""
    if len(seconds) < 2 * SPAN:
        return False
    before, last = median(seconds[-2 * SPAN : -SPAN]), median(seconds[-SPAN:])
    return abs(last - before) <= TOLERANCE * before
