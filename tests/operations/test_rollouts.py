"""Rollouts through the SDK and HTTP, on an endpoint that somebody else made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops.operations import rollouts

if TYPE_CHECKING:
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")


def test_a_rollout_and_its_rollback_leave_the_rest_of_the_endpoint_as_it_was(place: Place) -> None:
    """Tags, identity, description and authentication of others survive every write; a rollback is one write."""
    before = place.workspace.ml.online_endpoints.get(place.endpoint)
    since = place.seen()
    state = place.roll_out()
    assert (state.phase, state.reason) == ("COMMITTED", "")
    assert place.writes(since) == [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}, {"green": 100}]
    since = place.seen()
    back = rollouts.give(place, "abort", reason="rolled back by an operator")
    assert back is not None
    assert back.phase == "ROLLED_BACK"
    assert place.writes(since) == [{"blue": 100}]
    assert rollouts.give(place, "abort", reason="again") is None
    after = place.workspace.ml.online_endpoints.get(place.endpoint)
    assert {key: value for key, value in after.tags.items() if not key.startswith("rollout-")} == before.tags
    for field in ("description", "auth_mode", "public_network_access", "location", "scoring_uri"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.identity.type == before.identity.type
