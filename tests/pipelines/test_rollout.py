"""rollout: traffic moves step by step, and back in one write."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

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


QUICK = {"MLOPS_DEPLOY__REQUEST_TIMEOUT_S": "2"}


@pytest.fixture(scope="module")
def redeployed(second: Released) -> str:
    """Return a run that has put the second model behind blue, too, where nobody uses it yet."""
    runs = second.site.folder / "runs"
    shutil.copytree(runs / "second", runs / "again")
    for stage in ("evaluate", "gate", "register", "deploy"):
        result = second.site.program(stage, "again", **QUICK)
        assert result.returncode == 0, f"{stage}\n{result.stdout}{result.stderr}"
    return "again"


def test_an_interrupted_rollout_gives_the_traffic_back(second: Released, redeployed: str) -> None:
    """SIGTERM, with which CI cancels, leaves the users where they were; exit 130 and no traceback."""
    site, before = second.site, second.site.requests()[-1]["sequence"]
    arguments = ("pipelines.rollout", "--environment", "local", "--run", redeployed)
    with site.start(*arguments, **QUICK, MLOPS_ROLLOUT__MIN_REQUESTS="100000") as process:
        while not site.traffic_writes(before):
            assert process.poll() is None
        process.terminate()
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stdout + stderr
    assert "Traceback" not in stderr
    assert site.traffic_writes(before) == [{"blue": 10, "green": 90}, {"green": 100}]


def test_a_deployment_that_hangs_loses_its_traffic_in_one_write(second: Released, redeployed: str) -> None:
    """Exit 1, one write back to the start, the reason on the last line; the users' color is untouched."""
    site, before = second.site, second.site.requests()[-1]["sequence"]
    (container,) = site.containers("blue")
    arguments = ("pipelines.rollout", "--environment", "local", "--run", redeployed)
    with site.start(*arguments, **QUICK, MLOPS_ROLLOUT__MIN_REQUESTS="100000") as process:
        while not site.traffic_writes(before):
            assert process.poll() is None
        container.suspend()
        stdout, stderr = process.communicate()
    assert process.returncode == 1, stdout + stderr
    assert "rolled back at 10 %: 5 requests in a row failed (5 x 408)" in stdout.strip().splitlines()[-1]
    assert site.record(redeployed, "rollout").phase == "ROLLED_BACK"
    assert site.traffic_writes(before) == [{"blue": 10, "green": 90}, {"green": 100}]


def test_a_retired_deployment_cannot_climb_back(second: Released) -> None:
    """The rollout of an older run is refused: somebody else serves now, and was never compared with it."""
    before = second.site.requests()[-1]["sequence"]
    result = second.site.program("rollout", "first")
    assert result.returncode == 2
    assert "chat-local is not as the deploy stage left it" in result.stdout
    assert second.site.traffic_writes(before) == []
