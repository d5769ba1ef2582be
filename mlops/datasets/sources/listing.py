"""What a repository or a folder holds, and which of its files make up which split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal

from mlops.datasets.readers.stream import COMPRESSIONS
from mlops.errors import DataError

if TYPE_CHECKING:
    from mlops.datasets.settings import SplitName

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "chitchat"]
FORMATS: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
NOT_DATA: Final = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "metadata.json"}
"""What the datasets library writes beside the data."""
WORDS: Final[dict[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""The words by which the datasets library knows a split."""
SHARDED: Final = re.compile(r"(.+)-\d{5}-of-\d{5}")


@dataclass(frozen=True)
class Listing:
    """The names of the files below a place, and the YAML at the head of its README.md."""

    place: str
    files: tuple[str, ...]
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def license(self) -> str | None:
        """Return the license that the README names."""
        named = self.card.get("license")
        return ", ".join(map(str, named)) if isinstance(named, list) else named and str(named)

    def splits(self, *, config: str | None) -> dict[str | None, tuple[str, ...]]:
        """Return the files of each split, by the README's `configs`, else by their names; None for no split.

        Raises DataError if the configuration does not exist, or if there are several and none is the default.
        """
        data = tuple(sorted(name for name in self.files if format_of(name)))
        chosen = self._config(config)
        if "data_files" in chosen:
            return {split: tuple(_matching(data, patterns)) for split, patterns in _data_files(chosen["data_files"])}
        folder = str(chosen.get("data_dir", "")).strip("./")
        return _by_name([name for name in data if not folder or name.startswith(f"{folder}/")])

    def _config(self, name: str | None) -> Mapping[str, Any]:
        declared = [config for config in self.card.get("configs") or () if isinstance(config, Mapping)]
        configs = {str(config.get("config_name", "default")): config for config in declared}
        if name is None:
            name = next((key for key, config in configs.items() if config.get("default")), "default")
            name = next(iter(configs)) if len(configs) == 1 else name
        if configs and name not in configs:
            raise DataError(
                f"{self.place} has the configurations {', '.join(configs)}: name one, as hub:OWNER/NAME/CONFIG, "
                "or give the files of one"
            )
        found: Mapping[str, Any] = configs.get(name, {})
        return found


def choose(
    listing: Listing, *, config: str | None, wanted: Mapping[SplitName, str]
) -> dict[SplitName | None, tuple[str, ...]]:
    """Return the files of each of our splits, None if the source has no splits; only those `wanted`, if any are.

    Raises DataError if there are no files, no such split, or if it is not clear which split is which.
    """
    splits = listing.splits(config=config)
    if not any(splits.values()):
        kinds = ", ".join(FORMATS)
        raise DataError(f"{listing.place} has no files to read: they must end in {kinds}, or in these and .gz or .zst")
    if not wanted and len(splits) == 1 and not any(map(_split_word, splits)):
        return {None: next(iter(splits.values()))}
    missing = [name for name in wanted.values() if not splits.get(name)]
    if missing:
        raise DataError(f"data.splits names {', '.join(missing)}, but {listing.place} has {_names(splits)}: name these")
    return {ours: splits[name] for ours, name in (wanted or _recognized(splits, listing.place)).items()}


def format_of(name: str) -> Format | None:
    """Return the format that a file's name says it has.

    >>> format_of("data/train.jsonl.gz"), format_of("README.md")
    ('jsonl', None)
    """
    path = PurePosixPath(name)
    if path.name in NOT_DATA or any(part.startswith(".") for part in path.parts):
        return None
    plain = _decompressed(path)
    found = FORMATS.get(plain.suffix.lower())
    return None if found == "parquet" and plain != path else found


def _decompressed(path: PurePosixPath) -> PurePosixPath:
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def _recognized(splits: Mapping[str | None, Sequence[str]], place: str) -> dict[SplitName, str]:
    found: dict[SplitName, list[str]] = {}
    for name in splits:
        if word := _split_word(name):
            found.setdefault(word, []).append(str(name))
    if None in splits or "train" not in found or any(len(names) > 1 for names in found.values()):
        raise DataError(
            f"{place} has {_names(splits)}: say in data.splits which is which, as {{train: SPLIT, test: SPLIT}}"
        )
    return {word: names[0] for word, names in found.items()}


def _by_name(files: Sequence[str]) -> dict[str | None, tuple[str, ...]]:
    named: dict[str | None, tuple[str, ...]] = {}
    for name in files:
        split = _split_name(name)
        named[split] = (*named.get(split, ()), name)
    return named


def _split_name(name: str) -> str | None:
    """Return the split in a file's name or, failing that, in its folders: `data/train_sft-00000-of-00003-x.parquet`.

    Shards of a name that is no split's are a split of their own, unless their folder says another.
    """
    path = PurePosixPath(name)
    stem, *folders = _decompressed(path).stem, *reversed(path.parts[:-1])
    sharded = SHARDED.match(stem)
    for part in (sharded[1] if sharded else stem, *folders):
        if _split_word(part):
            return part if sharded else re.sub(r"[-_.]?\d+$", "", part)
    return sharded[1] if sharded else None


def _split_word(name: str | None) -> SplitName | None:
    """Return which of our splits a name speaks of."""
    return next((WORDS[word] for word in re.findall(r"[a-z]+", (name or "").lower()) if word in WORDS), None)


def _data_files(declared: Any) -> list[tuple[str, list[str]]]:
    """Return the patterns of each split, in any of the forms that the datasets library allows."""
    if isinstance(declared, Mapping):
        pairs = list(declared.items())
    elif isinstance(declared, list) and declared and isinstance(declared[0], Mapping):
        pairs = [(entry.get("split", "train"), entry.get("path", [])) for entry in declared]
    else:
        pairs = [("train", declared)]
    return [(str(split), [paths] if isinstance(paths, str) else [*paths]) for split, paths in pairs]


def _matching(files: Sequence[str], patterns: Sequence[str]) -> list[str]:
    from fsspec.utils import glob_translate  # type: ignore[import-untyped]  # it has no stubs

    expressions = [re.compile(glob_translate(pattern)) for pattern in patterns]
    return [name for name in files if any(expression.match(name) for expression in expressions)]


def _names(splits: Mapping[str | None, Sequence[str]]) -> str:
    return ", ".join(f"{name or 'files of no split'} ({len(files)} files)" for name, files in splits.items())
