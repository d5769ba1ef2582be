"""Rollouts on Azure: one runner with the lease, what it reaches, and the orders that people give."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError, InputError, Refusal
from mlops.operations import champion, conversations, monitoring, notify
from mlops.records import Moment
from mlops.rollout import breadcrumb, journal, machine
from mlops.rollout.bake import Asker
from mlops.rollout.probe import Probe, opened
from mlops.rollout.runner import Runner
from mlops.rollout.state import OVER, Phase
from mlops.stage import RUNS
from mlops.workspace import deployments, endpoints, lease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.operations.site import Site
    from mlops.rollout.examples import Example
    from mlops.rollout.state import Command, State, Traffic
    from mlops.rollout.window import Window
    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint

DATA: Final = "data"
"""The tag of a deployment that names the data asset its model was trained on."""
MOST_MOMENTS: Final = 400
PATIENCE_S: Final = 5
"""How much longer than the service a probe waits, to hear what it says."""


@dataclass(frozen=True)
class AzurePlane:
    """An endpoint in a workspace."""

    workspace: Workspace
    endpoint: str
    timeout_s: float

    def read(self) -> Endpoint:
        """Return the endpoint as it is."""
        found = endpoints.find(self.workspace, self.endpoint)
        if found is None:
            raise AzureError(f"endpoint {self.endpoint} is gone: run the deploy stage again")
        return found

    def write(self, traffic: Traffic, mirror: Traffic, tags: Mapping[str, str]) -> None:
        """Replace both maps and add the tags, in one request."""
        endpoints.write(
            self.workspace, self.endpoint, traffic=traffic, mirror=mirror, tags=tags, timeout_s=self.timeout_s
        )

    def delete(self, deployment: str) -> None:
        """Delete a deployment, and return when it is gone."""
        deployments.delete(self.workspace, self.endpoint, deployment, timeout_s=self.timeout_s)


@dataclass
class Told:
    """Who hears of a rollout: the console, the lease that shows it to `watch`, a webhook, and the timeline."""

    site: Site
    lease: lease.Lease
    timeline: list[Moment] = field(default_factory=list)
    _phase: tuple[object, ...] = ()

    def __call__(self, state: State, window: Window) -> None:
        """Hear of a state and the requests of its window."""
        moment = _moment(state, window, time.time())
        self.timeline.append(moment)
        if len(self.timeline) > MOST_MOMENTS:
            del self.timeline[1::2]
        self.lease.tell(
            moment.model_dump() | {"traffic": state.traffic, "deadline": state.started_at + state.plan.deadline_s}
        )
        if (phase := (state.phase, state.step, state.progress)) == self._phase:
            return
        self._phase = phase
        self._say(state)
        if problem := notify.send(self.site.settings.notify, self.site.endpoint, state):
            self.site.say(problem)

    def _say(self, state: State) -> None:
        if state.phase in (Phase.SHIFTING, Phase.ROLLING_BACK) and not state.progress:
            weights = ", ".join(f"{name} {weight} %" for name, weight in state.traffic.items()) or "none"
            self.site.say(f"{state.phase}: traffic {weights}" + (f" ({state.reason})" if state.weight == 0 else ""))


def _moment(state: State, window: Window, at: float) -> Moment:
    return Moment(
        at=at,
        phase=state.phase,
        weight=state.weight,
        num_requests=len(window.mine),
        num_failed=window.num_failed,
        stable_requests=len(window.others),
        stable_failed=window.stable_failed,
        latency_s=window.latency_s,
        stable_latency_s=window.stable_latency_s,
    )


def probe(workspace: Workspace, endpoint: Endpoint, *, timeout_s: float, max_new_tokens: int) -> Probe:
    """Return a client of an endpoint that waits a little longer than the service does, to hear what it says."""
    return Probe(
        endpoint.scoring_uri,
        lambda: endpoints.key(workspace, endpoint.name),
        timeout_s=timeout_s + PATIENCE_S,
        max_new_tokens=max_new_tokens,
    )


@dataclass(frozen=True)
class Crew:
    """A runner with the lease, and what it has told so far."""

    runner: Runner
    endpoint: Endpoint
    told: Told
    plane: AzurePlane


@contextmanager
def crew(site: Site, *, candidate: str, examples: Sequence[Example], id: str, steal: bool = False) -> Iterator[Crew]:  # noqa: A002
    """Take the lease of the site's endpoint and yield the runner that may now write.

    Raises HeldError if another one lives and this one may not steal.
    """
    settings, found = site.settings, site.find()
    crumb = breadcrumb.read(found.tags)
    plan = settings.rollout
    holding = lease.hold(
        site.workspace,
        site.endpoint,
        holder=f"{os.environ.get('GITHUB_RUN_ID', platform.node())}-{os.getpid()}",
        ttl_s=plan.lease_s,
        steal=steal,
        least=crumb.epoch + 1 if crumb else 1,
    )
    client = probe(
        site.workspace,
        found,
        timeout_s=settings.deploy.request_timeout_s,
        max_new_tokens=settings.deploy.max_new_tokens,
    )
    with holding as held, opened(client):
        told = Told(site, held)
        plane = AzurePlane(site.workspace, site.endpoint, plan.write_timeout_s)
        cases = conversations.cases(len(examples))
        asker = Asker.of(client, examples, candidate=candidate, cases=cases)
        runner = Runner(plane, held, asker, journal.of(RUNS / id), told, observer=monitoring.observer(site))
        yield Crew(runner, plane.read(), told, plane)


def run(crew: Crew, state: State) -> State:
    """Run a rollout, and let the models' tags follow; when it is interrupted, give the traffic back first.

    Raises KeyboardInterrupt after that.
    """
    site = crew.told.site
    served = champion.models(site, crew.endpoint)
    try:
        ended = crew.runner.run(state)
    except KeyboardInterrupt:
        ended = crew.runner.run(crew.runner.order(crew.runner.state, "abort", "interrupted"))
        champion.follow(site, ended, served)
        raise
    champion.follow(site, ended, served)
    return ended


def give(site: Site, command: Command, *, reason: str) -> State | None:
    """Give an order to the site's rollout, taking it over, and run what follows; None if nothing is to be done.

    `pause` and `abort` take the lease from a runner that lives; the others wait for nobody and refuse.
    """
    found = site.find()
    crumb = breadcrumb.read(found.tags)
    if crumb is None or not _is_reversible(crumb, found):
        return None
    if command == "promote" and crumb.phase is not Phase.PAUSED:
        raise InputError(
            f"rollout {crumb.id} is {crumb.phase}, not PAUSED: there is nothing to promote; wait, or abort it"
        )
    examples, steal = _examples(site, crumb.candidate, found), command in ("pause", "abort")
    with crew(site, candidate=crumb.candidate, examples=examples, id=crumb.id, steal=steal) as taken:
        crumb = breadcrumb.read(taken.endpoint.tags)
        if crumb is None:
            raise InputError(
                f"the tags of {site.endpoint} were deleted meanwhile: nothing was written. Set the traffic by hand"
            )
        state = breadcrumb.recovered(crumb, site.settings.rollout)
        return run(taken, taken.runner.order(state, command, reason))


def make_way(site: Site, *, successor: str) -> None:
    """Return when no rollout is under way at the site: one that may be superseded goes back first.

    Raises InputError if it may not.
    """
    found = endpoints.find(site.workspace, site.endpoint)
    crumb = breadcrumb.read(found.tags) if found else None
    if crumb is None or not crumb.is_active:
        return
    if not site.settings.rollout.supersede:
        lost = f"it is this run's own, take it up with `mlops rollout recover --environment {site.environment}`"
        first = lost if crumb.id == successor else "wait for it"
        raise InputError(
            f"rollout {crumb.id} of {crumb.candidate} is under way ({crumb.phase}): {first}, end it with "
            "`mlops rollout abort`, or set rollout.supersede"
        )
    give(site, "abort", reason=f"superseded by {successor}")


def recover(site: Site) -> State | None:
    """Take up a rollout whose runner is lost, by the endpoint's tags alone; None if there is none.

    Raises HeldError if its runner lives.
    """
    found = endpoints.find(site.workspace, site.endpoint)
    crumb = breadcrumb.read(found.tags) if found else None
    if found is None or crumb is None or not crumb.is_active:
        return None
    with crew(site, candidate=crumb.candidate, examples=_examples(site, crumb.candidate, found), id=crumb.id) as taken:
        state = breadcrumb.recovered(crumb, site.settings.rollout)
        return run(taken, machine.lost(state, at=taken.runner.clock.now()))


def _is_reversible(crumb: breadcrumb.Breadcrumb, found: Endpoint) -> bool:
    """Return whether the rollout still moves, or the very deployment that served before is still there."""
    if crumb.phase in OVER:
        return False
    return crumb.is_active or (
        crumb.stable in found.states and found.fingerprints[crumb.stable] == crumb.stable_fingerprint
    )


def _examples(site: Site, candidate: str, found: Endpoint) -> list[Example]:
    """Return conversations for a deployment, from the cloud: this machine may never have seen them."""
    tags = deployments.tags(site.workspace, site.endpoint, candidate) if candidate in found.states else {}
    if DATA not in tags:
        return conversations.of_smoke()
    return conversations.of_asset(site.workspace, tags[DATA])


def tell(site: Site, state: State | None) -> None:
    """Say where an order led.

    Raises Refusal if somebody has to look: traffic could not go back.
    """
    if state is None:
        site.say(f"{site.endpoint}: no rollout to act on, nothing was changed")
        return
    weights = ", ".join(f"{name} {weight} %" for name, weight in site.find().live.items()) or "none"
    line = f"{site.endpoint}: {state.phase}, traffic {weights}" + (f" ({state.reason})" if state.reason else "")
    if state.phase is Phase.BLOCKED:
        raise Refusal(line)
    site.say(line)
