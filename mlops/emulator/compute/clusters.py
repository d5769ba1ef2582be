"""Clusters (AmlCompute): named and sized as on Azure, though every job runs on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.emulator.compute import sizes
from mlops.emulator.errors import ArmError, bad_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.emulator.store import Document

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]")
_PRIORITIES = {"": "Dedicated", "dedicated": "Dedicated", "lowpriority": "LowPriority"}


def settle(name: str, wanted: dict[str, Any], previous: Document | None) -> dict[str, Any]:
    """Return the properties of a cluster as the service keeps them; raise ArmError for what it refuses."""
    if not _NAME.fullmatch(name):
        raise bad_request(f"Compute name {name} is invalid: 2 to 32 letters, digits and dashes, a letter first.")
    old = previous["properties"]["properties"] if previous else {}
    wanted = {**old, **{key: value for key, value in wanted.items() if value is not None}}
    size = sizes.require(wanted.get("vmSize"))
    settled = {
        # The service answers sizes in capitals, however they were asked for.
        "vmSize": size["name"].upper(),
        "vmPriority": _priority(wanted.get("vmPriority") or ""),
    }
    for key, value in settled.items():
        if old and old[key] != value:
            raise bad_request(f"The {key} of compute {name} cannot be changed; delete it first.")
    if wanted.get("remoteLoginPortPublicAccess") in (None, "NotSpecified"):
        wanted["remoteLoginPortPublicAccess"] = "Enabled"
    scale = _scale({**old.get("scaleSettings", {}), **(wanted.get("scaleSettings") or {})}, size)
    return {**wanted, **settled, "scaleSettings": scale, "userAccountCredentials": _without_secrets(wanted)}


def allocate(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a cluster that has the nodes it asks for at least."""
    least = properties["scaleSettings"]["minNodeCount"]
    return {
        **properties,
        "allocationState": "Steady",
        "currentNodeCount": least,
        "targetNodeCount": least,
        "nodeStateCounts": {"idleNodeCount": least, "runningNodeCount": 0, "preemptedNodeCount": 0},
        "errors": [],
    }


def vcpus(properties: dict[str, Any]) -> int:
    """Return how many vCPUs a cluster holds when nothing runs: those of its least number of nodes."""
    return int(properties["scaleSettings"]["minNodeCount"] * sizes.require(properties["vmSize"])["vcpus"])


def nodes(properties: dict[str, Any], runs: Sequence[Document]) -> list[dict[str, Any]]:
    """Return the nodes of a cluster: one for every running job, and idle ones up to the least number."""
    scale = properties["scaleSettings"]
    busy = [run["runId"] for run in runs][: scale["maxNodeCount"]]
    total = max(len(busy), scale["minNodeCount"])
    return [_node(number, busy[number] if number < len(busy) else None) for number in range(total)]


def _node(number: int, run: str | None) -> dict[str, Any]:
    return {
        "nodeId": f"tvmps_{number:064x}_d",
        "privateIpAddress": f"10.0.0.{4 + number}",
        "publicIpAddress": None,
        "port": 50000 + number,
        "nodeState": "running" if run else "idle",
        "runId": run,
    }


def _priority(text: str) -> str:
    # The SDK sends several spellings of the two tiers.
    priority = _PRIORITIES.get(text.lower().replace("_", ""))
    if priority is None:
        raise bad_request(f"The specified vmPriority {text} is neither Dedicated nor LowPriority.")
    return priority


def _scale(scale: dict[str, Any], size: dict[str, Any]) -> dict[str, Any]:
    least, most = scale.get("minNodeCount") or 0, scale.get("maxNodeCount") or 0
    if not 0 <= least <= most:
        raise bad_request(f"minNodeCount {least} must be at least 0 and at most maxNodeCount {most}.")
    needed, limit = least * size["vcpus"], sizes.family_quota()
    if needed > limit:
        text = (
            f"The specified subscription has a {size['family']} vCPU quota of {limit} and is less than the requested "
            f"minimum node count of {least} which maps to {needed} vCPUs."
        )
        raise ArmError(400, "ClusterMinNodesExceedCoreQuota", text)
    return {"nodeIdleTimeBeforeScaleDown": "PT2M", **scale, "minNodeCount": least, "maxNodeCount": most}


def _without_secrets(wanted: dict[str, Any]) -> dict[str, Any] | None:
    account = wanted.get("userAccountCredentials")
    return {**account, "adminUserPassword": None} if account else None
