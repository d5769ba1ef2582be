"""What the inputs of a fine-tuning component take: checked here, for the SDK does not and the service does so late."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from operator import ge, gt, le
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError

from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import Parameter

BOOLEAN: Final = ("true", "false")


@dataclass(frozen=True)
class Rule:
    """Type and range of one input, under the names that components use; `above` must be exceeded."""

    type: str
    enum: tuple[str, ...] | None = None
    min: float | str | None = None
    max: float | str | None = None
    above: float | None = None


# Of chat_completion_pipeline 0.0.82 and our own component, and what their trainers refuse on the node. Known by heart,
# so that a typo is found before anything is asked of Azure; the rest is checked against the component itself.
KNOWN: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(
        (
            "apply_lora",
            "merge_lora_weights",
            "apply_deepspeed",
            "apply_fsdp",
            "apply_ort",
            "apply_early_stopping",
            "auto_find_batch_size",
            "enable_full_determinism",
            "gradient_checkpointing",
            "ignore_mismatched_sizes",
            "pad_to_max_length",
            "resume_from_checkpoint",
            "trust_remote_code",
        ),
        Rule("string", enum=BOOLEAN),
    ),
    **dict.fromkeys(
        (
            "num_train_epochs",
            "per_device_train_batch_size",
            "per_device_eval_batch_size",
            "gradient_accumulation_steps",
            "logging_steps",
            "save_steps",
            "eval_steps",
            "lora_r",
            "lora_alpha",
        ),
        Rule("integer", min=1),
    ),
    **dict.fromkeys(("max_seq_length", "save_total_limit", "max_steps"), Rule("integer", min=-1)),
    "warmup_steps": Rule("integer", min=0),
    "seed": Rule("integer", min=0),
    "learning_rate": Rule("number", above=0.0),
    "dpo_beta": Rule("number", above=0.0),
    "lora_dropout": Rule("number", min=0.0, max=1.0),
    "weight_decay": Rule("number", min=0.0),
    "max_grad_norm": Rule("number", min=0.0),
    "deepspeed_stage": Rule("string", enum=("2", "3")),
    "precision": Rule("string", enum=("32", "16", "4")),
    "optim": Rule("string", enum=("adamw_torch", "adafactor")),
    "lr_scheduler_type": Rule(
        "string",
        enum=("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"),
    ),
    "evaluation_strategy": Rule("string", enum=("epoch", "steps", "disable")),
    "logging_strategy": Rule("string", enum=("epoch", "steps")),
    "metric_for_best_model": Rule("string", enum=("loss", "f1", "exact")),
}

DEFAULTS: Final[Mapping[str, Parameter]] = {"apply_lora": "false", "deepspeed_stage": "2"}
"""What components take where nothing is said, of what the conflicts ask for."""
CONFLICTS: Final[tuple[tuple[dict[str, Parameter], str], ...]] = (
    ({"apply_deepspeed": "true", "apply_fsdp": "true"}, "both shard the model"),
    (
        {"apply_deepspeed": "true", "auto_find_batch_size": "true"},
        "DeepSpeed must know the batch size before it begins",
    ),
    ({"apply_early_stopping": "true", "evaluation_strategy": "disable"}, "there would be no validation to stop by"),
    ({"precision": "4", "apply_lora": "false"}, "weights of four bits do not learn, an adapter on them does"),
    ({"precision": "4", "apply_fsdp": "true"}, "FSDP does not shard weights of four bits"),
    (
        {"precision": "4", "apply_deepspeed": "true", "deepspeed_stage": "3"},
        "stage 3 does not shard weights of four bits; they fit one GPU where stage 2 does",
    ),
)
"""Values that do not go together, and why: what trainers refuse on a node that is paid for."""


def check_together(where: str, parameters: Mapping[str, Parameter]) -> None:
    """Raise InputError for parameters of which each is right, but not beside the others."""
    values = {**DEFAULTS, **parameters}
    for together, reason in CONFLICTS:
        if all(values.get(name) == value for name, value in together.items()):
            said = ", ".join(f"{name}: {value}" for name, value in together.items())
            raise InputError(f"{where}: {said} do not go together: {reason}. Change one of them")


def check_known(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    """Return parameters of the settings with the types of the inputs.

    Raises PydanticCustomError, which names the parameter, for a value that its input does not take.
    """
    checked = {}
    for name, value in parameters.items():
        try:
            checked[name] = as_input(value, KNOWN[name]) if name in KNOWN else value
        except InputError as error:
            context: dict[str, Any] = {"parameter": name, "said": str(error)}
            raise PydanticCustomError("parameter", "{said}", context) from None
    return checked


def as_input(value: Parameter, rule: Any) -> Parameter:
    """Return a value as an input takes it: enums spell booleans `true` and `false`.

    `rule` is a `Rule` or the specification of a component's input (type, enum, min, max). Raises InputError, saying
    what is taken, for a value of another type, out of range or unknown.
    """
    typed = _typed(value, rule.type)
    if rule.enum and typed not in rule.enum:
        near = get_close_matches(str(typed), rule.enum, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"must be one of {', '.join(map(str, rule.enum))}{hint}")
    bounds = (
        (rule.min, ge, "at least"),
        (rule.max, le, "at most"),
        (getattr(rule, "above", None), gt, "greater than"),
    )
    for bound, is_within, words in bounds:
        if bound is not None and not is_within(typed, float(bound)):
            raise InputError(f"must be {words} {float(bound):g}")
    return typed


def _typed(value: Parameter, kind: str) -> Parameter:
    if kind == "string":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind not in ("integer", "number"):
        return value
    try:
        number = float(value)
        whole = int(number)  # an error for infinity and what is no number
    except (ValueError, OverflowError):
        raise InputError(f"must be of type {kind}") from None
    if isinstance(value, bool) or (kind == "integer" and whole != number):
        raise InputError(f"must be of type {kind}")
    return whole if kind == "integer" else number
