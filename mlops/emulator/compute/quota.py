"""How many vCPUs the computes of all workspaces hold, and how many are left."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator.compute import clusters, instances, sizes
from mlops.emulator.context import STORE, SUBSCRIPTION
from mlops.emulator.errors import ArmError
from mlops.emulator.home import LOCATION
from mlops.emulator.scope import WORKSPACES

if TYPE_CHECKING:
    from mlops.emulator.store import Document, Store

LOW_PRIORITY = "LowPriority"
_ROOMS = {"AmlCompute": clusters, "ComputeInstance": instances}


def in_use(store: Store, *, but: str = "") -> Counter[str]:
    """Return the vCPUs in use by family of sizes, those of low priority under a name of their own."""
    used: Counter[str] = Counter()
    for known in store.children(WORKSPACES):
        for compute in store.children(f"{known['id']}/computes"):
            if compute["id"].lower() != but.lower() and compute["properties"]["provisioningState"] != "Failed":
                used[_family(compute)] += _vcpus(compute)
    return used


def check(store: Store, compute: Document) -> None:
    """Raise the error with which the allocation of a compute fails when its quota is used up."""
    family = _family(compute)
    limit = sizes.low_priority_quota() if family == LOW_PRIORITY else sizes.family_quota()
    used, wanted = in_use(store, but=compute["id"])[family], _vcpus(compute)
    if used + wanted > limit:
        text = (
            f"Operation results in exceeding quota limits of {family}. Maximum allowed: {limit}, "
            f"Current in use: {used}, Additional requested: {wanted}."
        )
        raise ArmError(400, "ClusterCoreQuotaReached", text)


async def usages(request: web.Request) -> web.Response:
    """Answer the quota, and how much of it the computes hold."""
    used = in_use(request.app[STORE])
    dedicated = used.total() - used[LOW_PRIORITY]
    rows = [
        ("TotalDedicatedCores", "Total Cluster Dedicated Regional vCPUs", dedicated, sizes.dedicated_quota()),
        (
            "TotalLowPriorityCores",
            "Total Cluster LowPriority Regional vCPUs",
            used[LOW_PRIORITY],
            sizes.low_priority_quota(),
        ),
        *(
            (family, f"{family} Cluster Dedicated vCPUs", used[family], sizes.family_quota())
            for family in sizes.families()
        ),
    ]
    return web.json_response({"value": [_usage(request.path, *row) for row in rows]})


def _usage(parent: str, name: str, text: str, used: int, limit: int) -> dict[str, Any]:
    return {
        "id": f"{parent}/{name}",
        "type": "Microsoft.MachineLearningServices/locations/usages",
        "amlWorkspaceLocation": LOCATION,
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": text},
    }


def _family(compute: Document) -> str:
    properties = compute["properties"]["properties"]
    if properties.get("vmPriority") == LOW_PRIORITY:
        return LOW_PRIORITY
    return str(sizes.require(properties["vmSize"])["family"])


def _vcpus(compute: Document) -> int:
    room = _ROOMS[compute["properties"]["computeType"]]
    return int(room.vcpus(compute["properties"]["properties"]))


routes: tuple[web.RouteDef, ...] = (
    web.get(SUBSCRIPTION + "/providers/Microsoft.MachineLearningServices/locations/{location}/usages", usages),
)
