"""How far a job is, from its metrics."""

from __future__ import annotations

import pytest

from mlops.finetuning.progress import Progress, pace, progress
from mlops.records import FinetuningPlan
from mlops.workspace.history import Point

PLAN = FinetuningPlan(
    size="Standard_NC24ads_A100_v4",
    num_nodes=1,
    num_gpus=1,
    effective_batch=1,
    steps=100,
    tokens=1_000_000,
    tokens_per_s=1000,
    throughput="a test",
    usd_per_hour=4.0,
    price="a test",
    hours=1.0,
    usd=4.0,
)
HISTORY = {
    "loss": [Point(10, 2.5, 1000), Point(20, 2.0, 1100)],
    "epoch": [Point(10, 0.3, 1000), Point(20, 0.6, 1100)],
}


def test_pace_and_time_left_follow_the_epochs() -> None:
    """0.6 of 3 epochs in 200 s: a fifth of a million tokens, and four times as long to go."""
    found = progress(HISTORY, PLAN, {"num_train_epochs": 3}, training_s=200, usd=2.0)
    assert found == Progress(20, pytest.approx(0.2), 2.0, pytest.approx(1000), pytest.approx(800), 2.0)
    assert str(found) == "step 20 · 20% · loss 2.0000 · 1,000 tokens/s · 13 min 20 s left · 2.00 USD"


def test_a_limit_of_steps_counts_instead() -> None:
    """`max_steps` ends a job in the middle of an epoch."""
    found = progress(HISTORY, PLAN, {"max_steps": 40}, training_s=200, usd=2.0)
    assert found is not None
    assert found.share == pytest.approx(0.5)


def test_nothing_is_made_up() -> None:
    """Before the first loss nothing is known, without an epoch no pace."""
    assert progress({}, PLAN, {}, training_s=200, usd=0.0) is None
    loss = {"loss": HISTORY["loss"]}
    assert str(progress(loss, PLAN, {}, training_s=200, usd=0.0)) == "step 20 · 0% · loss 2.0000 · 0.00 USD"


def test_the_pace_is_that_of_what_was_done() -> None:
    """Stopped early at 0.6 of 3 epochs after 200 s: a fifth of the tokens; with `max_steps` reached, all of them."""
    ended = HISTORY | {"train_runtime": [Point(20, 200.0, 1100)]}
    assert pace(ended, PLAN, {"num_train_epochs": 3}) == pytest.approx(1000)
    assert pace(ended, PLAN, {"max_steps": 20}) == pytest.approx(5000)


def test_a_job_that_was_interrupted_tells_no_pace() -> None:
    """The last process did the last half in 50 s: with all the tokens the next estimate would be half the price."""
    resumed = HISTORY | {"train_runtime": [Point(20, 50.0, 1100)]}
    assert pace(resumed, PLAN, {"max_steps": 20}) is None
    assert pace(HISTORY, PLAN, {"max_steps": 20}) is None
    assert pace({"train_runtime": [Point(20, 50.0, 1100)]}, PLAN, {"max_steps": 20}) is None
