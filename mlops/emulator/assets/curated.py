"""Microsoft's curated environments, which every workspace has beside its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.emulator import arm

if TYPE_CHECKING:
    from mlops.emulator.store import Document

# The prefix is reserved for them; newer ones are named by family and version, as in the registry.
_NAME = re.compile(
    r"AzureML-.+|(?:sklearn|lightgbm|tensorflow|pytorch|acpt-pytorch|acft|mlflow|automl|responsibleai|minimal)-.+",
    re.IGNORECASE,
)

# How jobs and deployments name them: the SDK leaves it to the service what that means.
_SHORT = re.compile(r"azureml:(AzureML-[^/:@]+)(?:[:@][^/]+)?", re.IGNORECASE)


def short_name(id_: str) -> str | None:
    """Return the name of the curated environment that `azureml:AzureML-…` means, or None for another form."""
    match = _SHORT.fullmatch(id_)
    return match[1] if match else None


def versions(container_id: str, version: str) -> list[Document]:
    """Return a version of a curated environment, its container before it; nothing if the name is not one's."""
    name = container_id.rpartition("/")[2]
    if not _NAME.fullmatch(name):
        return []
    common: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isAnonymous": False}
    image = f"mcr.microsoft.com/azureml/curated/{re.sub('^azureml-', '', name.lower())}:{version}"
    own = {"image": image, "osType": "Linux", "environmentType": "Curated", "provisioningState": "Succeeded"}
    kind = "workspaces/environments"
    return [
        arm.resource(container_id, type=kind, properties={**common, "isArchived": False}),
        arm.resource(
            f"{container_id}/versions/{version}",
            type=f"{kind}/versions",
            properties={**common, **own, "isArchived": False},
        ),
    ]
