"""Test text in training conversations."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from mlops.datasets.overlap.contamination import contaminated
from mlops.errors import DataError

SENTENCE = "the quick brown fox jumps over the lazy dog while seven wizards quietly brew strong tea"
"""16 words."""


def write(path: Path, conversations: list[list[str]]) -> Path:
    """Write conversations, the user speaking first."""
    rows = [
        {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}
        for texts in conversations
    ]
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


def own(number: int, *, words: int = 30) -> str:
    """Return words that no other number has."""
    return " ".join(f"w{number}x{place}" for place in range(words))


def test_a_run_of_thirteen_words_is_test_text(tmp_path: Path) -> None:
    """However it is spelled and whatever stands around it; twelve words are none."""
    words = SENTENCE.split()
    train = [
        [own(0), f"{own(1)} {SENTENCE.upper()}! {own(2)}"],
        [own(3), " ".join(words[:13])],
        [own(4), " ".join(words[:12])],
        [f"{own(5)} {' '.join(words[:6])}", f"{' '.join(words[6:])}, {own(6)}"],
        [own(7), own(8)],
    ]
    test = write(tmp_path / "test.jsonl", [[own(100), f"{own(101)} {SENTENCE}"]])
    found = contaminated(write(tmp_path / "train.jsonl", train), held_out=[test])
    assert found.lines == {0, 1, 3}
    assert found.by_source == {"test.jsonl": 3}
    assert found.examples[0].shared == SENTENCE
    assert found.examples[0].opening == own(0)


def test_a_phrase_of_many_is_nobodys(tmp_path: Path) -> None:
    """A run that more than ten training rows share is a phrase; of a benchmark it counts all the same."""
    train = write(tmp_path / "train.jsonl", [[own(number), SENTENCE] for number in range(11)])
    test = write(tmp_path / "test.jsonl", [[own(100), SENTENCE]])
    assert contaminated(train, held_out=[test]).lines == set()
    benchmark = tmp_path / "quiz.txt"
    benchmark.write_text(f"{SENTENCE}\n")
    assert contaminated(train, held_out=[test], benchmarks=[benchmark]).by_source == {"test.jsonl": 0, "quiz.txt": 11}


def test_short_texts_are_compared_whole(tmp_path: Path) -> None:
    """A short conversation with conversations, a benchmark's short line with messages; three words are anybody's."""
    train = write(
        tmp_path / "train.jsonl",
        [
            ["What is the capital of Peru", "LIMA"],
            ["What is the capital of Peru?", "Lima, of course."],
            ["hi", "hi there"],
            [own(1), "Who wrote War and Peace?"],
            [own(2), "I know who wrote War and Peace, but not when."],
        ],
    )
    test = write(tmp_path / "test.jsonl", [["What is the capital of Peru?", "Lima."], ["Hi!", "Hi there."]])
    benchmark = tmp_path / "quiz.txt"
    benchmark.write_text("who wrote war and peace\nhi there\n")
    found = contaminated(train, held_out=[test], benchmarks=[benchmark])
    assert found.by_source == {"test.jsonl": 1, "quiz.txt": 1}
    assert found.lines == {0, 3}


def test_benchmarks_are_text_or_json_lines(tmp_path: Path) -> None:
    """Of JSON Lines every text counts, however deep; other values and keys do not."""
    train = write(tmp_path / "train.jsonl", [[own(1), SENTENCE], [own(2), f"about {own(9)}"], [own(3), own(4)]])
    nested = tmp_path / "quiz.jsonl"
    nested.write_bytes(orjson.dumps({"id": 7, "question": {"stem": SENTENCE}, "choices": [own(9), None]}) + b"\n")
    assert contaminated(train, held_out=[], benchmarks=[nested]).lines == {0, 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"a": "b"}\n\n{"a": \n', "quiz.jsonl, line 3: must be JSON"), (b"\xff\n", "quiz.jsonl cannot be read")],
)
def test_a_benchmark_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """The message says which file and line, and which setting."""
    train, benchmark = write(tmp_path / "train.jsonl", [["a", "b"]]), tmp_path / "quiz.jsonl"
    benchmark.write_bytes(content)
    with pytest.raises(DataError, match=f"data.contamination.benchmarks: .*{message}"):
        contaminated(train, held_out=[], benchmarks=[benchmark])


def test_missing_benchmark(tmp_path: Path) -> None:
    """A file that is not there is said to be missing, before anything is compared."""
    train = write(tmp_path / "train.jsonl", [["a", "b"]])
    with pytest.raises(DataError, match="No such file"):
        contaminated(train, held_out=[], benchmarks=[tmp_path / "quiz.txt"])


def test_nothing_to_compare(tmp_path: Path) -> None:
    """Empty files and files without words have nothing in common with anything."""
    empty = write(tmp_path / "empty.jsonl", [])
    marks = write(tmp_path / "marks.jsonl", [["?", "!"]])
    assert contaminated(empty, held_out=[marks]).lines == set()
    assert contaminated(marks, held_out=[empty, marks]).lines == set()
