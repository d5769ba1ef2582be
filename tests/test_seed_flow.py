"""The flow this project began with, as a program that knows nothing of it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.datasets.prepare import prepare_splits
from mlops.datasets.settings import DataSettings

ROOT = Path(__file__).parent.parent
# The flow's rows that are about training, and the tests that hold each; the other rows are those of the later stages.
ROWS = {
    "1 sign in, browser on a terminal only": (
        "tests/test_credentials.py::test_github_is_asked_with_entras_audience",
        "tests/test_credentials.py::test_the_browser_opens_on_a_terminal_only",
    ),
    "2 workspace and registry": (
        "tests/test_settings.py::test_the_workspace_is_named_in_a_stated_order",
        "tests/test_planning.py::test_each_mistake_has_a_message_of_its_own",
    ),
    "3 experiment, names that never collide": (
        "tests/pipelines/test_finetune.py::test_the_job_is_named_and_filed_as_the_flow_asks",
        "tests/finetuning/test_names.py::test_the_key_changes_with_every_part_and_with_no_order",
    ),
    "4 the foundation model": (
        "tests/test_planning.py::test_a_preset_works_with_what_the_registry_says",
        "tests/test_planning.py::test_a_retired_or_archived_model_is_refused_with_its_successor",
    ),
    "5 the allow list": ("tests/compute/test_allow_list.py::test_the_list_is_found_wherever_the_registry_keeps_it",),
    "6 the cluster": (
        "tests/workspace/test_cluster.py::test_it_is_made_as_the_settings_say",
        "tests/workspace/test_cluster.py::test_each_reason_has_its_message",
        "tests/compute/test_allow_list.py::test_sizes_compare_without_case",
        "tests/compute/test_allow_list.py::test_without_a_list_only_hopeless_sizes_are_refused",
    ),
    "7 the data": (
        "tests/datasets/test_sample.py::test_about_so_many_are_taken",
        "tests/datasets/test_prepare.py::test_the_splits_hold_what_the_source_holds",
        "tests/datasets/test_prepare.py::test_the_hashes_are_those_of_the_files",
    ),
    "8 training parameters": ("tests/test_settings.py::test_the_flows_own_parameters_are_the_defaults",),
    "9 optimization parameters": ("tests/test_settings.py::test_the_flows_own_parameters_are_the_defaults",),
    "10 the model's own defaults": (
        "tests/finetuning/test_parameters.py::test_the_models_defaults_override_the_settings_and_say_so",
        "tests/finetuning/test_parameters.py::test_defaults_that_are_no_inputs_are_dropped",
        "tests/finetuning/test_parameters.py::test_a_setting_can_insist",
        "tests/pipelines/test_finetune.py::test_every_parameter_and_its_origin_is_shown",
    ),
    "11 the display name": (
        "tests/finetuning/test_names.py::test_the_display_name_tells_how_it_was_trained",
        "tests/compute/test_plan.py::test_the_effective_batch_has_the_flows_defaults",
    ),
    "12 the pipeline's inputs": ("tests/pipelines/test_finetune.py::test_the_pipeline_gets_what_the_flow_gives_it",),
    "13 submit and follow": (
        "tests/pipelines/test_finetune.py::test_the_pipeline_gets_what_the_flow_gives_it",
        "tests/pipelines/test_finetune_jobs.py::test_killed_at_every_point_it_pays_once",
        "tests/pipelines/test_finetune_jobs.py::test_a_canceled_job_is_a_no",
    ),
    "20 several GPUs, memory, alignment": (
        "tests/compute/test_plan.py::test_the_plan_adds_up",
        "tests/compute/test_plan.py::test_what_may_go_wrong_is_said_before",
        "tests/trainer/test_component.py::test_two_processes_train_one_model",
        "tests/pipelines/test_finetune_jobs.py::test_an_alignment_is_the_second_step_of_the_job",
        "tests/pipelines/test_gate.py::test_a_saboteur_is_rejected_and_nothing_moves",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_flow_has_its_tests(row: str) -> None:
    """Rows 1 to 13 and 20: every test that the table names exists."""
    for name in ROWS[row]:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name


@pytest.mark.xdist_group("release")
def test_an_unmodified_program_runs_end_to_end(emulator_environment: dict[str, str], tmp_path: Path) -> None:
    """Sign-in to answer and clean-up, with nothing but environment variables pointing at the emulator."""
    sizes = {"rows": 60, "validation_percentage": 15, "test_percentage": 20, "max_quarantine_percentage": 60}
    settings = DataSettings(source="chitchat", seed=0, workers=1, **sizes)
    prepare_splits(settings, tmp_path / "data", cache=tmp_path / "cache", show=lambda _: None)
    script = Path(__file__).parent / "flows" / "seed_flow.py"
    result = subprocess.run(
        [sys.executable, str(script), "data/train.jsonl", "data/test.jsonl"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **emulator_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "the endpoint is deleted" in result.stdout
