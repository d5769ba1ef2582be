"""Managed online endpoints: a stable address, its credentials, and the traffic between deployments."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.bodies import BODY
from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.errors import canceled, conflict, inferencing_call_failed, not_found
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Canceled, Propagation, Token
from mlops.emulator.online import credentials, provisioning, quota, traffic
from mlops.emulator.online.fleet import FLEET
from mlops.emulator.online.front_door import DOOR
from mlops.emulator.online.specification import bad_name
from mlops.emulator.operations import accepted, accepted_delete, spawn

if TYPE_CHECKING:
    from mlops.emulator.store import Document, Store

_KEYS = ("primaryKey", "secondaryKey")
_BUSY = ("Creating", "Updating", "Deleting")
# The service takes some ten seconds to write an endpoint; the state in between must be seen here too.
_WRITE_S = 0.05


async def create_or_update(request: web.Request) -> web.Response:
    """Create the endpoint without traffic, or replace both of its maps with those of the request."""
    store, id_, body = request.app[STORE], endpoint_id(request), request[BODY]
    existing = store.get(id_)
    document = _document(request, body, existing)
    _check(request.app, document, existing)
    with store.together():
        if existing is None:
            secret = store.put(f"{provisioning.SECRETS}/{document['name']}", _secret(id_, document["name"]))
            request.app[FLEET].admit(document, secret)
        store.put(id_, document)
    return await accepted(request, document, _write(request.app, document), status=200 if existing else 201)


async def get(request: web.Request) -> web.Response:
    """Answer the endpoint."""
    return web.json_response(find_endpoint(request))


async def list_(request: web.Request) -> web.Response:
    """Answer all endpoints of the workspace."""
    parent = WORKSPACE.format_map(request.match_info) + "/onlineEndpoints"
    return web.json_response({"value": request.app[STORE].children(parent)})


async def delete(request: web.Request) -> web.Response:
    """Delete the endpoint with its deployments; this takes precedence over what else is in progress."""
    document = request.app[STORE].get(endpoint_id(request))
    if document is None:
        return web.Response(status=204)
    check_not_deleting(document)
    provisioning.set_state(request.app[STORE], document["id"], "Deleting")
    return await accepted_delete(request, provisioning.remove_endpoint(request.app, document))


async def list_keys(request: web.Request) -> web.Response:
    """Answer both keys."""
    secret = _find_secret(request, auth_mode="Key")
    return web.json_response({key: secret[key] for key in _KEYS})


async def regenerate_keys(request: web.Request) -> web.Response:
    """Replace one key by the one given, or by a new one if that is the current one, which the SDK sends."""
    secret, body = _find_secret(request, auth_mode="Key"), request[BODY]
    key = f"{body['keyType'].lower()}Key"
    if key not in _KEYS:
        raise inferencing_call_failed(f"Key type must be Primary or Secondary, not {body['keyType']}.")
    given = body.get("keyValue")
    secret[key] = given if given and given != secret[key] else credentials.mint_key()
    request.app[STORE].put(f"{provisioning.SECRETS}/{secret['name']}", secret)
    request.app[FLEET].endpoints[secret["name"]].secret = secret
    return web.Response()


async def get_token(request: web.Request) -> web.Response:
    """Answer a token that opens the data plane for some hours."""
    secret = _find_secret(request, auth_mode="AMLToken")
    fault = request.app[FAULTS].take(Token)
    lifetime_s = credentials.LIFETIME_S if fault is None else fault.lifetime_s
    return web.json_response(credentials.mint_token(secret["tokenSecret"], now=time.time(), lifetime_s=lifetime_s))


def endpoint_id(request: web.Request) -> str:
    """Return the ARM id of the endpoint that the request's path names; endpoint names have no case."""
    workspace = WORKSPACE.format_map(request.match_info)
    return f"{workspace}/onlineEndpoints/{request.match_info['endpoint'].lower()}"


def find_endpoint(request: web.Request) -> Document:
    """Return the endpoint of the request's path, or raise the 404."""
    document = request.app[STORE].get(endpoint_id(request))
    if document is None:
        raise not_found(f"Online endpoint {request.match_info['endpoint']}")
    return document


def check_idle(app: web.Application, endpoint: Document, *, but: str | None = None) -> None:
    """Raise the 409 if the endpoint or one of its deployments, `but` for one, is being written, or a fault says so.

    The documentation is silent on how far the lock of a managed endpoint reaches; this is the whole endpoint.
    """
    if app[FAULTS].take(Canceled, endpoint=endpoint["name"]):
        raise canceled()
    for document in (endpoint, *app[STORE].children(f"{endpoint['id']}/deployments")):
        state = document["properties"]["provisioningState"]
        if state in _BUSY and document["name"] != but:
            raise conflict(f"Another operation is in progress: [{document['name']}] is in state {state}.")


