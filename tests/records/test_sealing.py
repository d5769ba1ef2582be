"""Records: frozen, each holding the one before, sealed by a digest."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops.errors import RecordError
from mlops.records import STAGES, DataAsset, Split, chain, lineage, seal, unseal


def asset(**changes: object) -> DataAsset:
    """Return a small data asset."""
    split = Split(rows=1, characters=8, sha256="0" * 64, uri="azureml://x/train.jsonl")
    values = {"id": "azureml:a:1", "name": "a", "version": "1", "source": "s", "content_hash": "h", "quarantined": 0}
    return DataAsset(**(values | {"train": split, "validation": split, "test": split} | changes))


def test_a_record_cannot_change() -> None:
    """A record is what a stage found; nobody edits it afterwards."""
    with pytest.raises(ValidationError):
        asset().name = "b"


def test_each_record_holds_the_one_before() -> None:
    """The path is straight by type: every record has a field of the type of the record before it."""
    kinds = list(STAGES.values())
    for before, after in pairwise(kinds):
        assert before in [field.annotation for field in after.model_fields.values()], after


@given(name=st.text(), quarantined=st.integers(min_value=0))
def test_a_sealed_record_is_read_back_equal(name: str, quarantined: int) -> None:
    """Sealing loses nothing."""
    record = asset(name=name, quarantined=quarantined)
    assert unseal(DataAsset, seal(record), where="x") == record


def test_an_edited_record_is_refused() -> None:
    """A record whose content no longer matches its digest says so and which stage to repeat."""
    document = json.loads(seal(asset()))
    document["record"]["quarantined"] = 5
    with pytest.raises(RecordError, match=r"runs/r/prepare\.json was changed after it was written"):
        unseal(DataAsset, json.dumps(document).encode(), where="runs/r/prepare.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"record": {}, "digest": ""}', b"\xff"])
def test_rubbish_is_refused_without_a_traceback(content: bytes) -> None:
    """Any bytes that are no record give a RecordError that names the file."""
    with pytest.raises(RecordError, match=r"prepare\.json"):
        unseal(DataAsset, content, where="prepare.json")


def test_a_chain_is_the_record_and_all_it_holds() -> None:
    """Each by its stage, first to last, whatever record one begins with."""
    assert chain(asset()) == {"prepare": asset()}


def test_a_lineage_names_each_record_of_the_chain() -> None:
    """As tags, whose values Azure keeps up to 256 characters of."""
    assert lineage(asset()) == {"record-prepare": asset().digest}
