"""Make the parsers of the commands: what they have in common is said here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


def add_command(
    commands: Commands, command: Callable[..., None], example: str, *, name: str = "", text: str = ""
) -> argparse.ArgumentParser:
    """Add a command, by default under its function's name and with its docstring as help; return its parser."""
    told = text or command.__doc__
    parser = commands.add_parser(name or command.__name__, help=told, description=told, epilog=f"example: {example}")
    parser.set_defaults(command=command)
    return parser


def add_noun(commands: Commands, name: str, text: str | None, example: str) -> Commands:
    """Add a noun; return where its own commands go."""
    noun = commands.add_parser(name, help=text, description=text, epilog=f"example: {example}")
    return noun.add_subparsers(required=True, metavar="COMMAND")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Let a command require its environment."""
    parser.add_argument("--environment", required=True, help="which settings: local, dev or prod")


def add_json(parser: argparse.ArgumentParser, text: str = "print JSON") -> None:
    """Let a command print JSON if it is asked to."""
    parser.add_argument("--json", action="store_true", dest="as_json", help=text)
