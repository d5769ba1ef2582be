"""When enough is asked, and when a weight is believed."""

from __future__ import annotations

import pytest

from mlops.rollout.probe import Sample
from mlops.rollout.window import in_effect


def sample(deployment: str | None) -> Sample:
    """Return an un-pinned request."""
    return Sample(pin=None, deployment=deployment, status=200, seconds=1, text="hi")


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
    asked = [sample(colors[answer]) for answer in answers]
    assert in_effect(asked, candidate="green", weight=weight) is seen
