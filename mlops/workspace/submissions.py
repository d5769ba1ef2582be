"""What is submitted as a job, and how: once, whoever asks, however often."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from mlops.compute.cluster import SERVERLESS
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from azure.ai.ml.entities import Job

    from mlops.compute.cluster import ClusterSettings
    from mlops.records import Parameter
    from mlops.workspace.assets import Component, FoundationModel
    from mlops.workspace.client import Workspace

ALIGNMENT: Final = "alignment"
"""The name of the step that learns from preferences: the variable that holds it in the pipeline."""
HANDED_ON: Final = ("HF_ENDPOINT",)
"""Variables that hold in our jobs as they do here: which mirror stands for the Hub. No secret is among them."""
ENDED_BADLY: Final = ("Failed", "Canceled")


@dataclass(frozen=True)
class Submission:
    """A job's name, and whether it was new or the stage attached to one that was there, perhaps completed by now."""

    name: str
    new: bool
    completed: bool = False

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


@dataclass(frozen=True)
class ComponentRequest:
    """What the job of a component of ours is called, and where it runs; `places` holds outputs that go elsewhere."""

    name: str
    display_name: str
    experiment: str
    cluster: ClusterSettings
    places: Mapping[str, str] = field(default_factory=dict)


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
    workspace: Workspace, spec: Path, inputs: Mapping[str, Any], request: ComponentRequest
) -> Submission:
    """Submit a component of ours as a pipeline of one step on one node, named after its file, with the same outputs.

    Inputs are numbers, texts, or (type, path) pairs. A pipeline, because a job alone has no optional inputs.
    """
    from azure.ai.ml import Input, Output, load_component
    from azure.ai.ml.dsl import pipeline

    values = {key: Input(type=value[0], path=value[1]) for key, value in inputs.items() if isinstance(value, tuple)}
    component = load_component(spec)

    def one_step() -> dict[str, Any]:
        step = component(**{**inputs, **values})
        step.name = spec.stem
        _place(step, request.cluster.model_copy(update={"num_nodes": 1}))
        step.environment_variables = {name: os.environ[name] for name in HANDED_ON if os.environ.get(name)}
        return {output: step.outputs[output] for output in component.outputs}

    with azure_errors(f"build the job of {spec.name}"):
        job = pipeline(one_step, name=request.name, default_compute=request.cluster.name)()
    job.name, job.display_name = request.name, request.display_name
    for output, path in request.places.items():
        job.outputs[output] = Output(type="uri_folder", path=path)
    return _submit(workspace, job, request.experiment)


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
            last = attempts[-1]
            return Submission(str(last.name), new=False, completed=last.status == "Completed")
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
