"""What the monitoring says of users' requests: it can hold a rollout back or end it, and its silence is no evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mlops.errors import InputError
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.state import Phase
from mlops.rollout.users import Observed, Users, judge
from tests.rollout.conftest import QUICK

if TYPE_CHECKING:
    from tests.rollout.conftest import World

PLAN = RolloutPlan.model_validate(QUICK)
GOOD = Observed(200, 1, 1.0)


@pytest.mark.parametrize(
    ("users", "verdicts"),
    [
        (Users(GOOD, GOOD), {}),
        (Users(GOOD), {}),
        (Users(Observed(200, 40, 1.0), GOOD), {"users' errors": "fail"}),
        (Users(Observed(200, 12, 1.0), GOOD), {"users' errors": "inconclusive"}),
        (Users(Observed(200, 40, 1.0), Observed(200, 40, 1.0)), {"users' errors": "inconclusive"}),
        (Users(Observed(200, 1, 9.0), GOOD), {"users' seconds": "inconclusive"}),
        (Users(Observed(5, 0, 1.0), GOOD), {"users": "inconclusive"}),
        (Users(Observed(0, 0, None), GOOD), {"users": "inconclusive"}),
        (Users(problem="timed out"), {"users": "inconclusive"}),
    ],
)
def test_each_measurement_has_its_verdict(users: Users, verdicts: dict[str, str]) -> None:
    """Counts can fail; a median alone, figures that have not arrived and no answer at all can only hold back."""
    assert {each.metric: each.verdict for each in judge(users, PLAN) if each.verdict != "pass"} == verdicts


@dataclass
class Watched:
    """A monitoring of the world: what it tells of green, or that it is down."""

    world: World
    green: Observed | None

    def observe(self, deployment: str, *, since: float, until: float) -> Observed:
        """Tell of a deployment, once it has had its requests."""
        assert 1000 <= since < until == self.world.seconds
        if self.green is None:
            raise InputError("the monitoring is down")
        return self.green if deployment == "green" else GOOD


@pytest.mark.parametrize(
    ("green", "phase", "told"),
    [
        (GOOD, Phase.SUCCEEDED, ""),
        (Observed(300, 90, 1.0), Phase.ROLLED_BACK, "users' errors: 30.0% of 300"),
        (None, Phase.PAUSED, "the monitoring does not answer: the monitoring is down"),
    ],
)
def test_what_users_meet_counts_beside_our_own_requests(
    world: World, green: Observed | None, phase: Phase, told: str
) -> None:
    """Our requests were answered well in all cases; errors of others take the traffic back, silence pauses."""
    world.observer = Watched(world, green)
    state = world.roll_out()
    assert (state.phase, told in state.reason) == (phase, True), state.reason
