"""Online endpoints: their traffic, tags and keys. Never scored from here: the SDK's `invoke` retries and leaks pins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import AzureError, BusyError
from mlops.workspace import states
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from azure.ai.ml.entities import ManagedOnlineEndpoint
    from azure.core.polling import LROPoller

    from mlops.workspace.client import Workspace

COLORS: Final = ("blue", "green")
FINGERPRINT: Final = "fingerprint"
"""The tag of a deployment that tells what exactly it runs."""
DEPLOYED_AT: Final = "deployed-at"
"""The tag of a deployment that tells when it was made, in seconds since 1970."""
POLL_S: Final = 0.5
SETTLED: Final = ("Succeeded", "Failed", "Canceled")
BUSY: Final = (409, 429, 500, 502, 503, 504)
"""What the service answers when it is worth asking again: another write, too many, or its own trouble."""
OK: Final = 200
CANCELED: Final = "OperationCanceled"
"""The error of an operation that gave way to another one."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as the service describes it; `traffic` holds every deployment, 0 included."""

    name: str
    scoring_uri: str
    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    tags: Mapping[str, str]
    states: Mapping[str, str]
    """The provisioning state of each deployment."""
    fingerprints: Mapping[str, str]
    """What each deployment runs, as a hash; empty for those that others made."""
    deployed: Mapping[str, float]
    """When each deployment was made, in seconds since 1970; those that others made are left out."""

    @property
    def stable(self) -> str | None:
        """Return the deployment with the most traffic, or None if nobody is served."""
        if not any(self.traffic.values()):
            return None
        return max(self.traffic, key=lambda name: self.traffic[name])

    @property
    def idle_color(self) -> str:
        """Return the color that the next candidate gets: the one that is not stable."""
        return next(name for name in COLORS if name != self.stable)

    def is_used(self, deployment: str) -> bool:
        """Return whether a deployment has traffic, or copies of it."""
        return bool(self.traffic.get(deployment) or self.mirror.get(deployment))

    @property
    def live(self) -> dict[str, int]:
        """Return the traffic without those who have none."""
        return {name: weight for name, weight in self.traffic.items() if weight}


def find(workspace: Workspace, name: str) -> Endpoint | None:
    """Return an endpoint, or None if there is none of that name."""
    from azure.core.exceptions import ResourceNotFoundError

    with busy_errors(f"look up endpoint {name}"):
        try:
            found = workspace.ml.online_endpoints.get(name)
        except ResourceNotFoundError:
            return None
        return _endpoint(workspace, found)


def list_all(workspace: Workspace) -> list[Endpoint]:
    """Return every endpoint of the workspace."""
    with azure_errors("list the endpoints"):
        return [_endpoint(workspace, found) for found in workspace.ml.online_endpoints.list()]


def _endpoint(workspace: Workspace, found: Any) -> Endpoint:
    deployments = list(workspace.ml.online_deployments.list(found.name))
    return Endpoint(
        name=found.name,
        scoring_uri=found.scoring_uri,
        traffic=dict.fromkeys((each.name for each in deployments), 0) | dict(found.traffic or {}),
        mirror={name: share for name, share in (found.mirror_traffic or {}).items() if share},
        tags=found.tags or {},
        states={each.name: states.word(each.provisioning_state) for each in deployments},
        fingerprints={each.name: (each.tags or {}).get(FINGERPRINT, "") for each in deployments},
        deployed={each.name: float(told) for each in deployments if (told := _deployed_at(each)).isdecimal()},
    )


def _deployed_at(deployment: Any) -> str:
    return str((deployment.tags or {}).get(DEPLOYED_AT, ""))


def create(workspace: Workspace, name: str, *, tags: Mapping[str, str] | None = None) -> None:
    """Create an endpoint with key authentication and no traffic."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    with azure_errors(f"create endpoint {name}"), quiet():
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=dict(tags or {}))
        workspace.ml.online_endpoints.begin_create_or_update(endpoint).result()


def write(
    workspace: Workspace,
    name: str,
    *,
    traffic: Mapping[str, int],
    mirror: Mapping[str, int],
    tags: Mapping[str, str],
    timeout_s: float,
) -> None:
    """Write both maps whole in one request, with the tags that say why; other fields stay as they are.

    Raises BusyError if it may be tried again, AzureError if not.
    """
    with busy_errors(f"set the traffic of {name} to {dict(traffic)}"):
        current = _settled(workspace, name, timeout_s)
        current.traffic, current.mirror_traffic = dict(traffic), dict(mirror)
        current.tags = {**(current.tags or {}), **tags}
        finish(workspace.ml.online_endpoints.begin_create_or_update(current), timeout_s)


def finish(poller: LROPoller[Any], timeout_s: float) -> None:
    """Wait for a long-running operation.

    Raises BusyError if it does not end in time.
    """
    poller.wait(timeout_s)
    if not poller.done():
        raise BusyError(f"Azure ML accepted it and did not finish in {timeout_s:g} s: run the stage again")
    poller.result()


@contextmanager
def busy_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into AzureError, or BusyError where it is worth asking again."""
    try:
        with azure_errors(doing):
            yield
    except BusyError:
        raise
    except AzureError as error:
        if _is_busy(error.__cause__):
            raise BusyError(str(error)) from error
        raise


def _is_busy(error: Any) -> bool:
    from azure.core import exceptions

    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return True
    # What was accepted and failed later carries the status of the poll that told so.
    return error.status_code in BUSY or error.status_code == OK or CANCELED in str(error)


def _settled(workspace: Workspace, name: str, timeout_s: float) -> ManagedOnlineEndpoint:
    """Return an endpoint once nothing is being written to it: until then the service refuses a second write."""
    deadline = time.monotonic() + timeout_s
    while True:
        endpoint: ManagedOnlineEndpoint = workspace.ml.online_endpoints.get(name)
        if endpoint.provisioning_state in SETTLED:
            return endpoint
        if time.monotonic() > deadline:
            state = states.word(endpoint.provisioning_state)
            raise BusyError(f"endpoint {name} has been {state} for {timeout_s:.0f} s: run again later")
        time.sleep(POLL_S)


def key(workspace: Workspace, endpoint: str) -> str:
    """Return the primary key of an endpoint; never print it."""
    with azure_errors(f"read the key of {endpoint}"):
        return str(workspace.ml.online_endpoints.get_keys(endpoint).primary_key)


def delete(workspace: Workspace, endpoint: str) -> None:
    """Delete an endpoint and its deployments, which ends their billing."""
    with azure_errors(f"delete endpoint {endpoint}"), quiet():
        workspace.ml.online_endpoints.begin_delete(endpoint).result()


def deployed_model(workspace: Workspace, endpoint: str, deployment: str) -> str:
    """Return the id of the registered model that a deployment serves."""
    with azure_errors(f"look up deployment {deployment} of endpoint {endpoint}"):
        model = str(workspace.ml.online_deployments.get(deployment, endpoint).model)
    if not model.startswith("/subscriptions/"):
        return model
    name, _, version = model.partition("/models/")[2].partition("/versions/")
    return f"azureml:{name}:{version}"
