"""Jobs: submitted once, followed to their end."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import count, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mlops.compute.cluster import SERVERLESS
from mlops.errors import AzureError, Refusal
from mlops.workspace import history
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors
from mlops.workspace.runs import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from azure.ai.ml.entities import Job

    from mlops.compute.cluster import ClusterSettings
    from mlops.records import Parameter
    from mlops.workspace.assets import Component, FoundationModel
    from mlops.workspace.client import Workspace
    from mlops.workspace.runs import Snapshot

LAST_LINES: Final = 20
LAST_JOBS: Final = 5
ALIGNMENT: Final = "alignment"
"""The name of the step that learns from preferences: the variable that holds it in the pipeline."""
HANDED_ON: Final = ("HF_ENDPOINT",)
"""Variables that hold in our jobs as they do here: which mirror stands for the Hub. No secret is among them."""
ENDED_BADLY: Final = ("Failed", "Canceled")


@dataclass(frozen=True)
class Submission:
    """A job's name, and whether it was new or the stage attached to one that was there."""

    name: str
    new: bool

    def __str__(self) -> str:
        """Say which of the two."""
        return f"{'submitted' if self.new else 'attached to'} job {self.name}"


@dataclass(frozen=True)
class FinetuningRequest:
    """Everything a fine-tuning pipeline job is made of; URIs are `azureml://` paths."""

    name: str
    display_name: str
    experiment: str
    cluster: ClusterSettings
    num_gpus: int
    train_uri: str
    validation_uri: str
    test_uri: str
    parameters: Mapping[str, Parameter]
    alignment: AlignmentRequest | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class AlignmentRequest:
    """The step after fine-tuning, of the same job: `preferences_uri` is a data asset, or a file to upload."""

    component: Component
    preferences_uri: str
    parameters: Mapping[str, Parameter]


def submit_finetuning(
    workspace: Workspace, component: Component, model: FoundationModel, request: FinetuningRequest, *, force: bool
) -> Submission:
    """Submit the component as a pipeline job with output `trained_model`, or attach to the job of this name.

    `force` submits another one.
    """
    from azure.ai.ml.dsl import pipeline

    inputs = {name: value for name, value in _inputs(model, request).items() if name in component.inputs}

    def chat_completion() -> dict[str, Any]:
        training = component.callable(**inputs, **request.parameters)  # the variable names the step
        if component.callable.type == "command":  # a registry's pipeline places its steps by its inputs
            _place(training, request.cluster)
        trained = training.outputs.mlflow_model_folder
        if request.alignment:
            alignment = _align(request, request.alignment, trained)
            _place(alignment, request.cluster)
            trained = alignment.outputs.mlflow_model_folder
        return {"trained_model": trained}

    with azure_errors(f"build the pipeline of {request.display_name}"):
        job = pipeline(chat_completion, name=request.display_name)()
    job.name, job.display_name, job.tags = request.name, request.display_name, dict(request.tags)
    return _submit(workspace, job, request.experiment, force=force)


def _inputs(model: FoundationModel, request: FinetuningRequest) -> dict[str, Any]:
    """Return what a component may be given beside its parameters; each takes what it has inputs for."""
    from azure.ai.ml import Input

    cluster = request.cluster
    model_path = "mlflow_model_path" if model.type == "mlflow_model" else "pytorch_model_path"
    steps = ("model_import", "preprocess", "finetune", "model_evaluation")
    computes = {f"compute_{step}": SERVERLESS if cluster.is_serverless else cluster.name for step in steps}
    on_gpu = {f"instance_type_{step}": cluster.size for step in ("finetune", "model_evaluation")}
    files = {"train": request.train_uri, "validation": request.validation_uri, "test": request.test_uri}
    return {
        model_path: Input(type=model.type, path=model.id),
        **{f"{split}_file_path": Input(type="uri_file", path=uri) for split, uri in files.items()},
        **computes,
        **(on_gpu if cluster.is_serverless else {}),
        "number_of_gpu_to_use_finetuning": request.num_gpus,
        "num_nodes_finetune": cluster.num_nodes,
    }


def _align(request: FinetuningRequest, second: AlignmentRequest, trained: Any) -> Any:
    from azure.ai.ml import Input

    return second.component.callable(
        mlflow_model_path=trained,
        train_file_path=Input(type="uri_file", path=second.preferences_uri),
        number_of_gpu_to_use_finetuning=request.num_gpus,
        **second.parameters,
    )


def _place(step: Any, cluster: ClusterSettings) -> None:
    from azure.ai.ml.entities import JobResourceConfiguration

    if cluster.is_serverless:
        step.resources = JobResourceConfiguration(instance_type=cluster.size, instance_count=cluster.num_nodes)
    else:
        step.compute = cluster.name
        step.resources = JobResourceConfiguration(instance_count=cluster.num_nodes)


