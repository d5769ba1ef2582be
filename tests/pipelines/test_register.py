"""register: only an accepted decision, exactly as it was decided."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mlops.records import seal
from tests.releases import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_the_model_carries_its_lineage(first: Released) -> None:
    """Who finds the model in the workspace sees data, jobs and decision in its tags, and the judgement in its card."""
    record = first["register"]
    model = first.site.model(record.name, record.version)
    assert model.tags["content_hash"] == first["prepare"].content_hash
    assert model.tags["finetuning_job"] == first["finetune"].name
    assert model.tags["decision_digest"] == first["gate"].digest
    assert model.type == "mlflow_model"
    assert first["gate"].results[0].reason in model.description


@pytest.mark.parametrize("changes", [{"verdict": "accepted", "reference": "base"}, {"results": []}])
def test_a_tampered_decision_is_refused(second: Released, changes: dict[str, object]) -> None:
    """Exit 2: the decision is not the one that was sealed."""
    runs = second.site.folder / "runs"
    shutil.copytree(runs / "second", runs / "tampered", dirs_exist_ok=True)
    path = runs / "tampered" / "gate.json"
    document = json.loads(path.read_text())
    document["record"].update(changes)
    path.write_text(json.dumps(document))
    result = second.site.program("register", "tampered")
    assert result.returncode == 2
    assert "gate.json was changed after it was written" in said(result)


def test_a_refused_candidate_is_not_registered_whatever_the_order(first: Released) -> None:
    """`register` refuses by itself, even if somebody starts it after a gate that said no."""
    runs = first.site.folder / "runs"
    shutil.copytree(runs / "first", runs / "refused", dirs_exist_ok=True)
    rules = "[{metric: loss, against: base, greater_is_better: false, min_absolute_change: 50}]"
    assert first.site.program("gate", "refused", MLOPS_GATE__RULES=rules).returncode == 1
    result = first.site.program("register", "refused")
    assert result.returncode == 1
    assert "the candidate is rejected: loss against base" in said(result)


def test_an_evaluation_that_grew_old_is_not_registered(first: Released) -> None:
    """However long ago it was decided: the champion that it was compared with may not serve any more."""
    result = first.site.program("register", "first", MLOPS_GATE__MAX_AGE_HOURS="0.0001")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "register: stale: scored 0 hours ago, gate.max_age_hours is 0.0001. Start a new run" in said(result)


def test_an_override_is_what_was_given_to_the_gate(first: Released) -> None:
    """It is written on the job when it is given; another reason, sealed with a digest that fits, is not believed."""
    runs, rules = (
        first.site.folder / "runs",
        "[{metric: loss, against: base, greater_is_better: false, min_examples: 10000}]",
    )
    shutil.copytree(runs / "first", runs / "doubted", dirs_exist_ok=True)
    reason = "few users, and we watch"
    done = first.site.program("gate", "doubted", MLOPS_GATE__RULES=rules, MLOPS_GATE__OVERRIDE=reason)
    assert done.returncode == 0, done.stdout + done.stderr
    assert first.site.job(first["evaluate"].name).tags["override"] == reason
    verify = ("mlops.cli", "gate", "verify", "doubted", "--environment", "local")
    result = first.site.command(*verify, MLOPS_GATE__RULES=rules)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"(the gate said inconclusive): {reason}; its examples and rules give it again" in said(result)
    result = first.site.command(*verify)
    assert result.returncode == 2
    assert "gate.rules.0.min_examples was 10000, is not set; " in said(result)
    assert said(result).endswith("Set them as they were, or judge anew with the gate stage.")
    forged = first.site.record("doubted", "gate").model_copy(update={"override": "nobody said so"})
    (runs / "doubted" / "gate.json").write_bytes(seal(forged))
    result = first.site.command(*verify, MLOPS_GATE__RULES=rules)
    assert result.returncode == 2
    assert "has the tag override = few users, a" in said(result)


@contextmanager
def retagged(released: Released, **tags: str) -> Iterator[None]:
    """Give the registered model other tags for a while, as somebody does who registers it, or another one, again."""
    record = released["register"]
    with released.site.client() as ml:
        model = ml.models.get(record.name, record.version)
        before, model.tags = model.tags, {**model.tags, **tags}
        ml.models.create_or_update(model)
    yield
    with released.site.client() as ml:
        model.tags = before
        ml.models.create_or_update(model)


def test_a_model_registered_again_under_the_same_name_is_refused(first: Released) -> None:
    """Exit 2: it is not overwritten by `register`, and not served by `deploy`."""
    model = first["register"]
    with retagged(first, model_sha256="b" * 64):
        registered, deployed = (first.site.program(stage, "first") for stage in ("register", "deploy"))
    assert (registered.returncode, deployed.returncode) == (2, 2)
    assert f"{model.name}:{model.version} is registered already as the model of" in said(registered)
    assert f"model {model.id} has the tag model_sha256 = bbbbbbbbbbbb" in said(deployed)


def test_a_decision_stays_verifiable_when_another_run_registers_the_same_model(first: Released) -> None:
    """The model tells of the last decision about it, each run's own stands on the job that judged it for that run."""
    verify = ("mlops.cli", "gate", "verify", "first", "--environment", "local")
    with retagged(first, run="another", evaluation_job="evaluate-another", decision_digest="c" * 64):
        result = first.site.command(*verify)
        assert result.returncode == 0, result.stdout + result.stderr
    with first.site.client() as ml:
        ml.jobs.update(first["evaluate"].name, tags={"decision_digest": "c" * 64})
        forged = first.site.command(*verify)
        ml.jobs.update(first["evaluate"].name, tags={"decision_digest": first["gate"].digest})
    assert forged.returncode == 2
    assert f"job {first['evaluate'].name} has the tag decision_digest = cccccccccccc" in said(forged)


def test_a_decision_can_be_verified_at_any_time(first: Released) -> None:
    """It is judged again from its examples, and job and model say the same of it."""
    result = first.site.command("mlops.cli", "gate", "verify", "first", "--environment", "local")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "its examples and rules give it again" in said(result)
    assert f"model {first['register'].id} was registered for it" in said(result)


def test_tampered_metrics_with_a_digest_that_fits_are_refused(first: Released) -> None:
    """The file is consistent, but when the job ended another digest was written on it."""
    runs = first.site.folder / "runs"
    shutil.copytree(runs / "first", runs / "forged", dirs_exist_ok=True)
    decision = first["gate"]
    metrics = decision.evaluation.metrics | {"candidate": {"loss": 0.1}}
    forged = decision.model_copy(update={"evaluation": decision.evaluation.model_copy(update={"metrics": metrics})})
    (runs / "forged" / "gate.json").write_bytes(seal(forged))
    result = first.site.program("register", "forged")
    assert result.returncode == 2
    assert "has the tag evaluation_digest" in said(result)
