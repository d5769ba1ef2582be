"""Whether a rollout may begin, or go on, pure: what the endpoint says decides, not what this machine remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.errors import InputError, Refusal
from mlops.rollout import breadcrumb, machine
from mlops.rollout.state import ALL, Phase, State

if TYPE_CHECKING:
    from mlops.rollout.breadcrumb import Breadcrumb
    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.plane import Snapshot


def begin(found: Snapshot, plan: RolloutPlan, *, id: str, candidate: str, at: float) -> State:  # noqa: A002 - of tags
    """Return the first state of a candidate's rollout, or where it stood when its runner was lost.

    Raises Refusal if it was rolled back for its own faults, InputError if the endpoint is not ready for it.
    """
    crumb, fingerprint = breadcrumb.read(found.tags), found.fingerprints.get(candidate, "")
    if crumb and crumb.is_active:
        return _resumed(crumb, plan, candidate, fingerprint)
    if crumb and crumb.phase is Phase.ROLLED_BACK and _is_its_own(crumb, fingerprint) and not plan.force:
        raise Refusal(
            f"{candidate} was rolled back already: {crumb.reason}. Mend it and deploy it again, or set rollout.force"
        )
    if found.live == {candidate: ALL} and crumb and crumb.candidate == candidate:
        return breadcrumb.recovered(crumb, plan)
    _check(found, candidate)
    return machine.start(plan, id=id, candidate=candidate, fingerprints=found.fingerprints, traffic=found.live, at=at)


def _resumed(crumb: Breadcrumb, plan: RolloutPlan, candidate: str, fingerprint: str) -> State:
    if (crumb.candidate, crumb.fingerprint) != (candidate, fingerprint):
        raise InputError(
            f"rollout {crumb.id} of {crumb.candidate} is under way ({crumb.phase} at step {crumb.step}): wait for it, "
            "end it with `mlops rollout abort`, or set rollout.supersede"
        )
    if crumb.phase in (Phase.PAUSED, Phase.BLOCKED):
        raise Refusal(f"it is {crumb.phase}: {crumb.reason}. Say `mlops rollout resume`, `promote` or `abort`")
    return breadcrumb.recovered(crumb, plan)


def _is_its_own(crumb: Breadcrumb, fingerprint: str) -> bool:
    return crumb.fingerprint == fingerprint and crumb.verdict == "fail"


def _check(found: Snapshot, candidate: str) -> None:
    """Raise InputError unless one deployment, or none, has everything and it is not the candidate."""
    weights = ", ".join(f"{name} {weight} %" for name, weight in found.live.items())
    if candidate not in found.states:
        raise InputError(f"{candidate} is gone: run the deploy stage again")
    if candidate in found.live or len(found.live) > 1 or found.mirror:
        raise InputError(
            f"the endpoint is not as the deploy stage left it: traffic {weights or 'none'}, mirror "
            f"{dict(found.mirror) or 'none'}. Set it by hand, or run the deploy stage again"
        )
