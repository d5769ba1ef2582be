"""The registry `azureml` shows models and the fine-tuning pipeline as Azure's does."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from azure.ai.ml.entities import Model
from azure.ai.ml.exceptions import UnexpectedKeywordError, ValidationException
from azure.core.exceptions import HttpResponseError

import mlops.emulator.registry as registry_files

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_PIPELINE = "chat_completion_pipeline"


def test_the_old_layout_has_allow_lists_in_tags(registry: MLClient) -> None:
    """Phi-3's tags hold lists and maps as Python writes them."""
    model = registry.models.get("Phi-3-mini-4k-instruct", label="latest")
    assert model.version == "15"
    assert model.id == "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15"
    assert "Standard_NC24ads_A100_v4" in ast.literal_eval(model.tags["finetune_compute_allow_list"])
    assert ast.literal_eval(model.tags["model_specific_defaults"])["apply_lora"] == "true"


def test_the_new_layout_has_none(registry: MLClient) -> None:
    """Phi-4's allow lists are no tags any more: who reads only tags finds nothing."""
    model = registry.models.get("Phi-4", version="8")
    assert "finetune_compute_allow_list" not in model.tags
    assert "model_specific_defaults" in model.tags


def test_models_are_listed(registry: MLClient) -> None:
    """A list of the registry's models names each once."""
    names = ["Phi-3-mini-4k-instruct", "Phi-3.5-mini-instruct", "Phi-4"]
    assert sorted(model.name for model in registry.models.list()) == names


def test_retired_models_are_still_read(registry: MLClient) -> None:
    """Phi-3.5 says in its tags since when it is retired."""
    model = registry.models.get("Phi-3.5-mini-instruct", label="latest")
    assert (model.version, model.tags["FinetuneRetirementDate"]) == ("6", "2025-08-30")
    assert ast.literal_eval(model.tags["model_specific_defaults"])["max_seq_length"] == 16384


def test_the_pipeline_has_azures_interface(registry: MLClient) -> None:
    """Names, types, defaults and allowed values are those of the real component, as the SDK reads them."""
    component = registry.components.get(_PIPELINE, label="latest")
    assert component.version == "0.0.82"
    assert component.id == f"azureml://registries/azureml/components/{_PIPELINE}/versions/0.0.82"
    assert set(component.outputs) == {"pytorch_model_folder", "mlflow_model_folder"}
    assert component.inputs["learning_rate"]["default"] == 2e-5
    assert component.inputs["num_train_epochs"]["min"] == 1
    assert component.inputs["precision"]["enum"] == ["32", "16"]
    assert not component.inputs["task_name"].get("optional")


def test_the_models_own_defaults_do_not_fit_the_pipeline(registry: MLClient) -> None:
    """As on Azure since 2025, passing all of a model's defaults fails: two of them are no inputs."""
    component = registry.components.get(_PIPELINE, version="0.0.82")
    model = registry.models.get("Phi-3-mini-4k-instruct", version="15")
    defaults = ast.literal_eval(model.tags["model_specific_defaults"])
    with pytest.raises(UnexpectedKeywordError, match="learning_rate_m"):
        component(**defaults)
    component(**{name: value for name, value in defaults.items() if name in component.inputs})


def test_unknown_models_do_not_exist(registry: MLClient) -> None:
    """A model that the registry lacks is an error of the SDK's own."""
    with pytest.raises(ValidationException, match="does not exist in registry"):
        registry.models.get("unknown", label="latest")


def test_the_registry_is_read_only(registry: MLClient, tmp_path: Path) -> None:
    """Nobody but Microsoft writes to the registry."""
    (tmp_path / "weights").write_text("x")
    with pytest.raises(HttpResponseError, match="permission"):
        registry.models.create_or_update(Model(name="mine", version="1", path=str(tmp_path)))


def test_what_stands_in_for_a_model_can_be_run() -> None:
    """Every file of the registry that names a command names a program of this project, and a model of its own."""
    folder = Path(registry_files.__file__).parent
    commands = [yaml.safe_load(path.read_bytes()).get("x-emulator", {}).get("command") for path in folder.glob("*.yml")]
    named = [command for command in commands if command]
    assert len(named) >= 5
    assert all(find_spec(command.split()[2]) for command in named)
    assert len(set(named)) == len(named)
