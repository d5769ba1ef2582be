"""Sentences on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mlops.reports.sentences import say

URL = "https://ml.azure.com/runs/" + "x" * 50
SAID = f"the candidate is rejected for reasons that take longer than a line, see {URL}"


def said(text: str, *, terminal: bool) -> list[str]:
    """Return the lines that are printed on 60 columns."""
    file = io.StringIO()
    say(Console(file=file, width=60, force_terminal=terminal, color_system=None), text)
    return file.getvalue().splitlines()


def test_a_terminal_gets_it_between_its_margins() -> None:
    """Broken between words; an address stays whole, however long, to be followed."""
    lines = said(SAID, terminal=True)
    assert len(lines) == 3
    assert all(line.startswith("      ") for line in lines)
    assert all(len(line) <= 60 for line in lines[:-1])
    assert lines[-1].strip() == URL
    assert " ".join(line.strip() for line in lines) == SAID


@pytest.mark.parametrize("text", [SAID, "first\nsecond"])
def test_a_log_gets_each_line_in_one_piece(text: str) -> None:
    """A log is searched by lines."""
    assert said(text, terminal=False) == [f"      {line}" for line in text.splitlines()]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_label_stands_before_the_first_line(terminal: bool) -> None:
    """What follows is below the text, not below the label."""
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=terminal, color_system=None)
    say(console, SAID, label="failure ", indent=" " * 8)
    first, *rest = file.getvalue().splitlines()
    assert first.startswith("failure the candidate")
    assert all(line.startswith(" " * 8) for line in rest)
    assert len(rest) == (2 if terminal else 0)
