"""Start, find and stop the emulator of a home from another process."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mlops import ports
from mlops.emulator import tls
from mlops.emulator.home import KEY_HEADER, LOOPBACK, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_S = 180.0
_STOP_S = 15.0
_POLL_S = 0.2
_TRACKING_TOKEN_S = 30 * 24 * 3600
_PRIVATE = 0o700


class EmulatorError(Exception):
    """A mistake or accident that the message explains to the user."""


def open_home(root: Path, *, port: int | None = None, host: str | None = None) -> Home:
    """Return the home in a folder, made on the first use; its port is chosen then, and both are kept."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        if port is not None:
            _keep(root / "port", str(port))
        elif not (root / "port").exists():
            _keep_first(root / "port", str(ports.free()))
        if host is not None:
            _keep(root / "host", host)
        return Home(root.resolve(), int((root / "port").read_text()), _kept(root / "host", LOOPBACK))
    except (OSError, ValueError) as error:
        raise EmulatorError(f"The folder {root} cannot be an emulator's home: {error}.") from None


def health(home: Home) -> dict[str, Any] | None:
    """Return what the running emulator of this home says about itself, or None when there is none."""
    try:
        answer = request(home, "/_emulator/health", timeout_s=2)
    except OSError:  # refused, no certificate, another program's TLS, or another home's
        return None
    return answer if answer["home"] == str(home.root) else None


def request(home: Home, path: str, *, method: str = "GET", body: Any = None, timeout_s: float = 10) -> Any:
    """Send one control request to the emulator and return its JSON.

    Raise EmulatorError when the emulator refuses it, and OSError when it cannot be reached.
    """
    headers = {KEY_HEADER: home.control_key, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(home.url + path, data, headers, method=method)  # noqa: S310 - our own https address
    try:
        with urllib.request.urlopen(call, timeout=timeout_s, context=tls.client_context(home)) as reply:  # noqa: S310
            return json.load(reply)
    except urllib.error.HTTPError as refusal:
        raise EmulatorError(json.load(refusal)["error"]["message"]) from None


def start(root: Path, *, port: int | None = None, host: str | None = None) -> tuple[Home, bool]:
    """Start the emulator in the background; return its home and whether this call started it.

    Raise EmulatorError when it does not come up: the message holds the end of its log.
    """
    home = open_home(root)
    with _exclusive(root / "start.lock"):
        if health(home):
            return home, False
        home = open_home(root, port=port, host=host)
        _wait_until_healthy(home, _spawn(home))
        return home, True


def stop(home: Home) -> bool:
    """Stop the running emulator and its children; return whether there was one."""
    with _exclusive(home.root / "start.lock"):
        answer = health(home)
        if answer is None:
            return False
        os.kill(answer["pid"], signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while _is_served(home):
            if time.monotonic() > deadline:
                raise EmulatorError(f"The emulator (pid {answer['pid']}) does not stop; end it with kill -9.")
            time.sleep(0.05)
        return True


def reset(home: Home) -> None:
    """Forget everything, whether the emulator runs or not."""
    if before := health(home):
        request(home, "/_emulator/reset", method="POST")
        _wait_for_fresh_start(home, before["start"])
        return
    import asyncio

    from mlops.emulator.store import Store
    from mlops.emulator.supervisor import Supervisor

    asyncio.run(Supervisor(Store(home.state)).stop_all())
    home.forget()


def existing(root: Path) -> Home:
    """Return the home in a folder; raise EmulatorError when there is none."""
    if not (root / "port").exists():
        raise EmulatorError(f"There is no emulator in {root}; start one: {_starting(root)}.")
    return open_home(root)


def running(root: Path) -> Home:
    """Return the home in a folder whose emulator runs; raise EmulatorError when none does."""
    home = existing(root)
    if health(home) is None:
        raise EmulatorError(f"The emulator in {home.root} is not running; start it: {_starting(root)}.")
    return home


def follow(home: Home) -> Iterator[str]:
    """Yield the lines of the emulator's log, those to come too, as long as it runs."""
    with home.log.open(errors="replace") as log:
        while True:
            running = _is_served(home)
            yield from log
            if not running:
                return
            time.sleep(_POLL_S)


def environment(home: Home) -> dict[str, str]:
    """Return the variables that lead programs written for Azure ML to this emulator."""
    from mlops.emulator import tokens

    return {
        "ARM_CLOUD_METADATA_URL": f"{home.url}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{home.url}/",
        "IDENTITY_ENDPOINT": f"{home.url}/msi/token",
        "IDENTITY_HEADER": home.identity_header,
        "REQUESTS_CA_BUNDLE": str(home.bundle),
        "SSL_CERT_FILE": str(home.bundle),
        # The SDK asks for a job every 2 to 60 s by default; here the emulator's replies set the pace.
        "AZUREML_RUN_POLLING_INTERVAL_MIN": "0",
        "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
        # MLflow's own client knows no Azure sign-in; it shows this token to the workspace's tracking URI.
        "MLFLOW_TRACKING_TOKEN": tokens.mint(home, tokens.MACHINE_LEARNING[0], lifetime_s=_TRACKING_TOKEN_S),
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": RESOURCE_GROUP,
        "AZURE_WORKSPACE_NAME": WORKSPACE,
    }


def _starting(root: Path) -> str:
    return f"mlops emulator start --home {shlex.quote(str(root))}"


def _spawn(home: Home) -> subprocess.Popen[bytes]:
    args = [sys.executable, "-m", "mlops.emulator", "serve", "--home", str(home.root)]
    with open_private(home.log) as log:
        return subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait_until_healthy(home: Home, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while health(home) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            tail = home.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise EmulatorError("\n".join(["The emulator did not start:", *tail]))
        time.sleep(0.05)


def _wait_for_fresh_start(home: Home, before: str) -> None:
    deadline = time.monotonic() + _START_S
    while (answer := health(home)) is None or answer["start"] == before:
        if time.monotonic() > deadline:
            raise EmulatorError(f"The emulator did not begin afresh; see {home.log}.")
        time.sleep(0.05)


def _is_served(home: Home) -> bool:
    try:
        with (home.root / "serving.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # the home was deleted meanwhile
        return False
    return False


def _keep(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open_private(unfinished) as file:
        file.write(text)
    unfinished.replace(path)


def _keep_first(path: Path, text: str) -> None:
    """Write a file unless there is one: of several who come here at once, whoever links first decides."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open_private(unfinished) as file:
        file.write(text)
    with suppress(FileExistsError):
        path.hardlink_to(unfinished)
    unfinished.unlink()


def _kept(path: Path, default: str) -> str:
    return path.read_text() if path.exists() else default


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with open_private(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
