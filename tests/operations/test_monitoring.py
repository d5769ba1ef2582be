"""Who counts users' requests: Prometheus over HTTP, Azure Monitor through its own client, whose service is faked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from mlops.errors import InputError, SettingsError
from mlops.operations import monitoring
from mlops.operations.monitoring import AzureMonitor, Prometheus
from mlops.rollout.users import Observed
from mlops.sections import PrometheusSettings
from mlops.settings import load
from mlops.workspace.monitor import Metrics

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

REQUESTS = 'sum(increase(requests_total{endpoint="$endpoint", deployment="$deployment"}[${seconds}s]))'
FAILED = 'sum(increase(requests_total{deployment="$deployment", code=~"5..$"}[${seconds}s]))'
LATENCY = 'histogram_quantile(0.5, sum by (le) (rate(seconds_bucket{deployment="$deployment"}[${seconds}s])))'
Answers = dict[str, tuple[int, Any]]


def vector(*values: str) -> tuple[int, Any]:
    """Return what Prometheus answers to an instant query."""
    result = [{"metric": {}, "value": [1_700_000_000, value]} for value in values]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture
def prometheus() -> Iterator[tuple[Prometheus, Answers, list[dict[str, str]]]]:
    """Return a client, what its server answers to a query that begins so, and what it was asked."""
    answers: Answers = {}
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            asked.append({"path": self.path} | {name: values[0] for name, values in form.items()})
            status, body = next(reply for start, reply in answers.items() if form["query"][0].startswith(start))
            self.send_response(status)
            self.end_headers()
            self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    url = f"http://127.0.0.1:{server.server_port}"
    settings = PrometheusSettings(url=url, requests=REQUESTS, failed=FAILED, latency_s=LATENCY)
    yield Prometheus(settings, "chat"), answers, asked
    server.shutdown()
    server.server_close()


def test_prometheus_is_asked_for_the_span_of_the_window(
    prometheus: tuple[Prometheus, Answers, list[dict[str, str]]],
) -> None:
    """Names and seconds are filled in; a dollar sign of a pattern is left alone."""
    client, answers, asked = prometheus
    answers |= {"sum(increase(requests_total{e": vector("201.7"), "sum(": vector("3"), "histogram": vector("0.25")}
    assert client.observe("green", since=1000, until=1300) == Observed(202, 3, 0.25)
    assert [each["path"] for each in asked] == ["/api/v1/query"] * 3
    assert asked[0]["query"] == 'sum(increase(requests_total{endpoint="chat", deployment="green"}[300s]))'
    assert asked[1]["query"] == 'sum(increase(requests_total{deployment="green", code=~"5..$"}[300s]))'
    assert {each["time"] for each in asked} == {"1300"}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (vector("NaN"), "must be one number"),
        (vector(), "nothing: it must be one number"),
        (vector("1", "2"), "must be one number"),
        ((400, {"status": "error", "errorType": "bad_data", "error": "parse error"}), "refused .*parse error"),
        ((200, "<html>sign in</html>"), "did not answer"),
    ],
)
def test_what_is_not_one_number_is_none_at_all(
    prometheus: tuple[Prometheus, Answers, list[dict[str, str]]], reply: tuple[int, Any], told: str
) -> None:
    """NaN of no requests, an empty result, several series, an error: each is named with its query."""
    client, answers, _ = prometheus
    answers |= {"": reply}
    with pytest.raises(InputError, match=told):
        client.observe("green", since=1000, until=1300)


def test_a_server_that_is_not_there_is_named() -> None:
    """Where, and which query."""
    settings = PrometheusSettings(url="http://127.0.0.1:1", requests=REQUESTS, failed=FAILED, latency_s=LATENCY)
    with pytest.raises(InputError, match=r"Prometheus at http://127.0.0.1:1 did not answer 'sum"):
        Prometheus(settings, "chat").observe("green", since=1000, until=1300)


def metric(name: str, *series: tuple[str, list[float | None]]) -> dict[str, Any]:
    """Return what Azure Monitor's data plane answers, as its documentation shows it."""
    shown = [
        {
            "metadatavalues": [
                {"name": {"value": "deployment"}, "value": "green"},
                *([{"name": {"value": "statuscode"}, "value": status}] if status else []),
            ],
            "data": [
                {"timeStamp": f"2026-01-01T00:0{n}:00Z"} | ({} if value is None else {"average": value})
                for n, value in enumerate(values)
            ],
        }
        for status, values in series
    ]
    value = {"id": "x", "type": "Microsoft.Insights/metrics", "name": {"value": name}, "unit": "Count"}
    answer = {"starttime": "2026-01-01T00:00:00Z", "endtime": "2026-01-01T00:03:00Z", "interval": "PT1M"}
    return {"values": [answer | {"value": [value | {"timeseries": shown}]}]}


