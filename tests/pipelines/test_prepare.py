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
