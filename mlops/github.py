"""What GitHub Actions and a step say to each other; elsewhere nothing is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

OUTPUT: Final = "GITHUB_OUTPUT"
EXPECTED: Final = "RECORD_DIGEST"


def output(**values: str) -> None:
    """Set outputs of the step, each one line of text."""
    if path := os.environ.get(OUTPUT):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())


def expected_digest() -> str | None:
    """Return the digest that the job before gave its record: an artifact can be exchanged, a job's output cannot."""
    return os.environ.get(EXPECTED) or None
