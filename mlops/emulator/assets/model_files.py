"""What the files of a model say about it: where they really lie, who made them, which flavors they have."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import yaml

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import bad_request
from mlops.emulator.storage.account import CONTAINERS

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

_JOB = re.compile(r"azureml://(?:.*/)?jobs/(?P<job>[^/]+)/", re.IGNORECASE)
_DATASTORE = "workspaceblobstore"


def settle(app: web.Application, properties: dict[str, Any], *, workspace: str) -> dict[str, Any]:
    """Return `modelUri` as the service keeps it, a datastore path in place of a job's output, with `jobName`.

    `workspace` is the ARM id of the workspace.
    """
    job = _JOB.match(properties.get("modelUri", ""))
    if job is None:
        return {}
    folder = paths.local_path(app[STORE], app[HOME], properties["modelUri"])
    path = folder.relative_to((app[HOME].blobs / CONTAINERS[_DATASTORE]).resolve())
    scope = workspace.replace("/providers/Microsoft.MachineLearningServices", "").replace(
        "resourceGroups", "resourcegroups"
    )
    return {"modelUri": f"azureml:/{scope}/datastores/{_DATASTORE}/paths/{path}", "jobName": job["job"]}


async def describe(app: web.Application, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the `flavors` of a model; raise ArmError (400) when its files are not there."""
    uri = properties["modelUri"]
    folder = paths.local_path(app[STORE], app[HOME], uri)
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
    flavors: dict[str, dict[str, Any]] = yaml.safe_load(description.read_text())["flavors"]
    return {name: {"data": {key: str(value) for key, value in data.items()}} for name, data in flavors.items()}
