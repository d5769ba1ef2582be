"""Parameters of fine-tuning jobs, and where each came from."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from mlops.errors import InputError
from mlops.finetuning.parameters import Parameters, follow, merge
from mlops.records import Parameter

KINDS = {"learning_rate": "number", "num_train_epochs": "integer", "apply_lora": "string", "deepspeed_stage": "string"}
INPUTS = {name: SimpleNamespace(type=kind, enum=None, min=None, max=None) for name, kind in KINDS.items()} | {
    "lr_scheduler_type": SimpleNamespace(type="string", enum=["linear", "cosine"], min=None, max=None),
    "max_seq_length": SimpleNamespace(type="integer", enum=None, min="-1", max="4096"),
}
TAGS = {
    "model_specific_defaults": "{'learning_rate': '5e-6', 'learning_rate_min': 5e-7, 'num_train_epochs': 1, "
    "'apply_lora': 'true', 'deepspeed_stage': 2}"
}


def test_the_models_defaults_override_the_settings_and_say_so() -> None:
    """Row 10 of the flow: the registry knows the model better; the table shows what was replaced."""
    merged = merge({"num_train_epochs": 3}, tags=TAGS, inputs=INPUTS, insist=())
    assert merged.values["num_train_epochs"] == 1
    assert merged.origins["num_train_epochs"] == "model default, instead of 3"


def test_a_setting_can_insist() -> None:
    """What the settings insist on is not overridden."""
    merged = merge({"num_train_epochs": 3}, tags=TAGS, inputs=INPUTS, insist=("num_train_epochs",))
    assert merged.values["num_train_epochs"] == 3
    assert merged.origins["num_train_epochs"] == "settings, insisting on it instead of the model's 1"


def test_defaults_that_are_no_inputs_are_dropped() -> None:
    """The service refuses unknown inputs, so a new key in the registry must not break the job."""
    merged = merge({}, tags=TAGS, inputs=INPUTS, insist=())
    assert merged.dropped == {"learning_rate_min": 5e-7}
    assert "learning_rate_min" not in merged.values


def test_values_take_the_types_of_the_inputs() -> None:
    """The registry writes numbers as text and enums as numbers; the component gets what it declares."""
    merged = merge({"apply_lora": True}, tags=TAGS, inputs=INPUTS, insist=("apply_lora",))
    assert merged.values == {
        "learning_rate": 5e-6,
        "num_train_epochs": 1,
        "apply_lora": "true",
        "deepspeed_stage": "2",
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rate": "fast"}, "learning_rate = 'fast': must be of type number"),
        ({"lr_scheduler_type": "cosin"}, "'cosin': must be one of linear, cosine; did you mean cosine?"),
        ({"max_seq_length": -2}, "max_seq_length = -2: must be at least -1"),
        ({"max_seq_length": 8192}, "max_seq_length = 8192: must be at most 4096"),
        ({"learning_rat": 1.0}, "learning_rat is no input of the component; did you mean learning_rate?"),
        ({"colour": 1.0}, "colour is no input of the component; choose one of learning_rate, num_train_epochs"),
    ],
)
def test_a_wrong_parameter_is_a_sentence(parameters: dict[str, Parameter], message: str) -> None:
    """A typo is found before a cluster is made, and named with what would be right."""
    with pytest.raises(InputError, match=re.escape(message)):
        merge(parameters, tags=TAGS, inputs=INPUTS, insist=())


def test_a_second_step_trains_as_the_first_but_for_its_own_settings() -> None:
    """What it has no input for is left out; its own settings are checked as the first step's are."""
    first = Parameters({"learning_rate": 5e-3, "apply_lora": "true", "lora_r": 8}, {}, {})
    second = follow(first, {"learning_rate": "5e-6"}, inputs=INPUTS)
    assert second.values == {"learning_rate": 5e-6, "apply_lora": "true"}
    assert second.origins == {"learning_rate": "finetune.dpo", "apply_lora": "as in the first step"}
    with pytest.raises(InputError, match=re.escape("finetune.dpo: learning_rate = 'fast': must be of type number")):
        follow(first, {"learning_rate": "fast"}, inputs=INPUTS)
