"""The report of a run: one page with everything from data to rollout, which needs no network and runs nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mlops.records import DataAsset, Deployment, Evaluation, FineTuningJob, GateDecision, RegisteredModel, Rollout
from mlops.reports import rollout_report
from mlops.reports.markup import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.records import Answer
    from mlops.reports.curves import Curve
    from mlops.reports.release import Release

Curves: TypeAlias = "Mapping[str, Sequence[Curve]]"
STATIC: Final = Path(__file__).parent / "static"
DOCUMENTS: Final = {"data-card.html": "Data card", "decision.html": "Gate report"}
"""Pages that stages leave in a run's folder, each whole in itself."""


def write(release: Release, folder: Path, *, curves: Curves) -> Path:
    """Write `report.html` to a run's folder, whole or not at all; return its path."""
    path = folder / "report.html"
    unfinished = folder / ".report.html.new"
    unfinished.write_text(html(release, folder, curves=curves), encoding="utf-8")
    return unfinished.replace(path)


def html(release: Release, folder: Path, *, curves: Curves) -> str:
    """Return the report with the training's curves; data card and gate report are in it where the run has them."""
    from markupsafe import Markup

    deployment, rollout = release.record(Deployment), release.record(Rollout)
    return (
        environment("mlops.reports")
        .get_template("report.html.jinja")
        .render(
            release=release,
            style=Markup((STATIC / "release.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
            curves=curves,
            documents=_documents(folder),
            asset=release.record(DataAsset),
            job=release.record(FineTuningJob),
            evaluation=release.record(Evaluation),
            decision=release.record(GateDecision),
            model=release.record(RegisteredModel),
            deployment=deployment,
            said=[_said(answer, deployment.name) for answer in deployment.smoke] if deployment else [],
            rollout=rollout,
            last=[_said(rollout.answer, "assistant")] if rollout and rollout.answer else [],
            picture=_picture(rollout) if rollout and rollout.timeline else "",
        )
    )


def _documents(folder: Path) -> dict[str, str]:
    return {
        title: (folder / name).read_text(encoding="utf-8")
        for name, title in DOCUMENTS.items()
        if (folder / name).is_file()
    }


def _said(answer: Answer, by: str) -> dict[str, Any]:
    return {"question": answer.question, "answer": answer.answer, "by": by}


def _picture(rollout: Rollout) -> str:
    """Return weights, errors and latency over time, as an address that holds the picture."""
    title = f"{rollout.deployment.endpoint}: {rollout.phase}"
    drawn = rollout_report.timeline(rollout.timeline, title=title)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
