"""Do what the machine says, one thing after the other: each is journaled before it is done, and can be done again.

It reaches Azure only through `Plane`, so that it can be run, and killed, against anything that keeps an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import AzureError, FencedError, InputError
from mlops.rollout import machine, smoke
from mlops.rollout.analysis import analyze
from mlops.rollout.bake import Asker, Clock, bake
from mlops.rollout.state import CLIMBING, Do, Done, Drifted, Event, Failed, Judged, Ordered, Phase, State
from mlops.rollout.users import Users
from mlops.rollout.warm_up import warm_up
from mlops.rollout.window import Window, in_effect
from mlops.rollout.writer import DriftError, Writer, unfit

if TYPE_CHECKING:
    from mlops.rollout.journal import Journal
    from mlops.rollout.plane import Lease, Plane
    from mlops.rollout.probe import Sample
    from mlops.rollout.state import Command
    from mlops.rollout.users import Observer

WATCH_S: Final = 2.0
"""How often the endpoint is looked at while nothing is written."""


@dataclass
class Runner:
    """One process that rolls out; `told` hears of every new state, with the window measured so far.

    `observer` tells of users' requests, where somebody counts them. `state` is the last one.
    """

    plane: Plane
    lease: Lease
    asker: Asker
    journal: Journal
    told: Callable[[State, Window], None]
    clock: Clock = field(default_factory=Clock)
    observer: Observer | None = None
    _window: Window | None = None
    _since: float = 0.0

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self.plane, self.lease, self.clock, self._note)

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
                self._writer.look(state)
            return self._act(do, state)
        except DriftError as drift:
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

    def _smoke(self, state: State) -> Event:
        if problem := unfit(self._writer.read(state), state.candidate, state.fingerprint):
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
        self._writer.write(state)
        return self._done()

    def _confirm(self, state: State) -> Event:
        """Ask without a pin until the answers show the weights: "succeeded" is not yet "in effect"."""
        if not state.traffic:
            return self._done()
        deadline = self.clock.now() + state.plan.effect_s
        weight = state.traffic.get(state.candidate, 0)
        samples: list[Sample] = []
        with ThreadPoolExecutor(state.plan.concurrency) as pool:
            while not in_effect(samples, candidate=state.candidate, weight=weight, before=state.before):
                # After the deadline a row of the right answers may still become as long as it needs to be.
                is_row = in_effect(samples, candidate=state.candidate, weight=weight, before=weight)
                if self.clock.now() > deadline and not is_row:
                    told = f"the endpoint does not show the traffic it accepted in {state.plan.effect_s:g} s"
                    return Failed(at=self.clock.now(), reason=told)
                samples += self.asker.wave(pool, (None,), size=state.plan.concurrency)
        return self._done()

    def _bake(self, state: State) -> Event:
        at_least_s = state.plan.post_bake_s if state.phase is Phase.POST_BAKE else state.plan.bake_s
        if self._window is None:
            self._since = self.clock.now()
        self._window, hopeless = bake(
            self.asker,
            self._measured(state),
            state.plan,
            at_least_s=at_least_s,
            clock=self.clock,
            until=state.started_at + state.plan.deadline_s,
            watch=lambda window: self._watch(state, window),
        )
        if hopeless is None:
            return self._done()
        step = analyze(self._window, weight=state.weight, plan=state.plan, at=self.clock.now())
        return Judged(at=self.clock.now(), step=step.model_copy(update={"verdict": "fail", "reason": hopeless}))

    def _watch(self, state: State, window: Window) -> None:
        self.told(state, window)
        if self.clock.now() > self._writer.looked + WATCH_S:
            self._writer.look(state)

    def _judge(self, state: State) -> Event:
        now, users = self.clock.now(), self._users(state)
        step = analyze(self._measured(state), weight=state.weight, plan=state.plan, at=now, users=users)
        return Judged(at=now, step=step)

    def _users(self, state: State) -> Users | None:
        """Return what the monitoring has seen since the window began, None where nobody is asked or served."""
        if self.observer is None or not state.weight:
            return None
        since, until = self._since, self.clock.now()
        try:
            mine = self.observer.observe(state.candidate, since=since, until=until)
            others = self.observer.observe(state.stable, since=since, until=until) if state.stable else None
        except InputError as error:
            return Users(problem=str(error))
        return Users(mine, others)

    def _check_stable(self, state: State) -> Event:
        """Ask the stable deployment: traffic never goes back to one that does not answer."""
        if state.stable is None:
            return self._done()
        if problem := unfit(self._writer.read(state), state.stable, state.stable_fingerprint):
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
        self._writer.delete(state, state.stable or "")
        return self._done()

    def _delete_candidate(self, state: State) -> Event:
        self._writer.delete(state, state.candidate)
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
