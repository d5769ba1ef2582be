"""Our own component has the registry's interface, says to the trainer what the trainer knows, and runs."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mlops.trainer.arguments import CHOICES, AlignArguments, FinetuneArguments

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "pipelines" / "specs"
REGISTRY = ROOT / "mlops" / "emulator" / "registry" / "chat_completion_pipeline.yml"
# For torchrun, not for the trainer; and what a cluster wants otherwise than a laptop.
LAUNCH = {"number_of_gpu_to_use_finetuning"}
OF_A_CLUSTER = {"gradient_checkpointing": "true", "resume_from_checkpoint": "true"}
KINDS = {"finetune": FinetuneArguments, "align": AlignArguments}


def read(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KINDS)
def test_every_input_reaches_the_trainer(name: str) -> None:
    """The command hands on each input under its name, and none that the trainer does not know."""
    spec, known = read(SPECS / f"{name}.yml"), {field.name for field in fields(KINDS[name])}
    handed = dict(re.findall(r"--(\w+) \$\{\{inputs\.(\w+)\}\}", spec["command"]))
    assert {key for key, value in handed.items() if key != value} <= {"nproc_per_node"}
    assert set(handed.values()) == spec["inputs"].keys()
    assert set(spec["inputs"]) - LAUNCH <= known


@pytest.mark.parametrize("name", KINDS)
def test_defaults_and_choices_are_the_trainers(name: str) -> None:
    """What the component does not get is what the trainer would take; both refuse the same."""
    defaults = {field.name: field.default for field in fields(KINDS[name])}
    for key, rule in read(SPECS / f"{name}.yml")["inputs"].items():
        if "default" in rule and key not in LAUNCH:
            expected = OF_A_CLUSTER.get(key, str(defaults[key]).lower())
            assert str(rule["default"]).lower() == expected or float(rule["default"]) == defaults[key]
        if key in CHOICES:
            assert tuple(rule["enum"]) == CHOICES[key]


def test_names_and_kinds_are_the_registrys() -> None:
    """Settings for one way to train are settings for the other; only four inputs are of our own."""
    ours, theirs = read(SPECS / "finetune.yml"), read(REGISTRY)
    shared = ours["inputs"].keys() & theirs["inputs"].keys()
    assert ours["inputs"].keys() - shared == {"apply_fsdp", "gradient_checkpointing", "save_steps"}
    for key in shared:
        assert ours["inputs"][key]["type"] == theirs["inputs"][key]["type"]
        if key not in OF_A_CLUSTER:
            assert ours["inputs"][key].get("default") == theirs["inputs"][key].get("default")
    assert {key: value["type"] for key, value in ours["outputs"].items()} == {
        key: value["type"] for key, value in theirs["outputs"].items()
    }


def test_two_processes_train_one_model(
    ml: MLClient, base_folder: Path, data_file: Path, unique: str, tmp_path: Path
) -> None:
    """One process a GPU is started; the model is written once, and the pipeline's own run has the metrics."""
    from azure.ai.ml import Input, dsl, load_component

    component = load_component(SPECS / "finetune.yml")
    data = {f"{part}_file_path": Input(type="uri_file", path=str(data_file)) for part in ("train", "validation")}

    @dsl.pipeline
    def flow() -> None:
        component(
            mlflow_model_path=Input(type="mlflow_model", path=str(base_folder)),
            **data,
            number_of_gpu_to_use_finetuning=2,
            apply_lora="true",
            learning_rate=0.01,
            logging_steps=1,
        )

    job: Any = flow()
    job.settings.default_compute = "serverless"
    job.name = unique
    ml.jobs.create_or_update(job, experiment_name="test-component")
    ml.jobs.stream(unique)
    (step,) = ml.jobs.list(parent_job_name=unique)
    ml.jobs.download(step.name, download_path=tmp_path, all=True)
    log = next(tmp_path.rglob("std_log_process_0.txt")).read_text()
    assert log.count("conversations: ") == 1
    (written,) = tmp_path.rglob("MLmodel")
    assert written.parent.name == "mlflow_model_folder"
    assert {"loss", "eval_loss", "tokens_per_second", "max_steps"} <= metrics(ml, unique).keys()


def metrics(ml: MLClient, run: str) -> dict[str, float]:
    """Return the last value of each metric of a run."""
    from mlflow import MlflowClient

    client = MlflowClient(ml.workspaces.get(ml.workspace_name).mlflow_tracking_uri)
    return dict(client.get_run(run).data.metrics)
