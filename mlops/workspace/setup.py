"""What a workspace needs before its first release: itself, a cluster, an endpoint; made only if it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.credentials import sign_in
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.sections import WorkspaceSettings


def has_workspace(settings: WorkspaceSettings) -> bool:
    """Return whether the workspace of the settings exists."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"look up workspace {settings.name} in resource group {settings.resource_group}"):
        try:
            _client(settings).workspaces.get(settings.name)
        except ResourceNotFoundError:
            return False
    return True


def create_workspace(settings: WorkspaceSettings, location: str) -> None:
    """Create the workspace of the settings, with storage, key vault and insights of its own; takes some minutes."""
    from azure.ai.ml.entities import Workspace

    with azure_errors(f"create workspace {settings.name} in resource group {settings.resource_group}"), quiet():
        _client(settings).workspaces.begin_create(Workspace(name=settings.name, location=location)).result()


def has_cluster(settings: WorkspaceSettings, name: str) -> bool:
    """Return whether the workspace has a cluster of a name."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"look up cluster {name}"):
        try:
            _client(settings).compute.get(name)
        except ResourceNotFoundError:
            return False
    return True


def _client(settings: WorkspaceSettings) -> MLClient:
    from azure.ai.ml import MLClient

    return MLClient(sign_in(), settings.subscription_id, settings.resource_group, settings.name)
