"""The run history's own REST: what the SDK asks for to follow, list, relabel and download jobs."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, STORE, WORKSPACE
from mlops.emulator.errors import not_found
from mlops.emulator.jobs import history, logs
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from mlops.emulator.home import Home
    from mlops.emulator.store import Document

_HISTORY = "/history/v1.0" + WORKSPACE
# Every output of a job is an asset without a name of its own.
_ASSET = "azureml://locations/local/data/azureml_{job}_output_data_{output}/versions/1"
_OUTPUT = re.compile(r"azureml_([\w-]+?)_output_data_([^/]+)/versions/1$")
_WAIT_S = 0.5
_POLL_S = 0.05
_PUBLIC = (
    "runId",
    "parentRunId",
    "rootRunId",
    "status",
    "createdUtc",
    "startTimeUtc",
    "endTimeUtc",
    "error",
    "hidden",
    "displayName",
    "description",
    "tags",
    "properties",
)


async def discovery(request: web.Request) -> web.Response:
    """Answer where the services beside the control plane are: all here."""
    names = ("api", "history", "experimentation", "modelmanagement", "pipelines", "notebooks", "studio")
    return web.json_response(dict.fromkeys(names, request.app[HOME].url))


async def get(request: web.Request) -> web.Response:
    """Answer a run."""
    return web.json_response(_public(_find(request)))


async def details(request: web.Request) -> web.Response:
    """Answer a run with its logs; while it goes on, the reply comes a little later, which paces clients that poll.

    The reply is the run as it was when asked: the SDK prints no log of a job that it has not seen running.
    """
    run = _find(request)
    reply = {**_public(run), "logFiles": _log_files(request, run)}
    for _ in range(round(_WAIT_S / _POLL_S)):
        if _find(request)["status"] in history.TERMINAL:
            break
        await asyncio.sleep(_POLL_S)
    return web.json_response(reply)


async def children(request: web.Request) -> web.Response:
    """Answer the steps of a pipeline."""
    return web.json_response({"value": [_public(run) for run in history.children(request.app[STORE], _find(request))]})


async def service_instances(request: web.Request) -> web.Response:
    """Answer the interactive services of a job's node: none of them runs here, and their entries say so."""
    run = _find(request)
    text = "The emulator runs no interactive services."
    refusal = {"status": "Failed", "error": {"error": {"code": "NotEmulated", "message": text}}}
    declared = (run.get("body") or {}).get("services") or {}
    return web.json_response(
        {"instances": {name: {"type": service["jobServiceType"], **refusal} for name, service in declared.items()}}
    )


async def rundata(request: web.Request) -> web.Response:
    """Answer a run inside the envelope of a query."""
    run = _named(request, request[BODY]["runId"])
    return web.json_response({"runMetadata": _public(run), "runDefinition": None, "jobSpecification": None})


async def modify(request: web.Request) -> web.Response:
    """Change the labels of a run: tags and properties are merged, the rest replaced."""
    run, body = _find(request), request[BODY]
    merged = {name: {**run[name], **body[name]} for name in ("tags", "properties") if body.get(name)}
    replaced = {name: body[name] for name in ("displayName", "description", "hidden") if body.get(name) is not None}
    return web.json_response(_public(history.update(request.app[STORE], run, **merged, **replaced)))


async def data_uris(request: web.Request) -> web.Response:
    """Answer where the data of the assets is that the outputs of jobs are."""
    matches = {id_: _OUTPUT.search(id_) for id_ in request[BODY]["values"]}
    uris = {id_: history.kept_output(request.app[STORE], *match.groups()) for id_, match in matches.items() if match}
    return web.json_response({"values": {id_: {"uri": uri, "type": "uri_folder"} for id_, uri in uris.items() if uri}})


def _find(request: web.Request) -> Document:
    return _named(request, request.match_info["run"])


def _named(request: web.Request, name: str) -> Document:
    run = history.find(request.app[STORE], workspace=WORKSPACE.format(**request.match_info), name=name)
    if run is None:
        raise not_found(f"Run {name}")
    return run


def _public(run: Document) -> dict[str, Any]:
    # Fake: the service calls the outputs that are models MLFlowModel and so on, but azure-ai-ml 1.35.2 fails
    # on them: its BatchGetResolvedUrisDto refuses the argument that the SDK itself gives it.
    outputs = {
        name: {
            "assetId": _ASSET.format(job=run["runId"], output=name),
            "type": "uri_file" if output["type"] == "uri_file" else "uri_folder",
        }
        for name, output in run["outputs"].items()
    }
    compute = {"target": run["compute"].rpartition("/")[2]} if run["compute"] else None
    more = {"experimentId": run["experimentName"], "compute": compute, "outputs": outputs, "warnings": []}
    return {**{name: run.get(name) for name in _PUBLIC}, **more}


def _log_files(request: web.Request, run: Document) -> dict[str, str]:
    """Return the addresses of a run's logs, blobs of the artifact store, each with a signature for it alone."""
    home, folder = request.app[HOME], f"ExperimentRun/dcid.{run['runId']}"
    blobs = {name: f"{folder}/{name}" for name in logs.names(home, run["runId"])}
    return {
        name: f"{account.url(home, account.ARTIFACTS, blob)}?{_signature(home, blob)}" for name, blob in blobs.items()
    }


def _signature(home: Home, blob: str) -> str:
    return account.sas(home, account.ARTIFACTS, blob, permissions="r")


routes: tuple[web.RouteDef, ...] = (
    web.get("/discovery", discovery),
    web.get(_HISTORY + "/runs/{run}", get),
    web.get(_HISTORY + "/runs/{run}/details", details),
    web.get(_HISTORY + "/runs/{run}/children", children),
    web.get(_HISTORY + "/runs/{run}/serviceinstances/{node}", service_instances),
    web.post(_HISTORY + "/rundata", rundata),
    web.patch(_HISTORY + "/experiments/{experiment}/runs/{run}", modify),
    web.post("/data/v1.0" + WORKSPACE + "/dataversion/batchGetResolvedUris", data_uris),
)