def submit_component(
    workspace: Workspace,
    spec: Path,
    inputs: Mapping[str, Any],
    *,
    name: str,
    experiment: str,
    cluster: ClusterSettings,
    places: Mapping[str, str] = MappingProxyType({}),
) -> Submission:
    """Submit a component of ours as a pipeline of one step on one node, whose outputs are the component's.

    Inputs are numbers, texts, or (type, path) pairs; `places` says where an output goes, if not among the job's own.
    A pipeline, because a job alone has no optional inputs.
    """
    from azure.ai.ml import Input, Output, load_component
    from azure.ai.ml.dsl import pipeline

    values = {key: Input(type=value[0], path=value[1]) for key, value in inputs.items() if isinstance(value, tuple)}
    component = load_component(spec)

    def one_step() -> dict[str, Any]:
        step = component(**{**inputs, **values})
        _place(step, cluster.model_copy(update={"num_nodes": 1}))
        step.environment_variables = {name: os.environ[name] for name in HANDED_ON if os.environ.get(name)}
        return {output: step.outputs[output] for output in component.outputs}

    with azure_errors(f"build the job of {spec.name}"):
        job = pipeline(one_step, name=name, default_compute=cluster.name)()
    job.name = name
    for output, path in places.items():
        job.outputs[output] = Output(type="uri_folder", path=path)
    return _submit(workspace, job, experiment)


def _submit(workspace: Workspace, job: Any, experiment: str, *, force: bool = False) -> Submission:
    """Submit a job unless there is one of its name that has not failed: a stage that runs again attaches to its own.

    The name decides, and the service gives it to one job only: whenever a client dies, the next one finds that job.
    """
    name = job.name
    # A cached result would hide that a component drifted.
    job.settings.force_rerun, job.settings.continue_on_step_failure = True, False
    with azure_errors(f"submit job {name}"):
        attempts = list(_attempts(workspace, name))
        if attempts and attempts[-1].status not in ENDED_BADLY and not force:
            return Submission(str(attempts[-1].name), new=False)
        job.name = f"{name}-{len(attempts) + 1}" if attempts else name
        with quiet():
            workspace.ml.jobs.create_or_update(job, experiment_name=experiment)
    return Submission(job.name, new=True)


def _attempts(workspace: Workspace, name: str) -> Iterator[Job]:
    """Yield the jobs that were submitted under a name: `name`, `name-2`, `name-3`."""
    from azure.core.exceptions import ResourceNotFoundError

    for number in count(1):
        try:
            yield workspace.ml.jobs.get(name if number == 1 else f"{name}-{number}")
        except ResourceNotFoundError:
            return


def follow(workspace: Workspace, name: str, *, log: Path, on_line: Callable[[str], None]) -> str:
    """Wait for a job's end, writing its log and handing on each line; return its Studio address.

    Raises what `check` does.
    """
    with log.open("w", encoding="utf-8") as file:
        for snapshot in watch(workspace, name):
            for line in snapshot.lines:
                print(line, file=file, flush=True)
                on_line(line)
    check(snapshot, name, log=log)
    return studio_url(workspace, name)


def check(snapshot: Snapshot, name: str, *, log: Path) -> None:
    """Raise AzureError, with the end of the failing step's log, for a job that failed; Refusal for a canceled one."""
    if snapshot.status == "Canceled":
        raise Refusal(f"job {name} was canceled; run the stage again to submit it anew. Its log is {log}")
    if snapshot.status != "Completed":
        step = next((step for step in snapshot.steps if step.status != "Completed"), snapshot.steps[-1])
        lost = "preempt" in step.error.lower()
        advice = (
            "Its node was taken away: run the stage again, or use dedicated nodes" if lost else "Mend what its log says"
        )
        raise AzureError(
            f"job {name} failed in step {step.display_name}: {step.error.strip() or step.status}\n{advice}. "
            f"The end of its log, {log}:\n{_tail(log)}"
        )


def _tail(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:])


def cancel(workspace: Workspace, name: str) -> None:
    """Cancel a job and wait until it has ended."""
    with azure_errors(f"cancel job {name}"):
        workspace.ml.jobs.begin_cancel(name).result()


def studio_url(workspace: Workspace, name: str) -> str:
    """Return where a browser shows a job."""
    with azure_errors(f"look up job {name}"):
        return str(workspace.ml.jobs.get(name).studio_url)


def keep_timing(workspace: Workspace, name: str, workload: str, *, tokens_per_s: float, preparation_h: float) -> None:
    """Write how fast a job was into its tags, where the plans of later jobs of the workload find it."""
    set_tags(workspace, name, {workload: json.dumps([tokens_per_s, preparation_h])})


def keep_cost(workspace: Workspace, name: str, usd: float) -> None:
    """Write what a job cost into its tags, where `mlops status` finds it."""
    set_tags(workspace, name, {history.COST: f"{usd:.4f}"})


def timings(workspace: Workspace, workload: str) -> list[tuple[float, float]]:
    """Return tokens per second of a GPU and hours of preparation of the last jobs of a workload."""
    with azure_errors("read the timings of earlier jobs"):
        found = islice(workspace.ml.jobs.list(tag=workload), LAST_JOBS)
        read = [json.loads(job.tags[workload]) for job in found if job and workload in job.tags]
    return [(float(rate), float(hours)) for rate, hours in read]


def tags(workspace: Workspace, name: str) -> Mapping[str, str]:
    """Return the tags of a job."""
    with azure_errors(f"look up job {name}"):
        return dict(workspace.ml.jobs.get(name).tags or {})


def set_tags(workspace: Workspace, name: str, tags: Mapping[str, str]) -> None:
    """Add tags to a job; those it has stay."""
    with azure_errors(f"tag job {name}"):
        workspace.ml.jobs.update(name, tags=dict(tags))


def download(workspace: Workspace, name: str, output: str, folder: Path) -> Path:
    """Download a job's output; return the folder that holds it."""
    with azure_errors(f"download output {output} of job {name}"), quiet():
        workspace.ml.jobs.download(name, output_name=output, download_path=folder)
    return folder / "named-outputs" / output
