"""Following a rollout from anywhere: what its runner says with each sign of life."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live

from mlops.operations import endpoint
from mlops.reports import rollout_report
from mlops.workspace import lease

if TYPE_CHECKING:
    from mlops.operations.site import Site

POLL_S: Final = 2.0


def watch(site: Site) -> None:
    """Show the rollout until its runner lets go: a live view on a terminal, a line for every change elsewhere."""
    said = lease.status(site.workspace, site.endpoint)
    if site.console.is_terminal:
        with Live(_view(site, said), console=site.console, auto_refresh=False) as live:
            while said and not said["released"]:
                time.sleep(POLL_S)
                said = lease.status(site.workspace, site.endpoint)
                live.update(_view(site, said), refresh=True)
    else:
        _in_log(site, said)
    site.say(endpoint.progress(site.find()))


def _in_log(site: Site, said: dict[str, Any] | None) -> None:
    shown = ""
    while said and not said["released"]:
        if (line := rollout_report.line(said)) and line != shown:
            site.say(line)
            shown = line
        time.sleep(POLL_S)
        said = lease.status(site.workspace, site.endpoint)


def _view(site: Site, said: dict[str, Any] | None) -> Any:
    return rollout_report.view(said or {}, endpoint=site.endpoint, now=time.time())
