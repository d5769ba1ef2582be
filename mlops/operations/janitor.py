"""What costs money and serves nobody, found by traffic, state and tags.

A deployment with live or mirrored traffic is never found. A whole endpoint is deleted with its traffic in two cases:
its own tag says that it has expired, or an operator names it and insists.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError, InputError, RecordError
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
    """Return what may be deleted in the site's workspace; an endpoint whose tags cannot be read is named and left."""
    now, findings = time.time(), list[Finding]()
    for endpoint in endpoints.list_all(site.workspace):
        try:
            findings += judge(endpoint, site.settings.rollout, now=now, idle_s=idle_s)
        except RecordError as error:
            site.say(f"{endpoint.name} is left as it is: {error}")
    return findings


def whole(site: Site, endpoint: str | None, *, force: bool) -> list[Finding]:
    """Return an endpoint to be deleted whole, the site's unless one is named; one that is used only by force.

    Raises InputError if it is used, or if there is none of the name.
    """
    name = endpoint or site.endpoint
    found = endpoints.find(site.workspace, name)
    if found is None:
        if endpoint is None:
            return []  # cleaned already
        raise InputError(f"endpoint {name} does not exist in {site.environment}: check the name")
    if (used := {**found.live, **found.mirror}) and not force:
        told = ", ".join(f"{name} {weight} %" for name, weight in used.items())
        raise InputError(f"{found.name} is used ({told}): nothing was deleted. Add --force to delete it")
    return [Finding(name, None, "named by an operator")]


def judge(endpoint: Endpoint, plan: RolloutPlan, *, now: float, idle_s: float) -> list[Finding]:
    """Return what of an endpoint may be deleted, pure; `now` is in seconds since 1970.

    Raises RecordError if its tags cannot be read.
    """
    if _expires(endpoint) < now:
        return [Finding(endpoint.name, None, "it has expired")]
    crumb = breadcrumb.read(endpoint.tags)
    if crumb and crumb.is_active:
        return []
    reasons = {
        name: _reason(endpoint, name, crumb, plan, now=now, idle_s=idle_s)
        for name in endpoint.states
        if not endpoint.live.get(name) and not endpoint.mirror.get(name)
    }
    return [Finding(endpoint.name, name, reason) for name, reason in reasons.items() if reason]


def _expires(endpoint: Endpoint) -> float:
    told = endpoint.tags.get(EXPIRES, "inf")
    try:
        return float(told)
    except ValueError:
        raise RecordError(f"its tag {EXPIRES} is {told!r}: write seconds since 1970, or delete the tag") from None


def _reason(
    endpoint: Endpoint, name: str, crumb: Breadcrumb | None, plan: RolloutPlan, *, now: float, idle_s: float
) -> str | None:
    if endpoint.states[name] == FAILED:
        return "it failed"
    deployed = endpoint.deployed.get(name)
    if crumb and (deployed is None or deployed < crumb.entered):  # what came after the rollout waits for its own
        age, who = now - crumb.entered, (name, endpoint.fingerprints.get(name, ""))
        if crumb.phase is Phase.COMMITTED and who == (crumb.stable, crumb.stable_fingerprint) and age > plan.retain_s:
            return f"its successor has served for {age / 3600:.1f} h"
        is_candidate = who == (crumb.candidate, crumb.fingerprint)
        if crumb.phase is Phase.ROLLED_BACK and is_candidate and age > plan.keep_failed_s:
            return f"it was rolled back {age / 3600:.1f} h ago"
    if deployed is None:
        return None  # nobody knows since when it is idle
    idle = now - max(deployed, crumb.entered if crumb else 0)
    return f"it has had no traffic for {idle / 3600:.1f} h" if idle > max(idle_s, plan.retain_s) else None


def clean(site: Site, findings: Sequence[Finding], *, dry_run: bool) -> None:
    """Delete what was found, unless it has got traffic meanwhile; say what was done.

    Raises AzureError, after all the others, if something could not be deleted.
    """
    done, failed = list[Finding](), list[str]()
    for finding in findings:
        try:
            if dry_run or _delete(site, finding):
                done.append(finding)
        except AzureError as error:
            failed.append(str(error))
    if done:
        rows = tuple((each.endpoint, each.deployment or "all", each.reason) for each in done)
        title = "Would be deleted" if dry_run else "Deleted"
        tables.show(site.console, Table(title, ("endpoint", "deployment", "because"), rows))
    elif not failed:
        site.say("nothing to clean")
    if failed:
        raise AzureError("\n".join(failed))


def _delete(site: Site, finding: Finding) -> bool:
    """Delete what was found; return whether it was still there, and without traffic."""
    if finding.deployment is None:
        endpoints.delete(site.workspace, finding.endpoint)
        return True
    current = endpoints.find(site.workspace, finding.endpoint)
    if current is None or current.live.get(finding.deployment) or current.mirror.get(finding.deployment):
        return False
    timeout_s = site.settings.deploy.deadline_s
    deployments.delete(site.workspace, finding.endpoint, finding.deployment, timeout_s=timeout_s)
    return True
