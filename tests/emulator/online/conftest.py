"""The endpoint that every module on the data plane has for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.emulator.online.online import Online, start

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@pytest.fixture(scope="module")
def online(ml: MLClient) -> Iterator[Online]:
    """Return the endpoint of this module."""
    started = start(ml, {"blue": (1, 2000), "green": (4, 10000)})
    yield started
    ml.online_endpoints.begin_delete(started.name).result()
    started.client.close()
