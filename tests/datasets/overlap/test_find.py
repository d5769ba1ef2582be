"""What training data must not hold."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from mlops.datasets.overlap.find import find_overlap
from mlops.datasets.settings import DataSettings
from mlops.errors import DataError
from tests.datasets.preparation import prepare, settings

LEAKED = "a conversation of more than thirteen words that is in train and in test at the same time"


def write(path: Path, texts: list[str]) -> Path:
    """Write conversations of one question and its answer."""
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}] for text in texts]
    path.write_bytes(b"".join(orjson.dumps({"messages": row}) + b"\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("asked", "contaminated", "near_duplicates"),
    [
        ({}, set(), set()),
        ({"contamination": {"ngram": 13}}, {0, 1}, set()),
        ({"near_duplicates": 0.8}, set(), {1, 3}),
        ({"contamination": {"ngram": 13}, "near_duplicates": 0.8}, {0}, {1, 3}),
    ],
)
def test_a_row_is_left_out_for_one_reason(
    tmp_path: Path, asked: dict[str, object], contaminated: set[int], near_duplicates: set[int]
) -> None:
    """Only what the settings ask for; a near duplicate does not share test text as well."""
    train = write(tmp_path / "train.jsonl", [LEAKED, LEAKED.upper(), "how are you today", "How are you today?"])
    test = write(tmp_path / "test.jsonl", [LEAKED])
    sizes = {"percentage": 100, "validation_percentage": 5, "test_percentage": 5, "max_quarantine_percentage": 0}
    of = DataSettings.model_validate({"source": "chitchat", "seed": 0, **sizes, **asked})
    found = find_overlap(train, held_out=[test], settings=of, workers=1)
    assert found.contamination.lines == contaminated
    assert found.near_duplicates.lines == near_duplicates
    assert found.lines == contaminated | near_duplicates


def test_what_comes_nearly_twenty_times_does_not_pass_for_a_phrase(tmp_path: Path) -> None:
    """Of all its near copies one stays in train, and that one holds what the model will be judged by."""
    train = write(
        tmp_path / "train.jsonl", [f"{LEAKED} {LEAKED} number {copy}" for copy in range(20)] + ["hello there"]
    )
    test = write(tmp_path / "test.jsonl", [LEAKED])
    sizes = {"percentage": 100, "validation_percentage": 5, "test_percentage": 5, "max_quarantine_percentage": 0}
    asked = {"contamination": {"ngram": 13}, "near_duplicates": 0.7}
    of = DataSettings.model_validate({"source": "chitchat", "seed": 0, **sizes, **asked})
    found = find_overlap(train, held_out=[test], settings=of, workers=1)
    assert found.lines == set(range(20))
    assert found.contamination.lines == {0}


def test_a_benchmark_that_is_not_there_is_missed_before_anything_is_read(tmp_path: Path) -> None:
    """An hour of reading is not spent for a name that is misspelled."""
    of = settings(tmp_path / "nowhere.jsonl", contamination={"ngram": 13, "benchmarks": [tmp_path / "quiz.txt"]})
    with pytest.raises(DataError, match=r"data\.contamination\.benchmarks: .*quiz\.txt cannot be read"):
        prepare(tmp_path, of)
