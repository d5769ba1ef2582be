"""Do what the machine says, one thing after the other: each is journaled before it is done, and can be done again.

It reaches Azure only through `Plane`, so that it can be run, and killed, against anything that keeps an endpoint.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from mlops.errors import AzureError, BusyError, FencedError, InputError
from mlops.rollout import breadcrumb, machine, smoke
from mlops.rollout.analysis import analyze
from mlops.rollout.bake import Asker, Clock, bake
from mlops.rollout.state import CLIMBING, Do, Done, Drifted, Event, Failed, Judged, Ordered, Phase, State
from mlops.rollout.warm_up import warm_up
from mlops.rollout.window import Window, in_effect

if TYPE_CHECKING:
    from mlops.records import RolloutStep
    from mlops.rollout.journal import Journal
    from mlops.rollout.probe import Sample
    from mlops.rollout.state import Command, Traffic

WATCH_S: Final = 2.0
"""How often the endpoint is looked at while nothing is written."""
LONGEST_PAUSE_S: Final = 60.0
SUCCEEDED: Final = "Succeeded"


class Snapshot(Protocol):
    """An endpoint as it is."""

    @property
    def live(self) -> Traffic:
        """Return who has how much of the traffic, those with none left out."""

    @property
    def mirror(self) -> Traffic:
        """Return who gets how many copies."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the endpoint's tags."""

    @property
    def states(self) -> Mapping[str, str]:
        """Return each deployment's provisioning state."""

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Return what each deployment runs, as a hash."""


class Plane(Protocol):
    """What keeps the endpoint; everything raises AzureError, and BusyError where it is worth trying again."""

    def read(self) -> Snapshot:
        """Return the endpoint as it is."""

    def write(self, traffic: Traffic, mirror: Traffic, tags: Mapping[str, str]) -> None:
        """Replace both maps and add the tags, in one request."""

    def delete(self, deployment: str) -> None:
        """Delete a deployment."""


class Lease(Protocol):
    """The right to write."""

    @property
    def epoch(self) -> int:
        """Return the number that grows with every holder."""

    def check(self) -> None:
        """Raise FencedError if somebody has a later one."""


@dataclass
class Runner:
    """One process that rolls out; `told` hears of every new state, with the window measured so far.

    `state` is the last one.
    """

    plane: Plane
    lease: Lease
    asker: Asker
    journal: Journal
    told: Callable[[State, Window], None]
    clock: Clock = field(default_factory=Clock)
    _window: Window | None = None
    _looked: float = 0.0

    def run(self, state: State) -> State:
        """Run until the rollout is over, or waits for somebody; return its last state.

        Raises FencedError, having written nothing more, if somebody else took over.
        """
        self.state = state
        self._note("state", state)
        while (do := machine.todo(state)) is not None:
            self._note("intent", state, do=do.name)
            event = self._watched(do, state)
            if event is None:
                break
            state = self._after(state, event)
        return state

    def order(self, state: State, command: Command, reason: str) -> State:
        """Return the state after an operator's order."""
        return self._after(state, Ordered(at=self.clock.now(), command=command, reason=reason))

    def _after(self, state: State, event: Event) -> State:
        moved = self.state = machine.after(state, event)
        if (moved.step, moved.phase in CLIMBING) != (state.step, state.phase in CLIMBING):
            self._window = None
        if moved.phase is Phase.POST_BAKE and state.phase is not Phase.POST_BAKE:
            self._window = None
        self._note("state", moved)
        self.told(moved, self._measured(moved))
        return moved

    def _watched(self, do: Do, state: State) -> Event | None:
        """Do a thing, unless somebody else wrote the traffic in the meantime."""
        try:
            if do not in (Do.CHECK_STABLE, Do.RETAIN):
                self._look(state)
            return self._act(do, state)
        except _DriftError as drift:
            return Drifted(at=self.clock.now(), traffic=drift.traffic)
        except FencedError:
            self._note("fenced", state)
            raise
        except (AzureError, InputError) as error:
            return Failed(at=self.clock.now(), reason=str(error))

    def _act(self, do: Do, state: State) -> Event | None:
        actions: dict[Do, Callable[[State], Event | None]] = {
            Do.SMOKE: self._smoke,
            Do.WARM: self._warm,
            Do.WRITE: self._write,
            Do.CONFIRM: self._confirm,
            Do.BAKE: self._bake,
            Do.JUDGE: self._judge,
            Do.CHECK_STABLE: self._check_stable,
            Do.RETAIN: self._retain,
            Do.DELETE_STABLE: self._delete_stable,
            Do.DELETE_CANDIDATE: self._delete_candidate,
        }
        return actions[do](state)

    def _look(self, state: State) -> Snapshot:
        """Return the endpoint; raise FencedError or _DriftError if it is no longer ours to change."""
        self._looked = self.clock.now()
        self.lease.check()
        found = self._read(state)
        crumb = breadcrumb.read(found.tags)
        if crumb and crumb.epoch > self.lease.epoch:
            raise FencedError(f"epoch {crumb.epoch} has taken over from {self.lease.epoch}: nothing more was written")
        if dict(found.live) not in (dict(state.written), state.traffic) and state.phase is not Phase.ROLLING_BACK:
            raise _DriftError(found.live)
        return found

    def _read(self, state: State) -> Snapshot:
        """Return the endpoint, asking again while Azure is busy."""
        for attempt in range(state.plan.write_attempts - 1):
            try:
                return self.plane.read()
            except BusyError:
                self._wait(attempt)
        return self.plane.read()

    def _wait(self, attempt: int) -> None:
        """Wait longer each time, and never as long as others who wait for the same."""
        self.clock.sleep(random.uniform(0.5, 1) * min(LONGEST_PAUSE_S, 2.0**attempt))  # noqa: S311 - no secret

    def _smoke(self, state: State) -> Event:
        if problem := _unfit(self._read(state), state.candidate, state.fingerprint):
            return Failed(at=self.clock.now(), reason=problem)
        smoke.run(self.asker.probe, deployment=state.candidate)
        return self._done()

    def _warm(self, state: State) -> Event:
        warmth = warm_up(
            self.asker.probe, self.asker.examples, deployment=state.candidate, concurrency=state.plan.concurrency
        )
        if warmth.num_failed > warmth.num_requests / 2:
            reason = f"{warmth.num_failed} of {warmth.num_requests} requests failed while {state.candidate} warmed up"
            return Failed(at=self.clock.now(), reason=reason)
        return self._done()

    def _write(self, state: State) -> Event:
        """Write traffic, mirror and tags until the endpoint says that it has them."""
        for attempt in range(state.plan.write_attempts):
            if attempt:
                self._wait(attempt - 1)
                self._look(state)
            try:
                self.plane.write(state.traffic, state.mirror, breadcrumb.tags(state, epoch=self.lease.epoch))
                if self._is_written(state):
                    return self._done()
                error: AzureError = BusyError("it was overwritten at once by somebody else")
            except BusyError as busy:
                error = busy
                self._note("busy", state, error=str(busy))
        return Failed(at=self.clock.now(), reason=f"{error}, after {state.plan.write_attempts} attempts")

    def _is_written(self, state: State) -> bool:
        found = self._read(state)
        crumb = breadcrumb.read(found.tags)
        is_ours = crumb is not None and crumb.epoch == self.lease.epoch
        return is_ours and dict(found.live) == state.traffic and dict(found.mirror) == state.mirror

    def _confirm(self, state: State) -> Event:
        """Ask without a pin until the answers show the weights: "succeeded" is not yet "in effect"."""
        if not state.traffic:
            return self._done()
        deadline = self.clock.now() + state.plan.effect_s
        samples: list[Sample] = []
        with ThreadPoolExecutor(state.plan.concurrency) as pool:
            while not in_effect(samples, candidate=state.candidate, weight=state.traffic.get(state.candidate, 0)):
                if self.clock.now() > deadline:
                    told = f"the endpoint does not show the traffic it accepted in {state.plan.effect_s:g} s"
                    return Failed(at=self.clock.now(), reason=told)
                samples += self.asker.wave(pool, (None,), size=state.plan.concurrency)
        return self._done()

    def _bake(self, state: State) -> Event:
        at_least_s = state.plan.post_bake_s if state.phase is Phase.POST_BAKE else state.plan.bake_s
        measured = self._measured(state)
        self._window, hopeless = bake(
            self.asker,
            measured,
            state.plan,
            at_least_s=at_least_s,
            clock=self.clock,
            until=state.started_at + state.plan.deadline_s,
            watch=lambda window: self._watch(state, window),
        )
        if hopeless is None:
            return self._done()
        step = self._analyzed(state).model_copy(update={"verdict": "fail", "reason": hopeless})
        return Judged(at=self.clock.now(), step=step)

    def _watch(self, state: State, window: Window) -> None:
        self.told(state, window)
        if self.clock.now() > self._looked + WATCH_S:
            self._look(state)

    def _judge(self, state: State) -> Event:
        return Judged(at=self.clock.now(), step=self._analyzed(state))

    def _analyzed(self, state: State) -> RolloutStep:
        return analyze(self._measured(state), weight=state.weight, plan=state.plan, at=self.clock.now())

    def _check_stable(self, state: State) -> Event:
        """Ask the stable deployment: traffic never goes back to one that does not answer."""
        if state.stable is None:
            return self._done()
        if problem := _unfit(self._read(state), state.stable, state.stable_fingerprint):
            return self._blocked(problem)
        for _ in range(state.plan.max_in_a_row):
            sample = self.asker.probe.ask(next(self.asker.examples).messages, deployment=state.stable)
            if sample.ok and sample.deployment == state.stable:
                return self._done()
        return self._blocked(f"{state.stable} answers {sample.status} {sample.cause}".rstrip())

    def _blocked(self, reason: str) -> Event:
        return Failed(at=self.clock.now(), reason=f"traffic cannot go back: {reason}; somebody has to look")

    def _retain(self, state: State) -> Event | None:
        due = state.entered_at + state.plan.retain_s
        return self._done() if state.stable is None or self.clock.now() >= due else None

    def _delete_stable(self, state: State) -> Event:
        return self._delete(state, state.stable or "")

    def _delete_candidate(self, state: State) -> Event:
        return self._delete(state, state.candidate)

    def _delete(self, state: State, deployment: str) -> Event:
        """Delete a deployment that has neither traffic nor copies, as the endpoint says in this moment."""
        found = self._read(state)
        if share := found.live.get(deployment, 0) + found.mirror.get(deployment, 0):
            return Failed(at=self.clock.now(), reason=f"{deployment} has {share} % of the traffic and was not deleted")
        if deployment in found.states:
            self._look(state)
            self.plane.delete(deployment)
        return self._done()

    def _done(self) -> Event:
        return Done(at=self.clock.now())

    def _measured(self, state: State) -> Window:
        return self._window or Window((), state.candidate, state.stable, self.asker.known)

    def _note(self, kind: str, state: State, **more: Any) -> None:
        self.journal.write(
            at=self.clock.now(),
            kind=kind,
            id=state.id,
            epoch=self.lease.epoch,
            phase=state.phase,
            step=state.step,
            traffic=state.traffic,
            mirror=state.mirror,
            reason=state.reason,
            **more,
        )


def _unfit(found: Snapshot, deployment: str, fingerprint: str) -> str | None:
    """Return why a deployment is not the one that was meant, or not up, or None."""
    provisioned = found.states.get(deployment)
    if provisioned != SUCCEEDED:
        return f"{deployment} is {provisioned or 'gone'}, not {SUCCEEDED}"
    if found.fingerprints.get(deployment, "") != fingerprint:
        return f"{deployment} was replaced by another deployment of its name"
    return None


class _DriftError(Exception):
    """Somebody else wrote the traffic."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.traffic = dict(traffic)
