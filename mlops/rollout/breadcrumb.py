"""The rollout in the endpoint's tags, written with the traffic: whoever comes after a lost runner finds it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.errors import RecordError
from mlops.rollout.state import ALL, MIRROR, OVER, Phase, State

if TYPE_CHECKING:
    from mlops.rollout.plan import RolloutPlan

Tags = Mapping[str, str]

PREFIX: Final = "rollout-"
LONGEST: Final = 256
"""Characters that Azure keeps of a tag's value."""


class Breadcrumb(BaseModel):
    """What the tags say; their names are those of the fields, dashes for underscores, after `rollout-`."""

    model_config = ConfigDict(frozen=True)

    id: str
    phase: Phase
    step: int = Field(ge=MIRROR)
    steps: str = Field(pattern=r"^\d+(,\d+)*$")
    mirror: int = Field(ge=0, le=50)
    candidate: str
    stable: str
    """Who had everything before; empty if nobody."""
    fingerprint: str
    stable_fingerprint: str
    epoch: int
    started: float
    entered: float
    verdict: str
    """The last one, empty before the first."""
    reason: str

    @property
    def is_active(self) -> bool:
        """Return whether the rollout still moves traffic, or may."""
        return self.phase not in OVER | {Phase.COMMITTED}


def tags(state: State, *, epoch: int) -> dict[str, str]:
    """Return the tags that go with the traffic of a state."""
    crumb = Breadcrumb(
        id=state.id,
        # What goes back is back with this very write.
        phase=Phase.ROLLED_BACK if state.phase is Phase.ROLLING_BACK else state.phase,
        step=state.step,
        steps=",".join(map(str, state.plan.steps)),
        mirror=state.plan.mirror,
        candidate=state.candidate,
        stable=state.stable or "",
        fingerprint=state.fingerprint,
        stable_fingerprint=state.stable_fingerprint,
        epoch=epoch,
        started=state.started_at,
        entered=state.entered_at,
        verdict=state.steps[-1].verdict if state.steps else "",
        reason=state.reason[:LONGEST],
    )
    values = {name.replace("_", "-"): str(value) for name, value in crumb.model_dump().items()}
    return {f"{PREFIX}{name}": value for name, value in values.items()}


def read(tags: Tags) -> Breadcrumb | None:
    """Return what an endpoint's tags say, or None if they tell of no rollout.

    Raises RecordError if they are no longer as they were written.
    """
    found = {
        name.removeprefix(PREFIX).replace("-", "_"): value for name, value in tags.items() if name.startswith(PREFIX)
    }
    if "id" not in found:
        return None
    try:
        return Breadcrumb.model_validate(found)
    except ValidationError as error:
        names = ", ".join(PREFIX + str(problem["loc"][0]) for problem in error.errors())
        raise RecordError(
            f"the endpoint's tags tell of a rollout, but {names} cannot be read. Nothing was written. Set the traffic "
            "and delete the tags that begin with rollout- by hand"
        ) from None


def recovered(crumb: Breadcrumb, plan: RolloutPlan) -> State:
    """Return the state that the tags stand for, as it was right before its write: to do that again is harmless.

    The weights are those it began with, whatever the settings say by now.

    Raises RecordError if the tags contradict themselves.
    """
    steps = tuple(int(weight) for weight in crumb.steps.split(","))
    if crumb.step >= len(steps):
        raise RecordError(
            f"the endpoint's tag rollout-step is {crumb.step}, but there are {len(steps)} steps. Set the traffic and "
            "delete the tags that begin with rollout- by hand"
        )
    state = State(
        plan=plan.model_copy(update={"steps": steps, "mirror": crumb.mirror}),
        id=crumb.id,
        candidate=crumb.candidate,
        fingerprint=crumb.fingerprint,
        stable=crumb.stable or None,
        stable_fingerprint=crumb.stable_fingerprint,
        start={crumb.stable: ALL} if crumb.stable else {},
        started_at=crumb.started,
        entered_at=crumb.entered,
        phase=crumb.phase,
        step=crumb.step,
        reason=crumb.reason,
    )
    # A pause and a commit are written and wait; whatever else was under way is done again.
    progress = 1 if crumb.phase in (Phase.PAUSED, Phase.COMMITTED) else 0
    return replace(state, progress=progress, written=state.traffic)
