"""Online endpoints: deployments, keys, traffic. Never scored from here: the SDK's `invoke` retries and leaks pins."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.errors import AzureError
from mlops.workspace.client import azure_errors, quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.ai.ml.entities import ManagedOnlineEndpoint

    from mlops.settings import DeploySettings
    from mlops.workspace.client import Workspace


SETTLE_S, SETTLE_POLL_S = 300.0, 0.5

# Tags of the endpoint, written with the traffic: who comes after a lost runner finds the rollout there.
RUN, PHASE, CANDIDATE = "rollout-run", "rollout-phase", "rollout-candidate"


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as the service describes it; `traffic` holds every deployment, 0 included."""

    name: str
    scoring_uri: str
    traffic: Mapping[str, int]
    tags: Mapping[str, str]

    @property
    def stable(self) -> str | None:
        """Return the deployment with the most traffic, or None if nobody is served."""
        if not any(self.traffic.values()):
            return None
        return max(self.traffic, key=lambda name: self.traffic[name])


def find(workspace: Workspace, name: str) -> Endpoint | None:
    """Return an endpoint, or None if there is none of that name."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"look up endpoint {name}"):
        try:
            endpoint = workspace.ml.online_endpoints.get(name)
        except ResourceNotFoundError:
            return None
        deployments = [deployment.name for deployment in workspace.ml.online_deployments.list(name)]
    traffic = dict.fromkeys(deployments, 0) | dict(endpoint.traffic or {})
    return Endpoint(endpoint.name, endpoint.scoring_uri, traffic, endpoint.tags or {})


def create(workspace: Workspace, name: str) -> None:
    """Create an endpoint with key authentication and no traffic."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    with azure_errors(f"create endpoint {name}"), quiet():
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
        workspace.ml.online_endpoints.begin_create_or_update(endpoint).result()


def deploy(workspace: Workspace, name: str, *, model: str, settings: DeploySettings, tags: Mapping[str, str]) -> None:
    """Create deployment `name` of a registered model behind the settings' endpoint, without traffic.

    Raises AzureError with the end of the container's log if it does not come up; it is deleted again then, because
    a deployment whose first provisioning failed cannot be repaired.
    """
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings, ProbeSettings

    probe = ProbeSettings(initial_delay=settings.initial_delay_s)
    deployment = ManagedOnlineDeployment(
        name=name,
        endpoint_name=settings.endpoint,
        model=model,
        instance_type=settings.instance_type,
        instance_count=settings.instance_count,
        liveness_probe=probe,
        readiness_probe=probe,
        request_settings=OnlineRequestSettings(
            request_timeout_ms=1000 * settings.request_timeout_s,
            max_concurrent_requests_per_instance=settings.max_concurrent_requests,
        ),
        tags=dict(tags),
    )
    try:
        with azure_errors(f"deploy {model} as {name}"), quiet():
            workspace.ml.online_deployments.begin_create_or_update(deployment).result()
    except AzureError as error:
        logs = _logs(workspace, settings.endpoint, name)
        delete_deployment(workspace, settings.endpoint, name)
        raise AzureError(f"{error}\nThe end of its log:\n{logs}") from error


def _logs(workspace: Workspace, endpoint: str, deployment: str) -> str:
    """Return the end of the container's log, or why there is none: that must not hide what went wrong before."""
    try:
        with azure_errors(f"read the log of {deployment}"):
            return str(workspace.ml.online_deployments.get_logs(deployment, endpoint, lines=30))
    except AzureError as error:
        return f"({error})"


def deployed_model(workspace: Workspace, endpoint: str, deployment: str) -> str:
    """Return the id of the registered model that a deployment serves."""
    with azure_errors(f"look up deployment {deployment} of endpoint {endpoint}"):
        model = str(workspace.ml.online_deployments.get(deployment, endpoint).model)
    if not model.startswith("/subscriptions/"):
        return model
    name, _, version = model.partition("/models/")[2].partition("/versions/")
    return f"azureml:{name}:{version}"


def set_traffic(workspace: Workspace, endpoint: str, traffic: Mapping[str, int], *, tags: Mapping[str, str]) -> None:
    """Write the whole traffic map in one request, with the tags that say why; other fields stay as they are."""
    with azure_errors(f"set the traffic of {endpoint} to {dict(traffic)}"):
        current = _settled(workspace, endpoint)
        current.traffic, current.mirror_traffic = dict(traffic), {}
        current.tags = {**(current.tags or {}), **tags}
        workspace.ml.online_endpoints.begin_create_or_update(current).result()


def _settled(workspace: Workspace, name: str) -> ManagedOnlineEndpoint:
    """Return an endpoint once nothing is being written to it: until then the service refuses a second write."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        endpoint: ManagedOnlineEndpoint = workspace.ml.online_endpoints.get(name)
        # An enum of text: `str` of it would be its name.
        if endpoint.provisioning_state in ("Succeeded", "Failed", "Canceled"):
            return endpoint
        if time.monotonic() > deadline:
            raise AzureError(f"endpoint {name} has been {endpoint.provisioning_state} for {SETTLE_S:.0f} s")
        time.sleep(SETTLE_POLL_S)


def key(workspace: Workspace, endpoint: str) -> str:
    """Return the primary key of an endpoint; never print it."""
    with azure_errors(f"read the key of {endpoint}"):
        return str(workspace.ml.online_endpoints.get_keys(endpoint).primary_key)


def delete_deployment(workspace: Workspace, endpoint: str, deployment: str) -> None:
    """Delete a deployment that has no traffic; one that is gone already is fine."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"delete deployment {deployment} of {endpoint}"), quiet():
        try:
            workspace.ml.online_deployments.begin_delete(deployment, endpoint).result()
        except ResourceNotFoundError:
            return


def delete(workspace: Workspace, endpoint: str) -> None:
    """Delete an endpoint and its deployments, which ends their billing."""
    with azure_errors(f"delete endpoint {endpoint}"), quiet():
        workspace.ml.online_endpoints.begin_delete(endpoint).result()
