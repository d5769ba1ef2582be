"""The rollout in the endpoint's tags: enough to go on from, and short enough for Azure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops.errors import RecordError
from mlops.rollout import breadcrumb, machine
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.state import Phase, State
from tests.rollout.conftest import QUICK

PLAN = RolloutPlan.model_validate(QUICK)


@pytest.fixture
def shifting() -> State:
    """Return a rollout at 50 %."""
    prints = {"green": "g", "blue": "b"}
    state = machine.start(PLAN, id="r", candidate="green", fingerprints=prints, traffic={"blue": 100}, at=1.5)
    return replace(state, phase=Phase.SHIFTING, step=1, reason="so far so good")


def test_a_state_is_recovered_from_its_tags_alone(shifting: State) -> None:
    """Phase, step, who, since when, and the weights it began with, whatever the settings say by now."""
    crumb = breadcrumb.read({"owner": "x", **breadcrumb.tags(shifting, epoch=3)})
    assert crumb is not None
    assert (crumb.epoch, crumb.is_active) == (3, True)
    other = PLAN.model_copy(update={"steps": (25, 100)})
    assert breadcrumb.recovered(crumb, other) == replace(shifting, written={"blue": 50, "green": 50})


def test_the_write_that_goes_back_says_that_it_is_back(shifting: State) -> None:
    """Traffic and tags change together, so no second write is needed to say so."""
    crumb = breadcrumb.read(breadcrumb.tags(replace(shifting, phase=Phase.ROLLING_BACK), epoch=1))
    assert crumb is not None
    assert (crumb.phase, crumb.is_active) == (Phase.ROLLED_BACK, False)


def test_tags_fit_azure(shifting: State) -> None:
    """A value has at most 256 characters, a resource at most 50 tags."""
    tags = breadcrumb.tags(replace(shifting, reason="x" * 1000), epoch=1)
    assert max(map(len, tags.values())) <= 256
    assert len(tags) <= 15


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("rollout-step", "two"),
        ("rollout-phase", "DANCING"),
        ("rollout-steps", "10;50"),
        ("rollout-epoch", ""),
        ("rollout-step", "7"),
    ],
)
def test_tags_that_were_changed_are_an_error_that_names_them(shifting: State, tag: str, value: str) -> None:
    """Nothing is guessed from half of it."""
    changed = breadcrumb.tags(shifting, epoch=1) | {tag: value}
    with pytest.raises(RecordError, match=tag):
        breadcrumb.recovered(breadcrumb.read(changed), PLAN)  # type: ignore[arg-type]  # there is a rollout


def test_an_endpoint_without_our_tags_has_no_rollout() -> None:
    """Tags of others mean nothing."""
    assert breadcrumb.read({"rolling": "stone", "owner": "x"}) is None
