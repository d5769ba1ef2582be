"""Settings: `base.yml`, the model's preset, the environment's file, `MLOPS_` variables; the last word counts.

`MLOPS_DATA__PERCENTAGE=5` is `data: {percentage: 5}`: two underscores step into a section. Which workspace may also be
said where every Azure ML program looks: in `config.json`, or in AZURE_ variables, which win over it; ours beat both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from mlops import layers
from mlops.errors import SettingsError
from mlops.sections import PrometheusSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.layers import Layer

FOLDER: Final = Path(__file__).parent.parent / "pipelines" / "settings"


def load(
    environment: str, *, folder: Path = FOLDER, variables: Mapping[str, str] = os.environ, here: Path = Path()
) -> Settings:
    """Return the settings of an environment; `config.json` is looked for in `here` and the folders above it.

    Raises SettingsError for a file, key or value that is not right, naming the layer it came from.
    """
    all_layers = _layers(environment, folder, variables, here)
    try:
        settings = Settings.model_validate(layers.merged(all_layers))
    except ValidationError as error:
        raise SettingsError("\n".join(_messages(error, all_layers))) from None
    if settings.workspace.emulator:
        _check_not_led_away(layers.file(folder / f"{environment}.yml"), variables)
    return settings


@dataclass(frozen=True)
class Setting:
    """A setting in effect: its path, such as `data.percentage`, its value, and the layer that said so."""

    path: str
    value: Any
    origin: str


def explain(environment: str, *, folder: Path = FOLDER, variables: Mapping[str, str] = os.environ) -> list[Setting]:
    """Return every setting in effect and where it came from; raise SettingsError as `load` does."""
    settings = load(environment, folder=folder, variables=variables)
    all_layers = _layers(environment, folder, variables, Path())
    return [
        Setting(".".join(path), value, next((one.name for one in reversed(all_layers) if one.holds(path)), "default"))
        for path, value in _leaves(settings.model_dump(mode="json", by_alias=True), ())
    ]


def file_schema() -> dict[str, Any]:
    """Return the JSON schema of one file of settings: it may hold any part of them, so nothing is required."""
    schema = Settings.model_json_schema()
    del schema["$defs"]["GateSettings"]["properties"]["override"]
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    return schema


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _layers(environment: str, folder: Path, variables: Mapping[str, str], here: Path) -> list[Layer]:
    """Return what speaks of an environment, the last word last."""
    _one_of(folder, environment, "--environment {}: there is no such environment", but="base")
    base, own = layers.file(folder / "base.yml"), layers.file(folder / f"{environment}.yml")
    ours = list(layers.variables(variables))
    preset = layers.merged([base, own, *ours]).get("finetune", {}).get("preset")
    _one_of(folder / "presets", preset, "finetune.preset = {}: there is no such preset")
    model = layers.file(folder / "presets" / f"{preset}.yml")
    return [*layers.workspace(variables, here), base, model, own, *ours]


def _one_of(folder: Path, name: str, message: str, *, but: str = "") -> None:
    known = sorted(path.stem for path in folder.glob("*.yml") if path.stem != but)
    if name not in known:
        raise SettingsError(f"{message.format(name)}; choose one of {', '.join(known)}")


def _check_not_led_away(own: Layer, variables: Mapping[str, str]) -> None:
    """Raise SettingsError for variables that lead an emulator's environment away: they were set for another one."""
    names = [layers.variable(f"workspace.{field}") for field in layers.AZURE if own.holds(("workspace", field))]
    if away := [name for name in names if variables.get(name)]:
        raise SettingsError(
            f"{', '.join(away)}: set for another environment; {own.name} names the emulator's workspace itself. "
            f"Say: unset {' '.join(away)}"
        )


def _messages(error: ValidationError, all_layers: list[Layer]) -> Iterator[str]:
    for problem in error.errors():
        path, value = _path(problem["loc"]), problem["input"]
        if name := problem.get("ctx", {}).get("parameter"):  # an entry of a mapping that pydantic sees as one value
            path, value = (*path, name), value[name]
        is_missing = problem["type"] == "missing"
        place = path[:-1] if is_missing else path
        where = next((layer.name for layer in reversed(all_layers) if place and layer.holds(place)), "settings")
        said = "" if is_missing else f" = {value!r}"
        rule = _nearest(path) if problem["type"] == "extra_forbidden" else problem["msg"]
        yield f"{where}: {'.'.join(path)}{said}: {rule}{_how(path)}"


def _path(place: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the setting that pydantic means, which says of a choice, too, with which one it compared, and of a key."""
    parts, no_setting = (str(part) for part in place), {PrometheusSettings.__name__, "[key]"}
    return tuple(part for part in parts if part not in no_setting and not part.startswith("literal["))


def _nearest(path: tuple[str, ...]) -> str:
    """Return what may be set where nothing of this name can be."""
    schema = Settings.model_json_schema()
    section = schema
    for part in path[:-1]:
        section = section.get("properties", {}).get(part) or section.get("items", {})
        kinds = (each.get("$ref", "").rpartition("/")[2] for each in (section, *section.get("anyOf", ())))
        section = next((schema["$defs"][kind] for kind in kinds if kind in schema["$defs"]), section)
    known = [*section.get("properties", {})]
    near = get_close_matches(path[-1], known, n=1)
    return "there is no such setting; " + (f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}")


def _how(path: tuple[str, ...]) -> str:
    """Return how a workspace is named, for who has not done so."""
    if path != ("workspace",):
        return ""
    ours = ", ".join(layers.variable(f"workspace.{field}") for field in layers.AZURE)
    return f"; name it in {ours}, in {', '.join(layers.AZURE.values())}, or in the workspace's config.json"
