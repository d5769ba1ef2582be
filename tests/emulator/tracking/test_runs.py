"""MLflow: started by whoever asks it first, one run per job, and its models are the workspace's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs

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


@pytest.fixture
def tracking_uri(ml: MLClient) -> str:
    """Return the workspace's MLflow server."""
    uri: str = ml.workspaces.get(ml.workspace_name).mlflow_tracking_uri
    return uri


def test_models_of_a_job_are_everywhere(
    ml: MLClient, jobs: Jobs, tracking_uri: str, tmp_path: Path, unique: str
) -> None:
    """A model that a job logs is an artifact of the job, an MLflow model and a model of the workspace."""
    from azure.ai.ml.entities import Model
    from mlflow import MlflowClient

    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text(MODEL)
    name = jobs.submit("python train.py", code=str(tmp_path / "code"), environment_variables={"MODEL": unique})
    assert jobs.end(name).status == "Completed"
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


def test_steps_are_found_by_their_root(ml: MLClient, jobs: Jobs, tracking_uri: str) -> None:
    """A pipeline's steps are found by `tags.mlflow.rootRunId`; what they measure is also on the pipeline's run."""
    from azure.ai.ml import dsl
    from mlflow import MlflowClient

    first = jobs.command(jobs.metric("loss", "0.5"))
    second = jobs.command(jobs.metric("accuracy", "0.75"))

    @dsl.pipeline(default_compute="serverless", tags={"kind": "test"})
    def flow() -> None:
        train = first()  # noqa: F841 - its name is the step's
        score = second()  # noqa: F841

    name = ml.jobs.create_or_update(flow(), experiment_name="test-tracking").name
    assert jobs.end(name).status == "Completed"
    client = MlflowClient(tracking_uri)
    experiment = client.get_experiment_by_name("test-tracking")
    found = client.search_runs([experiment.experiment_id], f"tags.mlflow.rootRunId = '{name}'")
    metrics = {run.info.run_name: run.data.metrics for run in found}
    assert metrics == {"train": {"loss": 0.5}, "score": {"accuracy": 0.75}, "flow": {"loss": 0.5, "accuracy": 0.75}}
    children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{name}'")
    assert {run.info.run_name for run in children} == {"train", "score"}
    assert client.get_run(name).data.tags["kind"] == "test"
    assert [each.value for each in client.get_metric_history(name, "loss")] == [0.5]
