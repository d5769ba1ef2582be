"""What GitHub Actions and a step say to each other, and GitHub's command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from mlops.errors import InputError

OUTPUT: Final = "GITHUB_OUTPUT"
EXPECTED: Final = "RECORD_DIGEST"
RELEASE: Final = "RELEASE_INPUTS"
INPUTS: Final = {
    "preset": "finetune.preset",
    "source": "data.source",
    "percentage": "data.percentage",
    "override": "gate.override",
}
"""Which settings the inputs of release.yml say."""


def output(**values: str) -> None:
    """Set outputs of the step, each one line of text."""
    if path := os.environ.get(OUTPUT):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())


def expected_digest() -> str | None:
    """Return the digest that the job before gave its record: an artifact can be exchanged, a job's output cannot."""
    return os.environ.get(EXPECTED) or None


def release_inputs() -> dict[str, str] | None:
    """Return what the release was started with that this job is a part of, as far as it was said; None elsewhere."""
    text = os.environ.get(RELEASE)
    if not text:
        return None
    said = json.loads(text) or {}  # a push has none
    return {name: said[name] for name in INPUTS if said.get(name)}


def gh(*arguments: str, aim: str, needs: str) -> str:
    """Run GitHub's command line; return what it says.

    Raises InputError if there is none, or if it refuses: with what it should have done, and the permission that takes.
    """
    try:
        result = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False)  # noqa: S607 - on the path
    except FileNotFoundError:
        raise InputError(
            f"gh could not {aim}: there is no gh here. Install GitHub's command line, cli.github.com"
        ) from None
    if result.returncode:
        said = result.stderr.strip()
        raise InputError(f"gh could not {aim}: {said}. Give the job `permissions: {needs}: write` and GH_TOKEN")
    return result.stdout.strip()
