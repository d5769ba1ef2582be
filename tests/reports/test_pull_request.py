"""The comment under a pull request."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.errors import InputError
from mlops.records import (
    DataAsset,
    Evaluation,
    FineTuningJob,
    FinetuningPlan,
    Flaw,
    GateDecision,
    Measured,
    RuleResult,
    Split,
    Verdict,
)
from mlops.reports.pull_request import Trial, body

LINK = "https://github.com/owner/name/actions/runs/1"
TRAINING = "https://ml.azure.com/runs/one?wsid=/subscriptions/s&tid=t"


@pytest.mark.parametrize(
    ("jobs", "headline"),
    [
        ({"checks": "", "release": ""}, "⏳ Running"),
        ({"checks": "failure", "release": ""}, "❌ checks did not pass"),
        ({"checks": "success", "release": "cancelled"}, "❌ release did not pass"),
        ({"checks": "success", "prepare": "skipped"}, "✅ Checks passed, nothing was trained"),
    ],
)
def test_the_verdict_stands_first(jobs: dict[str, str], headline: str) -> None:
    """Who reads one line reads what matters."""
    text = body(jobs, (), link=LINK)
    assert text.startswith(f"## {headline}\n")
    assert LINK in text


def trial(verdict: Verdict, *, flaws: tuple[Flaw, ...] = (), lasts: bool = True, champion: str | None = None) -> Trial:
    """Return a trial that was judged so: two rules count, of which the second decides if it was not accepted."""
    plan, took = FinetuningPlan.model_construct(hours=2.0, usd=7.34), Measured.model_construct(hours=0.5, usd=1.84)
    data = DataAsset.model_construct(train=Split.model_construct(rows=1200))
    job = FineTuningJob.model_construct(data=data, plan=plan, measured=took, studio_url=TRAINING)
    evaluation = Evaluation.model_construct(job=job, studio_url="https://evaluation", champion=champion)
    met = {"rule": "loss against champion", "verdict": Verdict.ACCEPTED, "candidate": 3.4, "reference": 3.6}
    missed = {"rule": "empty threshold", "verdict": verdict, "candidate": 0.2, "reference": None}
    warned = {"rule": "repetition", "verdict": verdict, "candidate": 0.9, "reference": None, "severity": "warn"}
    asked = {"slice": None, "severity": "block", "reason": "0.2 of the answers are empty"}
    results = tuple(RuleResult.model_construct(**(asked | said)) for said in (warned, met, missed))
    record = GateDecision.model_construct(
        evaluation=evaluation, verdict=verdict, override=None, flaws=flaws, results=results
    )
    return Trial("On Azure", record, "## Gate\n\n| the report |\n", lasts=lasts)


@pytest.mark.parametrize(
    ("judged", "headline"),
    [
        (trial(Verdict.ACCEPTED), "✅ Accepted: loss against champion 3.4 instead of 3.6"),
        (trial(Verdict.REJECTED), "❌ Rejected: empty threshold 0.2"),
        (trial(Verdict.INCONCLUSIVE), "❔ Inconclusive: empty threshold 0.2"),
        (trial(Verdict.REJECTED, flaws=(Flaw(code="same_model", detail="it is"),)), "❌ Rejected: it is"),
    ],
)
def test_a_reviewer_reads_verdict_cost_and_the_gates_report(judged: Trial, headline: str) -> None:
    """The figure that decided stands in the headline; what did not run is not listed."""
    text = body({"checks": "success", "prepare": "skipped"}, (judged,), link=LINK)
    lines = [line for line in text.splitlines() if line]
    assert lines[:3] == [f"## {headline}", "✅ checks", "### On Azure"]
    assert "took 30 min 0 s and 1.84 USD; planned were 2 h 0 min and 7.34 USD." in text
    assert "\n| the report |\n" in text
    assert "## Gate" not in text


def test_what_the_emulator_said_stands_there_while_azure_trains() -> None:
    """Hours before the end, a reviewer reads the stage that runs and the decision there is."""
    emulated = replace(trial(Verdict.ACCEPTED, lasts=False), where="On the emulator")
    text = body({"release": "success", "prepare": ""}, (emulated,), link=LINK)
    assert [line for line in text.splitlines() if line][:3] == [
        "## ⏳ Running",
        "✅ release · ⏳ prepare",
        "### On the emulator",
    ]
    assert "\n| the report |\n" in text


@pytest.mark.parametrize("lasts", [True, False])
def test_what_ended_with_its_runner_is_not_linked(lasts: bool) -> None:
    """An emulator's address leads nowhere; Azure's leads to the job."""
    text = body({}, (trial(Verdict.ACCEPTED, lasts=lasts),), link=LINK)
    assert (TRAINING in text) == lasts


@pytest.mark.parametrize("champion", [None, "azureml:phi:1"])
def test_the_champions_endpoint_is_linked_where_one_serves(champion: str | None) -> None:
    """In the studio of the workspace in which the jobs ran."""
    text = body({}, (trial(Verdict.ACCEPTED, champion=champion),), link=LINK)
    link = "[the champion's endpoint](https://ml.azure.com/endpoints?wsid=/subscriptions/s&tid=t)"
    assert (link in text) == (champion is not None)


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """Return a folder with a `gh` that keeps what it is told."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > told\ncat runs/comment.md > written\necho "$STATUS"\nexit $STATUS\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def comment(folder: Path, number: str, jobs: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `mlops comment` where `gh` is ours."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "JOBS": jobs, "STATUS": str(status), "GITHUB_RUN_ID": "1"}
    command = [sys.executable, "-m", "mlops.cli", "comment", number]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_there_is_one_comment_and_it_is_edited(gh: Path) -> None:
    """The program gh is told to edit its last comment, or to make the first."""
    result = comment(gh, "7", '{"changes": {"result": "success"}, "checks": {"result": "success", "outputs": {}}}')
    assert result.returncode == 0, result.stderr
    expected = ["pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "runs/comment.md"]
    assert (gh / "told").read_text().splitlines() == expected
    assert "\n✅ checks\n" in (gh / "written").read_text(), "what it took to write it is not told"


@pytest.mark.parametrize(
    ("number", "jobs", "status", "said"),
    [
        ("7; touch pwned", "{}", 0, "is no number of a pull request"),
        ("7", "[1]", 0, "$JOBS must be what"),
        ("7", "{}", 1, "gh could not comment on pull request 7"),
    ],
)
def test_a_mistake_is_a_sentence(gh: Path, number: str, jobs: str, status: int, said: str) -> None:
    """Exit 2, and nothing was run that somebody wrote."""
    result = comment(gh, number, jobs, status=status)
    assert result.returncode == InputError.exit_code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (gh / "pwned").exists()
