"""What operators do to the endpoint between releases: look, roll back, delete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlops import settings
from mlops.errors import InputError
from mlops.reports import tables
from mlops.workspace import client, endpoints
from mlops.workspace.endpoints import CANDIDATE, PHASE

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
    """Take all traffic from the candidate of the last rollout, in one write; say what was done.

    Raises InputError if the endpoint does not say who that was, or nobody is left to serve.
    """
    workspace, endpoint = _open(environment)
    candidate = endpoint.tags.get(CANDIDATE)
    others = [name for name in endpoint.traffic if name != candidate]
    if candidate is None or not others:
        raise InputError(f"{endpoint.name} has no deployment to roll back to")
    if endpoint.traffic[others[0]] == 100:  # noqa: PLR2004 - percent
        return f"{endpoint.name}: {others[0]} has all traffic already, nothing was changed"
    endpoints.set_traffic(workspace, endpoint.name, {others[0]: 100}, tags={PHASE: "ROLLED_BACK"})
    return f"{endpoint.name}: all traffic went from {candidate} back to {others[0]}"


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
