"""Data sets of the Hub, against a stand-in that speaks its HTTP API; the library that talks to it is the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops.datasets.prepare import prepare_splits
from mlops.datasets.readers.read import read
from mlops.datasets.settings import DataSettings
from mlops.datasets.sources.hub import Reference, download
from mlops.datasets.sources.source import Source, open_source
from mlops.errors import DataError

if TYPE_CHECKING:
    from conftest import Hub, Repository

SFT = {"train": "train_sft", "test": "test_sft"}


def settings(source: str, **changes: object) -> DataSettings:
    """Return data settings for a source."""
    sizes = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 5}
    return DataSettings(**(sizes | {"source": source, "max_quarantine_percentage": 1, "splits": SFT} | changes))


def at(repository: Repository, revision: str | None = None) -> str:
    """Return the reference of a repository, at its commit if nothing else is said."""
    return f"hub:{repository.name}@{revision or repository.commit}"


def rows(source: Source) -> list[dict[str, object]]:
    """Return every row of a source."""
    batches = [batch for shard in source.files for batch in read(shard, columns=None, wanted=lambda _: True)]
    return [row for batch in batches for _, row in batch.rows]


def downloaded(cache: Path) -> list[str]:
    """Return the names of the data files that are on this machine."""
    return sorted(path.name for path in cache.rglob("*.parquet"))


def test_only_the_splits_asked_for_are_downloaded(hub: Hub, ultrachat: Repository, tmp_path: Path) -> None:
    """Two of four splits: 160 rows, the commit and the license; a generation split is never touched."""
    source = open_source(settings(at(ultrachat)), cache=tmp_path)
    assert (source.revision, source.license) == (ultrachat.commit, "mit")
    assert {shard.split for shard in source.files} == {"train", "test"}
    assert len(rows(source)) == 160
    assert len(downloaded(tmp_path)) == 4
    assert not [path for _, path, _ in hub.requests if "_gen" in path]


def test_a_branch_is_resolved_to_its_commit(ultrachat: Repository, tmp_path: Path) -> None:
    """What was read is recorded by its hash, whatever it was called."""
    source = open_source(settings(at(ultrachat, "main")), cache=tmp_path)
    assert source.revision == ultrachat.commit
    assert source.fingerprint == open_source(settings(at(ultrachat)), cache=tmp_path / "b").fingerprint


def test_a_pinned_commit_needs_the_network_once(hub: Hub, ultrachat: Repository, tmp_path: Path) -> None:
    """What a commit holds never changes: the second time nothing is asked."""
    first = open_source(settings(at(ultrachat)), cache=tmp_path)
    hub.requests.clear()
    assert open_source(settings(at(ultrachat)), cache=tmp_path) == first
    assert hub.requests == []


def test_a_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, ultrachat: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gated data set is read with HF_TOKEN; where the Hub sends the client for the bytes, the token does not go."""
    ultrachat.gated, ultrachat.readers = True, frozenset({"hf_good"})
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert len(rows(open_source(settings(at(ultrachat)), cache=tmp_path))) == 160
    tokens = {("cdn" in path, headers.get("authorization", "")) for _, path, headers in hub.requests}
    assert tokens == {(False, "Bearer hf_good"), (True, "")}


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("", r"is gated: accept its terms at http://.*/datasets/HuggingFaceH4/ultrachat_200k, then put a token"),
        ("hf_other", r"is gated, and the account of HF_TOKEN has no access: ask for it at"),
    ],
)
def test_a_gated_data_set_says_how_to_get_in(
    ultrachat: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, sentence: str
) -> None:
    """401 and 403: where to ask, and which variable; the token itself is never shown."""
    ultrachat.gated, ultrachat.readers = True, frozenset({"hf_good"})
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DataError, match=sentence) as error:
        open_source(settings(at(ultrachat)), cache=tmp_path)
    assert "hf_other" not in str(error.value)


@pytest.mark.parametrize(("token", "sentence"), [("", "set HF_TOKEN"), ("hf_x", "the one in HF_TOKEN is wrong")])
def test_what_is_not_there_may_be_private(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, sentence: str
) -> None:
    """The Hub does not say which: the message names both."""
    assert hub.repositories == {}
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DataError, match=f"does not exist, or is private.*{sentence}"):
        open_source(settings("hub:nobody/nothing@main"), cache=tmp_path)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("hub:HuggingFaceH4/ultrachat_200k", r"has no revision, .*: write hub:HuggingFaceH4/ultrachat_200k@COMMIT"),
        ("hub:HuggingFaceH4/ultrachat_200k@v9", "has no revision v9: take a commit, tag or branch"),
        ("hub:ultrachat@main", "is no reference to the Hub: write hub:OWNER/NAME@REVISION"),
        ("hub:HuggingFaceH4/ultrachat_200k/small@main", "has the configurations default: name one"),
    ],
)
def test_a_wrong_reference_gets_a_sentence(ultrachat: Repository, tmp_path: Path, source: str, sentence: str) -> None:
    """A revision is demanded, and one that does not exist is said to."""
    assert ultrachat.name in source or "ultrachat" in source
    with pytest.raises(DataError, match=sentence):
        open_source(settings(source), cache=tmp_path)


