"""Settings: `base.yml`, then the environment's file, then `MLOPS_` variables; the last one to speak wins.

`MLOPS_DATA__PERCENTAGE=5` is `data: {percentage: 5}`: two underscores step into a section.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mlops.compute.cluster import ClusterSettings
from mlops.datasets.settings import DataSettings
from mlops.errors import SettingsError
from mlops.gates.rules import GateSettings
from mlops.records import Parameter
from mlops.rollout.plan import RolloutPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = Path(__file__).parent.parent / "pipelines" / "settings"
PREFIX: Final = "MLOPS_"


class Section(BaseModel):
    """A part of the settings: cannot change, and knows no key it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True)


class WorkspaceSettings(Section):
    """Which workspace the stages work in; `emulator` starts one on this machine first."""

    subscription_id: str
    resource_group: str
    name: str
    emulator: bool = False


class PrepareSettings(DataSettings):
    """Which conversations, and where they are prepared: in the stage itself, or in a job on a cluster of CPUs."""

    where: Literal["runner", "cluster"] = "runner"
    cluster: ClusterSettings | None = None

    @property
    def conversations(self) -> DataSettings:
        """Return what says which conversations; where they are prepared changes no byte of them."""
        return DataSettings.model_validate(self.model_dump(exclude={"where", "cluster"}))

    @property
    def asset(self) -> tuple[str, str] | None:
        """Return name and version of the data asset that is the source, if it is one."""
        kind, _, rest = self.source.partition(":")
        name, _, version = rest.partition(":")
        return (name, version) if kind == "azureml" else None

    @property
    def is_local(self) -> bool:
        """Return whether the source is files of this machine."""
        return self.source != "chitchat" and not self.source.startswith(("hub:", "azureml:"))


class AssetReference(Section):
    """An asset of a registry; version `latest` takes the youngest."""

    registry: str = "azureml"
    name: str
    version: str = "latest"


class FinetuneSettings(Section):
    """What is trained, by which component, on which cluster, with which parameters."""

    model: AssetReference
    component: AssetReference
    cluster: ClusterSettings
    training: dict[str, Parameter]
    optimization: dict[str, Parameter]
    insist: tuple[str, ...] = ()
    """Parameters that the model's own defaults must not override."""


class EvaluateSettings(Section):
    """How much of the test split is scored."""

    num_examples: int = Field(ge=2)
    num_generations: int = Field(ge=0)
    max_new_tokens: int = Field(ge=1)


class RegisterSettings(Section):
    """The name under which accepted models are registered."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$")


class DeploySettings(Section):
    """The endpoint and what serves a model behind it."""

    endpoint: str = Field(pattern=r"^[a-z](-?[a-z0-9])*$", min_length=3, max_length=32)
    instance_type: str
    instance_count: int = Field(ge=1)
    request_timeout_s: int = Field(ge=1, le=180)
    max_concurrent_requests: int = Field(ge=1)
    startup_s: int = Field(ge=20)
    """How long a container may take until the model is loaded."""
    deadline_s: float = Field(gt=0)
    """How long Azure may take to bring a deployment up, or down."""
    max_new_tokens: int = Field(ge=1)
    tags: dict[str, str] = {}
    """Tags of an endpoint that is created; `expires` says in seconds since 1970 when the janitor may delete it."""


class NotifySettings(Section):
    """Where people hear of a rollout; the webhook's address is a secret, set it by MLOPS_NOTIFY__WEBHOOK."""

    webhook: SecretStr | None = None
    format: Literal["slack", "teams"] = "slack"


class Settings(Section):
    """Everything that can be set, a section per stage."""

    workspace: WorkspaceSettings
    data: PrepareSettings
    finetune: FinetuneSettings
    evaluate: EvaluateSettings
    gate: GateSettings
    register_: RegisterSettings = Field(alias="register")
    deploy: DeploySettings
    rollout: RolloutPlan
    notify: NotifySettings = NotifySettings()


@dataclass(frozen=True)
class Layer:
    """One source of settings: a name for messages, and a mapping."""

    name: str
    values: dict[str, Any]


def load(environment: str, *, folder: Path = FOLDER, variables: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of an environment.

    Raises SettingsError for a file, key or value that is not right, naming the layer it came from.
    """
    layers = _layers(environment, folder, variables)
    try:
        return Settings.model_validate(_merged(layers))
    except ValidationError as error:
        raise SettingsError("\n".join(_messages(error, layers))) from None


@dataclass(frozen=True)
class Setting:
    """A setting in effect: its path, such as `data.percentage`, its value, and the layer that said so."""

    path: str
    value: Any
    origin: str


def explain(environment: str, *, folder: Path = FOLDER, variables: Mapping[str, str] = os.environ) -> list[Setting]:
    """Return every setting in effect and where it came from; raise SettingsError as `load` does."""
    settings = load(environment, folder=folder, variables=variables)
    layers = _layers(environment, folder, variables)
    return [
        Setting(
            ".".join(path), value, next((one.name for one in reversed(layers) if _holds(one.values, path)), "default")
        )
        for path, value in _leaves(settings.model_dump(mode="json", by_alias=True), ())
    ]


def file_schema() -> dict[str, Any]:
    """Return the JSON schema of one file of settings: it may hold any part of them, so nothing is required."""
    schema = Settings.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    return schema


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _layers(environment: str, folder: Path, variables: Mapping[str, str]) -> list[Layer]:
    """Return what speaks of an environment, the last word last."""
    known = sorted(path.stem for path in folder.glob("*.yml") if path.stem != "base")
    if environment not in known:
        raise SettingsError(
            f"--environment {environment}: there is no such environment; choose one of {', '.join(known)}"
        )
    return [_read(folder / "base.yml"), _read(folder / f"{environment}.yml"), *_variables(variables)]


def _merged(layers: list[Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.values)
    return merged


def _read(path: Path) -> Layer:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path.name}: must hold a mapping of sections, such as `data:`")
    return Layer(path.name, values)


def _variables(variables: Mapping[str, str]) -> Iterator[Layer]:
    """Yield a layer per variable; values are YAML, so that numbers, booleans and lists can be given.

    An empty one says nothing: GitHub makes that of an input or a variable nobody set.
    """
    for name in sorted(variables):
        if name.startswith(PREFIX) and variables[name]:
            value: Any = _value(name, variables[name])
            for key in reversed(name.removeprefix(PREFIX).lower().split("__")):
                value = {key: value}
            yield Layer(name, value)


def _value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{name}: not readable as YAML: {' '.join(str(error).split())}") from None


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _messages(error: ValidationError, layers: list[Layer]) -> Iterator[str]:
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        where = next((layer.name for layer in reversed(layers) if _holds(layer.values, path)), layers[1].name)
        value = "" if problem["type"] == "missing" else f" = {problem['input']!r}"
        yield f"{where}: {'.'.join(path)}{value}: {problem['msg']}"


def _holds(values: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if isinstance(values, dict) and part in values:
            values = values[part]
        elif isinstance(values, list) and part.isdecimal() and int(part) < len(values):
            values = values[int(part)]
        else:
            return False
    return True
