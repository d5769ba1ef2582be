"""When enough is asked, and when a weight is believed."""

from __future__ import annotations

import pytest

from mlops.rollout.probe import Sample
from mlops.rollout.window import in_effect


def sample(deployment: str | None) -> Sample:
    """Return an un-pinned request."""
    return Sample(pin=None, deployment=deployment, status=200, seconds=1, text="hi")


@pytest.mark.parametrize(
    ("answers", "before", "weight", "seen"),
    [
        ("b" * 19 + "g", 0, 10, True),
        ("b" * 30, 0, 10, False),
        ("g" * 20, 0, 10, False),
        ("b" * 9 + "g" * 11, 0, 10, True),
        ("b" * 18 + "gg", 10, 50, False),
        ("b" * 10 + "bbbbg" * 2 + "ggggg" * 2, 10, 50, True),
        ("b" * 18 + "??", 0, 10, True),
        ("?" * 20, 0, 10, True),
        ("ggggg", 0, 100, True),
        ("gggggg", 50, 100, False),
        ("ggggggg", 50, 100, True),
        ("bgggg", 0, 100, False),
        ("gbbbbb", 100, 0, True),
        ("gbbbb?", 100, 0, False),
        ("g" + "b" * 43, 10, 0, False),
        ("g" + "b" * 44, 10, 0, True),
    ],
)
def test_a_weight_is_believed_when_answers_show_it(answers: str, before: int, weight: int, *, seen: bool) -> None:
    """A part shows by half its share and half the other's; all or nothing by what the old weight gives in 1 % only."""
    colors = {"b": "blue", "g": "green", "?": None}
    asked = [sample(colors[answer]) for answer in answers]
    assert in_effect(asked, candidate="green", weight=weight, before=before) is seen
