"""The connection to a workspace and to the registries beside it."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from mlops.credentials import sign_in
from mlops.errors import AzureError
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from mlops.sections import WorkspaceSettings

RETRIES: Final = 6
"""On 408, 429, 5xx and lost connections, by azure-core's own policy."""
LONGEST_WAIT_S: Final = 30
FIRST_WAIT_S: Final = 0.8


@dataclass(frozen=True)
class Workspace:
    """A workspace, and the credential with which it was opened."""

    ml: MLClient
    credential: TokenCredential

    @cached_property
    def location(self) -> str:
        """Return the workspace's region."""
        with azure_errors("read the workspace's region"):
            return str(self.ml.workspaces.get(self.ml.workspace_name).location)

    def registry(self, name: str, **hooks: Any) -> MLClient:
        """Return a client of a registry, such as `azureml`; hooks are those of azure-core, which see each reply."""
        from azure.ai.ml import MLClient

        return MLClient(self.credential, registry_name=name, **_retries(), **hooks)


def connect(settings: WorkspaceSettings) -> Workspace:
    """Return the workspace of the settings.

    Raises AzureError if nobody is signed in or there is no such workspace.
    """
    from azure.ai.ml import MLClient

    # The SDK tells of its experimental classes and of every upload; what matters is said by the stages.
    for name in ("azure.ai.ml", "azure.core"):
        logging.getLogger(name).setLevel(logging.ERROR)
    credential = sign_in()
    ml = MLClient(credential, settings.subscription_id, settings.resource_group, settings.name, **_retries())
    with azure_errors(f"open workspace {settings.name} in resource group {settings.resource_group}"):
        ml.workspaces.get(settings.name)
    return Workspace(ml, credential)


def reach(settings: WorkspaceSettings) -> Workspace:
    """Return the workspace of the settings; an emulator is started first if they ask for one.

    Raises AzureError if that fails, nobody is signed in or there is no such workspace.
    """
    if settings.emulator:
        os.environ.update(start_emulator())
    return connect(settings)


def _retries() -> dict[str, Any]:
    """Return how often and how patiently the SDK retries: as long as Retry-After says, else twice as long each time.

    Each of those waits is drawn, so that runners that were throttled together do not come back together.
    """
    return {
        "retry_total": RETRIES,
        "retry_status": RETRIES,
        "retry_backoff_factor": _Drawn(FIRST_WAIT_S),
        "retry_backoff_max": LONGEST_WAIT_S,
    }


class _Drawn(float):
    """A factor that is another one each time something is multiplied by it, half as much to half as much again.

    The SDK makes a policy for each of its clients from such options, and shares a policy of ours among them wrongly.
    """

    def __mul__(self, other: float, /) -> float:
        return float(self) * random.uniform(0.5, 1.5) * other  # noqa: S311 - no secret


def start_emulator() -> dict[str, str]:
    """Start the emulator of this folder if it is not up; return the variables that lead an SDK to it.

    Raises AzureError with what the emulator said if it does not start.
    """
    emulator = [sys.executable, "-m", "mlops.emulator"]
    for command in (["start"], ["env", "--json"]):
        result = subprocess.run([*emulator, *command], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise AzureError(f"the emulator did not start; look here: {result.stderr.strip() or result.stdout.strip()}")
    variables: dict[str, str] = json.loads(result.stdout)
    return variables


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the SDK's upload bars and remarks to a terminal, where somebody sees them move."""
    if sys.stderr.isatty():
        yield
        return
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield
