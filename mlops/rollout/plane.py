"""What a rollout needs of Azure: an endpoint that is read, written and fenced; anything that keeps one will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlops.rollout.state import Traffic


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
