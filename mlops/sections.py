"""What can be set: a section per stage, and what all stages share."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from mlops.compute.cluster import ClusterSettings
from mlops.compute.price import BudgetSettings
from mlops.compute.serving import startup_s
from mlops.datasets.settings import DataSettings
from mlops.finetuning.interface import check_known
from mlops.gates.rules import GateSettings
from mlops.records import Parameter
from mlops.rollout.plan import RolloutPlan

ELSEWHERE: Final = {"hub", "azureml", "chitchat"}


class Section(BaseModel):
    """A part of the settings: cannot change, and knows no key it does not declare."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        coerce_numbers_to_str=True,
        use_attribute_docstrings=True,  # into the schema, for editors and for the pages of the stages
    )


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
    def local(self) -> tuple[str, ...]:
        """Return which of the settings name files of this machine, each with what it names."""
        benchmarks = self.contamination.benchmarks if self.contamination else ()
        named = [("source", self.source), ("tokenizer", self.tokenizer or "hub:")]
        named += [("contamination.benchmarks", str(path)) for path in benchmarks]
        return tuple(f"data.{name} {path}" for name, path in named if path.partition(":")[0] not in ELSEWHERE)


class AssetReference(Section):
    """An asset of a registry; version `latest` takes the youngest."""

    registry: str = "azureml"
    name: str
    version: str = "latest"


class FoundationModelSettings(AssetReference):
    """The model that is trained; its parameters decide memory and time, `num_active` of them those of a token."""

    num_parameters: float = Field(gt=0)
    num_active: float | None = None
    allow_retired: bool = False
    """Train a retired model where the registry still has it."""


class FinetuneSettings(Section):
    """What is trained, by which component, on which cluster, with which parameters."""

    preset: str
    """A file of `presets/`: model, cluster and parameters that go together."""
    method: Literal["registry", "own"]
    """Train by the registry's component, or by our own of `specs/finetune.yml`."""
    model: FoundationModelSettings
    component: AssetReference
    cluster: ClusterSettings
    training: Annotated[dict[str, Parameter], AfterValidator(check_known)]
    optimization: Annotated[dict[str, Parameter], AfterValidator(check_known)]
    insist: tuple[str, ...] = ()
    """Parameters that the model's own defaults must not override."""
    alignment: Literal["none", "dpo"] = "none"
    """Whether a second step learns, by direct preference optimization, which answers people prefer."""
    preferences: str | None = None
    """What that step learns from: a file of JSON Lines, or one that is a data asset, `azureml:NAME:VERSION`."""
    dpo: Annotated[dict[str, Parameter], AfterValidator(check_known)] = {}
    """Parameters of that step; the others are those of the first."""
    queue_deadline_s: int = Field(ge=1)
    """How long a job may wait for its first node before the stage gives up on it."""
    detach: bool = False
    """End after the submission; the next run of the stage attaches."""
    force: bool = False
    """Submit a new job where one of the same data, settings, code and model is there."""

    @model_validator(mode="after")
    def _has_something_to_learn_from(self) -> Self:
        if self.alignment == "dpo" and self.preferences is None:
            raise ValueError("alignment: dpo needs preferences: a file, or a data asset azureml:NAME:VERSION")
        return self


class JudgeSettings(Section):
    """A model behind an OpenAI-compatible endpoint that compares answers; `url` ends where `chat/completions` begins.

    The key is read from a variable of the environment, and is no setting.
    """

    url: str = Field(pattern=r"^https?://")
    model: str
    key_variable: str = "JUDGE_API_KEY"


class EvaluateSettings(Section):
    """How much of the test split is scored, and whether a judge model compares the answers."""

    num_examples: int = Field(ge=2)
    num_generations: int = Field(ge=0)
    max_new_tokens: int = Field(ge=1)
    judge: JudgeSettings | None = None


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
    """How long a container may take until it serves, not counting what the model's weights take to arrive."""
    deadline_s: float = Field(gt=0)
    """How long Azure may take to bring a deployment up, or down."""
    max_new_tokens: int = Field(ge=1)
    tags: dict[str, str] = {}
    """Tags of an endpoint that is created; `expires` says in seconds since 1970 when the janitor may delete it."""

    def sized_for(self, num_parameters: float) -> Self:
        """Return the same settings with the time that a model of this size takes until it serves."""
        return self.model_copy(update={"startup_s": startup_s(self.startup_s, num_parameters)})


class NotifySettings(Section):
    """Where people hear of a rollout; the webhook's address is a secret, set it by MLOPS_NOTIFY__WEBHOOK."""

    webhook: SecretStr | None = None
    format: Literal["slack", "teams"] = "slack"


class PrometheusSettings(Section):
    """A Prometheus server, and one query for each figure: `$endpoint`, `$deployment` and `$seconds` are filled in."""

    url: str = Field(pattern=r"^https?://")
    requests: str
    """How many requests were made in the last `$seconds`."""
    failed: str
    """How many of them failed."""
    latency_s: str
    """What half of them took, in seconds."""


class Settings(Section):
    """Everything that can be set, a section per stage."""

    workspace: WorkspaceSettings
    data: PrepareSettings
    finetune: FinetuneSettings
    budget: BudgetSettings
    evaluate: EvaluateSettings
    gate: GateSettings
    register_: RegisterSettings = Field(alias="register")
    deploy: DeploySettings
    rollout: RolloutPlan
    notify: NotifySettings = NotifySettings()
    monitor: Literal["azure-monitor"] | PrometheusSettings | None = None
    """Who counts users' requests during a rollout; nobody, unless it is said."""