@pytest.fixture
def workspace(mocker: MockerFixture) -> Any:
    """Return what is known of a workspace."""
    names = {"subscription_id": "s", "resource_group_name": "g", "workspace_name": "w"}
    return SimpleNamespace(ml=SimpleNamespace(**names), location="westeurope", credential=mocker.Mock())


@pytest.fixture
def azure(workspace: Any, mocker: MockerFixture) -> tuple[AzureMonitor, Any]:
    """Return a client whose requests go nowhere, and what stands for the service."""
    service = mocker.patch("azure.monitor.querymetrics.MetricsClient._query_resources")
    return AzureMonitor(Metrics.of(workspace, "chat")), service


def test_azure_monitor_counts_what_clients_call_a_failure(azure: tuple[AzureMonitor, Any]) -> None:
    """Requests of all minutes and statuses; 401 and 404 are nobody's failure; medians come in milliseconds."""
    client, service = azure
    service.side_effect = [
        metric("RequestsPerMinute", ("200", [100, None, 80]), ("424", [3]), ("401", [5]), ("500", [1, 1])),
        metric("RequestLatency_P50", ("", [900, None, 1100])),
    ]
    assert client.observe("green", since=1_767_225_600, until=1_767_225_780) == Observed(190, 5, 1.0)
    counted, timed = (call.kwargs for call in service.call_args_list)
    where = "providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/chat"
    assert counted["batch_request"] == {"resourceids": [f"/subscriptions/s/resourceGroups/g/{where}"]}
    assert counted["filter"] == "deployment eq 'green' and statusCode eq '*'"
    assert (timed["filter"], timed["metric_names"]) == ("deployment eq 'green'", ["RequestLatency_P50"])
    assert (counted["start_time"], counted["interval"]) == ("2026-01-01T00:00:00.000Z", "PT1M")


def test_azure_monitor_that_refuses_is_an_error_of_one_line(azure: tuple[AzureMonitor, Any]) -> None:
    """Such as of an identity without the role Monitoring Reader."""
    from azure.core.exceptions import HttpResponseError

    client, service = azure
    service.side_effect = HttpResponseError(message="The client does not have authorization to perform this.")
    with pytest.raises(InputError, match="could not read metric RequestsPerMinute of chat"):
        client.observe("green", since=0, until=60)


def test_who_counts_is_a_setting(workspace: Any) -> None:
    """Nobody, Azure by a word, Prometheus by its address and queries; anything else is refused."""

    def observer(said: str) -> Any:
        settings = load("local", variables={"MLOPS_MONITOR": said})
        site: Any = SimpleNamespace(settings=settings, workspace=workspace, endpoint="chat")
        return monitoring.observer(site)

    assert observer("") is None
    assert isinstance(observer("azure-monitor"), AzureMonitor)
    assert isinstance(observer("{url: 'http://prometheus:9090', requests: a, failed: b, latency_s: c}"), Prometheus)
    with pytest.raises(SettingsError, match="monitor"):
        observer("statsd")


def test_a_client_that_is_not_installed_is_told_before_anything_moves(workspace: Any, mocker: MockerFixture) -> None:
    """With what installs it."""
    mocker.patch.dict("sys.modules", {"azure.monitor.querymetrics": None})
    with pytest.raises(SettingsError, match=r"install 'chat-mlops\[monitor\]'"):
        Metrics.of(workspace, "chat")
