"""Where an asset or data URI lies on this machine: the storage account is a folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mlops.emulator.context import WORKSPACE
from mlops.emulator.errors import ArmError, bad_request
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as DEFAULT_NAME
from mlops.emulator.jobs import history
from mlops.emulator.storage import account, datastores

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document, Store

_SCOPE = (
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/(?:providers/Microsoft\.MachineLearningServices/)?workspaces/(?P<workspace>[^/]+)/"
)
_DATASTORE = re.compile(
    rf"azureml:/+(?:{_SCOPE})?datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)", re.IGNORECASE
)
_JOB = re.compile(
    rf"azureml:/+(?:{_SCOPE})?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?(?P<path>/.*)?", re.IGNORECASE
)
_ASSET = re.compile(
    rf"(?:azureml:)?/+{_SCOPE}(?P<kind>codes|data|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE
)
_RUN = re.compile(r"runs:/+(?P<job>[^/]+)/(?P<path>.+)")
_REGISTRY = re.compile(r"azureml://registries/[^/]+/(?:codes|data|models)/[^/]+/versions/[^/]+", re.IGNORECASE)
_SHORT = re.compile(r"azureml:(?P<name>[^/:]+):(?P<version>[^/:]+)")
# The port is the one of the day on which the address was kept.
_BLOB = re.compile(rf"https://[^/]+/{re.escape(account.HOST)}/(?P<container>[^/?]+)/(?P<path>[^?]*).*")


def local_path(store: Store, home: Home, uri: str, *, workspace: str | None = None) -> Path:
    """Return the file or folder that a URI names; it need not exist.

    What a URI does not say of its workspace is looked up in `workspace` (an ARM id), else in the default one.
    Raise ArmError for a URI that this emulator cannot resolve.
    """
    if match := _DATASTORE.fullmatch(uri):
        container = datastores.container(store, _workspace(match, workspace), match["datastore"])
        return _blob(home, container, match["path"])
    if match := _JOB.fullmatch(uri):
        return _job_output(store, home, match, _workspace(match, workspace))
    if match := _RUN.fullmatch(uri):
        return local_path(store, home, f"{history.artifacts_uri(match['job'])}/{match['path']}", workspace=workspace)
    if match := _BLOB.fullmatch(uri):
        return _blob(home, match["container"], unquote(match["path"]))
    document, scope = _asset(store, uri, workspace)
    properties = document["properties"]
    target = properties.get("dataUri") or properties.get("modelUri") or properties["codeUri"]
    return local_path(store, home, target, workspace=scope)


def default_workspace() -> str:
    """Return the ARM id of the workspace that exists from the start."""
    return WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=DEFAULT_NAME)


def _workspace(match: re.Match[str], given: str | None) -> str:
    parts = match.groupdict()
    return WORKSPACE.format(**parts) if parts["workspace"] else given or default_workspace()


def _blob(home: Home, container: str, path: str) -> Path:
    root = account.container_folder(home, container).resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise bad_request(f"The path {path!r} leaves its container.")
    return found


def _job_output(store: Store, home: Home, match: re.Match[str], workspace: str) -> Path:
    job, output = match["job"], match["output"]
    uri = history.artifacts_uri(job) if output == "artifacts" else history.output_uri(job, output)
    kept = history.kept_output(store, job, output) or uri
    return local_path(store, home, kept.rstrip("/") + (match["path"] or ""), workspace=workspace)


def _asset(store: Store, uri: str, workspace: str | None) -> tuple[Document, str | None]:
    """Return the asset that a URI names, and the workspace in which it is."""
    if match := _ASSET.fullmatch(uri):
        scope = _workspace(match, None)
        found = store.get(f"{scope}/{match['kind']}/{match['name']}/versions/{match['version']}")
    elif _REGISTRY.fullmatch(uri):
        scope, found = None, store.get(uri)
    elif match := _SHORT.fullmatch(uri):
        scope = workspace or default_workspace()
        kinds = (
            store.get(f"{scope}/{kind}/{match['name']}/versions/{match['version']}") for kind in ("data", "models")
        )
        found = next(filter(None, kinds), None)
    else:
        raise bad_request(f"The URI {uri!r} cannot be read here: give a datastore path, an asset or a job's output.")
    if found is None:
        raise ArmError(404, "UserError", f"The asset {uri!r} was not found.")
    return found, scope
