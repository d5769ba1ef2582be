"""What Microsoft's registry holds: the models, components and environments described by the files in this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlops.emulator import arm
from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import not_found
from mlops.emulator.home import REGISTRY
from mlops.emulator.registry import stand_ins
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document, Store

_FOLDER = Path(__file__).parent
_STAND_IN = "x-emulator"
# The container of the stand-ins' files.
_CONTAINER = f"registry-{REGISTRY}"


def component(store: Store, uri: str) -> Document | None:
    """Return the document of a registry's component; its `componentSpec` holds a stand-in under `x-emulator`."""
    document = store.get(uri)
    entry = next((entry for entry in _entries("components") if document and _id(entry) == document["id"]), None)
    if document is None or entry is None:
        return document
    spec = document["properties"]["componentSpec"] | {_STAND_IN: entry[_STAND_IN]}
    return {**document, "properties": {**document["properties"], "componentSpec": spec}}


async def model_folder(app: web.Application, name: str, version: str, *, registry: str = REGISTRY) -> Path:
    """Return the folder with a model of a registry; Microsoft's are made by their stand-in's command on the first use.

    Raise ArmError when the registry has no such model or its command fails.
    """
    uri = f"azureml://registries/{registry}/models/{name}/versions/{version}"
    if app[STORE].get(uri) is None:
        raise not_found(f"Version {version} of model {name} in registry {registry}")
    folder = paths.local_path(app[STORE], app[HOME], uri)
    if not folder.exists():
        entry = next(entry for entry in _entries("models") if _id(entry).lower() == uri.lower())
        await stand_ins.provide(app, entry[_STAND_IN]["command"], folder)
    return folder


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Put what the files say into the store, the oldest first."""
    (app[HOME].blobs / _CONTAINER).mkdir(parents=True, exist_ok=True)
    for entry in _files():
        document = _document(app[HOME], entry)
        container = document["id"].rpartition("/versions/")[0]
        app[STORE].put(document["id"], document)
        app[STORE].put(container, _container(container, entry["kind"]))
    yield


@cache
def _files() -> tuple[dict[str, Any], ...]:
    entries = [yaml.safe_load(file.read_text()) for file in _FOLDER.glob("*.yml")]
    return tuple(sorted(entries, key=lambda entry: str(entry["created"])))


def _entries(kind: str) -> list[dict[str, Any]]:
    return [entry for entry in _files() if entry["kind"] == kind]


def _id(entry: dict[str, Any]) -> str:
    registry = entry.get("registry", REGISTRY)
    return f"azureml://registries/{registry}/{entry['kind']}/{entry['name']}/versions/{entry['version']}"


def _document(home: Home, entry: dict[str, Any]) -> Document:
    common = {"description": entry["description"], "isArchived": False, "isAnonymous": False, "tags": {}}
    properties = {"properties": {}, **common, **_SHAPES[entry["kind"]](entry)}
    if entry["kind"] == "models":
        properties["modelUri"] = account.url(home, _CONTAINER, f"{entry['name']}/{entry['version']}")
    document = arm.resource(_id(entry), type=f"registries/{entry['kind']}/versions", properties=properties)
    created = datetime.fromisoformat(str(entry["created"])).replace(tzinfo=UTC).isoformat()
    document["systemData"] |= {"createdAt": created, "lastModifiedAt": created, "createdBy": "Microsoft"}
    return document


def _model(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "modelType": entry.get("type", "mlflow_model"),
        "flavors": {name: {"data": data} for name, data in entry["flavors"].items()},
        "tags": {key: _as_text(value) for key, value in entry["tags"].items()},
        "properties": {key: _as_text(value) for key, value in entry["properties"].items()},
        "systemMetadata": entry.get("system_metadata", {}),
        "isArchived": entry.get("archived", False),
    }


def _component(entry: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in entry.items() if key not in {"kind", "created", _STAND_IN}}
    spec["inputs"] = {name: _port(port) for name, port in entry["inputs"].items()}
    return {"componentSpec": spec}


def _port(port: dict[str, Any]) -> dict[str, Any]:
    # The service keeps numbers of a specification as text.
    return {key: str(value) if key in {"default", "min", "max"} else value for key, value in port.items()}


def _environment(entry: dict[str, Any]) -> dict[str, Any]:
    return {"image": entry["image"], "osType": "Linux", "environmentType": "Curated"}


_SHAPES = {"models": _model, "components": _component, "environments": _environment}


def _as_text(value: Any) -> str:
    # Tags and properties are text: the service keeps lists and maps as Python writes them.
    return value if isinstance(value, str) else repr(value)


def _container(id_: str, kind: str) -> Document:
    archived = all(entry.get("archived", False) for entry in _entries(kind) if _id(entry).startswith(f"{id_}/"))
    properties = {"isArchived": archived, "isAnonymous": False, "tags": {}, "properties": {}}
    return arm.resource(id_, type=f"registries/{kind}", properties=properties)
