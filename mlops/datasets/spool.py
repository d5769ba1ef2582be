"""One shard of a source, read and judged: what is accepted is spooled, in runs sorted by key.

A record of the spool is a line: the key of its prompt, the digit of its split, and the row as it will be written.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from mlops.datasets import quarantine
from mlops.datasets.columns import Columns, prompt_id
from mlops.datasets.readers.batch import Sound, Unreadable
from mlops.datasets.readers.read import read
from mlops.datasets.sample import KEY_DIGITS, Sample
from mlops.datasets.split import Cuts, shuffle_answers
from mlops.datasets.validate import Problem, Reason, problem
from mlops.whole import write_whole, written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlops.datasets.settings import SplitName
    from mlops.datasets.sources.shard import Shard
    from mlops.datasets.split import Row
    from mlops.datasets.tokens import TokenLimits

    Raw = dict[str, Any] | Sound | Unreadable
    Record = tuple[bytes, bytes]

RUN_BYTES: Final = 8 << 20
"""What is held in memory to be sorted: half a shard of the usual size."""
FIRST_KEY: Final = "0" * KEY_DIGITS
ORDER: Final[tuple[SplitName, ...]] = ("test", "validation", "train")
"""What is held out sorts before train, so that a prompt in both is seen there first."""
DIGITS: Final = {name: str(digit) for digit, name in enumerate(ORDER)}


@dataclass(frozen=True)
class Work:
    """How every shard is read and judged, and the folder of the spool."""

    folder: Path
    columns: Columns
    sample: Sample
    cuts: Cuts
    limits: TokenLimits | None
    mask: bool
    shuffle_seed: int | None

    def run(self, number: int, run: int) -> Path:
        """Return one of the files of a shard's accepted rows, each sorted."""
        return self.folder / f"{number:06}-{run}.rows"

    def bad(self, number: int) -> Path:
        """Return a shard's part of the quarantine."""
        return self.folder / f"{number:06}.bad"

    def done(self, number: int) -> Path:
        """Return the file that says that a shard is finished, and what became of it."""
        return self.folder / f"{number:06}.json"


@dataclass(frozen=True)
class Spooled:
    """What became of a shard's rows, and in how many sorted runs the accepted ones are."""

    num_read: int
    num_sampled_out: int
    num_accepted: int
    num_runs: int


def spool_shard(shard: Shard, number: int, work: Work) -> Spooled:
    """Read and judge a shard, unless that was done before.

    Raises DataError if it cannot be read, or if its spool cannot be written.
    """
    done = work.done(number)
    if done.exists():
        return Spooled(**orjson.loads(done.read_bytes()))
    with _no_collection(), written_whole(work.bad(number)) as bad:
        spooled = _spool(shard, work, _Runs(work, number), bad)
    write_whole(done, orjson.dumps(asdict(spooled)))
    return spooled


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no reference cycles: rows have none, and the search took an eighth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _spool(shard: Shard, work: Work, runs: _Runs, bad: IO[bytes]) -> Spooled:
    num_read = num_sampled_out = 0
    for batch in read(shard, columns=work.columns, wanted=_wanted(work), judged=work.limits is None):
        num_read += len(batch.rows) + batch.left_out
        num_sampled_out += batch.left_out
        for number, raw in batch.rows:
            record = _judged(raw, shard, work)
            if isinstance(record, tuple):
                runs.add(record)
            elif record is None or (key := _bad_key(record, raw, work)) is None:
                num_sampled_out += 1
            else:
                bad.write(key.encode() + _entry(record, raw, shard, number, mask=work.mask))
    runs.end()
    return Spooled(num_read, num_sampled_out, runs.num_records, runs.num_runs)


def _wanted(work: Work) -> Callable[[str], bool]:
    """Return whether a row's column `prompt` is worth reading the rest of the row for."""
    sample = work.sample
    if sample.takes_all or work.columns.prompt is None:
        return lambda _: True
    return sample.takes


def _judged(raw: Raw, shard: Shard, work: Work) -> Record | Problem | None:
    """Return the record of a row, or why it cannot be trained on, or None if it is not in the sample."""
    if isinstance(raw, Sound):
        return _record(_row(raw), shard, work) if work.sample.takes(raw.prompt) else None
    if isinstance(raw, Unreadable):
        return raw.problem
    row = work.columns.row(raw)
    if isinstance(row, Problem):
        return row
    if not work.sample.takes(row["prompt"]):
        return None
    return problem(row, limits=work.limits) or _record(row, shard, work)


def _row(sound: Sound) -> Row:
    return {"prompt": sound.prompt, "prompt_id": prompt_id(sound.prompt), "messages": sound.messages}


def _record(row: Row, shard: Shard, work: Work) -> Record | Problem:
    if work.mask:
        from mlops.datasets.privacy import masked

        row = masked(row)
    split = shard.split if shard.split in {"test", "validation"} else work.cuts.split_of(row["prompt_id"])
    key = work.sample.key(row["prompt"])
    if split == "train" and work.shuffle_seed is not None:
        row = shuffle_answers(row, seed=work.shuffle_seed)
    try:
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return Problem(Reason.NOT_UNICODE, "the column prompt is not valid Unicode (a lone surrogate)")
    return f"{key}{DIGITS[split]}".encode(), line


def _bad_key(found: Problem, raw: Raw, work: Work) -> str | None:
    """Return the key of a bad row, by its prompt or how it begins, or None if it is not in the sample.

    Where a file breaks off there are more rows than one, so that is in every sample.
    """
    if found.reason is Reason.BROKEN_FILE:
        return FIRST_KEY
    prompt = raw.get(work.columns.prompt) if work.columns.prompt and isinstance(raw, dict) else None
    text = prompt if isinstance(prompt, str) else _shown(raw)
    return work.sample.key(text) if work.sample.takes(text) else None


def _entry(found: Problem, raw: Raw, shard: Shard, number: int, *, mask: bool) -> bytes:
    value = _shown(raw)
    if mask:
        from mlops.datasets import privacy

        value = privacy.mask(value)
    return quarantine.entry(file=shard.file, row=number, problem=found, value=value)


def _shown(raw: Raw) -> str:
    try:
        return raw.value if isinstance(raw, Unreadable) else repr(raw)[: 2 * quarantine.SHOWN]
    except RecursionError:
        return "objects within objects, more than can be shown"


class _Runs:
    """Collects the records of a shard, and writes them to files in sorted runs."""

    def __init__(self, work: Work, number: int) -> None:
        self.num_records = self.num_runs = 0
        self._work, self._number = work, number
        self._records: list[Record] = []
        self._size = 0

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._size += len(record[1])
        if self._size >= RUN_BYTES:
            self.end()

    def end(self) -> None:
        if self._records:
            self._records.sort()
            with written_whole(self._work.run(self._number, self.num_runs)) as file:
                file.writelines(chain.from_iterable(self._records))
            self.num_records += len(self._records)
            self.num_runs += 1
            self._records, self._size = [], 0
