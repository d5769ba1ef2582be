"""From a source to splits: the same bytes whatever the machine does, and every row accounted for."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops.datasets.columns import prompt_id
from mlops.datasets.prepare import prepare_splits
from mlops.datasets.sample import Sample
from mlops.errors import DataError
from tests.benchmarks.ultrachat import Row
from tests.datasets.preparation import NAMES, as_lines, chat, chats, prepare, read, settings, written


def expected(content: list[Row], taken: Sample) -> Counter[str]:
    """Return the rows that should be prepared, by a few lines that know nothing of shards and keys."""
    good = [
        row
        for row in content
        if [m["role"] for m in row["messages"]] == ["user", "assistant"] * (len(row["messages"]) // 2)
    ]
    sampled = [row for row in good if taken.takes(row["prompt"])]
    return Counter({orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode(): 1 for row in sampled})


@pytest.mark.parametrize("percentage", [100, 30])
def test_the_splits_hold_what_the_source_holds(source: Path, tmp_path: Path, percentage: float) -> None:
    """Compared with the few lines that would do without memory, order and speed: the same conversations, each once."""
    of = settings(source, percentage=percentage)
    prepare(tmp_path, of)
    found = [row for name in NAMES for row in read(tmp_path / "data" / f"{name}.jsonl")]
    content = [row for path in sorted(source.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert Counter(orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode() for row in found) == expected(
        content, Sample.of(of)
    )


@pytest.mark.parametrize("size", [{"percentage": 100}, {"percentage": 5}, {"percentage": None, "rows": 333}])
def test_every_row_is_accounted_for(source: Path, tmp_path: Path, size: dict[str, object]) -> None:
    """Read = accepted + quarantined + duplicates + sampled out, and the accepted are in the files."""
    prepared = prepare(tmp_path, settings(source, **size))
    counts = prepared.counts
    quarantined = read(tmp_path / "quarantine.jsonl")
    assert counts.read == 1200
    assert counts.read == counts.accepted + len(quarantined) + counts.duplicates + counts.sampled_out
    assert counts.quarantined == Counter(row["reason"] for row in quarantined)
    lines = {name: read(tmp_path / "data" / f"{name}.jsonl") for name in NAMES}
    assert {name: split.rows for name, split in prepared.splits.items()} == {name: len(lines[name]) for name in NAMES}
    assert counts.accepted == sum(map(len, lines.values()))
    assert size.get("rows") in (None, counts.accepted)


def test_the_bytes_depend_on_nothing_but_rows_and_settings(source: Path, tmp_path: Path) -> None:
    """Three workers, files under other names in another order, rows spread over other files: identical."""
    of = settings(source, percentage=60)
    first = prepare(tmp_path / "one", of)
    several = prepare(tmp_path / "three", of.model_copy(update={"workers": 3}))
    assert several == first
    assert written(tmp_path / "three") == written(tmp_path / "one")
    content = [row for path in sorted(source.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    random.Random(1).shuffle(content)  # noqa: S311 - an order, not a secret
    for number in range(5):
        as_lines(tmp_path / "lines" / f"train-{number}.jsonl", content[number::5])
    other = prepare(tmp_path / "other", settings(tmp_path / "lines", percentage=60, workers=2))
    assert other.content_hash == first.content_hash
    assert other.splits == first.splits
    assert other.counts == first.counts


def test_small_runs_are_merged_in_several_passes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many sorted runs there are, few files are open at once; the result is the same."""
    first = prepare(tmp_path / "one", settings(source))
    monkeypatch.setattr("mlops.datasets.spool.RUN_BYTES", 10_000)
    monkeypatch.setattr("mlops.datasets.merge.MAX_RUNS", 7)
    assert prepare(tmp_path / "many", settings(source)) == first


