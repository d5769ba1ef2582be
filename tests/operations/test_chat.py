"""`mlops chat`, typed into by a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.operations.conftest import VARIABLES

if TYPE_CHECKING:
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")


def chat(place: Place, said: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Say some lines to the endpoint."""
    command = [sys.executable, "-m", "mlops.cli", "chat", "--environment", "local", *arguments]
    variables = os.environ | VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": place.endpoint}
    return subprocess.run(command, input=said, env=variables, capture_output=True, text=True, check=False)


def test_every_answer_says_who_gave_it(place: Place) -> None:
    """The traffic chooses, or the person does; the conversation goes on from line to line, until the input ends."""
    blue, green = chat(place, "hello\nand again\n"), chat(place, "hello\n", "--deployment", "green")
    assert (blue.returncode, green.returncode) == (0, 0), blue.stderr + green.stderr
    assert [line.split(",")[0].split()[-1] for line in blue.stdout.splitlines() if "─ " in line] == ["blue", "blue"]
    assert "and again" in blue.stdout
    assert "─ green, " in green.stdout


def test_a_color_that_is_not_there_is_named(place: Place) -> None:
    """Exit code 2, with those there are."""
    result = chat(place, "hello\n", "--deployment", "red")
    assert result.returncode == 2
    assert result.stderr == f"--deployment red: {place.endpoint} has no such deployment; choose one of blue, green\n"
