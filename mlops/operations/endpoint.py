"""What operators see of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.reports import tables
from mlops.rollout import breadcrumb
from mlops.workspace import endpoints

if TYPE_CHECKING:
    from mlops.reports.tables import Table
    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint


def table(workspace: Workspace, endpoint: Endpoint) -> Table:
    """Return an endpoint's deployments, their models and their traffic."""
    return tables.traffic(endpoint.name, endpoint.traffic, _models(workspace, endpoint))


def document(workspace: Workspace, endpoint: Endpoint | None) -> dict[str, Any]:
    """Return the same for programs."""
    if endpoint is None:
        return {"endpoint": None, "deployments": {}, "rollout": None}
    models = _models(workspace, endpoint)
    return {
        "endpoint": endpoint.name,
        "deployments": {
            name: {"traffic": weight, "mirror": endpoint.mirror.get(name, 0), "model": models[name]}
            for name, weight in endpoint.traffic.items()
        },
        "rollout": progress(endpoint),
    }


def progress(endpoint: Endpoint) -> str:
    """Return in one line where the endpoint's rollout stands.

    Raises RecordError if its tags cannot be read.
    """
    crumb = breadcrumb.read(endpoint.tags)
    if crumb is None:
        return "no rollout has been here"
    told = f"rollout {crumb.id} of {crumb.candidate}: {crumb.phase}"
    if crumb.is_active:
        weight = crumb.steps.split(",")[crumb.step] if crumb.step >= 0 else "0"
        told += f" at {weight} % of steps {crumb.steps}"
    return told + (f" ({crumb.reason})" if crumb.reason else "")


def _models(workspace: Workspace, endpoint: Endpoint) -> dict[str, str]:
    return {name: endpoints.deployed_model(workspace, endpoint.name, name) for name in endpoint.traffic}
