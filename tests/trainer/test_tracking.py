"""Metrics reach the run that the job's environment names, and nothing is needed where it names none."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops.trainer.tracking import log_metrics


def test_metrics_reach_the_jobs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value of a metric is kept with its step, also when there are more than one request may hold."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient()
    run = client.create_run(client.create_experiment("chat"))
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    log_metrics([("loss", float(step), 0, step) for step in range(1001)])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(step, float(step)) for step in range(1001)]


def test_no_run_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training on a machine without a tracking server goes on."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    log_metrics([("loss", 1.0, 0, 0)])
