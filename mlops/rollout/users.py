"""What users' own requests showed, as the endpoint's monitoring tells it, pure but for who asks that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlops.rollout.limits import finding, share_within

if TYPE_CHECKING:
    from mlops.records import Finding
    from mlops.rollout.limits import Verdict
    from mlops.rollout.plan import RolloutPlan


@dataclass(frozen=True)
class Observed:
    """All requests to a deployment in a span of time, whoever made them; `latency_s` is what half of them took."""

    num_requests: int
    num_failed: int
    latency_s: float | None

    @property
    def error_rate(self) -> float:
        """Return the share that failed, 0 of none."""
        return self.num_failed / self.num_requests if self.num_requests else 0.0


class Observer(Protocol):
    """A monitoring system that counts the endpoint's requests."""

    def observe(self, deployment: str, *, since: float, until: float) -> Observed:
        """Return what a deployment did between two times, in seconds since 1970.

        Raises InputError if that cannot be told.
        """


@dataclass(frozen=True)
class Users:
    """What both deployments did meanwhile; None where there is no such deployment, or the monitoring told nothing."""

    mine: Observed | None = None
    others: Observed | None = None
    problem: str = ""


def judge(users: Users, plan: RolloutPlan) -> Iterator[Finding]:
    """Yield what the monitoring says: its silence, and figures that come too late, are no evidence."""
    mine, others = users.mine, users.others
    if mine is None:
        yield finding("users", "inconclusive", f"the monitoring does not answer: {users.problem}", 0, None, 0, 0)
        return
    yield _volume(mine, others, plan)
    reference = others.error_rate if others else None
    most = plan.max_error_rate
    yield share_within("users' errors", mine.num_failed, mine.num_requests, reference=reference, most=most, plan=plan)
    if others and others.latency_s and mine.latency_s is not None:
        yield _latency(mine.latency_s, others.latency_s, mine.num_requests, plan)


def _volume(mine: Observed, others: Observed | None, plan: RolloutPlan) -> Finding:
    """Want as many requests as were just made here: fewer have not arrived in the monitoring yet."""
    fewest = min(mine.num_requests, others.num_requests) if others else mine.num_requests
    reason = f"the monitoring has seen {fewest} requests to a deployment, {plan.min_requests} were made"
    is_enough = fewest >= plan.min_requests
    return finding("users", "pass" if is_enough else "inconclusive", reason, fewest, None, plan.min_requests, fewest)


def _latency(mine_s: float, others_s: float, num: int, plan: RolloutPlan) -> Finding:
    """Compare two medians: without the single values nothing is sure, so this alone never fails."""
    limit = plan.max_latency_ratio * others_s
    reason = f"median {mine_s:.3f}, the stable deployment's {others_s:.3f}, at most {limit:.3f}"
    verdict: Verdict = "inconclusive" if mine_s > limit else "pass"
    return finding("users' seconds", verdict, reason, mine_s, others_s, limit, num)
