"""Following a rollout from anywhere: what its runner says with each sign of life."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live

from mlops.errors import Refusal
from mlops.operations import endpoint
from mlops.reports import rollout_report
from mlops.workspace import lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.operations.site import Site

POLL_S: Final = 2.0


def watch(site: Site) -> None:
    """Show the rollout until its runner lets go: a live view on a terminal, a line for every change elsewhere.

    Raises Refusal if the runner gives no sign of life any more.
    """
    if site.console.is_terminal:
        with Live(_view(site, {}), console=site.console, auto_refresh=False) as live:
            for said in _signs(site):
                live.update(_view(site, said), refresh=True)
    else:
        shown = ""
        for said in _signs(site):
            if (line := rollout_report.line(said)) and line != shown:
                site.say(shown := line)
    site.say(endpoint.progress(site.find()))


def _signs(site: Site) -> Iterator[dict[str, Any]]:
    """Yield what the runner says, the last time when it has let go.

    Raises Refusal if it has said nothing for as long as its lease is worth.
    """
    while said := lease.status(site.workspace, site.endpoint):
        yield said
        if said["released"]:
            return
        if (silent_s := time.time() - said["seen"]) > site.settings.rollout.lease_s:
            raise Refusal(
                f"{said['holder']} has given no sign of life for {silent_s:.0f} s: its runner is lost. "
                f"Take the rollout up with `mlops rollout recover --environment {site.environment}`"
            )
        time.sleep(POLL_S)


def _view(site: Site, said: dict[str, Any]) -> Any:
    return rollout_report.view(said, endpoint=site.endpoint, now=time.time())
