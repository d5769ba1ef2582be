"""The report of a run: one page with everything from data to rollout, which needs no network and runs nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.records import DataAsset, Deployment, Evaluation, FineTuningJob, GateDecision, RegisteredModel, Rollout
from mlops.reports.markup import environment
from mlops.reports.rollout_report import PICTURE as TIMELINE
from mlops.whole import write_whole

if TYPE_CHECKING:
    from mlops.records import Answer
    from mlops.reports.release import Release

STATIC: Final = Path(__file__).parent / "static"
LOSS: Final = "loss.svg"
DOCUMENTS: Final = {"data-card.html": "Data card", "decision.html": "Decision"}
"""Pages that stages leave in a run's folder, each whole in itself."""


def write(release: Release, folder: Path) -> Path:
    """Write `report.html` to a run's folder, whole or not at all; return its path."""
    path = folder / "report.html"
    write_whole(path, html(release, folder).encode())
    return path


def html(release: Release, folder: Path) -> str:
    """Return the report; pictures, data card and gate report are in it where the run has them."""
    from markupsafe import Markup

    deployment, rollout = release.record(Deployment), release.record(Rollout)
    return (
        environment("mlops.reports")
        .get_template("report.html.jinja")
        .render(
            release=release,
            style=Markup((STATIC / "release.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
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
            loss=_picture(folder / LOSS),
            timeline=_picture(folder / TIMELINE),
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


def _picture(path: Path) -> str:
    """Return a picture as an address that holds it, or nothing if the run has none."""
    if not path.is_file():
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
