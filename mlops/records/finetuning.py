"""What was trained: planned, and as it went."""

from __future__ import annotations

from mlops.records.data import DataAsset, Split
from mlops.records.record import Frozen, Record

Parameter = bool | int | float | str


class FinetuningPlan(Frozen):
    """What a fine-tuning job was expected to take; throughput and price say where they are from.

    `tokens_per_s` is of all GPUs together, `usd_per_hour` of all nodes. `facts` are pairs for people: what was found
    out of model, size, quota and memory before, and what was warned of.
    """

    size: str
    num_nodes: int
    num_gpus: int
    effective_batch: int
    steps: int
    tokens: int
    tokens_per_s: float
    throughput: str
    usd_per_hour: float
    price: str
    hours: float
    usd: float
    facts: tuple[tuple[str, str], ...] = ()


class Measured(Frozen):
    """What a job really took: hours that its steps held their nodes, and what these cost at the plan's price.

    `losses` are (step, value) pairs by the metric's name: `loss` and `eval_loss`, with `dpo_` those of an alignment.
    """

    hours: float
    usd: float
    tokens_per_s: float | None
    losses: dict[str, tuple[tuple[int, float], ...]]


class Alignment(Frozen):
    """The second step of a job, which learned from preferences which answers people like better; its plan alone."""

    method: str
    component: str
    preferences: Split
    parameters: dict[str, Parameter]
    plan: FinetuningPlan


class FineTuningJob(Record):
    """A completed training job, everything that went into it, and its plan beside what it took (`finetune`).

    `foundation_type` is the model's format, `mlflow_model` or `custom_model` (PyTorch).
    Hours and USD of `plan` and `measured` are those of all steps, all else that of the step that fine-tunes.
    """

    data: DataAsset
    name: str
    display_name: str
    experiment: str
    foundation_model: str
    foundation_type: str
    component: str
    compute: str
    num_gpus: int
    parameters: dict[str, Parameter]
    plan: FinetuningPlan
    alignment: Alignment | None = None
    measured: Measured
    trained_model: str
    studio_url: str
