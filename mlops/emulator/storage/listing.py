"""Lists of containers and blobs, in the XML of Azure's List Containers and List Blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mlops.emulator.store import Store

_PAGE = 5000


def blobs(folder: Path, store: Store, query: Mapping[str, str], *, before: str = "") -> str:
    """Return the page of blobs that `prefix`, `delimiter`, `marker` and `maxresults` ask for, in order of name.

    Every name is shown with `before` in front of it.
    """
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    entries = sorted({_entry(name, prefix, delimiter) for name in _names(folder, prefix)})
    page, following = _page(entries, query)
    nodes = "".join(_blob(folder, store, entry, delimiter, before) for entry in page)
    return _document(f" ContainerName={quoteattr(folder.name)}", before + prefix, f"<Blobs>{nodes}</Blobs>", following)


def containers(folders: Sequence[Path], query: Mapping[str, str]) -> str:
    """Return the page of containers that `prefix`, `marker` and `maxresults` ask for."""
    prefix = query.get("prefix", "")
    known = {folder.name: folder for folder in folders if folder.name.startswith(prefix)}
    page, following = _page(list(known), query)
    nodes = "".join(
        f"<Container><Name>{escape(name)}</Name><Properties>{_tags(account.dates(known[name]))}</Properties></Container>"
        for name in page
    )
    return _document("", prefix, f"<Containers>{nodes}</Containers>", following)


def _page(entries: Sequence[str], query: Mapping[str, str]) -> tuple[Sequence[str], str]:
    limit = query.get("maxresults", str(_PAGE))
    if not (limit.isascii() and limit.isdigit() and int(limit)):
        raise BlobError(400, "OutOfRangeQueryParameterValue", "The parameter maxresults must be a positive number.")
    rest = [entry for entry in entries if entry >= query.get("marker", "")]
    return rest[: int(limit)], rest[int(limit)] if len(rest) > int(limit) else ""


def _document(attributes: str, prefix: str, nodes: str, following: str) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults{attributes}><Prefix>{escape(prefix)}</Prefix>'
        f"{nodes}<NextMarker>{escape(following)}</NextMarker></EnumerationResults>"
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


def _blob(folder: Path, store: Store, entry: str, delimiter: str, before: str) -> str:
    name = escape(before + entry)
    if delimiter and entry.endswith(delimiter):
        return f"<BlobPrefix><Name>{name}</Name></BlobPrefix>"
    file = folder / entry
    said = account.read_properties(store, folder.name, entry)
    sizes = {"Content-Length": str(file.stat().st_size), "BlobType": "BlockBlob"}
    properties = _tags(said["headers"] | account.dates(file) | sizes)
    metadata = _tags(said["metadata"])
    return f"<Blob><Name>{name}</Name><Properties>{properties}</Properties><Metadata>{metadata}</Metadata></Blob>"


def _tags(values: Mapping[str, str]) -> str:
    return "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
