"""The one that writes: never without a look whether the endpoint is still ours, and again while Azure is busy."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError, BusyError, FencedError
from mlops.rollout import breadcrumb
from mlops.rollout.state import Phase

if TYPE_CHECKING:
    from mlops.rollout.bake import Clock
    from mlops.rollout.plane import Lease, Plane, Snapshot
    from mlops.rollout.state import State, Traffic

LONGEST_PAUSE_S: Final = 60.0
SUCCEEDED: Final = "Succeeded"


class DriftError(Exception):
    """Somebody else wrote the traffic."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.traffic = dict(traffic)


@dataclass
class Writer:
    """The endpoint as one runner reaches it; `note` hears of every attempt that Azure was too busy for."""

    plane: Plane
    lease: Lease
    clock: Clock
    note: Callable[..., None]
    looked: float = 0.0
    """When the endpoint was last looked at."""

    def look(self, state: State) -> Snapshot:
        """Return the endpoint; raise FencedError or DriftError if it is no longer ours to change."""
        self.looked = self.clock.now()
        self.lease.check()
        found = self.read(state)
        crumb = breadcrumb.read(found.tags)
        if crumb and crumb.epoch > self.lease.epoch:
            raise FencedError(f"epoch {crumb.epoch} has taken over from {self.lease.epoch}: nothing more was written")
        if dict(found.live) not in (dict(state.written), state.traffic) and state.phase is not Phase.ROLLING_BACK:
            raise DriftError(found.live)
        return found

    def read(self, state: State) -> Snapshot:
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

    def write(self, state: State) -> None:
        """Write traffic, mirror and tags until the endpoint says that it has them.

        Raises AzureError if it does not after as many attempts as the plan allows.
        """
        told: str | None = ""
        for attempt in range(state.plan.write_attempts):
            if attempt:
                self._wait(attempt - 1)
                self.look(state)
            if (told := self._attempt(state)) is None:
                return
            self.note("busy", state, error=told)
        raise AzureError(f"{told}, after {state.plan.write_attempts} attempts: look at the endpoint, then recover")

    def _attempt(self, state: State) -> str | None:
        """Write once; return why that has to be done again, or None."""
        try:
            self.plane.write(state.traffic, state.mirror, breadcrumb.tags(state, epoch=self.lease.epoch))
            return None if self._is_written(state) else "it was overwritten at once by somebody else"
        except BusyError as error:
            return str(error)

    def _is_written(self, state: State) -> bool:
        found = self.read(state)
        crumb = breadcrumb.read(found.tags)
        is_ours = crumb is not None and crumb.epoch == self.lease.epoch
        return is_ours and dict(found.live) == state.traffic and dict(found.mirror) == state.mirror

    def delete(self, state: State, deployment: str) -> None:
        """Delete a deployment that has neither traffic nor copies, as the endpoint says in this moment.

        Raises AzureError if it has.
        """
        found = self.read(state)
        if share := found.live.get(deployment, 0) + found.mirror.get(deployment, 0):
            raise AzureError(f"{deployment} has {share} % of the traffic and was not deleted: set that to 0 first")
        if deployment in found.states:
            self.look(state)
            self.plane.delete(deployment)


def unfit(found: Snapshot, deployment: str, fingerprint: str) -> str | None:
    """Return why a deployment is not the one that was meant, or not up, or None."""
    provisioned = found.states.get(deployment)
    if provisioned != SUCCEEDED:
        return f"{deployment} is {provisioned or 'gone'}, not {SUCCEEDED}"
    if found.fingerprints.get(deployment, "") != fingerprint:
        return f"{deployment} was replaced by another deployment of its name"
    return None
