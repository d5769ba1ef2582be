"""A toy workspace with every state a page can show, and runs whose records are whole."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import AwareDatetime
from starlette.exceptions import HTTPException

from mlops.errors import AzureError
from mlops.records import STAGES, Frozen, Moment, Record, RolloutStep, RuleResult, chain, seal
from mlops.reports.rollout_report import timeline
from mlops.rollout import journal
from mlops.rollout.probe import Sample
from mlops.workspace.history import Job, Point
from mlops.workspace.serving import ModelVersion, Serving, ServingEndpoint

HOSTILE = "<img src=x onerror=alert(1)>{{ 7*7 }}\u202e"
"""What a stranger may have written into a job's name, a log or an answer."""
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = datetime(2126, 11, 22, 12, tzinfo=UTC)
"""Than any file that a test writes."""


def example(kind: Any, **values: Any) -> Any:
    """Return a record of a kind; fields that are not given hold something small of their type."""
    if isinstance(kind, type) and issubclass(kind, Frozen):
        fields = {name: info.annotation for name, info in kind.model_fields.items() if info.is_required()}
        return kind(**{name: example(of) for name, of in fields.items() if name not in values}, **values)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    origin, of = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(example(part) for part in of if part is not Ellipsis)
    if origin is dict:
        return {example(of[0]): example(of[1])}
    if origin is UnionType:
        return None if type(None) in of else example(of[0])
    return of[0] if origin is Literal else {str: "text", int: 1, float: 1.0, bool: True, AwareDatetime: NOON}[kind]


def record(stage: str, before: Record | None, **values: Any) -> Record:
    """Return a stage's record that holds the one before."""
    kind = STAGES[stage]
    held = {name: before for name, info in kind.model_fields.items() if info.annotation is type(before)}
    made: Record = example(kind, **held, **values)
    return made


def rolled_out(*, phase: str = "SUCCEEDED", verdict: str = "accepted") -> Record:
    """Return the last record of a release that went through, or came back, or was refused by the gate."""
    champion = "azureml:phi:0"
    loss = example(
        RuleResult,
        rule="loss against base",
        severity="block",
        verdict=verdict,
        candidate=3.1,
        reference=3.6,
        change=0.5,
    )
    data = record("prepare", None, id="azureml:chitchat:1f2e", name="chitchat", version="1f2e", source="chitchat")
    job = record("finetune", data, name="finetune-first", display_name="Phi-3-mini-chitchat-bs4-cosine-lora")
    metrics = {"candidate": {"loss": 3.1, "rougeL": 0.21}, "base": {"loss": 3.6, "rougeL": 0.17}}
    scored = record(
        "evaluate", job, name="evaluate-first", metrics=metrics, suites={"held_out": 200}, champion=champion
    )
    engine = {"flaws": (), "rules": {}, "override": None}
    decision = record("gate", scored, verdict=verdict, reference="base", results=(loss,), **engine)
    if verdict != "accepted":
        return decision
    model = record("register", decision, id="azureml:phi:1", name="phi", version="1")
    names = {"endpoint": "chat-local", "name": "blue", "stable": "green"}
    deployment = record("deploy", model, **names, instance_type="Standard_NC24ads_A100_v4")
    is_there = phase in ("SUCCEEDED", "COMMITTED")
    steps = tuple(_step(weight, "pass") for weight in ((10, 50, 100) if is_there else (10,)))
    steps += () if is_there else (_step(50, "fail"),)
    traffic = {"blue" if is_there else "green": 100}
    return record("rollout", deployment, phase=phase, steps=steps, traffic=traffic, timeline=tuple(_moments()))


