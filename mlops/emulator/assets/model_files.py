"""What the files of a model say about it: where they really lie, who made them, which flavors they have."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import yaml

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import bad_request
from mlops.emulator.storage import datastores

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

_JOB = re.compile(r"(?:azureml:/+(?:.*/)?jobs|runs:)/+(?P<job>[^/]+)/", re.IGNORECASE)
# Where jobs write: their outputs, their logs and MLflow artifacts.
_DATASTORES = (datastores.DEFAULT, "workspaceartifactstore")


def settle(app: web.Application, properties: dict[str, Any], *, workspace: str) -> dict[str, Any]:
    """Return `modelUri` as the service keeps it, a datastore path in place of a job's output, with `jobName`.

    `workspace` is the ARM id of the workspace.
    """
    job = _JOB.match(properties.get("modelUri", ""))
    if job is None:
        return {}
    folder = paths.local_path(app[STORE], app[HOME], properties["modelUri"], workspace=workspace)
    scope = workspace.replace("/providers/Microsoft.MachineLearningServices", "").replace(
        "resourceGroups", "resourcegroups"
    )
    for name in _DATASTORES:
        root = (app[HOME].blobs / datastores.container(app[STORE], workspace, name)).resolve()
        if folder.is_relative_to(root):
            path = folder.relative_to(root)
            return {"modelUri": f"azureml:/{scope}/datastores/{name}/paths/{path}", "jobName": job["job"]}
    return {"jobName": job["job"]}


async def describe(app: web.Application, properties: dict[str, Any], *, workspace: str | None = None) -> dict[str, Any]:
    """Return the `flavors` of a model; raise ArmError (400) when its files are not there."""
    uri = properties["modelUri"]
    folder = paths.local_path(app[STORE], app[HOME], uri, workspace=workspace)
    if not folder.exists():
        raise bad_request(f"The model's path {uri} was not found in storage (ModelAssetPathNotFoundInStorage).")
    flavors = await asyncio.to_thread(_flavors, folder)
    if properties.get("modelType") == "mlflow_model" and not flavors:
        raise bad_request(f"The model's path {uri} holds no MLmodel file, so it is no MLflow model.")
    return {"flavors": flavors}  # never null: the SDK could not read that


def _flavors(folder: Path) -> dict[str, Any]:
    description = folder / "MLmodel"
    if not description.is_file():
        return {}
    try:
        flavors: dict[str, dict[str, Any]] = yaml.safe_load(description.read_text())["flavors"]
        return {name: {"data": {key: str(value) for key, value in data.items()}} for name, data in flavors.items()}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"The model's file MLmodel cannot be read: {error}.") from None
