"""The workflows, run: `nox -s workflows`. act plays GitHub without containers, the emulator plays Azure."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mlops.emulator import daemon
from mlops.records import STAGES
from mlops.settings import load
from mlops.workspace import endpoints
from mlops.workspace.client import connect
from tests.workflows.github import ROOT, GitHub, dispatch

HOSTILE: Final = '"; touch pwned; $(touch pwned) `touch pwned` ${{ github.token }}\n::set-output name=code::false'


def _commit(checkout: Path, message: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *author, "commit", "--quiet", "--all", f"--message={message}"]
    subprocess.run(command, cwd=checkout, check=True)


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """Return a GitHub whose jobs share an emulator, which is stopped at the end."""
    github = GitHub(tmp_path_factory.mktemp("github"))
    github.artifacts.mkdir()
    gh = github.folder / "bin" / "gh"
    gh.parent.mkdir()
    # act itself asks it for a token.
    gh.write_text(f'#!/bin/sh\n[ "$1" = auth ] || printf "%s\\0" "$@" > {github.folder}/told\n')
    gh.chmod(0o755)
    subprocess.run(["git", "clone", "--quiet", ROOT, github.checkout], check=True)  # noqa: S607 - as found on PATH
    for path in (github.checkout / ".github" / "workflows").iterdir():
        # GitHub has it since May 2026, act not yet.
        path.write_text(re.sub(r"^ *queue: max.*\n", "", path.read_text(), flags=re.MULTILINE))
    _commit(github.checkout, "A change of code")
    # Started by a job, it would run from that job's checkout, which is gone when the job ends.
    home, _ = daemon.start(github.folder / "emulator")
    yield github
    daemon.stop(home)


def test_a_forks_pull_request_is_released_on_the_emulator(github: GitHub) -> None:
    """From conversations to traffic without a secret; what a stranger wrote into it reaches no shell."""
    payload = {
        "pull_request": {
            "number": 7,
            "title": HOSTILE,
            "body": HOSTILE,
            "labels": [{"name": "train"}, {"name": HOSTILE}],
            "head": {"ref": HOSTILE, "repo": {"full_name": "stranger/fork"}},
        },
        "repository": {"full_name": "owner/name"},
    }
    result = github.run("pull-request", "pull_request", "--job", "release", payload=payload)
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"changes", "release"}
    assert github.record("pr-7-release", "rollout").phase == "SUCCEEDED"
    assert list(github.folder.rglob("pwned")) == []


def test_a_pull_request_is_told_what_runs(github: GitHub) -> None:
    """The comment stands there before anything has ended."""
    payload = {"pull_request": {"number": 9, "labels": [], "head": {"repo": {"full_name": "owner/name"}}}}
    result = github.run(
        "pull-request", "pull_request", "--job", "announce", payload=payload, GITHUB_REPOSITORY="owner/name"
    )
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"changes", "comment"}
    assert github.told()[:4] == ["pr", "comment", "9", "--edit-last"]


def test_a_pull_request_that_changes_prose_is_over_at_once(github: GitHub) -> None:
    """The pages are built and tried, no more; the one check that branch protection asks for is there."""
    with (github.checkout / "README.md").open("a") as readme:
        readme.write("\nA word more.\n")
    _commit(github.checkout, "Prose")
    payload = {"pull_request": {"number": 8, "labels": [], "head": {"repo": {"full_name": "owner/name"}}}}
    start = time.monotonic()
    result = github.run("pull-request", "pull_request", payload=payload | {"repository": {"full_name": "owner/name"}})
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"changes", "docs", "passed"}
    assert time.monotonic() - start < 120


def test_a_release_goes_from_start_to_traffic(github: GitHub) -> None:
    """Seven jobs in order, each given what the one before left, as artifact and as digest."""
    longer = {"MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "2"}  # the pull request's model serves, after one
    result = github.run("release", "workflow_dispatch", payload=dispatch(environment="local"), **longer)
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == set(STAGES)
    rollout = github.record("gh-1-rollout", "rollout")
    assert rollout.traffic[rollout.deployment.name] == 100
    assert rollout.deployment.model.decision.evaluation.champion, "the pull request's model served before"


def test_a_hostile_reason_is_text(github: GitHub) -> None:
    """Why a gate is overruled is free text, kept where the gate was in doubt and read as nothing else."""
    inputs = dispatch(environment="local", run="gh-1", records="1", override=HOSTILE)
    result = github.run("gate", "workflow_dispatch", "--var", "OVERRIDES=reviewed", payload=inputs)
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"gate"}
    assert github.record("gh-1-gate", "gate").override in (None, HOSTILE)
    assert list(github.folder.rglob("pwned")) == []


def test_a_gate_that_says_no_ends_the_line(github: GitHub) -> None:
    """Nothing after the gate runs, and not one write reaches the endpoint."""
    before = github.traffic_writes()
    sabotage = {"MLOPS_DATA__SHUFFLE_ANSWERS": "true"}
    result = github.run("release", "workflow_dispatch", payload=dispatch(environment="local"), **sabotage)
    assert result.returncode != 0
    assert result.jobs("succeeded") == {"prepare", "finetune", "evaluate"}
    assert result.jobs("failed") == {"gate"}
    assert github.traffic_writes() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run", "must be letters, digits and dashes"),
        ("preset", "MLOPS_FINETUNE__PRESET: must be"),
        ("source", "MLOPS_DATA__SOURCE: must be"),
        ("percentage", "MLOPS_DATA__PERCENTAGE: must be"),
    ],
)
def test_a_hostile_input_is_a_setting_of_the_wrong_type(github: GitHub, name: str, said: str) -> None:
    """Whoever dispatches a release can say no more than what the settings allow."""
    inputs = dispatch(environment="local", **{name: HOSTILE})
    result = github.run("release", "workflow_dispatch", payload=inputs, settings={})
    assert result.returncode != 0
    assert said in result.log
    assert result.jobs("failed") == {"prepare"}
    assert list(github.folder.rglob("pwned")) == []


def test_a_dry_run_ends_with_the_plan(github: GitHub) -> None:
    """What training would be and cost is shown; nothing is trained, and not one write reaches the endpoint."""
    before = github.traffic_writes()
    result = github.run("release", "workflow_dispatch", payload=dispatch(environment="local", dry_run="true"))
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"prepare", "plan"}
    assert "Fine-tuning plan" in result.log
    assert github.traffic_writes() == before


def test_data_that_did_not_change_is_not_trained_on_again(github: GitHub) -> None:
    """The nightly workflow says so, and stops without a red cross."""
    result = github.run("schedule", "workflow_dispatch", payload=dispatch(environment="local"))
    assert result.returncode == 0, result.log[-5000:]
    assert result.jobs("succeeded") == {"data"}
    assert "not worth training again" in result.log


def test_a_detached_job_is_gone_on_with(github: GitHub) -> None:
    """Nobody waits for training; when it has ended, reconcile starts the same run again, which attaches to the job."""
    longer = {"MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "3"}
    inputs = dispatch(environment="local", detach="true")
    detached = github.run("release", "workflow_dispatch", payload=inputs, **longer)
    assert detached.returncode == 0, detached.log[-5000:]
    assert detached.jobs("succeeded") == {"prepare", "finetune"}
    deadline = time.monotonic() + 1200
    while not (told := github.told()):
        assert time.monotonic() < deadline
        reconciled = github.run("reconcile", "schedule", "--job", "reconcile", "--var", 'ENVIRONMENTS=["local"]')
        assert "reconcile" in reconciled.log
    assert told[:3] == ["workflow", "run", "release.yml"]
    fields = dict(word.split("=", 1) for word in told[3:] if "=" in word)
    release = github.run("release", "workflow_dispatch", payload=dispatch(**fields), **longer)
    assert release.returncode == 0, release.log[-5000:]
    assert release.jobs("succeeded") == set(STAGES)
    assert "attached to job" in release.log


def test_no_log_tells_a_secret(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what opens the emulator's identity endpoint nor the endpoint's keys stand in any log or artifact."""
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
    variables = daemon.environment(daemon.open_home(github.folder / "emulator"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load("local", variables={})
    secrets = (variables["IDENTITY_HEADER"], endpoints.key(connect(settings.workspace), settings.deploy.endpoint))
    kept = [path for path in github.artifacts.rglob("*") if path.is_file()]
    logs = list(github.folder.glob("*.log"))
    assert logs
    assert kept
    assert [path for path in (*logs, *kept) if any(secret.encode() in path.read_bytes() for secret in secrets)] == []
