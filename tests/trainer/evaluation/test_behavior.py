"""Behavior cases: read strictly, judged simply."""

import json
from pathlib import Path

import pytest

from mlops.trainer.errors import TrainerError
from mlops.trainer.evaluation.answers import Answer
from mlops.trainer.evaluation.behavior import Case, read_cases

ROOT = Path(__file__).parents[3]
HELLO = [{"role": "user", "content": "Hello"}]


def answers(*texts: str) -> list[Answer]:
    """Give answers with these texts."""
    return [Answer(text=text, truncated=False, latency_s=0) for text in texts]


def test_a_minimum_must_match() -> None:
    """The expression may stand anywhere in the answer."""
    case = Case(name="yes", kind="minimum", messages=HELLO, matches=r"(?i)\byes\b")
    assert case.passes(answers("Well, yes."), [])
    assert not case.passes(answers("Yesterday"), [])


def test_an_invariance_must_be_alike() -> None:
    """Two empty answers are alike, and nothing is proved by them."""
    case = Case(name="same", kind="invariance", messages=HELLO, variant=HELLO)
    assert case.passes(answers("I am fine, thanks", "I am fine, thanks!"), [])
    assert not case.passes(answers("I am fine", "Bananas grow in Peru"), [])
    assert not case.passes(answers("", ""), [])


def test_a_direction_must_point_to_the_better() -> None:
    """The better alternative must be the likelier; as likely is not enough."""
    case = Case(name="kind", kind="direction", messages=HELLO, better="Hi", worse="Go away")
    assert case.passes([], [1.0, 2.0])
    assert not case.passes([], [2.0, 2.0])


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"name": "a", "kind": "other", "messages": HELLO},
        {"name": "a", "kind": "minimum", "messages": HELLO},
        {"name": "a", "kind": "minimum", "messages": HELLO, "matches": "("},
        {"name": "a", "kind": "direction", "messages": HELLO, "better": "x"},
        {"name": "a", "kind": "minimum", "messages": HELLO, "matches": "x", "mathces": "y"},
    ],
)
def test_a_case_that_is_not_right_is_named_by_its_line(tmp_path: Path, case: dict[str, object]) -> None:
    """A case with a typo would never fail, or always."""
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"name": "ok", "kind": "minimum", "messages": HELLO, "matches": "x"}) + "\n")
    path.write_text(path.read_text() + json.dumps(case) + "\n")
    with pytest.raises(TrainerError, match=r"cases\.jsonl, line 2"):
        read_cases(path)


def test_our_own_cases_are_right() -> None:
    """The file that every evaluation asks holds all three kinds, each case under a name of its own."""
    cases = read_cases(ROOT / "data" / "behavior.jsonl")
    assert {case.kind for case in cases} == {"minimum", "invariance", "direction"}
    assert len({case.name for case in cases}) == len(cases) >= 40
