"""`python -m mlops.emulator`: run an Azure ML on this machine."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from pathlib import Path

from mlops.emulator import daemon
from mlops.emulator.home import ISOLATE_VARIABLE, LOOPBACK, Home, default_root

_LAST_PORT = 65_535

_EPILOG = """examples:
  mlops emulator start
  eval "$(mlops emulator env)"
  mlops emulator fault add status --path '*/jobs/*' --status 429 --count 2
  mlops emulator logs --follow
"""


def main() -> int:
    """Run one command and return its exit code."""
    try:
        if sys.argv[1:2] == ["fault"]:
            from mlops.emulator.faults import command

            return command.main(sys.argv[2:])
        parser = _parser()
        if "_ARGCOMPLETE" in os.environ:  # the shell asks what could come next
            import argcomplete

            argcomplete.autocomplete(parser)
        arguments = parser.parse_args()
        if getattr(arguments, "isolate", False):
            os.environ[ISOLATE_VARIABLE] = "1"
        return int(globals()[f"_{arguments.command}"](arguments))
    except daemon.EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # the way to end `logs --follow`
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlops emulator",
        description="Run an Azure ML on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--home", type=Path, default=default_root(), help="folder with its state (%(default)s)")
    made = {name: commands.add_parser(name, parents=[shared], help=text, description=text) for name, text in _COMMANDS}
    for name in ("serve", "start"):
        made[name].add_argument("--port", type=_port, help="port, kept in the home (default: a free one)")
        made[name].add_argument("--host", help=f"address to listen on, kept in the home (default: {LOOPBACK})")
        made[name].add_argument("--isolate", action="store_true", help="build the environments of jobs and deployments")
    made["status"].add_argument("--json", action="store_true", help="print JSON")
    form = made["env"].add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of export lines")
    form.add_argument("--dotenv", action="store_true", help="print NAME=value lines, as .env files have them")
    made["logs"].add_argument("--follow", action="store_true", help="go on printing what is added")
    return parser


_COMMANDS = (
    ("start", "Start the emulator in the background."),
    ("stop", "Stop the emulator and its jobs and deployments."),
    ("status", "Say whether the emulator runs, what it holds and which faults are in force."),
    ("env", "Print the variables that lead the Azure ML SDK here."),
    ("reset", "Forget every job, model, endpoint and blob."),
    ("fault", "Let things go wrong on demand: add, list, clear."),
    ("logs", "Print what the emulator itself said since it was started."),
    ("serve", "Serve in the foreground."),
)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= _LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to {_LAST_PORT}, not {text}")


def _warn(home: Home) -> None:
    if home.host != LOOPBACK:
        print(
            f"Warning: the emulator listens on {home.host}: whoever can reach this machine can try its doors."
            " It is made for one machine and one user.",
            file=sys.stderr,
        )


def _serve(arguments: argparse.Namespace) -> int:
    from mlops.emulator.server import serve

    home = daemon.open_home(arguments.home, port=arguments.port, host=arguments.host)
    _warn(home)
    try:
        serve(home)
    except BlockingIOError:
        raise daemon.EmulatorError(f"The emulator in {home.root} is running already.") from None
    except OSError as error:
        if not home.root.exists():
            raise daemon.EmulatorError(f"The folder {home.root} was deleted while the emulator used it.") from None
        raise daemon.EmulatorError(
            f"Port {home.port} cannot be used on {home.host} ({os.strerror(error.errno or 0)})."
            " Choose others with --port and --host."
        ) from None
    return 0


def _start(arguments: argparse.Namespace) -> int:
    home, started = daemon.start(arguments.home, port=arguments.port, host=arguments.host)
    _warn(home)
    print(f"The emulator {'runs' if started else 'was running already'} at {home.url} (home: {home.root}).")
    print(f'Use it: eval "$(mlops emulator env --home {shlex.quote(str(arguments.home))})"')
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    stopped = daemon.stop(daemon.existing(arguments.home))
    print("The emulator has stopped." if stopped else "The emulator was not running.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    home = daemon.existing(arguments.home)
    running = daemon.health(home) is not None
    state = daemon.request(home, "/_emulator/status") if running else {}
    if arguments.json:
        print(json.dumps({"running": running, "url": home.url, "home": str(home.root), **state}, indent=2))
    elif running:
        print(f"The emulator runs at {home.url} (home: {home.root}).")
        faults = state.pop("faults")
        print("\n".join(f"{kind:<16} {count:>6}" for kind, count in state.items()))
        print("\n".join(["faults in force:", *map(json.dumps, faults)]) if faults else "no faults in force")
    else:
        print(f"The emulator in {home.root} is not running.")
    return 0 if running else 1


def _env(arguments: argparse.Namespace) -> int:
    variables = daemon.environment(daemon.running(arguments.home))
    form = "{}={}" if arguments.dotenv else "export {}={}"
    lines = [form.format(name, shlex.quote(value)) for name, value in variables.items()]
    print(json.dumps(variables, indent=2) if arguments.json else "\n".join(lines))
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    daemon.reset(daemon.existing(arguments.home))
    print("The emulator has forgotten everything.")
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    home = daemon.existing(arguments.home)
    if not home.log.exists():
        raise daemon.EmulatorError(f"The emulator in {home.root} was never started in the background: it has no log.")
    for line in daemon.follow(home) if arguments.follow else home.log.open(errors="replace"):
        print(line, end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
