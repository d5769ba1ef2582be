"""From a source to a folder of splits: validated, sampled, deduplicated, hashed; same input, same bytes.

    source -> shards -> [workers: read, sample, judge, spool] -> merge in key order -> leave out overlap -> splits

The order of output is that of a hash, so the bytes depend neither on the number of workers nor on the order of files or
on how rows are spread over them. A run that was interrupted goes on with the shards that were not finished.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import orjson

from mlops.datasets import quarantine
from mlops.datasets.columns import detect
from mlops.datasets.merge import Merged, PreparedSplit, left_out, merge
from mlops.datasets.overlap.find import check_benchmarks, find_overlap
from mlops.datasets.readers.cut import cut
from mlops.datasets.readers.read import first_rows
from mlops.datasets.sample import Sample
from mlops.datasets.sources.source import Source, open_source
from mlops.datasets.split import SPLITS, Cuts
from mlops.datasets.spool import Spooled, Work, spool_shard
from mlops.datasets.tokens import TokenLimits, find_tokenizer
from mlops.datasets.workers import num_cores, started
from mlops.errors import DataError
from mlops.whole import fresh_folder, write_whole, written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlops.datasets.overlap.overlap import Example, Leak, Overlap
    from mlops.datasets.quarantine import Quarantine
    from mlops.datasets.settings import DataSettings, SplitName
    from mlops.datasets.sources.shard import Shard
    from mlops.datasets.workers import Crew

MIN_TRAIN_ROWS: Final = 10
"""What `chat_completion_pipeline` demands of training data."""
LOOKED_INTO: Final = 100
"""Files, the first by name, whose rows tell where a conversation is kept."""
LOOKED_AT: Final = 500
"""Rows of all of them that are looked at; of many files a few each."""
NO_MATTER: Final = {"workers", "max_quarantine_percentage", "drift"}
"""Settings on which no byte of the splits depends."""


@dataclass(frozen=True)
class Counts:
    """What became of the rows: read = accepted + quarantined + duplicates + sampled_out.

    Of the accepted, `contaminated` and `near_duplicates` are not in train.
    """

    read: int
    accepted: int
    quarantined: dict[str, int]
    duplicates: int
    sampled_out: int
    contaminated: int
    near_duplicates: int

    def __str__(self) -> str:
        """Return where the rows went that are in no split."""
        return (
            f"of {self.read:,} rows {sum(self.quarantined.values()):,} are bad, {self.duplicates:,} duplicates, "
            f"{self.sampled_out:,} not in the sample, {self.contaminated + self.near_duplicates:,} overlap with others"
        )


@dataclass(frozen=True)
class Prepared:
    """What was written to the folder, of which source, by which settings (hash), and what was not and why."""

    splits: dict[SplitName, PreparedSplit]
    content_hash: str
    counts: Counts
    source: str
    revision: str | None
    license: str | None
    columns: str
    settings_hash: str
    contaminated_by: dict[str, int]
    leaks: tuple[Leak, ...]
    near_duplicate_examples: tuple[Example, ...]


def prepare_splits(
    settings: DataSettings, folder: Path, *, cache: Path, show: Callable[[str], None], asset: Path | None = None
) -> Prepared:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl` to a folder that replaces the one there.

    Beside it are `quarantine.jsonl` and `prepared.json`. What is downloaded is kept in `cache`; `asset` is the folder
    of an `azureml:` source; `show` takes a line now and then. Raises DataError if the source cannot be read, if too
    many rows are bad, if a split is left too small, or if the disk is full.
    """
    check_benchmarks(settings)
    with started(settings.workers or num_cores()) as crew:
        source = open_source(settings, cache=cache, asset=asset)
        shards = _shards(source, crew)
        spool = _spool_folder(settings, source, folder)
        work = _work(settings, source, spool, cache, crew)
        calls = [(shard, number, work) for number, shard in enumerate(shards)]
        spooled = list(_reported(crew.map(spool_shard, calls), len(shards), show))
    building = fresh_folder(spool / "data")
    merged = merge(_runs(spooled, work), building, spool=spool, rows=settings.rows)
    bad = _quarantine(settings, spooled, work, merged, folder)
    train, overlap = _without_overlap(settings, merged, building)
    splits = {name: train if name == "train" else merged.splits[name] for name in SPLITS}
    counts = Counts(
        read=sum(shard.num_read for shard in spooled),
        accepted=merged.num_seen - merged.num_duplicates,
        quarantined=dict(sorted(bad.reasons.items())),
        duplicates=merged.num_duplicates,
        sampled_out=sum(shard.num_sampled_out + shard.num_accepted for shard in spooled)
        - merged.num_seen
        + bad.num_left_out,
        contaminated=merged.num_held_out + len(overlap.contamination.lines),
        near_duplicates=len(overlap.near_duplicates.lines),
    )
    _check_sizes(splits, counts, work.cuts)
    prepared = Prepared(
        splits=splits,
        content_hash=_content_hash(splits),
        counts=counts,
        source=source.name,
        revision=source.revision,
        license=source.license,
        columns=str(work.columns),
        settings_hash=_settings_hash(settings),
        contaminated_by=overlap.contamination.by_source,
        leaks=overlap.contamination.examples,
        near_duplicate_examples=overlap.near_duplicates.examples,
    )
    _publish(prepared, building, folder)
    shutil.rmtree(spool)
    return prepared


