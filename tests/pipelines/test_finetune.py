"""finetune: the registry's pipeline on the cluster, once per run and inputs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.releases import said

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_the_job_is_named_and_filed_as_the_flow_asks(first: Released) -> None:
    """Experiment, display name, registry ids and GPU count are those of the seed flow."""
    job = first["finetune"]
    assert job.experiment == "chat_completion_Phi-3-mini-4k-instruct"
    assert job.display_name.startswith("Phi-3-mini-4k-instruct-chitchat-bs")
    assert job.foundation_model.startswith("azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/")
    assert job.component.startswith("azureml://registries/azureml/components/chat_completion_pipeline/versions/")
    assert job.num_gpus == 1


def test_the_pipeline_gets_what_the_flow_gives_it(first: Released) -> None:
    """Rows 12 and 13: model, computes, files, GPUs and parameters; nothing cached, and no step after a failed one."""
    job, written = first["finetune"], io.StringIO()
    first.site.job(job.name).dump(written)
    submitted = yaml.safe_load(written.getvalue())
    assert submitted["settings"]["force_rerun"] is True
    assert submitted["settings"]["continue_on_step_failure"] is False
    assert submitted["tags"]["idempotency_key"] == job.name.removeprefix("finetune-")
    (step,) = submitted["jobs"].values()
    inputs = {name: value["path"] if isinstance(value, dict) else value for name, value in step["inputs"].items()}
    assert inputs["mlflow_model_path"] == job.foundation_model
    assert [inputs[f"{split}_file_path"] for split in ("train", "validation", "test")] == [
        job.data.train.uri,
        job.data.validation.uri,
        job.data.test.uri,
    ]
    for name in ("model_import", "preprocess", "finetune", "model_evaluation"):
        assert inputs[f"compute_{name}"] == job.compute
    assert str(inputs["number_of_gpu_to_use_finetuning"]) == str(job.num_gpus)
    assert {name: str(inputs[name]) for name in job.parameters} == {k: str(v) for k, v in job.parameters.items()}
    assert submitted["outputs"].keys() - {"default"} == {
        "trained_model"
    }  # a job that runs has its artifacts as default


def test_every_parameter_and_its_origin_is_shown(first: Released) -> None:
    """Who reads the log sees each value, where it came from, what was overridden and what was dropped."""
    for name in first["finetune"].parameters:
        assert name in first.output
    assert "model default" in first.output
    for name in ("learning_rate_max", "learning_rate_min"):
        (line,) = [line for line in first.output.splitlines() if f" {name} " in line]
        assert "dropped: the component has no such input" in line


def test_the_plan_is_kept_beside_what_it_took(first: Released) -> None:
    """Model, lifecycle, allow list, quota, hours and cost are shown first; the record has estimate and actual cost."""
    job = first["finetune"]
    for text in ("retired on 2025-08-30 (finetune.model.allow_retired)", "tag finetune_compute_allow_list", "USD/h"):
        assert text in first.said
    assert first.output.index("Fine-tuning plan") < first.output.index("submitted job")
    assert job.plan.usd > 0
    assert job.measured.hours > 0
    assert job.measured.tokens_per_s > 0
    assert "<svg" in (first.site.folder / "runs" / "first" / "loss.svg").read_text()
    told = first.site.command("mlops.cli", "plan", "--environment", "local", "--run", "first", "--json")
    assert json.loads(told.stdout)["plan"]["steps"] == job.plan.steps, told.stderr


def test_a_typo_is_found_before_anything_is_asked(first: Released) -> None:
    """Exit 2 and the right word, without one request."""
    before = first.site.requests()[-1]["sequence"]
    result = first.site.program("finetune", "first", MLOPS_FINETUNE__TRAINING__LR_SCHEDULER_TYPE="cosin")
    assert result.returncode == 2
    assert "MLOPS_FINETUNE__TRAINING__LR_SCHEDULER_TYPE: finetune.training.lr_scheduler_type = 'cosin'" in said(result)
    assert "did you mean cosine?" in said(result)
    assert first.site.requests(before) == []


def test_the_same_run_attaches_to_its_job(first: Released) -> None:
    """A re-run of the stage finds its own completed job instead of paying for a second one."""
    before = first.site.requests()[-1]["sequence"]
    result = first.site.program("finetune", "first")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"attached to job {first['finetune'].name}" in said(result)
    assert not [r for r in first.site.requests(before) if r["method"] == "PUT" and "/jobs/" in r["path"]]


def test_a_size_the_model_does_not_allow_is_refused_before_the_job(first: Released) -> None:
    """Exit 2, the allowed sizes, and nothing submitted."""
    variables = {
        "MLOPS_FINETUNE__CLUSTER__NAME": "too-small",
        "MLOPS_FINETUNE__CLUSTER__SIZE": "Standard_NC4as_T4_v3",
    }
    before = first.site.requests()[-1]["sequence"]
    result = first.site.program("finetune", "first", **variables)
    assert result.returncode == 2
    assert "Standard_NC4as_T4_v3 is not allowed for finetune" in said(result)
    assert "Standard_NC24ads_A100_v4" in result.stdout
    assert not [r for r in first.site.requests(before) if r["method"] == "PUT"]


def test_an_unknown_model_is_one_clear_sentence(first: Released) -> None:
    """No traceback for a name that is not in the registry."""
    result = first.site.program("finetune", "first", MLOPS_FINETUNE__MODEL__NAME="Phi-33")
    assert result.returncode == 2
    assert "could not find model Phi-33:latest in registry azureml" in said(result)
    assert "Traceback" not in result.stdout + result.stderr
