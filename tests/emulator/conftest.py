"""Jobs as the tests of all rooms submit, follow and read them: through the SDK."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

    Status = dict[str, str]

_ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"


@dataclass(frozen=True)
class Jobs:
    """The jobs of one client."""

    ml: MLClient
    environment: str = _ENVIRONMENT

    def command(self, text: str, **more: Any) -> Any:
        """Return a command job that has not been submitted, or a step of a pipeline."""
        from azure.ai.ml import command

        return command(command=text, environment=self.environment, **more)

    def submit(self, text: str, **more: Any) -> str:
        """Submit a command job and return its name."""
        return self.start(self.command(text, experiment_name="test-jobs", **more))

    def start(self, job: Job, **settings: Any) -> str:
        """Submit a job and return its name; a pipeline runs on serverless compute and has these settings."""
        if settings or hasattr(job, "settings"):
            for name, value in {"default_compute": "serverless", **settings}.items():
                setattr(job.settings, name, value)
        return str(self.ml.jobs.create_or_update(job).name)

    def end(self, name: str) -> Job:
        """Return the job when it has ended."""
        from azure.ai.ml.exceptions import JobException

        try:
            self.ml.jobs.stream(name)
        except JobException:
            assert self.ml.jobs.get(name).status == "Failed"
        return self.ml.jobs.get(name)

    def run(self, text: str, **more: Any) -> str:
        """Run a command job to its end and return its name."""
        name = self.submit(text, **more)
        self.end(name)
        return name

    def log(self, name: str, folder: Path) -> list[str]:
        """Return the lines that a job has printed, when it has completed."""
        assert self.end(name).status == "Completed"
        self.ml.jobs.download(name, download_path=folder)
        return (folder / "artifacts/user_logs/std_log.txt").read_text().splitlines()

    def written(self, name: str, folder: Path, *, output: str = "out") -> Path:
        """Return the folder of a job's output, downloaded."""
        self.ml.jobs.download(name, download_path=folder, output_name=output)
        return folder / "named-outputs" / output

    def steps(self, name: str) -> Status:
        """Return the status of each step of a pipeline that was started."""
        return {str(step.display_name): str(step.status) for step in self.ml.jobs.list(parent_job_name=name)}

    def metric(self, name: str, value: str) -> str:
        """Return a command that logs a metric by MLflow's REST interface; its client takes long to import."""
        body = f'{{"run_id": "\'$MLFLOW_RUN_ID\'", "key": "{name}", "value": {value}, "timestamp": 1, "step": 0}}'
        shown = '-H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" -H "Content-Type: application/json"'
        return (
            f"curl -sf --cacert $SSL_CERT_FILE $MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/log-metric {shown} -d '{body}'"
        )

    def wait_for(self, name: str, file: Path) -> None:
        """Return when a job has made a file."""
        while not file.exists():
            self.ml.jobs._runs_operations.get_run_details(name)  # noqa: SLF001 - it waits a little, which jobs.get does not


@pytest.fixture(scope="session")
def jobs(ml: MLClient) -> Jobs:
    """Return the jobs of the emulator that all tests share."""
    return Jobs(ml)


@pytest.fixture(scope="session")
def jobs_of() -> type[Jobs]:
    """Return what makes the jobs of another client, such as one of an emulator of the test's own."""
    return Jobs
