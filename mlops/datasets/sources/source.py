"""Where conversations come from: the Hub, files, a data asset or a package."""

from __future__ import annotations

import glob
import hashlib
import os
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from mlops.datasets.settings import DataSettings, SplitName
from mlops.datasets.sources import hub
from mlops.datasets.sources.listing import Listing, choose, format_of
from mlops.datasets.sources.shard import Shard
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


SCHEMES: Final = "`hub:OWNER/NAME@REVISION`, `azureml:NAME:VERSION`, `chitchat`, a file, a folder or a pattern"


@dataclass(frozen=True)
class Source:
    """What will be read: its name and what it is at this moment (a commit, a version), its license and its files."""

    name: str
    revision: str | None
    license: str | None
    files: tuple[Shard, ...]
    """Each as one shard."""
    fingerprint: str
    """Changes when the files do: with the same settings, the same fingerprint means the same rows."""


def open_source(settings: DataSettings, *, cache: Path, asset: Path | None = None) -> Source:
    """Find the files of `settings.source`, and download those of the splits asked for to `cache`.

    `asset` is the folder to which the data asset of an `azureml:` source was downloaded. Raises DataError if there is
    no such source, or if it is not to be had.
    """
    name = settings.source
    if name == "chitchat":
        return _chitchat()
    if name.startswith("hub:"):
        return _hub(hub.Reference.parse(name), settings.splits, cache)
    if name.startswith("azureml:") and asset is None:
        raise DataError(f"data.source {name}: a data asset must be downloaded before it is read")
    revision = name.rpartition(":")[2] if asset else None
    try:
        return _local(name, asset or Path(name).expanduser(), revision, settings.splits)
    except (OSError, RuntimeError) as error:  # the latter: `~` of a user who is not here
        raise DataError(f"data.source {name:.200}: {error}; give {SCHEMES}") from None


def _chitchat() -> Source:
    from importlib.metadata import version

    release = version("chitchat-dataset")
    shard = Shard("chitchat", Path(), None, "chitchat")
    return Source("chitchat", release, "MIT", (shard,), _fingerprint(["chitchat", release]))


def _hub(reference: hub.Reference, wanted: Mapping[SplitName, str], cache: Path) -> Source:
    commit, listing = hub.look_up(reference, cache=cache)
    chosen = choose(listing, config=reference.config, wanted=wanted)
    names = list(chain.from_iterable(chosen.values()))
    paths = hub.download(reference, names, commit=commit, cache=cache)
    files = [(name, paths[name], split) for split, members in chosen.items() for name in members]
    fingerprint = _fingerprint([reference.repo, commit, [(name, split) for name, _, split in files]])
    return Source(str(reference), commit, listing.license, tuple(_shards(files)), fingerprint)


def _local(name: str, place: Path, revision: str | None, wanted: Mapping[SplitName, str]) -> Source:
    listing, paths = _list_files(name, place)
    chosen = choose(listing, config=None, wanted=wanted)
    files = [(file, paths[file], split) for split, members in chosen.items() for file in members]
    return Source(name, revision, listing.license, tuple(_shards(files)), _fingerprint([name, *map(_state, files)]))


def _list_files(name: str, place: Path) -> tuple[Listing, dict[str, Path]]:
    """Return what a file, a folder or a pattern names; the names of files are relative to the folder they share."""
    if place.is_dir():
        found = _named(_below(place), place)
        return Listing(name, tuple(found), _front_matter(place / "README.md")), found
    found = _named([place], place.parent) if place.is_file() else _named(_matching(place), _fixed(place))
    if not found:
        raise DataError(f"data.source {name}: No such file or directory; give {SCHEMES}")
    if len(found) == 1 and not format_of(next(iter(found))):
        raise DataError(f"data.source {name} is of no format that can be read; give jsonl, json, csv, tsv or parquet")
    return Listing(name, tuple(found)), found


def _named(paths: Iterable[Path], base: Path) -> dict[str, Path]:
    """Return the files by their names below a folder, as people are shown them: what is not UTF-8 escaped.

    Raises DataError for data that is a link to nowhere.
    """
    found = {}
    for path in sorted(paths):
        name = os.fsencode(path.relative_to(base).as_posix()).decode(errors="backslashreplace")
        if path.is_file():
            found[name] = path
        elif path.is_symlink() and format_of(name):
            raise DataError(f"{path} is a link to {path.readlink()}, which is not there: get it, or delete the link")
    return found


def _below(place: Path) -> Iterator[Path]:
    """Yield what is below a folder, in linked folders, too, but for links that lead back to where they are."""
    for folder, folders, files in os.walk(place, followlinks=True):
        here = Path(folder).resolve()
        folders[:] = [each for each in folders if not here.is_relative_to(Path(folder, each).resolve())]
        yield from (Path(folder, each) for each in files)


def _matching(pattern: Path) -> list[Path]:
    """Return the files that match, or if these are none what is below the folders that do."""
    matched = [Path(path) for path in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207 - it may be absolute
    if any(map(Path.is_file, matched)):
        return matched
    return [path for folder in matched for path in _below(folder)]


def _fixed(pattern: Path) -> Path:
    """Return the folder before the first part of a pattern that may match several."""
    parts = takewhile(lambda part: not glob.has_magic(part), pattern.parent.parts)
    return Path(*parts)


def _front_matter(readme: Path) -> dict[str, Any]:
    """Return the YAML at the head of a data set's README, as the Hub reads it."""
    import yaml

    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    try:
        document = yaml.safe_load(text.split("\n---", 1)[0]) if text.startswith("---\n") else {}
    except yaml.YAMLError as error:
        raise DataError(f"{readme}: the YAML at its head cannot be read ({error}); mend or delete it") from None
    return document if isinstance(document, dict) else {}


def _shards(files: Iterable[tuple[str, Path, SplitName | None]]) -> Iterator[Shard]:
    for name, path, split in files:
        form = format_of(name)
        if form is None:
            raise AssertionError(f"{name} was chosen, but has no format")
        yield Shard(name, path, split, form)


def _state(file: tuple[str, Path, SplitName | None]) -> list[Any]:
    """Return what changes when a file does."""
    name, path, split = file
    status = path.stat()
    return [name, split, status.st_size, status.st_mtime_ns]


def _fingerprint(parts: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