def check_not_deleting(document: Document) -> None:
    """Raise the 409 if the resource is being deleted already."""
    if document["properties"]["provisioningState"] == "Deleting":
        raise conflict(f"Another operation is in progress: [{document['name']}] is being deleted.")


async def _write(app: web.Application, document: Document) -> None:
    await asyncio.sleep(_WRITE_S)
    provisioning.check_wanted(app[STORE], document["id"])
    provisioning.succeed(app[STORE], document["id"], {"id": document["id"]})
    fault = app[FAULTS].take(Propagation, endpoint=document["name"])
    delay_s = fault.delay_s if fault else app[FLEET].propagation_delay_s
    spawn(app, app[FLEET].propagate(document, delay_s=delay_s))


def _document(request: web.Request, body: Document, existing: Document | None) -> Document:
    name, given = request.match_info["endpoint"].lower(), body["properties"]
    address = f"{request.app[DOOR].url}/endpoints/{name}"
    properties = {
        "publicNetworkAccess": "Enabled",
        **given,
        "authMode": given.get("authMode") or "Key",
        "properties": {**(given.get("properties") or {}), "azureml.onlineendpointid": endpoint_id(request)},
        "traffic": given.get("traffic") or {},
        "mirrorTraffic": given.get("mirrorTraffic") or {},
        "scoringUri": f"{address}/score",
        "swaggerUri": f"{address}/swagger.json",
        "provisioningState": "Updating" if existing else "Creating",
    }
    return arm.resource(
        endpoint_id(request),
        type="workspaces/onlineEndpoints",
        properties=properties,
        tags=body.get("tags"),
        previous=existing,
        location=body.get("location"),
        kind="Managed",
        identity=body.get("identity"),
    )


def _check(app: web.Application, document: Document, existing: Document | None) -> None:
    if existing is None or existing["properties"]["provisioningState"] == "Deleting":
        reason = _bad_creation(app[STORE], document)
    else:
        check_idle(app, existing)
        reason = _bad_update(app[STORE], document, existing)
    if document["properties"]["authMode"] not in credentials.AUTH_MODES:
        reason = f"Authentication mode must be one of {', '.join(credentials.AUTH_MODES)}."
    if reason:
        raise inferencing_call_failed(reason)


def _bad_creation(store: Store, document: Document) -> str | None:
    # Names are unique in a region; here the emulator is the region, and its workspaces share it.
    if store.get(f"{provisioning.SECRETS}/{document['name']}"):
        return (
            "There is already an endpoint with this name, Endpoint name needs to be unique within a region."
            " Try some other name."
        )
    if reason := quota.endpoint_refusal(store):
        return reason
    if document["properties"]["traffic"] or document["properties"]["mirrorTraffic"]:
        return "Traffic cannot be set when an endpoint is created; create its deployments first."
    return bad_name("Endpoint", document["name"])


def _bad_update(store: Store, document: Document, existing: Document) -> str | None:
    if existing["properties"]["provisioningState"] == "Failed" and not store.get(provisioning.SERVED + existing["id"]):
        return (
            f"Specified endpoint [{document['name']}] has not been created successfully. Please recreate the endpoint."
        )
    deployments = store.children(f"{document['id']}/deployments")
    states = {deployment["name"]: deployment["properties"]["provisioningState"] for deployment in deployments}
    properties = document["properties"]
    return traffic.refusal(properties["traffic"], mirror=properties["mirrorTraffic"], states=states)


def _secret(id_: str, name: str) -> Document:
    minted = {key: credentials.mint_key() for key in (*_KEYS, "tokenSecret")}
    return {"id": id_, "name": name, **minted}


def _find_secret(request: web.Request, *, auth_mode: str) -> Document:
    endpoint = find_endpoint(request)
    mode = endpoint["properties"]["authMode"]
    if mode != auth_mode:
        raise inferencing_call_failed(f"Endpoint [{endpoint['name']}] authenticates by {mode}.")
    secret = request.app[STORE].get(f"{provisioning.SECRETS}/{endpoint['name']}")
    if secret is None:
        raise not_found(f"The credentials of endpoint {endpoint['name']}")
    return secret


_ENDPOINT = WORKSPACE + "/onlineEndpoints/{endpoint}"
routes: tuple[web.RouteDef, ...] = (
    web.put(_ENDPOINT, create_or_update),
    web.get(_ENDPOINT, get),
    web.get(WORKSPACE + "/onlineEndpoints", list_),
    web.delete(_ENDPOINT, delete),
    web.post(_ENDPOINT + "/listKeys", list_keys),
    web.post(_ENDPOINT + "/regenerateKeys", regenerate_keys),
    web.post(_ENDPOINT + "/token", get_token),
)
