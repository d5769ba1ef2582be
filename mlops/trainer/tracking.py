"""The metrics of a job: a line of its log, and in MLflow, where the environment names a tracking server and a run."""

import os
from collections.abc import Mapping

LARGE = 1000
"""From here on a figure is read by its thousands, not by its digits."""


def shown(metrics: Mapping[str, float | None]) -> str:
    """Give metrics in a line as people read them; what was not measured is left out.

    >>> shown({"num_tokens": 48233.0, "loss": 5.79312, "learning_rate": 5e-06, "latency_s": None})
    'num_tokens 48,233 loss 5.793 learning_rate 5e-06'
    """
    measured = {key: value for key, value in metrics.items() if value is not None}
    return " ".join(f"{key} {value:{'.4g' if abs(value) < LARGE else ',.0f'}}" for key, value in measured.items())


def log_metrics(metrics: list[tuple[str, float, int, int]]) -> None:
    """Write (key, value, timestamp in ms, step) to the runs of this job, where a tracking server is set.

    The runs are the step's own and the whole pipeline's, where the registry's components write theirs, too.
    """
    if not metrics or "MLFLOW_RUN_ID" not in os.environ:
        return
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client, own = MlflowClient(), os.environ["MLFLOW_RUN_ID"]
    for run_id in sorted({own, os.environ.get("AZUREML_ROOT_RUN_ID", own)}):
        for start in range(0, len(metrics), 1000):  # the most a log-batch request may hold
            client.log_batch(run_id, metrics=[Metric(*metric) for metric in metrics[start : start + 1000]])
