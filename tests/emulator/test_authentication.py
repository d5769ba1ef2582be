"""Every door is shut to those who have no key, and no key is ever written down."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.ai.ml.entities import Data, ManagedOnlineEndpoint
from azure.identity import DefaultAzureCredential

from mlops.emulator import app, authentication, daemon, tls, tokens
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from mlops.emulator.redaction import REDACTED, redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

    Connect = Callable[[Home], MLClient]

_NAMES = {"subscription": SUBSCRIPTION, "group": RESOURCE_GROUP, "workspace": WORKSPACE, "registry": "azureml"}
_KINDS = {"kind": "data", "groups": "resourceGroups", "namespace": "Microsoft.Storage"}


def _paths() -> list[tuple[str, str]]:
    """Return the method and an example of the path of every route that is not open to all."""
    names = {**_NAMES, **_KINDS}
    examples = []
    for route in app.routes():
        plain = re.sub(r"\{(\w+)(?::[^{}]*)?\}", lambda found: names.get(found[1], "x"), route.path)
        if not plain.startswith(authentication.OPEN):
            examples.append(("GET" if route.method == "*" else route.method, plain))
    return examples


def test_nothing_answers_without_a_credential(emulator: Home) -> None:
    """Every route but the open ones refuses requests without a credential, and those with one of another emulator."""
    forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.", "X-Emulator-Key": "guess"}
    with httpx.Client(base_url=emulator.url, verify=tls.client_context(emulator), timeout=30) as client:
        for method, path in _paths():
            for headers in ({}, forged):
                reply = client.request(method, path, headers=headers)
                assert reply.status_code in {401, 403}, f"{method} {path}: {reply.status_code}"


def test_only_what_must_be_open_is_open() -> None:
    """The list of open doors is short, and each route has one door of its own."""
    assert authentication.OPEN == ("/metadata/endpoints", "/registrymanagement/", "/discovery", "/_emulator/health")
    doors = (*authentication.TOKENS, authentication.CONTROL, *authentication.OWN, *authentication.OPEN)
    assert [route.path for route in app.routes() if not route.path.startswith(doors)] == []


def test_files_are_for_their_owner_alone(own_home: Path) -> None:
    """Nothing in the home can be read by others, whatever the umask of who started it."""
    home, _ = daemon.start(own_home)
    daemon.environment(home)
    assert stat.S_IMODE(own_home.stat().st_mode) == 0o700
    for path in own_home.rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_reset_keeps_the_secrets(own_home: Path) -> None:
    """Programs that were given the variables before a reset are still let in after it."""
    home, _ = daemon.start(own_home)
    before = daemon.environment(home)
    daemon.reset(home)
    after = daemon.environment(home)
    assert {name for name in after if after[name] != before[name]} <= {"MLFLOW_TRACKING_TOKEN"}  # minted anew
    tokens.verify(home, f"Bearer {before['MLFLOW_TRACKING_TOKEN']}", audiences=tokens.MACHINE_LEARNING)
    assert daemon.request(home, "/_emulator/status")["jobs"] == 0


def test_no_secret_is_ever_written_down(own_home: Path, connect: Connect, tmp_path: Path) -> None:
    """After keys, tokens and signatures were made and used, none is in the request log or in the emulator's log."""
    home, _ = daemon.start(own_home)
    ml = connect(home)
    (tmp_path / "file.txt").write_text("text")
    ml.data.create_or_update(Data(name="data", version="1", path=str(tmp_path / "file.txt"), type="uri_file"))
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="keys")).result()
    endpoint = ManagedOnlineEndpoint(name="tokens", auth_mode="aml_token")
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    keys, token = ml.online_endpoints.get_keys("keys"), ml.online_endpoints.get_keys("tokens")
    bearer = DefaultAzureCredential().get_token(f"{home.url}/.default").token
    store = ml.datastores.get("workspaceblobstore", include_secrets=True).credentials
    secrets = {keys.primary_key, keys.secondary_key, token.access_token, bearer, home.control_key, home.identity_header}
    secrets |= {str(value) for value in vars(store).values() if value and len(str(value)) > len("account_key")}
    body = {"properties": {"keys": {"primaryKey": keys.primary_key}, "authMode": "Key"}}
    with httpx.Client(verify=tls.client_context(home), headers={"Authorization": f"Bearer {bearer}"}) as client:
        base = f"{home.url}/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"
        path = f"{base}/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}/onlineEndpoints/keys?sig={bearer}"
        client.put(path, json=body)
    written = str(daemon.request(home, "/_emulator/requests")) + home.log.read_text()
    assert REDACTED in written
    assert [secret for secret in secrets if secret in written] == []


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"primaryKey": "s3cret", "name": "x"}, {"primaryKey": REDACTED, "name": "x"}),
        ({"keys": {"a": "s3cret"}}, {"keys": {"a": REDACTED}}),
        ({"environmentVariables": {"HF_TOKEN": "s3cret"}}, {"environmentVariables": {"HF_TOKEN": REDACTED}}),
        ({"uri": "https://x/y?sp=r&sig=s3cret&se=1"}, {"uri": f"https://x/y?sp=r&sig={REDACTED}&se=1"}),
        ({"header": "Bearer s3cret"}, {"header": f"Bearer {REDACTED}"}),
        (
            {"authMode": "Key", "keyType": "primary", "tokens": 3},
            {"authMode": "Key", "keyType": "primary", "tokens": 3},
        ),
        ([{"password": None}, 1, None], [{"password": None}, 1, None]),
    ],
)
def test_secrets_are_known_by_name_and_by_look(document: object, kept: object) -> None:
    """Values of secret fields and signatures in addresses are replaced; everything else stays."""
    assert redact(document) == kept


def test_a_listener_beyond_loopback_is_warned_of(own_home: Path) -> None:
    """`--host` warns, and the certificate names the address that the replies hold."""
    import subprocess
    import sys

    args = [sys.executable, "-m", "mlops.emulator", "start", "--home", str(own_home), "--host", "0.0.0.0"]  # noqa: S104
    outcome = subprocess.run(args, capture_output=True, text=True, timeout=60, check=True)
    assert outcome.stderr.startswith("Warning: the emulator listens on 0.0.0.0")
    home = daemon.open_home(own_home)
    assert home.address in home.url
    assert outcome.stderr.splitlines()[0] in home.log.read_text(), "serve, which start has started, warns as well"
    for address in (home.address, "127.0.0.1"):
        reply = httpx.get(f"https://{address}:{home.port}/_emulator/health", verify=tls.client_context(home))
        assert reply.json()["home"] == str(own_home)
