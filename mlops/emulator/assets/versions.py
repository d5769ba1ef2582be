"""What a list of an asset's versions implies: which is the latest, what the next is called, which are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import bad_request

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


def select(documents: Sequence[Document], query: Mapping[str, str], *, archived: bool = False) -> list[Document]:
    """Return the documents, given youngest first, that a list request asks for, in its order.

    `archived` says that the name of all of them is. Raise the 400 for a `$skip` or `$top` that is no number.
    """
    shown = [document for document in documents if _is_shown(document["properties"], query, archived=archived)]
    if query.get("$orderBy", "").lower() in {"createdtime", "createdtime asc"}:
        shown.reverse()
    skip, top = _number(query, "$skip", 0), _number(query, "$top", len(shown))
    return shown[skip : skip + top]


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f"The parameter {name} must be a number, not {text!r}.")
    return int(text)


def _is_shown(properties: Mapping[str, Any], query: Mapping[str, str], *, archived: bool) -> bool:
    archived = archived or bool(properties.get("isArchived"))
    view = query.get("listViewType", "All")
    hash_ = query.get("hash")
    return (
        (view != "ActiveOnly" or not archived)
        and (view != "ArchivedOnly" or archived)
        and (hash_ is None or (properties.get("properties") or {}).get("hash_sha256") == hash_)
    )
