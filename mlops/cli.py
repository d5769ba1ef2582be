"""`mlops`: look after what the stages made. Heavy imports happen inside the commands, so `--help` is quick."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = TypeVar("A")

EPILOG = """examples:
  mlops status --environment local
  mlops rollback --environment prod
  mlops data show nightly
  eval "$(mlops emulator env)"
"""


def main() -> None:
    """Run the command of the command line; exit codes are those of the stages."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["emulator"]:
        _emulator(arguments[1:])
    if arguments[:1] == ["data"]:
        sys.exit(_run(data, arguments[1:]))
    parsed = _parser().parse_args(arguments)
    sys.exit(_run(parsed.command, parsed.environment))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlops", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, run in COMMANDS.items():
        sub = commands.add_parser(command, help=run.__doc__, description=run.__doc__)
        sub.add_argument("--environment", required=True, help="which settings: local, dev or prod")
        sub.set_defaults(command=run)
    commands.add_parser("data", help=data.__doc__, add_help=False)
    commands.add_parser("emulator", help="Start, stop and look at Azure ML on this machine.", add_help=False)
    return parser


def _emulator(arguments: Sequence[str]) -> None:
    """Hand over to the emulator: nothing of ours imports it."""
    os.execv(sys.executable, [sys.executable, "-m", "mlops.emulator", *arguments])  # noqa: S606 - our own program


def _run(command: Callable[[A], None], argument: A) -> int:
    from mlops.errors import MlopsError

    try:
        command(argument)
    except MlopsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def data(arguments: Sequence[str]) -> None:
    """Look at a run's conversations: show, diff, card."""
    from mlops.data import main as run

    run(arguments)


def status(environment: str) -> None:
    """Show the endpoint's deployments, their models and their traffic."""
    from mlops.operations import describe
    from mlops.reports.tables import show, terminal

    show(terminal(), describe(environment))


def rollback(environment: str) -> None:
    """Take all traffic from the last rollout's candidate, in one write."""
    from mlops.operations import roll_back

    print(roll_back(environment))


def clean(environment: str) -> None:
    """Delete the endpoint and its deployments."""
    from mlops.operations import delete_endpoint

    print(delete_endpoint(environment))


COMMANDS: dict[str, Callable[[str], None]] = {"status": status, "rollback": rollback, "clean": clean}


if __name__ == "__main__":
    main()