def test_a_small_sample_is_part_of_a_large_one(source: Path, tmp_path: Path) -> None:
    """Sampling is by hash: raising the percentage only adds conversations, and seeds choose others."""
    found = {}
    for name, changes in {
        "small": {"percentage": 10},
        "large": {"percentage": 40},
        "other": {"percentage": 40, "seed": 1},
    }.items():
        prepare(tmp_path / name, settings(source, **changes))
        found[name] = {
            line for split in NAMES for line in (tmp_path / name / "data" / f"{split}.jsonl").read_bytes().splitlines()
        }
    assert found["small"] < found["large"]
    assert 60 < len(found["small"]) < 180
    assert 0.2 < len(found["large"] & found["other"]) / len(found["large"]) < 0.6


def test_rows_takes_exactly_so_many(source: Path, tmp_path: Path) -> None:
    """The rows taken are the first in the order of the hash: fewer rows are a part of more."""
    few, many = (prepare(tmp_path / str(n), settings(source, percentage=None, rows=n)) for n in (100, 500))
    assert (few.counts.accepted, many.counts.accepted) == (100, 500)
    few_lines, many_lines = (
        set((tmp_path / str(n) / "data" / "train.jsonl").read_bytes().splitlines()) for n in (100, 500)
    )
    assert few_lines < many_lines


def test_one_prompt_is_in_one_split(tmp_path: Path) -> None:
    """Conversations with one prompt go together, and a prompt the source itself holds out is not trained on."""
    content = chats(300)
    as_lines(tmp_path / "source" / "train.jsonl", content)
    as_lines(
        tmp_path / "source" / "test.jsonl", [chat("question 7", "yet another"), chat("question 7", "the answer is 14")]
    )
    prepared = prepare(tmp_path, settings(tmp_path / "source"))
    prompts = {name: {row["prompt"] for row in read(tmp_path / "data" / f"{name}.jsonl")} for name in NAMES}
    assert prompts["test"] == {"question 7"}
    assert not prompts["train"] & (prompts["test"] | prompts["validation"])
    assert prompts["validation"], "cut from train, as the source has none"
    assert prepared.counts.contaminated == 2
    assert prepared.counts.accepted - 2 == sum(split.rows for split in prepared.splits.values())


def test_the_hashes_are_those_of_the_files(source: Path, tmp_path: Path) -> None:
    """What is recorded is what was written: the data set's hash is over its splits' hashes."""
    prepared = prepare(tmp_path, settings(source))
    for name in NAMES:
        content = (tmp_path / "data" / f"{name}.jsonl").read_bytes()
        assert prepared.splits[name].sha256 == hashlib.sha256(content).hexdigest()
    assert orjson.loads((tmp_path / "prepared.json").read_bytes()) == orjson.loads(orjson.dumps(asdict(prepared)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "prepared.json", "quarantine.jsonl"]


def test_only_training_answers_are_shuffled(tmp_path: Path) -> None:
    """The sabotage of a drill leaves the questions and the held-out splits as they are."""
    source = as_lines(tmp_path / "chats.jsonl", chats(300))
    prepare(tmp_path / "clean", settings(source))
    prepare(tmp_path / "shuffled", settings(source, shuffle_answers=True))
    for name in ("validation", "test"):
        clean, shuffled = ((tmp_path / kind / "data" / f"{name}.jsonl").read_bytes() for kind in ("clean", "shuffled"))
        assert clean == shuffled
    before, after = (read(tmp_path / kind / "data" / "train.jsonl") for kind in ("clean", "shuffled"))
    assert before != after
    assert [row["prompt"] for row in before] == [row["prompt"] for row in after]


def test_near_duplicates_and_leaks_are_left_out_of_train(tmp_path: Path) -> None:
    """What is nearly the same twice, or shares words with what is held out, is not trained on; it is counted."""
    words = [f"word{number}" for number in range(400)]
    answer = " ".join(words[:200])
    content = [*chats(100), chat("tell me a story", answer), chat("tell me the story", answer)]
    as_lines(tmp_path / "source" / "train.jsonl", [*content, chat("and this too", " ".join(words[300:330]))])
    as_lines(tmp_path / "source" / "test.jsonl", [chat("held out", " ".join(words[290:340]))])
    of = settings(tmp_path / "source", near_duplicates=0.8, contamination={"ngram": 13})
    prepared = prepare(tmp_path, of)
    assert (prepared.counts.near_duplicates, prepared.counts.contaminated) == (1, 1)
    train = read(tmp_path / "data" / "train.jsonl")
    assert len(train) == prepared.splits["train"].rows
    assert "and this too" not in {row["prompt"] for row in train}


def test_personal_data_is_masked_before_anything_is_written(tmp_path: Path) -> None:
    """Neither the text nor the hash of the prompt tells the address."""
    content = [*chats(100), chat("write to jane.doe@contoso.com", "done")]
    prepare(tmp_path, settings(as_lines(tmp_path / "chats.jsonl", content), mask=True))
    lines = [row for name in NAMES for row in read(tmp_path / "data" / f"{name}.jsonl")]
    masked = next(row for row in lines if row["prompt"].startswith("write to"))
    assert "jane" not in orjson.dumps(masked).decode()
    assert masked["prompt_id"] == prompt_id(masked["prompt"])


def test_quarantine_says_where_and_why(tmp_path: Path) -> None:
    """A bad row is kept with its file, row, reason and how it begins, in the source's order."""
    path = as_lines(tmp_path / "chats.jsonl", chats(40))
    path.write_bytes(path.read_bytes() + b"not json\n" + orjson.dumps({"messages": [], "x": "y" * 1000}) + b"\n[1]\n")
    prepare(tmp_path, settings(path))
    found = read(tmp_path / "quarantine.jsonl")
    assert [(row["file"], row["row"]) for row in found] == [
        ("chats.jsonl", 41),
        ("chats.jsonl", 42),
        ("chats.jsonl", 43),
    ]
    assert all(set(row) == {"file", "row", "reason", "message", "value"} for row in found)
    assert max(len(row["value"]) for row in found) == 200


def test_too_many_bad_rows_stop_the_stage(tmp_path: Path) -> None:
    """A broken export is not trained on: the message says how many, why, and where they are."""
    path = as_lines(tmp_path / "chats.jsonl", [*chats(10), *([{"messages": []}] * 5)])
    with pytest.raises(
        DataError, match=r"33\.3 % of 15 rows are bad.*= 20 allows \(5 rows no-messages\).*quarantine\.jsonl"
    ):
        prepare(tmp_path, settings(path, max_quarantine_percentage=20))
    assert not (tmp_path / "data").exists()


def test_a_file_that_breaks_off_ends_the_stage(tmp_path: Path) -> None:
    """Half a download is one bad row and a thousand lost ones: it is named, whatever is sampled."""
    path = tmp_path / "chats.jsonl.gz"
    path.write_bytes(gzip.compress(as_lines(tmp_path / "chats", chats(4000)).read_bytes())[:-2000])
    with pytest.raises(
        DataError, match=r"chats\.jsonl\.gz, row \d+: the compressed data breaks off .* Get the file again"
    ):
        prepare(tmp_path, settings(path, percentage=10, max_quarantine_percentage=99))
    assert not (tmp_path / "data").exists()
    prepared = prepare(tmp_path, settings(path, percentage=None, rows=100, max_quarantine_percentage=100))
    assert prepared.counts.quarantined == {"broken-file": 1}


def test_what_is_in_quarantine_is_masked(tmp_path: Path) -> None:
    """A bad row is shown to people, and goes where the report goes."""
    bad = {"messages": [{"role": "user", "content": "write to jane.doe@contoso.com"}]}
    path = as_lines(tmp_path / "chats.jsonl", [*chats(40), bad])
    for mask, is_shown in ((True, False), (False, True)):
        prepare(tmp_path, settings(path, mask=mask))
        [row] = read(tmp_path / "quarantine.jsonl")
        assert ("jane.doe" in row["value"], "<EMAIL>" in row["value"]) == (is_shown, not is_shown)


def test_what_is_nested_a_thousand_times_is_one_bad_row(tmp_path: Path) -> None:
    """It cannot even be shown."""
    path = as_lines(tmp_path / "chats.jsonl", chats(40))
    path.write_bytes(path.read_bytes() + b'{"messages": ' + b"[" * 900 + b"]" * 900 + b"}\n")
    assert prepare(tmp_path, settings(path)).counts.quarantined == {"not-a-message": 1}


def test_which_file_comes_first_does_not_decide_what_a_conversation_is(tmp_path: Path) -> None:
    """Alpaca's input stands in one file only: under either name, nothing of it is lost, and the bytes are the same."""
    plain = [{"instruction": f"Say {number}", "output": f"{number}"} for number in range(100)]
    asked = [row | {"instruction": f"Translate {row['output']}", "input": "Bonjour"} for row in plain]
    prepared = []
    for number, (first, second) in enumerate(((plain, asked), (asked, plain))):
        folder = tmp_path / f"{number}"
        as_lines(folder / "chats" / "a.jsonl", first)
        as_lines(folder / "chats" / "b.jsonl", second)
        prepared.append(prepare(folder, settings(folder / "chats")))
        kept = [row for name in NAMES for row in read(folder / "data" / f"{name}.jsonl")]
        assert sum("Bonjour" in row["prompt"] for row in kept) == 100
    assert prepared[0].content_hash == prepared[1].content_hash


@pytest.mark.parametrize("beginning", [[{"name": "chats", "version": 1}], [{"messages": []}] * 300])
def test_a_beginning_without_a_conversation_is_passed_over(tmp_path: Path, beginning: list[Row]) -> None:
    """A description beside the data, or a few hundred empty rows, are bad rows like others."""
    as_lines(tmp_path / "chats" / "a.jsonl", beginning + chats(40))
    as_lines(tmp_path / "chats" / "b.jsonl", chats(400)[100:])
    as_lines(tmp_path / "chats" / "about.json", [{"name": "chats"}])
    prepared = prepare(tmp_path, settings(tmp_path / "chats", max_quarantine_percentage=60))
    assert prepared.counts.quarantined == {"no-messages": len(beginning) + 1}


def test_files_may_hold_conversations_in_other_columns(tmp_path: Path) -> None:
    """One shape is chosen; the rows of the others are in quarantine, whatever their format and the processes."""
    turns = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]
    for name, content in (
        ("a", [row | {"prompt": row["messages"][0]["content"]} for row in chats(60)]),
        ("b", chats(80)[60:]),
    ):
        pq.write_table(pa.Table.from_pylist(content), (tmp_path / f"{name}.parquet"))
    pq.write_table(pa.Table.from_pylist([{"messages": turns}] * 5), tmp_path / "c.parquet")
    prepared = prepare(tmp_path / "out", settings(tmp_path / "*.parquet", workers=2))
    assert (prepared.counts.accepted, prepared.counts.quarantined) == (80, {"not-a-message": 5})


