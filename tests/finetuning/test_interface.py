"""What is known of a component's inputs without asking for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from pydantic_core import PydanticCustomError

from mlops.errors import InputError
from mlops.finetuning.interface import KNOWN, Rule, as_input, check_known
from mlops.settings import FOLDER


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr_scheduler_type", "cosin", "must be one of linear, cosine,.*did you mean cosine?"),
        ("apply_lora", "yes", "must be one of true, false"),
        ("learning_rate", 0, "must be greater than 0"),
        ("learning_rate", "quick", "must be of type number"),
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
    given = {"apply_lora": True, "deepspeed_stage": 3, "learning_rate": "5e-6", "of_tomorrow": 1}
    assert check_known(given) == {
        "apply_lora": "true",
        "deepspeed_stage": "3",
        "learning_rate": 5e-6,
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
