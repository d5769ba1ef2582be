"""The GPU cluster: found or created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.errors import AzureError
from mlops.workspace.client import azure_errors

if TYPE_CHECKING:
    from mlops.compute.cluster import ClusterSettings
    from mlops.workspace.client import Workspace


def sizes(workspace: Workspace) -> dict[str, int]:
    """Return the sizes that the workspace's region offers, and the GPUs of each."""
    with azure_errors("list the compute sizes"):
        return {size.name: int(size.gpus) for size in workspace.ml.compute.list_sizes()}


def ensure_cluster(workspace: Workspace, settings: ClusterSettings) -> str:
    """Return the size of the cluster, which is created if there is none of its name.

    Raises AzureError if the cluster exists in a failed state.
    """
    from azure.ai.ml.entities import AmlCompute
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"find or create cluster {settings.name}"):
        try:
            cluster = workspace.ml.compute.get(settings.name)
        except ResourceNotFoundError:
            wanted = AmlCompute(
                name=settings.name,
                size=settings.size,
                tier=settings.tier,
                max_instances=settings.max_instances,
                idle_time_before_scale_down=settings.idle_s,
            )
            cluster = workspace.ml.compute.begin_create_or_update(wanted).result()
    if cluster.provisioning_state.lower() == "failed":
        raise AzureError(
            f"cluster {settings.name} is in a failed state: {cluster.provisioning_errors}. Delete it, or name another "
            "in finetune.cluster.name"
        )
    return str(cluster.size)
