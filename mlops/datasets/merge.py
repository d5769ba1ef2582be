"""From the sorted runs of all shards to the splits: one pass in key order, in which duplicates fall out."""

from __future__ import annotations

import hashlib
import heapq
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from mlops.datasets.sample import KEY_DIGITS
from mlops.datasets.spool import ORDER
from mlops.whole import written_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from mlops.datasets.settings import SplitName

MAX_RUNS: Final = 240
"""Files that are open at once; macOS allows a process 256."""
BUFFER_BYTES: Final = 16 << 20
"""What all runs together are read ahead."""
CHUNK_BYTES: Final = 1 << 19
"""What is written and hashed at once: fits into a core's cache, and is worth the change of threads."""
ROW: Final = KEY_DIGITS + 1
LAST_KEY: Final = "f" * KEY_DIGITS


@dataclass(frozen=True)
class PreparedSplit:
    """A JSON Lines file: its rows and the SHA-256 of its bytes."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Merged:
    """What was written, and what was not: exact duplicates, and rows whose prompt is in a split that is held out.

    `last_key` is the key of the last row taken; `num_seen` counts the records up to there.
    """

    splits: dict[SplitName, PreparedSplit]
    num_seen: int
    num_duplicates: int
    num_held_out: int
    last_key: str


def merge(runs: Sequence[Path], folder: Path, *, spool: Path, rows: int | None) -> Merged:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl` in key order; of these the first `rows` if that is set.

    Raises DataError if they cannot be written.
    """
    with ExitStack() as stack:
        thread = stack.enter_context(ThreadPoolExecutor(1))
        files = [stack.enter_context(written_whole(folder / f"{name}.jsonl")) for name in ORDER]
        writers = [Writer(file, thread) for file in files]
        counts = _distribute(stack.enter_context(_merged(_few(runs, spool))), writers, rows)
        splits = {name: writer.finish() for name, writer in zip(ORDER, writers, strict=True)}
    return Merged(splits, *counts)


def left_out(path: Path, lines: Collection[int]) -> PreparedSplit:
    """Write a JSON Lines file anew without some of its lines, counted from 0."""
    with ThreadPoolExecutor(1) as thread, path.open("rb") as old, written_whole(path) as file:
        writer = Writer(file, thread)
        for number, line in enumerate(old):
            if number not in lines:
                writer.add(line)
        return writer.finish()


def _distribute(records: Iterable[bytes], writers: Sequence[Writer], rows: int | None) -> tuple[int, int, int, str]:
    num_seen = num_duplicates = num_held_out = num_written = 0
    last, prompt, owner = b"", b"", 0
    for record in records:
        if record == last:
            num_duplicates += 1
        elif num_written == rows:
            break
        else:
            last, split = record, record[KEY_DIGITS] - ord("0")
            if record[:KEY_DIGITS] != prompt:
                prompt, owner = record[:KEY_DIGITS], split
            if split == owner:
                writers[split].add(record[ROW:])
                num_written += 1
            else:
                num_held_out += 1
        num_seen += 1
    else:
        return num_seen, num_duplicates, num_held_out, LAST_KEY
    return num_seen, num_duplicates, num_held_out, prompt.decode()


def _few(runs: Sequence[Path], spool: Path, *, level: int = 0) -> Sequence[Path]:
    """Return no more runs than can be open at once: if there are more, they are merged into longer ones first."""
    if len(runs) <= MAX_RUNS:
        return runs
    parts = [runs[start : start + MAX_RUNS] for start in range(0, len(runs), MAX_RUNS)]
    longer = [spool / f"{level}-{number:06}.joined" for number in range(len(parts))]
    for path, part in zip(longer, parts, strict=True):
        with written_whole(path) as file, _merged(part) as records:
            file.writelines(records)
    return _few(longer, spool, level=level + 1)


@contextmanager
def _merged(runs: Sequence[Path]) -> Iterator[Iterator[bytes]]:
    buffer = min(CHUNK_BYTES, BUFFER_BYTES // max(len(runs), 1))
    with ExitStack() as stack:
        yield heapq.merge(*[stack.enter_context(run.open("rb", buffer)) for run in runs])


class Writer:
    """Writes lines, and hashes them meanwhile in a thread, which the interpreter's lock does not hold up."""

    def __init__(self, file: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self._file, self._thread = file, thread
        self._digest = hashlib.sha256()
        self._hashed: Future[None] | None = None
        self._lines: list[bytes] = []
        self._size = self._rows = 0

    def add(self, line: bytes) -> None:
        """Take a line, its line break included."""
        self._lines.append(line)
        self._rows += 1
        self._size += len(line)
        if self._size >= CHUNK_BYTES:
            self._flush()

    def finish(self) -> PreparedSplit:
        """Write what is left; return the number of lines and the SHA-256 of the bytes."""
        self._flush()
        self._wait()
        return PreparedSplit(self._rows, self._digest.hexdigest())

    def _flush(self) -> None:
        chunk = b"".join(self._lines)
        self._wait()
        self._hashed = self._thread.submit(self._digest.update, chunk)
        self._file.write(chunk)
        self._lines, self._size = [], 0

    def _wait(self) -> None:
        if self._hashed:
            self._hashed.result()
