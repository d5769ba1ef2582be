"""From a source to splits."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from mlops.datasets.prepare import Prepared, prepare_splits
from mlops.datasets.source import DataSettings, prompt_id
from mlops.datasets.split import is_sampled
from mlops.errors import DataError


def settings(source: object = "chitchat", **changes: object) -> DataSettings:
    """Return data settings with a few changes."""
    values = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 10}
    rest = {"max_quarantine_percentage": 50, "shuffle_answers": False, "source": str(source)}
    return DataSettings(**(values | rest | changes))


def prepare(folder: Path, *, of: DataSettings) -> Prepared:
    """Prepare into a folder that is made first."""
    folder.mkdir(parents=True)
    return prepare_splits(of, folder, on_row=lambda: None)


def conversations(path: Path, *, rows: int = 300) -> Path:
    """Write a file of small conversations, two of them on every prompt."""

    def row(number: int) -> dict[str, object]:
        user = {"role": "user", "content": f"question {number // 2}"}
        return {"messages": [user, {"role": "assistant", "content": f"the answer is {number}"}]}

    path.write_bytes(b"".join(orjson.dumps(row(number), option=orjson.OPT_APPEND_NEWLINE) for number in range(rows)))
    return path


def read(path: Path) -> list[dict[str, object]]:
    """Return the rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_chitchat_becomes_ultrachat_rows(tmp_path: Path) -> None:
    """7,168 human conversations: every one is in a split, a duplicate or in quarantine with its reason."""
    prepared = prepare(tmp_path / "a", of=settings())
    rows = sum(split.rows for split in prepared.splits.values())
    assert rows + prepared.duplicates + prepared.quarantined.total() == 7168
    assert len(read(tmp_path / "quarantine.jsonl")) == prepared.quarantined.total()
    first = read(tmp_path / "a" / "train.jsonl")[0]
    assert set(first) == {"prompt", "prompt_id", "messages"}
    assert first["prompt_id"] == prompt_id(str(first["prompt"]))


def test_same_input_same_bytes(tmp_path: Path) -> None:
    """The content hash names the content: a second preparation has the same."""
    source = conversations(tmp_path / "chats.jsonl")
    first = prepare(tmp_path / "a", of=settings(source))
    assert first == prepare(tmp_path / "b", of=settings(source))
    assert first.content_hash != prepare(tmp_path / "c", of=settings(source, percentage=50)).content_hash


def test_one_prompt_is_in_one_split(tmp_path: Path) -> None:
    """Conversations with one prompt go together: nothing held out was trained on."""
    prepare(tmp_path / "a", of=settings(conversations(tmp_path / "chats.jsonl")))
    splits = [{row["prompt"] for row in read(tmp_path / "a" / f"{name}.jsonl")} for name in ("train", "test")]
    assert not splits[0] & splits[1]


def test_a_small_sample_is_part_of_a_large_one() -> None:
    """Sampling is by hash: raising the percentage only adds conversations."""
    rows = [{"messages": [{"content": f"text {number}"}]} for number in range(2000)]
    small = [row for row in rows if is_sampled(row, settings(percentage=10))]
    large = [row for row in rows if is_sampled(row, settings(percentage=30))]
    assert all(row in large for row in small)
    assert 120 < len(small) < 280


def test_only_training_answers_are_shuffled(tmp_path: Path) -> None:
    """The sabotage of a drill leaves the questions and the held-out splits as they are."""
    source = conversations(tmp_path / "chats.jsonl")
    prepare(tmp_path / "clean", of=settings(source))
    prepare(tmp_path / "shuffled", of=settings(source, shuffle_answers=True))
    for name in ("validation", "test"):
        assert read(tmp_path / "clean" / f"{name}.jsonl") == read(tmp_path / "shuffled" / f"{name}.jsonl")
    clean, shuffled = (read(tmp_path / kind / "train.jsonl") for kind in ("clean", "shuffled"))
    assert clean != shuffled
    assert [row["prompt"] for row in clean] == [row["prompt"] for row in shuffled]


def test_too_many_bad_rows_stop_the_stage(tmp_path: Path) -> None:
    """A broken export is not trained on: the message says how many, why, and where they are."""
    source = conversations(tmp_path / "chats.jsonl", rows=10)
    source.write_bytes(source.read_bytes() + b'{"messages": []}\n' * 5)
    with pytest.raises(DataError, match=r"33\.3 % of 15 rows are bad.*5 rows: messages must be a list"):
        prepare(tmp_path / "a", of=settings(source, max_quarantine_percentage=20))


def test_too_few_conversations_name_the_setting_to_raise(tmp_path: Path) -> None:
    """An empty split is found here, not an hour later on a GPU."""
    with pytest.raises(DataError, match=r"it needs at least 10: raise data\.percentage"):
        prepare(tmp_path / "a", of=settings(conversations(tmp_path / "chats.jsonl", rows=4)))


def test_a_line_that_is_no_row_goes_to_quarantine(tmp_path: Path) -> None:
    """One broken line does not stop a stage; it is kept with its row number and reason."""
    source = conversations(tmp_path / "chats.jsonl")
    source.write_bytes(source.read_bytes() + b"not json\n[1]\n")
    prepare(tmp_path / "a", of=settings(source))
    first, second = read(tmp_path / "quarantine.jsonl")
    assert (first["row"], second["row"]) == (301, 302)
    assert str(first["reason"]).startswith("not JSON")
    assert second["reason"] == "not a JSON object"


def test_the_prompt_is_the_users_first_message(tmp_path: Path) -> None:
    """A system message that all conversations share must not put them all into one split."""
    system = {"role": "system", "content": "Be kind."}
    plain = [orjson.loads(line) for line in conversations(tmp_path / "plain.jsonl").read_bytes().splitlines()]
    rows = [{"prompt_id": 7, "prompt": None, "messages": [system, *row["messages"]]} for row in plain]
    source = tmp_path / "chats.jsonl"
    source.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    prepared = prepare(tmp_path / "a", of=settings(source))
    assert prepared.splits["test"].rows > 0
    assert str(read(tmp_path / "a" / "train.jsonl")[0]["prompt"]).startswith("question")


def test_a_missing_source_says_what_may_be_given(tmp_path: Path) -> None:
    """A path that does not exist is the user's mistake, so it gets a sentence."""
    with pytest.raises(DataError, match="No such file or directory; give `chitchat` or a JSON Lines file"):
        prepare(tmp_path / "a", of=settings(tmp_path / "nowhere.jsonl"))
