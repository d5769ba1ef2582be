"""Settings: layers, and messages that name file, field, value and rule."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from mlops.errors import SettingsError
from mlops.settings import FOLDER, load

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE = {f"MLOPS_WORKSPACE__{key}": "x" for key in ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "NAME")}


@pytest.mark.parametrize("environment", ["local", "dev", "prod"])
def test_every_shipped_settings_file_loads(environment: str) -> None:
    """No environment ships with settings that its first stage would refuse."""
    variables = {} if environment == "local" else WORKSPACE
    assert load(environment, variables=variables).deploy.endpoint == f"chat-{environment}"


@pytest.mark.parametrize("preset", [path.stem for path in (FOLDER / "presets").glob("*.yml")])
def test_every_model_comes_with_its_tokens(preset: str) -> None:
    """What goes to Azure is measured against the model's own context; a laptop asks no hub."""
    data = load("dev", variables=WORKSPACE | {"MLOPS_FINETUNE__PRESET": preset}).data
    assert re.fullmatch(r"hub:[\w-]+/[\w.-]+@[0-9a-f]{40}", data.tokenizer or "")
    assert data.max_tokens
    assert load("local", variables={"MLOPS_FINETUNE__PRESET": preset}).data.tokenizer is None


def test_a_variable_beats_the_file_and_the_file_beats_base() -> None:
    """The last layer to speak wins; what it does not say stays."""
    settings = load("local", variables={"MLOPS_DATA__PERCENTAGE": "5"})
    assert settings.data.percentage == 5
    assert settings.data.seed == 0
    assert settings.deploy.startup_s == 300


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MLOPS_DATA__PERCENTAGE", "0", "MLOPS_DATA__PERCENTAGE: data.percentage = 0: Input should be greater than 0"),
        ("MLOPS_DATA__SEED", "many", "MLOPS_DATA__SEED: data.seed = 'many': Input should be a valid integer"),
        ("MLOPS_DATA__SEAD", "1", "MLOPS_DATA__SEAD: data.sead = 1: there is no such setting; did you mean seed?"),
        ("MLOPS_DATA__COLUMNS__FOO", "x", "MLOPS_DATA__COLUMNS__FOO: data.columns.foo = 'foo': Input"),
        ("MLOPS_DATUM", "1", "MLOPS_DATUM: datum = 1: there is no such setting; did you mean data?"),
        ("MLOPS_DATA__CLUSTER__SIZ", "x", "data.cluster.siz = 'x': there is no such setting; did you mean size?"),
        ("MLOPS_MONITOR__URLL", "x", "MLOPS_MONITOR__URLL: monitor.urll = 'x': there is no such setting; did you mean"),
        ("MLOPS_WORKSPACE__X", "1", "no such setting; choose one of subscription_id, resource_group, name, emulator"),
        (
            "MLOPS_GATE__RULES",
            "[{metrik: loss}]",
            "metrik = 'loss': there is no such setting; did you mean metric?",
        ),
        ("MLOPS_ROLLOUT__STEPS", "[50, 10]", "the weights must increase and end with 100"),
        ("MLOPS_DEPLOY__ENDPOINT", "Chat_1", "deploy.endpoint = 'Chat_1': String should match pattern"),
        ("MLOPS_GATE__RULES", "[{", "MLOPS_GATE__RULES: must be YAML"),
        ("MLOPS_FINETUNE__CLUSTER__NUM_NODES", "2", "num_nodes must not be more than max_instances"),
        ("MLOPS_DEPLOY__REQUEST_TIMEOUT_S", "181", "Input should be less than or equal to 180"),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_the_rule(name: str, value: str, message: str) -> None:
    """One message: where it was said, which field, what was said, what is allowed."""
    with pytest.raises(SettingsError) as error:
        load("local", variables={name: value})
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["base.yml", "prod.yml", "presets/phi-4.yml"])
def test_an_override_is_in_no_file(tmp_path: Path, name: str) -> None:
    """Written into a file, it would settle every doubt to come, and GitHub would ask no reviewer."""
    folder = shutil.copytree(FOLDER, tmp_path / "settings")
    values = yaml.safe_load((folder / name).read_text())
    values["gate"] = values.get("gate", {}) | {"override": "few users, and we watch"}
    (folder / name).write_text(yaml.safe_dump(values))
    variables = WORKSPACE | {"MLOPS_FINETUNE__PRESET": "phi-4", "MLOPS_GATE__OVERRIDE": ""}
    with pytest.raises(SettingsError, match=r"gate\.override is for one decision: say it by MLOPS_GATE__OVERRIDE"):
        load("prod", folder=folder, variables=variables)
    assert load("prod", variables=variables | {"MLOPS_GATE__OVERRIDE": "few users, and we watch"}).gate.override


def test_a_version_may_look_like_a_number() -> None:
    """Pinning version 15 by a variable needs no quotes inside quotes."""
    assert load("local", variables={"MLOPS_FINETUNE__MODEL__VERSION": "15"}).finetune.model.version == "15"


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    """A key that no section knows is traced to the file that holds it."""
    shutil.copytree(FOLDER, tmp_path / "settings")
    with (tmp_path / "settings" / "local.yml").open("a") as file:
        file.write("\ngates: {}\n")
    with pytest.raises(SettingsError, match=r"local\.yml: gates"):
        load("local", folder=tmp_path / "settings", variables={})


