"""What operators do between releases, by the command they type, on an endpoint of two small deployments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops.emulator import daemon
from mlops.errors import AzureError
from mlops.settings import load
from mlops.workspace import endpoints
from mlops.workspace.assets import register_model
from mlops.workspace.client import connect
from mlops.workspace.endpoints import CANDIDATE

if TYPE_CHECKING:
    from mlops.emulator.home import Home
    from mlops.workspace.client import Workspace

pytestmark = pytest.mark.xdist_group("endpoints")

MODEL = Path(__file__).parent / "emulator" / "models" / "echo"


@pytest.fixture
def workspace(emulator_environment: dict[str, str]) -> Workspace:
    """Return the emulator's workspace, opened as a stage opens it."""
    assert emulator_environment
    return connect(load("local", variables={}).workspace)


@pytest.fixture
def endpoint(workspace: Workspace, unique: str) -> Iterator[str]:
    """Return an endpoint in the middle of a rollout: green is stable, blue the candidate."""
    name = f"ops-{unique}"[:32]
    variables = {"MLOPS_DEPLOY__ENDPOINT": name, "MLOPS_DEPLOY__INSTANCE_TYPE": "Standard_NC4as_T4_v3"}
    settings = load("local", variables=variables).deploy
    tags: dict[str, str] = {}
    model = register_model(workspace, str(MODEL), name=f"echo-{unique}", version="1", description="", tags=tags)
    endpoints.create(workspace, name)
    for color in ("blue", "green"):
        endpoints.deploy(workspace, color, model=model, settings=settings, tags=tags)
    endpoints.set_traffic(workspace, name, {"green": 90, "blue": 10}, tags={"release": "1", CANDIDATE: "blue"})
    yield name
    if endpoints.find(workspace, name):
        endpoints.delete(workspace, name)


def mlops(command: str, endpoint: str, home: Home) -> subprocess.CompletedProcess[str]:
    """Run `mlops COMMAND --environment local` on an endpoint."""
    variables = {"MLOPS_DEPLOY__ENDPOINT": endpoint, "AZUREML_EMULATOR_HOME": str(home.root)}
    return subprocess.run(
        [sys.executable, "-m", "mlops.cli", command, "--environment", "local"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_shows_who_serves_what(endpoint: str, emulator: Home) -> None:
    """Each deployment with its share of the traffic and the model behind it."""
    result = mlops("status", endpoint, emulator)
    assert result.returncode == 0, result.stderr
    (blue,) = [line for line in result.stdout.splitlines() if "blue" in line]
    assert "10 %" in blue
    assert "echo-" in blue


def test_rollback_is_one_write(endpoint: str, emulator: Home, workspace: Workspace) -> None:
    """All traffic leaves the candidate in one write, also at 10 %; tags of others stay; twice is once."""
    before = daemon.request(emulator, "/_emulator/requests")[-1]["sequence"]
    result = mlops("rollback", endpoint, emulator)
    assert result.returncode == 0, result.stderr
    assert "went from blue back to green" in result.stdout
    requests = daemon.request(emulator, f"/_emulator/requests?since={before}")
    writes = [r for r in requests if r["method"] == "PUT" and r["path"].endswith(f"/onlineEndpoints/{endpoint}")]
    assert [write["body"]["properties"]["traffic"] for write in writes] == [{"green": 100}]
    found = endpoints.find(workspace, endpoint)
    assert found is not None
    assert found.traffic == {"blue": 0, "green": 100}
    assert found.tags["release"] == "1"
    assert "green has all traffic already, nothing was changed" in mlops("rollback", endpoint, emulator).stdout


def test_clean_deletes_everything_and_then_says_so(endpoint: str, emulator: Home, workspace: Workspace) -> None:
    """Billing ends; a second time there is nothing to do, which is exit 2 and a sentence."""
    assert "are deleted" in mlops("clean", endpoint, emulator).stdout
    assert endpoints.find(workspace, endpoint) is None
    again = mlops("clean", endpoint, emulator)
    assert again.returncode == 2
    assert f"endpoint {endpoint} does not exist in local: nothing to do" in again.stderr


def test_a_failed_deployment_shows_its_log_and_is_deleted(endpoint: str, workspace: Workspace, unique: str) -> None:
    """The cause is in the message; what cannot be repaired is gone, and the others serve on."""
    broken = str(MODEL.with_name("broken"))
    model = register_model(workspace, broken, name=f"broken-{unique}", version="1", description="", tags={})
    variables = {"MLOPS_DEPLOY__ENDPOINT": endpoint, "MLOPS_DEPLOY__INSTANCE_TYPE": "Standard_NC4as_T4_v3"}
    settings = load("local", variables=variables).deploy
    with pytest.raises(AzureError, match=r"(?s)could not deploy .* as third: .*The end of its log:.*Error"):
        endpoints.deploy(workspace, "third", model=model, settings=settings, tags={})
    found = endpoints.find(workspace, endpoint)
    assert found is not None
    assert found.traffic == {"blue": 10, "green": 90}


def test_an_unknown_environment_is_a_sentence() -> None:
    """Exit 2 and the choices, not a traceback."""
    command = [sys.executable, "-m", "mlops.cli", "status", "--environment", "production"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "choose one of dev, local, prod" in result.stderr
