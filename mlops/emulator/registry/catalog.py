"""The registry `azureml`: the models, components and environments described by the files in this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.assets import versions
from mlops.emulator.context import HOME, REGISTRY
from mlops.emulator.errors import ArmError, not_found
from mlops.emulator.home import REGISTRY as REGISTRY_NAME
from mlops.emulator.registry import stand_ins

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_FOLDER = Path(__file__).parent
_STAND_IN = "x-emulator"
_KIND = REGISTRY + "/{kind:codes|data|models|environments|components}"


def component(name: str, version: str) -> Document | None:
    """Return the document of a component; its `componentSpec` holds its stand-in under `x-emulator`."""
    return _find("components", name, version)


async def model_folder(app: web.Application, name: str, version: str) -> Path:
    """Return the folder with the files of a model, made by its stand-in's command on the first use.

    Raise ArmError when the registry has no such model or its command fails.
    """
    folder = app[HOME].registry / name / version
    if not folder.exists():
        entries = (entry for entry in _entries("models", name) if entry["version"] == version)
        entry = next(entries, None)
        if entry is None:
            raise not_found(f"Version {version} of model {name} in registry {REGISTRY_NAME}")
        await stand_ins.provide(app, entry[_STAND_IN]["command"], folder)
    return folder


async def get(request: web.Request) -> web.Response:
    """Answer one version."""
    info = request.match_info
    document = _find(info["kind"], info["name"], info["version"])
    if document is None:
        raise not_found(f"Version {info['version']} of {info['name']} in registry {info['registry']}")
    return web.json_response(_public(document))


async def list_(request: web.Request) -> web.Response:
    """Answer the versions of one name, youngest first unless asked otherwise."""
    found = [_public(document) for document in _named(request.match_info["kind"], request.match_info["name"])]
    return web.json_response({"value": versions.select(found, request.query)})


async def get_container(request: web.Request) -> web.Response:
    """Answer a name with its latest and its next version."""
    return web.json_response(_container(request.match_info["kind"], request.match_info["name"]))


async def list_containers(request: web.Request) -> web.Response:
    """Answer every name of one kind of asset."""
    kind = request.match_info["kind"]
    names = dict.fromkeys(entry["name"] for entry in _files() if entry["kind"] == kind)
    return web.json_response({"value": versions.select([_container(kind, name) for name in names], request.query)})


async def refuse(request: web.Request) -> web.Response:
    """Refuse to write: Microsoft's registry is read-only for everyone else."""
    text = f"You have no permission to write to registry {request.match_info['registry']}."
    raise ArmError(403, "AuthorizationFailed", text)


@cache
def _files() -> tuple[dict[str, Any], ...]:
    """Return the contents of the files, the youngest version of each name first."""
    entries = [yaml.safe_load(file.read_text()) for file in _FOLDER.glob("*.yml")]
    return tuple(sorted(entries, key=lambda entry: str(entry["created"]), reverse=True))


def _entries(kind: str, name: str) -> list[dict[str, Any]]:
    return [entry for entry in _files() if (entry["kind"], entry["name"].lower()) == (kind, name.lower())]


def _named(kind: str, name: str) -> list[Document]:
    return [_document(entry) for entry in _entries(kind, name)]


def _find(kind: str, name: str, version: str) -> Document | None:
    return next((document for document in _named(kind, name) if document["name"] == version), None)


def _document(entry: dict[str, Any]) -> Document:
    id_ = f"azureml://registries/{REGISTRY_NAME}/{entry['kind']}/{entry['name']}/versions/{entry['version']}"
    common = {"description": entry["description"], "isArchived": False, "isAnonymous": False, "tags": {}}
    properties = {"properties": {}, **common, **_SHAPES[entry["kind"]](entry)}
    document = arm.resource(id_, type=f"registries/{entry['kind']}/versions", properties=properties)
    created = datetime.fromisoformat(str(entry["created"])).replace(tzinfo=UTC).isoformat()
    document["systemData"] |= {"createdAt": created, "lastModifiedAt": created, "createdBy": "Microsoft"}
    return document


def _model(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "modelType": "mlflow_model",
        "modelUri": f"azureml://registries/{REGISTRY_NAME}/models/{entry['name']}/versions/{entry['version']}",
        "flavors": {name: {"data": data} for name, data in entry["flavors"].items()},
        "tags": {key: _as_text(value) for key, value in entry["tags"].items()},
        "properties": {key: _as_text(value) for key, value in entry["properties"].items()},
        "systemMetadata": entry.get("system_metadata", {}),
        "isArchived": entry.get("archived", False),
    }


def _component(entry: dict[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in entry.items() if key not in {"kind", "created"}}
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


def _public(document: Document) -> Document:
    spec = document["properties"].get("componentSpec")
    if spec is None:
        return document
    shown = {key: value for key, value in spec.items() if key != _STAND_IN}
    return {**document, "properties": {**document["properties"], "componentSpec": shown}}


def _container(kind: str, name: str) -> Document:
    found = _named(kind, name)
    if not found:
        raise not_found(f"Asset {name} of {kind} in registry {REGISTRY_NAME}")
    id_ = found[0]["id"].rpartition("/versions/")[0]
    properties: dict[str, Any] = {"isArchived": False, "tags": {}, "properties": {}, **versions.summarize(found)}
    return arm.resource(id_, type=f"registries/{kind}", properties=properties)


routes: tuple[web.RouteDef, ...] = (
    web.get(_KIND + "/{name}/versions/{version}", get),
    web.get(_KIND + "/{name}/versions", list_),
    web.get(_KIND + "/{name}", get_container),
    web.get(_KIND, list_containers),
    web.put(REGISTRY + "/{resource:.+}", refuse),
    web.post(REGISTRY + "/{resource:.+}", refuse),
)
