"""Fuzz: whatever stands in a file, each row of it is accepted or refused for the right reason, and none is lost."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mlops.datasets.columns import detect
from mlops.datasets.readers import cut
from mlops.datasets.readers.batch import Unreadable
from mlops.datasets.readers.read import read
from mlops.datasets.settings import DataSettings
from mlops.datasets.sources.listing import format_of
from mlops.datasets.sources.shard import Shard
from mlops.datasets.sources.source import open_source
from mlops.datasets.validate import Problem, Reason, problem
from mlops.errors import DataError

Row = dict[str, Any]
Numbered = list[tuple[int, Reason | None]]
TEN_MB = 10_000_000
SIZES = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 5, "max_quarantine_percentage": 1}


def judged(shards: list[Shard]) -> Numbered:
    """Return each row's number and what was found wrong with it, as the stage does."""
    columns = detect([good(0)], given={})
    found: Numbered = []
    for shard in shards:
        for batch in read(shard, columns=columns, wanted=lambda _: True):
            for number, raw in batch.rows:
                row = raw.problem if isinstance(raw, Unreadable) else columns.row(raw)
                wrong = row if isinstance(row, Problem) else problem(row)
                found.append((number, wrong.reason if wrong else None))
    return found


def whole(path: Path) -> list[Shard]:
    """Return a file as one shard."""
    form = format_of(path.name)
    assert form
    return [Shard(path.name, path, None, form)]


def good(number: int) -> Row:
    """Return a conversation that can be trained on."""
    turns = [f'question {number}: "why?"', "because\n\\ of {it}", "né 中文 🙂", "[so]"]
    messages = [{"role": ("user", "assistant")[index % 2], "content": turn} for index, turn in enumerate(turns)]
    return {"prompt": turns[0], "messages": messages}


def said(content: Any, *, role: Any = "assistant") -> Callable[[Row], Row]:
    """Return a mutation that puts something in the place of the last message."""
    return lambda row: row | {"messages": [*row["messages"][:-1], {"role": role, "content": content}]}


def listed(messages: Any) -> Callable[[Row], Any]:
    """Return a mutation that puts something in the place of the messages."""
    return lambda row: row | {"messages": messages}


