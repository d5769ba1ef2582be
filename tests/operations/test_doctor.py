"""`mlops doctor`: everything a release needs, before it is begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import InputError
from mlops.operations import doctor
from mlops.operations.doctor import Check, Level, examined
from tests.operations.conftest import VARIABLES

if TYPE_CHECKING:
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")


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
        *("workspace", "model", "size", "quota", "cluster", "endpoint"),
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


def test_a_job_of_github_that_may_not_sign_in_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the permission there are no variables to ask for a token with."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    level, said = doctor.sign_in()
    assert level is Level.FAILURE
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in said
    assert "id-token: write" in said
