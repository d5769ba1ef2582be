"""Files, folders, patterns and packages as sources, and how they are cut into shards."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mlops.datasets.readers import cut
from mlops.datasets.readers.read import read
from mlops.datasets.settings import DataSettings
from mlops.datasets.sources.shard import Shard
from mlops.datasets.sources.source import open_source
from mlops.errors import DataError

ROWS = [{"messages": [{"role": "user", "content": f"né {number}"}]} for number in range(30)]


def settings(source: object, **changes: object) -> DataSettings:
    """Return data settings for a source."""
    sizes = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 5}
    return DataSettings(**(sizes | {"source": str(source), "max_quarantine_percentage": 1} | changes))


def lines(rows: list[dict[str, object]] = ROWS) -> bytes:
    """Return rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def numbered(shards: Iterable[Shard]) -> list[tuple[int, object]]:
    """Return every row of some shards with its number."""
    batches = [batch for shard in shards for batch in read(shard, columns=None, wanted=lambda _: True)]
    return [pair for batch in batches for pair in batch.rows]


def parquet() -> bytes:
    """Return the rows as parquet, in row groups of 7."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer, row_group_size=7)
    return buffer.getvalue()


FILES = {
    "chats.jsonl": lines(),
    "chats.ndjson": lines().replace(b"\n", b"\r\n"),
    "bom.jsonl": b"\xef\xbb\xbf" + lines(),
    "chats.jsonl.gz": gzip.compress(lines()),
    "two.jsonl.gz": gzip.compress(lines(ROWS[:9])) + gzip.compress(lines(ROWS[9:])),
    "chats.jsonl.zst": zstandard.compress(lines()),
    "chats.json": json.dumps(ROWS, indent=2).encode(),
    "ascii.json": b"\xef\xbb\xbf  " + json.dumps(ROWS).encode(),
    "lines.json": lines(),
    "chats.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "chats.parquet": parquet(),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_yields_the_same_rows(tmp_path: Path, name: str) -> None:
    """JSON Lines, an array, parquet; plain, gzip, zstd; with a byte order mark or Windows' line ends."""
    (tmp_path / name).write_bytes(FILES[name])
    source = open_source(settings(tmp_path / name), cache=tmp_path)
    assert numbered(source.files) == list(enumerate(ROWS, start=1))
    assert {shard.file for shard in source.files} == {name}


@pytest.mark.parametrize(("name", "delimiter"), [("chats.csv", ","), ("chats.tsv", "\t")])
def test_a_table_has_one_row_a_record(tmp_path: Path, name: str, delimiter: str) -> None:
    """Cells are text and may have several lines; the header is not a row."""
    table = [["prompt", "response"], ["Hello?", '"Hi,\nyou"'], ["", "x"]]
    (tmp_path / name).write_text("\n".join(delimiter.join(cells) for cells in table), encoding="utf-8-sig")
    expected = [(1, {"prompt": "Hello?", "response": "Hi,\nyou"}), (2, {"prompt": "", "response": "x"})]
    assert numbered(open_source(settings(tmp_path / name), cache=tmp_path).files) == expected


def test_chitchat_is_in_its_package(tmp_path: Path) -> None:
    """7,168 human conversations, their license and the version of the package."""
    source = open_source(settings("chitchat"), cache=tmp_path)
    assert (source.license, source.revision) == ("MIT", "0.9.0")
    assert len(numbered(source.files)) == 7168


