"""The rollout's states and moves: data in, data out; the stage does what it says.

SHIFTING(i) -> JUDGING(i) -> SHIFTING(i + 1) ... -> SUCCEEDED
                   └-> ROLLING_BACK -> ROLLED_BACK
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mlops.records import RolloutStep

if TYPE_CHECKING:
    from mlops.rollout.plan import RolloutPlan


class Phase(StrEnum):
    """Where a rollout stands."""

    SHIFTING = "SHIFTING"
    JUDGING = "JUDGING"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"
    SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class State:
    """A rollout between two moves; `start` is the traffic to which a rollback returns."""

    plan: RolloutPlan
    candidate: str
    start: dict[str, int]
    phase: Phase = Phase.SHIFTING
    steps: tuple[RolloutStep, ...] = ()

    @property
    def weight(self) -> int:
        """Return the candidate's planned weight at this step, in percent."""
        return self.plan.steps[len(self.steps)]

    @property
    def done(self) -> bool:
        """Return whether nothing is left to do."""
        return self.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK)

    @property
    def traffic(self) -> dict[str, int]:
        """Return the whole traffic map to write in this phase: planned weights, or the start when rolling back."""
        if self.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
            return self.start
        stable = next(iter(self.start), None)
        weight = self.weight if self.phase is not Phase.SUCCEEDED else 100
        if stable is None or weight == 100:  # noqa: PLR2004 - percent
            return {self.candidate: 100}
        return {stable: 100 - weight, self.candidate: weight}


def start(plan: RolloutPlan, *, candidate: str, stable: str | None, done: bool = False) -> State:
    """Return a rollout about to shift, or one that is over because the candidate has everything.

    A first deployment has nobody to share with, so it gets only the last step.
    """
    if stable is None:
        plan = plan.model_copy(update={"steps": plan.steps[-1:]})
    phase = Phase.SUCCEEDED if done else Phase.SHIFTING
    return State(plan, candidate, {stable: 100} if stable else {}, phase)


def shifted(state: State) -> State:
    """Return the state after the data plane showed the written traffic."""
    after = {Phase.SHIFTING: Phase.JUDGING, Phase.ROLLING_BACK: Phase.ROLLED_BACK}
    return replace(state, phase=after[state.phase])


def judged(state: State, step: RolloutStep) -> State:
    """Return the state after a verdict: on with a pass, back with anything else."""
    steps = (*state.steps, step)
    if step.verdict != "pass":
        return replace(state, phase=Phase.ROLLING_BACK, steps=steps)
    last = len(steps) == len(state.plan.steps)
    return replace(state, phase=Phase.SUCCEEDED if last else Phase.SHIFTING, steps=steps)
