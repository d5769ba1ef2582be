"""A JSON Lines file by block and by line."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import orjson
import pytest

from mlops.datasets import lines


@pytest.mark.parametrize("ending", ["\n", ""])
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_every_row_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, ending: str) -> None:
    """Blocks cover the file in order, whatever their size and with or without a last line break."""
    monkeypatch.setattr(lines, "BLOCK", 900)
    monkeypatch.setattr(lines, "CHUNK", 128)
    path = tmp_path / "rows.jsonl"
    written = [{"number": number, "text": "\u00e9\n" * (number % 70)} for number in range(rows)]
    path.write_bytes(b"\n".join(map(orjson.dumps, written)) + ending.encode() * bool(rows))
    found = lines.index(path)
    blocks = list(found.blocks())
    assert list(chain.from_iterable(block.rows() for block in blocks)) == written
    assert [found[number] for number in range(len(found))] == written
    assert [block.first for block in blocks] == [0, *(written.index(block.rows()[0]) for block in blocks[1:])][
        : len(blocks)
    ]
