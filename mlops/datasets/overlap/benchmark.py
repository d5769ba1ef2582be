"""The texts of a benchmark that training data must not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file: of JSON Lines (`.jsonl`) every string that is no key, of any other each line.

    Raises DataError if the file cannot be read, naming the line.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield from _strings(_parsed(line, path, number)) if path.suffix == ".jsonl" else [line]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"data.contamination.benchmarks: {path} cannot be read ({error}); give text, or .jsonl"
        ) from None


def _parsed(line: str, path: Path, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"data.contamination.benchmarks: {path}, line {number}: must be JSON ({error})") from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