def test_too_few_conversations_name_the_setting_to_raise(tmp_path: Path) -> None:
    """An empty split is found here, not an hour later on a GPU."""
    with pytest.raises(DataError, match=r"it needs at least 10: raise data\.percentage or data\.rows \(of 40 rows"):
        prepare(tmp_path, settings(as_lines(tmp_path / "chats.jsonl", chats(40)), percentage=5))
    few = r"train split has \d conversations, .* give more conversations \(of 4 rows 0 are bad, 0 duplicates, 0 not in"
    with pytest.raises(DataError, match=few):
        prepare(tmp_path, settings(as_lines(tmp_path / "chats.jsonl", chats(4))))


def test_progress_says_how_far_it_is(source: Path, tmp_path: Path) -> None:
    """A line per shard: which of how many, rows so far and rows a second."""
    said: list[str] = []
    prepare_splits(settings(source), tmp_path / "data", cache=tmp_path / "cache", show=said.append)
    assert "conversations read" in said[-1]
    assert said[-1].startswith(f"shard {len(said)} of {len(said)}: 1,200 ")


def test_chitchat_becomes_ultrachat_rows(tmp_path: Path) -> None:
    """7,168 human conversations: every one is in a split, a duplicate or in quarantine with its reason."""
    counts = prepare(tmp_path, settings("chitchat")).counts
    assert counts.read == 7168 == counts.accepted + counts.duplicates + sum(counts.quarantined.values())
    first = read(tmp_path / "data" / "train.jsonl")[0]
    assert list(first) == ["prompt", "prompt_id", "messages"]
    assert first["prompt_id"] == prompt_id(first["prompt"])
