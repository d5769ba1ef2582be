"""`mlops doctor`: look at everything that a release needs."""

from __future__ import annotations

from typing import Final

from mlops.commands.parsers import Commands, add_command, add_environment, add_json

STYLES: Final = {"warning": "yellow", "failure": "red"}


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, doctor, "mlops doctor --environment dev")
    add_environment(parser)
    add_json(parser)


def doctor(environment: str, *, as_json: bool) -> None:
    """Look at everything a release needs, from Python to quota: exit code 2 if it would fail, with what to mend."""
    import json
    from dataclasses import asdict

    from mlops.errors import InputError
    from mlops.operations.doctor import Doctor, Level
    from mlops.operations.site import Site
    from mlops.reports.sentences import say
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    found = []
    for check in Doctor(site).examine():
        found.append(check)
        if not as_json:
            label = f"{check.level:8} {check.name:13} "
            say(site.console, check.said, label=label, indent=" " * len(label), style=STYLES.get(check.level))
    if as_json:
        print(json.dumps([asdict(check) for check in found], indent=2))
    failed = [check.name for check in found if check.level is Level.FAILURE]
    if failed:
        raise InputError(f"a release would fail: mend {', '.join(failed)} as said above")
