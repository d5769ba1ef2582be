"""Who counts users' requests: Azure Monitor, Prometheus, or nobody; another one needs `observe` only."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Final

import httpx

from mlops.errors import InputError
from mlops.rollout.users import Observed
from mlops.workspace.monitor import Metrics

if TYPE_CHECKING:
    from mlops.operations.site import Site
    from mlops.rollout.users import Observer
    from mlops.sections import PrometheusSettings

FAILURES: Final = (408, 424, 429)
"""What a deployment's failures are to clients, beside 5xx: too slow, an error of the model, too busy."""
SERVER_ERROR: Final = 500
TIMEOUT_S: Final = 30


def observer(site: Site) -> Observer | None:
    """Return who is to be asked, None if the settings name nobody.

    Raises SettingsError if who is named cannot be asked from here.
    """
    settings = site.settings.monitor
    if settings is None:
        return None
    if settings == "azure-monitor":
        return AzureMonitor(Metrics.of(site.workspace, site.endpoint))
    return Prometheus(settings, site.endpoint)


@dataclass(frozen=True)
class AzureMonitor:
    """Azure's own metrics of an endpoint."""

    metrics: Metrics

    def observe(self, deployment: str, *, since: float, until: float) -> Observed:
        """Return what a deployment did between two times, in seconds since 1970."""
        found = self.metrics.requests_by_status(deployment, since=since, until=until)
        failed = sum(number for status, number in found.items() if status in FAILURES or status >= SERVER_ERROR)
        median_s = self.metrics.median_s(deployment, since=since, until=until)
        return Observed(round(sum(found.values())), round(failed), median_s)


@dataclass(frozen=True)
class Prometheus:
    """Three queries to a Prometheus server; each must have one number as its result."""

    settings: PrometheusSettings
    endpoint: str

    def observe(self, deployment: str, *, since: float, until: float) -> Observed:
        """Return what a deployment did between two times, in seconds since 1970."""
        words = {"endpoint": self.endpoint, "deployment": deployment, "seconds": str(max(1, round(until - since)))}
        with httpx.Client(base_url=self.settings.url, timeout=TIMEOUT_S) as client:
            requests, failed, latency_s = (
                _number(client, Template(query).safe_substitute(words), until)
                for query in (self.settings.requests, self.settings.failed, self.settings.latency_s)
            )
        return Observed(round(requests), round(failed), latency_s)


def _number(client: httpx.Client, query: str, at: float) -> float:
    """Return the result of an instant query (https://prometheus.io/docs/prometheus/latest/querying/api/).

    Raises InputError if it is not one number.
    """
    try:
        answer = client.post("/api/v1/query", data={"query": query, "time": str(at)}).json()
    except (httpx.HTTPError, ValueError) as error:
        raise InputError(
            f"Prometheus at {client.base_url} did not answer {query!r}: {error}. Look whether it is up"
        ) from error
    if answer.get("status") != "success":
        raise InputError(f"Prometheus refused {query!r}: {answer.get('error')}. Mend the query in monitor")
    found = answer["data"]["result"]
    values = [found[1]] if answer["data"]["resultType"] == "scalar" else [each["value"][1] for each in found]
    if len(values) != 1 or values[0] in ("NaN", "+Inf", "-Inf"):
        raise InputError(f"Prometheus answered {query!r} with {values or 'nothing'}: it must be one number")
    return float(values[0])