VALUES: list[tuple[Callable[[Row], Any], Reason | None]] = [
    (lambda row: row, None),
    (lambda row: row | {"extra": {"a": [{"b": None}], "c": 1.5, "d": 10**30}}, None),
    (lambda row: dict(reversed(row.items())), None),
    (said("\ufeff\u200b\x7f"), None),
    (said('":", {"role": "user"} \\": "x":'), None),
    (said("\ud800"), Reason.NOT_UNICODE),
    (said("ok \udfff ok"), Reason.NOT_UNICODE),
    (said("a\0b"), Reason.NUL),
    (said(""), Reason.EMPTY_TEXT),
    (said(" \t\u3000\n"), Reason.EMPTY_TEXT),
    (said(7), Reason.NOT_TEXT),
    (said(None), Reason.NOT_TEXT),
    (said(True), Reason.NOT_TEXT),
    (said({"text": "x"}), Reason.NOT_TEXT),
    (said([{"type": "text", "text": "x"}]), Reason.CONTENT_PARTS),
    (said("x", role="bot"), Reason.UNKNOWN_ROLE),
    (said("x", role=1), Reason.UNKNOWN_ROLE),
    (said("x", role=None), Reason.UNKNOWN_ROLE),
    (said("x", role="user"), Reason.NOT_ALTERNATING),
    (said("x", role="system"), Reason.SYSTEM_NOT_FIRST),
    (listed([]), Reason.NO_MESSAGES),
    (listed(None), Reason.NO_MESSAGES),
    (listed("hello"), Reason.NO_MESSAGES),
    (listed({"role": "user", "content": "x"}), Reason.NO_MESSAGES),
    (listed([["user", "x"]]), Reason.NOT_A_MESSAGE),
    (listed([{"role": "user"}]), Reason.NOT_A_MESSAGE),
    (lambda row: row | {"messages": row["messages"][:3]}, Reason.LAST_NOT_ASSISTANT),
    (lambda row: row | {"messages": row["messages"][:1]}, Reason.NOBODY_ANSWERED),
    (lambda row: row | {"messages": row["messages"][::-1]}, Reason.NOT_ALTERNATING),
    (lambda row: {"prompt": row["prompt"]}, Reason.NO_MESSAGES),
    (lambda row: [row], Reason.NOT_AN_OBJECT),
    (lambda _: 12, Reason.NOT_AN_OBJECT),
    (lambda _: None, Reason.NOT_AN_OBJECT),
    (lambda _: "text", Reason.NOT_AN_OBJECT),
]
TEXTS: list[tuple[Callable[[bytes], bytes], Reason | None]] = [
    (lambda line: line + b"\r", None),
    (lambda line: b"  " + line + b" \t", None),
    (lambda line: line.replace(b'"role"', b'"r\\u006fle"'), None),
    (lambda line: line.replace(b'{"prompt"', b'{"x": NaN, "prompt"'), None),
    (lambda line: line.replace(b": ", b" : "), None),
    (lambda line: line.replace(b'"role": "user"', b'"role": "user", "role": "user"', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b'{"prompt"', b'{"prompt": "x", "prompt"'), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b'"role": "user"', b'"role": "user", "r\\u006fle": 1', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b'{"prompt"', b'{"prompt" : "x", "prompt"'), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b'"content"', b'"content"\t: "old", "content"', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b"{", b'{"tags": ["x"], "id": 1, "id": 2, "id": 3, ', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b"{", b'{"tags": [{"a": 1}], "id": 1, "id": 2, ', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b"{", b'{"a\\\\": 1, "id": 1, "id": 2, ', 1), Reason.DUPLICATE_KEY),
    (lambda line: line.replace(b"because", b"b\xffcause"), Reason.NOT_UNICODE),
    (lambda line: line.replace(b"because", b"b\xed\xa0\x80"), Reason.NOT_UNICODE),
    (lambda line: line.replace(b"because", b"b\0"), Reason.NOT_JSON),
    (lambda line: line[: len(line) // 2], Reason.NOT_JSON),
    (lambda line: line + b" " + line, Reason.NOT_JSON),
    (lambda line: line[:-1] + b",}", Reason.NOT_JSON),
    (lambda line: line.replace(b'"', b"'"), Reason.NOT_JSON),
    (lambda line: b"\xef\xbb\xbf" + line, None),
    (lambda _: b"[" * 100_000, Reason.NOT_JSON),
    (lambda _: b"hello", Reason.NOT_JSON),
]


def mutated(dice: random.Random, number: int) -> tuple[bytes, Reason | None]:
    """Return the line of a row with something done to it, and what ought to be found."""
    if dice.random() < 0.6:
        change, reason = dice.choice(VALUES)
        return json.dumps(change(good(number)), ensure_ascii=dice.random() < 0.5).encode(errors="surrogatepass"), reason
    rewrite, reason = dice.choice(TEXTS)
    return rewrite(json.dumps(good(number)).encode()), reason


@pytest.mark.parametrize("name", ["fuzz.jsonl", "fuzz.jsonl.gz"])
def test_ten_thousand_mutated_rows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the number of its line and the right reason, in a file with a byte order mark and blank lines."""
    dice = random.Random(0)  # noqa: S311 - reproducible, not secret
    pairs = [mutated(dice, number) for number in range(10_000)]
    pairs[5000] = (json.dumps(said("x" * TEN_MB)(good(0))).encode(), None)
    pairs[5001] = (b"{" + b"y" * TEN_MB, Reason.NOT_JSON)
    blank = {number for number in range(10_000) if number % 997 == 0}
    content = b"\xef\xbb\xbf" + b"\n".join(b" " if number in blank else pairs[number][0] for number in range(10_000))
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    monkeypatch.setattr(cut, "SHARD_BYTES", 1 << 20)
    settings = DataSettings(**SIZES, source=str(path))
    found = judged(list(open_source(settings, cache=tmp_path).files))
    assert found == [(number + 1, reason) for number, (_, reason) in enumerate(pairs) if number not in blank]


def test_mutated_elements_of_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in one JSON array that is read in small pieces."""
    dice = random.Random(1)  # noqa: S311 - reproducible, not secret
    picked = [dice.choice(VALUES) for _ in range(1000)]
    rows = [change(good(number)) for number, (change, _) in enumerate(picked)]
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(rows, indent=1))
    monkeypatch.setattr("mlops.datasets.readers.json_array.PIECE", 100)
    assert judged(whole(path)) == [(number, reason) for number, (_, reason) in enumerate(picked, start=1)]


