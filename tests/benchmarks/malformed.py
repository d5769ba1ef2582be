"""Send malformed requests to an emulator of its own: none may be answered 500 or leave a traceback.

    python tests/benchmarks/malformed.py [--requests 10000] [--seed 0]

Routes come from the emulator's own table, bodies from what the SDK sends; hypothesis spoils both.
"""

from __future__ import annotations

import argparse
import copy
import http.client
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import hypothesis
import pytest
import requests
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from mlops.emulator import daemon, tls
from mlops.emulator.app import routes
from mlops.emulator.home import KEY_HEADER, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.ai.ml import MLClient

_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO", "get")
_NAMES = {
    "subscription": SUBSCRIPTION,
    "group": RESOURCE_GROUP,
    "workspace": WORKSPACE,
    "registry": "azureml",
    "location": "local",
    "version": "1",
    "name": "known",
    "endpoint": "known",
    "deployment": "known",
    "job": "known",
    "run": "known",
    "log": "user_logs/std_log.txt",
    "container": "azureml",
    "blob": "a/b.txt",
    "path": "score",
    "kind": "data",
}
_ODD_NAMES = (
    "",
    ".",
    "..",
    "../../etc/passwd",
    "a b",
    "💥",
    "ﬀ\u202e",
    "%00",
    "\x00",
    "%ff%fe",
    "a" * 3000,
    "'; DROP TABLE resources; --",
    "{name}",
    "a/b",
    "-",
    "NULL",
    "0",
    "-1",
    "latest",
    "*",
)
# No command among them: they end as commands of jobs, too.
_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    10**40,
    float("inf"),
    float("nan"),
    "",
    " ",
    "\x00",
    "💥",
    "\ud800",
    "../../etc/passwd",
    "a" * 300,
    "azureml:",
    "azureml:known",
    "azureml:known:999",
    "azureml://",
    "azureml://registries/x/models/y/versions/z",
    "azureml://jobs/known/outputs/x",
    "azureml://datastores/workspaceblobstore/paths/../../x",
    "/subscriptions/x",
    "${{inputs.x}}",
    "${{parent.jobs.x.outputs.y}}",
    "PT",
    "PT-5S",
    "P1Y",
    "latest",
    [],
    [1],
    [None, {}],
    {},
    {"": {}},
    {"a": None},
    {"a": {"b": [{}]}},
    {"type": 3},
)
_ODD_BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"3",
    b'"text"',
    b"\xff\xfe",
    b'{"properties": ',
    b"{}" * 2,
    b'{"properties": null}',
    b'{"properties": []}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 100_000,
    b'{"properties": {"a": "' + b"x" * 5 * 2**20 + b'"}}',
)
_ODD_HEADERS = (
    {"X-Huge": "x" * 20_000},
    {"X-Odd": "\x7f💥"},
    {"Content-Type": "application/json; charset=nonsense"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "text/plain"},
    {"Content-Type": ";;;"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "nonsense"},
    {"Range": "bytes=9-1"},
    {"Range": "bytes=a-b"},
    {"Range": "lines=1-2"},
    {"x-ms-range": "bytes=-5"},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"If-Match": "*"},
    {"If-None-Match": "*"},
    {"Expect": "100-continue"},
    {"Expect": "miracles"},
    {"x-ms-meta-💥": "1"},
    {"azureml-model-deployment": "../x"},
    {"x-ms-client-request-id": "\t" * 50},
    {"Transfer-Encoding": "nonsense"},
)
_ODD_QUERIES = (
    "api-version=",
    "$top=abc&$skip=-1",
    "$skip=9e9&$skipToken=x",
    "$orderBy=drop",
    "listViewType=Nothing",
    "tag==&tags=&jobType=x",
    "since=-1",
    "since=99999999999999999999999",
    "since=x",
    "comp=block",
    "comp=block&blockid=%ff",
    "comp=blocklist",
    "comp=nonsense",
    "restype=container&comp=list&maxresults=x&marker=%00&prefix=../",
    "sig=&se=&sv=",
    "se=2099-12-31T00:00:00Z&sig=x&sp=r&sr=b&sv=2024-11-04",
    "se=never&sig=x",
    "resource=",
    "wsid=/x&nid=💥",
    "a" * 6000,
)


@dataclass(frozen=True)
class Spoiled:
    """One malformed request."""

    port: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Outcome:
    """What came back: statuses, the requests that were answered 500 and more or not at all, and tracebacks."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    tracebacks: str = ""


def main() -> int:
    """Run and print; return 1 if a request was answered 500 or left a traceback."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, _ = daemon.start(Path(folder) / "home")
        try:
            outcome = run(home, count=arguments.requests, seed=arguments.seed)
        finally:
            daemon.stop(home)
    show(outcome, time.monotonic() - started)
    return 1 if outcome.failed or outcome.tracebacks else 0


