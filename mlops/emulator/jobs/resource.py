"""Jobs as Azure Resource Manager knows them: submitted once, then watched, relabeled, canceled and deleted."""

from __future__ import annotations

import itertools
from hashlib import sha256
from hmac import compare_digest, new
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import arm, operations, studio
from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, STORE, WORKSPACE
from mlops.emulator.errors import bad_request, conflict, not_found, unauthorized
from mlops.emulator.jobs import history, runner, submission
from mlops.emulator.tracking import gateway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.store import Document, Store

_JOBS = WORKSPACE + "/jobs"
_LABELS = ("displayName", "description", "tags", "properties")
_FIXED = ("jobType", "command", "inputs", "jobs", "codeId", "computeId", "environmentId")
# How many jobs are looked at for one page.
_PAGE = 25
_VIEWS = {"ActiveOnly": (False,), "ArchivedOnly": (True,), "All": (False, True)}


async def create_or_update(request: web.Request) -> web.Response:
    """Submit a job; for one that exists already, change its labels and nothing else."""
    body: Document = request[BODY]["properties"]
    document = request.app[STORE].get(_id(request))
    if document is not None:
        run = _relabel(request.app[STORE], document, _run(request), body)
        return web.json_response(_reply(request.app, document, run))
    document = arm.resource(_id(request), type="workspaces/jobs", properties=body)
    with request.app[STORE].together():
        run = _submit(request, body)
        request.app[STORE].put(document["id"], document)
    runner.start(request.app, run)
    return web.json_response(_reply(request.app, document, run), status=201)


async def get(request: web.Request) -> web.Response:
    """Answer a job; a step of a pipeline has no properties here, only in the run history."""
    run, document = _run(request), request.app[STORE].get(_id(request))
    if document is None:
        return web.json_response({"id": _id(request), "name": run["runId"], "properties": None})
    return web.json_response(_reply(request.app, document, run))


async def list_(request: web.Request) -> web.Response:
    """Answer a page of the jobs, youngest first, with the address of the next one.

    A page with few jobs, or none, only means that the filter left out most of those that were looked at.
    """
    before = request.query.get("$skiptoken", "")
    if before and not before.isdecimal():
        raise bad_request(f"The $skiptoken {before!r} is invalid.")
    jobs = request.app[STORE].walk(_JOBS.format(**request.match_info), before=int(before) if before else None)
    page = list(itertools.islice(jobs, _PAGE))
    replies = [_reply(request.app, document, _run(request, document["name"])) for _, document in page]
    answer: Document = {"value": [reply for reply in replies if _is_listed(reply, request.query)]}
    if len(page) == _PAGE:
        query = {**request.query, "$skiptoken": str(page[-1][0])}
        answer["nextLink"] = f"{request.app[HOME].url}{request.rel_url.with_query(query)}"
    return web.json_response(answer)


async def cancel(request: web.Request) -> web.Response:
    """Cancel a job and all its steps."""
    run = _run(request)
    return await operations.accepted_delete(request, runner.cancel(request.app, run))


async def delete(request: web.Request) -> web.Response:
    """Delete the record of a job that has ended; its outputs stay."""
    run = _run(request)
    if run["status"] not in history.TERMINAL:
        raise conflict(f"Job {run['runId']} is {run['status']}: cancel it before deleting it.")
    return await operations.accepted_delete(request, _forget(request.app[STORE], run, _id(request)))


async def show(request: web.Request) -> web.Response:
    """Lead a browser to the job's page in the studio, which starts with that; answer a program what is known of it."""
    name, workspace = request.match_info["name"], request.query.get("wsid", "")
    if not compare_digest(request.query.get("sig", "").encode(), _signature(request.app, name).encode()):
        raise unauthorized("The link to a job must be followed as it was printed.")
    found = request.app[STORE].get(f"{workspace}/jobs/{name}")
    if found is None:
        raise not_found(f"Job {name}")
    if "text/html" in request.headers.get("Accept", ""):
        page = f"{await studio.address(request.app, workspace)}/jobs/{name}"
        return web.Response(status=web.HTTPFound.status_code, headers={"Location": page})
    run = history.find(request.app[STORE], workspace=workspace, name=found["name"])
    return web.json_response(_reply(request.app, found, run or {}))


