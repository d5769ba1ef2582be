"""Rollouts through the SDK and HTTP, on an endpoint that somebody else made."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mlops.errors import FencedError, HeldError, InputError, MlopsError
from mlops.operations import conversations, drill, rollouts
from mlops.rollout import breadcrumb, preflight
from mlops.rollout.state import Phase
from mlops.workspace import lease
from tests.waiting import wait_for

if TYPE_CHECKING:
    from mlops.emulator.pytest_plugin import Emulator
    from mlops.rollout.state import State
    from mlops.rollout.window import Window
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")
CLIMB = [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}]
BACK = {"blue": 100}


@contextmanager
def users(place: Place) -> Iterator[Counter[tuple[int, str | None]]]:
    """Ask without a pause, as users do, every second time for a stream; count who answered with what."""
    found, seen, done = place.find(), Counter[tuple[int, str | None]](), threading.Event()
    client = rollouts.probe(place.workspace, found, timeout_s=30, max_new_tokens=5)

    def ask() -> None:
        stream = False
        while not done.is_set():
            sample = client.ask([{"role": "user", "content": "hello over there"}], stream=(stream := not stream))
            seen[sample.status if sample.text else 0, sample.deployment] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        client.close()


def test_a_rollout_and_its_rollback_lose_nothing_and_leave_the_rest_as_it_was(place: Place) -> None:
    """Users are answered all the while; tags, identity, description of others survive; a rollback is one write."""
    before = place.workspace.ml.online_endpoints.get(place.endpoint)
    since = place.seen()
    with users(place) as seen:
        state = place.roll_out()
        assert (state.phase, state.reason) == ("COMMITTED", "")
        assert place.writes(since) == [*CLIMB, {"green": 100}]
        since = place.seen()
        back = rollouts.give(place, "abort", reason="rolled back by an operator")
        assert back is not None
        assert (back.phase, place.writes(since)) == ("ROLLED_BACK", [BACK])
    assert {status for status, _ in seen} == {200}
    assert rollouts.give(place, "abort", reason="again") is None
    after = place.workspace.ml.online_endpoints.get(place.endpoint)
    assert {key: value for key, value in after.tags.items() if not key.startswith("rollout-")} == before.tags
    for field in ("description", "auth_mode", "public_network_access", "location", "scoring_uri"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.identity.type == before.identity.type


def interrupted(place: Place, phase: Phase, step: int) -> None:
    """Roll green out, and let the runner die as soon as it is in a phase: it writes nothing and releases nothing."""

    class DiedError(BaseException):
        pass

    def die(state: State, _: Window) -> None:
        if (state.phase, state.step) == (phase, step):
            raise DiedError

    with rollouts.crew(place, candidate="green", examples=conversations.of_smoke(), id="lost") as crew:
        crew.runner.told = die
        first = preflight.begin(
            crew.endpoint, place.settings.rollout, id="lost", candidate="green", at=crew.runner.clock.now()
        )
        with pytest.raises(DiedError):
            crew.runner.run(first)


def test_a_runner_that_dies_at_half_is_recovered_from_the_tags_alone(
    place: Place,
    make_place: Callable[..., Place],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another machine without a single file: nobody judged that step, so the traffic goes back; twice is once."""
    interrupted(place, Phase.BAKING, 1)
    assert place.find().live == {"blue": 50, "green": 50}
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    other = make_place()
    state = rollouts.recover(other)
    assert state is not None
    assert (state.phase, state.reason) == ("ROLLED_BACK", "its runner was lost at 50 %")
    assert other.find().live == BACK
    assert rollouts.recover(other) is None


