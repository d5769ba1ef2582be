"""The rollout machine: only planned weights, and one way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlops.records import RolloutStep
from mlops.rollout import machine
from mlops.rollout.machine import Phase, State
from mlops.rollout.plan import RolloutPlan


def plan(*steps: int) -> RolloutPlan:
    """Return a plan with these weights."""
    return RolloutPlan(steps=steps, min_requests=1, max_error_rate=0, max_latency_ratio=2, step_deadline_s=1)


def measured(weight: int, verdict: str) -> RolloutStep:
    """Return a step's measurement with this verdict."""
    return RolloutStep(
        weight=weight,
        num_requests=1,
        num_candidate=1,
        error_rate=0,
        latency_s=0,
        stable_latency_s=None,
        verdict=verdict,
        reason="",
    )


def drive(state: State, verdicts: list[str]) -> tuple[State, list[dict[str, int]]]:
    """Run a rollout to its end; return the last state and every traffic map written."""
    writes = []
    while not state.done:
        if state.phase is Phase.JUDGING:
            state = machine.judged(state, measured(state.weight, verdicts.pop(0)))
        else:
            writes.append(state.traffic)
            state = machine.shifted(state)
    return state, writes


def test_a_good_candidate_climbs_the_planned_weights() -> None:
    """One write per planned step, the whole map each time, everything to the candidate at the end."""
    state = machine.start(plan(10, 50, 100), candidate="green", stable="blue")
    state, writes = drive(state, ["pass"] * 3)
    assert state.phase is Phase.SUCCEEDED
    assert writes == [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}]


def test_the_first_deployment_gets_everything_at_once() -> None:
    """With nobody to share traffic with, the smaller steps make no sense."""
    state = machine.start(plan(10, 50, 100), candidate="blue", stable=None)
    final, writes = drive(state, ["pass"])
    assert (final.phase, writes) == (Phase.SUCCEEDED, [{"blue": 100}])


steps = st.lists(st.integers(1, 99), max_size=5, unique=True).map(lambda weights: (*sorted(weights), 100))
verdicts = st.lists(st.sampled_from(["pass", "pass", "pass", "fail", "inconclusive"]), min_size=6, max_size=6)


@given(steps=steps, verdicts=verdicts)
def test_invariants_hold_for_every_plan_and_outcome(steps: tuple[int, ...], verdicts: list[str]) -> None:
    """Sums are 100; weights are planned ones and rise until a rollback, which is one write of the start."""
    state, writes = drive(machine.start(plan(*steps), candidate="green", stable="blue"), list(verdicts))
    assert all(sum(traffic.values()) == 100 for traffic in writes)
    failed = next((index for index, verdict in enumerate(verdicts[: len(steps)]) if verdict != "pass"), None)
    climbed = writes if failed is None else writes[:-1]
    assert [traffic["green"] for traffic in climbed] == list(steps[: len(climbed)])
    if failed is None:
        assert state.phase is Phase.SUCCEEDED
    else:
        assert (state.phase, writes[-1], len(writes)) == (Phase.ROLLED_BACK, {"blue": 100}, failed + 2)


def test_a_rollout_that_is_over_does_nothing() -> None:
    """A stage that is started again after success makes no write."""
    state = machine.start(plan(10, 100), candidate="green", stable="blue", done=True)
    assert drive(state, []) == (state, [])
