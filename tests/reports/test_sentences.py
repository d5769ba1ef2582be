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


def test_a_log_is_a_hundred_columns_wide() -> None:
    """However wide the terminal was that started it; a command stays whole, and what begins further right does."""
    text = "  first: " + "nobody is signed in " * 4 + "`az login --use-device-code` mends it\nsecond"
    assert said(text, terminal=False) == [
        "        first: " + ("nobody is signed in " * 4).rstrip(),
        "        `az login --use-device-code` mends it",
        "      second",
    ]


@pytest.mark.parametrize("width", range(20, 60))
def test_no_line_begins_as_github_would_obey(width: int) -> None:
    """What somebody else wrote may stand in a sentence: its colons stay behind the word before them."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    say(console, "source = 'a word and another  ::set-output name=code::false \t ::error::no': must be a word")
    assert not [line for line in file.getvalue().splitlines() if line.lstrip().startswith("::")]


def test_an_address_that_is_too_long_stands_where_its_line_begins() -> None:
    """Alone on its line, it is still below what it belongs to."""
    assert said("submitted\n   " + 2 * URL, terminal=True) == ["      submitted", " " * 9 + 2 * URL]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_label_stands_before_the_first_line(terminal: bool) -> None:
    """What follows is below the text, not below the label."""
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=terminal, color_system=None)
    say(console, SAID, label="failure ", indent=" " * 8)
    first, *rest = file.getvalue().splitlines()
    assert first.startswith("failure the candidate")
    assert all(line.startswith(" " * 8) for line in rest)
    assert len(rest) == (2 if terminal else 1)