def _shards(source: Source, crew: Crew) -> list[Shard]:
    cuts = crew.map(cut, [(shard,) for shard in source.files])
    return sorted(chain.from_iterable(cuts), key=lambda shard: (shard.file, shard.start))


def _work(settings: DataSettings, source: Source, spool: Path, cache: Path, crew: Crew) -> Work:
    files = source.files[:LOOKED_INTO]
    most = LOOKED_AT // len(files)
    rows = chain.from_iterable(crew.map(first_rows, [(whole, settings.columns, most) for whole in files]))
    return Work(
        folder=spool,
        columns=detect([*rows], given=settings.columns),
        sample=Sample.of(settings),
        cuts=Cuts.of(settings, present={whole.split for whole in source.files}),
        limits=_limits(settings, cache),
        mask=settings.mask,
        shuffle_seed=settings.seed if settings.shuffle_answers else None,
    )


def _limits(settings: DataSettings, cache: Path) -> TokenLimits | None:
    if settings.tokenizer is None or settings.max_tokens is None:
        return None
    return TokenLimits(find_tokenizer(settings.tokenizer, cache=cache), settings.max_tokens)


def _spool_folder(settings: DataSettings, source: Source, folder: Path) -> Path:
    """Return the folder of finished shards for these settings and this source; any other is of no more use."""
    name = f".{folder.name}-{_hash([_settings_hash(settings), source.fingerprint])[:16]}"
    for stale in folder.parent.glob(f".{folder.name}-*"):
        if stale.name != name:
            shutil.rmtree(stale)
    ours = folder.with_name(name)
    return ours if ours.is_dir() else fresh_folder(ours)


def _runs(spooled: Sequence[Spooled], work: Work) -> list[Path]:
    return [work.run(number, run) for number, shard in enumerate(spooled) for run in range(shard.num_runs)]


def _quarantine(
    settings: DataSettings, spooled: Sequence[Spooled], work: Work, merged: Merged, folder: Path
) -> Quarantine:
    path = folder.with_name("quarantine.jsonl")
    with written_whole(path) as file:
        found = quarantine.collect(map(work.bad, range(len(spooled))), file, last_key=merged.last_key)
    num_judged, most = merged.num_seen + found.reasons.total(), settings.max_quarantine_percentage
    quarantine.check(found, num_judged=num_judged, most=most, source=settings.source, quarantine=path)
    return found


def _without_overlap(settings: DataSettings, merged: Merged, building: Path) -> tuple[PreparedSplit, Overlap]:
    """Leave out of train what is in the other splits or in benchmarks, or nearly twice."""
    train, held_out = building / "train.jsonl", [building / f"{name}.jsonl" for name in SPLITS if name != "train"]
    overlap = find_overlap(train, held_out=held_out, settings=settings, workers=settings.workers or num_cores())
    return left_out(train, overlap.lines) if overlap.lines else merged.splits["train"], overlap


def _check_sizes(splits: Mapping[SplitName, PreparedSplit], counts: Counts, cuts: Cuts) -> None:
    least: dict[SplitName, int] = {"train": MIN_TRAIN_ROWS, "validation": 1, "test": 1}
    cut = {"validation": cuts.validation, "test": cuts.test}
    for name, rows in least.items():
        if splits[name].rows < rows:
            larger = [
                *(["raise data.percentage or data.rows"] if counts.sampled_out else []),
                *([f"raise data.{name}_percentage"] if cut.get(name) else []),
            ]
            raise DataError(
                f"the {name} split has {splits[name].rows} conversations, it needs at least {rows}: "
                f"{', or '.join(larger) or 'give more conversations'} ({counts})"
            )


def _publish(prepared: Prepared, building: Path, folder: Path) -> None:
    """Put the finished folder into its place, and its description beside it."""
    description = folder.with_name("prepared.json")
    description.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    write_whole(description, orjson.dumps(asdict(prepared), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _settings_hash(settings: DataSettings) -> str:
    return _hash(settings.model_dump(mode="json", exclude=NO_MATTER))


def _content_hash(splits: Mapping[SplitName, PreparedSplit]) -> str:
    return hashlib.sha256("".join(splits[name].sha256 for name in SPLITS).encode()).hexdigest()


def _hash(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _reported(spooled: Iterable[Spooled], num_shards: int, show: Callable[[str], None]) -> Iterator[Spooled]:
    """Hand on the shards; say how far the reading is."""
    start, num_rows = time.monotonic(), 0
    for number, shard in enumerate(spooled, start=1):
        num_rows += shard.num_read
        rate = num_rows / max(time.monotonic() - start, 0.001)
        show(f"shard {number} of {num_shards}: {num_rows:,} conversations read, {rate:,.0f} a second")
        yield shard
