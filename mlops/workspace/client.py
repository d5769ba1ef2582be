"""The connection to a workspace and to the registries beside it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.credentials import sign_in
from mlops.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from mlops.settings import WorkspaceSettings


@dataclass(frozen=True)
class Workspace:
    """A workspace, and the credential with which it was opened."""

    ml: MLClient
    credential: TokenCredential

    def registry(self, name: str) -> MLClient:
        """Return a client of a registry, such as `azureml`."""
        from azure.ai.ml import MLClient

        return MLClient(self.credential, registry_name=name)


def connect(settings: WorkspaceSettings) -> Workspace:
    """Return the workspace of the settings.

    Raises AzureError if nobody is signed in or there is no such workspace.
    """
    from azure.ai.ml import MLClient

    # The SDK tells of its experimental classes and of every upload; what matters is said by the stages.
    for name in ("azure.ai.ml", "azure.identity", "azure.core"):
        logging.getLogger(name).setLevel(logging.ERROR)
    credential = sign_in()
    ml = MLClient(credential, settings.subscription_id, settings.resource_group, settings.name)
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


def start_emulator() -> dict[str, str]:
    """Start the emulator of this folder if it is not up; return the variables that lead an SDK to it.

    Raises AzureError with what the emulator said if it does not start.
    """
    emulator = [sys.executable, "-m", "mlops.emulator"]
    for command in (["start"], ["env", "--json"]):
        result = subprocess.run([*emulator, *command], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise AzureError(f"the emulator did not start: {result.stderr.strip() or result.stdout.strip()}")
    variables: dict[str, str] = json.loads(result.stdout)
    return variables


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Turn whatever the SDK raises into one AzureError: what was asked and what the service said."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.AzureError as error:
        raise AzureError(f"could not {doing}: {_said(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the SDK's upload bars and remarks to a terminal, where somebody sees them move."""
    if sys.stderr.isatty():
        yield
        return
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def _said(error: Any) -> str:
    """Return the service's innermost sentence: online endpoints hide theirs in a JSON string of `details`."""
    document = getattr(error, "error", None)
    for detail in getattr(document, "details", None) or []:
        try:
            reasons = json.loads(detail.message)["errors"].values()
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        return " ".join(reason for group in reasons for reason in group)
    return " ".join(str(getattr(document, "message", None) or error.message or error).split())
