"""What is checked and learned of an asset's files when it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.emulator.assets import model_files, paths
from mlops.emulator.context import HOME, STORE, WORKSPACE
from mlops.emulator.errors import ArmError, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

_REQUIRED = {"codes": "codeUri", "data": "dataUri", "models": "modelUri", "components": "componentSpec"}

# The service keeps the paths of data with the workspace in them.
_SHORT = "azureml://datastores/"


def settle(app: web.Application, info: Mapping[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a version of the route `info` names as the service keeps them."""
    if info["kind"] == "models" and "workspace" in info:
        return given | model_files.settle(app, given, workspace=WORKSPACE.format(**info))
    if info["kind"] == "data" and "workspace" in info and given.get("dataUri", "").startswith(_SHORT):
        scope = "azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{workspace}/datastores/"
        return {**given, "dataUri": scope.format(**info) + given["dataUri"].removeprefix(_SHORT)}
    if info["kind"] == "environments" and given.get("build"):
        return {**given, "build": {"dockerfilePath": "Dockerfile", **given["build"]}}
    return given


async def describe(app: web.Application, info: Mapping[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Return what the service adds to the properties of a new version.

    Raise ArmError (400) for one that lacks what it is made of.
    """
    kind, workspace = info["kind"], WORKSPACE.format(**info) if "workspace" in info else None
    required = _REQUIRED.get(kind)
    if required and not given.get(required):
        raise bad_request(f"The property {required} is required for {kind}.")
    if kind == "environments":
        if not (given.get("image") or given.get("build")):
            raise bad_request("An environment needs an image or a build context.")
        return {"environmentType": "UserCreated", "osType": given.get("osType") or "Linux"}
    if kind == "data":
        _check_table(app, given, workspace=workspace)
    return await model_files.describe(app, given, workspace=workspace) if kind == "models" else {}


def _check_table(app: web.Application, given: dict[str, Any], *, workspace: str | None) -> None:
    """Refuse a table without its description, as far as its files are here."""
    if given.get("dataType") != "mltable":
        return
    try:
        folder = paths.local_path(app[STORE], app[HOME], given["dataUri"], workspace=workspace)
    except ArmError:
        return  # somewhere else in the world
    if not (folder / "MLTable").is_file():
        raise bad_request(f"The path {given['dataUri']} holds no MLTable file, so it is no mltable.")
