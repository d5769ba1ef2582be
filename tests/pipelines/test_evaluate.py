"""evaluate: candidate, champion and base on the same conversations, in one job."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from mlops.datasets.examples import read_scores
from mlops.errors import RecordError
from pipelines import evaluate
from pipelines.evaluate import BASES, SPEC

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_a_base_model_of_each_format_has_its_input() -> None:
    """A model in PyTorch format, such as gpt-oss, is no MLflow model: the service refuses one as the other."""
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    for kind, name in BASES.items():
        assert spec["inputs"][name] == {"type": kind, "optional": True}
        assert f"$[[--base ${{{{inputs.{name}}}}}]]" in spec["command"]


def test_another_metric_is_another_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage attaches to a job of the same inputs, questions and code; who adds a metric gets it measured."""
    shutil.copytree(evaluate.TRAINER, tmp_path, dirs_exist_ok=True)
    before = evaluate.digest({"num_examples": 2})
    monkeypatch.setattr(evaluate, "TRAINER", tmp_path)
    assert evaluate.digest({"num_examples": 2}) == before
    with (tmp_path / "evaluation" / "answers.py").open("a", encoding="utf-8") as code:
        code.write("# another metric")
    assert len({before, evaluate.digest({"num_examples": 2}), evaluate.digest({"num_examples": 3})}) == 3


def test_fine_tuning_taught_the_model_something(first: Released) -> None:
    """The candidate's held-out loss is at least 0.25 nats per token below the base model's."""
    metrics = first["evaluate"].metrics
    assert metrics["candidate"]["loss"] < metrics["base"]["loss"] - 0.25


def test_the_first_release_has_no_champion(first: Released) -> None:
    """Nothing serves yet, so nothing is compared with."""
    assert first["evaluate"].champion is None
    assert set(first["evaluate"].metrics) == {"candidate", "base"}


def test_the_champion_is_what_serves_now(second: Released) -> None:
    """The second release is measured against the model behind the endpoint's traffic."""
    assert second["evaluate"].champion == second.site.record("first", "register").id
    assert set(second["evaluate"].metrics) == {"candidate", "champion", "base"}


def test_the_champion_is_scored_again_on_the_same_examples(second: Released) -> None:
    """A stored score is never compared with a fresh one: all models have a value for every example."""
    evaluation = second["evaluate"]
    path = second.site.folder / "runs" / "second" / "examples.parquet"
    scores = read_scores(path, sha256=evaluation.examples_sha256)
    held_out = {(columns["suite"] == "held_out").sum() for columns in scores.values()}
    assert held_out == {evaluation.num_examples}
    assert len({tuple(columns["key"]) for columns in scores.values()}) == 1
    assert evaluation.test_data_sha256 == evaluation.job.data.test.sha256


def test_swapped_example_scores_are_noticed(first: Released) -> None:
    """The scores the gate reads are the ones the evaluation recorded, or it stops."""
    path = first.site.folder / "runs" / "first" / "examples.parquet"
    with pytest.raises(RecordError, match="is not what the evaluation wrote"):
        read_scores(path, sha256="0" * 64)


def test_roles_are_bound_to_models_by_content(first: Released, second: Released) -> None:
    """The champion that was scored is, file by file, the candidate that was registered before."""
    champion = second["evaluate"].models["champion"]
    assert champion.sha256 == champion.registered_sha256 == first["evaluate"].models["candidate"].sha256
    assert champion.sha256 != second["evaluate"].models["candidate"].sha256


def test_forgetting_behavior_and_leaks_are_measured(first: Released) -> None:
    """The general set, the behavior cases and the training data are part of every evaluation."""
    evaluation = first["evaluate"]
    for metrics in evaluation.metrics.values():
        assert {"general_loss", "general_exact", "behavior_passed", "chrf", "repetition"} <= set(metrics)
    assert evaluation.contamination == 0
