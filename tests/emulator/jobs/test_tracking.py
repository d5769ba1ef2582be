"""MLflow: started by whoever asks it first, one run per job, and its models are the workspace's."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from mlops.emulator import daemon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

    from mlops.emulator.home import Home

ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
# By MLflow's REST interface: importing its client takes longer than all the rest.
LOG = """curl -sf "$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/log-metric" -H "Content-Type: application/json" \
-d '{"run_id": "'$MLFLOW_RUN_ID'", "key": "%s", "value": %s, "timestamp": 1, "step": 0}'"""
MODEL = """
import mlflow, os

def double(rows):
    return [2 * row for row in rows]

with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.25)
    mlflow.log_text("kept", "note.txt")
    registered = os.environ["MODEL"]
    mlflow.pyfunc.log_model(name="model", python_model=double, pip_requirements=[], registered_model_name=registered)
assert run.info.run_id == os.environ["AZUREML_RUN_ID"]
"""


def submit(ml: MLClient, text: str, **more: Any) -> str:
    """Submit a command job and return its name."""
    from azure.ai.ml import command

    job = command(command=text, environment=ENVIRONMENT, experiment_name="test-tracking", **more)
    return ml.jobs.create_or_update(job).name


def end(ml: MLClient, name: str) -> Job:
    """Return the job when it has ended."""
    from azure.ai.ml.exceptions import JobException

    try:
        ml.jobs.stream(name)
    except JobException:
        assert ml.jobs.get(name).status == "Failed"
    return ml.jobs.get(name)


@pytest.fixture
def tracking_uri(ml: MLClient) -> str:
    """Return the workspace's MLflow server."""
    uri: str = ml.workspaces.get(ml.workspace_name).mlflow_tracking_uri
    return uri


def test_models_of_a_job_are_everywhere(ml: MLClient, tracking_uri: str, tmp_path: Path, unique: str) -> None:
    """A model that a job logs is an artifact of the job, an MLflow model and a model of the workspace."""
    from azure.ai.ml.entities import Model
    from mlflow import MlflowClient

    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text(MODEL)
    name = submit(ml, "python train.py", code=str(tmp_path / "code"), environment_variables={"MODEL": unique})
    assert end(ml, name).status == "Completed"
    ml.jobs.download(name, download_path=tmp_path)
    assert (tmp_path / "artifacts/note.txt").read_text() == "kept"
    assert (tmp_path / "artifacts/model/MLmodel").is_file()

    client = MlflowClient(tracking_uri)
    run = client.get_run(name)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 0.25})
    assert {"note.txt", "model", "user_logs"} <= {artifact.path for artifact in client.list_artifacts(name)}

    assert ml.models.get(unique, "1").type == "mlflow_model"
    assert ml.models.get(unique, "1").job_name == name
    for path in (f"azureml://jobs/{name}/outputs/artifacts/paths/model/", f"runs:/{name}/model"):
        model = ml.models.create_or_update(Model(name=unique, path=path, type="mlflow_model"))
        assert ml.models.get(unique, model.version).flavors["python_function"]
    client.create_registered_model(f"{unique}-client")
    client.create_model_version(f"{unique}-client", f"{run.info.artifact_uri}/model", name)
    assert ml.models.get(f"{unique}-client", label="latest").version == "1"


def test_steps_are_found_by_their_root(ml: MLClient, tracking_uri: str) -> None:
    """A pipeline's steps are found by `tags.mlflow.rootRunId`; what they measure is also on the pipeline's run."""
    from azure.ai.ml import command, dsl
    from mlflow import MlflowClient

    first = command(command=LOG % ("loss", 0.5), environment=ENVIRONMENT)
    second = command(command=LOG % ("accuracy", 0.75), environment=ENVIRONMENT)

    @dsl.pipeline(default_compute="serverless", tags={"kind": "test"})
    def flow() -> None:
        train = first()  # noqa: F841 - its name is the step's
        score = second()  # noqa: F841

    name = ml.jobs.create_or_update(flow(), experiment_name="test-tracking").name
    assert end(ml, name).status == "Completed"
    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name("test-tracking")
    found = client.search_runs([experiment.experiment_id], f"tags.mlflow.rootRunId = '{name}'")
    metrics = {run.info.run_name: run.data.metrics for run in found}
    assert metrics == {"train": {"loss": 0.5}, "score": {"accuracy": 0.75}, "flow": {"loss": 0.5, "accuracy": 0.75}}
    children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{name}'")
    assert {run.info.run_name for run in children} == {"train", "score"}
    assert client.get_run(name).data.tags["kind"] == "test"
    assert [each.value for each in client.get_metric_history(name, "loss")] == [0.5]


def test_server_starts_when_asked_and_comes_back(own_home: Path, connect: Callable[[Home], MLClient]) -> None:
    """The first request starts the server; it outlives a killed emulator, and comes back when it is killed itself."""
    home, _ = daemon.start(own_home)
    ml = connect(home)
    address = ml.workspaces.get(ml.workspace_name).mlflow_tracking_uri
    created = httpx.post(f"{address}/api/2.0/mlflow/experiments/create", json={"name": "asked"}, timeout=120)
    assert created.json() == {"experiment_id": "1"}

    os.kill(daemon.health(home)["pid"], signal.SIGKILL)
    server = find_server(own_home)
    daemon.start(own_home)
    assert find_server(own_home).pid == server.pid
    server.kill()
    server.wait()
    transport = httpx.HTTPTransport(retries=10)  # for the moment in which nobody listens
    with httpx.Client(transport=transport, timeout=120) as client:
        found = client.get(f"{address}/api/2.0/mlflow/experiments/get", params={"experiment_id": "1"})
    assert found.json()["experiment"]["name"] == "asked"


def find_server(home: Path) -> psutil.Process:
    """Return the process of a home's MLflow server."""
    database = str(home / "jobs/mlflow.db")
    (found,) = [each for each in psutil.process_iter(["cmdline"]) if database in (each.info["cmdline"] or [])]
    return found
