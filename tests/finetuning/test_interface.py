"""What is known of a component's inputs without asking for it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pydantic_core import PydanticCustomError

from mlops.errors import InputError
from mlops.finetuning.interface import CONFLICTS, KNOWN, Rule, as_input, check_known, check_together
from mlops.records import Parameter
from mlops.settings import FOLDER
from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.errors import TrainerError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr_scheduler_type", "cosin", "must be one of linear, cosine,.*did you mean cosine?"),
        ("apply_lora", "yes", "must be one of true, false"),
        ("learning_rate", 0, "must be greater than 0"),
        ("learning_rate", "quick", "must be of type number"),
        ("learning_rate", True, "must be of type number"),
        ("learning_rate", float("inf"), "must be of type number"),
        ("weight_decay", "nan", "must be of type number"),
        ("num_train_epochs", 1.5, "must be of type integer"),
        ("num_train_epochs", float("inf"), "must be of type integer"),
        ("lora_r", True, "must be of type integer"),
        ("num_train_epochs", 0, "must be at least 1"),
        ("deepspeed_stage", 4, "must be one of 2, 3"),
        ("lora_dropout", 1.5, "must be at most 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(name: str, value: str | float, message: str) -> None:
    """Pydantic is told which entry of the mapping it is, for the message of the settings."""
    with pytest.raises(PydanticCustomError, match=message) as refusal:
        check_known({"seed": 1, name: value})
    assert refusal.value.context == {"parameter": name, "said": refusal.value.message()}


def test_values_are_written_as_components_write_them() -> None:
    """YAML knows booleans and numbers where the inputs are text; what is not known is left to the component."""
    given = {"apply_lora": True, "deepspeed_stage": 3, "learning_rate": "5e-6", "lora_r": 8.0, "of_tomorrow": 1}
    assert check_known(given) == {
        "apply_lora": "true",
        "deepspeed_stage": "3",
        "learning_rate": 5e-6,
        "lora_r": 8,
        "of_tomorrow": 1,
    }


def test_a_components_own_specification_is_a_rule_too() -> None:
    """The SDK's inputs have min and max as text, or None."""
    spec = SimpleNamespace(type="integer", enum=None, min="1", max="8")
    assert as_input("4", spec) == 4
    with pytest.raises(InputError, match="must be at most 8"):
        as_input(9, spec)


def test_our_own_component_is_known_by_heart() -> None:
    """Types and words of `specs/finetune.yml` are those that are checked before a request."""
    spec = yaml.safe_load((FOLDER.parent / "specs" / "finetune.yml").read_text(encoding="utf-8"))["inputs"]
    for name, rule in KNOWN.items():
        if name in spec:
            assert spec[name]["type"] == rule.type, name
            assert set(spec[name].get("enum", rule.enum or ())) <= set(rule.enum or ()), name


def test_every_rule_names_a_type() -> None:
    """`integer`, `number` and `string` are what components have; enums are text."""
    for name, rule in KNOWN.items():
        assert isinstance(rule, Rule)
        assert rule.type in ("integer", "number", "string"), name
        assert (rule.enum is None) == (rule.type != "string"), name


@pytest.mark.parametrize(("together", "reason"), CONFLICTS)
def test_what_does_not_go_together_is_refused(together: dict[str, Parameter], reason: str) -> None:
    """Each value is right by itself; the message names them all, and one other value makes it right."""
    with pytest.raises(InputError, match=re.escape(reason)) as refusal:
        check_together("finetune", {"apply_lora": "true"} | together)
    assert all(f"{name}: {value}" in str(refusal.value) for name, value in together.items())
    check_together("finetune", {"apply_lora": "true"} | together | {next(iter(together)): "false"})


def test_the_trainer_refuses_what_is_refused_before() -> None:
    """What is known by heart here is what our trainer says on the node."""
    arguments = {"train_file_path": Path(), "mlflow_model_folder": Path(), "mlflow_model_path": Path()}
    booleans = {"true": True, "false": False}
    for together, _ in CONFLICTS:
        values = {name: booleans.get(str(value), value) for name, value in together.items()}
        with pytest.raises(TrainerError):
            FinetuneArguments(**arguments | {"apply_lora": True} | values)
