"""What a list of an asset's versions implies: which is the latest, what the next is called, which are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.emulator.store import Document

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")


def is_name(text: str) -> bool:
    """Return whether Azure ML takes the text as the name or version of an asset."""
    return bool(_NAME.fullmatch(text))


def summarize(versions: Sequence[Document]) -> dict[str, str | None]:
    """Return `latestVersion`, the youngest, and `nextVersion`, one more than the highest number.

    `versions` come youngest first.
    """
    numbers = [int(version["name"]) for version in versions if version["name"].isdecimal()]
    latest = versions[0]["name"] if versions else None
    return {"latestVersion": latest, "nextVersion": str(max(numbers, default=0) + 1)}


def select(documents: Sequence[Document], query: Mapping[str, str]) -> list[Document]:
    """Return the documents, given youngest first, that a list request asks for, in its order."""
    shown = [document for document in documents if _is_shown(document["properties"], query)]
    if query.get("$orderBy", "").lower() in {"createdtime", "createdtime asc"}:
        shown.reverse()
    skip = int(query.get("$skip", "0"))
    top = int(query.get("$top", len(shown)))
    return shown[skip : skip + top]


def _is_shown(properties: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    archived = bool(properties.get("isArchived"))
    view = query.get("listViewType", "All")
    hash_ = query.get("hash")
    return (
        (view != "ActiveOnly" or not archived)
        and (view != "ArchivedOnly" or archived)
        and (hash_ is None or (properties.get("properties") or {}).get("hash_sha256") == hash_)
    )
