"""Whether the subscription's quota of vCPUs is enough for a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.errors import InputError


@dataclass(frozen=True)
class Quota:
    """vCPUs of a family of sizes (or of all low-priority nodes): how many are in use, and how many there may be."""

    family: str
    used: int
    limit: int

    @property
    def left(self) -> int:
        """Return how many are free."""
        return self.limit - self.used

    def check(self, needed: int, *, size: str) -> str | None:
        """Return a warning if the vCPUs needed are in use by others now, or None.

        Raises InputError, saying whom to ask, if there are never so many.
        """
        if needed > self.limit:
            raise InputError(
                f"not enough quota for {size}: {needed} vCPUs are needed, {self.family} may have {self.limit}. Ask for "
                "more under Quotas of the portal (new subscriptions begin with 0 for GPUs), or choose another "
                "finetune.cluster.size or fewer nodes"
            )
        if needed > self.left:
            return f"only {self.left} of {self.limit} vCPUs of {self.family} are free: the job waits for {needed}"
        return None