def test_a_split_that_is_not_there_names_those_that_are(ultrachat: Repository, tmp_path: Path) -> None:
    """Nothing is downloaded for a typing error."""
    with pytest.raises(DataError, match=r"names train_dpo, but .* has train_sft \(3 files\), test_sft \(1 files\)"):
        open_source(settings(at(ultrachat), splits={"train": "train_dpo"}), cache=tmp_path)
    assert downloaded(tmp_path) == []


def test_too_many_requests_are_waited_out(hub: Hub, ultrachat: Repository, tmp_path: Path) -> None:
    """429 with Retry-After is an answer to be patient with, not an error."""
    hub.too_many = 1
    assert open_source(settings(at(ultrachat)), cache=tmp_path).revision == ultrachat.commit


def test_patience_ends(hub: Hub, ultrachat: Repository, tmp_path: Path) -> None:
    """429 again and again becomes a sentence."""
    hub.too_many = 100
    with pytest.raises(DataError, match=r"too many requests from here \(429\): wait 0 seconds or set HF_TOKEN"):
        open_source(settings(at(ultrachat)), cache=tmp_path)


def test_a_dropped_connection_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    """What arrived in whole pieces (10 MB) is kept, the rest is asked for as a range, and the file is right."""
    big = hub.add("nobody/big", {"big.parquet": os.urandom(25_000_000)}, {})
    hub.drops["big.parquet"] = 1
    paths = download(Reference.parse(at(big)), ["big.parquet"], commit=big.commit, cache=tmp_path)
    assert paths["big.parquet"].read_bytes() == big.files["big.parquet"]
    assert [headers["range"] for _, _, headers in hub.requests if "range" in headers] == ["bytes=10485760-"]


def test_the_stage_goes_on_after_a_cut(hub: Hub, ultrachat: Repository, tmp_path: Path) -> None:
    """A file that never arrives has no name here, those that did are kept, a second run gets the rest.

    Its splits are, byte for byte, those of a clone.
    """
    ours = settings(at(ultrachat), workers=1)
    hub.drops[next(name for name in ultrachat.files if "train_sft-00001" in name)] = 1000
    with pytest.raises(DataError, match=r"the connection broke .*: check the network, then run the stage again"):
        prepare_splits(ours, tmp_path / "data", cache=tmp_path / "cache", show=print)
    assert not (tmp_path / "data").exists()
    assert (len(downloaded(tmp_path)), list(tmp_path.rglob("*.incomplete"))) == (3, [])
    hub.drops.clear()
    hub.requests.clear()
    prepared = prepare_splits(ours, tmp_path / "data", cache=tmp_path / "cache", show=print)
    assert (prepared.revision, prepared.license, prepared.counts.read) == (ultrachat.commit, "mit", 160)
    assert len(hub.asked("GET", "/cdn/")) == 1
    for name, content in ultrachat.files.items():
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_bytes(content)
    local = settings(str(tmp_path / "clone"), workers=1)
    cloned = prepare_splits(local, tmp_path / "again", cache=tmp_path / "cache", show=print)
    assert cloned.content_hash == prepared.content_hash


def test_no_network_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on port 9."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"the Hub cannot be reached .*check the network"):
        open_source(settings("hub:HuggingFaceH4/ultrachat_200k@main"), cache=tmp_path)


def test_an_empty_variable_names_no_mirror() -> None:
    """As GitHub Actions sets one that a repository does not have."""
    program = "from mlops.datasets.sources import hub; print(hub._endpoint())"
    command, own = [sys.executable, "-c", program], os.environ | {"HF_ENDPOINT": ""}
    result = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    assert result.stdout == "https://huggingface.co\n"


FULL_DISK = """
import resource, sys
from pathlib import Path
from mlops.datasets.sources import hub
from mlops.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
reference = hub.Reference.parse(sys.argv[1])
try:
    commit, listing = hub.look_up(reference, cache=Path(sys.argv[2]))
    hub.download(reference, [sys.argv[3]], commit=commit, cache=Path(sys.argv[2]))
except DataError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_is_said(ultrachat: Repository, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: a sentence, and nothing half-written."""
    name = next(name for name in ultrachat.files if "test_sft" in name)
    command = [sys.executable, "-c", FULL_DISK, at(ultrachat), str(tmp_path), name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "there is no space for the download (File too large): make room" in result.stderr
    assert downloaded(tmp_path) == []
