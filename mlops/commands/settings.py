"""Look at the settings: show, schema."""

from __future__ import annotations

import math

from mlops.commands.parsers import Commands, add_command, add_environment, add_json, add_noun


def add(commands: Commands) -> None:
    """Add `settings` and its own commands to the command line."""
    verbs = add_noun(commands, "settings", __doc__, "mlops settings show --environment dev data")
    shown = add_command(verbs, show, "mlops settings show --environment dev data")
    add_environment(shown)
    add_json(shown)
    shown.add_argument("section", nargs="?", default="", help="only this section, such as data or data.cluster")
    add_command(verbs, schema, "mlops settings schema > pipelines/settings/schema.json")


def show(environment: str, section: str, *, as_json: bool) -> None:
    """Show every setting in effect, and whether base.yml, the environment's file or a variable said so."""
    import json
    from dataclasses import asdict

    from mlops.errors import InputError
    from mlops.reports.tables import Table, show, terminal
    from mlops.settings import explain

    found = explain(environment)
    chosen = [setting for setting in found if f"{setting.path}.".startswith(f"{section}." if section else "")]
    if not chosen:
        known = ", ".join(dict.fromkeys(setting.path.partition(".")[0] for setting in found))
        raise InputError(f"{section}: there is no such section; choose one of {known}")
    if as_json:
        print(json.dumps([asdict(setting) for setting in chosen], indent=2))
        return
    rows = tuple((one.path, _cell(one.value), one.origin) for one in chosen)
    show(terminal(), Table(f"Settings of {environment}", ("setting", "value", "said by"), rows))


def _cell(value: object) -> str:
    """Return a value as JSON; of several sections, such as rules, what each says in a line of YAML."""
    import json

    import yaml

    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return json.dumps(value, ensure_ascii=False)
    said = ({key: each for key, each in section.items() if each not in (None, [])} for section in value)
    lines = (yaml.safe_dump(section, default_flow_style=True, sort_keys=False, width=math.inf) for section in said)
    return "".join(f"- {line}" for line in lines).rstrip()


def schema() -> None:
    """Print the JSON schema of a settings file, for editors that complete and check YAML by one."""
    import json

    from mlops.settings import file_schema

    print(json.dumps(file_schema(), indent=2))
