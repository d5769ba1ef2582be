"""`mlops rollout`: what its commands end with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.commands.rollout import recover
from mlops.errors import HeldError

if TYPE_CHECKING:
    import pytest
    from pytest_mock import MockerFixture


def test_a_runner_that_lives_leaves_nothing_to_recover(
    mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked every quarter of an hour: that nothing is lost is no mistake, and is said as what it is."""
    mocker.patch("mlops.operations.rollouts.recover", side_effect=HeldError("runner-7 rolls out chat"))
    recover("local")
    assert capsys.readouterr().out.strip() == "nothing is lost, and nothing to recover: runner-7 rolls out chat"
