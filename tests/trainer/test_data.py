"""Data is split and refused as Azure ML's preprocessing does it."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from mlops.trainer.data import Row, encode_rows, read_rows, require_train_rows, split_rows
from mlops.trainer.errors import TrainerError

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def rows(number: int) -> list[Row]:
    """Give that many rows."""
    return [Row(path=Path("train.jsonl"), line=line, messages=CHAT) for line in range(1, number + 1)]


def write(path: Path, *records: Any) -> Path:
    """Write one record a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("validation", "has_test", "train", "validated"),
    [
        (None, True, range(1, 81), range(81, 101)),
        (None, False, range(1, 81), range(81, 91)),
        (rows(5), True, range(1, 101), range(1, 6)),
        (rows(5), False, range(1, 81), range(1, 6)),
    ],
)
def test_split_is_positional(validation: list[Row] | None, has_test: bool, train: range, validated: range) -> None:
    """What is not given is cut off the end of the training file."""
    parts = split_rows(rows(100), validation, has_test=has_test)
    assert [[row.line for row in part] for part in parts] == [list(train), list(validated)]


def test_ten_rows_are_the_least() -> None:
    """Nine training rows are refused in the service's words, ten are not."""
    require_train_rows(rows(10), path=Path("train.jsonl"))
    with pytest.raises(TrainerError, match=r"has 9 non-null samples .* fewer than 10"):
        require_train_rows(rows(9), path=Path("train.jsonl"))


def test_rows_of_fewer_than_two_messages_are_left_out(tmp_path: Path) -> None:
    """Empty, null and single-message rows do not count; the others keep their line."""
    path = write(tmp_path / "a.jsonl", {"messages": None}, {"messages": CHAT}, {"messages": CHAT[:1]})
    assert [row.line for row in read_rows(path)] == [2]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "Hi"}, r"a.jsonl, line 1: dataset columns: \['text'\], needed: messages"),
        ({"messages": [{"role": "bot", "content": "Hi"}]}, "line 1: messages holds .*bot"),
        ({"messages": [{"role": "user", "content": 4}]}, "line 1: content of a user message is 4, not text"),
        ({"messages": []}, "found no examples after data preprocessing"),
    ],
)
def test_unusable_rows_are_named(tmp_path: Path, record: Any, message: str) -> None:
    """A refusal says file, line, what stands there and what should."""
    with pytest.raises(TrainerError, match=message):
        read_rows(write(tmp_path / "a.jsonl", record))


def test_broken_and_missing_files_are_named(tmp_path: Path) -> None:
    """A line that is no JSON and a file that is not there are the user's to correct."""
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(TrainerError, match=r"broken.jsonl, line 1: not JSON"):
        read_rows(tmp_path / "broken.jsonl")
    with pytest.raises(TrainerError, match="no such file"):
        read_rows(tmp_path / "missing.jsonl")


def test_no_assistant_token_inside_the_length_stops(tokenizer: PreTrainedTokenizerBase) -> None:
    """A cut before every answer leaves nothing to learn, and the message says which input to raise."""
    with pytest.raises(TrainerError, match=r"No assistant tokens found .* increase --max_seq_length"):
        encode_rows(tokenizer, rows(10), max_length=3)
