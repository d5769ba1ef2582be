"""The connection to a workspace: its retries are bounded, and it goes through proxies."""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pytest
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport

from mlops.errors import AzureError
from mlops.sections import WorkspaceSettings
from mlops.workspace.client import FIRST_WAIT_S, LONGEST_WAIT_S, RETRIES, connect

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

    from mlops.emulator.pytest_plugin import Emulator


def settings(emulator_environment: dict[str, str], name: str) -> WorkspaceSettings:
    """Return the settings of a workspace of the emulator's group."""
    return WorkspaceSettings(
        subscription_id=emulator_environment["AZURE_SUBSCRIPTION_ID"],
        resource_group=emulator_environment["AZURE_RESOURCE_GROUP"],
        name=name,
    )


@pytest.mark.parametrize("status", [429, 503])
def test_retries_are_bounded_and_the_end_is_one_line(
    azureml_emulator: Emulator, unique: str, mocker: MockerFixture, status: int
) -> None:
    """A service that throttles or is down is asked so often and no more; the line has status and request."""
    mocker.patch.object(RequestsTransport, "sleep")  # a minute in all
    options = {"path": f"*/workspaces/{unique}", "status": status, "retry_after_s": 0}
    with azureml_emulator.faults.injected("status", **options) as fault:
        with pytest.raises(AzureError, match=rf"could not open workspace {unique} .*\(HTTP {status}"):
            connect(settings(azureml_emulator.environment, unique))
        hits = {each["id"]: each["hits"] for each in azureml_emulator.faults.list()}
    assert hits[fault["id"]] == 1 + RETRIES


def test_an_error_that_passes_is_not_seen(azureml_emulator: Emulator) -> None:
    """Two refusals, then an answer: nobody notices."""
    name = azureml_emulator.environment["AZURE_WORKSPACE_NAME"]
    options = {"path": f"*/workspaces/{name}", "status": 429, "count": 2, "retry_after_s": 0}
    with azureml_emulator.faults.injected("status", **options):
        assert connect(settings(azureml_emulator.environment, name)).location


def test_each_wait_is_drawn(azureml_emulator: Emulator) -> None:
    """Clients that were throttled together come back at times of their own, about twice as late each time."""
    ml = connect(settings(azureml_emulator.environment, azureml_emulator.environment["AZURE_WORKSPACE_NAME"])).ml
    policy: RetryPolicy = ml.workspaces._operation._config.retry_policy  # noqa: SLF001 - what the SDK made of ours
    options = policy.configure_retries({})
    for retry, mean_s in ((2, 2 * FIRST_WAIT_S), (3, 4 * FIRST_WAIT_S)):
        waits_s = {policy.get_backoff_time(options | {"history": [None] * retry}) for _ in range(20)}
        assert len(waits_s) > 1
        assert all(0.5 * mean_s <= wait_s <= 1.5 * mean_s for wait_s in waits_s)
    assert policy.get_backoff_time(options | {"history": [None] * 9}) == LONGEST_WAIT_S


class Proxy(socketserver.BaseRequestHandler):
    """An HTTP proxy that opens tunnels and remembers where to."""

    tunnels: ClassVar[list[str]] = []

    def handle(self) -> None:
        """Open one tunnel and pass bytes on in both directions."""
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += self.request.recv(4096)
        method, target, _ = request.split(b"\r\n")[0].decode().split()
        assert method == "CONNECT"
        self.tunnels.append(target)
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port))) as upstream, selectors.DefaultSelector() as ready:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for source, target_socket in ((self.request, upstream), (upstream, self.request)):
                ready.register(source, selectors.EVENT_READ, target_socket)
            while True:
                for key, _ in ready.select():
                    chunk = key.fileobj.recv(65536)  # type: ignore[union-attr]  # both are sockets
                    if not chunk:
                        return
                    key.data.sendall(chunk)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Proxy]]:
    """Run a proxy and name it as companies do."""
    Proxy.tunnels.clear()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        yield Proxy
        server.shutdown()


def test_everything_goes_through_the_proxy(proxy: type[Proxy], azureml_emulator: Emulator) -> None:
    """HTTPS_PROXY leads sign-in and control plane out, REQUESTS_CA_BUNDLE says whom to trust there."""
    name = azureml_emulator.environment["AZURE_WORKSPACE_NAME"]
    assert connect(settings(azureml_emulator.environment, name)).location
    assert {f"https://{target}" for target in proxy.tunnels} == {azureml_emulator.url}
