"""Requests of which something is wrong: routes from the emulator's own table, bodies from what the SDK sends."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from hypothesis import strategies as st
from sdk_requests import parts, shape

from mlops.emulator.app import routes
from mlops.emulator.home import KEY_HEADER, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home
from mlops.emulator.tracking import gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def spoiled(home: Home, sent: dict[str, Any]) -> st.SearchStrategy[Spoiled]:
    """Return a strategy for requests of which something is wrong."""
    scoring = urlsplit(sent["scoring"])
    # A reset ends the game, and what MLflow itself answers is not the emulator's.
    left_out = {"/_emulator/reset", *(route.path for route in gateway.routes)}
    every = [(route.method, route.path) for route in routes() if route.path not in left_out]
    table = every + 3 * [(method, path) for method, path in every if method in {"PUT", "POST", "PATCH"}]
    table += 5 * [("POST", scoring.path), ("GET", f"{scoring.path}/{{name}}")]
    bodies = {key: value for key, value in sent.items() if isinstance(value, dict)}

    @st.composite
    def build(draw: st.DrawFn) -> Spoiled:
        verb, route = draw(st.sampled_from(table))
        # What would delete the workspace ends the game for all that follow.
        final = verb == "DELETE" and route.endswith("{workspace}")
        method = "GET" if final else verb if draw(_often(9)) else draw(st.sampled_from(_METHODS))
        path = "/".join(draw(_part(part)) for part in parts(route))
        method = "GET" if method == "DELETE" and path.endswith(f"/{WORKSPACE}") else method
        query = draw(st.sampled_from(_ODD_QUERIES)) if draw(_often(3, of=10)) else "api-version=2024-01-01"
        headers = {"Authorization": sent["token"], KEY_HEADER: home.control_key, "Content-Type": "application/json"}
        headers |= draw(st.sampled_from(_ODD_HEADERS)) if draw(_often(2)) else {}
        body = b"" if method in {"GET", "HEAD"} else draw(_body(bodies, f"{verb} {shape(route)}"))
        port = scoring.port if route.startswith(scoring.path) else home.port
        return Spoiled(port or home.port, method, f"{path}?{quote(query, safe='=&%$:')}", headers, body)

    return build()


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
