"""Jobs and deployments in environments of their own: `mlops emulator start --isolate`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError

from mlops.emulator import daemon

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Environment

    from mlops.emulator.home import Home

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
SCORE = """
import colorama, sys
def init(): pass
def run(raw_data): return [colorama.__version__, sys.prefix]
"""
# Another version than this environment could have.
VERSION = "0.4.5"
PACKAGE = f"colorama=={VERSION}"
LEFT_OUT = "Left out of it: python==3.9.*, pip, no-such-package-of-conda (not on PyPI)"


# What conda knows and PyPI does not is left out.
PACKAGES = ("python=3.9", "pip", "no-such-package-of-conda=1.0", {"pip": [PACKAGE]})


@pytest.fixture
def isolated(own_home: Path, connect: Callable[[Home], MLClient], monkeypatch: pytest.MonkeyPatch) -> MLClient:
    """Return a client of an emulator that builds environments, none of which is there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_home.parent / "cache"))
    command = [sys.executable, "-m", "mlops.emulator", "start", "--isolate", "--home", str(own_home)]
    subprocess.run(command, check=True, capture_output=True)
    return connect(daemon.open_home(own_home))


def environment(packages: Iterable[object]) -> Environment:
    """Return an environment with the packages of a conda file."""
    from azure.ai.ml.entities import Environment

    return Environment(image=IMAGE, conda_file={"dependencies": list(packages)})


def run(ml: MLClient, text: str, folder: Path) -> str:
    """Run a command in the environment of PACKAGES and return all logs of the job."""
    from azure.ai.ml import command

    job = ml.jobs.create_or_update(command(command=text, environment=environment(PACKAGES)))
    ml.jobs.stream(job.name)
    ml.jobs.download(job.name, download_path=folder, all=True)
    return "\n".join(file.read_text() for file in sorted(folder.rglob("*.txt")))


def deploy(ml: MLClient, name: str, folder: Path, packages: Iterable[object]) -> None:
    """Deploy the scoring script in the environment of those packages."""
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(SCORE)
    deployment = ManagedOnlineDeployment(
        name=name,
        endpoint_name="isolated",
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        environment=environment(packages),
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    ml.online_deployments.begin_create_or_update(deployment).result()


@pytest.mark.xdist_group("endpoints")
def test_jobs_and_deployments_run_in_what_their_conda_files_ask_for(isolated: MLClient, tmp_path: Path) -> None:
    """It is built once; what it does not ask for it has not, not even the inference server; pip's errors are told."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    text = "python -c 'import sys, colorama; print(sys.prefix, colorama.__version__)'; python -c 'import numpy'; true"
    for name, first in (("once", "is built, for this"), ("twice", "was built before")):
        logs = run(isolated, text, tmp_path / name)
        for said in (first, f"{VERSION}\n", str(tmp_path / "cache"), "No module named 'numpy'", LEFT_OUT):
            assert said in logs

    isolated.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="isolated")).result()
    with pytest.raises(HttpResponseError, match="ResourceNotReady"):
        deploy(isolated, "bare", tmp_path, PACKAGES)
    logs = isolated.online_deployments.get_logs("bare", "isolated", 50)
    assert "No module named 'azureml_inference_server_http'" in logs
    with pytest.raises(HttpResponseError, match=r"(?s)ImageBuildFailure.*No matching distribution found for colorama"):
        deploy(isolated, "unbuilt", tmp_path, [{"pip": ["colorama==0.0.0"]}])
    assert isolated.online_deployments.get("unbuilt", "isolated").provisioning_state == "Failed"
    assert "colorama==0.0.0" in isolated.online_deployments.get_logs("unbuilt", "isolated", 50)

    deploy(isolated, "whole", tmp_path, [{"pip": [PACKAGE, "azureml-inference-server-http"]}])
    request = tmp_path / "request.json"
    request.write_text("{}")
    answer = isolated.online_endpoints.invoke("isolated", request_file=request, deployment_name="whole")
    version, prefix = json.loads(answer)
    assert version == VERSION
    assert prefix.startswith(str(tmp_path / "cache"))
