"""`mlops doctor`: everything a release needs, before it is begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from mlops.compute.quota import Quota
from mlops.compute.serving import Offer
from mlops.errors import AzureError, InputError
from mlops.operations import doctor
from mlops.operations.doctor import Check, Doctor, Level, examined
from mlops.operations.site import Site
from mlops.settings import load
from mlops.workspace.endpoints import Endpoint
from tests.operations.conftest import VARIABLES

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")
FULL = Quota("A100", used=24, limit=24)


def run(place: Place, **variables: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run `mlops doctor`; return the process and the checks by name."""
    command = [sys.executable, "-m", "mlops.cli", "doctor", "--environment", "local", "--json"]
    environment = os.environ | VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": place.endpoint} | variables
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return result, {check["name"]: check for check in json.loads(result.stdout)}


def test_a_site_that_can_release_has_no_failure(place: Place) -> None:
    """Every precondition has its line, from Python to who serves, and exit code 0."""
    result, checks = run(place)
    assert result.returncode == 0, result.stderr
    assert [*checks] == [
        *("python", "packages", "disk", "settings", "sign-in"),
        *("workspace", "model", "size", "quota", "cluster", "serving-quota", "endpoint"),
    ]
    assert not [check for check in checks.values() if check["level"] == "failure"]
    assert "blue 100 %" in checks["endpoint"]["said"]


def test_what_would_fail_is_named_with_what_to_do(place: Place) -> None:
    """A size that the model may not be trained on: exit code 2, and the others are looked at all the same."""
    result, checks = run(place, MLOPS_FINETUNE__CLUSTER__SIZE="Standard_DS3_v2", MLOPS_FINETUNE__CLUSTER__NAME="other")
    assert result.returncode == 2
    assert checks["size"]["level"] == "failure"
    assert "choose one of" in checks["size"]["said"]
    assert checks["endpoint"]["level"] == "ok"
    assert result.stderr.startswith("a release would fail: mend size")


def test_what_a_check_raises_is_its_answer() -> None:
    """The sentence of the error is what is said; no traceback."""

    def quota() -> doctor.Outcome:
        raise InputError("not enough of it: ask for more")

    assert examined(quota) == Check("quota", Level.FAILURE, "not enough of it: ask for more")


def test_a_version_locked_for_another_python_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two lines for one package, the one whose marker holds here counts."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"pytest=={pytest.__version__} ; python_version < '99'\npytest==0.1 ; python_version >= '99'\nno-such==1.0\n"
    )
    monkeypatch.setattr(doctor, "LOCK", lock)
    assert doctor.packages() == (Level.OK, "1 packages at their locked versions")


def test_who_cannot_sign_in_is_told_so_once(mocker: MockerFixture) -> None:
    """No line says ok before a token was had, and what needs one is not looked at."""
    refused = mocker.patch.object(doctor.credentials, "sign_in", side_effect=AzureError("sign in with `az login`"))
    site = Site("dev", load("local", variables={"MLOPS_WORKSPACE__EMULATOR": "false"}), Console(quiet=True))
    last = [*Doctor(site).examine()][-1]
    assert last == Check("sign-in", Level.FAILURE, "sign in with `az login`")
    refused.assert_called_once_with()


@pytest.mark.parametrize(
    ("states", "live", "mirror", "level", "told"),
    [
        ("Succeeded", {"blue": 100}, {}, Level.OK, "chat: blue 100 %; no rollout has been here"),
        ("Failed", {"blue": 100}, {}, Level.FAILURE, "blue is Failed: take it back with `mlops rollback`"),
        ("Failed", {"green": 100}, {}, Level.OK, "chat: green 100 %"),
        ("Updating", {"green": 100}, {"blue": 10}, Level.FAILURE, "but blue is Updating"),
        ("Succeeded", {"yellow": 100}, {}, Level.FAILURE, "but yellow is gone"),
        ("Succeeded", {}, {}, Level.WARNING, "nobody serves; no rollout has been here. Make a release"),
    ],
)
def test_who_serves_must_have_succeeded(
    states: str, live: dict[str, int], mirror: dict[str, int], level: Level, told: str
) -> None:
    """A weight alone is no health; what nobody meets may be in any state."""
    both = {"blue": states, "green": "Succeeded"}
    found = Endpoint("chat", "https://x", live, mirror, {}, both, {}, {})
    said = doctor.health(found)
    assert said[0] is level
    assert told in said[1]


def test_another_python_than_the_packages_are_made_for_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """3.11 and later; what is needed is named."""
    assert doctor.python()[0] is Level.OK
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.4")
    level, said = doctor.python()
    assert level is Level.FAILURE
    assert said.startswith("Python 3.10.4 at ")
    assert said.endswith("install Python >=3.11")


def test_a_second_deployment_that_does_not_fit_is_told_beforehand(mocker: MockerFixture) -> None:
    """Not by `deploy`, after training was paid; an idle color gives up its place."""
    site = Site("local", load("local", variables={}), Console(quiet=True))
    mocker.patch.object(Site, "workspace")
    mocker.patch.object(doctor.quota, "offer", return_value=Offer("Standard_NC24ads_A100_v4", 24, "A100", FULL))
    serving = Endpoint("chat", "https://x", {"blue": 100}, {}, {}, {"blue": "Succeeded"}, {}, {})
    look = mocker.patch.object(Site, "look", return_value=serving)
    short = examined(Doctor(site).serving_quota)
    assert (short.name, short.level) == ("serving-quota", Level.FAILURE)
    assert "0 of 24 vCPUs are left" in short.said
    look.return_value = replace(serving, traffic={"blue": 100, "green": 0})
    assert examined(Doctor(site).serving_quota).level is Level.OK
