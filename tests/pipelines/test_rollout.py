"""rollout: traffic moves step by step, and back in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.releases import said

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_the_first_deployment_gets_all_traffic(first: Released) -> None:
    """There is nobody to share with."""
    assert first["rollout"].phase == "SUCCEEDED"
    assert first["rollout"].traffic == {"blue": 100}


def test_the_second_climbs_the_planned_weights(second: Released) -> None:
    """10, 50, 100: one write each, one more to commit, and the new color has everything in the end."""
    rollout = second["rollout"]
    assert rollout.phase == "COMMITTED"
    assert [step.weight for step in rollout.steps] == [10, 50, 100, 100]
    assert [finding.metric for finding in rollout.steps[0].findings][:3] == ["unattributed", "requests", "errors"]
    assert {moment.phase for moment in rollout.timeline} >= {"SHIFTING", "BAKING", "POST_BAKE", "COMMITTED"}
    assert "<svg" in (second.site.folder / "runs" / "second" / "rollout.svg").read_text()
    assert rollout.traffic == {"green": 100}
    assert second.site.traffic_writes(second.since) == [
        {"blue": 90, "green": 10},
        {"blue": 50, "green": 50},
        {"green": 100},
        {"green": 100},
    ]


def test_the_models_tags_follow_the_traffic(first: Released, second: Released) -> None:
    """The model that serves is the champion, the one before it is retired."""
    registered = [released["register"] for released in (first, second)]
    models = [second.site.model(record.name, record.version) for record in registered]
    assert [model.tags["stage"] for model in models] == ["retired", "champion"]


def test_a_retired_deployment_cannot_climb_back(second: Released) -> None:
    """The rollout of an older run is refused: somebody else serves now, and was never compared with it."""
    before = second.site.requests()[-1]["sequence"]
    result = second.site.program("rollout", "first")
    assert result.returncode == 2
    assert "chat-local is not as the deploy stage left it" in said(result)
    assert second.site.traffic_writes(before) == []
