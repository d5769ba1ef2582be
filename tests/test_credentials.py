"""Signing in, in GitHub Actions and elsewhere; GitHub and Entra are stood in for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientAssertionCredential, DefaultAzureCredential, InteractiveBrowserCredential

from mlops import credentials
from mlops.errors import AzureError

if TYPE_CHECKING:
    from pytest_mock import MockerFixture


class GitHub(BaseHTTPRequestHandler):
    """GitHub's token endpoint: a new token each time, for whom it was asked."""

    asked: ClassVar[list[httpx.URL]] = []
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        """Answer a numbered token."""
        url = httpx.URL(self.path)
        assert self.headers["Authorization"] == "Bearer request-token"
        self.asked.append(url)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"value": f"jwt-{len(self.asked)}"}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GitHub]]:
    """Run this test as a job of GitHub Actions that may ask for tokens."""
    GitHub.asked.clear()
    GitHub.status = 200
    server = HTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"
    values = ("true", address, "request-token", "client", "00000000-0000-0000-0000-000000000001")
    for name, value in zip(("GITHUB_ACTIONS", *credentials.REQUEST, *credentials.IDS), values, strict=True):
        monkeypatch.setenv(name, value)
    yield GitHub
    server.shutdown()
    server.server_close()


@pytest.fixture
def entra(mocker: MockerFixture) -> Entra:
    """Stand in for Entra's token endpoint, below azure-identity and its policies."""
    stand_in = Entra()
    mocker.patch("requests.Session.request", side_effect=stand_in.answer)
    return stand_in


class Entra:
    """What Entra was shown, and what it answers: a token, or its error."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.expires_in = 3600
        self.error = ""

    def answer(self, _method: str, _url: str, **request: Any) -> requests.Response:
        """Answer one request of azure-identity."""
        self.shown.append(request["data"]["client_assertion"])
        answer = requests.Response()
        answer.status_code = 400 if self.error else 200
        answer.headers["Content-Type"] = "application/json"
        token = {"access_token": f"access-{len(self.shown)}", "expires_in": self.expires_in, "token_type": "Bearer"}
        refusal = {"error": "invalid_client", "error_description": self.error}
        answer.raw = BytesIO(json.dumps(refusal if self.error else token).encode())
        return answer


def test_github_is_asked_with_entras_audience(github: type[GitHub], entra: Entra) -> None:
    """The token is for Entra's exchange, and what the address already asks stays in it."""
    assert isinstance(credentials.sign_in(), ClientAssertionCredential)
    assert dict(github.asked[0].params) == {"api-version": "2.0", "audience": credentials.AUDIENCE}
    assert entra.shown == ["jwt-1"]


def test_a_token_that_lives_is_used_again(github: type[GitHub], entra: Entra) -> None:
    """Nobody is asked twice within a token's life."""
    credential = credentials.sign_in()
    assert credential.get_token(credentials.MANAGEMENT_SCOPE).token == "access-1"
    assert len(github.asked) == len(entra.shown) == 1


def test_an_expired_token_is_renewed_with_a_fresh_assertion(github: type[GitHub], entra: Entra) -> None:
    """Hours later GitHub is asked anew: the first assertion would be refused as expired (AADSTS700024)."""
    entra.expires_in = 0
    credential = credentials.sign_in()
    assert credential.get_token(credentials.MANAGEMENT_SCOPE).token == "access-2"
    assert entra.shown == ["jwt-1", "jwt-2"]
    assert len(github.asked) == 2


@pytest.mark.parametrize(("code", "remedy"), credentials.REMEDIES.items())
@pytest.mark.usefixtures("github")
def test_a_refusal_of_entra_comes_with_its_remedy(entra: Entra, code: str, remedy: str) -> None:
    """What Entra said is shown, and what mends it; the assertion is not."""
    entra.error = f"{code}: it was refused."
    with pytest.raises(AzureError) as refusal:
        credentials.sign_in()
    assert f"{code}: it was refused." in str(refusal.value)
    assert remedy in str(refusal.value)
    assert "jwt-" not in str(refusal.value)


@pytest.mark.usefixtures("github")
def test_a_refusal_that_nobody_foresaw_is_entras_own(entra: Entra) -> None:
    """The job has all it needs, so nothing is called missing: the reason stands below."""
    entra.error = "AADSTS7000112: the application is disabled."
    with pytest.raises(AzureError, match=r"Entra refused the app of AZURE_CLIENT_ID for the reason below\n.*7000112"):
        credentials.sign_in()


def test_a_failure_of_github_is_one_sentence(github: type[GitHub]) -> None:
    """A job without a token says so; the bearer of the request is not shown."""
    github.status = 403
    with pytest.raises(AzureError, match="GitHub gave this job no OIDC token") as refusal:
        credentials.sign_in()
    assert "request-token" not in str(refusal.value)


@pytest.mark.usefixtures("github")
def test_a_job_without_the_permission_is_told_so(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """Without `id-token: write` GitHub sets no variables; the message names the permission and what is missing."""
    for name in credentials.REQUEST:
        monkeypatch.delenv(name)
    mocker.patch.object(DefaultAzureCredential, "get_token", side_effect=ClientAuthenticationError("tried 4: no, no"))
    with pytest.raises(AzureError, match=r"id-token: write.*ACTIONS_ID_TOKEN_REQUEST_URL.*\n.*tried 4: no, no"):
        credentials.sign_in()


def test_a_failed_sign_in_names_each_credential_tried(
    monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The cure first, then a short line for each: variables, identity, command lines; nothing here is configured."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.stdin", StringIO())
    mocker.patch.object(RequestsTransport, "sleep")  # between two questions to the managed identity
    with pytest.raises(AzureError, match="no Azure credential works here") as refusal:
        credentials.sign_in()
    cure, *tried = str(refusal.value).splitlines()
    assert "az login" in cure
    said = dict(line.strip().split(": ", 1) for line in tried)
    assert said.keys() > {"Environment", "WorkloadIdentity", "ManagedIdentity", "AzureCli", "AzureDeveloperCli"}
    assert said["AzureCli"] == "Azure CLI not found on path"
    assert all(len(line) <= credentials.WIDTH for line in tried)
    assert caplog.messages == [], "azure-identity says nothing beside it"


@pytest.mark.usefixtures("github")
def test_an_entra_that_cannot_be_reached_is_one_sentence(mocker: MockerFixture) -> None:
    """Exit 2, what the network said and what to look at; no traceback of the libraries below."""
    mocker.patch("requests.Session.request", side_effect=requests.ConnectionError("no route"))
    mocker.patch.object(RequestsTransport, "sleep")
    with pytest.raises(AzureError, match=r"Entra could not be asked for a token: .*NO_PROXY.*\n  no route") as refusal:
        credentials.sign_in()
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_browser_opens_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, *, is_terminal: bool
) -> None:
    """A runner would wait for a browser for ever; a browser that opened once is not opened again."""
    opened = mocker.patch.object(InteractiveBrowserCredential, "get_token")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    mocker.patch("sys.stdin.isatty", return_value=is_terminal)
    mocker.patch.object(DefaultAzureCredential, "get_token", side_effect=ClientAuthenticationError("nobody"))
    if is_terminal:
        assert isinstance(credentials.sign_in(), InteractiveBrowserCredential)
        assert credentials.sign_in() is credentials.sign_in()
        opened.side_effect = ClientAuthenticationError("Failed to open a browser. There is none")
        with pytest.raises(AzureError, match=r"az login.*\n  browser: Failed to open a browser$"):
            credentials.sign_in()
    else:
        with pytest.raises(AzureError, match="az login"):
            credentials.sign_in()