def _id(request: web.Request) -> str:
    return (_JOBS + "/{name}").format(**request.match_info)


def _run(request: web.Request, name: str | None = None) -> Document:
    workspace, name = WORKSPACE.format(**request.match_info), name or request.match_info["name"]
    run = history.find(request.app[STORE], workspace=workspace, name=name)
    if run is None:
        raise not_found(f"Run {name}")
    return run


def _submit(request: web.Request, body: Document) -> Document:
    name, workspace = request.match_info["name"], WORKSPACE.format(**request.match_info)
    submission.check(request.app[STORE], name, body, workspace=workspace)
    return history.create(
        request.app[STORE],
        workspace=workspace,
        name=name,
        parent=None,
        displayName=body.get("displayName") or name,
        experimentName=body.get("experimentName") or "Default",
        description=body.get("description"),
        compute=body.get("computeId"),
        tags=body.get("tags") or {},
        properties=body.get("properties") or {},
        body=body,
    )


def _relabel(store: Store, document: Document, run: Document, body: Document) -> Document:
    for field in _FIXED:
        if body.get(field) and body[field] != document["properties"].get(field):
            raise bad_request(
                "A job with this name already exists. If you are trying to submit a new job, use a different name. "
                f"If you are trying to update an existing job, the existing job's {field} cannot be changed. "
                "Only description, displayName, properties, tags, and isArchived can be modified."
            )
    labels = {label: body[label] for label in _LABELS if body.get(label) is not None}
    return history.update(store, run, **labels, hidden=bool(body.get("isArchived")))


async def _forget(store: Store, run: Document, id_: str) -> None:
    with store.together():
        for member in history.family(store, run):
            store.delete(history.record_id(member["workspace"], member["runId"]))
        store.delete(id_)


def _is_listed(reply: Document, query: Mapping[str, str]) -> bool:
    properties = reply["properties"]
    key, _, value = query.get("tag", "").partition("=")
    return (
        properties["isArchived"] in _VIEWS[query.get("listViewType", "ActiveOnly")]
        and query.get("jobType", properties["jobType"]) == properties["jobType"]
        and (not key or (key in properties["tags"] and value in ("", properties["tags"][key])))
    )


def _reply(app: web.Application, document: Document, run: Document) -> Document:
    labels = {label: run.get(label) for label in _LABELS}
    state = {"status": run["status"], "isArchived": run["hidden"], "experimentName": run["experimentName"]}
    outputs = _outputs(document["properties"], run)
    properties = {
        **document["properties"],
        **labels,
        **state,
        "outputs": outputs,
        "services": _services(app, run),
    }
    return {**document, "properties": properties}


def _outputs(body: Document, run: Document) -> dict[str, Any]:
    declared = body.get("outputs") or {}
    written = {
        name: {**(value or {}), "uri": run["outputs"].get(name, {}).get("uri")} for name, value in declared.items()
    }
    default = {
        "jobOutputType": "uri_folder",
        "mode": "ReadWriteMount",
        "uri": history.artifacts_uri(run["runId"]),
    }
    return {**written, "default": default}


def _services(app: web.Application, run: Document) -> dict[str, Any]:
    endpoints = {
        "Tracking": gateway.uri(app[HOME], run["workspace"]),
        "Studio": f"{app[HOME].url}/jobs/{run['runId']}?wsid={run['workspace']}&sig={_signature(app, run['runId'])}",
    }
    return {
        name: {"jobServiceType": name, "endpoint": endpoint, "port": None, "status": None, "properties": None}
        for name, endpoint in endpoints.items()
    }


def _signature(app: web.Application, job: str) -> str:
    # Who follows the link has no token: browsers sign in to Azure's studio, here the link itself lets in.
    return new(app[HOME].secret("links").encode(), job.encode(), sha256).hexdigest()


routes: tuple[web.RouteDef, ...] = (
    web.get(_JOBS, list_),
    web.put(_JOBS + "/{name}", create_or_update),
    web.get(_JOBS + "/{name}", get),
    web.delete(_JOBS + "/{name}", delete),
    web.post(_JOBS + "/{name}/cancel", cancel),
    web.get("/jobs/{name}", show),
)
