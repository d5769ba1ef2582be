"""Everything a fine-tuning job needs, looked up and checked, and what it will cost; nothing is created or changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from mlops.alignment import alignment_step
from mlops.compute import plan as plans
from mlops.compute import price as prices
from mlops.compute import sizes as known_sizes
from mlops.compute.allow_list import check_size
from mlops.compute.lifecycle import is_tunable, lifecycle
from mlops.errors import InputError
from mlops.finetuning import parameters
from mlops.finetuning.interface import check_together
from mlops.finetuning.names import idempotency_key
from mlops.records import FinetuningPlan
from mlops.settings import FOLDER
from mlops.times import duration
from mlops.workspace import assets, cluster, jobs

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.alignment import AlignmentStep
    from mlops.finetuning.parameters import Parameters
    from mlops.records import DataAsset
    from mlops.sections import FinetuneSettings, Settings
    from mlops.workspace.assets import Component, FoundationModel
    from mlops.workspace.client import Workspace
    from mlops.workspace.cluster import Size

SPEC: Final = FOLDER.parent / "specs" / "finetune.yml"
ALIGN: Final = SPEC.with_name("align.yml")
TRAINER: Final = FOLDER.parent.parent / "mlops" / "trainer"


@dataclass(frozen=True)
class Recipe:
    """What a job is made of, and what it will take; `workload` names such jobs.

    Hours and USD of `plan` are those of all steps.
    """

    model: FoundationModel
    component: Component
    parameters: Parameters
    alignment: AlignmentStep | None
    plan: FinetuningPlan
    workload: str
    key: str
    max_usd: float

    @property
    def steps(self) -> tuple[Parameters, ...]:
        """Return the parameters of each step."""
        return (self.parameters, *((self.alignment.parameters,) if self.alignment else ()))

    @property
    def refusal(self) -> str | None:
        """Return why the job must not be paid for, or None."""
        if self.plan.usd <= self.max_usd:
            return None
        return (
            f"the job would cost about {self.plan.usd:.2f} USD, budget.max_usd is {self.max_usd:g}: train on less data "
            "or fewer epochs, choose another size, or raise the budget"
        )


def recipe(workspace: Workspace, settings: Settings, data: DataAsset, *, today: date) -> Recipe:
    """Return the recipe of a job on this data.

    Raises InputError for a model that is retired, a size that is not allowed or has no quota, a wrong parameter.
    """
    finetune = settings.finetune
    model = assets.foundation_model(workspace, finetune.model)
    life = _alive(workspace, finetune, model, today)
    allowed = check_size(finetune.cluster.size, "finetune", tags=model.tags, properties=model.properties)
    gpu = known_sizes.gpu(finetune.cluster.size)
    size = _size(workspace, finetune, model)
    component = _component(workspace, finetune)
    merged = parameters.merge(
        finetune.training | finetune.optimization,
        tags=model.tags,
        inputs=component.inputs,
        insist=finetune.insist,
    )
    check_together("finetune", merged.values)
    machines = plans.Machines(size.name, finetune.cluster.num_nodes, size.gpus, gpu, _price(workspace, settings))
    weights = plans.ModelSize(finetune.model.num_parameters, finetune.model.num_active or finetune.model.num_parameters)
    workload = _workload(finetune, merged)
    throughput = _throughput(workspace, workload, weights, merged, machines)
    plan = plans.plan(data.train, merged.values, machines, throughput)
    second = _alignment(workspace, finetune, merged, machines, throughput)
    if second:
        both = {"hours": plan.hours + second.plan.hours, "usd": plan.usd + second.plan.usd}
        plan = plan.model_copy(update=both)
    quota, warned = _quota(workspace, finetune, size)
    facts = (
        ("model", f"{model.id} ({model.type})"),
        ("lifecycle", life),
        ("component", component.id),
        ("cluster", f"{finetune.cluster.name}, {finetune.cluster.tier.replace('_', ' ')}"),
        ("size", f"{size.name}, {plan.num_nodes} x {plan.num_gpus} GPU ({gpu.name if gpu else 'of unknown kind'})"),
        ("allowed by", allowed),
        ("quota", quota),
        ("precision", f"{plans.precision(merged.values)} bits, {plans.method(merged.values)}"),
        (
            "memory",
            f"about {plans.memory_gb(weights, merged.values, machines):.1f} GB of weights and optimizer per GPU",
        ),
        ("preparation", f"{duration(3600 * throughput.preparation_hours)} before and after training"),
        *((("alignment", str(second)),) if second else ()),
        *(("warning", text) for text in warned),
        *(("warning", text) for text in plans.warnings(weights, merged.values, machines, tier=finetune.cluster.tier)),
    )
    return Recipe(
        model=model,
        component=component,
        parameters=merged,
        alignment=second,
        plan=plan.model_copy(update={"facts": facts}),
        workload=workload,
        key=idempotency_key(
            data=data.content_hash,
            model=model.id,
            code=component.id,
            parameters=merged.values,
            **({"alignment": second.key} if second else {}),
            cluster=[finetune.cluster.name, size.name, finetune.cluster.num_nodes],
        ),
        max_usd=settings.budget.max_usd,
    )


def _alive(workspace: Workspace, settings: FinetuneSettings, model: FoundationModel, today: date) -> str:
    """Return where in its life the model is; raise InputError, naming successors, if that is over."""
    life = lifecycle(model.tags, is_archived=model.is_archived)
    over = life.over(today)
    if over is None or settings.model.allow_retired:
        return life.describe(today) + (" (finetune.model.allow_retired)" if over else "")
    alive = [
        f"{other.name} ({lifecycle(other.tags, is_archived=other.is_archived).describe(today)})"
        for other in assets.successors(workspace, settings.model)
        if is_tunable(other.properties, other.tags)
        and not lifecycle(other.tags, is_archived=other.is_archived).over(today)
    ]
    raise InputError(
        f"model {model.name} {over}. Of its family, registry {settings.model.registry} can fine-tune "
        f"{', '.join(alive) or 'no other'}: set finetune.preset or finetune.model.name; or insist with "
        "finetune.model.allow_retired: true where the registry still has it"
    )


def _component(workspace: Workspace, settings: FinetuneSettings) -> Component:
    return _own(SPEC) if settings.method == "own" else assets.component(workspace, settings.component)


def _own(spec: Path) -> Component:
    return assets.own_component(spec, [*spec.parent.glob("finetune-*.yml"), *TRAINER.rglob("*.py")])


def _alignment(
    workspace: Workspace,
    settings: FinetuneSettings,
    first: Parameters,
    machines: plans.Machines,
    throughput: plans.Throughput,
) -> AlignmentStep | None:
    if settings.alignment == "none":
        return None
    return alignment_step(workspace, settings, _own(ALIGN), first, machines, throughput)


def _size(workspace: Workspace, settings: FinetuneSettings, model: FoundationModel) -> Size:
    """Return the size as the region offers it; raise InputError, naming what it offers, if it is not there."""
    offered, wanted = cluster.sizes(workspace), settings.cluster.size
    size = next((size for size in offered if size.name.lower() == wanted.lower()), None)
    if size is None:
        names = sorted(size.name for size in offered if size.gpus)
        raise InputError(f"{wanted} is not offered in this region; choose one of {', '.join(names)}")
    if not size.gpus:
        raise InputError(f"{wanted} has no GPU: {model.name} is trained on GPUs; choose another finetune.cluster.size")
    if settings.cluster.tier == "low_priority" and not size.is_low_priority_capable:
        raise InputError(f"{wanted} is not sold as low priority: set finetune.cluster.tier to dedicated")
    return size


def _price(workspace: Workspace, settings: Settings) -> prices.Price:
    """Return what a node costs: as the settings say, else as Azure says today, else as our table says."""
    size, tier = settings.finetune.cluster.size, settings.finetune.cluster.tier
    if own := prices.agreed(size, settings.budget):
        return own
    # The emulator's machines cost nothing: what is shown for them is what Azure's would.
    region = None if settings.workspace.emulator else workspace.location
    return (region and cluster.retail_price(region, size, tier)) or prices.listed(size, tier)


def _workload(settings: FinetuneSettings, merged: Parameters) -> str:
    """Return a name that jobs share whose tokens per second are alike: it is a tag of jobs that were timed."""
    kind = [
        settings.model.name,
        settings.cluster.size.lower(),
        settings.method,
        plans.method(merged.values),
        plans.precision(merged.values),
        merged.values.get("max_seq_length", -1),
        merged.values.get("per_device_train_batch_size", 1),
    ]
    return f"workload-{hashlib.sha256(json.dumps(kind).encode()).hexdigest()[:12]}"


def _throughput(
    workspace: Workspace, workload: str, weights: plans.ModelSize, merged: Parameters, machines: plans.Machines
) -> plans.Throughput:
    timed = plans.measured(jobs.timings(workspace, workload))
    expected = timed or plans.assumed(weights, merged.values, machines.gpu)
    if expected is None:
        raise InputError(
            f"nothing is known of the speed of {machines.size}, so that no cost can be estimated: choose one of "
            f"{', '.join(name for name, entry in known_sizes.table()['sizes'].items() if 'retired' not in entry)}"
        )
    return expected


def _quota(workspace: Workspace, settings: FinetuneSettings, size: Size) -> tuple[str, list[str]]:
    """Return how much quota is left, and a warning if it is in use; raise InputError if there never is enough."""
    needed, quota = size.vcpus * settings.cluster.num_nodes, cluster.quota(workspace, size, settings.cluster.tier)
    if quota is None:
        return f"unknown for {size.family}; {needed} vCPUs needed", []
    warning = quota.check(needed, size=size.name)
    told = f"{quota.free} vCPUs of {quota.family} left, {needed} needed"
    return told, [warning] if warning else []
