"""Where a rollout can stand, what can happen to it, and what is done in each phase.

    SMOKE -> WARMING -> [MIRRORING -> BAKING -> JUDGING] -> (SHIFTING -> BAKING -> JUDGING)* -> POST_BAKE
          -> COMMITTED -> RETIRING -> SUCCEEDED
    before any traffic moved:  a failure -> CLEANING -> FAILED
    with traffic or mirror:    a failure, an abort, a deadline -> ROLLING_BACK -> ROLLED_BACK, or BLOCKED
    not sure, or told to:      PAUSED -> resume, promote, abort, or its deadline

Time comes in with the events, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from mlops.records import RolloutStep

if TYPE_CHECKING:
    from mlops.rollout.plan import RolloutPlan

Traffic = Mapping[str, int]
Command = Literal["pause", "resume", "promote", "abort"]

ALL: Final = 100
MIRROR: Final = -1
"""The step before the first, at which the candidate gets copies only."""


class Phase(StrEnum):
    """Where a rollout stands."""

    SMOKE = "SMOKE"
    WARMING = "WARMING"
    MIRRORING = "MIRRORING"
    SHIFTING = "SHIFTING"
    BAKING = "BAKING"
    JUDGING = "JUDGING"
    POST_BAKE = "POST_BAKE"
    COMMITTED = "COMMITTED"
    RETIRING = "RETIRING"
    SUCCEEDED = "SUCCEEDED"
    PAUSED = "PAUSED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"
    CLEANING = "CLEANING"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"


class Do(StrEnum):
    """What a runner can be told to do; each can be done again without harm."""

    SMOKE = "ask the smoke questions"
    WARM = "ask until the latency is steady"
    WRITE = "write the traffic"
    CONFIRM = "wait until requests show the traffic"
    BAKE = "ask both deployments"
    JUDGE = "judge what was measured"
    CHECK_STABLE = "ask the stable deployment"
    RETAIN = "keep the old deployment for a while"
    DELETE_STABLE = "delete the old deployment"
    DELETE_CANDIDATE = "delete the candidate"


RECIPES: Final[Mapping[Phase, tuple[Do, ...]]] = {
    Phase.SMOKE: (Do.SMOKE,),
    Phase.WARMING: (Do.WARM,),
    Phase.MIRRORING: (Do.WRITE,),
    Phase.SHIFTING: (Do.WRITE, Do.CONFIRM),
    Phase.BAKING: (Do.BAKE,),
    Phase.JUDGING: (Do.JUDGE,),
    Phase.POST_BAKE: (Do.BAKE, Do.JUDGE),
    Phase.COMMITTED: (Do.WRITE, Do.RETAIN),
    Phase.RETIRING: (Do.DELETE_STABLE,),
    Phase.PAUSED: (Do.WRITE,),
    Phase.ROLLING_BACK: (Do.CHECK_STABLE, Do.WRITE, Do.CONFIRM),
    Phase.CLEANING: (Do.DELETE_CANDIDATE,),
}
"""What is done in a phase, in order; the phases that are not here are over."""

NEXT: Final[Mapping[Phase, Phase]] = {
    Phase.SMOKE: Phase.WARMING,
    Phase.MIRRORING: Phase.BAKING,
    Phase.SHIFTING: Phase.BAKING,
    Phase.BAKING: Phase.JUDGING,
    Phase.COMMITTED: Phase.RETIRING,
    Phase.RETIRING: Phase.SUCCEEDED,
    Phase.ROLLING_BACK: Phase.ROLLED_BACK,
    Phase.CLEANING: Phase.FAILED,
}
UNTOUCHED: Final = frozenset({Phase.SMOKE, Phase.WARMING, Phase.CLEANING, Phase.FAILED})
"""No traffic has moved."""
CLIMBING: Final = frozenset({Phase.MIRRORING, Phase.SHIFTING, Phase.BAKING, Phase.JUDGING, Phase.POST_BAKE})
"""The candidate has some of the traffic and does not yet own it."""
OVER: Final = frozenset({Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED})
BACK: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})
OWNED: Final = frozenset({Phase.POST_BAKE, Phase.COMMITTED, Phase.RETIRING, Phase.SUCCEEDED})


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was to be done is done."""

    at: float


@dataclass(frozen=True, kw_only=True)
class Failed:
    """What was to be done cannot be, or showed that the candidate must not go on."""

    at: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A window was judged."""

    at: float
    step: RolloutStep


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """Somebody else wrote the traffic."""

    at: float
    traffic: Traffic


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """An operator said what to do."""

    at: float
    command: Command
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ticked:
    """Time has passed."""

    at: float


Event = Done | Failed | Judged | Drifted | Ordered | Ticked


@dataclass(frozen=True, kw_only=True)
class State:
    """A rollout between two moves; `start` is the traffic to which a rollback returns.

    `progress` counts what is done of the phase, `windows` how often the step was measured without a clear verdict.
    `hands_off` says that the traffic is somebody else's, which is never overwritten without an order.
    """

    plan: RolloutPlan
    id: str
    candidate: str
    fingerprint: str
    stable: str | None
    stable_fingerprint: str
    start: Traffic
    started_at: float
    entered_at: float
    phase: Phase = Phase.SMOKE
    step: int = 0
    progress: int = 0
    windows: int = 0
    hands_off: bool = False
    steps: tuple[RolloutStep, ...] = ()
    reason: str = ""
    written: Traffic = field(default_factory=dict)
    """The traffic that the last write left, by which that of others is told."""

    @property
    def weight(self) -> int:
        """Return the candidate's weight that this state stands for, in percent."""
        if self.phase in UNTOUCHED or self.phase in BACK or self.step == MIRROR:
            return 0
        return ALL if self.phase in OWNED else self.plan.steps[self.step]

    @property
    def before(self) -> int:
        """Return the candidate's weight before the last write, the hardest to tell from this one if it may be two.

        On its way back that is the last weight but one, whose successor may never have come into effect.
        """
        if self.step == MIRROR or (self.step == 0 and self.phase not in BACK):
            return 0
        return self.plan.steps[max(self.step - 1, 0)]

    @property
    def traffic(self) -> dict[str, int]:
        """Return the whole traffic map that this state stands for."""
        if not self.weight:
            return dict(self.start)
        if self.stable is None or self.weight == ALL:
            return {self.candidate: ALL}
        return {self.stable: ALL - self.weight, self.candidate: self.weight}

    @property
    def mirror(self) -> dict[str, int]:
        """Return the whole mirror map that this state stands for."""
        is_mirrored = self.step == MIRROR and self.phase not in UNTOUCHED | BACK | {Phase.BLOCKED}
        return {self.candidate: self.plan.mirror} if is_mirrored else {}

    @property
    def is_over(self) -> bool:
        """Return whether nothing will ever be left to do."""
        return self.phase in OVER
