"""What costs money and serves nobody: found by traffic, state and tags, deleted never while it has any traffic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.errors import InputError
from mlops.reports import tables
from mlops.reports.tables import Table
from mlops.rollout import breadcrumb
from mlops.rollout.state import Phase
from mlops.workspace import deployments, endpoints

if TYPE_CHECKING:
    from mlops.operations.site import Site
    from mlops.rollout.breadcrumb import Breadcrumb
    from mlops.rollout.plan import RolloutPlan
    from mlops.workspace.endpoints import Endpoint

EXPIRES: Final = "expires"
"""The tag of an endpoint of a pull request: seconds since 1970 after which nobody needs it."""
FAILED: Final = "Failed"


@dataclass(frozen=True)
class Finding:
    """Something that may be deleted, and why; a deployment of None means the whole endpoint."""

    endpoint: str
    deployment: str | None
    reason: str


def find(site: Site, *, idle_s: float) -> list[Finding]:
    """Return what may be deleted in the site's workspace."""
    found = endpoints.list_all(site.workspace)
    now = time.time()
    return [each for endpoint in found for each in judge(endpoint, site.settings.rollout, now=now, idle_s=idle_s)]


def whole(site: Site, endpoint: str) -> Finding:
    """Return an endpoint that an operator named, to be deleted whole.

    Raises InputError if there is none.
    """
    if endpoints.find(site.workspace, endpoint) is None:
        raise InputError(
            f"endpoint {endpoint} does not exist in {site.environment}: check the name, or there is nothing to do"
        )
    return Finding(endpoint, None, "named by an operator")


def judge(endpoint: Endpoint, plan: RolloutPlan, *, now: float, idle_s: float) -> Iterator[Finding]:
    """Yield what of an endpoint may be deleted, pure; `now` is in seconds since 1970."""
    if float(endpoint.tags.get(EXPIRES, "inf")) < now:
        yield Finding(endpoint.name, None, "it has expired")
        return
    crumb = breadcrumb.read(endpoint.tags)
    for name, state in endpoint.states.items():
        if endpoint.live.get(name) or endpoint.mirror.get(name) or (crumb and crumb.is_active):
            continue
        if reason := _reason(name, state, crumb, plan, now=now, idle_s=idle_s):
            yield Finding(endpoint.name, name, reason)


def _reason(
    name: str, state: str, crumb: Breadcrumb | None, plan: RolloutPlan, *, now: float, idle_s: float
) -> str | None:
    if state == FAILED:
        return "it failed"
    if crumb is None:
        return None  # nobody knows since when it is idle: it may be a candidate about to be rolled out
    age = now - crumb.entered
    if crumb.phase is Phase.COMMITTED and name == crumb.stable and age > plan.retain_s:
        return f"its successor has served for {age / 3600:.1f} h"
    if crumb.phase is Phase.ROLLED_BACK and name == crumb.candidate and age > plan.keep_failed_s:
        return f"it was rolled back {age / 3600:.1f} h ago"
    if age > max(idle_s, plan.retain_s):
        return f"it has had no traffic for {age / 3600:.1f} h"
    return None


def clean(site: Site, findings: Sequence[Finding], *, dry_run: bool) -> None:
    """Delete what was found, unless it has got traffic meanwhile; say what was done."""
    rows = tuple((each.endpoint, each.deployment or "all", each.reason) for each in findings)
    title = "Would be deleted" if dry_run else "Deleted"
    for finding in findings if not dry_run else ():
        _delete(site, finding)
    if findings:
        tables.show(site.console, Table(title, ("endpoint", "deployment", "because"), rows))
    else:
        site.say("nothing to clean")


def _delete(site: Site, finding: Finding) -> None:
    if finding.deployment is None:
        endpoints.delete(site.workspace, finding.endpoint)
        return
    current = endpoints.find(site.workspace, finding.endpoint)
    if current is None or current.live.get(finding.deployment) or current.mirror.get(finding.deployment):
        return
    timeout_s = site.settings.deploy.deadline_s
    deployments.delete(site.workspace, finding.endpoint, finding.deployment, timeout_s=timeout_s)
