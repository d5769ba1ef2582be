"""Which files make up which split."""

from __future__ import annotations

import pytest

from mlops.datasets.sources.listing import Listing, choose, format_of
from mlops.errors import DataError

ULTRACHAT = (
    ".gitattributes",
    "README.md",
    "data/test_gen-00000-of-00001-3d4cd8309148a71f.parquet",
    "data/test_sft-00000-of-00001-f7dfac4afe5b93f4.parquet",
    "data/train_gen-00000-of-00003-a6c9fb894be3e50b.parquet",
    "data/train_sft-00000-of-00003-a3ecf92756993583.parquet",
    "data/train_sft-00001-of-00003-0a1804bcb6ae68c6.parquet",
)


@pytest.mark.parametrize(
    ("files", "split_names"),
    [
        (("train.jsonl", "test.jsonl"), {"train", "test"}),
        (("train.jsonl.gz", "dev.jsonl.zst"), {"train", "validation"}),
        (("data/train/0.parquet", "data/val/0.parquet"), {"train", "validation"}),
        (("train-1.json", "train-2.json", "evaluation.json"), {"train", "test"}),
        (("train_sft.jsonl", "test_sft.jsonl"), {"train", "test"}),
        (("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"), {"train"}),
        (("chats.csv", "more.tsv", "notes.txt"), {None}),
        (("contest.jsonl", "restrained.jsonl"), {None}),
        (("chats.train.jsonl", "chats.test.jsonl.gz", "chats.v1.dev.csv"), {"train", "test", "validation"}),
        (("train/part-00000-of-00002.jsonl", "test/part-00000-of-00001.jsonl"), {"train", "test"}),
        (("part-00000-of-00002.parquet", "part-00001-of-00002.parquet"), {None}),
    ],
)
def test_names_say_the_split(files: tuple[str, ...], split_names: set[str | None]) -> None:
    """The datasets library's conventions: a word in a file's name or in a folder's, alone or sharded."""
    assert set(choose(Listing("here", files), config=None, wanted={})) == split_names


def test_the_splits_of_ultrachat_are_told_apart_by_settings() -> None:
    """Four splits, two of them train: nothing is guessed, and what is not wanted is not chosen."""
    with pytest.raises(DataError, match=r"say in data.splits which is which, as \{train: SPLIT, test: SPLIT\}"):
        choose(Listing("here", ULTRACHAT), config=None, wanted={})
    chosen = choose(Listing("here", ULTRACHAT), config=None, wanted={"train": "train_sft", "test": "test_sft"})
    assert chosen == {"train": ULTRACHAT[5:], "test": ULTRACHAT[3:4]}


def test_a_file_of_no_split_beside_splits_is_not_dropped_silently() -> None:
    """Either all files have a split, or none, or the settings say which are meant."""
    listing = Listing("here", ("train.jsonl", "more.jsonl"))
    with pytest.raises(DataError, match=r"has files of no split \(1 files\), train \(1 files\)"):
        choose(listing, config=None, wanted={})
    assert choose(listing, config=None, wanted={"train": "train"}) == {"train": ("train.jsonl",)}


def test_shards_of_any_name_can_be_named() -> None:
    """Two names that are no split's: the settings say which is meant."""
    listing = Listing("here", ("creative-00000-of-00001.parquet", "formal-00000-of-00001.parquet"))
    with pytest.raises(DataError, match=r"here has creative \(1 files\), formal \(1 files\): say in data.splits"):
        choose(listing, config=None, wanted={})
    assert choose(listing, config=None, wanted={"train": "formal"}) == {"train": listing.files[1:]}


CONFIGS = [
    {"config_name": "small", "data_files": [{"split": "train", "path": ["s/a-*.jsonl", "s/b.jsonl"]}]},
    {"config_name": "large", "data_files": {"train": "l/*.jsonl"}},
    {"config_name": "flat", "data_files": "f.jsonl"},
    {"config_name": "folder", "data_dir": "l"},
]
FILES = ("f.jsonl", "l/train.jsonl", "s/a-1.jsonl", "s/a-2.jsonl", "s/b.jsonl", "s/c.jsonl", "s/deep/a-3.jsonl")


@pytest.mark.parametrize(
    ("config", "files"),
    [("small", FILES[2:5]), ("large", FILES[1:2]), ("flat", FILES[:1]), ("folder", FILES[1:2])],
)
def test_the_readme_has_the_last_word(config: str, files: tuple[str, ...]) -> None:
    """`configs: data_files` in each of its forms; a pattern does not reach into folders."""
    listing = Listing("here", FILES, {"configs": CONFIGS, "license": ["mit", "cc0-1.0"]})
    assert choose(listing, config=config, wanted={}) == {"train": files}
    assert listing.license == "mit, cc0-1.0"


def test_one_of_several_configurations_must_be_named() -> None:
    """Unless one is marked as the default, or is alone."""
    with pytest.raises(DataError, match="here has the configurations small, large, flat, folder: name one"):
        choose(Listing("here", FILES, {"configs": CONFIGS}), config=None, wanted={})
    marked = [CONFIGS[0], CONFIGS[1] | {"default": True}]
    assert choose(Listing("here", FILES, {"configs": marked}), config=None, wanted={}) == {"train": FILES[1:2]}
    assert choose(Listing("here", FILES, {"configs": CONFIGS[1:2]}), config=None, wanted={}) == {"train": FILES[1:2]}


def test_a_readme_that_is_not_quite_the_hubs() -> None:
    """What is no configuration is none, and a license is shown as it is written."""
    listing = Listing("here", ("a.jsonl",), {"configs": ["default"], "license": 1.0})
    assert choose(listing, config=None, wanted={}) == {None: ("a.jsonl",)}
    assert listing.license == "1.0"


def test_nothing_to_read_is_said() -> None:
    """A repository with a loading script and no data has no splits."""
    with pytest.raises(DataError, match=r"here has no files to read: they must end in \.jsonl, "):
        choose(Listing("here", ("load.py", "dataset_infos.json", "README.md")), config=None, wanted={})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jsonl", "jsonl"),
        ("a.JSONL", "jsonl"),
        ("a.ndjson.zst", "jsonl"),
        ("a.json.gz", "json"),
        ("x/a.b.csv", "csv"),
        ("a.tsv.gzip", "tsv"),
        ("a.parquet", "parquet"),
        ("a.parquet.gz", None),
        (".cache/a.jsonl", None),
        ("dataset_info.json", None),
        ("a.txt", None),
        ("a.gz", None),
    ],
)
def test_the_name_says_the_format(name: str, found: str | None) -> None:
    """Compressed text is read, compressed parquet is not; what is hidden or describes data is no data."""
    assert format_of(name) == found
