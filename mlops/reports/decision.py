"""The gate's report as Markdown and as one HTML page that needs nothing else: the verdict first, then why."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from mlops.records import Verdict
from mlops.reports import plots, training
from mlops.reports.pages import environment
from mlops.times import moment
from mlops.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from markupsafe import Markup

    from mlops.records import GateDecision

SHOWN: Final = 4
"""Of the worst regressions, and of the best gains."""


@dataclass(frozen=True)
class Comparison:
    """One question and both answers; `change` is the candidate's ROUGE-L less the reference's."""

    prompt: str
    expected: str
    candidate: str
    reference: str
    change: float


def write(decision: GateDecision, answers: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write `decision.md` and `decision.html` to a folder; return the page."""
    page = folder / "decision.html"
    write_whole(folder / "decision.md", markdown(decision, answers).encode())
    write_whole(page, html(decision, answers).encode())
    return page


def markdown(decision: GateDecision, answers: Sequence[Mapping[str, Any]]) -> str:
    """Return the report in GitHub's Markdown."""
    return environment("md").get_template("decision.md.jinja").render(_content(decision, answers))


def html(decision: GateDecision, answers: Sequence[Mapping[str, Any]]) -> str:
    """Return the report as a page: pictures and style are in it, and it may load and run nothing."""
    intervals, losses = _intervals(decision), decision.evaluation.job.measured.losses
    pictures = {
        "forest": _drawn_by_us(plots.forest(intervals)) if intervals else "",
        "curves": _drawn_by_us(plots.losses(losses)) if losses else "",
    }
    return environment("html").get_template("decision.html.jinja").render(_content(decision, answers) | pictures)


def _drawn_by_us(text: str) -> Markup:
    """Return what holds no text of strangers as what needs no escaping."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - drawn by us


def compare(answers: Sequence[Mapping[str, Any]], reference: str) -> list[Comparison]:
    """Return the held-out questions that both models answered, the worst regression first."""
    held_out = [row for row in answers if row["suite"] == "held_out"]
    others = {row["key"]: row for row in held_out if row["model"] == reference}
    pairs = ((row, others[row["key"]]) for row in held_out if row["model"] == "candidate" and row["key"] in others)
    found = [
        Comparison(
            row["prompt"], row["reference"], row["prediction"], other["prediction"], row["rougeL"] - other["rougeL"]
        )
        for row, other in pairs
    ]
    return sorted(found, key=attrgetter("change"))


def _content(decision: GateDecision, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    evaluation = decision.evaluation
    compared, losses = compare(answers, decision.reference), evaluation.job.measured.losses
    return {
        "decision": decision,
        "evaluation": evaluation,
        "job": evaluation.job,
        "icon": {Verdict.ACCEPTED: "✅", Verdict.REJECTED: "❌", Verdict.INCONCLUSIVE: "❔"}[decision.verdict],
        "regressions": [pair for pair in compared if pair.change < 0][:SHOWN],
        "gains": [pair for pair in reversed(compared) if pair.change > 0][:SHOWN],
        "metrics": sorted({name for values in evaluation.metrics.values() for name in values}),
        "roles": [role for role in ("candidate", "champion", "base") if role in evaluation.metrics],
        "chart": _drawn_by_us(training.mermaid(losses["loss"])) if "loss" in losses else "",
        "lineage": _lineage(decision),
    }


def _lineage(decision: GateDecision) -> dict[str, str]:
    evaluation, job, decided = decision.evaluation, decision.evaluation.job, decision.decided
    second = job.alignment
    return {
        "decided by": f"{decided.by} on {decided.where}",
        "decided at": moment(decided.at),
        "commit": decided.commit,
        "decision digest": decision.digest,
        "data": f"{job.data.id} of {job.data.source}",
        "content hash": job.data.content_hash,
        "test split": evaluation.test_data_sha256,
        **({"preferences": f"{second.preferences.uri} ({second.preferences.sha256[:12]})"} if second else {}),
        "fine-tuning job": job.name,
        "evaluation job": f"{evaluation.name}, scored at {moment(evaluation.scored_at)}",
        "examples": evaluation.examples_sha256,
        **{role: f"{model.id} ({model.sha256[:12]})" for role, model in evaluation.models.items()},
    }


def _intervals(decision: GateDecision) -> list[plots.Interval]:
    """Return the results in standard deviations; a change that is the same for every example has no interval."""
    return [
        plots.Interval(
            label=result.rule if result.slice is None else f"{result.rule}, {result.slice}",
            low=result.low / result.spread,
            change=result.change / result.spread,
            high=result.high / result.spread,
            required=result.required / result.spread,
            met=result.verdict is Verdict.ACCEPTED,
        )
        for result in decision.results
        if result.low < result.high
    ]
