"""Which model is the champion is written on the models, as the traffic has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import AzureError
from mlops.operations import champion
from mlops.rollout import machine
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.state import Phase
from mlops.workspace import assets
from tests.rollout.conftest import QUICK

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

    from mlops.rollout.state import State

SERVED = {"blue": "azureml:chat:1", "green": "azureml:chat:2"}


def ended(phase: Phase, *, stable: str | None = "blue") -> State:
    """Return a rollout of green that came to this phase."""
    traffic = {stable: 100} if stable else {}
    plan = RolloutPlan.model_validate(QUICK)
    state = machine.start(plan, id="run", candidate="green", traffic=traffic, fingerprints={}, at=0.0)
    return replace(state, phase=phase)


@pytest.mark.parametrize(
    ("phase", "served", "stages"),
    [
        (Phase.COMMITTED, SERVED, {"azureml:chat:1": "retired", "azureml:chat:2": "champion"}),
        (Phase.ROLLED_BACK, SERVED, {"azureml:chat:1": "champion", "azureml:chat:2": "retired"}),
        (Phase.ROLLED_BACK, dict.fromkeys(SERVED, "azureml:chat:1"), {"azureml:chat:1": "champion"}),
        (Phase.SUCCEEDED, {"green": "azureml:chat:2"}, {"azureml:chat:2": "champion"}),
        (Phase.PAUSED, SERVED, {}),
        (Phase.BLOCKED, SERVED, {}),
    ],
)
def test_who_owns_the_traffic_is_the_champion(
    phase: Phase, served: dict[str, str], stages: dict[str, str], mocker: MockerFixture
) -> None:
    """The other one is retired; while nobody owns it all, nothing is written; a model behind both is the champion."""
    move = mocker.patch.object(assets, "move")
    champion.follow(mocker.Mock(), ended(phase), served)
    assert {call.args[1]: call.args[2] for call in move.call_args_list} == stages


def test_a_tag_that_cannot_be_written_ends_no_rollout(mocker: MockerFixture) -> None:
    """The traffic is as it should be: it is told, and that is all."""
    mocker.patch.object(assets, "move", side_effect=AzureError("tag model: 503"))
    site: Any = mocker.Mock()
    champion.follow(site, ended(Phase.COMMITTED), SERVED)
    assert "azureml:chat:2 could not be tagged as champion" in site.say.call_args.args[0]
