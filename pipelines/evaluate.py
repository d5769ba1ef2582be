"""Stage 3 of 7: `python -m pipelines.evaluate --environment local --run RUN`."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from mlops import stage, verification
from mlops.datasets.examples import add_preferences, file_sha256, read_answers
from mlops.gates.scores import reference_of
from mlops.records import Evaluation, FineTuningJob, ScoredModel
from mlops.reports.figures import figure
from mlops.reports.progress import progress
from mlops.sections import JudgeSettings
from mlops.stage import Context
from mlops.workspace import assets, endpoints
from mlops.workspace.jobs import download, follow
from mlops.workspace.submissions import ComponentRequest, submit_component

SPEC = Path(__file__).parent / "specs" / "evaluate.yml"
ENVIRONMENT = SPEC.with_name("environment.yml")
ROOT = Path(__file__).parent.parent
GENERAL, BEHAVIOR = ROOT / "data" / "general.jsonl", ROOT / "data" / "behavior.jsonl"
TRAINER = ROOT / "mlops" / "trainer"
BASES = {"mlflow_model": "base", "custom_model": "pytorch_base"}
"""The component's inputs for the base model, by its format."""
SHOWN = ("loss", "perplexity", "rougeL", "general_loss", "behavior_passed")


def evaluate(context: Context, job: FineTuningJob) -> Evaluation:
    """Score candidate, champion and base on the same held-out conversations in one job."""
    champion = _champion(context)
    context.say(f"champion: {champion or 'none, nothing serves yet'}")
    inputs = _inputs(context, job, champion)
    name = f"evaluate-{context.run}-{digest(inputs)}"
    cluster = context.settings.finetune.cluster.model_copy(update={"name": job.compute})
    models = "candidate, champion and base" if champion else "candidate and base"
    request = ComponentRequest(name, f"evaluate {context.run}: {models}", job.experiment, cluster)
    submission = submit_component(context.workspace, SPEC, inputs, request)
    context.say(str(submission))
    with progress(context.console) as show:
        studio_url = follow(context.workspace, submission.name, log=context.folder / "evaluate.log", on_line=show)
    evaluation = _record(context, job, submission.name, champion, studio_url)
    verification.mark_evaluation(context.workspace, evaluation)
    return evaluation


def digest(inputs: dict[str, Any]) -> str:
    """Return what tells one evaluation from another: its inputs, what is asked, and the code that measures."""
    code = assets.version_of([SPEC, ENVIRONMENT, GENERAL, BEHAVIOR, *sorted(TRAINER.rglob("*.py"))])
    return hashlib.sha256(json.dumps([inputs, code], sort_keys=True).encode()).hexdigest()[:8]


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
        BASES[job.foundation_type]: (job.foundation_type, job.foundation_model),
        "train_data": ("uri_file", job.data.train.uri),
        "test_data": ("uri_file", job.data.test.uri),
        "general": ("uri_file", str(GENERAL)),
        "behavior": ("uri_file", str(BEHAVIOR)),
        "num_examples": settings.num_examples,
        "num_generations": settings.num_generations,
        "max_new_tokens": settings.max_new_tokens,
    }
    if job.alignment:
        inputs["preferences"] = ("uri_file", job.alignment.preferences.uri)
    return inputs | ({"champion": ("mlflow_model", champion)} if champion else {})


def _record(context: Context, job: FineTuningJob, name: str, champion: str | None, studio_url: str) -> Evaluation:
    folder = context.folder / "evaluation"
    shutil.rmtree(folder, ignore_errors=True)
    results = download(context.workspace, name, "evaluation", folder)
    metrics = json.loads((results / "metrics.json").read_bytes())
    shutil.copy(results / "examples.parquet", context.folder / "examples.parquet")
    if context.settings.evaluate.judge is not None:
        _ask_judge(context, context.settings.evaluate.judge)
    models = {
        model: {name: value for name, value in values.items() if value is not None}
        for model, values in metrics["models"].items()
    }
    told = ", ".join(f"{number:,} {suite.replace('_', '-')}" for suite, number in metrics["suites"].items())
    context.say(f"of {told} examples, in which every token counts alike for a loss:")
    for model, values in models.items():
        context.say(f"{model}: " + ", ".join(f"{name} {figure(values[name])}" for name in SHOWN if name in values))
    return Evaluation(
        job=job,
        name=name,
        champion=champion,
        models=_models(context, job, champion, metrics["sha256"]),
        suites=metrics["suites"],
        contamination=metrics["contamination"],
        scored_at=metrics["scored_at"],
        test_data_sha256=metrics["test_data_sha256"],
        examples_sha256=file_sha256(context.folder / "examples.parquet"),
        metrics=models,
        studio_url=studio_url,
    )


def _ask_judge(context: Context, settings: JudgeSettings) -> None:
    """Add to the examples which answers a judge model prefers, the candidate's or its reference's."""
    from mlops.judge import preferences

    path = context.folder / "examples.parquet"
    answers = read_answers(path, sha256=file_sha256(path))
    reference = reference_of({row["model"] for row in answers})
    found = preferences(settings, answers, reference, cache=context.folder.parent / ".cache" / "judge")
    add_preferences(path, found, reference=reference)
    context.say(f"{settings.model} prefers the candidate in {sum(found.values()):g} of {len(found)} answers")


def _models(
    context: Context, job: FineTuningJob, champion: str | None, found: dict[str, str]
) -> dict[str, ScoredModel]:
    """Return who was scored as what; the champion beside the hash that it was registered with."""
    ids = {"candidate": job.trained_model, "champion": champion, "base": job.foundation_model}
    known = {"champion": _registered_sha256(context, champion) if champion else None}
    return {
        role: ScoredModel(id=str(ids[role]), sha256=sha256, registered_sha256=known.get(role))
        for role, sha256 in found.items()
    }


def _registered_sha256(context: Context, model: str) -> str | None:
    """Return the hash in the tags of `azureml:NAME:VERSION`; a model that others registered has none."""
    return assets.model_tags(context.workspace, model).get(verification.MODEL_SHA256)


if __name__ == "__main__":
    stage.main(evaluate)
