"""One runner per endpoint: numbered blobs in the workspace's store, each created by exactly one.

The number is the epoch, the fencing token: who holds a smaller one than the latest must not write any more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import AzureError, FencedError, HeldError
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from mlops.workspace.client import Workspace

FOLDER: Final = "rollouts"
SIGN_S: Final = 3.0
"""How often a runner gives a sign of life, and says how far it is."""


@dataclass
class Lease:
    """The right to write to an endpoint, until somebody holds a later epoch; it shows others how far the work is."""

    workspace: Workspace
    endpoint: str
    holder: str
    epoch: int
    _status: dict[str, Any] = field(default_factory=dict)

    def tell(self, status: dict[str, Any]) -> None:
        """Let the next sign of life say how far the work is."""
        self._status = status

    def check(self) -> None:
        """Raise FencedError if somebody has taken over."""
        with azure_errors(f"look up who rolls out {self.endpoint}"):
            is_taken = _store(self.workspace).get_blob_client(_name(self.endpoint, self.epoch + 1)).exists()
        if is_taken:
            raise FencedError(
                f"somebody else has taken over the rollout of {self.endpoint}: nothing more was written. "
                "Follow it with `mlops rollout watch`"
            )

    def renew(self, *, is_released: bool = False) -> None:
        """Give a sign of life, or say that it was the last."""
        content = json.dumps({"holder": self.holder, "released": is_released, **self._status})
        with azure_errors(f"renew the lease of {self.endpoint}"):
            _store(self.workspace).upload_blob(_name(self.endpoint, self.epoch), content, overwrite=True)


def status(workspace: Workspace, endpoint: str) -> dict[str, Any] | None:
    """Return what the latest holder said last, with `seen` in seconds since 1970, or None if there was never one."""
    with azure_errors(f"look up who rolls out {endpoint}"):
        store = _store(workspace)
        newest = max(store.list_blobs(f"{FOLDER}/{endpoint}/"), key=lambda blob: _epoch(blob.name), default=None)
        if newest is None:
            return None
        said = json.loads(store.download_blob(newest.name).readall())
        return {**said, "seen": newest.last_modified.timestamp()}


@contextmanager
def hold(workspace: Workspace, endpoint: str, *, holder: str, ttl_s: float, steal: bool, least: int) -> Iterator[Lease]:
    """Hold the lease of an endpoint, with an epoch of `least` or later; a thread gives signs of life meanwhile.

    Raises HeldError if another one lives and this one may not steal.
    """
    lease = _claim(workspace, endpoint, holder=holder, ttl_s=ttl_s, steal=steal, least=least)
    is_over = threading.Event()
    thread = threading.Thread(target=_beat, args=(lease, min(ttl_s / 3, SIGN_S), is_over), daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        is_over.set()
        thread.join()
        lease.renew(is_released=True)


def _claim(workspace: Workspace, endpoint: str, *, holder: str, ttl_s: float, steal: bool, least: int) -> Lease:
    from azure.core.exceptions import ResourceExistsError

    with azure_errors(f"take the lease of {endpoint}"):
        store = _store(workspace)
        blobs = {_epoch(blob.name): blob for blob in store.list_blobs(f"{FOLDER}/{endpoint}/")}
        latest = max(blobs, default=0)
        if latest and not steal:
            _check_is_dead(store, blobs[latest], endpoint, ttl_s)
        lease = Lease(workspace, endpoint, holder, max(latest + 1, least))
        content = json.dumps({"holder": holder, "released": False})
        try:
            store.upload_blob(_name(endpoint, lease.epoch), content, overwrite=False)
        except ResourceExistsError:
            raise HeldError(
                f"somebody else has just begun to roll out {endpoint}: nothing was written. Wait for it"
            ) from None
    return lease


def _check_is_dead(store: ContainerClient, blob: Any, endpoint: str, ttl_s: float) -> None:
    age = (datetime.now(UTC) - blob.last_modified).total_seconds()
    said = json.loads(store.download_blob(blob.name).readall())
    if not said["released"] and age < ttl_s:
        raise HeldError(
            f"{said['holder']} rolls out {endpoint} and gave a sign of life {age:.0f} s ago: nothing was written. "
            "Wait for it, or end it with `mlops rollout abort`"
        )


def _beat(lease: Lease, period_s: float, is_over: threading.Event) -> None:
    while not is_over.wait(period_s):
        try:
            lease.renew()
        except AzureError:
            continue  # the next sign of life may get through; until then others may think it lost, which is safe


def _store(workspace: Workspace) -> ContainerClient:
    """Return the workspace's own container, opened anew each time, since its signatures expire."""
    from azure.ai.ml._artifacts._artifact_utilities import get_datastore_info  # nothing public opens a datastore
    from azure.storage.blob import ContainerClient

    default = workspace.ml.datastores.get_default().name
    found = get_datastore_info(workspace.ml.datastores, default)
    return ContainerClient(found["account_url"], found["container_name"], credential=found["credential"])


def _name(endpoint: str, epoch: int) -> str:
    return f"{FOLDER}/{endpoint}/{epoch:08d}.json"


def _epoch(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(".json"))