def test_a_paused_rollout_is_ended_from_another_process(place: Place, make_place: Callable[..., Place]) -> None:
    """Too few requests pause it; promote takes the next step, resume goes on to the end."""
    unclear = make_place(rollout__min_requests=10_000, rollout__bake_max_s=0.1, rollout__on_inconclusive="pause")
    assert unclear.roll_out().phase == "PAUSED"
    with pytest.raises(MlopsError, match="it is PAUSED"):
        place.roll_out()
    since = place.seen()
    promoted = rollouts.give(unclear, "promote", reason="looked at it")
    assert promoted is not None
    assert (promoted.phase, promoted.weight) == ("PAUSED", 50)
    resumed = rollouts.give(place, "resume", reason="looked at it again")
    assert resumed is not None
    assert resumed.phase == "COMMITTED"
    assert CLIMB[0] not in place.writes(since)


def test_a_rollout_that_may_be_superseded_goes_back_first(place: Place, make_place: Callable[..., Place]) -> None:
    """Another candidate waits, unless it was told to take over; then users are back before it is deployed."""
    waiting = make_place(rollout__min_requests=10_000, rollout__bake_max_s=0.1, rollout__on_inconclusive="pause")
    rollouts.make_way(place, successor="newer")
    assert waiting.roll_out(run="older").phase == "PAUSED"
    with pytest.raises(InputError, match=r"rollout older of green is under way \(PAUSED\): wait for it"):
        rollouts.make_way(place, successor="newer")
    with pytest.raises(InputError, match="it is this run's own, take it up with `mlops rollout recover"):
        rollouts.make_way(place, successor="older")
    rollouts.make_way(make_place(rollout__supersede=True), successor="newer")
    found = place.find()
    crumb = breadcrumb.read(found.tags)
    assert crumb is not None
    assert (found.live, crumb.phase, crumb.reason) == (BACK, "ROLLED_BACK", "superseded by newer")


def test_of_two_runners_at_once_exactly_one_writes(place: Place, make_place: Callable[..., Place]) -> None:
    """The other one is told who holds the lease, and writes nothing at all."""
    since, results = place.seen(), list[object]()

    def start(number: int) -> None:
        try:
            results.append(make_place().roll_out(run=f"runner-{number}").phase)
        except HeldError as error:
            results.append(str(error))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refusal,) = [result for result in results if result != "COMMITTED"]
    assert "nothing was written" in str(refusal)
    assert place.writes(since) == [*CLIMB, {"green": 100}]


def test_an_abort_takes_over_from_a_runner_that_lives(place: Place, make_place: Callable[..., Place]) -> None:
    """The operator's write is the last one: the old runner finds a later epoch and stops."""
    slow = make_place(rollout__min_requests=100_000, rollout__bake_max_s=60)
    ended = list[object]()

    def work() -> None:
        try:
            ended.append(slow.roll_out())
        except FencedError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    since = place.seen()
    thread.start()
    wait_for(lambda: place.writes(since) == CLIMB[:1])
    with pytest.raises(HeldError, match="gave a sign of life"):
        rollouts.recover(place)
    said = lease.status(place.workspace, place.endpoint)
    assert said is not None
    assert 0 <= time.time() - said["seen"] < place.settings.rollout.lease_s
    state = rollouts.give(place, "abort", reason="abort by an operator")
    assert state is not None
    assert state.phase == "ROLLED_BACK"
    thread.join()
    assert isinstance(ended[0], FencedError)
    assert place.writes(since) == [CLIMB[0], BACK]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 409, "count": 2}),
        ("status", {"status": 429, "count": 2}),
        ("status", {"status": 503, "count": 5}),
        ("status", {"status": 500, "count": 1, "after": True}),
        ("operation", {"outcome": "fail", "code": "OperationCanceled", "count": 1}),
        ("propagation", {"delay_s": 2, "count": 1}),
    ],
)
def test_a_write_that_azure_does_not_do_at_once_is_done_in_the_end(
    make_place: Callable[..., Place], place: Place, azureml_emulator: Emulator, kind: str, options: dict[str, object]
) -> None:
    """Busy, throttled, failed after it was accepted, its answer lost, in effect late: the same write again."""
    where = (
        {"endpoint": place.endpoint}
        if kind == "propagation"
        else {"method": "PUT", "path": f"*/onlineEndpoints/{place.endpoint}"}
    )
    quick = make_place(rollout__steps=[100])
    with azureml_emulator.faults.injected(kind, **where, **options):
        state = quick.roll_out()
    assert (state.phase, state.reason) == ("COMMITTED", "")
    assert quick.find().live == {"green": 100}


