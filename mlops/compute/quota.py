"""Whether the subscription's quota of vCPUs is enough for a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Quota:
    """vCPUs of a family of sizes (or of all low-priority nodes): how many are in use, and how many there may be.

    A limit of None is none.
    """

    family: str
    used: int
    limit: int | None

    @property
    def free(self) -> str:
        """Return how many are free, in words."""
        return "unlimited" if self.limit is None else f"{self.limit - self.used} of {self.limit}"

    def has(self, needed: int) -> bool:
        """Return whether so many are free."""
        return self.limit is None or needed <= self.limit - self.used

    def check(self, needed: int, *, size: str) -> str | None:
        """Return a warning if the vCPUs needed are in use by others now, or None.

        Raises InputError, saying whom to ask, if there are never so many.
        """
        if self.limit is not None and needed > self.limit:
            raise InputError(
                f"not enough quota for {size}: {needed} vCPUs are needed, {self.family} may have {self.limit}. Ask for "
                "more under Quotas of the portal (new subscriptions begin with 0 for GPUs), or choose another "
                "finetune.cluster.size or fewer nodes"
            )
        if not self.has(needed):
            return f"only {self.free} vCPUs of {self.family} are free: the job waits for {needed}"
        return None


def of_family(usages: Iterable[Mapping[str, Any]], family: str) -> Quota | None:
    """Return the quota that the region's usages tell of a family, or None.

    Its low-priority nodes and each workspace and compute have rows of the same name; those are left out.
    """
    for usage in usages:
        is_other = "/workspaces/" in usage["id"].lower() or "vmfamily/lowpriority" in usage["type"].lower()
        if usage["name"]["value"].lower() == family.lower() and not is_other:
            limit = int(usage["limit"])
            return Quota(family, int(usage["currentValue"]), None if limit < 0 else limit)
    return None
