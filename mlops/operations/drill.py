"""A rehearsed rollback: a candidate that cannot answer in time gets traffic, and must lose it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mlops.errors import InputError, Refusal
from mlops.operations import conversations, rollouts
from mlops.reports import tables
from mlops.reports.progress import progress
from mlops.reports.tables import Table
from mlops.rollout import breadcrumb, machine
from mlops.rollout.state import ALL, Phase
from mlops.workspace import deployments, endpoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.operations.rollouts import Crew
    from mlops.operations.site import Site
    from mlops.records import Moment
    from mlops.rollout.state import State
    from mlops.workspace.endpoints import Endpoint

CANDIDATE: Final = "drill"
TIMEOUT_MS: Final = 1
"""No model answers in that time: it comes up as any other deployment, and every request to it ends with 408."""
REHEARSED: Final = {Phase.SHIFTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK}
"""What a drill goes through."""


@dataclass(frozen=True)
class Times:
    """How long users were at risk, in seconds: from the write until it was seen, from then until they were safe."""

    detection_s: float
    recovery_s: float


def drill(site: Site) -> Times:
    """Rehearse a rollback on the site's endpoint and report how long it took.

    Raises InputError if a rollout is under way or nobody serves, Refusal if the traffic did not go and come back.
    """
    found = site.find()
    stable = _stable(found)
    model = endpoints.deployed_model(site.workspace, found.name, stable)
    with progress(site.console) as show:
        deployments.deploy(
            site.workspace,
            CANDIDATE,
            model=model,
            settings=site.settings.deploy.sized_for(site.settings.finetune.model.num_parameters),
            tags={"run": CANDIDATE},
            request_timeout_ms=TIMEOUT_MS,
            show=show,
        )
    try:
        state, timeline = _rehearse(site, found)
    finally:
        deployments.delete(site.workspace, found.name, CANDIDATE, timeout_s=site.settings.deploy.deadline_s)
    return _report(site, state, timeline)


def _stable(found: Endpoint) -> str:
    crumb = breadcrumb.read(found.tags)
    if (crumb and crumb.is_active) or ALL not in found.live.values():
        raise InputError(
            f"{found.name} is in the middle of something: traffic {found.live}. Wait until one deployment has all of it"
        )
    return next(iter(found.live))


def _rehearse(site: Site, before: Endpoint) -> tuple[State, Sequence[Moment]]:
    """Give the candidate the first weight without asking it before; leave the tags as they were."""
    run = f"{CANDIDATE}-{int(time.time())}"
    with rollouts.crew(site, candidate=CANDIDATE, examples=conversations.of_smoke(), id=run) as crew:
        found = crew.endpoint
        first = machine.start(
            site.settings.rollout,
            id=run,
            candidate=CANDIDATE,
            fingerprints=found.fingerprints,
            traffic=found.live,
            at=time.time(),
        )
        state = rollouts.run(crew, replace(first, phase=Phase.SHIFTING, step=0))
        _restore(crew, before)
    return state, crew.told.timeline


def _restore(crew: Crew, before: Endpoint) -> None:
    """Let the tags tell of the last real rollout again, so that it can still be taken back."""
    told = {name: value for name, value in before.tags.items() if name.startswith(breadcrumb.PREFIX)}
    if told:
        found = crew.plane.read()
        epoch = {f"{breadcrumb.PREFIX}epoch": str(crew.runner.lease.epoch)}
        crew.plane.write(found.live, {}, told | epoch)


def _report(site: Site, state: State, timeline: Sequence[Moment]) -> Times:
    """Show how long it took."""
    times = measured(site.endpoint, state, timeline)
    rows = (
        ("seen after", f"{times.detection_s:.1f} s", state.reason),
        ("users safe after another", f"{times.recovery_s:.1f} s", "written, and seen in the answers"),
    )
    tables.show(site.console, Table(f"Drill on {site.endpoint}: the traffic came back", ("", "time", ""), rows))
    return times


def measured(endpoint: str, state: State, timeline: Sequence[Moment]) -> Times:
    """Return how long it took, pure.

    Raises Refusal if the traffic did not go there, or was not brought back by the rollout itself.
    """
    at = {moment.phase: moment.at for moment in reversed(timeline)}
    if not at.keys() >= REHEARSED:
        raise Refusal(f"drill on {endpoint}: no rollback was rehearsed, it ended {state.phase}: {state.reason}")
    written, detected, safe = at[Phase.SHIFTING], at[Phase.ROLLING_BACK], at[Phase.ROLLED_BACK]
    return Times(detected - written, safe - detected)
