"""prepare: conversations become a registered data asset."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_the_record_tells_what_was_registered(first: Released) -> None:
    """The splits' hashes are those of the files, and the asset's version is their common hash."""
    data = first["prepare"]
    folder = first.site.folder / "runs" / "first" / "data"
    for name in ("train", "validation", "test"):
        content = (folder / f"{name}.jsonl").read_bytes()
        assert getattr(data, name).sha256 == hashlib.sha256(content).hexdigest()
        assert getattr(data, name).rows == len(content.splitlines())
    assert data.content_hash.startswith(data.version)


def test_the_same_data_is_registered_once(second: Released) -> None:
    """A second release on the same conversations uploads nothing: content names the asset."""
    assert second["prepare"] == second.site.record("first", "prepare")
    puts = [
        request["path"]
        for request in second.site.requests()
        if request["method"] == "PUT" and "/data/chitchat/" in request["path"]
    ]
    assert len(puts) == len(set(puts))


def test_quarantined_rows_have_row_number_and_reason(first: Released) -> None:
    """Nothing is lost in silence."""
    path = first.site.folder / "runs" / "first" / "quarantine.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == first["prepare"].quarantined
    assert all(set(row) == {"file", "row", "reason", "message", "value"} for row in rows)


def test_a_cluster_prepares_the_same_bytes(first: Released) -> None:
    """Where conversations are prepared changes nothing but where they lie."""
    result = first.site.program("prepare", "clustered", MLOPS_DATA__WHERE="cluster")
    assert result.returncode == 0, result.stdout + result.stderr
    here, there = first["prepare"], first.site.record("clustered", "prepare")
    assert there.content_hash == here.content_hash
    folder = first.site.folder / "runs" / "clustered"
    assert [path.name for path in (folder / "data").iterdir()] == ["test.jsonl"], "the rest need not fit this disk"
    assert (folder / "quarantine.jsonl").read_bytes() == (folder.parent / "first" / "quarantine.jsonl").read_bytes()
    diff = first.site.command("mlops.cli", "data", "diff", "first", "clustered", "--environment", "local")
    assert "not worth training again: clustered is too much like first" in diff.stderr, "its training data is fetched"
    assert hashlib.sha256((folder / "data" / "train.jsonl").read_bytes()).hexdigest() == here.train.sha256


def test_a_cluster_cannot_see_the_files_of_this_machine(first: Released) -> None:
    """The mistake costs no job; the message names each file and the ways out."""
    files = {"MLOPS_DATA__SOURCE": "rows.jsonl", "MLOPS_DATA__CONTAMINATION": "{ngram: 13, benchmarks: [b.txt]}"}
    result = first.site.program(
        "prepare", "lost", MLOPS_DATA__WHERE="cluster", MLOPS_DATA__TOKENIZER="models/phi", **files
    )
    assert result.returncode == 2
    said = " ".join((result.stderr + result.stdout).split())
    assert (
        "this machine, data.source rows.jsonl, data.tokenizer models/phi, data.contamination.benchmarks b.txt" in said
    )


def test_a_data_asset_is_a_source(first: Released) -> None:
    """What one run registered another takes as it is, splits and all."""
    source = f"azureml:{first['prepare'].name}:{first['prepare'].version}"
    everything = {"MLOPS_DATA__PERCENTAGE": "100", "MLOPS_DATA__NEAR_DUPLICATES": "null"}
    result = first.site.program("prepare", "reread", MLOPS_DATA__SOURCE=source, **everything)
    assert result.returncode == 0, result.stdout + result.stderr
    reread = first.site.record("reread", "prepare")
    assert (reread.source, reread.test.rows) == (source, first["prepare"].test.rows)


def test_the_latest_version_of_an_asset_stays_what_others_read(first: Released) -> None:
    """What is prepared of it is another asset; the record names the version that was the latest."""
    name = first["prepare"].name
    variables = {"MLOPS_DATA__SOURCE": f"azureml:{name}:latest", "MLOPS_DATA__PERCENTAGE": "90"}
    made = []
    for run in ("once", "again"):
        result = first.site.program("prepare", run, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        made.append(first.site.record(run, "prepare"))
    assert made[0] == made[1]
    assert made[0].name == f"{name}-prepared"
    assert made[0].source.startswith(f"azureml:{name}:")
    assert not made[0].source.endswith("latest")
