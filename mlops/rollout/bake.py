"""Asking both deployments the same held-out conversations in the same window, and the endpoint itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mlops.rollout.analysis import hopeless
from mlops.rollout.examples import endless
from mlops.rollout.window import Window, enough

if TYPE_CHECKING:
    from mlops.rollout.examples import Example
    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.probe import Probe, Sample


@dataclass(frozen=True)
class Asker:
    """Who asks: in a bake every second conversation is streamed, if the candidate serves streams."""

    probe: Probe
    candidate: str
    examples: Iterator[Example]
    known: dict[int, Example]

    @classmethod
    def of(cls, probe: Probe, examples: Sequence[Example], *, candidate: str, cases: Sequence[Example] = ()) -> Asker:
        """Return one that knows the examples' answers and the behavior cases."""
        known = {each.number: each for each in (*examples, *cases)}
        return cls(probe, candidate, endless(examples, cases), known)

    @cached_property
    def streams(self) -> bool:
        """Return whether the candidate serves streams; it is asked only once, and not before somebody wants to know."""
        return self.probe.streams(next(self.examples).messages, deployment=self.candidate)

    def wave(
        self, pool: ThreadPoolExecutor, pins: Sequence[str | None], *, size: int, stream: bool = False
    ) -> list[Sample]:
        """Return what came of `size` conversations, each put to every pin."""
        chosen = [(next(self.examples), stream and number % 2 == 1) for number in range(size)]
        return list(pool.map(self._ask, [(*each, pin) for each in chosen for pin in pins]))

    def _ask(self, job: tuple[Example, bool, str | None]) -> Sample:
        example, stream, pin = job
        return self.probe.ask(example.messages, deployment=pin, stream=stream, example=example.number)


@dataclass(frozen=True)
class Clock:
    """The time, in seconds since 1970, and how it passes; a test may let it pass faster."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def bake(
    asker: Asker,
    before: Window,
    plan: RolloutPlan,
    *,
    at_least_s: float,
    until: float,
    clock: Clock,
    watch: Callable[[Window], None],
) -> tuple[Window, str | None]:
    """Add requests to a window until there are enough; return it, and why it was cut short, if it was.

    The requests are spread over `at_least_s`; it ends at `until` in any case. `watch` is called between the waves and
    may raise.
    """
    start, window = clock.now(), before
    end = min(start + plan.bake_max_s, until)
    pins = [None, before.candidate, *([before.stable] if before.stable else [])]
    pause_s = at_least_s * plan.concurrency / plan.min_requests
    with ThreadPoolExecutor(plan.concurrency) as pool:
        while clock.now() < end:
            wave_start = clock.now()
            window = replace(
                window, samples=(*window.samples, *asker.wave(pool, pins, size=plan.concurrency, stream=asker.streams))
            )
            watch(window)
            if reason := hopeless(window, plan):
                return window, reason
            fresh = replace(window, samples=window.samples[len(before.samples) :])
            if enough(fresh, plan) and clock.now() >= start + at_least_s:
                break
            clock.sleep(max(0.0, wave_start + pause_s - clock.now()))
    return window, None
