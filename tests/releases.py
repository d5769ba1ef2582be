"""What releases of the tests have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from subprocess import CompletedProcess

SMALL: Final = {
    "MLOPS_DATA__PERCENTAGE": "15",
    "MLOPS_EVALUATE__NUM_GENERATIONS": "4",
    "MLOPS_EVALUATE__MAX_NEW_TOKENS": "10",
    "MLOPS_DEPLOY__MAX_NEW_TOKENS": "10",
    "MLOPS_ROLLOUT__MIN_REQUESTS": "3",
}
"""Settings of a release that is small, but whole."""


def said(result: CompletedProcess[str]) -> str:
    """Return what a program printed in one line, for its sentences are broken where the line is full."""
    return " ".join((result.stdout + result.stderr).split())
