"""Whenever the emulator is killed, an endpoint is there or it is not: nothing of it is left that blocks its name."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mlops.emulator.context import HOME, STORE
from mlops.emulator.online import provisioning
from mlops.emulator.online.fleet import FLEET, Fleet
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture

_KEPT = ("/_emulator/endpoints/chat", "/endpoints/chat", "/endpoints/chat/deployments/blue")


def test_an_endpoint_goes_whole(tmp_path: Path, mocker: MockerFixture) -> None:
    """Killed while it deletes an endpoint, it still knows all of it, and its next start deletes it."""
    store = Store(tmp_path / "state.db")
    for id_ in _KEPT:
        store.put(id_, {"id": id_, "name": "chat"})
    app: Any = {STORE: store, FLEET: Fleet(None, propagation_delay_s=0), HOME: SimpleNamespace(deployments=tmp_path)}
    endpoint = {"id": "/endpoints/chat", "name": "chat"}
    deletions = mocker.patch.object(
        store, "delete", wraps=store.delete, side_effect=[mocker.DEFAULT, KeyboardInterrupt]
    )
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(provisioning.remove_endpoint(app, endpoint))
    assert deletions.call_count == 2
    assert all(store.get(id_) for id_ in _KEPT)
    mocker.stopall()
    asyncio.run(provisioning.remove_endpoint(app, endpoint))
    assert not any(store.get(id_) for id_ in _KEPT)
    store.close()
