"""What deployments are asked."""

from __future__ import annotations

from itertools import islice

from mlops.operations import conversations
from mlops.rollout.examples import Example, endless


def test_every_fifth_question_is_a_behavior_case() -> None:
    """All are asked in turn, for ever; without cases there are conversations only."""
    examples = [Example(number, ()) for number in range(3)]
    cases = [Example(3 + number, (), matches="x") for number in range(2)]
    assert [each.number for each in islice(endless(examples, cases), 12)] == [0, 1, 2, 0, 3, 1, 2, 0, 1, 4, 2, 0]
    assert [each.number for each in islice(endless(examples), 4)] == [0, 1, 2, 0]


def test_the_shipped_cases_that_one_answer_decides_are_asked() -> None:
    """Ten minimum functions, as many as a paired test takes at least; likelihoods cannot be asked for."""
    cases = conversations.cases(100)
    assert [case.number for case in cases] == list(range(100, 110))
    assert all(case.matches and case.messages for case in cases)
