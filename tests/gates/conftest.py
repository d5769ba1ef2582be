"""An evaluation without a flaw, for tests to spoil."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlops.gates.rules import GateSettings, Rule
from mlops.gates.scores import Scores
from mlops.records import DataAsset, Evaluation, FineTuningJob, ScoredModel, Split

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
LOSS = Rule(metric="loss", greater_is_better=False, against="champion", min_relative_change=-0.01)
Columns = dict[str, np.ndarray]


def gate(*rules: Rule, **changes: Any) -> GateSettings:
    """Return gate settings with these rules."""
    return GateSettings(**({"rules": rules or (LOSS,), "confidence": 0.95, "min_examples": 10} | changes))


def losses(seed: int = 0, num_examples: int = 200) -> np.ndarray:
    """Return plausible per-example losses."""
    return np.random.default_rng(seed).normal(4, 1, num_examples)


def columns(*, suite: str = "held_out", **metrics: np.ndarray) -> Columns:
    """Return the columns of one model: each example has a key of its own, and is in English."""
    size = len(next(iter(metrics.values())))
    rows = {
        "suite": np.full(size, suite),
        "key": np.array([f"{number:016x}" for number in range(size)]),
        "language": np.full(size, "en"),
        "length": np.full(size, "short"),
        "topic": np.full(size, ""),
    }
    return rows | {name: np.ma.masked_array(values, mask=False) for name, values in metrics.items()}


def scores(candidate: np.ndarray, reference: np.ndarray) -> Scores:
    """Return scores of a candidate, a champion and a hopeless base."""
    values = {"candidate": candidate, "champion": reference, "base": reference + 4}
    return {model: columns(loss=losses) for model, losses in values.items()}


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    """Return a function that makes the evaluation of `scores`, with changes."""

    def make(**changes: Any) -> Evaluation:
        split = Split.model_construct(rows=200, sha256="d" * 64, uri="azureml://x/test.jsonl")
        data = DataAsset.model_construct(
            id="azureml:chats:1",
            name="chats",
            version="1",
            source="chats",
            content_hash="c" * 64,
            train=split,
            validation=split,
            test=split,
            quarantined=0,
        )
        job = FineTuningJob.model_construct(
            data=data, name="finetune-1", trained_model="candidate-model", foundation_model="base-model"
        )
        values: dict[str, Any] = {
            "job": job,
            "name": "evaluate-1",
            "champion": "champion-model",
            "models": {
                role: ScoredModel(id=f"{role}-model", sha256=role, registered_sha256=known)
                for role, known in (("candidate", None), ("champion", "champion"), ("base", None))
            },
            "suites": {"held_out": 200},
            "contamination": 0.0,
            "scored_at": NOW - timedelta(hours=1),
            "test_data_sha256": split.sha256,
            "examples_sha256": "e" * 64,
            "metrics": {},
            "studio_url": "",
        }
        return Evaluation.model_construct(**(values | changes))

    return make
