"""The list of a container's blobs, in the XML of Azure's List Blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from mlops.emulator.storage import account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlops.emulator.store import Store

_PAGE = 5000


def document(folder: Path, store: Store, query: Mapping[str, str]) -> str:
    """Return the page of blobs that `prefix`, `delimiter`, `marker` and `maxresults` ask for, in order of name."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    entries = sorted({_entry(name, prefix, delimiter) for name in _names(folder, prefix)})
    rest = [entry for entry in entries if entry >= query.get("marker", "")]
    limit = int(query.get("maxresults", _PAGE))
    nodes = "".join(_node(folder, store, entry, delimiter) for entry in rest[:limit])
    following = escape(rest[limit]) if len(rest) > limit else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName={quoteattr(folder.name)}>'
        f"<Prefix>{escape(prefix)}</Prefix><Blobs>{nodes}</Blobs><NextMarker>{following}</NextMarker>"
        "</EnumerationResults>"
    )


def _names(folder: Path, prefix: str) -> Iterator[str]:
    # Only the folder that the prefix leads to is walked, so that old jobs do not slow down new ones.
    deepest = account.blob_file(folder, prefix.rpartition("/")[0].strip("/"))
    for file in deepest.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if name.startswith(prefix) and file.is_file():
            yield name


def _entry(name: str, prefix: str, delimiter: str) -> str:
    if not delimiter or delimiter not in name[len(prefix) :]:
        return name
    return name[: name.index(delimiter, len(prefix)) + len(delimiter)]


def _node(folder: Path, store: Store, entry: str, delimiter: str) -> str:
    if delimiter and entry.endswith(delimiter):
        return f"<BlobPrefix><Name>{escape(entry)}</Name></BlobPrefix>"
    file = folder / entry
    properties = account.dates(file) | {"Content-Length": str(file.stat().st_size), "BlobType": "BlockBlob"}
    metadata = account.read_metadata(store, folder.name, entry)
    return (
        f"<Blob><Name>{escape(entry)}</Name><Properties>{_tags(properties)}</Properties>"
        f"<Metadata>{_tags(metadata)}</Metadata></Blob>"
    )


def _tags(values: Mapping[str, str]) -> str:
    return "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
