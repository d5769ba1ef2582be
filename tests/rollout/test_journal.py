"""The journal of a rollout: it only grows, and a line that was cut off is no mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops.errors import RecordError
from mlops.rollout.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_written_is_read_but_for_a_line_that_was_cut_off(tmp_path: Path) -> None:
    """A process that died in the middle of a line leaves the ones before it."""
    journal = Journal(tmp_path / "runs" / "journal.jsonl")
    assert journal.read() == []
    journal.write(kind="state", step=0)
    journal.write(kind="intent", step=1)
    with journal.path.open("a") as file:
        file.write('{"kind": "sta')
    assert journal.read() == [{"kind": "state", "step": 0}, {"kind": "intent", "step": 1}]


def test_a_line_that_was_changed_is_named(tmp_path: Path) -> None:
    """File, number and what to do."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(step=0)
    journal.path.write_text("no JSON\n" + journal.path.read_text())
    with pytest.raises(RecordError, match=r"journal.jsonl, line 1: not readable as JSON. Move the file away"):
        journal.read()
