"""What was prepared."""

from __future__ import annotations

from mlops.records.record import Frozen, Record


class Split(Frozen):
    """One JSON Lines file of conversations; `characters` are those of its messages."""

    rows: int
    characters: int
    sha256: str
    uri: str


class DataAsset(Record):
    """Conversations, validated and split, registered under their content hash (`prepare`)."""

    id: str
    name: str
    version: str
    source: str
    content_hash: str
    train: Split
    validation: Split
    test: Split
    quarantined: int
