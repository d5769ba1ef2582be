"""What a deployment takes, pure: quota beside the one that serves, and time until its model is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.errors import InputError

if TYPE_CHECKING:
    from mlops.compute.quota import Quota

RESERVE: Final = 1.2
"""Azure reserves a fifth on top for upgrades."""
BYTES_PER_PARAMETER: Final = 2
"""bfloat16, as the presets are served."""
LOADED_PER_S: Final = 1e8
"""Bytes of weights copied and loaded, at least.

A third of what Hugging Face's deployment of BLOOM on a managed endpoint counts on: 352 GB in 600 s + 5 probes x 120 s.
"""
EXEMPT: Final = ("A100", "H100", "ND40rs")
"""Parts of the names of sizes that Azure's list calls "Skip 20% Reservation"."""
RETIRED: Final = ("nc6s_v3", "nc12s_v3", "nc24s_v3", "nc24rs_v3", "nv6", "nv12", "nv24")
"""GPU sizes (V100, M60) that Azure retired until September 2025."""
MOST_DEPLOYMENTS: Final = 20


@dataclass(frozen=True)
class Offer:
    """A size as the region offers it, and the quota of its family, unless Azure does not tell it."""

    size: str
    vcpus: int
    family: str
    quota: Quota | None


def startup_s(base_s: int, num_parameters: float) -> int:
    """Return how long a container may take until it serves: `base_s`, and what its weights take to arrive."""
    return base_s + math.ceil(BYTES_PER_PARAMETER * num_parameters / LOADED_PER_S)


def check_offered(size: str, offered: bool) -> None:
    """Raise InputError if a size is retired, or the region does not have it."""
    if size.lower().removeprefix("standard_") in RETIRED:
        raise InputError(f"{size} was retired by Azure: choose another deploy.instance_type")
    if not offered:
        raise InputError(f"{size} is not offered in this region: choose another deploy.instance_type")


def check_quota(offer: Offer, *, num_instances: int, num_deployments: int) -> str:
    """Return the arithmetic of a deployment that fits beside `num_deployments` others.

    Raises InputError with the arithmetic if it does not.
    """
    if num_deployments >= MOST_DEPLOYMENTS:
        raise InputError(f"the endpoint has {num_deployments} deployments, Azure allows {MOST_DEPLOYMENTS}: delete one")
    is_exempt = any(part.lower() in offer.size.lower() for part in EXEMPT)
    machines = num_instances if is_exempt else math.ceil(RESERVE * num_instances)
    needed = machines * offer.vcpus
    counted = f"{num_instances}" if is_exempt else f"ceil({RESERVE:g} x {num_instances}) = {machines}"
    told = f"{counted} x {offer.vcpus} vCPUs = {needed} of {offer.family}"
    if offer.quota is None:
        return f"{told}, whose quota Azure does not tell"
    told += f", {offer.quota.free} vCPUs are left"
    if not offer.quota.has(needed):
        raise InputError(
            f"not enough quota for {num_instances} x {offer.size}: {told}. Ask Azure for more, delete what is not "
            "needed (mlops clean), or choose another deploy.instance_type"
        )
    return told
