"""Look after what the stages made."""
# Heavy imports happen inside the commands, so `--help` is quick.

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from mlops import completion
from mlops.commands import (
    bootstrap,
    chat,
    comment,
    data,
    doctor,
    drill,
    endpoint,
    gate,
    plan,
    reconcile,
    report,
    rollout,
    runs,
    settings,
    studio,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

COMMANDS: Final = (
    doctor,
    bootstrap,
    endpoint,
    rollout,
    drill,
    chat,
    plan,
    runs,
    report,
    studio,
    data,
    gate,
    settings,
    comment,
    reconcile,
)
EPILOG: Final = """examples:
  mlops plan --environment dev
  mlops status --environment local
  mlops rollback --environment prod
  mlops data show nightly
  eval "$(mlops emulator env)"
  eval "$(register-python-argcomplete mlops)"   # Tab completes commands, environments, runs
"""


def main() -> None:
    """Run the command of the command line; exit codes are those of the stages."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["emulator"] or completion.is_for_emulator():
        _emulator(arguments[1:])
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what could come next
        completion.answer(parser)
    parsed = vars(parser.parse_args(arguments))
    sys.exit(_run(parsed.pop("command"), parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlops", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for noun in COMMANDS:
        noun.add(commands)
    commands.add_parser("emulator", help="Start, stop and look at Azure ML on this machine.", add_help=False)
    return parser


def _emulator(arguments: Sequence[str]) -> None:
    """Hand over to the emulator: nothing of ours imports it."""
    os.execv(sys.executable, [sys.executable, "-m", "mlops.emulator", *arguments])  # noqa: S606 - our own program


def _run(command: Callable[..., None], arguments: dict[str, Any]) -> int:
    """Run a command with the arguments of its parser, by name."""
    from mlops.errors import INTERRUPTED, MlopsError

    try:
        command(**arguments)
        sys.stdout.flush()
    except MlopsError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has read enough; nothing is left to be written at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _complain(text: str) -> None:
    from rich.console import Console

    from mlops.reports.sentences import say

    say(Console(stderr=True), text, indent="")


if __name__ == "__main__":
    main()