def _moments() -> Iterator[Moment]:
    for second in range(60):
        latencies = {"latency_s": 0.4 + 0.05 * math.sin(second), "stable_latency_s": 0.4}
        weight = (10, 50, 100)[second // 20]
        yield example(Moment, at=float(second), phase="BAKING", weight=weight, num_requests=second, **latencies)


def _step(weight: int, verdict: str) -> RolloutStep:
    numbers: dict[str, Any] = {
        "num_requests": 60,
        "num_candidate": 20,
        "error_rate": 0.0 if verdict == "pass" else 0.1,
        "latency_s": 0.42,
        "stable_latency_s": 0.4,
    }
    made: RolloutStep = example(RolloutStep, weight=weight, verdict=verdict, reason="20 answers", **numbers)
    return made


def keep(runs: Path, name: str, last: Record) -> None:
    """Leave the records of a run in its folder, as the stages do."""
    (runs / name).mkdir(parents=True)
    for stage, one in chain(last).items():
        (runs / name / f"{stage}.json").write_bytes(seal(one))


def toy_job(name: str, status: str, **values: Any) -> Job:
    """Return a job."""
    defaults = {"display_name": f"Fine-tune {name}", "experiment": "chat_completion", "kind": "pipeline"}
    return Job(name, status=status, created=NOON, **(defaults | values))


@dataclass
class ToySource:
    """A source whose every answer a test can change."""

    runs: Path
    title: str = "toy"
    all_jobs: dict[str, Job] = field(default_factory=dict)
    all_steps: dict[str, list[Job]] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)
    measured: dict[str, dict[str, list[Point]]] = field(default_factory=dict)
    doors: list[ServingEndpoint] = field(default_factory=list)
    runner: dict[str, Any] | None = None
    registered: list[ModelVersion] = field(default_factory=list)
    answer: Sample | None = None
    asked: list[tuple[list[dict[str, str]], str | None]] = field(default_factory=list)
    failure: str = ""

    def jobs(self) -> list[Job]:
        """Return the jobs."""
        if self.failure:
            raise AzureError(self.failure)
        return list(self.all_jobs.values())

    def job(self, name: str) -> Job:
        """Return a job."""
        if name not in self.all_jobs:
            raise AzureError(f"could not look up job {name}: not found") from HTTPException(404)
        return self.all_jobs[name]

    def steps(self, name: str) -> list[Job]:
        """Return the steps of a job."""
        return self.all_steps.get(name, [])

    def bindings(self, name: str) -> dict[str, frozenset[str]]:
        """Return a pipeline of three for jobs with steps."""
        if name not in self.all_steps:
            return {}
        return {"import": frozenset(), "train": frozenset({"import"}), "convert": frozenset({"train", "import"})}

    def metrics(self, run: str) -> dict[str, list[Point]]:
        """Return the metrics of a run."""
        return self.measured.get(run, {})

    def log(self, address: str) -> str:
        """Return a log."""
        return self.logged[address]

    def endpoints(self) -> list[ServingEndpoint]:
        """Return the endpoints."""
        return self.doors

    def rollout(self, endpoint: str) -> dict[str, Any] | None:
        """Return what the runner of a rollout said last."""
        return self.runner if endpoint == "chat-local" else None

    def models(self) -> list[ModelVersion]:
        """Return the models."""
        return self.registered

    def ask(self, endpoint: ServingEndpoint, messages: Any, deployment: str | None) -> Sample:
        """Answer what was asked, as the deployment with the most traffic."""
        self.asked.append((list(messages), deployment))
        if self.answer:
            return self.answer
        busiest = max(endpoint.deployments, key=lambda one: one.weight)
        text = f"You said: {messages[-1]['content']}"
        return Sample(pin=deployment, deployment=deployment or busiest.name, status=200, seconds=0.25, text=text)

    def empty(self) -> None:
        """Forget everything, as before the first release."""
        shutil.rmtree(self.runs)
        self.all_jobs, self.doors, self.registered = {}, [], []

    def bake(self, num_requests: int, *, is_over: bool = False) -> None:
        """Let the runner of a rollout say how far it is."""
        figures = {"num_requests": num_requests, "num_failed": 1, "latency_s": 0.42}
        figures |= {"stable_requests": num_requests, "stable_failed": 0, "stable_latency_s": 0.4}
        said = {"holder": "a runner", "phase": "BAKING", "traffic": {"blue": 90, "green": 10}, "deadline": 0.0}
        self.runner = said | figures | {"released": is_over}

    def shift(self, blue: int) -> None:
        """Write the traffic anew."""
        weights = {"blue": blue, "green": 100 - blue}
        door = self.doors[0]
        shifted = tuple(replace(one, weight=weights[one.name]) for one in door.deployments)
        self.doors = [replace(door, deployments=shifted), *self.doors[1:]]


