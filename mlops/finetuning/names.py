"""What a job is called, by people and by the rule that the same work is paid for once."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import Parameter


def display_name(model: str, data: str, parameters: Mapping[str, Parameter], *, batch: int, is_aligned: bool) -> str:
    """Return the job's name for people: model, data, effective batch, schedule, DeepSpeed, LoRA, limits, alignment.

    >>> display_name("Phi-4", "chitchat", {"apply_lora": "true", "max_seq_length": 2048}, batch=8, is_aligned=True)
    'Phi-4-chitchat-bs8-linear-nods-lora-save_limit-1-seqlen2048-dpo'
    """
    deepspeed = parameters.get("apply_deepspeed") == "true"
    parts = (
        model.replace("/", "-"),
        data,
        f"bs{batch}",
        str(parameters.get("lr_scheduler_type", "linear")),
        f"ds{parameters.get('deepspeed_stage', '2')}" if deepspeed else "nods",
        "lora" if parameters.get("apply_lora") == "true" else "nolora",
        f"save_limit{parameters.get('save_total_limit', -1)}",
        f"seqlen{parameters.get('max_seq_length', -1)}",
        *(["dpo"] if is_aligned else []),
    )
    return "-".join(parts)


def idempotency_key(**parts: Any) -> str:
    """Return a key that is the same for the same data, settings, code and model, and for nothing else.

    >>> idempotency_key(data="a", model="b") == idempotency_key(model="b", data="a")
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
