"""The work behind deployments: containers brought up, taken down, and brought back after a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from mlops.emulator.assets import curated
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, canceled
from mlops.emulator.online import images, specification, storage_initializer
from mlops.emulator.online.containers import LOG, NotReadyError
from mlops.emulator.online.fleet import FLEET, Fleet, Route
from mlops.emulator.online.images import Image
from mlops.emulator.operations import spawn
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.store import Document, Store

# The secrets of every endpoint of the region, by name.
SECRETS = "/_emulator/endpoints"
# The document and the image with which a deployment last succeeded, by its ARM id; of an endpoint, that it ever did.
SERVED = "/_emulator/served"

# What the service says when nothing tells it which image to run; the field is its own.
_NO_IMAGE = "InferenceContainerConfiguration.ServingContainer.Image: 'Image' must not be empty."
_DELAY_VARIABLE = "AZUREML_EMULATOR_PROPAGATION_DELAY_S"
_DEFAULT_DELAY_S = 0.0


async def provision(app: web.Application, document: Document) -> None:
    """Bring a deployment's containers up; an error says why they are not, and leaves it Failed."""
    id_, home = document["id"], folder(app, document["id"])
    home.mkdir(parents=True, exist_ok=True)
    try:
        files = await storage_initializer.run(app, document, home)
        image = await images.build(app, document, files, log=home / LOG)
        check_wanted(app[STORE], id_)
        await app[FLEET].roll(id_, specification.spec(document, image), folder=home)
        check_wanted(app[STORE], id_)
    except Exception as error:  # not a cancellation: the emulator stops then, and its next start takes this up
        check_wanted(app[STORE], id_)
        set_state(app[STORE], id_, "Failed")
        raise _explained(document["name"], error) from error
    succeed(app[STORE], id_, {"document": document, "image": image.as_json()})


def refusal(app: web.Application, document: Document) -> str | None:
    """Return why a deployment's model, code and environment are refused, or None."""
    properties = document["properties"]
    named = {
        "model": properties.get("model"),
        "code": (properties.get("codeConfiguration") or {}).get("codeId"),
        "environment": properties.get("environmentId"),
    }
    for kind, id_ in named.items():
        if id_ and app[STORE].get(id_) is None and not curated.short_name(id_):
            return f"The deployment's {kind} was not found: {id_}."
    if named["code"]:
        return None if named["environment"] else f"{_NO_IMAGE} Give an environment beside the code configuration."
    if not named["model"]:
        # Not emulated: on Azure the environment may be an image with a server of its own.
        return f"{_NO_IMAGE} Give a model, or code and an environment; the emulator runs no images."
    model = app[STORE].get(named["model"])
    if model and model["properties"].get("modelType") != "mlflow_model":
        return (
            f"{_NO_IMAGE} Only models of type mlflow_model are served without code: give a code configuration and an"
            " environment; the emulator runs no images."
        )
    return None


async def remove(app: web.Application, document: Document) -> None:
    """Take a deployment away, when no request is on its way to it any more."""
    # The routes that sent requests here may still be in effect for a moment.
    await asyncio.sleep(app[FLEET].propagation_delay_s)
    await app[FLEET].remove(document["id"])
    await asyncio.to_thread(shutil.rmtree, folder(app, document["id"]), ignore_errors=True)
    with app[STORE].together():
        for gone in (SERVED + document["id"], document["id"]):
            app[STORE].delete(gone)


async def remove_endpoint(app: web.Application, endpoint: Document) -> None:
    """Take an endpoint away, its containers first."""
    app[FLEET].endpoints.pop(endpoint["name"], None)
    deployments = app[STORE].children(f"{endpoint['id']}/deployments")
    await asyncio.gather(*(app[FLEET].remove(deployment["id"]) for deployment in deployments))
    await asyncio.to_thread(shutil.rmtree, app[HOME].deployments / endpoint["name"], ignore_errors=True)
    with app[STORE].together():
        for gone in (f"{SECRETS}/{endpoint['name']}", SERVED + endpoint["id"], endpoint["id"]):
            app[STORE].delete(gone)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Start again what served before, finish what was begun before; end all containers at the end."""
    delay_s = float(os.environ.get(_DELAY_VARIABLE, _DEFAULT_DELAY_S))
    app[FLEET] = Fleet(app[SUPERVISOR], propagation_delay_s=delay_s)
    for secret in app[STORE].children(SECRETS):
        endpoint = app[STORE].get(secret["id"])
        if endpoint is not None:
            _recover_endpoint(app, endpoint, secret)
    yield
    await app[FLEET].close()


def set_state(store: Store, id_: str, state: str) -> None:
    """Write the provisioning state of a resource, if it still exists."""
    document = store.get(id_)
    if document is not None:
        document["properties"]["provisioningState"] = state
        store.put(id_, document)


def succeed(store: Store, id_: str, served: Document) -> None:
    """Write that a resource was created, or updated, as it was asked for, and with what it serves."""
    with store.together():
        store.put(SERVED + id_, served)
        set_state(store, id_, "Succeeded")


def check_wanted(store: Store, id_: str) -> None:
    """Raise OperationCanceled if a resource is being deleted, or was."""
    document = store.get(id_)
    if document is None or document["properties"]["provisioningState"] == "Deleting":
        raise canceled()


def folder(app: web.Application, id_: str) -> Path:
    """Return the folder of a deployment's logs."""
    endpoint, _, deployment = id_.split("/")[-3:]
    return app[HOME].deployments / endpoint / deployment


def _explained(name: str, error: Exception) -> Exception:
    if not isinstance(error, NotReadyError):
        return error
    return ArmError(
        400,
        "ResourceNotReady",
        f"User container has crashed or terminated, or its probes failed: {error}"
        f" Please see the logs (get_logs) of deployment [{name}].",
    )


def _recover_endpoint(app: web.Application, endpoint: Document, secret: Document) -> None:
    if endpoint["properties"]["provisioningState"] == "Deleting":
        spawn(app, remove_endpoint(app, endpoint))
        return
    if endpoint["properties"]["provisioningState"] in ("Creating", "Updating"):
        succeed(app[STORE], endpoint["id"], {"id": endpoint["id"]})
    app[FLEET].admit(endpoint, secret, route=Route.of(endpoint))
    for document in app[STORE].children(f"{endpoint['id']}/deployments"):
        _recover(app, document)


def _recover(app: web.Application, document: Document) -> None:
    id_, state = document["id"], document["properties"]["provisioningState"]
    served = app[STORE].get(SERVED + id_)
    if served is not None:
        spec = specification.spec(served["document"], Image.from_json(served["image"]))
        app[FLEET].resume(id_, spec, folder=folder(app, id_))
    if state == "Deleting":
        spawn(app, remove(app, document))
    elif state in ("Creating", "Updating"):
        spawn(app, _finish(app, document))


async def _finish(app: web.Application, document: Document) -> None:
    # The operation ended with the emulator that began it, so nobody asks how the work ends.
    with suppress(ArmError):
        await provision(app, document)
