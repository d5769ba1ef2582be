"""Everything that is checked before a job is paid for, on the emulator's registry, sizes and quota."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mlops.errors import InputError
from mlops.planning import recipe
from mlops.records import DataAsset, Split
from mlops.settings import FOLDER, load
from mlops.workspace.client import Workspace, connect

TODAY = date(2026, 11, 22)
PRESETS = {
    "phi-3-mini-4k": ("mlflow_model", "Phi-3-mini-4k-instruct", "tag finetune_compute_allow_list", "16 bits, lora"),
    "phi-3.5-mini": ("mlflow_model", "Phi-3.5-mini-instruct", "system metadata finetuneComputes", "16 bits, lora"),
    "phi-4": ("mlflow_model", "Phi-4", "system metadata finetuneComputes", "16 bits, lora"),
    "gpt-oss-20b": ("custom_model", "gpt-oss-20b", "system metadata finetuneComputes", "16 bits, lora"),
}
RETIRED = ("phi-3-mini-4k", "phi-3.5-mini")


@pytest.fixture
def workspace(emulator_environment: dict[str, str]) -> Workspace:
    """Return the emulator's workspace, opened as a stage opens it."""
    assert emulator_environment
    return connect(load("local", variables={}).workspace)


def data() -> DataAsset:
    """Return a data asset of 5 % of ultrachat_200k's train_sft, by and large."""
    split = Split(rows=10_393, characters=60_000_000, sha256="0" * 64, uri="azureml://x/train.jsonl")
    names = dict.fromkeys(("id", "name", "version", "source", "content_hash"), "x")
    return DataAsset(**names, train=split, validation=split, test=split, quarantined=0)


def planned(workspace: Workspace, emulator_environment: dict[str, str], **said: str) -> dict[str, str]:
    """Return the facts of a plan with the settings of `dev` and what is said."""
    variables = emulator_environment | {
        "MLOPS_WORKSPACE__EMULATOR": "true",  # no price is asked of the network
        "MLOPS_BUDGET__MAX_USD": "100000",
    }
    variables |= {f"MLOPS_FINETUNE__{name}": value for name, value in said.items()}
    return dict(recipe(workspace, load("dev", variables=variables), data(), today=TODAY).plan.facts)


def test_every_preset_has_its_test() -> None:
    """A preset that ships is one that is planned here."""
    assert {path.stem for path in (FOLDER / "presets").glob("*.yml")} == set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_works_with_what_the_registry_says(
    workspace: Workspace, emulator_environment: dict[str, str], preset: str
) -> None:
    """Model, format, allow list and parameters of each preset go together; retired ones only where one insists."""
    kind, name, allowed, precision = PRESETS[preset]
    insist = {"MODEL__ALLOW_RETIRED": "true"} if preset in RETIRED else {}
    facts = planned(workspace, emulator_environment, PRESET=preset, **insist)
    assert f"/models/{name}/versions/" in facts["model"]
    assert facts["model"].endswith(f"({kind})")
    assert facts["allowed by"].startswith(f"{allowed}: Standard_")
    assert facts["precision"] == precision
    assert ("retired" in facts["lifecycle"]) == (preset in RETIRED)
    assert "vCPUs" in facts["quota"]
    assert facts.get("warning", "") == ""


@pytest.mark.parametrize("preset", RETIRED)
def test_a_retired_or_archived_model_is_refused_with_its_successor(
    workspace: Workspace, emulator_environment: dict[str, str], preset: str
) -> None:
    """Exit 2, the date, and which model of the family still can be fine-tuned; the other retired one is not named."""
    with pytest.raises(
        InputError, match=r"was retired on 2025-08-30\. Of its family.*Phi-4 \(no end announced\)"
    ) as no:
        planned(workspace, emulator_environment, PRESET=preset)
    assert str(no.value).count("Phi-3") == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"CLUSTER__SIZE": "Standard_NC6s_v3"}, "Standard_NC6s_v3 is not allowed for finetune"),
        (
            {"CLUSTER__SIZE": "Standard_NC4as_T4_v3"},
            r"not allowed for finetune.*choose one of Standard_NC24ads_A100_v4",
        ),
        (
            {"CLUSTER": "{num_nodes: 9, max_instances: 9}"},
            "216 vCPUs are needed, StandardNCADSA100v4Family may have 200",
        ),
        ({"TRAINING__LEARNING_RAT": "1"}, "learning_rat is no input of the component; did you mean learning_rate"),
        (
            {"METHOD": "own", "OPTIMIZATION__PRECISION": "4", "INSIST": "[precision]"},
            "precision: 4, apply_deepspeed: true, deepspeed_stage: 3 do not go together",
        ),
        ({"ALIGNMENT": "dpo", "PREFERENCES": "azureml:likes"}, "name a version, azureml:NAME:VERSION"),
        ({"MODEL__NAME": "Phi-44"}, r"could not find model Phi-44:latest in registry azureml: .*It has Phi-4"),
        ({"MODEL__REGISTRY": "nowhere"}, r"registry nowhere: .*\(HTTP 404, request [\w-]+\)"),
        (
            {"PRESET": "gpt-oss-20b", "CLUSTER__TIER": "low_priority"},
            "Standard_NC40ads_H100_v5 is not sold as low priority",
        ),
    ],
)
def test_each_mistake_has_a_message_of_its_own(
    workspace: Workspace, emulator_environment: dict[str, str], said: dict[str, str], message: str
) -> None:
    """Size, nodes, quota, parameters, preferences, model, registry, tier: found before anything is created."""
    with pytest.raises(InputError, match=message):
        planned(workspace, emulator_environment, **said)


def test_serverless_and_many_nodes_are_planned(workspace: Workspace, emulator_environment: dict[str, str]) -> None:
    """Machines of Azure ML instead of a cluster; four nodes of four GPUs are a batch of 16."""
    facts = planned(
        workspace,
        emulator_environment,
        CLUSTER="{name: serverless, size: Standard_NC48ads_A100_v4, num_nodes: 4, max_instances: 4}",
    )
    assert facts["cluster"] == "serverless, dedicated"
    assert facts["size"] == "Standard_NC48ads_A100_v4, 4 x 2 GPU (A100-80)"


def test_the_presets_folder_is_read_beside_the_environments(tmp_path: Path) -> None:
    """An unknown preset is answered with the known ones."""
    with pytest.raises(
        InputError, match=r"finetune\.preset = phi-5: there is no such preset; choose one of gpt-oss-20b"
    ):
        load("dev", variables={"MLOPS_FINETUNE__PRESET": "phi-5"}, here=tmp_path)
