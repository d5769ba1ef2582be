"""Watching ends: when the runner lets go, and when it is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from mlops.errors import Refusal
from mlops.operations import watching
from mlops.operations.site import Site
from mlops.settings import load

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

SETTINGS = load("local", variables={})


def sign(*, age_s: float = 0, released: bool = False, **said: Any) -> dict[str, Any]:
    """Return what a runner said so long ago."""
    figures = {"phase": "BAKING", "traffic": {"blue": 90, "green": 10}, "num_requests": 4, "num_failed": 0}
    figures |= {"stable_requests": 4, "stable_failed": 0, "latency_s": None, "stable_latency_s": None, "deadline": 0.0}
    return figures | {"holder": "runner-7", "released": released, "seen": time.time() - age_s} | said


@pytest.fixture
def site(mocker: MockerFixture) -> Site:
    """Return a site whose endpoint nobody reaches."""
    mocker.patch.object(watching, "POLL_S", 0)
    mocker.patch.object(Site, "workspace")
    mocker.patch.object(watching.endpoint, "progress", return_value="rollout r of green: COMMITTED")
    return Site("local", SETTINGS, Console(width=200))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_running_rollout_is_shown_until_its_runner_lets_go(
    site: Site, mocker: MockerFixture, capsys: pytest.CaptureFixture[str], *, is_terminal: bool
) -> None:
    """A view, or a line for every change."""
    signs = [sign(), sign(), sign(phase="POST_BAKE"), sign(phase="COMMITTED", released=True)]
    mocker.patch.object(watching.lease, "status", side_effect=signs)
    watching.watch(Site(site.environment, site.settings, Console(force_terminal=is_terminal, width=200)))
    said = capsys.readouterr().out
    assert "COMMITTED" in said
    assert is_terminal or said.count("baking") == 1
    assert said.rstrip().endswith("rollout r of green: COMMITTED")


def test_a_lost_runner_ends_it_with_what_to_do(site: Site, mocker: MockerFixture) -> None:
    """Silent for longer than its lease is worth; until then it may only be slow."""
    old = SETTINGS.rollout.lease_s
    mocker.patch.object(watching.lease, "status", side_effect=[sign(age_s=old / 2), sign(age_s=old + 1)])
    with pytest.raises(Refusal, match=r"runner-7 has given .* lost\. .* `mlops rollout recover --environment local`"):
        watching.watch(site)


def test_where_nobody_ever_rolled_out_there_is_nothing_to_watch(
    site: Site, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where the endpoint stands, and ends."""
    mocker.patch.object(watching.lease, "status", return_value=None)
    watching.watch(site)
    assert capsys.readouterr().out.strip() == "rollout r of green: COMMITTED"
