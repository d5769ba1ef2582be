"""Command jobs: what goes in, what comes out and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs


def test_literals_files_and_code_reach_the_command(jobs: Jobs, tmp_path: Path) -> None:
    """A job sees its literals, its uploaded input file and its own code, and its output can be downloaded."""
    from azure.ai.ml import Input, Output

    (tmp_path / "code").mkdir()
    (tmp_path / "code/join.py").write_text("import sys; print(*open(sys.argv[1]), *sys.argv[2:], sep='|')")
    (tmp_path / "data.txt").write_text("data")
    name = jobs.submit(
        "python join.py ${{inputs.file}} ${{inputs.count}} ${{inputs.rate}} ${{inputs.flag}} > ${{outputs.out}}/joined",
        code=str(tmp_path / "code"),
        inputs={
            "file": Input(type="uri_file", path=str(tmp_path / "data.txt")),
            "count": 3,
            "rate": 0.5,
            "flag": True,
        },
        outputs={"out": Output(type="uri_folder")},
    )
    assert jobs.end(name).status == "Completed"
    assert (jobs.written(name, tmp_path) / "joined").read_text() == "data|3|0.5|True\n"


def test_stream_prints_the_log(ml: MLClient, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs.stream` prints what the command wrote to standard output and error."""
    # The SDK prints nothing of a job that has ended before it first looks.
    name = jobs.submit("sleep 1; echo to-output; echo to-error >&2")
    ml.jobs.stream(name)
    printed = capsys.readouterr().out
    assert "Streaming user_logs/std_log.txt" in printed
    assert "\nto-output\n" in printed
    assert "\nto-error\n" in printed


def test_log_is_live(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """What a job has written can be read while it still runs."""
    gate = tmp_path / "gate"
    name = jobs.submit(f"echo waiting; until test -e {gate}; do sleep 0.05; done")
    details = ml.jobs._runs_operations  # noqa: SLF001 - the SDK has no public way to read a running job's log
    while "user_logs/std_log.txt" not in (logs := details.get_run_details(name).log_files):
        pass
    while "waiting" not in ml.jobs._requests_pipeline.get(logs["user_logs/std_log.txt"]).text():  # noqa: SLF001
        details.get_run_details(name)
    assert ml.jobs.get(name).status == "Running"
    gate.touch()


def test_failed_command_fails_the_job(ml: MLClient, jobs: Jobs) -> None:
    """A job whose command fails is Failed, and the error holds its exit code and the last lines of its log."""
    from azure.ai.ml.exceptions import JobException

    name = jobs.submit("echo the reason; exit 3")
    with pytest.raises(JobException, match=r"(?s)exited with status code 3.*the reason"):
        ml.jobs.stream(name)
    assert ml.jobs.get(name).status == "Failed"


def test_missing_input_fails_the_job(ml: MLClient, jobs: Jobs) -> None:
    """A job whose input does not exist is Failed with a UserError that names the input."""
    from azure.ai.ml import Input
    from azure.ai.ml.exceptions import JobException

    nowhere = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/nowhere")
    name = jobs.submit("ls ${{inputs.data}}", inputs={"data": nowhere})
    with pytest.raises(JobException, match=r"(?s)UserError.*Input 'data': nothing exists at .*nowhere"):
        ml.jobs.stream(name)


def test_cancel_ends_the_process(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A canceled job is Canceled, and nothing that it started goes on."""
    name = jobs.submit(f"echo $$ > {tmp_path}/pid; sleep 600")
    jobs.wait_for(name, tmp_path / "pid")
    ml.jobs.begin_cancel(name).result()
    assert ml.jobs.get(name).status == "Canceled"
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_output_becomes_a_model(ml: MLClient, jobs: Jobs) -> None:
    """A model can be registered from the output of a job, and knows the job."""
    from azure.ai.ml import Output
    from azure.ai.ml.entities import Model

    name = jobs.submit("echo weights > ${{outputs.out}}/model.bin", outputs={"out": Output(type="custom_model")})
    jobs.end(name)
    model = ml.models.create_or_update(Model(name=f"model-of-{name}", path=f"azureml://jobs/{name}/outputs/out"))
    assert ml.models.get(model.name, model.version).job_name == name


def test_unknown_compute_is_refused(jobs: Jobs) -> None:
    """A job for a compute that does not exist is not accepted."""
    with pytest.raises(HttpResponseError, match="unknown compute target 'nowhere'"):
        jobs.submit("true", compute="nowhere")


def test_only_labels_of_a_job_change(ml: MLClient, jobs: Jobs) -> None:
    """The tags of a job can be changed, its command cannot."""
    name = jobs.submit("true")
    assert ml.jobs.update(name, tags={"kept": "yes"}).tags["kept"] == "yes"
    with pytest.raises(HttpResponseError, match="the existing job's command cannot be changed"):
        jobs.submit("false", name=name)
    assert ml.jobs.get(name).tags["kept"] == "yes"


def test_workspaces_share_the_names_of_jobs(
    ml: MLClient, jobs: Jobs, jobs_of: Callable[[MLClient], Jobs], unique: str
) -> None:
    """A name that another workspace has used is refused with a sentence, and its job is left alone."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Workspace
    from azure.identity import DefaultAzureCredential

    ml.workspaces.begin_create(Workspace(name=unique)).result()
    other = jobs_of(MLClient(DefaultAzureCredential(), ml.subscription_id, ml.resource_group_name, unique))
    name = jobs.submit("true", name=f"{unique}-job")
    with pytest.raises(HttpResponseError, match=f"was used in workspace {ml.workspace_name}"):
        other.submit("true", name=name)
    assert jobs.end(name).status == "Completed"


def test_archived_jobs_are_listed_apart(ml: MLClient, jobs: Jobs) -> None:
    """An archived job leaves the list of active jobs and comes back when it is restored."""
    from azure.ai.ml.constants import ListViewType

    name = jobs.submit("true")
    ml.jobs.archive(name)
    assert name not in {job.name for job in ml.jobs.list()}
    assert name in {job.name for job in ml.jobs.list(list_view_type=ListViewType.ARCHIVED_ONLY)}
    ml.jobs.restore(name)
    assert name in {job.name for job in ml.jobs.list()}
