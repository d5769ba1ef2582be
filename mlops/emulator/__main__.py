"""`python -m mlops.emulator`: run an Azure ML on this machine."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from mlops.emulator import daemon
from mlops.emulator.home import Home, default_root


def main() -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args()
    command = globals()[f"_{arguments.command}"]
    try:
        return int(command(arguments))
    except daemon.EmulatorError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlops emulator", description="Run an Azure ML on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--home", type=Path, default=default_root(), help="folder with its state (%(default)s)")
    for name, description in _COMMANDS.items():
        command = commands.add_parser(name, parents=[shared], help=description, description=description)
        if name in {"serve", "start"}:
            command.add_argument("--port", type=int, help="port, kept in the home (default: a free one)")
        if name == "env":
            command.add_argument("--json", action="store_true", help="print JSON instead of export lines")
    return parser


_COMMANDS = {
    "start": "Start the emulator in the background.",
    "stop": "Stop the emulator and its jobs and deployments.",
    "status": "Say whether the emulator runs, and what it holds.",
    "env": "Print the variables that lead the Azure ML SDK here.",
    "reset": "Forget every job, model, endpoint and blob.",
    "serve": "Serve in the foreground.",
}


def _serve(arguments: argparse.Namespace) -> int:
    from mlops.emulator.server import serve

    home = daemon.open_home(arguments.home, port=arguments.port)
    try:
        serve(home)
    except BlockingIOError:
        raise daemon.EmulatorError(f"The emulator in {home.root} is running already.") from None
    except OSError as error:
        raise daemon.EmulatorError(
            f"Port {home.port} cannot be used ({error.strerror}). Choose another with --port."
        ) from None
    return 0


def _start(arguments: argparse.Namespace) -> int:
    home, started = daemon.start(arguments.home, port=arguments.port)
    print(f"The emulator {'runs' if started else 'was running already'} at {home.url} (home: {home.root}).")
    print(f'Use it: eval "$(mlops emulator env --home {shlex.quote(str(arguments.home))})"')
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    stopped = daemon.stop(_existing(arguments))
    print("The emulator has stopped." if stopped else "The emulator was not running.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    home = _existing(arguments)
    if daemon.health(home) is None:
        print(f"The emulator in {home.root} is not running.")
        return 1
    print(f"The emulator runs at {home.url} (home: {home.root}).")
    for kind, count in daemon.request(home, "/_emulator/status").items():
        print(f"{kind:<12} {count:>6}")
    return 0


def _env(arguments: argparse.Namespace) -> int:
    variables = daemon.environment(_existing(arguments))
    if arguments.json:
        print(json.dumps(variables, indent=2))
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    daemon.reset(_existing(arguments))
    print("The emulator has forgotten everything.")
    return 0


def _existing(arguments: argparse.Namespace) -> Home:
    if not (arguments.home / "port").exists():
        raise daemon.EmulatorError(f"There is no emulator in {arguments.home}; start one: mlops emulator start.")
    return daemon.open_home(arguments.home)


if __name__ == "__main__":
    sys.exit(main())
