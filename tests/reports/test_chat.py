"""A conversation on the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from mlops.reports.chat import show

ROW = {
    "prompt_id": "0123456789abcdef",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "a question " * 30},
        {"role": "assistant", "content": "[red]no markup[/red]\n\x1b[2J\ttab \u4f60\u597d"},
    ],
}


def printed(width: int) -> str:
    """Return what is shown in a log of a width."""
    console = Console(file=io.StringIO(), width=width)
    show(console, ROW, number=1)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO


def test_it_fits_any_width() -> None:
    """Lines are never longer than the terminal is wide, and no word is lost."""
    for width in (30, 80, 200):
        text = printed(width)
        assert max(map(len, text.splitlines())) <= width
        assert text.count("question") == 30


def test_the_user_is_on_the_right() -> None:
    """As in a chat: who is trained speaks from the left."""
    lines = printed(80).splitlines()
    assert next(line for line in lines if "user" in line).startswith("   ")
    assert next(line for line in lines if "assistant" in line).startswith("\u256d\u2500 assistant")


def test_texts_do_not_steer_the_terminal() -> None:
    """No escape sequence and no markup of a text is obeyed."""
    text = printed(80)
    assert "\x1b" not in text
    assert "[red]no markup[/red]" in text
