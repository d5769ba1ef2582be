"""Faults on the emulator that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlops.emulator.pytest_plugin import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.emulator.pytest_plugin import Emulator


@pytest.fixture
def faults(azureml_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Return the faults of the shared emulator; those that a test added are cleared after it, and no other test's."""
    added, add = [], Faults.add

    def remembered(self: Faults, kind: str, **options: Any) -> dict[str, Any]:
        fault = add(self, kind, **options)
        added.append(fault["id"])
        return fault

    monkeypatch.setattr(Faults, "add", remembered)
    yield azureml_emulator.faults
    for fault in azureml_emulator.faults.list():
        if fault["id"] in added:
            azureml_emulator.faults.clear(fault["id"])
