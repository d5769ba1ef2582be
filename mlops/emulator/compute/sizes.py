"""The machine sizes and the quota of the emulator's one region."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from mlops.emulator.context import SUBSCRIPTION
from mlops.emulator.home import LOCATION

_LOCATION = SUBSCRIPTION + "/providers/Microsoft.MachineLearningServices/locations/{location}"


def find(name: str) -> dict[str, Any] | None:
    """Return the size of a name, in any case of letters, or None; a retired one has a `retired` date."""
    return next((size for size in _data()["sizes"] if size["name"].lower() == name.lower()), None)


def family_quota() -> int:
    """Return how many vCPUs of one family the region grants."""
    return int(_data()["quota"]["family"])


async def vm_sizes(_: web.Request) -> web.Response:
    """Answer the sizes one can still buy."""
    return web.json_response({"value": [_vm_size(size) for size in _data()["sizes"] if "retired" not in size]})


async def usages(request: web.Request) -> web.Response:
    """Answer the quota, none of it in use: no machine is ever bought here."""
    quota = _data()["quota"]
    families = sorted({size["family"] for size in _data()["sizes"]})
    values = [
        _usage(request, "TotalDedicatedCores", "Total Cluster Dedicated Regional vCPUs", quota["dedicated"]),
        _usage(request, "TotalLowPriorityCores", "Total Cluster LowPriority Regional vCPUs", quota["low_priority"]),
        *(_usage(request, family, f"{family} Cluster Dedicated vCPUs", quota["family"]) for family in families),
    ]
    return web.json_response({"value": values})


@cache
def _data() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("sizes.yml").read_text())
    return document


def _vm_size(size: dict[str, Any]) -> dict[str, Any]:
    tiers = {"price": "Standard", "spot": "LowPriority"}
    prices = [
        {"retailPrice": size[key], "osType": "Linux", "vmTier": tier} for key, tier in tiers.items() if key in size
    ]
    return {
        "name": size["name"],
        "family": size["family"],
        "vCPUs": size["vcpus"],
        "gpus": size["gpus"],
        "memoryGB": float(size["memory"]),
        "osVhdSizeMB": 1047552,
        "maxResourceVolumeMB": 1024 * size["memory"] * 2,
        "lowPriorityCapable": "spot" in size,
        "premiumIO": True,
        "estimatedVMPrices": {"billingCurrency": "USD", "unitOfMeasure": "OneHour", "values": prices},
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }


def _usage(request: web.Request, name: str, text: str, limit: int) -> dict[str, Any]:
    return {
        "id": f"{request.path}/{name}",
        "type": "Microsoft.MachineLearningServices/locations/usages",
        "amlWorkspaceLocation": LOCATION,
        "unit": "Count",
        "currentValue": 0,
        "limit": limit,
        "name": {"value": name, "localizedValue": text},
    }


routes: tuple[web.RouteDef, ...] = (
    web.get(_LOCATION + "/vmSizes", vm_sizes),
    web.get(_LOCATION + "/usages", usages),
)
