"""The quota of virtual machines that the workspace's region grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.compute.quota import of_family
from mlops.compute.serving import Offer, check_offered
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from mlops.compute.quota import Quota
    from mlops.workspace.client import Workspace


def offer(workspace: Workspace, size: str) -> Offer:
    """Return what the region offers of a size.

    Raises InputError if it does not offer it, or no longer.
    """
    with azure_errors("list the compute sizes"):
        sizes = {each.name.lower(): vars(each) for each in workspace.ml.compute.list_sizes()}
        check_offered(size, size.lower() in sizes)
    # The SDK declares `v_cp_us` and leaves it None: it keeps the words of the wire.
    found = sizes[size.lower()]
    return Offer(size, found["vCPUs"], found["family"], left(workspace, found["family"]))


def left(workspace: Workspace, family: str) -> Quota | None:
    """Return the quota of a family's dedicated vCPUs, or of a total, or None if the service names none."""
    with azure_errors("read the quota of the region"):
        # As above: `current_value` stays None.
        return of_family([vars(usage) for usage in workspace.ml.compute.list_usage()], family)
