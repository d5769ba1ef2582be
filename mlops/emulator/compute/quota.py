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
_UNLIMITED = -1
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
    # The service gives a family's two rows one name; only the type tells them apart.
    rows = [
        ("dedicatedCores", "TotalDedicatedCores", dedicated, sizes.dedicated_quota()),
        ("lowPriorityCores", "TotalLowPriorityCores", used[LOW_PRIORITY], sizes.low_priority_quota()),
        *(("vmFamily/dedicatedCores", family, used[family], sizes.family_quota()) for family in sizes.families()),
        *(("vmFamily/lowPriorityCores", family, 0, _UNLIMITED) for family in sizes.families()),
    ]
    return web.json_response({"value": [_usage(request.path, *row) for row in rows]})


def _usage(parent: str, kind: str, name: str, used: int, limit: int) -> dict[str, Any]:
    return {
        "id": f"{parent}/{kind}/{name}",
        "type": f"Microsoft.MachineLearningServices/{kind}/usages",
        "amlWorkspaceLocation": LOCATION,
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": f"{name} ({kind})"},
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
