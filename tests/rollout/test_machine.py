"""The moves of a rollout: only planned weights, one way back, and no event that leads astray."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlops.records import RolloutStep
from mlops.rollout import machine
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.state import (
    MIRROR,
    UNTOUCHED,
    Do,
    Done,
    Drifted,
    Event,
    Failed,
    Judged,
    Ordered,
    Phase,
    State,
    Ticked,
)
from tests.rollout.conftest import QUICK

PLAN = QUICK | {"deadline_s": 1000, "pause_s": 100, "retain_s": 50, "max_windows": 3}


def plan(*steps: int, **settings: Any) -> RolloutPlan:
    """Return a plan with these weights."""
    return RolloutPlan.model_validate(PLAN | {"steps": steps} | settings)


def begin(wanted: RolloutPlan, stable: str | None = "blue") -> State:
    """Return green's rollout about to begin."""
    traffic = {stable: 100} if stable else {}
    return machine.start(wanted, id="r", candidate="green", fingerprints={"green": "g"}, traffic=traffic, at=0)


def judged(verdict: str, at: float = 1) -> Judged:
    """Return the event of a verdict."""
    step = RolloutStep(
        weight=0,
        num_requests=1,
        num_candidate=1,
        error_rate=0,
        latency_s=0,
        stable_latency_s=None,
        verdict=verdict,
        reason=f"it is a {verdict}",
    )
    return Judged(at=at, step=step)


def drive(state: State, *verdicts: str, at: float = 1) -> tuple[State, list[dict[str, int]]]:
    """Do everything well until a runner would stop, with these verdicts; return the state and what was written."""
    given, writes = list(verdicts), []
    while (do := machine.todo(state)) is not None and not (do is Do.RETAIN and state.stable):
        if do is Do.WRITE:
            writes.append(state.traffic)
        state = machine.after(state, judged(given.pop(0), at) if do is Do.JUDGE else Done(at=at))
    return state, writes


def test_a_good_candidate_climbs_the_planned_weights_and_owns_them_in_the_end() -> None:
    """One write per planned step, the whole map each time, one more to commit; then the old one goes."""
    state, writes = drive(begin(plan(10, 50, 100)), *["pass"] * 4)
    assert state.phase is Phase.COMMITTED
    assert writes == [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}, {"green": 100}]
    state = machine.after(state, Done(at=60))
    assert (state.phase, machine.todo(state)) == (Phase.RETIRING, Do.DELETE_STABLE)
    assert machine.after(state, Done(at=61)).phase is Phase.SUCCEEDED


def test_the_first_deployment_gets_everything_at_once() -> None:
    """With nobody to share traffic with, smaller steps and a mirror make no sense, and nobody is retired."""
    state, writes = drive(begin(plan(10, 50, 100, mirror=20), stable=None), "pass", "pass")
    assert (state.phase, writes) == (Phase.SUCCEEDED, [{"green": 100}, {"green": 100}])


def test_copies_come_before_the_first_weight_and_end_with_it() -> None:
    """The mirror is written while the stable one has everything, and cleared by the write of the first weight."""
    state = begin(plan(10, 100, mirror=20))
    while state.phase is not Phase.MIRRORING:
        state = machine.after(state, Done(at=1))
    assert (state.traffic, state.mirror, state.step) == ({"blue": 100}, {"green": 20}, MIRROR)
    while state.phase is not Phase.SHIFTING:
        state = machine.after(state, judged("pass") if machine.todo(state) is Do.JUDGE else Done(at=1))
    assert (state.traffic, state.mirror) == ({"blue": 90, "green": 10}, {})


def test_what_fails_before_any_traffic_is_cleaned_away() -> None:
    """A candidate that does not pass its smoke test is deleted; the users noticed nothing, nothing was written."""
    state = machine.after(begin(plan(10, 100)), Failed(at=1, reason="empty answer"))
    state, writes = drive(state)
    assert (state.phase, state.reason, writes) == (Phase.FAILED, "empty answer", [])


