"""Where settings are said: files, variables, the studio's config.json; each source is a layer over those before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from mlops.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PREFIX: Final = "MLOPS_"
OVERRIDE: Final = ("gate", "override")
"""What no file may say: GitHub lets its variable through only where a reviewer was asked."""
FOR_ONCE: Final = ("workspace", "notify", "finetune.detach", "finetune.force")
"""What is not of a run: where it is, what is secret, and what is asked of a single start."""
AZURE: Final = {
    "subscription_id": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
    "name": "AZURE_WORKSPACE_NAME",
}
CONFIG: Final = {"subscription_id": "subscription_id", "resource_group": "resource_group", "name": "workspace_name"}
"""A workspace's fields, and how the AZURE_ variables and config.json call them."""
CONFIG_FILES: Final = ("config.json", ".azureml/config.json")


@dataclass(frozen=True)
class Layer:
    """One source of settings: a name for messages, and a mapping."""

    name: str
    values: dict[str, Any]

    def holds(self, path: tuple[str, ...]) -> bool:
        """Return whether the layer says something about a field."""
        values: Any = self.values
        for part in path:
            if isinstance(values, dict) and part in values:
                values = values[part]
            elif isinstance(values, list) and part.isdecimal() and int(part) < len(values):
                values = values[int(part)]
            else:
                return False
        return True


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return what all layers say together; mappings are merged, anything else is replaced.

    >>> base, variable = Layer("base.yml", {"data": {"seed": 0, "rows": 5}}), Layer("…", {"data": {"seed": 7}})
    >>> merged([base, variable])
    {'data': {'seed': 7, 'rows': 5}}
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values = _merge(values, layer.values)
    return values


def variable(path: str) -> str:
    """Return the variable that says a field.

    >>> variable("gate.override")
    'MLOPS_GATE__OVERRIDE'
    """
    return PREFIX + path.replace(".", "__").upper()


def said(given: Mapping[str, str]) -> dict[str, str]:
    """Return what MLOPS_ variables say of a run, by the setting's path; the inverse of `variable`.

    >>> said({"MLOPS_DATA__PERCENTAGE": "5", "MLOPS_FINETUNE__FORCE": "true", "HOME": "/"})
    {'data.percentage': '5'}
    >>> said({"MLOPS_NOTIFY": "{webhook: https://secret}", "MLOPS_FINETUNE": "{preset: phi-4, detach: true}"})
    {'finetune': '{"preset": "phi-4"}'}
    """
    names = sorted(name for name in given if name.startswith(PREFIX) and given[name])
    paths = {name.removeprefix(PREFIX).lower().replace("__", "."): given[name] for name in names}
    kept = {path: _of_a_run(path, text) for path, text in paths.items()}
    return {path: text for path, text in kept.items() if text}


def _of_a_run(path: str, text: str) -> str:
    """Return what a variable says of a run: all of it, nothing, or the part of its section that is not for once."""
    if any(f"{path}.".startswith(f"{once}.") for once in FOR_ONCE):
        return ""
    inner = {once.removeprefix(f"{path}.") for once in FOR_ONCE if once.startswith(f"{path}.")}
    value = _value(variable(path), text) if inner else text
    if not isinstance(value, dict) or inner.isdisjoint(value):
        return text
    rest = {key: each for key, each in value.items() if key not in inner}
    return json.dumps(rest, ensure_ascii=False) if rest else ""


def file(path: Path) -> Layer:
    """Return the layer of a settings file.

    Raises SettingsError if it is not readable as a mapping, or overrides the gate.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name}: must be YAML: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path.name}: must hold a mapping of sections, such as `data:`")
    layer = Layer(path.name, values)
    if layer.holds(OVERRIDE):
        raise SettingsError(f"{path.name}: gate.override is for one decision: say it by {variable('gate.override')}")
    return layer


def variables(given: Mapping[str, str]) -> Iterator[Layer]:
    """Yield a layer per MLOPS_ variable; values are YAML, so that numbers, booleans and lists can be given.

    An empty one says nothing: GitHub makes that of an input or a variable nobody set.
    """
    for name in sorted(given):
        if name.startswith(PREFIX) and given[name]:
            value: Any = _value(name, given[name])
            for key in reversed(name.removeprefix(PREFIX).lower().split("__")):
                value = {key: value}
            yield Layer(name, value)


def workspace(given: Mapping[str, str], here: Path) -> Iterator[Layer]:
    """Yield which workspace config.json names, in this folder or the nearest above, and then the AZURE_ variables.

    Each has to name all three fields to count.
    """
    folders = (here.resolve(), *here.resolve().parents)
    paths = (folder / name for folder in folders for name in CONFIG_FILES)
    if path := next(filter(lambda path: path.is_file(), paths), None):
        yield from _complete(str(path), CONFIG, _config(path))
    yield from _complete("AZURE_ variables", AZURE, given)


def _complete(name: str, fields: Mapping[str, str], given: Mapping[str, str]) -> Iterator[Layer]:
    if all(given.get(key) for key in fields.values()):
        yield Layer(name, {"workspace": {field: given[key] for field, key in fields.items()}})


def _config(path: Path) -> dict[str, str]:
    try:
        document: dict[str, str] = json.loads(path.read_bytes())
    except ValueError as error:
        raise SettingsError(f"{path}: must be JSON: {error}") from None
    return document


def _value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{name}: must be YAML: {' '.join(str(error).split())}") from None


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    values = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = _merge(values[key], value) if both else value
    return values
