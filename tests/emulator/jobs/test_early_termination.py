"""Early termination: which trial is stopped where, by the examples of Azure ML's documentation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import early_termination

POLICIES = (
    {"type": "bandit", "slack_factor": 0.2},
    {"type": "bandit", "slack_amount": 0.1},
    {"type": "median_stopping"},
    {"type": "truncation_selection", "truncation_percentage": 50},
)


def policy(**body: Any) -> early_termination.Policy:
    """Return the policy that a sweep describes so."""
    found = early_termination.read(body, where="here")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("slack", "value", "stopped"),
    [
        ({"slack_factor": 0.2}, 0.66, True),
        ({"slack_factor": 0.2}, 0.67, False),
        ({"slack_amount": 0.2}, 0.59, True),
        ({"slack_amount": 0.2}, 0.61, False),
    ],
)
def test_bandit_allows_some_slack(slack: dict[str, float], value: float, stopped: bool) -> None:
    """With 0.8 as the best at the interval, 0.8/1.2 or 0.8 - 0.2 is the least that goes on."""
    histories = {"best": [0.8], "own": [value]}
    assert policy(type="bandit", **slack).stops("own", histories, interval=1, minimize=False) is stopped


def test_bandit_of_a_loss() -> None:
    """Where less is better, the slack is upwards, and what others reached later does not count."""
    histories = {"best": [0.5, 0.1], "near": [0.59], "far": [0.61]}
    stopped = {name: policy(**POLICIES[0]).stops(name, histories, interval=1, minimize=True) for name in histories}
    assert stopped == {"best": False, "near": False, "far": True}


def test_median_is_that_of_the_averages() -> None:
    """A trial whose best value is worse than the median of all averages so far is stopped."""
    histories = {"a": [1.0, 3.0], "b": [2.0, 2.0], "c": [0.5, 1.5]}
    stopped = {name: policy(**POLICIES[2]).stops(name, histories, interval=2, minimize=False) for name in histories}
    assert stopped == {"a": False, "b": False, "c": True}


def test_truncation_takes_the_last() -> None:
    """Of five trials, 20 % is the last one."""
    histories = {name: [float(place)] for place, name in enumerate("abcde")}
    rule = policy(type="truncation_selection", truncation_percentage=20)
    assert [n for n in histories if rule.stops(n, histories, interval=1, minimize=False)] == ["a"]


def test_interval_and_delay() -> None:
    """Trials are judged at the multiples of the interval from the delay on."""
    rule = policy(type="bandit", slack_amount=0.1, evaluation_interval=2, delay_evaluation=3)
    histories = {"good": [1.0] * 6, "bad": [0.0] * 6}
    judged = [at for at in range(1, 7) if rule.stops("bad", histories, interval=at, minimize=False)]
    assert judged == [4, 6]


@given(
    st.sampled_from(POLICIES),
    st.lists(st.floats(-10, 10), min_size=1, max_size=8),
    st.booleans(),
)
def test_the_best_is_never_stopped(body: dict[str, Any], values: list[float], minimize: bool) -> None:
    """Whatever the policy and the goal, the trial that leads goes on."""
    histories = {str(place): [value] for place, value in enumerate(values)}
    leader = str(values.index((min if minimize else max)(values)))
    assert not policy(**body).stops(leader, histories, interval=1, minimize=minimize)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "luck"}, "unknown early termination policy 'luck'; use bandit, median_stopping"),
        ({"type": "bandit"}, "either a slack factor or a slack amount"),
        ({"type": "bandit", "slack_factor": 0.1, "slack_amount": 0.1}, "either a slack factor or a slack amount"),
        ({"type": "truncation_selection"}, "percentage is 0, not 1 to 99"),
        ({"type": "median_stopping", "delay_evaluation": -1}, "a delay of evaluation 0 or more"),
    ],
)
def test_wrong_policies_are_refused(body: dict[str, Any], message: str) -> None:
    """A policy that could not be followed is refused."""
    with pytest.raises(ArmError, match=message):
        early_termination.read(body, where="here")
