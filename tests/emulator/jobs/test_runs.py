"""The run history: what the SDK shows, lists, downloads and relabels of jobs and their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from mlops.emulator import daemon, tls
from mlops.emulator.context import WORKSPACE
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as NAME

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home
    from tests.emulator.conftest import Jobs


def test_everything_of_a_job_can_be_downloaded(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """`jobs.download(all=True)` brings every output and the log."""
    from azure.ai.ml import Output

    outputs = {"model": Output(type="mlflow_model"), "data": Output(type="uri_folder")}
    name = jobs.run("echo m > ${{outputs.model}}/MLmodel; echo d > ${{outputs.data}}/file; echo said", outputs=outputs)
    ml.jobs.download(name, download_path=tmp_path, all=True)
    assert (tmp_path / "named-outputs/model/MLmodel").read_text() == "m\n"
    assert (tmp_path / "named-outputs/data/file").read_text() == "d\n"
    assert "said" in (tmp_path / "artifacts/user_logs/std_log.txt").read_text()


def test_output_of_a_job_feeds_another(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """`azureml://jobs/<name>/outputs/<output>` can be the input of a job."""
    from azure.ai.ml import Input, Output

    first = jobs.run("echo one > ${{outputs.out}}/file", outputs={"out": Output(type="uri_folder")})
    second = jobs.run(
        "cat ${{inputs.data}}/file > ${{outputs.out}}/file; echo two >> ${{outputs.out}}/file",
        inputs={"data": Input(type="uri_folder", path=f"azureml://jobs/{first}/outputs/out")},
        outputs={"out": Output(type="uri_folder")},
    )
    ml.jobs.download(second, download_path=tmp_path, output_name="out")
    assert (tmp_path / "named-outputs/out/file").read_text() == "one\ntwo\n"


def test_step_of_a_pipeline_is_a_run(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A step can be listed, looked at and downloaded by its own name, but is no job of the workspace."""
    from azure.ai.ml import command, dsl

    say = command(command="echo said by the step", environment=jobs.environment)

    @dsl.pipeline
    def flow() -> None:
        speaking = say()  # noqa: F841 - its name is the step's

    job = flow()
    job.settings.default_compute = "serverless"
    name = ml.jobs.create_or_update(job, experiment_name="test-runs").name
    ml.jobs.stream(name)
    (step,) = ml.jobs.list(parent_job_name=name)
    found = ml.jobs.get(step.name)
    assert (found.display_name, found.status, found.experiment_name) == ("speaking", "Completed", "test-runs")
    assert step.name not in {listed.name for listed in ml.jobs.list()}
    ml.jobs.download(step.name, download_path=tmp_path)
    assert "said by the step" in (tmp_path / "artifacts/user_logs/std_log.txt").read_text()


def test_labels_are_merged(ml: MLClient, jobs: Jobs) -> None:
    """`jobs.update` adds tags and replaces the display name, also after the job has ended."""
    name = jobs.run("true", tags={"first": "1"})
    ml.jobs.update(name, tags={"second": "2"}, display_name="shown")
    found = ml.jobs.get(name)
    assert found.display_name == "shown"
    assert found.tags == {"first": "1", "second": "2"}


def test_killed_step_was_preempted(ml: MLClient, jobs: Jobs) -> None:
    """A step whose process vanishes without an exit code is Failed, as one whose machine was taken away."""
    from azure.ai.ml.exceptions import JobException

    # The parent of a job's command is what would write its exit code.
    name = jobs.run("kill -9 $PPID")
    assert ml.jobs.get(name).status == "Failed"
    with pytest.raises(JobException, match="preempted"):
        ml.jobs.stream(name)


def test_unknown_job_is_not_found(ml: MLClient) -> None:
    """A job that was never submitted is a ResourceNotFoundError."""
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.get("never-submitted")


def test_a_run_without_a_name_is_not_found(emulator: Home) -> None:
    """The empty name is one that no run has."""
    workspace = WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=NAME)
    token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token
    reply = httpx.post(
        f"{emulator.url}/history/v1.0{workspace}/rundata",
        json={"runId": ""},
        headers={"Authorization": f"Bearer {token}"},
        verify=tls.client_context(emulator),
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_deleted_job_is_gone(ml: MLClient, jobs: Jobs) -> None:
    """A job that has ended can be deleted."""
    name = jobs.run("true")
    ml.jobs.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.get(name)


def test_studio_link_leads_to_the_job(ml: MLClient, jobs: Jobs, emulator: Home) -> None:
    """The link that stands for the studio's page answers the job."""
    name = jobs.run("true")
    link = ml.jobs.get(name).studio_url
    assert daemon.request(emulator, link.removeprefix(emulator.url))["name"] == name


def test_lists_come_in_pages(ml: MLClient, jobs: Jobs, unique: str) -> None:
    """A list longer than a page is complete and in order, and can be limited by tag."""
    from azure.ai.ml import command

    job = command(command="true", environment=jobs.environment, experiment_name=unique, tags={unique: "1"})
    names = []
    for number in range(30):
        job.name = f"{unique}-{number}"
        names.append(ml.jobs.create_or_update(job).name)
    listed = [found.name for found in ml.jobs.list(tag=unique)]
    assert listed == names[::-1]


def test_preempted_job_starts_again(ml: MLClient, jobs: Jobs, emulator: Home, tmp_path: Path) -> None:
    """A job whose machine is taken away is queued and starts again from its beginning."""
    from azure.ai.ml import command

    text = f"echo begun >> {tmp_path}/log; until test -e {tmp_path}/gate; do sleep 0.05; done"
    name = ml.jobs.create_or_update(command(command=text, environment=jobs.environment)).name
    log, details = tmp_path / "log", ml.jobs._runs_operations  # noqa: SLF001 - it waits a little, which jobs.get does not
    while not log.exists():
        details.get_run_details(name)
    daemon.request(emulator, "/_emulator/faults", method="POST", body={"kind": "preemption", "job": name})
    while log.read_text() != "begun\nbegun\n":
        details.get_run_details(name)
    (tmp_path / "gate").touch()
    ml.jobs.stream(name)
    assert ml.jobs.get(name).status == "Completed"
