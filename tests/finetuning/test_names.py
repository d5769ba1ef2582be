"""Names and keys of fine-tuning jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.finetuning.names import display_name, idempotency_key


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "Phi-chitchat-bs4-linear-nods-nolora-save_limit-1-seqlen-1"),
        (
            {
                "lr_scheduler_type": "cosine",
                "apply_deepspeed": "true",
                "deepspeed_stage": "3",
                "apply_lora": "true",
                "save_total_limit": 1,
                "max_seq_length": 512,
            },
            "Phi-chitchat-bs4-cosine-ds3-lora-save_limit1-seqlen512",
        ),
    ],
)
def test_the_display_name_tells_how_it_was_trained(parameters: dict[str, object], name: str) -> None:
    """Row 11 of the flow, with its defaults; slashes of a model's name would not be taken."""
    assert display_name("Phi", "chitchat", parameters, batch=4, is_aligned=False) == name
    assert display_name("org/Phi", "chitchat", parameters, batch=4, is_aligned=True) == f"org-{name}-dpo"


@given(data=st.text(), rate=st.floats(allow_nan=False), model=st.text())
def test_the_key_changes_with_every_part_and_with_no_order(data: str, rate: float, model: str) -> None:
    """The same work has the same key, in whatever order it is described; another value is another key."""
    key = idempotency_key(data=data, parameters={"a": 1, "learning_rate": rate}, model=model)
    assert key == idempotency_key(model=model, parameters={"learning_rate": rate, "a": 1}, data=data)
    assert key != idempotency_key(data=data + "x", parameters={"a": 1, "learning_rate": rate}, model=model)
    assert key != idempotency_key(data=data, parameters={"a": 1, "learning_rate": rate}, model=model + "x")
