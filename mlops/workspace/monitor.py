"""Azure Monitor's metrics of an online endpoint: everybody's requests, a minute or three after they were made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Final

from mlops.errors import SettingsError
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.monitor.querymetrics import MetricsClient, TimeSeriesElement

    from mlops.workspace.client import Workspace

NAMESPACE: Final = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
"""Its metrics, by name and dimension, are listed in Azure Monitor's reference under this name."""
MINUTE: Final = timedelta(minutes=1)
MOST_SERIES: Final = 50


@dataclass(frozen=True)
class Metrics:
    """The metrics of one endpoint, a resource that Azure knows by its id; times are in seconds since 1970."""

    client: MetricsClient
    resource: str

    @classmethod
    def of(cls, workspace: Workspace, endpoint: str) -> Metrics:
        """Return an endpoint's metrics; raise SettingsError if Azure Monitor's client is not installed."""
        try:
            from azure.monitor.querymetrics import MetricsClient
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"monitor: azure-monitor needs {error.name}, which is missing: install 'chat-mlops[monitor]'"
            ) from None
        client = MetricsClient(f"https://{workspace.location}.metrics.monitor.azure.com", workspace.credential)
        ml, provider = workspace.ml, "Microsoft.MachineLearningServices"
        group = f"/subscriptions/{ml.subscription_id}/resourceGroups/{ml.resource_group_name}"
        of_workspace = f"{group}/providers/{provider}/workspaces/{ml.workspace_name}"
        return cls(client, f"{of_workspace}/onlineEndpoints/{endpoint}")

    def requests_by_status(self, deployment: str, *, since: float, until: float) -> dict[int, float]:
        """Return how many requests a deployment answered with which status.

        Raises AzureError if the metric cannot be read.
        """
        told = f"deployment eq '{deployment}' and statusCode eq '*'"
        found: dict[int, float] = {}
        for series in self._series("RequestsPerMinute", told, since=since, until=until):
            # The service spells the names of dimensions in lower case; of the two only the status is a number.
            status = next(int(value) for value in series.metadata_values.values() if value.isdecimal())
            found[status] = found.get(status, 0.0) + sum(_values(series))
        return found

    def median_s(self, deployment: str, *, since: float, until: float) -> float | None:
        """Return the mean of the medians of all minutes, None without requests.

        Raises AzureError if the metric cannot be read.
        """
        found = self._series("RequestLatency_P50", f"deployment eq '{deployment}'", since=since, until=until)
        minutes = [value for series in found for value in _values(series)]
        return fmean(minutes) / 1000 if minutes else None

    def _series(self, metric: str, told: str, *, since: float, until: float) -> Iterator[TimeSeriesElement]:
        with azure_errors(f"read metric {metric} of {self.resource.rpartition('/')[2]}"):
            (result,) = self.client.query_resources(
                resource_ids=[self.resource],
                metric_namespace=NAMESPACE,
                metric_names=[metric],
                timespan=(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)),
                granularity=MINUTE,
                aggregations=["Average"],
                filter=told,
                max_results=MOST_SERIES,
            )
        yield from (series for found in result.metrics for series in found.timeseries)


def _values(series: TimeSeriesElement) -> list[float]:
    """Return a series' minutes; those that nothing was measured in are None."""
    return [minute.average for minute in series.data if minute.average is not None]
