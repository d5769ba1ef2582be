"""The assets that jobs make: versions of data and models, from named outputs and from MLflow's own registry."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from mlops.emulator import arm
from mlops.emulator.assets import model_files, paths, rules, versions
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, bad_request
from mlops.emulator.jobs import history

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.jobs.command import Output
    from mlops.emulator.store import Document

_KNOWN = "/_emulator/mlflow_models"
_MLFLOW = "mlflow-artifacts:"
_VERSIONS = """
SELECT version.name, version.version, version.storage_location, version.run_id, tag.value
FROM model_versions AS version
LEFT JOIN tags AS tag ON tag.run_uuid = version.run_id AND tag.key = 'azureml.workspaceScope'
ORDER BY version.creation_time
"""


async def register_output(app: web.Application, run: Document, output: Output) -> None:
    """Register a named output as a version of data or of a model.

    Raises ArmError (400) if the version exists, or is none that Azure takes.
    """
    kind = "models" if output.type.endswith("_model") else "data"
    container = f"{run['workspace']}/{kind}/{output.asset_name}"
    found = app[STORE].children(f"{container}/versions")
    if any(each["properties"].get("jobName") == run["runId"] for each in found):
        return  # an emulator that was killed had come this far
    if kind == "models":
        properties = {"modelType": output.type, "modelUri": output.uri}
    else:
        properties = {"dataType": output.type, "dataUri": output.uri}
    await _register(app, container, output.asset_version, {**properties, "jobName": run["runId"]})


async def adopt_mlflow_models(app: web.Application) -> None:
    """Make the models that were registered through MLflow models of the workspace, as they are on Azure ML."""
    for name, number, location, run, workspace in await asyncio.to_thread(_registered, app[HOME].jobs / "mlflow.db"):
        key = f"{_KNOWN}/{name}/{number}"
        if app[STORE].get(key) is not None or not str(location).startswith(_MLFLOW):
            continue
        app[STORE].put(key, {"run": run})
        container = f"{workspace or paths.default_workspace()}/models/{name}"
        taken = app[STORE].get(f"{container}/versions/{number}") is not None
        uri = history.artifact_uri(location.removeprefix(_MLFLOW).lstrip("/"))
        properties = {"modelType": "mlflow_model", "modelUri": uri, "jobName": run or None}
        with suppress(ArmError):  # its files are not there, so it is no model to Azure ML
            await _register(app, container, None if taken else str(number), properties)


def _registered(database: Path) -> list[tuple[str, int, str, str | None, str | None]]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(_VERSIONS).fetchall()
        except sqlite3.OperationalError:  # MLflow is only making its tables
            return []


async def _register(app: web.Application, container: str, version: str | None, own: dict[str, Any]) -> None:
    scope, kind, name = container.rsplit("/", 2)
    version = version or str(versions.summarize(app[STORE].children(f"{container}/versions"))["nextVersion"])
    rules.refuse_version(kind, version)
    id_ = f"{container}/versions/{version}"
    if app[STORE].get(id_):
        raise bad_request(f"The output cannot be registered: version {version} of {name} in {kind} exists already.")
    if kind == "models":
        own |= await model_files.describe(app, own, workspace=scope)
    common: dict[str, Any] = {
        "description": None,
        "isArchived": False,
        "isAnonymous": False,
        "tags": {},
        "properties": {},
    }
    if app[STORE].get(container) is None:
        kept = {**common, "dataType": own["dataType"]} if kind == "data" else common
        app[STORE].put(container, arm.resource(container, type=f"workspaces/{kind}", properties=kept))
    app[STORE].put(id_, arm.resource(id_, type=f"workspaces/{kind}/versions", properties=common | own))
