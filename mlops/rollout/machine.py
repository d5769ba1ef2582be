"""The moves of a rollout, pure: the runner does what `todo` says and tells `after` what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mlops.rollout.state import (
    ALL,
    CLIMBING,
    MIRROR,
    NEXT,
    RECIPES,
    UNTOUCHED,
    Do,
    Done,
    Drifted,
    Event,
    Failed,
    Judged,
    Ordered,
    Phase,
    State,
    Ticked,
)

if TYPE_CHECKING:
    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.state import Traffic


def start(
    plan: RolloutPlan,
    *,
    id: str,  # noqa: A002 - the word of the tags
    candidate: str,
    fingerprints: Mapping[str, str],
    traffic: Traffic,
    at: float,
) -> State:
    """Return a rollout about to begin; a first deployment has nobody to share with and gets everything at once.

    `traffic` is the endpoint's: one deployment with 100, or nothing.
    """
    stable = next((name for name, weight in traffic.items() if weight == ALL), None)
    snapshot = {stable: ALL} if stable else {}
    if stable is None:
        plan = plan.model_copy(update={"steps": plan.steps[-1:], "mirror": 0})
    return State(
        plan=plan,
        id=id,
        candidate=candidate,
        fingerprint=fingerprints.get(candidate, ""),
        stable=stable,
        stable_fingerprint=fingerprints.get(stable or "", ""),
        start=snapshot,
        written=snapshot,
        started_at=at,
        entered_at=at,
        step=MIRROR if plan.mirror else 0,
    )


def todo(state: State) -> Do | None:
    """Return what is to be done now, or None where a runner stops: it is over, or waits for an order."""
    recipe = () if state.hands_off else RECIPES.get(state.phase, ())
    return recipe[state.progress] if state.progress < len(recipe) else None


def after(state: State, event: Event) -> State:
    """Return the state after an event."""
    if not isinstance(event, Ordered) and (reason := _overdue(state, event.at)):
        return _back(state, event.at, reason)
    return _MOVES[type(event)](state, event)


def lost(state: State, *, at: float) -> State:
    """Return what becomes of a rollout whose runner is gone, nobody having judged the step it stood at.

    Less than everything goes back; where the candidate has everything, or it waits for a person, it goes on.
    """
    if reason := _overdue(state, at):
        return _back(state, at, reason)
    if state.phase in CLIMBING and state.weight < ALL:
        return _back(state, at, f"its runner was lost at {state.weight} %")
    return state


def _done(state: State, event: Done) -> State:
    at = event.at
    written = {**state.traffic} if todo(state) is Do.WRITE else state.written
    moved = replace(state, progress=state.progress + 1, written=written)
    if todo(moved) is not None or state.phase is Phase.PAUSED:
        return moved
    if state.phase is Phase.WARMING:
        return _enter(moved, Phase.MIRRORING if state.step == MIRROR else Phase.SHIFTING, at)
    if state.phase is Phase.COMMITTED and state.stable is None:
        return _enter(moved, Phase.SUCCEEDED, at)
    return _enter(moved, NEXT[state.phase], at)


def _failed(state: State, event: Failed) -> State:
    if state.phase in (Phase.SMOKE, Phase.WARMING):
        return _enter(state, Phase.CLEANING, event.at, event.reason)
    if state.phase in CLIMBING:
        return _back(state, event.at, event.reason)
    if state.phase in (Phase.ROLLING_BACK, Phase.COMMITTED):
        return _enter(
            state, Phase.BLOCKED, event.at, f"{event.reason} ({state.reason})" if state.reason else event.reason
        )
    if state.phase is Phase.PAUSED:
        return replace(state, progress=state.progress + 1)
    return _enter(state, NEXT[state.phase], event.at, f"{state.reason} {event.reason}".strip())


def _judged(state: State, event: Judged) -> State:
    state = replace(state, steps=(*state.steps, event.step))
    if event.step.verdict == "pass":
        return _promoted(state, event.at)
    if event.step.verdict == "fail":
        return _back(state, event.at, event.step.reason)
    if state.windows + 1 < state.plan.max_windows:
        again = state.phase if state.phase is Phase.POST_BAKE else Phase.BAKING
        return replace(_enter(state, again, event.at), windows=state.windows + 1)
    reason = f"{event.step.verdict} after {state.plan.max_windows} windows: {event.step.reason}"
    if state.plan.on_inconclusive == "roll_back":
        return _back(state, event.at, reason)
    return _enter(state, Phase.PAUSED, event.at, reason)


def _promoted(state: State, at: float) -> State:
    if state.phase is Phase.POST_BAKE:
        return _enter(state, Phase.COMMITTED, at)
    if state.step == len(state.plan.steps) - 1:
        return replace(_enter(state, Phase.POST_BAKE, at), windows=0)
    return replace(_enter(state, Phase.SHIFTING, at), step=state.step + 1, windows=0)


def _drifted(state: State, event: Drifted) -> State:
    told = ", ".join(f"{name} {weight} %" for name, weight in event.traffic.items()) or "none"
    reason = f"somebody else set the traffic to {told}"
    if state.phase is Phase.ROLLING_BACK or state.is_over:
        return state
    if state.phase in UNTOUCHED:
        return _enter(state, Phase.FAILED, event.at, reason)
    if dict(event.traffic) == dict(state.start):
        return _enter(state, Phase.ROLLED_BACK, event.at, reason)
    return replace(_enter(state, Phase.PAUSED, event.at, reason), hands_off=True)


def _ordered(state: State, event: Ordered) -> State:
    if state.is_over:
        return state
    if event.command == "abort":
        return _aborted(state, event)
    if event.command == "pause" and state.phase in CLIMBING:
        return _enter(state, Phase.PAUSED, event.at, event.reason)
    if event.command == "resume" and state.phase is Phase.PAUSED:
        return replace(_enter(state, _written_in(state), event.at), windows=0)
    if event.command == "promote" and state.phase is Phase.PAUSED:
        return _skipped(state, event.at)
    return state


def _aborted(state: State, event: Ordered) -> State:
    if state.phase in UNTOUCHED:
        return _enter(state, Phase.ROLLED_BACK, event.at, event.reason)
    return _back(state, event.at, event.reason)


def _skipped(state: State, at: float) -> State:
    """Return the next step, as if this one had passed."""
    if state.weight == ALL:
        return _enter(state, Phase.COMMITTED, at)
    return replace(_enter(state, Phase.SHIFTING, at), step=state.step + 1, windows=0)


def _written_in(state: State) -> Phase:
    """Return the phase that writes the traffic of this step: it is measured from there, its old samples forgotten."""
    return Phase.MIRRORING if state.step == MIRROR else Phase.SHIFTING


def _back(state: State, at: float, reason: str) -> State:
    if state.phase in UNTOUCHED:
        return _enter(state, Phase.CLEANING, at, reason)
    return _enter(state, Phase.ROLLING_BACK, at, reason)


def _overdue(state: State, at: float) -> str | None:
    plan = state.plan
    if state.phase is Phase.PAUSED and at > state.entered_at + plan.pause_s:
        return f"nobody ended its pause in {plan.pause_s:g} s ({state.reason})"
    is_climbing = state.phase in CLIMBING | {Phase.SMOKE, Phase.WARMING}
    if is_climbing and at > state.started_at + plan.deadline_s:
        return f"it was not done after {plan.deadline_s:g} s, at {state.weight} %"
    return None


def _enter(state: State, phase: Phase, at: float, reason: str = "") -> State:
    return replace(state, phase=phase, progress=0, entered_at=at, hands_off=False, reason=reason or state.reason)


def _ticked(state: State, _: Ticked) -> State:
    return state


_MOVES: Final[Mapping[type[Event], Callable[[State, Any], State]]] = {
    Done: _done,
    Failed: _failed,
    Judged: _judged,
    Drifted: _drifted,
    Ordered: _ordered,
    Ticked: _ticked,
}
