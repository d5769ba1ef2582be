"""The machine sizes and the quota of the emulator's one region."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from mlops.emulator.context import SUBSCRIPTION
from mlops.emulator.errors import bad_request
from mlops.emulator.home import LOCATION

_LOCATION = SUBSCRIPTION + "/providers/Microsoft.MachineLearningServices/locations/{location}"


def find(name: str) -> dict[str, Any] | None:
    """Return the size of a name, in any case of letters, or None; a retired one has a `retired` date."""
    return next((size for size in _data()["sizes"] if size["name"].lower() == name.lower()), None)


def require(name: str | None) -> dict[str, Any]:
    """Return the size of a name; raise the 400 for one that is unknown or can no longer be had."""
    size = find(name or "")
    if size is None:
        raise bad_request(f"The specified vmSize {name} is not supported in region {LOCATION}.")
    if "retired" in size:
        raise bad_request(f"The specified vmSize {name} was retired on {size['retired']}; choose another size.")
    return size


def family_quota() -> int:
    """Return how many vCPUs of one family the region grants."""
    return int(_data()["quota"]["family"])


def low_priority_quota() -> int:
    """Return how many vCPUs of low priority, of whichever family, the region grants."""
    return int(_data()["quota"]["low_priority"])


async def vm_sizes(_: web.Request) -> web.Response:
    """Answer the sizes one can still buy."""
    return web.json_response({"value": [_vm_size(size) for size in _data()["sizes"] if "retired" not in size]})


def families() -> list[str]:
    """Return the families of the sizes."""
    return sorted({size["family"] for size in _data()["sizes"]})


def dedicated_quota() -> int:
    """Return how many vCPUs of all families together the region grants."""
    return int(_data()["quota"]["dedicated"])


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


routes: tuple[web.RouteDef, ...] = (web.get(_LOCATION + "/vmSizes", vm_sizes),)
