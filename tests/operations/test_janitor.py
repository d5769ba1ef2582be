"""What may be deleted: found by traffic, state and tags; never a deployment that has traffic or a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mlops.errors import AzureError, InputError
from mlops.operations import janitor
from mlops.operations.site import Site
from mlops.rollout import breadcrumb, machine
from mlops.rollout.state import Phase
from mlops.settings import load
from mlops.workspace.endpoints import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_mock import MockerFixture

    from tests.operations.conftest import Place

PLAN = load("local", variables={}).rollout
DAY = 86_400.0


FINGERPRINTS = {"blue": "b", "green": "g"}


def endpoint(
    tags: dict[str, str],
    traffic: dict[str, int] | None = None,
    *,
    mirror: dict[str, int] | None = None,
    states: dict[str, str] | None = None,
    fingerprints: dict[str, str] = FINGERPRINTS,
    deployed: dict[str, float] | None = None,
) -> Endpoint:
    """Return an endpoint with a blue and a green deployment."""
    given = states or {"blue": "Succeeded", "green": "Succeeded"}
    weights = dict.fromkeys(given, 0) | ({"green": 100} if traffic is None else traffic)
    return Endpoint("chat", "https://x", weights, mirror or {}, tags, given, fingerprints, deployed or {})


def crumbs(phase: Phase, *, at: float = 0) -> dict[str, str]:
    """Return the tags of a rollout of green that entered a phase."""
    first = machine.start(PLAN, id="r", candidate="green", fingerprints=FINGERPRINTS, traffic={"blue": 100}, at=at)
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
        (endpoint(crumbs(Phase.COMMITTED), fingerprints={"blue": "new", "green": "g"}), {}),
        (endpoint(crumbs(Phase.COMMITTED), deployed={"blue": 1.5 * DAY}), {}),
        (endpoint(crumbs(Phase.ROLLED_BACK), {"blue": 100}, deployed={"green": 1.5 * DAY}), {}),
        (endpoint(crumbs(Phase.FAILED), deployed={"blue": 1.5 * DAY}), {}),
        (endpoint(crumbs(Phase.FAILED), deployed={"blue": 0.5 * DAY}), {"blue": "it has had no traffic for 36.0 h"}),
        (endpoint({}, deployed={"blue": 0.0}), {"blue": "it has had no traffic for 48.0 h"}),
    ],
)
def test_each_kind_of_leftover_is_found_and_nothing_else(found: Endpoint, deleted: dict[str | None, str]) -> None:
    """Retired, rolled back, failed, idle, expired; what is under way, waits for its rollout, or is not ours, stays."""
    findings = janitor.judge(found, PLAN, now=2 * DAY, idle_s=DAY)
    assert {each.deployment: each.reason for each in findings} == deleted


@given(
    phase=st.sampled_from(Phase),
    blue=st.sampled_from((0, 50, 100)),
    mirror=st.dictionaries(st.sampled_from(("blue", "green")), st.integers(1, 50), max_size=1),
    states=st.fixed_dictionaries(
        dict.fromkeys(("blue", "green"), st.sampled_from(("Succeeded", "Failed", "Updating")))
    ),
    deployed=st.dictionaries(st.sampled_from(("blue", "green")), st.floats(0, 100 * DAY)),
    expires=st.none() | st.floats(0, 100 * DAY),
    now=st.floats(0, 100 * DAY),
)
def test_nothing_with_weight_or_mirror_is_ever_found(
    phase: Phase,
    blue: int,
    mirror: dict[str, int],
    states: dict[str, str],
    deployed: dict[str, float],
    expires: float | None,
    now: float,
) -> None:
    """Whatever the tags, the states and the time say; only an endpoint that has expired is deleted whole."""
    tags = crumbs(phase) | ({} if expires is None else {"expires": str(expires)})
    traffic = {"blue": blue, "green": 100 - blue}
    found = endpoint(tags, traffic, mirror=mirror, states=states, deployed=deployed)
    for finding in janitor.judge(found, PLAN, now=now, idle_s=0):
        if finding.deployment is None:
            assert expires is not None
            assert expires < now
        else:
            assert not found.traffic[finding.deployment]
            assert finding.deployment not in mirror


@given(
    phase=st.sampled_from(Phase), waited=st.floats(1, PLAN.retain_s + DAY), fingerprint=st.sampled_from(("b", "g", "n"))
)
def test_a_candidate_that_waits_for_its_rollout_is_never_found(phase: Phase, waited: float, fingerprint: str) -> None:
    """Whatever became of the rollout before, and even if the same model was deployed once more."""
    found = endpoint(
        crumbs(phase), fingerprints={"blue": fingerprint, "green": "g"}, deployed={"green": 0, "blue": 50 * DAY}
    )
    assert janitor.judge(found, PLAN, now=50 * DAY + waited, idle_s=PLAN.retain_s + DAY) == []


def test_tags_that_cannot_be_read_save_their_endpoint_and_no_other(
    mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A date instead of seconds, or a damaged rollout: it is said, and the others are cleaned."""
    damaged = crumbs(Phase.COMMITTED) | {"rollout-step": "one"}
    failed = {"blue": "Failed", "green": "Succeeded"}
    dated, torn, well = (endpoint(tags, states=failed) for tags in ({"expires": "2026-01-01"}, damaged, {}))
    mocker.patch.object(janitor.endpoints, "list_all", return_value=[dated, torn, well])
    site = Site("local", load("local", variables={}), Console(width=200))
    mocker.patch.object(Site, "workspace")
    assert janitor.find(site, idle_s=DAY) == [janitor.Finding("chat", "blue", "it failed")]
    said = capsys.readouterr().out
    assert "its tag expires is '2026-01-01': write seconds since 1970" in said
    assert "rollout-step cannot be read" in said


def test_what_cannot_be_deleted_keeps_nothing_else(mocker: MockerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """The others go all the same; then the reasons end it, so that the workflow is red."""
    site = Site("local", load("local", variables={}), Console(width=200))
    mocker.patch.object(Site, "workspace")
    mocker.patch.object(janitor.endpoints, "delete", side_effect=[AzureError("could not delete one: locked"), None])
    findings = [janitor.Finding(name, None, "it has expired") for name in ("one", "two")]
    with pytest.raises(AzureError, match="could not delete one: locked"):
        janitor.clean(site, findings, dry_run=False)
    assert "two" in capsys.readouterr().out


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
    with pytest.raises(InputError, match=r"is used \(blue 100 %\): nothing was deleted. Add --force to delete it"):
        janitor.whole(place, place.endpoint, force=False)
    assert place.find().deployed.keys() == {"blue", "green"}
    assert sorted(place.find().traffic) == ["blue", "green"]