def test_a_stable_deployment_that_is_down_blocks_the_way_back() -> None:
    """Traffic never goes to a deployment that does not answer: somebody has to look."""
    state, _ = drive(begin(plan(10, 100)), "fail")
    assert state.phase is Phase.ROLLED_BACK
    state = machine.after(begin(plan(10, 100)), Done(at=1))
    state = machine.after(machine.after(state, Done(at=1)), Failed(at=1, reason="cannot write"))
    assert (state.phase, machine.todo(state)) == (Phase.ROLLING_BACK, Do.CHECK_STABLE)
    state, writes = drive(machine.after(state, Failed(at=1, reason="blue is down")))
    assert (state.phase, writes) == (Phase.BLOCKED, [])


def test_an_unclear_verdict_is_measured_longer_and_then_left_to_a_person_or_the_plan() -> None:
    """Inconclusive and error never pass: three windows, then a pause, or back if the plan says so."""
    state, _ = drive(begin(plan(10, 100)), "inconclusive", "error", "inconclusive")
    assert (state.phase, state.step, len(state.steps)) == (Phase.PAUSED, 0, 3)
    assert "inconclusive after 3 windows" in state.reason
    state, writes = drive(begin(plan(10, 100, on_inconclusive="roll_back", max_windows=1)), "error")
    assert (state.phase, writes[-1]) == (Phase.ROLLED_BACK, {"blue": 100})


def test_a_pause_ends_by_an_order_or_its_deadline() -> None:
    """Resume measures the step afresh, promote takes the next one, abort and the deadline go back."""
    paused, _ = drive(begin(plan(10, 50, 100, max_windows=1)), "pass", "inconclusive", at=5)
    assert paused.traffic == {"blue": 50, "green": 50}
    resumed = machine.after(paused, Ordered(at=6, command="resume", reason="looked at it"))
    assert (resumed.phase, resumed.traffic) == (Phase.SHIFTING, {"blue": 50, "green": 50})
    promoted = machine.after(paused, Ordered(at=6, command="promote", reason="looked at it"))
    assert promoted.traffic == {"green": 100}
    assert drive(promoted, "pass", "pass", at=7)[0].phase is Phase.COMMITTED
    for event in (Ordered(at=6, command="abort", reason="no"), Ticked(at=106)):
        assert machine.after(paused, event).phase is Phase.ROLLING_BACK


def test_a_rollout_that_takes_too_long_goes_back() -> None:
    """Its deadline counts from the start; before any traffic moved the candidate is cleaned away."""
    baking = begin(plan(10, 100))
    for _ in range(4):
        baking = machine.after(baking, Done(at=1))
    assert baking.phase is Phase.BAKING
    assert machine.after(baking, Ticked(at=1001)).phase is Phase.ROLLING_BACK
    assert machine.after(begin(plan(10, 100)), Done(at=1001)).phase is Phase.CLEANING


def test_traffic_that_somebody_else_set_is_left_alone() -> None:
    """Back to the start is a rollback by others; anything else waits for an order, nothing written meanwhile."""
    baking, _ = drive(begin(plan(10, 100, max_windows=1)), "inconclusive")
    baking = machine.after(baking, Ordered(at=2, command="resume", reason=""))
    assert machine.after(baking, Drifted(at=3, traffic={"blue": 100})).phase is Phase.ROLLED_BACK
    drifted = machine.after(baking, Drifted(at=3, traffic={"blue": 30, "green": 70}))
    assert (drifted.phase, machine.todo(drifted)) == (Phase.PAUSED, None)
    assert "blue 30 %, green 70 %" in drifted.reason


def test_a_lost_runner_means_back_unless_the_candidate_has_everything() -> None:
    """Nobody judged the step it stood at: less than everything goes back, a pause goes on waiting."""
    half = machine.after(begin(plan(50, 100)), Done(at=1))
    half = machine.after(half, Done(at=1))
    assert (half.phase, machine.lost(half, at=2).phase) == (Phase.SHIFTING, Phase.ROLLING_BACK)
    paused = machine.after(half, Ordered(at=2, command="pause", reason="lunch"))
    assert machine.lost(paused, at=3) == paused
    assert machine.lost(paused, at=200).phase is Phase.ROLLING_BACK
    whole = machine.after(machine.after(begin(plan(100)), Done(at=1)), Done(at=1))
    assert machine.lost(whole, at=2) == whole