@given(data=st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize("name", ["spliced.jsonl", "spliced.json", "spliced.csv", "spliced.jsonl.gz"])
def test_random_bytes_anywhere(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Bytes spliced into a file spoil no row before them; lines stay as many, and nothing raises."""
    content = b"".join(json.dumps(good(number)).encode() + b"\n" for number in range(6))
    if name.endswith(".json"):
        content = json.dumps([good(number) for number in range(6)]).encode()
    elif name.endswith(".csv"):
        content = b"messages\n" + b'"[{""role"": ""user""}]"\n' * 6
    place = data.draw(st.integers(content.find(b"\n") + 1 or 2, len(content)))
    spliced = content[:place] + data.draw(st.binary(max_size=9) | st.sampled_from([b"\0", b'"', b"\\", b"]"]))
    spliced += content[place + data.draw(st.integers(0, 3)) :]
    path = tmp_path / name
    path.write_bytes(gzip.compress(spliced, 1) if name.endswith(".gz") else spliced)
    found = judged(whole(path))
    if name.startswith("spliced.jsonl"):
        stripped = spliced.removeprefix(b"\xef\xbb\xbf")
        assert len(found) == len([line for line in stripped.split(b"\n") if line and not line.isspace()])
        assert all(reason is None for _, reason in found[: spliced[:place].count(b"\n")])
    assert [number for number, _ in found] == sorted({number for number, _ in found})


@given(data=st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_flipped_bytes_of_parquet(tmp_path: Path, data: st.DataObject) -> None:
    """The file is refused with a sentence, or its rows are judged one by one; nothing else is raised."""
    path = tmp_path / "flipped.parquet"
    pq.write_table(pa.Table.from_pylist([good(number) for number in range(6)]), path, compression="none")
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = judged(list(open_source(DataSettings(**SIZES, source=str(path)), cache=tmp_path).files))
    except DataError:
        return
    assert [number for number, _ in found] == sorted({number for number, _ in found})


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_truncated_file_says_where_it_ends(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Rows before the cut are read, but for the last few; the first that is missing stands for those that follow."""
    rows = [said(os.urandom(600).hex())(good(number)) for number in range(1000)]
    content = compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    path = tmp_path / ("cut.jsonl.gz" if compress is gzip.compress else "cut.jsonl.zst")
    for percentage in range(20, 100, 10):
        path.write_bytes(content[: percentage * len(content) // 100])
        found = judged(whole(path))
        assert found[:-1] == [(number, None) for number in range(1, len(found))]
        assert found[-1] == (len(found), Reason.BROKEN_FILE)
        assert 10 * percentage - 130 < len(found) <= 10 * percentage + 10


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (b'[{"a": 1}, {"a": 1, "a": 2}]', [Reason.NO_MESSAGES, Reason.DUPLICATE_KEY]),
        (b'[{"a": 1}, {"a": ', [Reason.NO_MESSAGES, Reason.BROKEN_FILE]),
        (b'[{"a": 1}, nope, {"a": 1}]', [Reason.NO_MESSAGES, Reason.BROKEN_FILE]),
        (b'[{"a": 1}', [Reason.BROKEN_FILE]),
        (b'[{"a": 1}] [{"b": 2}]', [Reason.NO_MESSAGES, Reason.BROKEN_FILE]),
        (b'[{"a": 1}, {"a": ' + b"9" * 5000 + b"}]", [Reason.NO_MESSAGES, Reason.BROKEN_FILE]),
        (b"[]", []),
        (b"", []),
    ],
)
def test_an_array_that_breaks_off(tmp_path: Path, content: bytes, reasons: list[Reason]) -> None:
    """What follows cannot be known; that it is missing is."""
    path = tmp_path / "array.json"
    path.write_bytes(content)
    assert [reason for _, reason in judged(whole(path))] == reasons


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused as a whole, and the next line is the next row."""
    monkeypatch.setattr("mlops.datasets.readers.json_lines.MAX_BYTES", 500)
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"x" * 1700 + b"\n" + json.dumps(good(0)).encode() + b"\n" + b"y" * 1000)
    assert judged(whole(path)) == [(1, Reason.TOO_LARGE), (2, None), (3, Reason.TOO_LARGE)]


def test_records_of_another_width(tmp_path: Path) -> None:
    """A comma too many shifts cells: the record is refused, not guessed at; an open quote swallows the rest."""
    path = tmp_path / "wide.csv"
    path.write_text('prompt,messages\nx,y,z\nx\nx,"y"z\n\nx,[]\nx,"never closed\nx,[]\n')
    wrong = [Reason.WRONG_CELLS, Reason.WRONG_CELLS, Reason.NOT_CSV, Reason.NO_MESSAGES, Reason.BROKEN_FILE]
    assert judged(whole(path)) == list(enumerate(wrong, start=1))


def test_prompts_that_are_not_wanted_are_counted(tmp_path: Path) -> None:
    """A row that is sampled out is left out by the reader, but not forgotten."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(json.dumps(good(number)).encode() + b"\n" for number in range(10)) + b"broken\n")
    batches = list(read(whole(path)[0], columns=None, wanted=lambda prompt: "3" in prompt))
    assert [(number, batch.left_out) for batch in batches for number, _ in batch.rows] == [(4, 9), (11, 9)]
