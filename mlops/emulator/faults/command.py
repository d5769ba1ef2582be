"""`mlops emulator fault`: let things go wrong on demand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops.emulator import daemon
from mlops.emulator.faults.kinds import KINDS
from mlops.emulator.home import Home, default_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

    from mlops.emulator.store import Document

_EPILOG = """examples:
  mlops emulator fault add status --path '*/jobs/*' --status 429 --count 2
  mlops emulator fault add latency --method PUT --latency-s 0.5 --rate 0.3 --seed 7
  mlops emulator fault add reset --path '*/onlineEndpoints/*' --method PUT --after --count 1
  mlops emulator fault add operation --path '*/deployments/green' --method PUT --outcome hang
  mlops emulator fault add preemption --job my-job
  mlops emulator fault add crash --endpoint shop --deployment green
  mlops emulator fault list
  mlops emulator fault clear
"""


def main(arguments: Sequence[str]) -> int:
    """Run `fault add`, `fault list` or `fault clear`; return the exit code."""
    parsed = _parser().parse_args(arguments)
    home = daemon.running(parsed.home)
    if parsed.command == "add":
        print(_line(daemon.request(home, "/_emulator/faults", method="POST", body=_document(parsed))))
    elif parsed.command == "list":
        _list(home)
    else:
        for id_ in parsed.ids or [""]:
            daemon.request(home, f"/_emulator/faults/{quote(id_, safe='')}".rstrip("/"), method="DELETE")
        print(f"Cleared: {', '.join(parsed.ids) or 'all faults'}.")
    return 0


def _list(home: Home) -> None:
    found = daemon.request(home, "/_emulator/faults")["value"]
    print("\n".join(map(_line, found)) if found else "No faults are in force.")


def _line(fault: Document) -> str:
    named = " ".join(f"{name}={value}" for name, value in fault.items() if name not in {"id", "kind", "hits"})
    return f"{fault['id']:<9} {fault['kind']:<12} struck {fault['hits']} times: {named}"


def _document(parsed: argparse.Namespace) -> Document:
    given = {name: getattr(parsed, name) for name in KINDS[parsed.kind].model_fields}
    return {name: value for name, value in given.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="mlops emulator fault",
        description="Let things go wrong on demand, until they are cleared or the emulator stops.",
        epilog=_EPILOG,
        formatter_class=raw,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--home", type=Path, default=default_root(), help="the emulator's folder (%(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    added = commands.add_parser("add", help="Put a fault into force.", epilog=_EPILOG, formatter_class=raw)
    kinds = added.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, kind in KINDS.items():
        command = kinds.add_parser(name, parents=[shared], help=kind.__doc__, description=kind.__doc__)
        for option, field in kind.model_fields.items():
            if option != "kind":
                _add_option(command, option, field)
    commands.add_parser("list", parents=[shared], help="Show the faults in force and how often each struck.")
    cleared = commands.add_parser("clear", parents=[shared], help="Take faults out of force.")
    cleared.add_argument("ids", nargs="*", metavar="ID", help="which ones (default: all)")
    return parser


def _add_option(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    option = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        parser.add_argument(option, action="store_true", default=None, help=field.description)
    else:  # the emulator reads and checks the values, whoever sends them
        parser.add_argument(option, metavar=name.rpartition("_")[2].upper(), help=field.description)
