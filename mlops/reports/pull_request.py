"""The one comment under a pull request: what was decided first, then by how much, then where to look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mlops.records import Rollout, Verdict, chain
from mlops.reports import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import FineTuningJob, GateDecision, Record

ICONS: Final = {"success": "✅", "failure": "❌", "cancelled": "🚫", "skipped": "⏭️", "": "⏳"}
LONGEST: Final = 65_536
"""Characters that GitHub takes of a comment."""
VERDICTS: Final = {Verdict.ACCEPTED: "✅", Verdict.REJECTED: "❌", Verdict.INCONCLUSIVE: "❔"}


@dataclass(frozen=True)
class Trial:
    """A run that was made for the pull request: where, the last record it left, and the gate's own report."""

    where: str
    record: Record
    report: str


def body(jobs: Mapping[str, str], trials: tuple[Trial, ...], *, link: str) -> str:
    """Return the comment in GitHub's Markdown; `jobs` maps each job to its result, empty while it runs.

    A report that GitHub would find too long is left to the artifacts.
    """
    text = _body(jobs, trials, link=link)
    return (
        text if len(text) <= LONGEST else _body(jobs, tuple(replace(trial, report="") for trial in trials), link=link)
    )


def _body(jobs: Mapping[str, str], trials: tuple[Trial, ...], *, link: str) -> str:
    lines = [f"## {_headline(jobs, trials)}", "", " · ".join(f"{ICONS[result]} {job}" for job, result in jobs.items())]
    for trial in reversed(trials):
        lines += ["", *_trial(trial)]
    return "\n".join([*lines, "", f"[Logs, artifacts and reports of this run]({link})", ""])


def _headline(jobs: Mapping[str, str], trials: tuple[Trial, ...]) -> str:
    """Return the verdict of the last trial that was judged, else what stands in the way of one."""
    decisions = [decision for trial in trials if (decision := _decision(trial.record))]
    if decisions and decisions[-1].refusal:
        return f"{VERDICTS[decisions[-1].verdict]} The gate says no: {decisions[-1].verdict}"
    if failed := [job for job, result in jobs.items() if result in ("failure", "cancelled")]:
        return f"❌ {', '.join(failed)} did not pass"
    if "" in jobs.values():
        return "⏳ Running"
    return "✅ The candidate may go on" if decisions else "✅ Checks passed, nothing was trained"


def _trial(trial: Trial) -> list[str]:
    decision = _decision(trial.record)
    if decision is None:
        return [f"### {trial.where}: not judged", "", f"The last record is `{type(trial.record).__name__}`."]
    job = decision.evaluation.job
    return [
        f"### {trial.where}",
        "",
        *([decision.refusal, ""] if decision.refusal else []),
        trial.report or tables.decision(decision).markdown(),
        *([tables.steps(trial.record).markdown()] if isinstance(trial.record, Rollout) else []),
        _cost(job),
        "",
        f"[Training]({job.studio_url}) · [evaluation and its MLflow metrics]({decision.evaluation.studio_url})",
    ]


def _cost(job: FineTuningJob) -> str:
    took, plan = job.measured, job.plan
    return (
        f"Training on {job.data.train.rows:,} conversations of `{job.data.id}` took {took.hours:.2f} h and "
        f"{took.usd:.2f} USD; planned were {plan.hours:.2f} h and {plan.usd:.2f} USD."
    )


def _decision(record: Record) -> GateDecision | None:
    """Return the decision that a record holds."""
    found: GateDecision | None = chain(record).get("gate")  # type: ignore[assignment]  # by the stage's name
    return found
