"""From settings and a model's own defaults to the parameters and the name of a fine-tuning job."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from operator import gt, lt
from typing import TYPE_CHECKING, Any

from mlops.compute.allow_list import literal
from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import Parameter


@dataclass(frozen=True)
class Parameters:
    """The parameters of a job, where each came from, and which defaults of the model the component does not take."""

    values: dict[str, Parameter]
    origins: dict[str, str]
    dropped: tuple[str, ...]


def merge(
    settings: Mapping[str, Parameter],
    *,
    tags: Mapping[str, str],
    inputs: Mapping[str, Any],
    insist: tuple[str, ...],
) -> Parameters:
    """Return the settings overridden by the model's `model_specific_defaults`, except where the settings insist.

    The registry adds keys to those defaults that `chat_completion_pipeline` has no inputs for (learning_rate_min);
    handing them on would be refused, so they are dropped. Values take the type of the component's input.

    Raises InputError for a setting that is no input, or that its input does not take.
    """
    defaults: dict[str, Parameter] = literal(tags.get("model_specific_defaults", "{}"))
    known = {name: as_input(name, value, inputs[name]) for name, value in defaults.items() if name in inputs}
    if unknown := sorted(settings.keys() - inputs.keys()):
        raise InputError(f"finetune: {', '.join(unknown)} is no input of the component; it takes {', '.join(inputs)}")
    chosen = {name: as_input(name, value, inputs[name]) for name, value in settings.items()}
    overriding = {name: value for name, value in known.items() if not (name in insist and name in chosen)}
    origins = dict.fromkeys(chosen, "settings")
    origins |= {name: _origin(chosen.get(name, value), value) for name, value in overriding.items()}
    return Parameters(chosen | overriding, origins, tuple(sorted(defaults.keys() - known.keys())))


def _origin(setting: Parameter, default: Parameter) -> str:
    return "model default" if setting == default else f"model default, instead of {setting}"


def as_input(name: str, value: Parameter, spec: Any) -> Parameter:
    """Return a value as the component's input takes it: its enums spell booleans `true` and `false`.

    `spec` is the input's own (type, enum, min, max). The SDK does not check it, and the service does so only when a
    node of the cluster has been started. Raises InputError for a value of another type, out of range or unknown.
    """
    typed = _typed(name, value, spec.type)
    if spec.enum and typed not in spec.enum:
        near = get_close_matches(str(typed), spec.enum, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"finetune: {name} = {value!r} must be one of {', '.join(map(str, spec.enum))}{hint}")
    for bound, is_beyond in ((spec.min, lt), (spec.max, gt)):
        if bound is not None and is_beyond(typed, float(bound)):
            raise InputError(
                f"finetune: {name} = {value!r} must be at {'least' if is_beyond is lt else 'most'} {bound}"
            )
    return typed


def _typed(name: str, value: Parameter, kind: str) -> Parameter:
    if kind == "string":
        return str(value).lower() if isinstance(value, bool) else str(value)
    types: dict[str, type[int | float]] = {"integer": int, "number": float}
    try:
        return types[kind](value) if kind in types else value
    except ValueError:
        raise InputError(f"finetune: {name} = {value!r} must be of type {kind}") from None


def display_name(model: str, data: str, parameters: Mapping[str, Parameter], *, num_gpus: int, num_nodes: int) -> str:
    """Return the job's name for people: model, data, effective batch, schedule, DeepSpeed, LoRA and limits.

    The effective batch is per-device batch x gradient accumulation x GPUs per node x nodes.
    """
    per_device = int(parameters.get("per_device_train_batch_size", 1))
    batch = per_device * int(parameters.get("gradient_accumulation_steps", 1)) * num_gpus * num_nodes
    deepspeed = parameters.get("apply_deepspeed") == "true"
    stage = f"ds{parameters.get('deepspeed_stage', '2')}" if deepspeed else "nods"
    lora = "lora" if parameters.get("apply_lora") == "true" else "nolora"
    parts = (
        model.replace("/", "-"),
        data,
        f"bs{batch}",
        str(parameters.get("lr_scheduler_type", "linear")),
        stage,
        lora,
        f"save_limit{parameters.get('save_total_limit', -1)}",
        f"seqlen{parameters.get('max_seq_length', -1)}",
    )
    return "-".join(parts)
