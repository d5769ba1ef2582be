"""What may be deleted: found by traffic, state and tags; never what has traffic or a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.operations import janitor
from mlops.rollout import breadcrumb, machine
from mlops.rollout.state import Phase
from mlops.settings import load
from mlops.workspace.endpoints import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.operations.conftest import Place

PLAN = load("local", variables={}).rollout
DAY = 86_400.0


def endpoint(
    tags: dict[str, str],
    traffic: dict[str, int] | None = None,
    mirror: dict[str, int] | None = None,
    states: dict[str, str] | None = None,
) -> Endpoint:
    """Return an endpoint with a blue and a green deployment."""
    given = states or {"blue": "Succeeded", "green": "Succeeded"}
    live = {"green": 100} if traffic is None else traffic
    return Endpoint("chat", "https://x", dict.fromkeys(given, 0) | live, mirror or {}, tags, given, {})


def crumbs(phase: Phase, *, at: float = 0) -> dict[str, str]:
    """Return the tags of a rollout of green that entered a phase."""
    first = machine.start(PLAN, id="r", candidate="green", fingerprints={}, traffic={"blue": 100}, at=at)
    return breadcrumb.tags(first, epoch=1) | {"rollout-phase": phase}


@pytest.mark.parametrize(
    ("found", "deleted"),
    [
        (endpoint(crumbs(Phase.COMMITTED)), {"blue": "its successor has served for 48.0 h"}),
        (endpoint(crumbs(Phase.COMMITTED, at=2 * DAY - 60)), {}),
        (endpoint(crumbs(Phase.ROLLED_BACK), {"blue": 100}), {"green": "it was rolled back 48.0 h ago"}),
        (endpoint(crumbs(Phase.PAUSED), {"blue": 50, "green": 50}), {}),
        (endpoint(crumbs(Phase.SHIFTING), {"blue": 100}), {}),
        (endpoint({}), {}),
        (endpoint({}, states={"blue": "Failed", "green": "Succeeded"}), {"blue": "it failed"}),
        (endpoint({"expires": "100"}), {None: "it has expired"}),
        (endpoint({"expires": str(3 * DAY)}), {}),
        (endpoint(crumbs(Phase.COMMITTED), mirror={"blue": 10}), {}),
    ],
)
def test_each_kind_of_leftover_is_found_and_nothing_else(found: Endpoint, deleted: dict[str | None, str]) -> None:
    """Retired, rolled back, failed, expired; what is under way, or nobody knows of, stays."""
    findings = janitor.judge(found, PLAN, now=2 * DAY, idle_s=DAY)
    assert {each.deployment: each.reason for each in findings} == deleted


@given(
    phase=st.sampled_from(Phase),
    blue=st.sampled_from((0, 50, 100)),
    mirror=st.dictionaries(st.sampled_from(("blue", "green")), st.integers(1, 50), max_size=1),
    states=st.fixed_dictionaries(
        dict.fromkeys(("blue", "green"), st.sampled_from(("Succeeded", "Failed", "Updating")))
    ),
    now=st.floats(0, 100 * DAY),
)
def test_nothing_with_weight_or_mirror_is_ever_found(
    phase: Phase, blue: int, mirror: dict[str, int], states: dict[str, str], now: float
) -> None:
    """Whatever the tags, the states and the time say."""
    found = endpoint(crumbs(phase), {"blue": blue, "green": 100 - blue}, mirror, states)
    for finding in janitor.judge(found, PLAN, now=now, idle_s=0):
        assert not found.traffic[str(finding.deployment)]
        assert finding.deployment not in mirror


@pytest.mark.xdist_group("endpoints")
def test_a_dry_run_deletes_nothing_and_traffic_that_came_meanwhile_saves(
    place: Place, make_place: Callable[..., Place]
) -> None:
    """What is deleted is looked at once more in the last moment."""
    assert make_place
    idle = janitor.Finding(place.endpoint, "green", "said so")
    serving = janitor.Finding(place.endpoint, "blue", "said so by mistake")
    janitor.clean(place, [idle], dry_run=True)
    janitor.clean(place, [serving], dry_run=False)
    assert sorted(place.find().traffic) == ["blue", "green"]
