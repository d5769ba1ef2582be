"""Compute instances: one machine of one person, which runs, stops and starts. Faked: there is no machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops.emulator.compute import sizes
from mlops.emulator.errors import bad_request

if TYPE_CHECKING:
    from mlops.emulator.store import Document

# What an action does to an instance: the state on the way and the state at the end.
ACTIONS = {
    "start": ("Starting", "Running"),
    "stop": ("Stopping", "Stopped"),
    "restart": ("Restarting", "Running"),
}

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]")
_DEFAULTS = {"applicationSharingPolicy": "Shared", "computeInstanceAuthorizationType": "personal", "errors": []}


def settle(name: str, wanted: dict[str, Any], previous: Document | None) -> dict[str, Any]:
    """Return the properties of an instance as the service keeps them; raise ArmError for what it refuses."""
    if not _NAME.fullmatch(name):
        raise bad_request(f"Compute name {name} is invalid: 3 to 24 letters, digits and dashes, a letter first.")
    old = previous["properties"]["properties"] if previous else {}
    wanted = {**old, **{key: value for key, value in wanted.items() if value is not None}}
    size = sizes.require(wanted.get("vmSize"))["name"].upper()
    if old and old["vmSize"] != size:
        raise bad_request(f"The vmSize of compute {name} cannot be changed; delete it first.")
    return {**_DEFAULTS, **wanted, "vmSize": size, "state": old.get("state") or "Creating"}


def moved(properties: dict[str, Any], *, state: str, operation: str) -> dict[str, Any]:
    """Return the properties of an instance in another state."""
    last = {
        "operationName": operation.capitalize(),
        "operationTime": datetime.now(UTC).isoformat(),
        "operationStatus": "Succeeded" if state in ("Running", "Stopped") else "InProgress",
        "operationTrigger": "User",
    }
    return {**properties, "state": state, "lastOperation": last}


def vcpus(properties: dict[str, Any]) -> int:
    """Return how many vCPUs an instance holds: none when it is stopped."""
    return 0 if properties["state"] == "Stopped" else int(sizes.require(properties["vmSize"])["vcpus"])
