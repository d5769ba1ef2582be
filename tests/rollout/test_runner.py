"""A runner in a world of one endpoint: every write is checked there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import AzureError, FencedError, InputError, Refusal
from mlops.rollout import machine
from mlops.rollout.state import Phase, State

if TYPE_CHECKING:
    from mlops.rollout.probe import Sample
    from tests.rollout.conftest import World

CLIMB = [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}]
BACK = {"blue": 100}


def test_a_good_candidate_gets_everything_and_the_old_one_is_retired(world: World) -> None:
    """As many writes as steps and one to commit; the tags of others stay; the old one is deleted without traffic."""
    state = world.roll_out()
    assert (state.phase, world.writes, world.deleted) == (Phase.SUCCEEDED, [*CLIMB, {"green": 100}], ["blue"])
    assert world.tags["owner"] == "somebody"
    assert world.tags["rollout-phase"] == "COMMITTED"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 500}, "5 requests in a row failed"),
        ({"status": 429}, "capacity, 429"),
        ({"text": " "}, "bad answers: 100.0%"),
        ({"text": "\ufffd\ufffd"}, "bad answers: 100.0%"),
        ({"seconds": 2.5}, "seconds: median 2.500, 2.5 times"),
        ({"text": "something else altogether"}, "ROUGE-1"),
        ({"status": 0}, "5 requests in a row failed"),
    ],
)
def test_each_kind_of_fault_takes_the_traffic_back(world: World, answer: dict[str, Any], told: str) -> None:
    """At the first step, in one write, with the reason; the candidate stays for a diagnosis."""
    world.harm(**answer)
    state = world.roll_out()
    assert state.phase is Phase.ROLLED_BACK
    assert told in state.reason
    assert (world.writes, world.live, world.mirror) == ([CLIMB[0], BACK], BACK, {})
    assert world.deleted == []


def test_a_candidate_that_was_rolled_back_for_its_faults_does_not_try_again(world: World) -> None:
    """The same fingerprint needs to be forced; another one may try."""
    world.harm(status=500)
    world.roll_out()
    with pytest.raises(Refusal, match="was rolled back already: 5 requests in a row"):
        world.roll_out()
    world.behavior.clear()
    assert world.roll_out(force=True).phase is Phase.SUCCEEDED


def test_the_world_before_the_first_write_is_untouched(world: World) -> None:
    """A smoke test that fails deletes the candidate and writes nothing."""
    world.behavior["green"] = lambda: {"text": ""}
    state = world.roll_out()
    assert (state.phase, world.writes, world.deleted) == (Phase.FAILED, [], ["green"])


def test_one_lost_answer_is_no_failed_smoke_test(world: World) -> None:
    """It is asked once more; a deployment that fails now and then is the bake's to judge."""
    answers = iter([{"status": 0}])
    world.behavior["green"] = lambda: next(answers, {})
    assert world.roll_out().phase is Phase.SUCCEEDED


def test_a_candidate_that_was_replaced_is_not_the_one_that_was_meant(world: World) -> None:
    """The fingerprint of what was smoked is the one that gets traffic."""
    runner = world.runner()
    first = machine.start(
        world.plan(), id="r", candidate="green", fingerprints=world.fingerprints, traffic={"blue": 100}, at=1
    )
    world.fingerprints["green"] = "other"
    state = runner.run(first)
    assert (state.phase, "was replaced" in state.reason, world.writes) == (Phase.FAILED, True, [])


def test_both_sides_in_trouble_is_no_failure_of_the_candidate(world: World) -> None:
    """A key that was rotated away, or a service that is down, pauses; nobody gets the blame."""
    for color in ("blue", "green"):
        world.behavior[color] = lambda: {"status": 401} if "green" in world.traffic else {}
    state = world.roll_out()
    assert state.phase is Phase.PAUSED
    assert world.live == CLIMB[0]
    assert [step.verdict for step in state.steps] == ["inconclusive", "inconclusive"]


def test_without_requests_nothing_passes(world: World) -> None:
    """Too few requests pause it, however good they were."""
    state = world.roll_out(min_requests=10**6, bake_max_s=1)
    assert (state.phase, "asks for 1000000" in state.reason) == (Phase.PAUSED, True)


def test_answers_of_nobody_are_an_error_never_a_pass(world: World) -> None:
    """Requests that do not say who answered cannot be judged."""
    ask = world.ask
    world.ask = lambda *args, **named: _of_nobody(ask(*args, **named), world)  # type: ignore[method-assign]
    state = world.roll_out(effect_s=1000)
    assert state.phase is Phase.PAUSED
    assert state.steps[-1].verdict == "error"
    assert "do not say which" in state.reason


def _of_nobody(sample: Any, world: World) -> Any:
    from dataclasses import replace

    strange = world.seconds % 0.5 < 0.1 and "green" in world.traffic and sample.pin is None
    return replace(sample, deployment="yellow") if strange else sample


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_candidate_that_crashes_at_any_step_loses_everything_at_once(world: World, step: int) -> None:
    """From every weight one write goes back to the start."""
    weight = CLIMB[step]["green"]
    world.behavior["green"] = lambda: {"status": 424} if world.traffic.get("green") == weight else {}
    state = world.roll_out()
    assert (state.phase, world.writes) == (Phase.ROLLED_BACK, [*CLIMB[: step + 1], BACK])


