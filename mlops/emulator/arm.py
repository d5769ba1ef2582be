"""Resources as Azure Resource Manager describes them: an id, a type, properties, tags and who made it when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.store import Document

_WHO = "emulator"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}")


def is_name(text: str) -> bool:
    """Return whether a workspace or a registry may have the name."""
    return bool(_NAME.fullmatch(text))


def resource(
    id: str,  # noqa: A002 - ARM's word
    *,
    type: str,  # noqa: A002 - ARM's word
    properties: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    previous: Document | None = None,
    **more: Any,
) -> Document:
    """Return the document of a resource; one that replaces a previous one keeps its date of birth."""
    now = datetime.now(UTC).isoformat()
    born = previous["systemData"]["createdAt"] if previous else now
    return {
        "id": id,
        "name": id.rpartition("/")[2],
        "type": f"Microsoft.MachineLearningServices/{type}",
        "properties": dict(properties),
        "tags": dict(tags or {}),
        "systemData": {
            "createdAt": born,
            "createdBy": _WHO,
            "createdByType": "User",
            "lastModifiedAt": now,
            "lastModifiedBy": _WHO,
            "lastModifiedByType": "User",
        },
        **more,
    }


def snake_case(value: Any) -> Any:
    """Return a document with its keys as the steps of pipelines write them, from one as jobs do."""
    if not isinstance(value, dict):
        return value
    return {_CAPITAL.sub("_", key).lower(): snake_case(item) for key, item in value.items()}
