"""The run history: one record per job and per step of a pipeline, and the states it may pass through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.jobs.command import Output
    from mlops.emulator.store import Document, Store

TERMINAL = frozenset({"Completed", "Failed", "Canceled"})
DATASTORE = "workspaceblobstore"
ARTIFACTS = "azureml://datastores/workspaceartifactstore"

_ACTIVE = "/_emulator/active"
_NAMES = "/_emulator/names"
_OUTPUTS = "/_emulator/outputs"


def now() -> str:
    """Return the time as the run history writes it."""
    return datetime.now(UTC).isoformat()


def record_id(workspace: str, name: str) -> str:
    """Return where the record of a run is stored; `workspace` is the workspace's ARM id."""
    return f"/_emulator{workspace}/runs/{name}"


def create(store: Store, *, workspace: str, name: str, parent: Document | None, **fields: Any) -> Document:
    """Store a new run that has not started; one without a parent is active until it ends."""
    run = {
        "runId": name,
        "workspace": workspace,
        "parentRunId": parent["runId"] if parent else None,
        "rootRunId": parent["rootRunId"] if parent else name,
        "status": "NotStarted",
        "createdUtc": now(),
        "startTimeUtc": None,
        "endTimeUtc": None,
        "error": None,
        "hidden": False,
        "outputs": {},
        **fields,
    }
    with store.together():
        store.put(f"{_NAMES}/{name}", {"workspace": workspace})
        if parent is None:
            store.put(f"{_ACTIVE}/{name}", {"workspace": workspace, "runId": name})
        else:
            store.put(f"{_children_id(parent)}/{name}", {"runId": name})
        return store.put(record_id(workspace, name), run)


def owner(store: Store, name: str) -> str | None:
    """Return the workspace (ARM id) that has, or had, a run of this name, or None."""
    found = store.get(f"{_NAMES}/{name}")
    return found["workspace"] if found else None


def find(store: Store, *, workspace: str, name: str) -> Document | None:
    """Return the record of a run, or None."""
    return store.get(record_id(workspace, name))


def children(store: Store, run: Document) -> list[Document]:
    """Return the steps of a pipeline or the trials of a sweep, in the order they started."""
    names = [key["runId"] for key in reversed(store.children(_children_id(run)))]
    return [child for name in names if (child := find(store, workspace=run["workspace"], name=name))]


def active(store: Store) -> list[Document]:
    """Return the jobs that had not ended when the store was last written, oldest first."""
    found = (find(store, workspace=key["workspace"], name=key["runId"]) for key in store.children(_ACTIVE))
    return [run for run in reversed(list(found)) if run]


def _children_id(run: Document) -> str:
    return f"{record_id(run['workspace'], run['runId'])}/children"


def update(store: Store, run: Document, **fields: Any) -> Document:
    """Change fields of the stored run; a run that has ended keeps its status."""
    stored = reload(store, run)
    if stored["status"] in TERMINAL:
        fields.pop("status", None)
    if fields.get("status") == "Running" and not stored["startTimeUtc"]:
        fields["startTimeUtc"] = now()
    if is_over := fields.get("status") in TERMINAL:
        fields["endTimeUtc"] = now()
    with store.together():
        if is_over and stored["parentRunId"] is None:
            store.delete(f"{_ACTIVE}/{run['runId']}")
        return store.put(record_id(run["workspace"], run["runId"]), {**stored, **fields})


def reload(store: Store, run: Document) -> Document:
    """Return the run as it is at this moment."""
    return store.get(record_id(run["workspace"], run["runId"])) or run


def family(store: Store, run: Document) -> list[Document]:
    """Return the run and all that it started, parents first."""
    return [reload(store, run)] + [member for child in children(store, run) for member in family(store, child)]


def keep_outputs(store: Store, run: Document, outputs: Mapping[str, Output]) -> Document:
    """Remember where a run writes, so that `azureml://jobs/<name>/outputs/<output>` leads there."""
    kept = {name: {"type": output.type, "uri": output.uri} for name, output in outputs.items()}
    for name, output in kept.items():
        store.put(f"{_OUTPUTS}/{run['runId']}/{name}", output)
    return update(store, run, outputs=kept)


def kept_output(store: Store, job: str, output: str) -> str | None:
    """Return the URI that a run of any workspace writes an output to, or None."""
    found = store.get(f"{_OUTPUTS}/{job}/{output}")
    return found["uri"] if found else None


def output_uri(job: str, output: str, *, datastore: str = DATASTORE) -> str:
    """Return where Azure ML puts an output that names no path of its own."""
    return f"azureml://datastores/{datastore}/paths/azureml/{job}/{output}/"


def artifacts_uri(job: str) -> str:
    """Return where a job's logs and MLflow artifacts are; this URI has no `/paths`, as the service's has none."""
    return f"{ARTIFACTS}/ExperimentRun/dcid.{job}"


def artifact_uri(path: str) -> str:
    """Return the URI of a file or folder in the artifact store."""
    return f"{ARTIFACTS}/paths/{path}"
