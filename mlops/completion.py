"""What a shell completes: `eval "$(register-python-argcomplete mlops)"`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SETTINGS: Final = Path(__file__).parent.parent / "pipelines" / "settings"
RUN: Final = ("RUN", "OLD", "NEW")
"""How the commands call a run."""


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell's question and exit, if it is the shell that asks."""
    import argcomplete

    for action in _actions(parser):
        completer: Any = action
        if action.dest == "environment":
            completer.completer = _environments
        elif action.dest == "run" or action.metavar in RUN:
            completer.completer = _runs
    argcomplete.autocomplete(parser)


def is_for_emulator() -> bool:
    """Return whether the shell asks for what follows `mlops emulator`; its parser then reads the line from there."""
    program = int(os.environ.get("_ARGCOMPLETE", "0"))  # so many words of the line call the program
    words = os.environ.get("COMP_LINE", "").rpartition(" ")[0].split()
    if not program or words[program : program + 1] != ["emulator"]:
        return False
    os.environ["_ARGCOMPLETE"] = str(program + 1)
    return True


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse shows them nowhere else
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for child in dict.fromkeys(action.choices.values()):
                yield from _actions(child)


def _environments(**_: object) -> list[str]:
    return [path.stem for path in SETTINGS.glob("*.yml") if path.stem != "base"]


def _runs(**_: object) -> list[str]:
    return [path.name for path in Path("runs").glob("[!.]*") if path.is_dir()]
