"""Near duplicates within a file."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest

from mlops.datasets.overlap import duplicates
from mlops.datasets.overlap.duplicates import band_size, near_duplicates
from mlops.datasets.overlap.overlap import NearDuplicates

VOCABULARY = [f"word{number}" for number in range(5000)]


def write(path: Path, conversations: list[list[str]]) -> Path:
    """Write conversations, the user speaking first."""
    rows = [
        {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}
        for texts in conversations
    ]
    path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


def conversation(dice: random.Random) -> list[str]:
    """Return four messages of random words."""
    return [" ".join(dice.choices(VOCABULARY, k=size)) for size in (30, 90, 30, 90)]


def altered(texts: list[str], dice: random.Random, *, share: float) -> list[str]:
    """Return a conversation with a share of its words replaced."""
    return [
        " ".join(dice.choice(VOCABULARY) if dice.random() < share else word for word in text.split()) for text in texts
    ]


def test_conversations_with_three_in_a_hundred_words_replaced_are_found(tmp_path: Path) -> None:
    """Of 400 planted near duplicates at least 99 % are left out, and nothing else; the first stays."""
    dice = random.Random(0)  # noqa: S311 - reproducible, not secret
    originals = [conversation(dice) for _ in range(1500)]
    planted = [altered(texts, dice, share=0.03) for texts in originals[:400]]
    path = write(tmp_path / "train.jsonl", originals + planted)
    found = near_duplicates(path, threshold=0.7)
    assert len(found.lines) >= 0.99 * len(planted)
    assert all(twin.kept == twin.line - len(originals) and twin.similarity >= 0.7 for twin in found.twins)


def test_it_does_not_depend_on_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process or two: the same rows."""
    monkeypatch.setattr(duplicates, "WORTH_PROCESSES", 0)
    dice = random.Random(1)  # noqa: S311 - reproducible, not secret
    originals = [conversation(dice) for _ in range(300)]
    path = write(tmp_path / "train.jsonl", originals + [altered(texts, dice, share=0.03) for texts in originals[:50]])
    assert near_duplicates(path, threshold=0.7, workers=2) == near_duplicates(path, threshold=0.7)


def test_only_rows_with_a_twin_that_stays_are_left_out(tmp_path: Path) -> None:
    """In a chain where each is like the next, but the first not like the last, the last has no twin and stays."""
    words = VOCABULARY[:100]
    chain = [[" ".join(words[start : start + 60]), "yes"] for start in (0, 10, 20)]
    found = near_duplicates(write(tmp_path / "train.jsonl", chain), threshold=0.6)
    assert [(twin.line, twin.kept) for twin in found.twins] == [(1, 0)]


def test_what_people_say_alike_is_alike(tmp_path: Path) -> None:
    """Case, punctuation and system messages make no difference; rows without words are never twins."""
    path = write(
        tmp_path / "train.jsonl", [["Hi there!", "Hello."], ["hi there", "hello"], ["?", "!"], ["?!", "\U0001f600"]]
    )
    assert near_duplicates(path, threshold=0.9).lines == {1}
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    rows[1]["messages"].insert(0, {"role": "system", "content": "You are a pirate."})
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    assert near_duplicates(path, threshold=0.9).lines == {1}


def test_boilerplate_does_not_make_it_slow(tmp_path: Path) -> None:
    """Rows that all share half of their text are each compared with few others, and all stay."""
    dice = random.Random(2)  # noqa: S311 - reproducible, not secret
    common = " ".join(dice.choices(VOCABULARY, k=100))
    path = write(
        tmp_path / "train.jsonl", [[f"{common} {text}", "yes"] for text, *_ in (conversation(dice) for _ in range(600))]
    )
    assert near_duplicates(path, threshold=0.9) == NearDuplicates((), ())


@pytest.mark.parametrize(("threshold", "size"), [(0.5, 2), (0.7, 4), (0.9, 8)])
def test_bands_are_as_wide_as_recall_allows(threshold: float, size: int) -> None:
    """The most minima that still propose 99 % of the pairs at the threshold."""
    assert band_size(threshold) == size


def test_an_empty_file_has_none(tmp_path: Path) -> None:
    """Nothing in, nothing out."""
    path = tmp_path / "train.jsonl"
    path.touch()
    assert near_duplicates(path, threshold=0.7) == NearDuplicates((), ())