WEIGHTS = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda weights: (*sorted(weights), 100))
TRAFFIC = st.sampled_from(({"blue": 100}, {"green": 100}, {"blue": 30, "green": 70}))
TIMES = st.sampled_from((1.0, 1.0, 1.0, 1.0, 2000.0))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Done, at=TIMES),
    st.builds(Done, at=st.just(1.0)),
    st.builds(Done, at=st.just(1.0)),
    st.builds(Failed, at=TIMES, reason=st.just("no")),
    st.builds(judged, st.sampled_from(("pass", "pass", "pass", "fail", "inconclusive", "error")), TIMES),
    st.builds(Drifted, at=TIMES, traffic=TRAFFIC),
    st.builds(
        Ordered, at=TIMES, command=st.sampled_from(("pause", "resume", "promote", "abort")), reason=st.just("said")
    ),
    st.builds(Ticked, at=TIMES),
)


def possible(state: State, event: Event) -> bool:
    """Return whether a runner can meet the event in the state."""
    do = machine.todo(state)
    if isinstance(event, Judged):
        return do is Do.JUDGE or (do is Do.BAKE and event.step.verdict == "fail")
    if isinstance(event, Done):
        return do is not None and do is not Do.JUDGE
    return do is not None or isinstance(event, Ordered | Ticked)


@given(
    steps=WEIGHTS,
    mirror=st.sampled_from((0, 20)),
    stable=st.sampled_from(("blue", None)),
    back=st.booleans(),
    events=st.lists(EVENTS, max_size=60),
)
def test_no_order_of_events_breaks_a_rule(
    steps: tuple[int, ...], mirror: int, stable: str | None, back: bool, events: list[Event]
) -> None:
    """Sums are 0 or 100, weights planned and rising until a rollback, the mirror never beside live weight."""
    wanted = plan(*steps, mirror=mirror, on_inconclusive="roll_back" if back else "pause")
    state = begin(wanted, stable)
    highest, was_smoked = 0, False
    for event in events:
        if not possible(state, event):
            continue
        before = state
        was_smoked |= machine.todo(before) is Do.SMOKE and isinstance(event, Done)
        state = machine.after(before, event)
        assert sum(state.traffic.values()) == (100 if stable or state.weight else 0)
        assert state.traffic.get("green", 0) in {0, *steps}
        assert not state.mirror or not state.traffic.get("green")
        assert not state.mirror or state.mirror == {"green": mirror}
        assert state.phase in UNTOUCHED or was_smoked or state.phase is Phase.ROLLED_BACK
        assert (state.stable, state.start) == (before.stable, before.start)
        if state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
            assert (state.traffic, state.mirror) == ({"blue": 100} if stable else {}, {})
            highest = 0
        elif state.phase is not Phase.BLOCKED:
            assert state.weight >= highest
            highest = state.weight
        if state.phase is Phase.COMMITTED and before.phase is not Phase.COMMITTED:
            was_promoted = isinstance(event, Ordered) and event.command == "promote"
            assert was_promoted or (isinstance(event, Judged) and event.step.verdict == "pass")
        if before.is_over:
            assert state == before


@given(steps=WEIGHTS, events=st.lists(EVENTS, max_size=40))
def test_an_abort_always_leads_back_and_twice_is_once(steps: tuple[int, ...], events: list[Event]) -> None:
    """From every state, an abort ends where it began unless it is over already; it beats every other order."""
    state = begin(plan(*steps))
    for event in events:
        state = machine.after(state, event) if possible(state, event) else state
    abort = Ordered(at=1, command="abort", reason="enough")
    once = machine.after(state, abort)
    final, writes = drive(once)
    assert state.is_over or final.phase is Phase.ROLLED_BACK
    assert writes in ([], [{"blue": 100}])
    assert machine.after(final, abort) == final
