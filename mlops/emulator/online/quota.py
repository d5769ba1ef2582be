"""The virtual machines that deployments ask for, against the region's quota."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlops.emulator.compute import sizes
from mlops.emulator.context import STORE
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Quota
from mlops.emulator.online.provisioning import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from mlops.emulator.store import Document, Store

# Azure reserves a fifth on top for upgrades, but for these: "Skip 20% Reservation" in its list of sizes.
_EXEMPT = ("A100", "H100", "ND40rs")
_RESERVED = 1.2
# In one subscription and region.
_MOST_ENDPOINTS, _MOST_DEPLOYMENTS = 100, 500


def endpoint_refusal(store: Store) -> str | None:
    """Return why another endpoint cannot be had, or None."""
    if len(store.children(SECRETS)) < _MOST_ENDPOINTS:
        return None
    return f"The subscription has reached its limit of {_MOST_ENDPOINTS} endpoints in this region (OutOfQuota)."


def refusal(app: web.Application, document: Document) -> str | None:
    """Return why the machines of a deployment cannot be had, or None.

    A size that the emulator's list does not know is granted without asking.
    """
    others = [each for each in _deployments(app[STORE]) if each["id"].lower() != document["id"].lower()]
    if len(others) >= _MOST_DEPLOYMENTS:
        return f"The subscription has reached its limit of {_MOST_DEPLOYMENTS} deployments in this region (OutOfQuota)."
    name = document["properties"].get("instanceType") or ""
    size = sizes.find(name)
    if size is None:
        return None if name.startswith("Standard_") else f"The instance type {name!r} is not supported."
    if "retired" in size:
        return f"The instance type {name} was retired on {size['retired']}; choose another one."
    family, limit = size["family"], sizes.family_quota()
    used = sum(_vcpus(other, family) for other in others)
    if app[FAULTS].take(Quota, size=name):
        used = limit
    elif used + _vcpus(document, family) <= limit:
        return None
    return (
        f"Not enough quota available for {name} in family {family} (OutOfQuota)."
        f" Current usage/limit: {used}/{limit}. Additional needed: {_vcpus(document, family)}."
    )


def _vcpus(document: Document, family: str) -> int:
    name, instances = document["properties"]["instanceType"], document["sku"]["capacity"]
    size = sizes.find(name)
    if size is None or size["family"] != family:
        return 0
    exempt = any(word in size["name"] for word in _EXEMPT)
    machines: int = instances if exempt else math.ceil(_RESERVED * instances)
    return int(size["vcpus"]) * machines


def _deployments(store: Store) -> Iterator[Document]:
    for secret in store.children(SECRETS):
        yield from store.children(f"{secret['id']}/deployments")
