"""`mlops chat`: the prompt."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from mlops.commands.chat import prompts

if TYPE_CHECKING:
    from pytest_mock import MockerFixture


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_the_shells_prompt_begins_a_line(end: type[BaseException], mocker: MockerFixture) -> None:
    """Whether Ctrl-D or Ctrl-C ends the conversation at its prompt; a line without a word is not asked."""
    mocker.patch("builtins.input", side_effect=[" hello ", "", end])
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    assert list(prompts(console)) == ["hello"]
    assert console.file.getvalue() == "you you you \n"
