"""The GPU cluster: found or created; the region's sizes, quota and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.compute.price import retail
from mlops.errors import AzureError, InputError
from mlops.workspace import states
from mlops.workspace.errors import azure_errors
from mlops.workspace.quota import left

if TYPE_CHECKING:
    from azure.ai.ml.entities import AmlCompute

    from mlops.compute.cluster import ClusterSettings
    from mlops.compute.price import Price, Tier
    from mlops.compute.quota import Quota
    from mlops.workspace.client import Workspace

RETAIL_PRICES: Final = "https://prices.azure.com/api/retail/prices"
RETAIL_TIMEOUT_S: Final = 5.0
LOW_PRIORITY: Final = "TotalLowPriorityCores"


@dataclass(frozen=True)
class Size:
    """A machine size of the region."""

    name: str
    family: str
    vcpus: int
    gpus: int
    is_low_priority_capable: bool


def sizes(workspace: Workspace) -> list[Size]:
    """Return the sizes that the workspace's region offers."""
    with azure_errors("list the compute sizes"):
        # Of what the service answers, the SDK (1.35) gives names of its own to some only.
        found = [vars(size) for size in workspace.ml.compute.list_sizes()]
    return [
        Size(each["name"], each["family"], int(each["vCPUs"]), int(each["gpus"]), bool(each["lowPriorityCapable"]))
        for each in found
    ]


def quota(workspace: Workspace, size: Size, tier: Tier) -> Quota | None:
    """Return the region's quota that nodes of a size and tier count against, or None if the service names none."""
    return left(workspace, LOW_PRIORITY if tier == "low_priority" else size.family)


def retail_price(region: str, size: str, tier: Tier, *, api: str = RETAIL_PRICES) -> Price | None:
    """Return today's price from the public Retail Prices API, or None where it cannot be had."""
    import httpx

    query = f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and armSkuName eq '{size}'"
    try:
        answer = httpx.get(api, params={"$filter": query}, timeout=RETAIL_TIMEOUT_S).raise_for_status()
        return retail(answer.json()["Items"], tier)
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def find(workspace: Workspace, name: str) -> AmlCompute | None:
    """Return the cluster of a name, or None."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"find cluster {name}"):
        try:
            cluster: AmlCompute = workspace.ml.compute.get(name)
        except ResourceNotFoundError:
            return None
    return cluster


def check(cluster: Any, wanted: ClusterSettings, *, section: str) -> None:
    """Raise InputError, AzureError if its nodes could not be had, for a cluster that the job cannot run on.

    `section` is where the settings say which cluster is wanted.
    """
    if cluster.type.lower() != "amlcompute":
        raise InputError(f"compute {wanted.name} is a {cluster.type}, not a cluster: name another in {section}.name")
    if states.word(cluster.provisioning_state).lower() == "failed":
        raise AzureError(
            f"cluster {wanted.name} is in a failed state: {cluster.provisioning_errors}. Delete it, or name another "
            f"in {section}.name"
        )
    if cluster.size.lower() != wanted.size.lower():
        raise InputError(
            f"cluster {wanted.name} has size {cluster.size}, {section}.size is {wanted.size}: a cluster's size "
            "cannot change; change one of the two settings"
        )
    if cluster.max_instances < wanted.num_nodes:
        raise InputError(
            f"cluster {wanted.name} has at most {cluster.max_instances} nodes, {section}.num_nodes is "
            f"{wanted.num_nodes}: the job would wait for ever; ask for fewer, or give the cluster more"
        )
    if cluster.tier and cluster.tier.lower().replace("_", "") != wanted.tier.replace("_", ""):
        raise InputError(
            f"cluster {wanted.name} is {cluster.tier}, {section}.tier is {wanted.tier}: the estimate would be "
            "of another price; change one of the two settings"
        )


def ensure_cluster(workspace: Workspace, settings: ClusterSettings, *, section: str) -> None:
    """Create the cluster of a section of the settings if there is none, else check it; serverless needs none."""
    if settings.is_serverless:
        return
    check(find(workspace, settings.name) or _create(workspace, settings), settings, section=section)


def _create(workspace: Workspace, settings: ClusterSettings) -> AmlCompute:
    from azure.ai.ml.entities import AmlCompute

    wanted = AmlCompute(
        name=settings.name,
        size=settings.size,
        tier=settings.tier,
        min_instances=0,
        max_instances=settings.max_instances,
        idle_time_before_scale_down=settings.idle_s,
        identity=_identity(settings.identity),
    )
    with azure_errors(f"create cluster {settings.name} of size {settings.size}"):
        cluster: AmlCompute = workspace.ml.compute.begin_create_or_update(wanted).result()
    return cluster


def _identity(identity: str | None) -> Any:
    from azure.ai.ml.entities import IdentityConfiguration, ManagedIdentityConfiguration

    if identity is None:
        return None
    if identity == "system_assigned":
        return IdentityConfiguration(type=identity)
    return IdentityConfiguration(
        type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=identity)]
    )
