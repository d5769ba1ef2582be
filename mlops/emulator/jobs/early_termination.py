"""Which trials of a sweep are not worth going on: bandit, median stopping, truncation selection.

The rules are those of Azure ML's documentation. An interval is one value of the primary metric that
a trial has logged; a trial is judged by its values up to an interval, beside those of every other
trial up to the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Histories = Mapping[str, Sequence[float]]

_KINDS = {
    "bandit": "bandit",
    "medianstopping": "median_stopping",
    "truncationselection": "truncation_selection",
}


@dataclass(frozen=True)
class Policy:
    """When trials are judged, and by which rule; a bandit has a slack of one kind, the other is 0."""

    kind: str
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    slack_factor: float = 0.0
    slack_amount: float = 0.0
    truncation_percentage: int = 0

    def stops(self, trial: str, histories: Histories, *, interval: int, minimize: bool) -> bool:
        """Return whether a trial, which has reached the interval (from 1), shall be stopped there."""
        if interval % self.evaluation_interval or interval < self.delay_evaluation:
            return False
        # The less, the better: whatever the goal, the rules are written once.
        sign = 1.0 if minimize else -1.0
        reached = {
            name: [sign * value for value in values[:interval]]
            for name, values in histories.items()
            if len(values) >= interval
        }
        return _RULES[self.kind](self, reached.pop(trial), list(reached.values()))


def read(body: Mapping[str, Any], *, where: str) -> Policy | None:
    """Read the policy of a sweep (snake case); raise ArmError (400) for one that is not known."""
    named = str(body.get("policy_type") or body.get("type") or "")
    if not named:
        return None
    if (kind := _KINDS.get(named.lower().replace("_", ""))) is None:
        raise bad_request(f"{where}: unknown early termination policy {named!r}; use {', '.join(_KINDS.values())}.")
    policy = Policy(
        kind,
        evaluation_interval=int(body.get("evaluation_interval") or 1),
        delay_evaluation=int(body.get("delay_evaluation") or 0),
        slack_factor=float(body.get("slack_factor") or 0),
        slack_amount=float(body.get("slack_amount") or 0),
        truncation_percentage=int(body.get("truncation_percentage") or 0),
    )
    _check(policy, where=where)
    return policy


def _is_out_of_slack(policy: Policy, own: list[float], others: list[list[float]]) -> bool:
    best = min((min(values) for values in others), default=min(own))
    # From 0.8, to be maximized, a factor of 0.2 leads to 0.8 / 1.2; from one to be minimized, to 0.8 * 1.2.
    share = policy.slack_factor if best > 0 else policy.slack_factor / (1 + policy.slack_factor)
    return min(own) > best + (abs(best) * share or policy.slack_amount)


def _is_worse_than_median(_: Policy, own: list[float], others: list[list[float]]) -> bool:
    return min(own) > median(fmean(values) for values in (own, *others))


def _is_among_the_last(policy: Policy, own: list[float], others: list[list[float]]) -> bool:
    cut = (len(others) + 1) * policy.truncation_percentage // 100
    return sum(values[-1] >= own[-1] for values in others) < cut


_RULES = {
    "bandit": _is_out_of_slack,
    "median_stopping": _is_worse_than_median,
    "truncation_selection": _is_among_the_last,
}


def _check(policy: Policy, *, where: str) -> None:
    if policy.kind == "bandit" and bool(policy.slack_factor) == bool(policy.slack_amount):
        raise bad_request(f"{where}: a bandit policy needs either a slack factor or a slack amount.")
    if policy.kind == "truncation_selection" and not 1 <= policy.truncation_percentage <= 99:  # noqa: PLR2004
        raise bad_request(f"{where}: the truncation percentage is {policy.truncation_percentage}, not 1 to 99.")
    if policy.evaluation_interval < 1 or policy.delay_evaluation < 0:
        raise bad_request(f"{where}: an evaluation interval is 1 or more, a delay of evaluation 0 or more.")
