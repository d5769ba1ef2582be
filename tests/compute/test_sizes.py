"""The table of GPU sizes."""

from __future__ import annotations

import pytest

from mlops.compute.sizes import gpu, table
from mlops.errors import InputError


def test_a_size_is_found_in_any_case() -> None:
    """Azure answers sizes in capitals, however they were asked for."""
    found = gpu("STANDARD_NC40ADS_H100_V5")
    assert found is not None
    assert (found.name, found.memory, found.bf16) == ("H100-94", 94, True)
    assert gpu("Standard_DS3_v2") is None


def test_a_retired_size_says_so() -> None:
    """NCv3, of the flow's own deployment, is gone since 2025-09-30."""
    with pytest.raises(InputError, match="Standard_NC6s_v3 was retired by Azure on 2025-09-30"):
        gpu("Standard_NC6s_v3")


def test_every_size_has_a_known_gpu_and_a_price_or_an_end() -> None:
    """A row of the table without one of them would fail when it is needed."""
    for name, entry in table()["sizes"].items():
        assert entry["gpu"] in table()["gpus"], name
        assert ("dedicated" in entry) != ("retired" in entry), name
