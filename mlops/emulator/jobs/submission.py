"""What is refused when a job is submitted: names, kinds, and all that its steps refer to and does not exist."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.assets import curated
from mlops.emulator.errors import bad_request
from mlops.emulator.home import REGISTRY
from mlops.emulator.jobs import command, components, history, launch, pipeline, sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document, Store

_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}")
_LABEL = re.compile(r"(?P<asset>azureml://registries/.+)/labels/[^/]+")
# Fake: of the hundreds of environments in Microsoft's registry, all names are taken as known.
_CURATED = f"azureml://registries/{REGISTRY}/environments/"
# Azure ML provides the machines of this name itself.
_SERVERLESS = "serverless"


def check(store: Store, name: str, body: Document, *, workspace: str) -> None:
    """Raise ArmError (400) for a job that the service would not accept; `workspace` is an ARM id."""
    if not _NAME.fullmatch(name):
        raise bad_request(f"The job name {name!r} is invalid: use letters, digits, '-' and '_', at most 255.")
    if (owner := history.owner(store, name)) and owner.lower() != workspace.lower():
        # Not so on Azure: here all workspaces share one MLflow server, whose runs have the names of the jobs.
        raise bad_request(
            f"The job name {name!r} was used in workspace {owner.rpartition('/')[2]}: the emulator's workspaces share"
            " the names of jobs. Use another name."
        )
    try:
        for step in read(store, name, body):
            _check(store, step, body.get("settings") or {}, workspace=workspace)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Only the outer shape of a body is known before; steps and sweeps are checked by reading them.
        raise bad_request(f"The job {name} is malformed: {error!r}.") from error


def read(store: Store, name: str, body: Document) -> list[Step]:
    """Return the steps of a job: all of a pipeline's, or the one that a command or sweep job is."""
    kind = body.get("jobType")
    if kind == "Pipeline":
        return pipeline.read(store, name, body)
    if kind == "Command":
        return [command.read_job(name, body, default_uri=history.output_uri)]
    if kind == "Sweep":
        return [_sweep(name, body)]
    raise bad_request(f"Jobs of type {kind} are not emulated; only Command, Pipeline and Sweep are.")


def _sweep(name: str, body: Document) -> Step:
    tried = sweep.read(body, where=f"Job {name}")
    own = {key: body.get(key) for key in ("inputs", "outputs", "computeId", "displayName")}
    # The resources of a sweep are those of each trial; its limits are not.
    trial = {"resources": body.get("resources"), **(body.get("trial") or {}), **own}
    return replace(command.read_job(name, trial, default_uri=history.output_uri), sweep=tried)


def _check(store: Store, step: Step, settings: Mapping[str, Any], *, workspace: str) -> None:
    compute = (step.compute or _SERVERLESS).rpartition("/")[2]
    if compute != _SERVERLESS and store.get(f"{workspace}/computes/{compute}") is None:
        raise bad_request(f"Step {step.node}: unknown compute target {compute!r}.")
    for kind in ("environment", "code"):
        asset = step.spec.get(kind)
        if asset and not _exists(store, str(asset)):
            raise bad_request(f"Step {step.node}: {kind} {asset} was not found.")
    known = {**step.inputs, **(step.sweep.space if step.sweep else {})}
    text = step.spec.get("command") or ""
    if missing := command.undefined(text, inputs=known, outputs=step.outputs):
        raise bad_request(f"Step {step.node}: the command refers to undefined {', '.join(missing)}.")
    launch.check(step)
    if components.is_pipeline(step.spec):
        for inner in pipeline.read(store, step.name, pipeline.nested(step, settings)):
            _check(store, inner, settings, workspace=workspace)


def _exists(store: Store, asset: str) -> bool:
    if asset.startswith(_CURATED) or curated.short_name(asset):
        return True
    if match := _LABEL.fullmatch(asset):
        return bool(store.children(f"{match['asset']}/versions"))
    return store.get(asset if asset.startswith("azureml://") else asset.removeprefix("azureml:")) is not None
