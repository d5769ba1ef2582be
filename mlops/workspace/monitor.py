"""Azure Monitor's metrics of an online endpoint: everybody's requests, a minute or three after they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import SettingsError
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.workspace.client import Workspace

NAMESPACE: Final = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
"""Its metrics, by name and dimension, are listed in Azure Monitor's reference under this name."""
MINUTE: Final = timedelta(minutes=1)
MOST_SERIES: Final = 50
AVERAGE: Final = "Average"


def requests_by_status(
    workspace: Workspace, endpoint: str, deployment: str, *, since: float, until: float
) -> dict[int, float]:
    """Return how many requests a deployment answered with which status, by times in seconds since 1970.

    Raises AzureError if the metric cannot be read.
    """
    told = f"deployment eq '{deployment}' and statusCode eq '*'"
    found: dict[int, float] = {}
    for series in _series(workspace, endpoint, "RequestsPerMinute", told, since=since, until=until):
        # The service spells the names of dimensions in lower case; of the two only the status is a number.
        status = next(int(value) for value in series.metadata_values.values() if value.isdecimal())
        found[status] = found.get(status, 0.0) + sum(_values(series))
    return found


def median_s(workspace: Workspace, endpoint: str, deployment: str, *, since: float, until: float) -> float | None:
    """Return the mean of the medians of all minutes in seconds, None without requests.

    Raises AzureError if the metric cannot be read.
    """
    told = f"deployment eq '{deployment}'"
    found = _series(workspace, endpoint, "RequestLatency_P50", told, since=since, until=until)
    minutes = [value for series in found for value in _values(series)]
    return fmean(minutes) / 1000 if minutes else None


def _series(
    workspace: Workspace, endpoint: str, metric: str, told: str, *, since: float, until: float
) -> Iterator[Any]:
    with azure_errors(f"read metric {metric} of endpoint {endpoint}"):
        (result,) = _client(workspace).query_resources(
            resource_ids=[_resource(workspace, endpoint)],
            metric_namespace=NAMESPACE,
            metric_names=[metric],
            timespan=(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)),
            granularity=MINUTE,
            aggregations=[AVERAGE],
            filter=told,
            max_results=MOST_SERIES,
        )
    yield from (series for metric in result.metrics for series in metric.timeseries)


def _values(series: Any) -> list[float]:
    """Return a series' minutes; those that nothing was measured in are None."""
    return [minute.average for minute in series.data if minute.average is not None]


def _client(workspace: Workspace) -> Any:
    try:
        from azure.monitor.querymetrics import MetricsClient
    except ModuleNotFoundError:
        raise SettingsError(
            "monitor is azure-monitor, whose client is not installed: pip install 'chat-mlops[monitor]'"
        ) from None
    return MetricsClient(f"https://{workspace.location}.metrics.monitor.azure.com", workspace.credential)


def _resource(workspace: Workspace, endpoint: str) -> str:
    ml, provider = workspace.ml, "Microsoft.MachineLearningServices"
    group = f"/subscriptions/{ml.subscription_id}/resourceGroups/{ml.resource_group_name}"
    return f"{group}/providers/{provider}/workspaces/{ml.workspace_name}/onlineEndpoints/{endpoint}"
