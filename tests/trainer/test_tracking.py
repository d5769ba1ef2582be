"""Metrics reach the runs that the job's environment names, and nothing is needed where it names none."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops.trainer.tracking import log_metrics


def test_metrics_reach_the_job_and_its_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value is kept with its step, also when there are more than one request may hold; the root run has all."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes seconds to make
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    client = MlflowClient()
    experiment = client.create_experiment("chat")
    runs = {name: client.create_run(experiment).info.run_id for name in ("MLFLOW_RUN_ID", "AZUREML_ROOT_RUN_ID")}
    for name, run in runs.items():
        monkeypatch.setenv(name, run)
    log_metrics([("loss", float(step), 0, step) for step in range(1001)])
    for run in runs.values():
        history = client.get_metric_history(run, "loss")
        assert [(metric.step, metric.value) for metric in history] == [(step, float(step)) for step in range(1001)]


def test_no_run_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training on a machine without a tracking server goes on."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    log_metrics([("loss", 1.0, 0, 0)])
