"""A JSON Lines file of conversations, read by block or by line: only where lines begin is held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Row = dict[str, Any]

CHUNK: Final = 2**20
BLOCK: Final = 600_000
"""Bytes of a block: the arrays made of it fit into a processor's cache."""


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a file, from number `first` on: its bytes from `begin` to `end`."""

    path: Path
    first: int
    begin: int
    end: int

    def lines(self) -> list[bytes]:
        """Read the lines, without their line breaks."""
        with self.path.open("rb") as file:
            file.seek(self.begin)
            return file.read(self.end - self.begin).removesuffix(b"\n").split(b"\n")

    def rows(self) -> list[Row]:
        """Read the rows."""
        return [orjson.loads(line) for line in self.lines()]


@dataclass(frozen=True)
class Lines:
    """Where the lines of a file begin, and where the last one ends; shape (lines + 1,)."""

    path: Path
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of lines."""
        return self.starts.size - 1

    def __getitem__(self, line: int) -> Row:
        """Read one row; lines are counted from 0."""
        return self._block(line, line + 1).rows()[0]

    def blocks(self) -> Iterator[Block]:
        """Yield the file in blocks of whole lines, of about the same number of bytes."""
        line = 0
        while line < len(self):
            end = max(line + 1, int(np.searchsorted(self.starts, self.starts[line] + BLOCK, side="right")) - 1)
            yield self._block(line, end)
            line = end

    def _block(self, first: int, end: int) -> Block:
        return Block(self.path, first, int(self.starts[first]), int(self.starts[end]))


def index(path: Path) -> Lines:
    """Return the lines of a file; the last one may lack its line break."""
    found, size = [np.zeros(1, np.int64)], 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + size + 1)
            size += len(chunk)
    starts = np.concatenate(found)
    return Lines(path, starts if starts[-1] == size else np.append(starts, size))


def texts(row: Row) -> list[str]:
    """Return what was said in a conversation; a system message is an instruction that many may share."""
    return [message["content"] for message in row["messages"] if message["role"] != "system"]
