"""Preparing small sources in the tests: what goes in, and reading what came out."""

from __future__ import annotations

from pathlib import Path

import orjson

from mlops.datasets.prepare import Prepared, prepare_splits
from mlops.datasets.settings import DataSettings
from tests.benchmarks.ultrachat import Row

NAMES = ("train", "validation", "test")
LINE = orjson.OPT_APPEND_NEWLINE


def settings(source: object, **changes: object) -> DataSettings:
    """Return data settings with a few changes."""
    values: dict[str, object] = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 10}
    return DataSettings(**(values | {"max_quarantine_percentage": 50, "source": str(source), "workers": 1} | changes))


def prepare(folder: Path, of: DataSettings) -> Prepared:
    """Prepare into a folder of its own; no progress is shown."""
    folder.mkdir(parents=True, exist_ok=True)
    return prepare_splits(of, folder / "data", cache=folder / "cache", show=lambda _: None)


def read(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def written(folder: Path) -> dict[str, bytes]:
    """Return all that a preparation leaves, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def as_lines(path: Path, content: list[Row]) -> Path:
    """Write rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row, option=LINE) for row in content))
    return path


def chats(count: int) -> list[Row]:
    """Return small conversations, two of them on every prompt."""
    return [chat(f"question {number // 2}", f"the answer is {number}") for number in range(count)]


def chat(question: str, answer: str) -> Row:
    """Return one conversation."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
