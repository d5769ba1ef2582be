"""Candidates with each kind of regression, rolled out for real: whether they come back, and how soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from faulty import KINDS
from row import Row, at_most
from simulated import MOST_MISSED

if TYPE_CHECKING:
    from controlled import Site

EACH: Final = 10
LATENCY_S: Final = 0.02


def rows(site: Site) -> Iterator[Row]:
    """Roll out candidates that begin to fail with their first weight, each kind of regression in turn."""
    site.set("blue", latency=LATENCY_S)
    ends, detection, safe = list[tuple[str, str]](), list[float](), list[float]()
    for kind in EACH * [*KINDS]:
        before = len(site.journal)
        ends.append((kind, _roll_out(site, KINDS[kind])))
        _time(site.journal[before:], detection, safe)
    missed = Counter(kind for kind, end in ends if end == "COMMITTED")
    yield at_most("missed regressions, real", missed, len(ends), MOST_MISSED)
    yield Row("detection, median (from the first weight in effect)", _spread(detection), "", held=True)
    yield Row("time to safe, median (from there to the last answer)", _spread(safe), "", held=True)


def _roll_out(site: Site, fault: dict[str, float]) -> str:
    """Return how the rollout ends of a candidate that has a fault from its first weight on."""

    def hear(line: dict[str, Any]) -> None:
        if (line["kind"], line["phase"], line["step"]) == ("state", "BAKING", 0):
            site.set("green", latency=LATENCY_S, **fault)

    site.set("green", latency=LATENCY_S)
    site.reset()
    return str(site.control("roll_out", hear=hear, min_requests=100)["phase"])


def _time(journal: list[dict[str, Any]], detection: list[float], safe: list[float]) -> None:
    at = {line["phase"]: line["at"] for line in reversed(journal) if line["kind"] == "state"}
    if "ROLLED_BACK" in at:
        detection.append(at["ROLLING_BACK"] - at["BAKING"])
        safe.append(at["ROLLED_BACK"] - at["ROLLING_BACK"])


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} s, at most {max(seconds):.1f} s, of {len(seconds)}"
