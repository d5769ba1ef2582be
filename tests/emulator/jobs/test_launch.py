"""How jobs are started: several processes and nodes, time limits, and what they find in their environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs

PRINT = "python -c 'import json, os; print(json.dumps(dict(os.environ)))'"


def environments(ml: MLClient, name: str, folder: Path) -> dict[str, Mapping[str, str]]:
    """Return the environment that each process of a job has printed, by the name of its log."""
    ml.jobs.download(name, download_path=folder)
    files = (folder / "artifacts/user_logs").iterdir()
    return {file.name: json.loads(file.read_text().splitlines()[-1]) for file in files}


def test_pytorch_starts_every_process(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """Two nodes with two processes each are four processes that know their rank, with a log each."""
    from azure.ai.ml import PyTorchDistribution

    two = PyTorchDistribution(process_count_per_instance=2)
    name = jobs.submit(PRINT, distribution=two, instance_count=2)
    assert jobs.end(name).status == "Completed"
    found = environments(ml, name, tmp_path)
    assert sorted(found) == [f"std_log_process_{rank}.txt" for rank in range(4)]
    ranks = [
        [found[f"std_log_process_{rank}.txt"][key] for key in ("RANK", "LOCAL_RANK", "NODE_RANK")] for rank in range(4)
    ]
    assert ranks == [["0", "0", "0"], ["1", "1", "0"], ["2", "0", "1"], ["3", "1", "1"]]
    assert {each["WORLD_SIZE"] for each in found.values()} == {"4"}
    assert len({(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in found.values()}) == 1


@pytest.mark.parametrize(
    ("distribution", "log", "variables"),
    [
        ("mpi", "std_log_process_1.txt", {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}),
        ("tensorflow", "std_log_worker_1.txt", {"AZUREML_PROCESS_NAME": "worker_1"}),
    ],
)
def test_mpi_and_tensorflow_know_their_place(
    ml: MLClient, jobs: Jobs, tmp_path: Path, distribution: str, log: str, variables: dict[str, str]
) -> None:
    """Processes of MPI and TensorFlow find the variables by which these frameworks know their place."""
    from azure.ai.ml import MpiDistribution, TensorFlowDistribution

    kinds: dict[str, Any] = {
        "mpi": MpiDistribution(process_count_per_instance=2),
        "tensorflow": TensorFlowDistribution(worker_count=2, parameter_server_count=1),
    }
    name = jobs.submit(PRINT, distribution=kinds[distribution])
    assert jobs.end(name).status == "Completed"
    found = environments(ml, name, tmp_path)[log]
    assert {key: found[key] for key in variables} == variables
    if distribution == "tensorflow":
        cluster = json.loads(found["TF_CONFIG"])["cluster"]
        assert {role: len(addresses) for role, addresses in cluster.items()} == {"worker": 2, "ps": 1}


def test_one_failed_process_fails_the_job(ml: MLClient, jobs: Jobs) -> None:
    """When one process fails, the others are ended and the job is Failed."""
    from azure.ai.ml import PyTorchDistribution
    from azure.ai.ml.exceptions import JobException

    two = PyTorchDistribution(process_count_per_instance=2)
    name = jobs.submit('test "$RANK" = 0 && sleep 600; exit 7', distribution=two)
    with pytest.raises(JobException, match="exited with status code 7"):
        ml.jobs.stream(name)


def test_unknown_distribution_is_refused(jobs: Jobs) -> None:
    """A kind of distribution that is not emulated is refused with a sentence that says so."""
    from azure.ai.ml import RayDistribution

    with pytest.raises(HttpResponseError, match="distribution 'ray' is not emulated"):
        jobs.submit("true", distribution=RayDistribution())


def test_time_limit_cancels_the_job(ml: MLClient, jobs: Jobs) -> None:
    """A job that runs longer than its limit is Canceled, and the error says why."""
    name = jobs.submit("sleep 600", timeout=1)
    assert jobs.end(name).status == "Canceled"
    details = ml.jobs._runs_operations.get_run_details(name)  # noqa: SLF001 - the SDK shows no error of a canceled job
    assert "reached its time limit (PT1S)" in details.error.error.message


def test_nothing_is_left_behind(jobs: Jobs, tmp_path: Path) -> None:
    """What a command left running in the background ends with the job, as it does with its container."""
    import psutil

    name = jobs.submit(f"sleep 600 & echo $! > {tmp_path}/pid")
    assert jobs.end(name).status == "Completed"
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_job_finds_what_azure_ml_tells_it(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A job finds who it is and where its data is, beside its own variables."""
    from azure.ai.ml import Input, Output, UserIdentityConfiguration

    (tmp_path / "data.txt").write_text("data")
    name = jobs.submit(
        PRINT,
        inputs={"data": Input(type="uri_file", path=str(tmp_path / "data.txt")), "rate": 0.5},
        outputs={"out": Output(type="uri_folder")},
        environment_variables={"COLOR": "blue"},
        identity=UserIdentityConfiguration(),
        queue_settings={"job_tier": "spot"},
        shm_size="4g",
        docker_args="--ipc=host",
    )
    assert jobs.end(name).status == "Completed"
    (found,) = environments(ml, name, tmp_path).values()
    assert found["AZUREML_RUN_ID"] == found["AZUREML_ROOT_RUN_ID"] == found["MLFLOW_RUN_ID"] == name
    assert found["AZUREML_EXPERIMENT_NAME"] == found["MLFLOW_EXPERIMENT_NAME"] == "test-jobs"
    assert found["AZUREML_ARM_WORKSPACE_NAME"] == ml.workspace_name
    assert found["AZUREML_WORKSPACE_SCOPE"].endswith(f"/workspaces/{ml.workspace_name}")
    assert found["AZUREML_PARAMETER_rate"] == "0.5"
    assert found["AZURE_ML_INPUT_data"].endswith("data.txt")
    assert found["COLOR"] == "blue"
    assert "AZURE_ML_OUTPUT_out" in found
    assert "PYTHONPATH" not in found


def test_sdk_works_inside_a_job(jobs: Jobs) -> None:
    """A job reaches its own workspace with DefaultAzureCredential and nothing but its environment."""
    text = (
        "from azure.ai.ml import MLClient; from azure.identity import DefaultAzureCredential; import os; "
        'scope = [os.environ[f"AZUREML_ARM_{name}"] for name in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")]; '
        'print(MLClient(DefaultAzureCredential(), *scope).jobs.get(os.environ["AZUREML_RUN_ID"]).status)'
    )
    assert jobs.end(jobs.submit(f"python -c '{text}'")).status == "Completed"


def test_services_are_accepted_and_said_not_to_run(ml: MLClient, jobs: Jobs) -> None:
    """Interactive services are accepted, and `show_services` says that none of them runs."""
    from azure.ai.ml.entities import JupyterLabJobService

    name = jobs.submit("true", services={"lab": JupyterLabJobService()})
    jobs.end(name)
    shown = ml.jobs.show_services(name)
    assert shown is not None
    assert "no interactive services" in shown["lab"].error
    assert ml.jobs.show_services(jobs.submit("true")) is None


def test_serverless_when_no_compute_is_named(ml: MLClient, jobs: Jobs) -> None:
    """A job without a compute runs on serverless compute, with the environment that it names."""
    job = ml.jobs.get(jobs.submit("true"))
    assert job.compute is None
    assert job.environment == jobs.environment
