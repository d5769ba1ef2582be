"""What operators do to the endpoint between releases: look, roll back, delete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlops import settings
from mlops.errors import InputError
from mlops.reports import tables
from mlops.workspace import client, endpoints

if TYPE_CHECKING:
    from mlops.reports.tables import Table
    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint


def describe(environment: str) -> Table:
    """Return the endpoint's deployments, their models and their traffic."""
    workspace, endpoint = _open(environment)
    return table(workspace, endpoint)


def table(workspace: Workspace, endpoint: Endpoint) -> Table:
    """Return an endpoint's deployments, their models and their traffic."""
    models = {name: endpoints.deployed_model(workspace, endpoint.name, name) for name in endpoint.traffic}
    return tables.traffic(endpoint.name, endpoint.traffic, models)


def roll_back(environment: str) -> str:
    """Give all traffic to the color that has none, in one write; say what was done."""
    workspace, endpoint = _open(environment)
    others = [name for name in endpoint.traffic if name != endpoint.stable]
    if not others or endpoint.stable is None:
        raise InputError(f"{endpoint.name} has no other deployment to roll back to")
    endpoints.set_traffic(workspace, endpoint.name, {others[0]: 100}, tags={"rollout-phase": "ROLLED_BACK"})
    return f"{endpoint.name}: all traffic went from {endpoint.stable} back to {others[0]}"


def delete_endpoint(environment: str) -> str:
    """Delete the endpoint and everything behind it; say what was done."""
    workspace, endpoint = _open(environment)
    endpoints.delete(workspace, endpoint.name)
    return f"{endpoint.name} and its deployments ({', '.join(endpoint.traffic) or 'none'}) are deleted"


def _open(environment: str) -> tuple[Workspace, Endpoint]:
    loaded = settings.load(environment)
    if loaded.workspace.emulator:
        os.environ.update(client.start_emulator())
    workspace = client.connect(loaded.workspace)
    endpoint = endpoints.find(workspace, loaded.deploy.endpoint)
    if endpoint is None:
        raise InputError(f"endpoint {loaded.deploy.endpoint} does not exist in {environment}: nothing to do")
    return workspace, endpoint
