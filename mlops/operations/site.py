"""Where operators work: the settings of an environment, and the workspace they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlops import settings as settings_module
from mlops.errors import InputError
from mlops.reports.sentences import say
from mlops.workspace import client, endpoints

if TYPE_CHECKING:
    from rich.console import Console

    from mlops.sections import Settings
    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint


@dataclass(frozen=True)
class Site:
    """An environment; `endpoint` is the name of its endpoint."""

    environment: str
    settings: Settings
    console: Console

    @classmethod
    def of(cls, environment: str, console: Console) -> Site:
        """Return the environment of a name.

        Raises SettingsError if there is none.
        """
        return cls(environment, settings_module.load(environment), console)

    @property
    def endpoint(self) -> str:
        """Return the name of the endpoint."""
        return self.settings.deploy.endpoint

    @cached_property
    def workspace(self) -> Workspace:
        """Return the workspace, opened at the first use; an emulator is started first if the settings ask."""
        return client.reach(self.settings.workspace)

    def look(self) -> Endpoint | None:
        """Return the endpoint, or None before the first release."""
        return endpoints.find(self.workspace, self.endpoint)

    def find(self) -> Endpoint:
        """Return the endpoint.

        Raises InputError if there is none.
        """
        found = self.look()
        if found is None:
            where = f"{self.environment}, workspace {self.settings.workspace.name}"
            raise InputError(
                f"endpoint {self.endpoint} does not exist in {where}: make a release first, or if there was one, look "
                "which variables MLOPS_WORKSPACE__ are set"
            )
        return found

    def say(self, line: str) -> None:
        """Print a line."""
        say(self.console, line)
