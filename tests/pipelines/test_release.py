"""release: all seven, and what a person sees at the end."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mlops.records import STAGES, chain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_every_stage_announces_itself_and_finishes(first: Released) -> None:
    """One line per stage, numbered, in order."""
    lines = first.output.splitlines()
    positions = [
        next(index for index, line in enumerate(lines) if line.startswith(f"[{number}/7] {stage} "))
        for number, stage in enumerate(STAGES, start=1)
    ]
    assert positions == sorted(positions)


def test_the_end_shows_decision_traffic_and_the_model_talking(first: Released) -> None:
    """What a person wants to see last: the judgement, who serves, and an answer."""
    end = first.output.split("[7/7]")[1]
    assert "Gate: accepted, compared with the base" in end
    assert "Endpoint chat-local" in end
    assert "100 %" in end
    assert f"assistant {first['rollout'].answer.answer.splitlines()[0][:20]}" in end


def test_lineage_is_one_document(first: Released) -> None:
    """From the traffic to the hash of the data in one file."""
    data = first["rollout"].deployment.model.decision.evaluation.job.data
    assert data.content_hash == first["prepare"].content_hash


def test_lineage_is_known_to_azure_alone(first: Released, tmp_path: Path) -> None:
    """On a machine without runs, tags of model and deployment name what each stage made, and its record's digest."""
    elsewhere = replace(first.site, folder=tmp_path)
    there = {"AZUREML_EMULATOR_HOME": str(first.site.folder / "emulator")}
    result = elsewhere.command("mlops.cli", "status", "--environment", "local", "--from-azure", **there)
    assert result.returncode == 0, result.stderr
    lines = {line.split()[1]: line for line in result.stdout.splitlines() if len(line.split()) > 3}
    assert first["prepare"].id in lines["prepare"]
    assert "azureml:" in lines["register"]
    before = list(STAGES)[: list(STAGES).index("deploy")]
    serving = re.findall(r"Run (\w+)", result.stdout)[-1]
    released = chain(first.site.record(serving, "rollout"))
    assert [stage for stage in before if released[stage].digest[:12] not in lines[stage]] == []
    (spent,) = re.findall(r"fine-tuning this month: ([\d.]+) USD", result.stdout)
    assert float(spent) >= round(first["finetune"].measured.usd, 2)
    assert list(tmp_path.iterdir()) == []


def test_the_same_data_is_not_worth_training_on_again(first: Released) -> None:
    """What the nightly workflow asks: the data of the model that serves, and a considered no, as an output, too."""
    fetched = first.site.command("mlops.cli", "data", "serving", "--environment", "local", "serving")
    assert fetched.returncode == 0, fetched.stderr
    output = first.site.folder / "output"
    compared = first.site.command("mlops.cli", "data", "diff", "serving", "first", GITHUB_OUTPUT=str(output))
    assert compared.returncode == 1, compared.stderr
    assert output.read_text() == "worth=false\n"
