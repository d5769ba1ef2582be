"""Whenever the emulator is killed, a job has ended or it is still active: the next start takes it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops.emulator.jobs import history
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture


def test_a_job_is_active_until_its_end_is_written(tmp_path: Path, mocker: MockerFixture) -> None:
    """Killed between the two writes that end a job, it is taken up again; when both are written, it is not."""
    store = Store(tmp_path / "state.db")
    run = history.create(store, workspace="/w", name="job", parent=None)
    put = mocker.patch.object(store, "put", side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        history.update(store, run, status="Completed")
    assert put.called
    mocker.stopall()
    assert [(each["runId"], each["status"]) for each in history.active(store)] == [("job", "NotStarted")]
    history.update(store, run, status="Completed")
    assert history.active(store) == []
    store.close()
