"""The pytest fixture `azureml_emulator`: an Azure ML for the tests of any project, one per run of pytest.

It is started by the first test that asks for it, shared by all workers of pytest-xdist, and stopped after the last.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops.emulator.home import Home


@dataclass(frozen=True)
class Faults:
    """What goes wrong on demand; `docs/emulator.md` lists the kinds and their options."""

    home: Home

    def add(self, kind: str, **options: Any) -> dict[str, Any]:
        """Put a fault into force, such as `add("status", path="*/jobs/*", status=429, count=2)`; return it."""
        return self._request("POST", body={"kind": kind, **options})

    def list(self) -> list[dict[str, Any]]:
        """Return the faults in force, and how often each struck (`hits`)."""
        return list(self._request("GET")["value"])

    def clear(self, id: str | None = None) -> None:  # noqa: A002 - the word of the documents
        """Take one fault out of force, or all."""
        self._request("DELETE", f"/{id}" if id else "")

    @contextmanager
    def injected(self, kind: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Keep a fault in force inside a `with` block."""
        fault = self.add(kind, **options)
        try:
            yield fault
        finally:
            self.clear(fault["id"])

    def _request(self, method: str, path: str = "", *, body: Any = None) -> dict[str, Any]:
        from mlops.emulator import daemon

        return dict(daemon.request(self.home, f"/_emulator/faults{path}", method=method, body=body))


@dataclass(frozen=True)
class Emulator:
    """A running emulator: the variables that lead the SDK to it, and what tests may do with it."""

    home: Home
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """Return its address."""
        return self.home.url

    @property
    def faults(self) -> Faults:
        """Return the faults of this emulator."""
        return Faults(self.home)

    def reset(self) -> None:
        """Forget everything; with pytest-xdist, also what the tests of other workers rely on."""
        from mlops.emulator import daemon

        daemon.reset(self.home)


@pytest.fixture(scope="session")
def azureml_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start Azure ML on this machine and point the Azure SDK of this process at it."""
    from mlops.emulator import daemon

    with _shared(_folder(tmp_path_factory)) as home, pytest.MonkeyPatch.context() as patch:
        variables = daemon.environment(home)
        for name, value in variables.items():
            patch.setenv(name, value)
        # The SDK sets it to the cloud it saw first, which may be another one.
        patch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
        yield Emulator(home, variables)


def _folder(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    # Each worker of xdist has a folder of its own in that of the run.
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "azureml-emulator"


@contextmanager
def _shared(root: Path) -> Iterator[Home]:
    """Start the emulator unless another worker did; stop it unless another worker still uses it."""
    from mlops.emulator import daemon

    with root.with_suffix(".users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        home, _ = daemon.start(root)
        yield home
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        daemon.stop(home)
