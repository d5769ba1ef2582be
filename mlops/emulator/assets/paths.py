"""Where an asset or data URI lies on this machine: the storage account is a folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops.emulator.errors import ArmError, bad_request, not_found
from mlops.emulator.jobs import history
from mlops.emulator.storage.account import CONTAINERS

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document, Store

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/.+?/workspaces/[^/]+/)?datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)",
    re.IGNORECASE,
)
_JOB = re.compile(
    r"azureml://(?:subscriptions/.+?/workspaces/[^/]+/)?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)"
    r"(?:/paths)?(?P<path>/.*)?",
    re.IGNORECASE,
)
_REGISTRY = re.compile(r"azureml://registries/[^/]+/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE)
_ASSET = re.compile(
    r"(?:azureml:/?)?(?P<id>/subscriptions/.+/(?:codes|data|models)/[^/]+/versions/[^/]+)", re.IGNORECASE
)
_SHORT = re.compile(r"azureml:(?P<name>[^/:]+):(?P<version>[^/:]+)")


def local_path(store: Store, home: Home, uri: str, *, workspace: str | None = None) -> Path:
    """Return the file or folder that a URI names; it need not exist.

    The short form `azureml:name:version` is looked up in `workspace` (an ARM id).
    Raise ArmError for a URI that this emulator cannot resolve.
    """
    if match := _DATASTORE.fullmatch(uri):
        return _blob(home, _container(match["datastore"]), match["path"])
    if match := _JOB.fullmatch(uri):
        return _job_output(store, home, match["job"], match["output"], match["path"] or "")
    if match := _REGISTRY.fullmatch(uri):
        return home.registry / match["name"] / match["version"]
    if match := _ASSET.fullmatch(uri):
        return _asset(store, home, store.get(match["id"]), uri)
    if workspace and (match := _SHORT.fullmatch(uri)):
        return _asset(store, home, _named(store, workspace, match["name"], match["version"]), uri)
    if uri.startswith(f"{home.url}/"):
        _, container, path = uri.removeprefix(f"{home.url}/").split("?")[0].split("/", 2)
        return _blob(home, container, path)
    raise bad_request(f"The URI {uri!r} cannot be read here: give a datastore path, an asset or a job's output.")


def _container(datastore: str) -> str:
    try:
        return CONTAINERS[datastore.lower()]
    except KeyError:
        raise not_found(f"Datastore {datastore}") from None


def _blob(home: Home, container: str, path: str) -> Path:
    root = (home.blobs / container).resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise bad_request(f"The path {path!r} leaves its container.")
    return found


def _job_output(store: Store, home: Home, job: str, output: str, path: str) -> Path:
    uri = history.artifacts_uri(job) if output == "artifacts" else history.output_uri(job, output)
    kept = history.kept_output(store, job, output) or uri
    return local_path(store, home, kept.rstrip("/") + path)


def _asset(store: Store, home: Home, document: Document | None, uri: str) -> Path:
    if document is None:
        raise ArmError(404, "UserError", f"The asset {uri!r} was not found.")
    properties = document["properties"]
    target = properties.get("dataUri") or properties.get("modelUri") or properties["codeUri"]
    return local_path(store, home, target)


def _named(store: Store, workspace: str, name: str, version: str) -> Document | None:
    found = (store.get(f"{workspace}/{kind}/{name}/versions/{version}") for kind in ("data", "models"))
    return next(filter(None, found), None)
