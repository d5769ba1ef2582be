"""Whether a model can still be trained."""

from __future__ import annotations

from datetime import date

import pytest

from mlops.compute.lifecycle import is_tunable, lifecycle

PHI_3 = {"FinetuneDeprecationDate": "2025-06-30", "FinetuneRetirementDate": "2025-08-30"}


@pytest.mark.parametrize(
    ("tags", "archived", "today", "over", "description"),
    [
        (PHI_3, False, "2025-06-01", None, "to be deprecated on 2025-06-30, to be retired on 2025-08-30"),
        (PHI_3, False, "2025-07-01", None, "deprecated since 2025-06-30, to be retired on 2025-08-30"),
        (PHI_3, False, "2025-08-30", "was retired on 2025-08-30", "was retired on 2025-08-30"),
        ({}, True, "2025-01-01", "is archived", "is archived"),
        ({}, False, "2025-01-01", None, "no end announced"),
    ],
)
def test_a_model_is_over_from_its_retirement_on(
    tags: dict[str, str], archived: bool, today: str, over: str | None, description: str
) -> None:
    """The day counts, not the version: tags change in place. Deprecated is still trainable, and said."""
    life = lifecycle(tags, is_archived=archived)
    assert life.over(date.fromisoformat(today)) == over
    assert life.describe(date.fromisoformat(today)) == description


def test_only_models_with_fine_tune_metadata_can_succeed() -> None:
    """A model for chat that is served only is no successor."""
    assert is_tunable({"finetuning-tasks": "chat-completion"}, {"model_specific_defaults": "{}"})
    assert not is_tunable({"finetuning-tasks": "text-classification"}, {"model_specific_defaults": "{}"})
    assert not is_tunable({"finetuning-tasks": "chat-completion"}, {})