def test_an_unknown_environment_lists_the_known_ones() -> None:
    """A typo in --environment is answered with the choices."""
    with pytest.raises(SettingsError, match="dev, local, prod"):
        load("production", variables={})


def test_missing_ids_are_reported_all_at_once() -> None:
    """Who sets up an environment sees every missing value in one go."""
    with pytest.raises(SettingsError) as error:
        load("prod", variables={})
    assert "workspace: Field required" in str(error.value)


def test_an_empty_variable_says_nothing() -> None:
    """GitHub makes an empty one of an input that nobody gave."""
    assert load("local", variables={"MLOPS_DATA__PERCENTAGE": ""}) == load("local", variables={})


AZURE = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "g", "AZURE_WORKSPACE_NAME": "of-azure"}


def test_the_workspace_is_named_in_a_stated_order(tmp_path: Path) -> None:
    """config.json of a folder above, then AZURE_ variables, then the environment's file, then ours: the last counts."""
    (tmp_path / ".azureml").mkdir()
    config = '{"subscription_id": "s", "resource_group": "g", "workspace_name": "of-config"}'
    (tmp_path / ".azureml" / "config.json").write_text(config)
    (tmp_path / "below").mkdir()
    here = tmp_path / "below"
    assert load("prod", variables={}, here=here).workspace.name == "of-config"
    assert load("prod", variables=AZURE, here=here).workspace.name == "of-azure"
    assert load("prod", variables=AZURE | WORKSPACE, here=here).workspace.name == "x"
    assert load("local", variables=AZURE, here=here).workspace.name == "local"


def test_variables_for_azure_do_not_lead_the_emulator_away() -> None:
    """Exported for `dev`, they would let `local` work in another workspace of the emulator: that is said at once."""
    with pytest.raises(SettingsError, match=r"^MLOPS_WORKSPACE__NAME: set for .*: unset MLOPS_WORKSPACE__NAME$"):
        load("local", variables={"MLOPS_WORKSPACE__NAME": "x"})
    assert load("local", variables=WORKSPACE | {"MLOPS_WORKSPACE__EMULATOR": "false"}).workspace.name == "x"
    assert load("dev", variables=WORKSPACE | {"MLOPS_WORKSPACE__EMULATOR": "true"}).workspace.name == "x"


def test_half_a_workspace_is_none(tmp_path: Path) -> None:
    """Parts of two workspaces are not put together; the message says every way to name one."""
    incomplete = {name: value for name, value in AZURE.items() if name != "AZURE_WORKSPACE_NAME"}
    with pytest.raises(SettingsError, match=r"MLOPS_WORKSPACE__NAME, in AZURE_SUBSCRIPTION_ID.*config\.json"):
        load("prod", variables=incomplete, here=tmp_path)


def test_a_config_that_is_no_json_is_named(tmp_path: Path) -> None:
    """The studio's file, edited by hand."""
    (tmp_path / "config.json").write_text("{subscription_id: s}")
    with pytest.raises(SettingsError, match=r"config\.json: must be JSON"):
        load("prod", variables={}, here=tmp_path)


def test_a_typo_in_a_parameter_names_its_layer_and_the_right_word() -> None:
    """Known inputs of the component are checked with the settings: no request is needed to find it."""
    with pytest.raises(SettingsError) as error:
        load("local", variables={"MLOPS_FINETUNE__TRAINING": "{lr_scheduler_type: cosin}"})
    assert str(error.value) == (
        "MLOPS_FINETUNE__TRAINING: finetune.training.lr_scheduler_type = 'cosin': must be one of linear, cosine, "
        "cosine_with_restarts, polynomial, constant, constant_with_warmup; did you mean cosine?"
    )


def test_the_preset_stands_below_the_environment() -> None:
    """A preset brings model, size and name; what the environment says stays."""
    settings = load("local", variables={"MLOPS_FINETUNE__PRESET": "phi-4"})
    assert settings.finetune.model.name == "Phi-4"
    assert settings.finetune.optimization["deepspeed_stage"] == "3"
    assert settings.finetune.optimization["lora_r"] == 16
    assert settings.register_.name == "Phi-4-chitchat"


def test_the_flows_own_parameters_are_the_defaults() -> None:
    """Rows 8 and 9 of the flow; the model's own defaults override them, see tests/finetuning/test_parameters.py."""
    finetune = load("dev", variables=WORKSPACE | {"MLOPS_FINETUNE__PRESET": "phi-3-mini-4k"}).finetune
    assert finetune.training == {
        "num_train_epochs": 3,
        "per_device_train_batch_size": 1,
        "per_device_eval_batch_size": 1,
        "learning_rate": 5e-6,
        "lr_scheduler_type": "cosine",
    }
    assert finetune.optimization == {"apply_lora": "true", "apply_deepspeed": "true", "deepspeed_stage": "2"}