def run(home: Home, *, count: int, seed: int) -> Outcome:
    """Send so many spoiled requests and return what came back."""
    sent, outcome = record(home), Outcome()
    connection = Connection(home)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def send(data: st.DataObject) -> None:
        request = data.draw(spoiled(home, sent))
        status = connection.send(request)
        outcome.statuses[status] += 1
        if status == 0 or status >= 500:
            outcome.failed.append(f"{status} {request.method} {request.target[:300]} {request.body[:300]!r}")

    with suppress(hypothesis.errors.Unsatisfiable):
        send()
    log = home.log.read_text(errors="replace")
    outcome.tracebacks = log[log.index("Traceback") :] if "Traceback" in log else ""
    return outcome


def record(home: Home) -> dict[str, Any]:
    """Return the bodies that the SDK sends, by method and kinds in the path, its token and an endpoint's address."""
    # What the SDK sends only while it follows a running job.
    seen: dict[str, Any] = {"POST rundata": {"runId": "known"}, "PATCH runs": {"tags": {"a": "b"}, "hidden": False}}
    send = requests.Session.send

    def watch(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if request.headers.get("Authorization"):
            seen["token"] = request.headers["Authorization"]
        with suppress(TypeError, ValueError):
            seen[f"{request.method} {_shape(urlsplit(request.url or '').path)}"] = json.loads(request.body or "")
        return send(session, request, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", watch)
        for name, value in daemon.environment(home).items():
            patch.setenv(name, value)
        seen["scoring"] = _work(home)
    return seen


def _work(home: Home) -> str:
    """Use everything once; return the address of an endpoint."""
    from azure.ai.ml import Input, MLClient, command, entities
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential

    ml = MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)
    file = home.root / "file.txt"
    file.write_text("text")
    ml.compute.begin_create_or_update(entities.AmlCompute(name="known", size="Standard_DS3_v2")).result()
    ml.data.create_or_update(entities.Data(name="known", version="1", path=str(file), type="uri_file"))
    model = ml.models.create_or_update(entities.Model(name="known", version="1", path=str(file)))
    environment = ml.environments.create_or_update(entities.Environment(name="known", version="1", image="ubuntu"))
    given = {"x": "1", "data": Input(type="uri_file", path="azureml:known:1")}
    text = "true ${{inputs.data}}"
    job = command(command=text, name="known", compute="known", environment=environment, inputs=given)
    ml.jobs.create_or_update(job)
    endpoint = ml.online_endpoints.begin_create_or_update(entities.ManagedOnlineEndpoint(name="known")).result()
    deployment = entities.ManagedOnlineDeployment(
        name="known", endpoint_name="known", model=model, instance_type="Standard_DS3_v2", instance_count=1
    )
    for work in _refusable(ml, deployment):
        with suppress(HttpResponseError):
            work()
    return str(endpoint.scoring_uri)


def _refusable(ml: MLClient, deployment: Any) -> Iterator[Callable[[], object]]:
    yield lambda: ml.online_deployments.begin_create_or_update(deployment).result()
    yield lambda: ml.online_deployments.get_logs("known", "known", 10)
    yield lambda: ml.online_endpoints.begin_regenerate_keys("known", key_type="secondary").result()
    yield lambda: list(ml.jobs.list())
    yield lambda: ml.jobs.begin_cancel("known").result()


def spoiled(home: Home, sent: dict[str, Any]) -> st.SearchStrategy[Spoiled]:
    """Return a strategy for requests of which something is wrong."""
    scoring = urlsplit(sent["scoring"])
    every = [(route.method, route.path) for route in routes() if route.path != "/_emulator/reset"]
    table = every + 3 * [(method, path) for method, path in every if method in {"PUT", "POST", "PATCH"}]
    table += 5 * [("POST", scoring.path), ("GET", f"{scoring.path}/{{name}}")]
    bodies = {key: value for key, value in sent.items() if isinstance(value, dict)}

    @st.composite
    def build(draw: st.DrawFn) -> Spoiled:
        verb, route = draw(st.sampled_from(table))
        # What would delete the workspace ends the game for all that follow.
        final = verb == "DELETE" and route.endswith("{workspace}")
        method = "GET" if final else verb if draw(_often(9)) else draw(st.sampled_from(_METHODS))
        path = "/".join(draw(_part(part)) for part in _parts(route))
        method = "GET" if method == "DELETE" and path.endswith(f"/{WORKSPACE}") else method
        query = draw(st.sampled_from(_ODD_QUERIES)) if draw(_often(3, of=10)) else "api-version=2024-01-01"
        headers = {"Authorization": sent["token"], KEY_HEADER: home.control_key, "Content-Type": "application/json"}
        headers |= draw(st.sampled_from(_ODD_HEADERS)) if draw(_often(2)) else {}
        body = b"" if method in {"GET", "HEAD"} else draw(_body(bodies, f"{verb} {_shape(route)}"))
        port = scoring.port if route.startswith(scoring.path) else home.port
        return Spoiled(port or home.port, method, f"{path}?{quote(query, safe='=&%$:')}", headers, body)

    return build()


def _parts(route: str) -> list[str]:
    """Return the parts of a route between its slashes, those inside `{name:…}` left alone."""
    parts, depth = [""], 0
    for letter in route:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _part(part: str) -> st.SearchStrategy[str]:
    if not part.startswith("{"):
        return st.just(part)
    known = st.just(_NAMES.get(part.strip("{}").partition(":")[0], "known"))
    odd = st.sampled_from(_ODD_NAMES).map(lambda name: quote(name, safe="%/.")) | st.text(max_size=20).map(_quoted)
    return st.integers(0, 9).flatmap(lambda draw: odd if draw == 0 else known)


def _quoted(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


def _body(bodies: dict[str, Any], shape: str) -> st.SearchStrategy[bytes]:
    known = bodies.get(shape) or next(iter(bodies.values()))
    wrong = st.builds(_spoil, st.just(known), st.lists(st.integers(0, 1000), min_size=8, max_size=8))
    return st.integers(0, 9).flatmap(lambda draw: st.sampled_from(_ODD_BODIES) if draw == 0 else wrong)


def _spoil(document: Any, draws: list[int]) -> bytes:
    """Return the document with one or two of its values, at any level, replaced, left out or joined by others."""
    spoiled_one = copy.deepcopy(document)
    for number in range(1 + draws[0] % 2):
        where, what, how = draws[1 + 3 * number : 4 + 3 * number]
        places = list(_places(spoiled_one))
        holder, key = places[where % len(places)]
        value = copy.deepcopy(_ODD_VALUES[what % len(_ODD_VALUES)])
        if how % 5 == 0:
            del holder[key]
        elif how % 5 == 1 and isinstance(holder, dict):
            holder["unheard of"] = value
        else:
            holder[key] = value
        if not spoiled_one:
            break
    return json.dumps(spoiled_one).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield value, key
        yield from _places(each)


def _often(tenths: int, *, of: int = 10) -> st.SearchStrategy[bool]:
    return st.integers(0, of - 1).map(lambda draw: draw < tenths)


def _shape(path: str) -> str:
    """Return the kinds of resource that a path names, without their names."""
    after = path.partition("/workspaces/")[2] or path
    words = [part for part in _parts(after)[1:] if not part.startswith("{")]
    kinds = {"jobs", "computes", "data", "models", "environments", "codes", "components", "versions", "onlineEndpoints"}
    kinds |= {"deployments", "listKeys", "regenerateKeys", "getLogs", "datastores", "listSecrets", "rundata", "runs"}
    return "/".join(word for word in words if word in kinds)


class Connection:
    """Kept-alive TLS connections that send what a well-behaved client would refuse to."""

    def __init__(self, home: Home) -> None:
        self._context = tls.client_context(home)
        self._sockets: dict[int, Any] = {}

    def send(self, request: Spoiled) -> int:
        """Send the request and return the status, or 0 if there was no answer."""
        for _ in range(2):  # the server may have closed the connection after the last answer
            used = self._sockets.pop(request.port, None) or self._connect(request.port)
            with suppress(OSError, http.client.HTTPException):
                return self._exchange(used, request)
        return 0

    def _exchange(self, used: Any, request: Spoiled) -> int:
        headers = {"Host": "127.0.0.1", **request.headers, "Content-Length": str(len(request.body))}
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        with suppress(BrokenPipeError, ConnectionResetError):  # it may refuse before it has read all
            used.sendall("\r\n".join([*lines, "", ""]).encode() + request.body)
        response = http.client.HTTPResponse(used, method=request.method)
        response.begin()
        response.read()
        if not response.will_close and "Expect" not in request.headers:
            self._sockets[request.port] = used
        return response.status

    def _connect(self, port: int) -> Any:
        plain = socket.create_connection(("127.0.0.1", port), timeout=40)
        return self._context.wrap_socket(plain, server_hostname="127.0.0.1")


def show(outcome: Outcome, seconds: float) -> None:
    """Print the answers by status, then what was wrong."""
    total = sum(outcome.statuses.values())
    table = Table(title=f"{total} malformed requests in {seconds:.0f} s")
    for column in ("measure", "ours", "floor", "verdict"):
        table.add_column(column)
    for status, count in sorted(outcome.statuses.items()):
        table.add_row(f"answered {status or 'nothing'}", str(count), "", "")
    table.add_row("500 and above, or none", str(len(outcome.failed)), "0", "missed" if outcome.failed else "met")
    tracebacks = outcome.tracebacks.count("Traceback")
    table.add_row("tracebacks", str(tracebacks), "0", "missed" if tracebacks else "met")
    Console(width=120).print(table)
    for line in (*outcome.failed[:40], outcome.tracebacks[:20_000]):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