@pytest.mark.parametrize("name", ["chats.jsonl", "bom.jsonl", "chats.ndjson", "chats.parquet"])
def test_a_large_file_feeds_several_workers(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere: no row is lost or read twice, and each keeps the number it has in the file."""
    (tmp_path / name).write_bytes(FILES[name])
    for size in (1, 50, 64, 700, 1 << 20):
        monkeypatch.setattr(cut, "SHARD_BYTES", size)
        monkeypatch.setattr(cut, "PIECE", min(size, 8))
        [whole] = open_source(settings(tmp_path / name), cache=tmp_path).files
        shards = cut.cut(whole)
        assert numbered(shards) == list(enumerate(ROWS, start=1))
        assert len(shards) > 1 or size > 700
        assert pickle.loads(pickle.dumps(shards)) == shards  # noqa: S301 - as they go to workers


def test_folders_and_patterns(tmp_path: Path) -> None:
    """The files below a folder, or those that match; names are relative to the folder."""
    for name in ("train/a.jsonl", "train/b.jsonl", "test/a.jsonl", "README.md", ".cache/x.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(lines())
    folder = open_source(settings(tmp_path), cache=tmp_path)
    expected = [("test/a.jsonl", "test"), ("train/a.jsonl", "train"), ("train/b.jsonl", "train")]
    assert [(shard.file, shard.split) for shard in folder.files] == expected
    pattern = open_source(settings(tmp_path / "train" / "*.jsonl"), cache=tmp_path)
    assert [shard.path.name for shard in pattern.files] == ["a.jsonl", "b.jsonl"]
    assert len(open_source(settings(tmp_path / "**" / "a.jsonl"), cache=tmp_path).files) == 2
    only = open_source(settings(tmp_path, splits={"train": "test"}), cache=tmp_path)
    assert [(shard.file, shard.split) for shard in only.files] == [("test/a.jsonl", "train")]


@pytest.mark.parametrize("base", [".hidden", "test-bench/x", "a [draft]"])
def test_where_a_pattern_stands_says_nothing_of_its_files(
    tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a hidden folder above nor a split's word in it counts; a relative pattern is as good, and a folder."""
    folder = tmp_path / base / "data"
    (folder / "2024-01").mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl"):
        (folder / "2024-01" / name).write_bytes(lines())
    monkeypatch.chdir(folder)
    written = [
        folder / "2024-01",
        "../data/2024-01/*.jsonl",
        "2024-*",
        *([folder / "*" / "*"] if "[" not in base else []),
    ]
    for pattern in written:
        files = open_source(settings(pattern), cache=tmp_path).files
        assert [(Path(shard.file).name, shard.split) for shard in files] == [("a.jsonl", None), ("b.jsonl", None)]


def test_links_are_followed(tmp_path: Path) -> None:
    """A split may be elsewhere; a link that leads back is no second copy, one that leads nowhere is named."""
    for name in ("here/train/a.jsonl", "elsewhere/b.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(lines())
    (tmp_path / "here" / "test").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "train" / "back").symlink_to(tmp_path / "here")
    found = open_source(settings(tmp_path / "here"), cache=tmp_path).files
    assert [(shard.file, shard.split) for shard in found] == [("test/b.jsonl", "test"), ("train/a.jsonl", "train")]
    (tmp_path / "here" / "train" / "c.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(DataError, match=r"c.jsonl is a link to .*gone.jsonl, which is not there: get it, or delete"):
        open_source(settings(tmp_path / "here"), cache=tmp_path)


def test_names_and_readmes_of_other_encodings_are_no_obstacle(tmp_path: Path) -> None:
    """A name out of an old archive is shown with its bytes; what the data is does not depend on it."""
    (tmp_path / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(lines())
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\n---\ncaf\xe9")
    source = open_source(settings(tmp_path), cache=tmp_path)
    assert (source.license, [shard.file for shard in source.files]) == ("mit", ["caf\\xe9.jsonl"])
    assert numbered(source.files) == list(enumerate(ROWS, start=1))


def test_a_clone_of_a_data_set_is_read_by_its_readme(tmp_path: Path) -> None:
    """The YAML at the head of README.md says the splits and the license, as on the Hub."""
    (tmp_path / "x.jsonl").write_bytes(lines())
    (tmp_path / "README.md").write_text(
        "---\nlicense: cc0-1.0\nconfigs:\n- data_files:\n  - {split: train, path: x.jsonl}\n---\n"
    )
    source = open_source(settings(tmp_path), cache=tmp_path)
    assert (source.license, [shard.split for shard in source.files]) == ("cc0-1.0", ["train"])


def test_a_data_asset_is_a_folder_once_it_is_downloaded(tmp_path: Path) -> None:
    """Whoever may speak to Azure downloads it first; its version is the revision."""
    (tmp_path / "train.jsonl").write_bytes(lines())
    with pytest.raises(DataError, match=r"data.source azureml:chats:3: a data asset must be downloaded before"):
        open_source(settings("azureml:chats:3"), cache=tmp_path)
    source = open_source(settings("azureml:chats:3"), cache=tmp_path, asset=tmp_path)
    assert (source.name, source.revision, source.files[0].file) == ("azureml:chats:3", "3", "train.jsonl")


def test_the_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    """A resumed run trusts what it finished only while the files are the same."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines())
    first = open_source(settings(path), cache=tmp_path).fingerprint
    assert open_source(settings(path), cache=tmp_path).fingerprint == first
    path.write_bytes(lines()[:-1])
    assert open_source(settings(path), cache=tmp_path).fingerprint != first


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("nowhere.jsonl", None, r"nowhere.jsonl: No such file or directory; give `hub:OWNER/NAME@REVISION`"),
        ("~nobody-of-that-name/chats.jsonl", None, r"Could not determine home directory.*; give `hub:"),
        ("x" * 5000, None, r"File name too long"),
        ("chats.docx", b"x", r"chats.docx is of no format that can be read; give jsonl, json, csv, tsv or parquet"),
        ("half.parquet", parquet()[:-20], r"half.parquet is no Parquet file, or not all of it"),
        ("a.jsonl.gz", b"not gzip", r"a.jsonl.gz: the compressed data breaks off .* at its beginning"),
        ("a.jsonl", "[{}]".encode("utf-16"), r"a.jsonl is UTF-16; save it as UTF-8"),
        ("a.csv", b"a,b,a\n1,2,3\n", r"a.csv: its header names a twice"),
        ("a.csv", "prompt,réponse\n1,2\n".encode("latin-1"), r"a.csv: its header is not UTF-8; save it as UTF-8"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    """The user's mistake, in the user's words."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        numbered(open_source(settings(name if name.startswith("~") else tmp_path / name), cache=tmp_path).files)
