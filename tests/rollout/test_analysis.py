"""What the requests of a step say."""

from __future__ import annotations

import pytest

from mlops.rollout.analysis import analyze, enough, in_effect
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.probe import Sample

PLAN = RolloutPlan(steps=(100,), min_requests=5, max_error_rate=0.1, max_latency_ratio=2, step_deadline_s=1)


def samples(
    deployment: str | None, count: int, *, status: int = 200, seconds: float = 1, text: str = "hi"
) -> list[Sample]:
    """Return equal samples."""
    return [Sample(deployment, status, seconds, text)] * count


STABLE = samples("blue", 10)


@pytest.mark.parametrize(
    ("measured", "verdict", "reason"),
    [
        (samples("green", 5), "pass", "5 answers"),
        (samples("green", 4), "inconclusive", "rollout.min_requests asks for 5"),
        ([], "inconclusive", "0 answers"),
        (samples("green", 9) + samples("green", 2, status=424), "fail", "rollout.max_error_rate is 10.0%"),
        (samples("green", 9) + samples("green", 2, text=" "), "fail", "18.2% of its answers were errors"),
        (samples("green", 9) + samples(None, 2, status=0), "fail", "errors"),
        (samples("green", 5, seconds=2.1), "fail", "2.1 times the stable deployment's"),
        (samples("green", 5, seconds=1.9), "pass", "median 1.90 s"),
    ],
)
def test_each_measurement_has_its_verdict(measured: list[Sample], verdict: str, reason: str) -> None:
    """Errors, empty answers, lost requests and slowness fail; too little evidence never passes."""
    step = analyze(STABLE + measured, candidate="green", weight=10, plan=PLAN)
    assert (step.verdict, reason in step.reason) == (verdict, True)


def test_the_stable_deployments_errors_are_not_the_candidates() -> None:
    """Attribution is by the header of the answer."""
    troubled = samples("blue", 10, status=424) + samples("green", 5)
    assert analyze(troubled, candidate="green", weight=10, plan=PLAN).verdict == "pass"


def test_only_the_candidates_answers_count_as_enough() -> None:
    """A step is judged on the candidate, however many requests the stable one answered."""
    assert not enough(STABLE, "green", PLAN)
    assert enough(samples("green", 5), "green", PLAN)


@pytest.mark.parametrize(
    ("answers", "weight", "seen"),
    [
        ("b" * 19 + "g", 10, True),
        ("b" * 30, 10, False),
        ("b" * 18 + "gg", 50, False),
        ("b" * 10 + "bbbbg" * 2 + "ggggg" * 2, 50, True),
        ("ggggg", 100, True),
        ("b" * 18 + "??", 10, True),
        ("bgggg", 100, False),
        ("gbbbbb", 0, True),
    ],
)
def test_a_weight_is_believed_when_answers_show_it(answers: str, weight: int, *, seen: bool) -> None:
    """A part shows by half its share of twenty answers; all or nothing by five in a row."""
    colors = {"b": "blue", "g": "green", "?": None}
    asked = [sample for answer in answers for sample in samples(colors[answer], 1)]
    assert in_effect(asked, candidate="green", weight=weight) is seen
