"""Jobs: submitted once, followed to their end."""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from io import TextIOBase
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlops.errors import AzureError
from mlops.workspace.client import azure_errors, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops.records import Parameter
    from mlops.workspace.assets import Component, FoundationModel
    from mlops.workspace.client import Workspace


ENDED_BADLY = ("Failed", "Canceled")


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
    compute: str
    num_gpus: int
    num_nodes: int
    train_uri: str
    validation_uri: str
    test_uri: str
    parameters: Mapping[str, Parameter]
    tags: Mapping[str, str]


def submit_finetuning(
    workspace: Workspace, component: Component, model: FoundationModel, request: FinetuningRequest
) -> Submission:
    """Submit the registry's pipeline with output `trained_model`."""
    from azure.ai.ml import Input
    from azure.ai.ml.dsl import pipeline

    def chat_completion() -> dict[str, Any]:
        step = component.callable(
            mlflow_model_path=Input(type="mlflow_model", path=model.id),
            compute_model_import=request.compute,
            compute_preprocess=request.compute,
            compute_finetune=request.compute,
            compute_model_evaluation=request.compute,
            train_file_path=Input(type="uri_file", path=request.train_uri),
            validation_file_path=Input(type="uri_file", path=request.validation_uri),
            test_file_path=Input(type="uri_file", path=request.test_uri),
            number_of_gpu_to_use_finetuning=request.num_gpus,
            num_nodes_finetune=request.num_nodes,
            **request.parameters,
        )
        return {"trained_model": step.outputs.mlflow_model_folder}

    with azure_errors(f"build the pipeline of {request.display_name}"):
        job = pipeline(chat_completion, name=request.display_name)()
    job.name, job.display_name, job.tags = request.name, request.display_name, dict(request.tags)
    return _submit(workspace, job, request.experiment)


def submit_component(
    workspace: Workspace,
    spec: Path,
    inputs: Mapping[str, Any],
    *,
    name: str,
    experiment: str,
    compute: str,
    places: Mapping[str, str] = MappingProxyType({}),
) -> Submission:
    """Submit a component of ours as a pipeline of one step, whose outputs are the component's.

    Inputs are numbers, texts, or (type, path) pairs; `places` says where an output goes, if not among the job's own.
    A pipeline, because a job alone has no optional inputs.
    """
    from azure.ai.ml import Input, Output, load_component
    from azure.ai.ml.dsl import pipeline

    values = {key: Input(type=value[0], path=value[1]) for key, value in inputs.items() if isinstance(value, tuple)}
    component = load_component(spec)

    def one_step() -> dict[str, Any]:
        step = component(**{**inputs, **values})
        return {output: step.outputs[output] for output in component.outputs}

    with azure_errors(f"build the job of {spec.name}"):
        job = pipeline(one_step, name=name, default_compute=compute)()
    job.name = name
    for output, path in places.items():
        job.outputs[output] = Output(type="uri_folder", path=path)
    return _submit(workspace, job, experiment)


def _submit(workspace: Workspace, job: Any, experiment: str) -> Submission:
    """Submit a job unless there is one of its name that has not failed: a stage that runs again attaches to its own."""
    name = job.name
    # A cached result would hide that a component drifted.
    job.settings.force_rerun, job.settings.continue_on_step_failure = True, False
    with azure_errors(f"submit job {name}"):
        for attempt in count(1):
            job.name = name if attempt == 1 else f"{name}-{attempt}"
            status = _status(workspace, job.name)
            if status is None:
                with quiet():
                    workspace.ml.jobs.create_or_update(job, experiment_name=experiment)
            if status not in ENDED_BADLY:
                break
    return Submission(job.name, new=status is None)


def _status(workspace: Workspace, name: str) -> str | None:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        status: str = workspace.ml.jobs.get(name).status  # an enum or text, which are equal but do not print alike
    except ResourceNotFoundError:
        return None
    return status


def follow(workspace: Workspace, name: str, *, log: Path, on_line: Callable[[str], None]) -> str:
    """Wait for a job's end, writing its log and handing on each line; return its Studio address.

    Raises AzureError if it failed or was canceled: the SDK's stream ends in silence for a canceled one.
    """
    with log.open("w", encoding="utf-8") as file, azure_errors(f"finish job {name}; its log is {log}"):

        def line(text: str) -> None:
            file.write(text + "\n")
            file.flush()
            on_line(text)

        with redirect_stdout(_Lines(line)):
            workspace.ml.jobs.stream(name)
        job = workspace.ml.jobs.get(name)
    if job.status != "Completed":
        raise AzureError(f"job {name} ended as {job.status.lower()}; its log is {log}")
    return str(job.studio_url)


def download(workspace: Workspace, name: str, output: str, folder: Path) -> Path:
    """Download a job's output; return the folder that holds it."""
    with azure_errors(f"download output {output} of job {name}"), quiet():
        workspace.ml.jobs.download(name, output_name=output, download_path=folder)
    return folder / "named-outputs" / output


class _Lines(TextIOBase):
    """A text stream that hands on whole lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line, self._rest = on_line, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._on_line(line)
        return len(text)
