"""The quota of virtual machines that the workspace's region grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.compute.serving import Offer, check_offered
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from mlops.workspace.client import Workspace


def offer(workspace: Workspace, size: str) -> Offer:
    """Return what the region offers of a size.

    Raises InputError if it does not offer it, or no longer.
    """
    with azure_errors("list the compute sizes and their quota"):
        sizes = {each.name.lower(): vars(each) for each in workspace.ml.compute.list_sizes()}
        check_offered(size, size.lower() in sizes)
        usages = {each.name["value"].lower(): vars(each) for each in workspace.ml.compute.list_usage()}
    # The SDK declares `v_cp_us` and `current_value` and leaves both None: it keeps the words of the wire.
    found = sizes[size.lower()]
    usage = usages.get(found["family"].lower(), {})
    return Offer(size, found["vCPUs"], found["family"], usage.get("currentValue", 0), usage.get("limit"))
