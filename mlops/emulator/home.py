"""The folder in which one emulator lives: its address, certificate, state, blobs and processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "AZUREML_EMULATOR_HOME"
DEFAULT_HOME = ".azureml-emulator"

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TENANT = "11111111-1111-1111-1111-111111111111"
RESOURCE_GROUP = "local"
WORKSPACE = "local"
REGISTRY = "azureml"
LOCATION = "local"


@dataclass(frozen=True)
class Home:
    """Where everything of one emulator is kept; two homes are two independent emulators."""

    root: Path
    port: int

    @property
    def url(self) -> str:
        """Return the address clients use, without a trailing slash."""
        return f"https://127.0.0.1:{self.port}"

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


def default_root() -> Path:
    """Return the folder named by the environment, else `.azureml-emulator` in the current folder."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).resolve()
