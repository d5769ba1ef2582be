"""The metrics of a job in MLflow, where its environment names a tracking server and a run."""

import os


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
