"""The folder in which one emulator lives: its address, certificate, state, blobs and processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TextIO

HOME_VARIABLE = "AZUREML_EMULATOR_HOME"
# Set to 1, jobs and deployments run in environments built from their conda files.
ISOLATE_VARIABLE = "AZUREML_EMULATOR_ISOLATE"
DEFAULT_HOME = ".azureml-emulator"

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TENANT = "11111111-1111-1111-1111-111111111111"
RESOURCE_GROUP = "local"
WORKSPACE = "local"
REGISTRY = "azureml"
LOCATION = "local"
LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only when asked for, and then with a warning

# The header with which control requests show the key of the home.
KEY_HEADER = "X-Emulator-Key"

_PRIVATE = 0o600
# What makes a home the same home after a reset, besides its secrets.
_KEPT = {"port", "scoring.port", "host", "ca.pem", "bundle.pem", "server.pem", "start.lock", "serving.lock"}
_KEPT |= {"emulator.log", "emulator.pid"}


@dataclass(frozen=True)
class Home:
    """Where everything of one emulator is kept; two homes are two independent emulators."""

    root: Path
    port: int
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """Return the address clients use, without a trailing slash."""
        return f"https://{self.address}:{self.port}"

    @property
    def address(self) -> str:
        """Return the name of this machine in that address: the one it listens on, or its own when that is all."""
        return socket.gethostname() if self.host == EVERYWHERE else self.host

    @property
    def state(self) -> Path:
        """Return the SQLite file with every resource."""
        return self.root / "state.db"

    @property
    def blobs(self) -> Path:
        """Return the folder of the storage account: `<container>/<path>`."""
        return self.root / "blobs"

    @property
    def jobs(self) -> Path:
        """Return the folder of the jobs: `<job>/{code,inputs,outputs,logs}`."""
        return self.root / "jobs"

    @property
    def deployments(self) -> Path:
        """Return the folder of the deployments: `<endpoint>/<deployment>/` with their logs."""
        return self.root / "deployments"

    @property
    def registry(self) -> Path:
        """Return the folder of built registry models: `<model>/<version>/`."""
        return self.root / "registry"

    @property
    def ca(self) -> Path:
        """Return the emulator's own certificate authority (PEM)."""
        return self.root / "ca.pem"

    @property
    def bundle(self) -> Path:
        """Return the bundle of public authorities and the emulator's own (PEM)."""
        return self.root / "bundle.pem"

    @property
    def certificate(self) -> Path:
        """Return the server's certificate chain and private key (PEM)."""
        return self.root / "server.pem"

    @property
    def pid(self) -> Path:
        """Return the file with the number of the process that serves this home, or served it last."""
        return self.root / "emulator.pid"

    @property
    def log(self) -> Path:
        """Return what the emulator itself prints."""
        return self.root / "emulator.log"

    @property
    def control_key(self) -> str:
        """Return what requests to `/_emulator/…` must show."""
        return self.secret("control")

    @property
    def identity_header(self) -> str:
        """Return what a program must show to be given a token, as App Service's managed identity has it."""
        return self.secret("identity")

    def forget(self) -> None:
        """Delete all state of a stopped emulator; its address, certificate and secrets stay."""
        for entry in self.root.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name not in _KEPT and entry.suffix != ".key":
                entry.unlink()

    def secret(self, name: str) -> str:
        """Return a random secret of this home, made on its first use; only the owner of the home may read it."""
        kept = self.root / f"{name}.key"
        try:
            return _read(kept, kept.stat().st_mtime_ns)
        except FileNotFoundError:
            self._make_secret(kept)
            return self.secret(name)

    def _make_secret(self, kept: Path) -> None:
        unfinished = kept.with_suffix(f".{secrets.token_hex(4)}.new")
        with open_private(unfinished) as file:
            file.write(secrets.token_urlsafe(32))
        # Whoever links first decides: two processes may come here at once.
        with contextlib.suppress(FileExistsError):
            kept.hardlink_to(unfinished)
        unfinished.unlink()


@lru_cache
def _read(path: Path, _written_ns: int) -> str:
    # Every request asks for secrets; one that was written at another time, in a home made anew, is another one.
    return path.read_text()


def open_private(path: Path) -> TextIO:
    """Open a file for writing that only its owner may read."""
    return open(path, "w", opener=lambda name, flags: os.open(name, flags, _PRIVATE))


def default_root() -> Path:
    """Return the folder named by the environment, else `.azureml-emulator` in the current folder."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).resolve()
