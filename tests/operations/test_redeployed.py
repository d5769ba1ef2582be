"""A model that is deployed once more: its rollout is interrupted, and then its container hangs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psutil
import pytest
from rich.console import Console

from mlops.operations import conversations, rollouts
from mlops.operations.site import Site
from mlops.rollout import preflight
from mlops.rollout.state import Phase
from mlops.settings import load
from mlops.workspace import deployments, endpoints
from tests.operations.conftest import VARIABLES

if TYPE_CHECKING:
    from mlops.rollout.state import State
    from mlops.rollout.window import Window
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")
AGAIN = "again"
FIRST, BACK = {"blue": 90, AGAIN: 10}, {"blue": 100}
SHORT = {"deploy__request_timeout_s": 1}
MOST_S = 30
"""More than five requests that end after a second each, and less than anybody would wait for a person."""


@pytest.fixture(scope="module", autouse=True)
def _again(name: str) -> Iterator[None]:
    """Put the model of the others behind the endpoint once more, with a request timeout of a second."""
    short = {f"MLOPS_{key.upper()}": str(value) for key, value in SHORT.items()}
    settings = load("local", variables=VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": name} | short)
    workspace = Site("local", settings, Console(quiet=True)).workspace
    model = endpoints.deployed_model(workspace, name, "green")
    deployments.deploy(workspace, AGAIN, model=model, settings=settings.deploy, tags={"run": AGAIN})
    yield
    deployments.delete(workspace, name, AGAIN, timeout_s=60)


@pytest.fixture
def short(make_place: Callable[..., Place], place: Place) -> Place:
    """Return the endpoint with blue serving everybody, to those who wait for an answer as long as the new one does."""
    assert place.find().live == BACK
    return make_place(**SHORT)


def roll_out(place: Place, at_first_weight: Callable[[], None]) -> State:
    """Roll the new one out, and let something happen once it has its first weight."""
    happened = list[Phase]()

    def told(state: State, _: Window) -> None:
        if state.phase is Phase.BAKING and not happened:
            happened.append(state.phase)
            at_first_weight()

    with rollouts.crew(place, candidate=AGAIN, examples=conversations.of_smoke(), id=AGAIN) as crew:
        crew.runner.told = told
        now = crew.runner.clock.now()
        first = preflight.begin(crew.endpoint, place.settings.rollout, id=AGAIN, candidate=AGAIN, at=now)
        return rollouts.run(crew, first)


def container(place: Place) -> psutil.Process:
    """Return the process that serves the new deployment."""
    folder = str(place.home.deployments / place.endpoint / AGAIN)
    (found,) = [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == folder]
    return found


def test_an_interrupted_rollout_gives_the_traffic_back_first(short: Place) -> None:
    """SIGTERM, with which CI cancels, leaves users where they were before the process ends."""
    before, since = signal.signal(signal.SIGTERM, signal.default_int_handler), short.seen()
    try:
        with pytest.raises(KeyboardInterrupt):
            roll_out(short, lambda: os.kill(os.getpid(), signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert short.writes(since) == [FIRST, BACK]


def test_a_candidate_that_hangs_loses_its_traffic_by_itself(short: Place) -> None:
    """It takes connections and answers none: back in one write, the cause named, and users are answered again."""
    hanging, since, start = container(short), short.seen(), time.monotonic()
    try:
        state = roll_out(short, hanging.suspend)
    finally:
        hanging.resume()
    assert state.phase == "ROLLED_BACK", state.reason
    assert "x 408" in state.reason, state.reason
    assert short.writes(since) == [FIRST, BACK]
    assert time.monotonic() - start < MOST_S


def test_probes_wait_as_long_as_the_model_takes_to_load(short: Place) -> None:
    """Readiness is asked from the start, liveness not before the model may have been loaded."""
    made = short.workspace.ml.online_deployments.get(AGAIN, short.endpoint)
    startup_s = short.settings.deploy.startup_s
    assert made.readiness_probe.initial_delay + made.readiness_probe.failure_threshold * 10 > startup_s
    assert (made.liveness_probe.initial_delay, made.liveness_probe.failure_threshold) == (startup_s, 30)
