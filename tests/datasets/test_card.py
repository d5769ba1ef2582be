"""The facts of a data card."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from mlops.datasets import card
from mlops.datasets.card import DataCard, describe
from mlops.datasets.merge import PreparedSplit
from mlops.datasets.overlap.overlap import Example, Leak
from mlops.datasets.prepare import Counts, Prepared
from mlops.datasets.settings import DataSettings

SETTINGS = DataSettings(
    source="chitchat", percentage=100, seed=0, validation_percentage=5, test_percentage=10, max_quarantine_percentage=50
)


def conversation(number: int) -> dict[str, object]:
    """Return a conversation with a system message, an address, and as many turns as its number has digits."""
    turns = [
        {"role": "user", "content": f"What is the number after {number}, please?"},
        {"role": "assistant", "content": f"The number after it is {number + 1}. Write to a@b.example.com"},
    ]
    return {"prompt_id": "", "messages": [{"role": "system", "content": "Count."}, *turns * len(str(number))]}


def prepared(folder: Path, *, rows: int) -> Prepared:
    """Write three splits and return what `prepare` would say of them."""
    folder.mkdir()
    sizes = {"train": rows, "validation": 10, "test": 20}
    for name, size in sizes.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(conversation(i)) + b"\n" for i in range(size)))
    return Prepared(
        splits={name: PreparedSplit(size, "0" * 64) for name, size in sizes.items()},
        content_hash="0" * 64,
        counts=Counts(
            read=rows + 40,
            accepted=rows + 35,
            quarantined={"empty-text": 2},
            duplicates=1,
            sampled_out=2,
            contaminated=3,
            near_duplicates=2,
        ),
        source="numbers",
        revision=None,
        license="MIT",
        columns="messages",
        settings_hash="1" * 64,
        contaminated_by={"test.jsonl": 3},
        leaks=(Leak("test.jsonl", "the number after it", "What is"),),
        near_duplicate_examples=(Example("a b c", "a b d", 0.9),),
    )


def test_what_is_exact_is_counted_over_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns, characters and personal data are exact even where only a few rows are measured."""
    monkeypatch.setattr(card, "SAMPLE", 50)
    found = describe(prepared(tmp_path / "data", rows=300), tmp_path / "data", SETTINGS, tokenizer=None)
    train = found.splits[0]
    assert train.turns == {3: 10, 5: 90, 7: 200}
    assert train.messages == 30 + 450 + 1400
    assert train.characters["system"] == 300 * len("Count.")
    assert train.lengths.num_measured == 50
    assert found.personal == {"EMAIL": (10 + 180 + 600) + 10 + (10 + 20)}
    assert list(found.languages) == ["en"]
    most_first = sorted(found.ngrams[4].items(), key=lambda item: (-item[1], item[0]))
    assert list(found.ngrams[4].items()) == most_first  # whatever order Python's hashes give
    assert "number after it is" in found.ngrams[4]
    assert found.examples[0].messages[0].content == "Count."


def test_what_is_personal_is_counted_masked_or_not(tmp_path: Path) -> None:
    """A placeholder is what stood there."""
    made, folder = prepared(tmp_path / "data", rows=12), tmp_path / "data"
    plain = describe(made, folder, SETTINGS, tokenizer=None)
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("a@b.example.com", "<EMAIL>"))
    masked = describe(made, folder, SETTINGS.model_copy(update={"mask": True}), tokenizer=None)
    assert masked.personal == plain.personal == {"EMAIL": (10 + 2 * 2) + 10 + (10 + 2 * 10)}


def test_the_same_data_has_the_same_card(tmp_path: Path) -> None:
    """The sample is seeded, and a card survives being written and read."""
    made = prepared(tmp_path / "data", rows=60)
    first, second = (describe(made, tmp_path / "data", SETTINGS, tokenizer=None) for _ in range(2))
    assert first == second
    assert DataCard.model_validate_json(first.model_dump_json()) == first


def test_every_row_has_a_fate(tmp_path: Path) -> None:
    """What was read adds up to what is in the splits and what was left out."""
    made = prepared(tmp_path / "data", rows=60)
    found = describe(made, tmp_path / "data", SETTINGS, tokenizer=None)
    assert set(found.fates) >= {"train", "near duplicate", "exact duplicate", "quarantine: empty-text"}
    assert found.roles == ["assistant", "system", "user"]


def test_long_texts_are_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example shows how it begins and says how much more there is."""
    monkeypatch.setattr(card, "MOST_CHARACTERS", 4)
    monkeypatch.setattr(card, "MOST_MESSAGES", 2)
    found = describe(prepared(tmp_path / "data", rows=12), tmp_path / "data", SETTINGS, tokenizer=None)
    assert found.examples[0].messages[0].content == "Coun\u2026 (2 more characters)"
    assert found.examples[0].num_more in {1, 3}
