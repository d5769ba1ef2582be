"""Jobs as a person looks at them, and what serves, through the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mlops.credentials import sign_in
from mlops.errors import AzureError
from mlops.workspace import history, serving
from mlops.workspace.client import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
LOG = """for step in 1 2 3; do curl -sf --cacert "$SSL_CERT_FILE" \
"$MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/log-metric" \
-H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" -H "Content-Type: application/json" \
-d '{"run_id": "'"$MLFLOW_RUN_ID"'", "key": "loss", "value": 0.'$step', "timestamp": '$step', "step": '$step'}'; done"""


@pytest.fixture(scope="module")
def workspace(ml: MLClient) -> Workspace:
    """Return the workspace that all tests share."""
    return Workspace(ml, sign_in())


@pytest.fixture(scope="module")
def pipeline(ml: MLClient) -> str:
    """Run a pipeline of two steps, the second of which takes what the first made; return its name."""
    from azure.ai.ml import Input, Output, command, dsl
    from azure.ai.ml.exceptions import JobException

    def component(text: str, **more: Any) -> Any:
        return command(command=text, environment=ENVIRONMENT, **more)

    write = component(f"echo written; {LOG}; touch ${{{{outputs.out}}}}/x", outputs={"out": Output(type="uri_folder")})
    read = component("ls ${{inputs.data}}; exit 3", inputs={"data": Input(type="uri_folder")})

    @dsl.pipeline(default_compute="serverless")
    def both() -> None:
        first = write()
        first.name = "write"
        second = read(data=first.outputs.out)
        second.name = "read"

    name: str = ml.jobs.create_or_update(both(), experiment_name="test-history").name
    with pytest.raises(JobException):
        ml.jobs.stream(name)
    return name


def test_a_job_is_known_with_its_steps_and_their_states(workspace: Workspace, pipeline: str) -> None:
    """In the order they began, with times; a job that failed says why."""
    job = history.job(workspace, pipeline)
    assert (job.status, job.kind, job.is_over) == ("Failed", "pipeline", True)
    assert job.error
    steps = history.steps(workspace, pipeline)
    assert [(step.display_name, step.status, step.parent) for step in steps] == [
        ("write", "Completed", pipeline),
        ("read", "Failed", pipeline),
    ]
    assert all(step.started and step.ended and step.started <= step.ended for step in steps)
    listed = history.jobs(workspace, most=50)
    (timed,) = history.timed(workspace, [one for one in listed if one.name == pipeline])
    assert timed.seconds == job.seconds
    assert job.seconds


def test_which_step_takes_data_from_which_is_known(workspace: Workspace, pipeline: str) -> None:
    """From the pipeline itself, so steps that never began are in it, too."""
    assert history.bindings(workspace, pipeline) == {"write": frozenset(), "read": frozenset({"write"})}


def test_logs_and_metrics_are_read(workspace: Workspace, pipeline: str) -> None:
    """Each step's own log, and every value of its metrics by step; a run without metrics has none."""
    write, read = history.steps(workspace, pipeline)
    assert "written" in history.log((write.logs or {})["user_logs/std_log.txt"])
    points = history.metrics(workspace, write.name)["loss"]
    assert [(point.step, point.value) for point in points] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert history.metrics(workspace, read.name) == {}
    assert history.metrics(workspace, "nobody") == {}


def test_what_cannot_be_read_is_said_without_its_signature(workspace: Workspace, pipeline: str) -> None:
    """The address of a log lets in whoever holds it: no message shows it."""
    address = (history.steps(workspace, pipeline)[0].logs or {})["user_logs/std_log.txt"]
    with pytest.raises(AzureError, match=r"^could not read the log \(HTTPStatusError\): try again$"):
        history.log(address.replace("std_log", "none"))
    with pytest.raises(AzureError, match="look up job nobody"):
        history.job(workspace, "nobody")


def test_a_model_that_was_never_registered_has_no_versions(workspace: Workspace, ml: MLClient, tmp_path: Path) -> None:
    """None, not an error; versions come youngest first with their tags."""
    from azure.ai.ml.entities import Model

    assert serving.model_versions(workspace, "never-registered") == []
    (tmp_path / "weights").write_text("1")
    for version in ("1", "2"):
        ml.models.create_or_update(Model(name="seen", version=version, path=tmp_path, tags={"run": version}))
    assert [(model.version, model.tags) for model in serving.model_versions(workspace, "seen")] == [
        ("2", {"run": "2"}),
        ("1", {"run": "1"}),
    ]


def test_the_web_view_is_the_studio(ml: MLClient, pipeline: str) -> None:
    """A browser that follows the printed link sees the job's page: the studio starts with the first of them."""
    link = ml.jobs.get(pipeline).studio_url
    page = httpx.get(link, headers={"Accept": "text/html"}, follow_redirects=True, timeout=150)
    assert page.status_code == 200
    assert page.url.scheme == "http"
    assert 'aria-label="read: Failed"' in page.text
    again = httpx.get(link, headers={"Accept": "text/html"})
    assert (again.status_code, again.headers["Location"]) == (302, str(page.url))
    wrong = httpx.get(link.replace("sig=", "sig=0"), headers={"Accept": "text/html"})
    assert wrong.status_code == 401
