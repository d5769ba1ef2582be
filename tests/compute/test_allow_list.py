"""Where a model's allowed sizes are found, and what is refused."""

from __future__ import annotations

import json

import pytest

from mlops.compute.allow_list import allow_list, check_size
from mlops.errors import InputError

A100 = "Standard_NC24ads_A100_v4"
PLACES = [
    ({"finetune_compute_allow_list": f"['{A100}']"}, {}),
    ({"finetune_compute_allow_list": json.dumps([A100])}, {}),
    ({}, {"finetune-recommended-sku": f"{A100}, Standard_ND40rs_v2"}),
    ({}, {"finetuneComputes": A100}),
    ({}, {"system_metadata": json.dumps({"supportedComputes": {"finetuneComputes": [A100]}})}),
]


@pytest.mark.parametrize(("tags", "properties"), PLACES)
def test_the_list_is_found_wherever_the_registry_keeps_it(tags: dict[str, str], properties: dict[str, str]) -> None:
    """Tag as Python or JSON text, property, or system metadata: a move must not switch the check off."""
    found = allow_list("finetune", tags=tags, properties=properties)
    assert found is not None
    assert A100 in found[0]


def test_sizes_compare_without_case() -> None:
    """Azure's own spelling varies."""
    check_size(A100.upper(), "finetune", tags=PLACES[0][0], properties={})


def test_who_chooses_a_size_sees_the_others() -> None:
    """Where the list stands and all of it, as the plan shows it."""
    said = check_size(A100, "finetune", tags={}, properties=PLACES[2][1])
    assert said == f"property finetune-recommended-sku: {A100}, Standard_ND40rs_v2"


def test_a_size_off_the_list_is_refused_with_the_list() -> None:
    """The message says what may be chosen instead and where that is written."""
    with pytest.raises(InputError, match=f"tag finetune_compute_allow_list.*{A100}"):
        check_size("Standard_NC4as_T4_v3", "finetune", tags=PLACES[0][0], properties={})


def test_without_a_list_only_hopeless_sizes_are_refused() -> None:
    """A registry that says nothing allows all but the K80 sizes."""
    check_size(A100, "finetune", tags={}, properties={})
    with pytest.raises(InputError, match="too old"):
        check_size("STANDARD_NC6", "finetune", tags={}, properties={})