@pytest.fixture
def toy(tmp_path: Path) -> ToySource:
    """Return a workspace in the middle of its work."""
    runs = tmp_path / "runs"
    keep(runs, "taken-back", rolled_out(phase="COMMITTED"))
    journal.of(runs / "taken-back").write(at=NOON.timestamp(), phase="ROLLED_BACK")
    keep(runs, "lost", chain(rolled_out())["deploy"])
    journal.of(runs / "lost").write(at=LATER.timestamp(), phase="ROLLED_BACK")
    keep(runs, "slow", rolled_out(phase="ROLLED_BACK"))
    keep(runs, "first", rolled_out())
    keep(runs, "worse", rolled_out(verdict="rejected"))
    keep(runs, "edited", rolled_out())
    edited = runs / "edited" / "rollout.json"
    edited.write_text(edited.read_text().replace('"SUCCEEDED"', '"PAUSED"'))
    page = "<!DOCTYPE html><html lang=en><title>Data card</title><h1>Data card</h1>"
    (runs / "first" / "data-card.html").write_text(page)
    picture = timeline(rolled_out())
    (runs / "first" / "rollout.svg").write_text(picture)
    step = {"parent": "running", "kind": "command", "started": NOON}
    source = ToySource(runs)
    states = ("running", "Running"), ("done", "Completed"), ("broken", "Failed"), ("waiting", "Queued")
    source.all_jobs = {name: toy_job(name, status, started=NOON) for name, status in states}
    source.all_jobs["done"] = replace(source.all_jobs["done"], ended=NOON + timedelta(minutes=3), usd=0.25)
    scored = {"candidate_loss": 3.1, "candidate_rougeL": 0.21, "base_loss": 3.6, "num_models": 2}
    source.measured["done"] = {name: [Point(0, value, 0)] for name, value in scored.items()}
    source.all_jobs["broken"] = replace(source.all_jobs["broken"], error="ValueError: no such column", ended=NOON)
    source.all_jobs["hostile"] = toy_job("hostile", "Completed", display_name=HOSTILE, logs={"user_logs/a.txt": "h"})
    source.all_steps["running"] = [
        toy_job("s1", "Completed", display_name="import", ended=NOON + timedelta(seconds=75), **step),
        toy_job("s2", "Running", display_name="train", logs={"user_logs/std_log.txt": "s2"}, **step),
    ]
    source.logged = {"s2": "step 1\nstep 2\n", "h": HOSTILE}
    losses = [Point(step, 4.5 - 0.3 * step**0.5, step) for step in range(1, 40)]
    rates = [Point(step, 0.005 * step / 40, step) for step in range(40)]
    source.measured["s2"] = {"loss": losses, "learning_rate": rates, "train_samples": [Point(0, 704, 0)]}
    blue = Serving("blue", 90, 0, "phi:1", "Succeeded", "Standard_NC24ads_A100_v4", 1)
    green = replace(blue, name="green", weight=10, model="phi:2", mirrored=0)
    crumb = {"rollout-id": "second", "rollout-phase": "SHIFTING", "rollout-candidate": "green"}
    source.doors = [
        ServingEndpoint("chat-local", "Succeeded", "https://x/score", crumb, (blue, green)),
        ServingEndpoint("empty", "Creating", "", {}, ()),
    ]
    tags = {"run": "first", "git_commit": "a" * 40, "finetuning_job": "done", "decision_digest": "d" * 64}
    card = f"Judged on 200 conversations.\n\n## Data\n\n- {HOSTILE}\n- [here](https://evil.example)"
    source.registered = [ModelVersion("phi", "1", NOON, card, tags)]
    return source
