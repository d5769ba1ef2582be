"""Rows of Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops.datasets.readers.batch import Unreadable
from mlops.datasets.readers.parquet import read
from mlops.datasets.sources.shard import Shard
from mlops.errors import DataError
from tests.benchmarks.ultrachat import rows, write_parquet

if TYPE_CHECKING:
    from pathlib import Path


def shard(path: Path, **changes: object) -> Shard:
    """Return a file as a shard."""
    return Shard(path.name, path, None, "parquet", **changes)


def test_the_row_groups_of_a_shard_are_read_and_numbered(tmp_path: Path) -> None:
    """Groups 1 and 2 of four, of 100 rows each: rows 101 to 300."""
    [path] = write_parquet(tmp_path, count=400, files=1, row_group=100)
    batches = list(read(shard(path, start=1, stop=3, first_row=101), wanted=lambda _: True))
    found = [numbered for batch in batches for numbered in batch.rows]
    assert [number for number, _ in found] == list(range(101, 301))
    assert [row for _, row in found] == list(rows(400))[100:300]


def test_what_is_not_wanted_is_counted(tmp_path: Path) -> None:
    """Rows are chosen by the column prompt; the others are left out, and only the columns asked for are read."""
    [path] = write_parquet(tmp_path, count=40, files=1)
    [batch] = read(shard(path), wanted=lambda prompt: prompt.startswith("7:"), columns=("prompt", "messages"))
    assert [(number, row["prompt"][:2], set(row)) for number, row in batch.rows] == [(8, "7:", {"prompt", "messages"})]
    assert batch.left_out == 39


def test_a_text_that_is_not_utf_8_is_one_bad_row(tmp_path: Path) -> None:
    """Parquet does not check its texts: the other rows of the batch are read."""
    texts = pa.array([b"good", b"\xff bad", b"good too"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"prompt": texts}), tmp_path / "a.parquet")
    [batch] = read(shard(tmp_path / "a.parquet"), wanted=lambda _: True)
    first, second, third = (row for _, row in batch.rows)
    assert (first, third) == ({"prompt": "good"}, {"prompt": "good too"})
    assert isinstance(second, Unreadable)
    assert second.problem.reason == "not-unicode"


def test_a_file_that_breaks_off_says_which_rows_are_missing(tmp_path: Path) -> None:
    """Damage in the middle of a file is a bad row with its place, not a traceback."""
    [path] = write_parquet(tmp_path, count=200, files=1, row_group=100)
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content[start : start + 2000] = bytes(2000)
    path.write_bytes(content)
    found = [row for batch in read(shard(path), wanted=lambda _: True) for row in batch.rows]
    number, last = found[-1]
    assert number == 101
    assert isinstance(last, Unreadable)
    assert last.problem.reason == "broken-file"


def test_what_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    """A wrong suffix is the user's mistake, so it gets a sentence."""
    (tmp_path / "a.parquet").write_text("{}")
    with pytest.raises(DataError, match=r"a\.parquet is no Parquet file"):
        list(read(shard(tmp_path / "a.parquet"), wanted=lambda _: True))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Neither is taken for the other."""
    table = pa.table([["a"], ["b"]], names=["prompt", "prompt"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet has two columns prompt: give each column a name of its own"):
        list(read(shard(tmp_path / "a.parquet"), wanted=lambda _: True))


def test_a_column_that_python_cannot_hold_does_not_matter(tmp_path: Path) -> None:
    """A date far in the future, or a time zone nobody knows, beside a conversation that is fine, bad text or not."""
    dates = pa.array([5_000_000, 1], pa.int32()).cast(pa.date32())
    zoned = pa.array([1, 2], pa.timestamp("us", "US/Nowhere"))
    texts = pa.array([b"good", b"\xff"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"prompt": texts, "on": dates, "at": zoned}), tmp_path / "a.parquet")
    [batch] = read(shard(tmp_path / "a.parquet"), wanted=lambda _: True)
    (_, first), (_, second) = batch.rows
    assert first == {"prompt": "good", "on": None, "at": None}
    assert isinstance(second, Unreadable)