def test_a_write_that_never_ends_goes_back(
    make_place: Callable[..., Place], place: Place, azureml_emulator: Emulator
) -> None:
    """It is waited for so long and no longer; the state says what is the case, and a later recovery mends it."""
    impatient = make_place(rollout__steps=[100], rollout__write_timeout_s=1, rollout__write_attempts=2)
    path = f"*/onlineEndpoints/{place.endpoint}"
    with azureml_emulator.faults.injected("operation", method="PUT", path=path, outcome="hang"):
        state = impatient.roll_out()
    assert state.phase == "BLOCKED"
    assert "after 2 attempts" in state.reason, state.reason
    recovered = rollouts.give(place, "abort", reason="after the trouble")
    assert recovered is not None
    assert (recovered.phase, place.find().live) == ("ROLLED_BACK", BACK)


def test_a_key_that_is_rotated_meanwhile_is_read_anew(place: Place) -> None:
    """A 401 is not the candidate's fault."""
    crumbs = list[Phase]()

    def rotate(state: State, _: Window) -> None:
        if state.phase is Phase.BAKING and not crumbs:
            place.workspace.ml.online_endpoints.begin_regenerate_keys(place.endpoint, key_type="primary").result()
            crumbs.append(state.phase)

    with rollouts.crew(place, candidate="green", examples=conversations.of_smoke(), id="keys") as crew:
        crew.runner.told = rotate
        now = crew.runner.clock.now()
        first = preflight.begin(crew.endpoint, place.settings.rollout, id="keys", candidate="green", at=now)
        state = rollouts.run(crew, first)
    assert (state.phase, crumbs) == ("COMMITTED", [Phase.BAKING])
    assert {step.error_rate for step in state.steps} == {0}


def test_a_stable_deployment_that_is_down_is_not_returned_to(place: Place, azureml_emulator: Emulator) -> None:
    """Both answer errors from half on: BLOCKED, nothing moved to the one that was stable."""
    faults = list[dict[str, object]]()

    def break_both(state: State, _: Window) -> None:
        if state.phase is Phase.BAKING and state.step == 1 and not faults:
            faults.append(azureml_emulator.faults.add("model-error", endpoint=place.endpoint, deployment="green"))
        if state.phase is Phase.ROLLING_BACK:
            faults.append(azureml_emulator.faults.add("model-error", endpoint=place.endpoint, deployment="blue"))

    since = place.seen()
    with rollouts.crew(place, candidate="green", examples=conversations.of_smoke(), id="down") as crew:
        crew.runner.told = break_both
        now = crew.runner.clock.now()
        first = preflight.begin(crew.endpoint, place.settings.rollout, id="down", candidate="green", at=now)
        state = rollouts.run(crew, first)
    for fault in faults:
        azureml_emulator.faults.clear(str(fault["id"]))
    assert state.phase == "BLOCKED"
    assert "traffic cannot go back: blue answers 424" in state.reason
    assert place.writes(since) == CLIMB[:2]


def test_a_drill_measures_how_long_users_are_at_risk(place: Place) -> None:
    """A candidate that cannot answer gets traffic and loses it; tags of the last real rollout stay, it is deleted."""
    place.roll_out()
    before = breadcrumb.read(place.find().tags)
    times = drill.drill(place)
    assert 0 < times.detection_s < 30
    assert 0 < times.recovery_s < 30
    found = place.find()
    after = breadcrumb.read(found.tags)
    assert before is not None
    assert after is not None
    assert after.model_copy(update={"epoch": before.epoch}) == before
    assert (found.live, sorted(found.traffic)) == ({"green": 100}, ["blue", "green"])