@pytest.mark.parametrize("steps", [(1, 100), (10, 100), (10, 50, 100)])
def test_a_rollback_is_done_when_users_are_back_not_before(world: World, steps: tuple[int, ...]) -> None:
    """The old weight goes on for 100 requests: five answers of the stable one in a row are likely even so."""
    world.harm(status=500)
    late = world.ask

    def ask(messages: Any, *, deployment: str | None = None, **named: Any) -> Sample:
        is_late = not deployment and world.writes[-1:] == [BACK] and world.seconds < since[0] + 1
        return late(messages, deployment=world.dice.choices(*drawn)[0] if is_late else deployment, **named)

    def note(state: State) -> None:
        if state.phase is Phase.ROLLING_BACK and not since:
            since.append(world.seconds)

    since, drawn = list[float](), (("blue", "green"), (100 - steps[0], steps[0]))
    world.ask, world.told = ask, note  # type: ignore[method-assign]  # its answers come late
    state = world.roll_out(steps=steps, effect_s=2)
    assert state.phase is Phase.ROLLED_BACK
    assert state.entered_at > since[0] + 1


@pytest.mark.parametrize("down", ["crashed", "failed", "replaced"])
def test_a_stable_deployment_that_is_down_gets_no_traffic_back(world: World, down: str) -> None:
    """BLOCKED, and not one write: the candidate may be bad, but nobody at all would be worse."""
    world.harm(status=500)

    def bring_down(state: State) -> None:
        if state.phase is Phase.ROLLING_BACK and down == "crashed":
            world.behavior["blue"] = lambda: {"status": 424}
        elif state.phase is Phase.ROLLING_BACK:
            (world.states if down == "failed" else world.fingerprints)["blue"] = "Failed"

    world.told = bring_down
    state = world.roll_out()
    assert (state.phase, world.writes) == (Phase.BLOCKED, [CLIMB[0]])
    assert "traffic cannot go back: blue" in state.reason


@pytest.mark.parametrize("count", [1, 4])
def test_a_busy_azure_is_asked_again(world: World, busy: Callable[[int], list[Exception]], count: int) -> None:
    """409, 429, 503, a failed or cancelled operation: the same write again, a bounded number of times."""
    world.busy = busy(count)
    state = world.roll_out()
    assert (state.phase, world.writes) == (Phase.SUCCEEDED, [*CLIMB, {"green": 100}])


def test_an_azure_that_stays_busy_ends_in_order(world: World, busy: Callable[[int], list[Exception]]) -> None:
    """Five attempts, then back; if that cannot be written either, somebody has to look."""
    world.busy = busy(5)
    assert (world.roll_out().phase, world.writes) == (Phase.ROLLED_BACK, [BACK])
    world.busy = busy(100)
    assert world.roll_out().phase is Phase.BLOCKED


def test_a_write_that_azure_refuses_for_good_is_not_repeated(world: World) -> None:
    """What cannot succeed goes back at once."""
    world.busy = [AzureError("400: the sum must be 100")]
    state = world.roll_out()
    assert (state.phase, world.writes) == (Phase.ROLLED_BACK, [BACK])
    assert "400" in state.reason


def test_traffic_that_somebody_else_sets_is_seen_before_the_next_write(world: World) -> None:
    """Nothing is overwritten silently: it pauses, hands off, and its tags stay as they were."""
    world.behavior["green"] = lambda: _meddle(world)
    state = world.roll_out()
    assert (state.phase, state.hands_off, world.writes) == (Phase.PAUSED, True, CLIMB[:1])
    assert world.live == {"blue": 70, "green": 30}


def _meddle(world: World) -> dict[str, Any]:
    if world.writes:
        world.traffic = {"blue": 70, "green": 30}
    return {}


def test_whoever_is_fenced_writes_nothing_more(world: World) -> None:
    """An operator takes the lease: the old runner stops at its next look, having written nothing since."""
    runner = world.runner()
    world.behavior["green"] = lambda: _take_over(world)
    first = machine.start(
        world.plan(), id="r", candidate="green", fingerprints=world.fingerprints, traffic={"blue": 100}, at=1
    )
    with pytest.raises(FencedError):
        runner.run(first)
    assert world.writes == CLIMB[:1]


def _take_over(world: World) -> dict[str, Any]:
    if world.writes:
        world.epoch = 2
    return {}


def test_another_candidate_waits_until_the_rollout_is_over(world: World) -> None:
    """What is under way or paused refuses others; it is named, with what may be done."""
    world.roll_out(min_requests=10**6, bake_max_s=1)
    with pytest.raises(Refusal, match="it is PAUSED"):
        world.roll_out()
    world.fingerprints["green"] = "other"
    with pytest.raises(InputError, match="rollout run of green is under way"):
        world.roll_out()
