"""Stage 3 of 7: `python -m pipelines.evaluate --environment local --run RUN`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from mlops import stage
from mlops.datasets.examples import file_sha256
from mlops.records import Evaluation, FineTuningJob
from mlops.reports.progress import progress
from mlops.stage import Context
from mlops.workspace import endpoints
from mlops.workspace.jobs import download, follow, submit_component

SPEC = Path(__file__).parent / "specs" / "evaluate.yml"


def evaluate(context: Context, job: FineTuningJob) -> Evaluation:
    """Score candidate, champion and base on the same held-out conversations in one job."""
    champion = _champion(context)
    context.say(f"champion: {champion or 'none, nothing serves yet'}")
    inputs = _inputs(context, job, champion)
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:8]
    name = f"evaluate-{context.run}-{digest}"
    submission = submit_component(
        context.workspace, SPEC, inputs, name=name, experiment=job.experiment, compute=job.compute
    )
    context.say(str(submission))
    with progress(context.console) as show:
        studio_url = follow(context.workspace, submission.name, log=context.folder / "evaluate.log", on_line=show)
    return _record(context, job, submission.name, champion, studio_url)


def _champion(context: Context) -> str | None:
    """Return the model that serves users now: found by traffic, never by `latest`."""
    name = context.settings.deploy.endpoint
    endpoint = endpoints.find(context.workspace, name)
    if endpoint is None or endpoint.stable is None:
        return None
    return endpoints.deployed_model(context.workspace, name, endpoint.stable)


def _inputs(context: Context, job: FineTuningJob, champion: str | None) -> dict[str, Any]:
    settings = context.settings.evaluate
    inputs: dict[str, Any] = {
        "candidate": ("mlflow_model", job.trained_model),
        "base": ("mlflow_model", job.foundation_model),
        "test_data": ("uri_file", job.data.test.uri),
        "num_examples": settings.num_examples,
        "num_generations": settings.num_generations,
        "max_new_tokens": settings.max_new_tokens,
    }
    return inputs | ({"champion": ("mlflow_model", champion)} if champion else {})


def _record(context: Context, job: FineTuningJob, name: str, champion: str | None, studio_url: str) -> Evaluation:
    folder = context.folder / "evaluation"
    shutil.rmtree(folder, ignore_errors=True)
    results = download(context.workspace, name, "evaluation", folder)
    metrics = json.loads((results / "metrics.json").read_bytes())
    shutil.copy(results / "examples.parquet", context.folder / "examples.parquet")
    models = {
        model: {name: value for name, value in values.items() if value is not None}
        for model, values in metrics["models"].items()
    }
    for model, values in models.items():
        context.say(f"{model}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
    return Evaluation(
        job=job,
        name=name,
        champion=champion,
        num_examples=metrics["num_examples"],
        test_data_sha256=metrics["test_data_sha256"],
        examples_sha256=file_sha256(context.folder / "examples.parquet"),
        metrics=models,
        studio_url=studio_url,
    )


if __name__ == "__main__":
    stage.main(evaluate)
