"""What makes an evaluation unfit to be judged: each flaw has a code of its own, and any of them rejects."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from mlops.gates.metrics import SUITES
from mlops.gates.scores import reference_of, rows_of
from mlops.records import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mlops.gates.rules import GateSettings, Rule
    from mlops.gates.scores import Scores
    from mlops.records import Evaluation

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
NEEDED: Final = ("candidate", "base")
"""Who is scored in every evaluation; a champion only where one serves."""


def find_flaws(evaluation: Evaluation, scores: Scores, settings: GateSettings, *, now: datetime) -> tuple[Flaw, ...]:
    """Return every reason not to believe an evaluation; `now` has a time zone."""
    found = [*_of_models(evaluation), *_of_data(evaluation, settings), *flaws_of_age(evaluation, settings, now=now)]
    rows = list(_of_rows(evaluation, scores))
    if not rows:  # values of rows that do not stand side by side mean nothing
        rows = list(dict.fromkeys(flaw for rule in settings.rules for flaw in _of_values(rule, scores)))
    return (*found, *rows)


def _of_models(evaluation: Evaluation) -> Iterator[Flaw]:
    """Yield what is wrong with who was scored: each role must hold the very model that it is for."""
    job, models = evaluation.job, evaluation.models
    expected = {"candidate": job.trained_model, "base": job.foundation_model}
    if evaluation.champion is not None:
        expected["champion"] = evaluation.champion
    if {role: model.id for role, model in models.items()} != expected:
        swapped = models.get("candidate") and models["candidate"].id == evaluation.champion
        code = "swapped_roles" if swapped else "other_job"
        scored = ", ".join(f"{role} {model.id}" for role, model in sorted(models.items()))
        yield _flaw(code, f"this run's candidate is {job.trained_model}, but scored were {scored}")
    for role, model in models.items():
        if model.registered_sha256 not in (None, model.sha256):
            detail = f"{role} {model.id} is registered as {str(model.registered_sha256)[:12]}"
            yield _flaw("swapped_roles", f"{detail}, but {model.sha256[:12]} was scored")
    for role, model in models.items():
        if role != "candidate" and "candidate" in models and model.sha256 == models["candidate"].sha256:
            yield _flaw(
                "same_model", f"candidate and {role} are one model, {model.sha256[:12]}: change data or settings"
            )


def _of_data(evaluation: Evaluation, settings: GateSettings) -> Iterator[Flaw]:
    test = evaluation.job.data.test
    if evaluation.test_data_sha256 != test.sha256:
        detail = f"scored on {evaluation.test_data_sha256[:12]}, this run's test split is {test.sha256[:12]}"
        yield _flaw("other_data", detail)
    if evaluation.contamination > settings.max_contamination:
        detail = f"{evaluation.contamination:.1%} of the held-out examples are in the training data"
        yield _flaw("contaminated", f"{detail}, gate.max_contamination allows {settings.max_contamination:.1%}")


def flaws_of_age(evaluation: Evaluation, settings: GateSettings, *, now: datetime) -> Iterator[Flaw]:
    """Yield why an evaluation cannot be judged at this time: its champion may not serve any more; a clock is wrong."""
    age = now - evaluation.scored_at
    if age > timedelta(hours=settings.max_age_hours):
        hours = age.total_seconds() / 3600
        yield _flaw("stale", f"scored {hours:.0f} hours ago, gate.max_age_hours is {settings.max_age_hours:g}")
    if age < -CLOCK_TOLERANCE:
        yield _flaw("future", f"scored at {evaluation.scored_at.isoformat()}, which is yet to come: a clock is wrong")


def _of_rows(evaluation: Evaluation, scores: Scores) -> Iterator[Flaw]:
    """Yield what is wrong with which examples were scored, and how often."""
    expected = {*NEEDED, *evaluation.models}
    if set(scores) != expected:
        yield _flaw("missing_model", f"scores are of {sorted(scores)}, they must be of {sorted(expected)}")
        return
    for suite in SUITES:
        keys = {role: columns["key"][rows_of(columns, suite)] for role, columns in scores.items()}
        first = keys["candidate"]
        for role, found in keys.items():
            if len(np.unique(found)) != len(found):
                twice = len(found) - len(np.unique(found))
                yield _flaw("duplicated", f"{twice} of {len(found)} {suite} examples of {role} repeat another one")
            elif len(found) != len(first):
                detail = f"{role} was scored on {len(found)} {suite} examples, the candidate on {len(first)}"
                yield _flaw("unequal", detail)
            elif not np.array_equal(found, first):
                yield _flaw("misaligned", f"{role} was scored on other {suite} examples than the candidate")
        if len(first) != (asked := evaluation.suites.get(suite, 0)):
            yield _flaw("truncated", f"{len(first)} of the {asked} {suite} examples that were scored are there")


def _of_values(rule: Rule, scores: Scores) -> Iterator[Flaw]:
    """Yield what is wrong with the values that a rule looks at."""
    against = reference_of(scores) if rule.against == "champion" else rule.against
    roles = ["candidate"] if against is None else ["candidate", against]
    if unmeasured := [role for role in roles if rule.metric not in scores[role]]:
        yield _flaw("missing_metric", f"{rule.metric} of {' and '.join(unmeasured)} was not measured: evaluate again")
        return
    values = {role: np.ma.asarray(scores[role][rule.metric][rows_of(scores[role], rule.suite)]) for role in roles}
    masks = {role: np.ma.getmaskarray(column) for role, column in values.items()}
    what = f"{rule.suite} {rule.metric}"
    for role, column in values.items():
        poisoned = int(np.sum(~np.isfinite(column.compressed())))
        if masks[role].all():
            yield _flaw("no_examples", f"{role} has no {what} at all")
        elif column.count() < 2:  # noqa: PLR2004 - one value has no spread
            yield _flaw("no_examples", f"{role} has one {what}, which is no evidence")
        if poisoned:
            yield _flaw("not_finite", f"{poisoned} values of {what} of {role} are not finite numbers")
    if not all(np.array_equal(mask, masks["candidate"]) for mask in masks.values()):
        yield _flaw("unequal", f"{what} was measured on some examples of one model and not of the other")


def _flaw(code: str, detail: str) -> Flaw:
    return Flaw(code=code, detail=detail)
