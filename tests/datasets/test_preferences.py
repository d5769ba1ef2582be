"""Preferences are read and checked before a step that learns from them is paid for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from mlops.datasets.preferences import read_preferences
from mlops.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

ASKED = [{"role": "user", "content": "Red?"}]
YES, NO = [{"role": "assistant", "content": "Yes."}], [{"role": "assistant", "content": "Never."}]
GOOD = {"prompt": ASKED, "chosen": YES, "rejected": NO}


def test_rows_characters_and_hash_are_those_of_the_file(tmp_path: Path) -> None:
    """A question is read before each of its answers, so it counts twice; other columns are nobody's business."""
    path = tmp_path / "preferences.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"source": "x"}) + "\n" for _ in range(3)))
    found = read_preferences(path, uri="azureml:likes:1")
    assert (found.rows, found.characters) == (3, 3 * (4 + 4 + 4 + 6))
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.uri == "azureml:likes:1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 1: not JSON"),
        ("[]", r"line 1: prompt, chosen, rejected: no list of messages; a row must be"),
        ({"prompt": ASKED, "chosen": YES}, r"line 1: rejected: no list of messages"),
        (GOOD | {"chosen": YES + NO}, r"line 1: chosen must be one assistant message"),
        (GOOD | {"rejected": ASKED}, r"line 1: prompt and rejected: roles must alternate"),
        (GOOD | {"prompt": [{"role": "bot", "content": "x"}]}, r"line 1: prompt and chosen: message 1: role 'bot'"),
        ("", "the file is empty"),
    ],
)
def test_what_is_no_preference_is_named(line: Any, message: str, tmp_path: Path) -> None:
    """The line, the column and the rule, before anything is submitted."""
    path = tmp_path / "preferences.jsonl"
    path.write_text(line if isinstance(line, str) else json.dumps(line))
    with pytest.raises(DataError, match=message):
        read_preferences(path, uri="x")


def test_a_missing_file_is_named_as_it_was_set(tmp_path: Path) -> None:
    """The setting and what it should hold."""
    with pytest.raises(DataError, match=r"finetune.preferences = likes.jsonl: No such file"):
        read_preferences(tmp_path / "likes.jsonl", uri="likes.jsonl")
