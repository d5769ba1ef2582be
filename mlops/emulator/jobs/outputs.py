"""What goes into a step and what comes out: paths of inputs, folders for outputs, assets of named outputs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops.emulator import arm
from mlops.emulator.assets import model_files, paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, bad_request
from mlops.emulator.registry import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.jobs.command import Input, Output
    from mlops.emulator.store import Document

_REGISTRY_MODEL = re.compile(r"azureml://registries/[^/]+/models/([^/]+)/versions/([^/]+)")


async def locate(app: web.Application, given: Input, *, name: str, workspace: str) -> str | None:
    """Return the text that stands for an input in the command: the literal, or the path of its data.

    Raise ArmError (UserError) when the data does not exist.
    """
    if given.type == "literal" or given.value is None:
        return given.value
    if match := _REGISTRY_MODEL.fullmatch(given.value):
        return str(await catalog.model_folder(app, match[1], match[2]))
    try:
        path = paths.local_path(app[STORE], app[HOME], given.value, workspace=workspace)
    except ArmError as error:
        raise bad_request(f"Input {name!r}: {error.message}") from error
    if not path.exists():
        raise bad_request(f"Input {name!r}: nothing exists at {given.value}.")
    return str(path)


def prepare(app: web.Application, output: Output) -> Path:
    """Return the path a step writes an output to; the folder exists."""
    path = paths.local_path(app[STORE], app[HOME], output.uri)
    (path.parent if output.type == "uri_file" else path).mkdir(parents=True, exist_ok=True)
    return path


async def register(app: web.Application, run: Document, output: Output) -> None:
    """Register a named output as a data or model version, as the service does when the step has succeeded."""
    if output.asset_name is None:
        return
    kind = "models" if output.type.endswith("_model") else "data"
    assets = f"{run['workspace']}/{kind}/{output.asset_name}/versions"
    version = output.asset_version or str(len(app[STORE].children(assets)) + 1)
    properties = {"isArchived": False, "isAnonymous": False, "tags": {}, "properties": {}}
    if kind == "models":
        properties |= {"modelType": output.type, "modelUri": output.uri}
        properties |= await model_files.describe(app, properties) | {"jobName": run["runId"]}
    else:
        properties |= {"dataType": output.type, "dataUri": output.uri}
    document = arm.resource(f"{assets}/{version}", type=f"workspaces/{kind}/versions", properties=properties)
    app[STORE].put(document["id"], document)
