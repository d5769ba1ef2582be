"""Online deployments: brought up, explained when they do not come up, and deleted."""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError
from mlops.workspace.client import quiet
from mlops.workspace.endpoints import DEPLOYED_AT, FINGERPRINT, busy_errors, finish
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.ai.ml.entities import ManagedOnlineDeployment, ProbeSettings

    from mlops.sections import DeploySettings
    from mlops.workspace.client import Workspace

POLL_S: Final = 1.0
PROBE_PERIOD_S: Final = 10
LOG_LINES: Final = 30
CONTAINERS: Final = ("storage-initializer", "inference-server")


def fingerprint(model: str, settings: DeploySettings) -> str:
    """Return a hash of everything that makes two deployments behave alike."""
    parts = settings.model_dump(include={"instance_type", "request_timeout_s", "max_concurrent_requests"})
    return hashlib.sha256(json.dumps({"model": model, **parts}, sort_keys=True).encode()).hexdigest()[:16]


def deploy(
    workspace: Workspace,
    name: str,
    *,
    model: str,
    settings: DeploySettings,
    tags: Mapping[str, str],
    request_timeout_ms: int | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> None:
    """Create deployment `name` of a registered model behind the settings' endpoint, without traffic.

    Raises AzureError with the cause in its first line and the end of both containers' logs if it does not come up; it
    is deleted again then, because a deployment whose first provisioning failed cannot be repaired.
    """
    wanted = _specification(name, model, settings, tags, request_timeout_ms or 1000 * settings.request_timeout_s)
    try:
        with azure_errors(f"deploy {model} as {name}"), quiet():
            poller = workspace.ml.online_deployments.begin_create_or_update(wanted)
            start, deadline = time.monotonic(), time.monotonic() + settings.deadline_s
            while not poller.done() and time.monotonic() < deadline:
                show(f"provisioning {name} on {settings.instance_type}, {time.monotonic() - start:.0f} s")
                poller.wait(POLL_S)
            finish(poller, 0)
    except AzureError as error:
        told = logs(workspace, settings.endpoint, name)
        delete(workspace, settings.endpoint, name, timeout_s=settings.deadline_s)
        raise AzureError(
            f"{error}: {cause(told)}\n{told}\n{name} was deleted, the others serve on. Mend what the log says, and run "
            "the deploy stage again"
        ) from error


def cause(logs: str) -> str:
    """Return the line that says most: the first Python error, which those after it wrap, else the last "error"."""
    lines = [line.strip() for line in logs.splitlines() if line.strip()]
    raised = [line for line in lines if line.partition(":")[0].rpartition(".")[2].endswith(("Error", "Exception"))]
    named = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return [*raised[:1], *named[-1:], *lines[-1:], "its logs are empty"][0]


def _specification(
    name: str, model: str, settings: DeploySettings, tags: Mapping[str, str], request_timeout_ms: int
) -> ManagedOnlineDeployment:
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings

    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=settings.endpoint,
        model=model,
        instance_type=settings.instance_type,
        instance_count=settings.instance_count,
        readiness_probe=_readiness(settings.startup_s),
        liveness_probe=_liveness(settings.startup_s),
        request_settings=OnlineRequestSettings(
            request_timeout_ms=request_timeout_ms,
            max_concurrent_requests_per_instance=settings.max_concurrent_requests,
        ),
        tags={**tags, FINGERPRINT: fingerprint(model, settings), DEPLOYED_AT: f"{time.time():.0f}"},
    )


def _readiness(startup_s: int) -> ProbeSettings:
    """Return a probe that asks from the start, and goes on asking as long as the model may take to load."""
    from azure.ai.ml.entities import ProbeSettings

    attempts = math.ceil(startup_s / PROBE_PERIOD_S)
    return ProbeSettings(initial_delay=PROBE_PERIOD_S, period=PROBE_PERIOD_S, failure_threshold=attempts)


def _liveness(startup_s: int) -> ProbeSettings:
    """Return a probe that ends what is silent for five minutes once the model may have been loaded.

    That is Azure's own patience, 30 times 10 s, and longer than any request may take: a container that answers one at a
    time is silent meanwhile. It stands for a startup probe, too: the SDK writes none.
    """
    from azure.ai.ml.entities import ProbeSettings

    return ProbeSettings(initial_delay=startup_s, period=PROBE_PERIOD_S)


def logs(workspace: Workspace, endpoint: str, deployment: str) -> str:
    """Return the end of both containers' logs."""
    told = {container: _log(workspace, endpoint, deployment, container) for container in CONTAINERS}
    return "\n".join(f"The end of the log of {container}:\n{text}" for container, text in told.items())


def _log(workspace: Workspace, endpoint: str, deployment: str, container: str) -> str:
    """Return the end of a container's log, or why there is none: that must not hide what went wrong before."""
    try:
        with azure_errors(f"read the log of {deployment}"):
            get_logs = workspace.ml.online_deployments.get_logs
            return str(get_logs(deployment, endpoint, lines=LOG_LINES, container_type=container))
    except AzureError as error:
        return f"({error})"


def tags(workspace: Workspace, endpoint: str, deployment: str) -> dict[str, str]:
    """Return the tags of a deployment."""
    with azure_errors(f"look up deployment {deployment} of endpoint {endpoint}"):
        return dict(workspace.ml.online_deployments.get(deployment, endpoint).tags or {})


def delete(workspace: Workspace, endpoint: str, deployment: str, *, timeout_s: float) -> None:
    """Delete a deployment, and return when it is gone; one that is gone already is fine.

    Raises AzureError, as the service does, if it has live or mirror traffic.
    """
    from azure.core.exceptions import ResourceNotFoundError

    with busy_errors(f"delete deployment {deployment} of {endpoint}"), quiet():
        try:
            finish(workspace.ml.online_deployments.begin_delete(deployment, endpoint), timeout_s)
        except ResourceNotFoundError:
            return
