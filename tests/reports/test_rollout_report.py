"""The picture and the live view of a rollout."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from mlops.records import Deployment, Moment, Rollout
from mlops.reports import rollout_report

SAID: dict[str, Any] = {
    "phase": "BAKING",
    "traffic": {"blue": 90, "green": 10},
    "num_requests": 40,
    "num_failed": 2,
    "stable_requests": 38,
    "stable_failed": 1,
    "latency_s": 1.25,
    "stable_latency_s": 1.0,
    "deadline": 1060.0,
}


def moment(at: float, phase: str, weight: int, failed: int = 0) -> Moment:
    """Return where a rollout stood at a time."""
    candidate = {"num_requests": 10, "num_failed": failed, "latency_s": 1.0}
    stable = {"stable_requests": 10, "stable_failed": 0, "stable_latency_s": None}
    return Moment(at=at, phase=phase, weight=weight, **candidate, **stable)


@pytest.mark.parametrize("stable", ["green", None])
def test_the_timeline_is_a_picture_that_names_what_happened(stable: str | None) -> None:
    """Weights, errors and latency in the color of each deployment, and where it went back; the first has no other."""
    moments = [moment(0, "SHIFTING", 0), moment(1, "BAKING", 10, 5), moment(2, "ROLLING_BACK", 0)]
    deployment = Deployment.model_construct(name="blue", stable=stable, endpoint="chat")
    record = Rollout.model_construct(
        deployment=deployment, phase="ROLLED_BACK", reason="errors", timeline=tuple(moments)
    )
    svg = rollout_report.timeline(record)
    ET.fromstring(svg)  # noqa: S314 - drawn by us
    assert "chat: rolled back" in svg
    assert "blue, candidate" in svg
    assert ("green, stable" in svg) == ("var(--green)" in svg.partition("</style>")[2]) == bool(stable)
    assert "light-dark(" in svg
    assert svg == rollout_report.timeline(record)


def test_a_log_gets_one_line_with_everything() -> None:
    """Phase, weights, requests, errors, latency per color."""
    assert rollout_report.line(SAID) == (
        "baking: blue 90 %, green 10 %; 40 requests (stable 38), 2 failed (stable 1), median 1.25 s (stable 1.00 s)"
    )
    first = SAID | {"traffic": {"blue": 100}, "stable_requests": 0, "stable_failed": 0, "stable_latency_s": None}
    assert rollout_report.line(first) == "baking: blue 100 %; 40 requests, 2 failed, median 1.25 s"
    assert rollout_report.line({"holder": "x"}) == ""


def test_a_person_sees_bars_and_the_time_that_is_left() -> None:
    """The view is readable where a terminal shows it."""
    console = Console(width=80, record=True, quiet=False)
    console.print(rollout_report.view(SAID, endpoint="chat", now=1000.0))
    text = console.export_text()
    for told in (
        "baking",
        "█" * 45 + " 90 %",
        "40, stable 38",
        "2, stable 1",
        "1.25 s, stable 1.00 s",
        "time left",
        "60 s",
    ):
        assert told in text
    console.print(rollout_report.view({}, endpoint="chat", now=0.0))
    assert "no runner has said anything yet" in console.export_text()
