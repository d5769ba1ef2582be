"""The one comment under a pull request: what was decided first, then by how much, then where to look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mlops.records import Rollout, Verdict, chain
from mlops.reports import tables
from mlops.reports.rollout_report import phase
from mlops.times import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import FineTuningJob, GateDecision, Record

ICONS: Final = {"success": "✅", "failure": "❌", "cancelled": "🚫", "skipped": "⏭️", "": "⏳"}
LONGEST: Final = 65_536
"""Characters that GitHub takes of a comment."""
VERDICTS: Final = {Verdict.ACCEPTED: "✅", Verdict.REJECTED: "❌", Verdict.INCONCLUSIVE: "❔"}


@dataclass(frozen=True)
class Trial:
    """A run that was made for the pull request: where, the last record it left, and the gate's own report.

    What it made `lasts` in Azure; an emulator ends with its runner, and its addresses with it.
    """

    where: str
    record: Record
    report: str
    lasts: bool


def body(jobs: Mapping[str, str], trials: tuple[Trial, ...], *, link: str) -> str:
    """Return the comment in GitHub's Markdown; `jobs` maps each job to its result, empty while it runs.

    A report that GitHub would find too long is left to the artifacts.
    """
    text = _body(jobs, trials, link=link)
    return (
        text if len(text) <= LONGEST else _body(jobs, tuple(replace(trial, report="") for trial in trials), link=link)
    )


def _body(jobs: Mapping[str, str], trials: tuple[Trial, ...], *, link: str) -> str:
    ran = [f"{ICONS[result]} {job}" for job, result in jobs.items() if result != "skipped"]
    lines = [f"## {_headline(jobs, trials)}", "", " · ".join(ran)]
    for trial in reversed(trials):
        lines += ["", *_trial(trial)]
    return "\n".join([*lines, "", f"[Logs, pictures and records of this run]({link}) are in its artifacts.", ""])


def _headline(jobs: Mapping[str, str], trials: tuple[Trial, ...]) -> str:
    """Return the verdict of the last trial that was judged, else what stands in the way of one."""
    decisions = [decision for trial in trials if (decision := _decision(trial.record))]
    if decisions and decisions[-1].refusal:
        return f"{VERDICTS[decisions[-1].verdict]} {_measured(decisions[-1])}"
    if failed := [job for job, result in jobs.items() if result in ("failure", "cancelled")]:
        return f"❌ {', '.join(failed)} did not pass"
    if "" in jobs.values():
        return "⏳ Running"
    return f"✅ {_measured(decisions[-1])}" if decisions else "✅ Checks passed, nothing was trained"


def _measured(decision: GateDecision) -> str:
    """Return the decision with the flaw or the figure that it rests on first."""
    if decision.flaws:
        return f"{decision.outcome.capitalize()}: {decision.flaws[0].detail}"
    asked = (result for result in decision.results if result.severity == "block")
    first = next(result for result in asked if result.verdict is decision.verdict)
    instead = "" if first.reference is None else f" instead of {first.reference:.4g}"
    return f"{decision.outcome.capitalize()}: {first.rule} {first.candidate:.4g}{instead}"


def _trial(trial: Trial) -> list[str]:
    decision = _decision(trial.record)
    if decision is None:
        return [f"### {trial.where}: not judged", "", f"The last record is `{type(trial.record).__name__}`."]
    rollout = f": {phase(trial.record.phase)}" if isinstance(trial.record, Rollout) else ""
    return [
        f"### {trial.where}{rollout}",
        "",
        _cost(decision.evaluation.job),
        # The report's own heading is the comment's.
        trial.report.partition("\n")[2] or tables.decision(decision).markdown(),
        *([_links(decision)] if trial.lasts else []),
    ]


def _cost(job: FineTuningJob) -> str:
    took, plan = job.measured, job.plan
    return (
        f"Training on {job.data.train.rows:,} conversations took {duration(3600 * took.hours)} and {took.usd:.2f} USD; "
        f"planned were {duration(3600 * plan.hours)} and {plan.usd:.2f} USD."
    )


def _links(decision: GateDecision) -> str:
    """Return where Azure's studio shows the jobs, and what they were compared with: an endpoint serves a champion."""
    training, evaluation = decision.evaluation.job.studio_url, decision.evaluation.studio_url
    links = f"[Training]({training}) · [evaluation and its MLflow metrics]({evaluation})"
    if decision.evaluation.champion is None:
        return links
    return f"{links} · [the champion's endpoint]({urlsplit(training)._replace(path='/endpoints').geturl()})"


def _decision(record: Record) -> GateDecision | None:
    """Return the decision that a record holds."""
    found: GateDecision | None = chain(record).get("gate")  # type: ignore[assignment]  # by the stage's name
    return found
