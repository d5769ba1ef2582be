"""Start, find and stop the emulator of a home from another process."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops.emulator import tls
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_S = 30.0
_STOP_S = 15.0


class EmulatorError(Exception):
    """A mistake or accident that the message explains to the user."""


def open_home(root: Path, *, port: int | None = None) -> Home:
    """Return the home in a folder, made on the first use; its port is chosen then and kept."""
    root.mkdir(parents=True, exist_ok=True)
    kept = root / "port"
    if port is not None or not kept.exists():
        unfinished = root / f"port.{os.getpid()}"
        unfinished.write_text(str(port or _free_port()))
        unfinished.replace(kept)
    return Home(root.resolve(), int(kept.read_text()))


def health(home: Home) -> dict[str, Any] | None:
    """Return what the running emulator of this home says about itself, or None when there is none."""
    if not home.ca.exists():
        return None
    try:
        answer = request(home, "/_emulator/health", timeout_s=2)
    except OSError:  # refused, another program's TLS, or another home's
        return None
    return answer if answer["home"] == str(home.root) else None


def request(home: Home, path: str, *, method: str = "GET", timeout_s: float = 10) -> Any:
    """Send one request to the emulator and return its JSON; raise OSError when it cannot be reached."""
    call = urllib.request.Request(home.url + path, method=method)  # noqa: S310 - our own https address
    with urllib.request.urlopen(call, timeout=timeout_s, context=tls.client_context(home)) as reply:  # noqa: S310
        return json.load(reply)


def start(root: Path, *, port: int | None = None) -> tuple[Home, bool]:
    """Start the emulator in the background; return its home and whether this call started it.

    Raise EmulatorError when it does not come up: the message holds the end of its log.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _exclusive(root / "start.lock"):
        home = open_home(root)
        if health(home):
            return home, False
        home = open_home(root, port=port)
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
    if health(home):
        request(home, "/_emulator/reset", method="POST")
        request(home, "/_emulator/health")  # waits in the backlog for the fresh start
        return
    import asyncio

    from mlops.emulator.server import forget
    from mlops.emulator.store import Store
    from mlops.emulator.supervisor import Supervisor

    asyncio.run(Supervisor(Store(home.state)).stop_all())
    forget(home)


def environment(home: Home) -> dict[str, str]:
    """Return the variables that lead programs written for Azure ML to this emulator."""
    return {
        "ARM_CLOUD_METADATA_URL": f"{home.url}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{home.url}/",
        "IDENTITY_ENDPOINT": f"{home.url}/msi/token",
        "IDENTITY_HEADER": "emulator",
        "REQUESTS_CA_BUNDLE": str(home.bundle),
        "SSL_CERT_FILE": str(home.bundle),
        # The SDK asks for a job every 2 to 60 s by default; here the emulator's replies set the pace.
        "AZUREML_RUN_POLLING_INTERVAL_MIN": "0",
        "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": RESOURCE_GROUP,
        "AZURE_WORKSPACE_NAME": WORKSPACE,
    }


def _spawn(home: Home) -> subprocess.Popen[bytes]:
    args = [sys.executable, "-m", "mlops.emulator", "serve", "--home", str(home.root)]
    with (home.root / "emulator.log").open("wb") as log:
        return subprocess.Popen(
            args, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait_until_healthy(home: Home, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while health(home) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            tail = (home.root / "emulator.log").read_text(errors="replace").strip().splitlines()[-5:]
            raise EmulatorError("\n".join(["The emulator did not start:", *tail]))
        time.sleep(0.05)


def _is_served(home: Home) -> bool:
    with (home.root / "serving.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
