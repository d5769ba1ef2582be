"""What may be asked for, and what is said to what may not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlops.errors import SettingsError
from mlops.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("percentage", ["0.1", "5", "100"])
def test_any_share_may_be_asked_for(percentage: str) -> None:
    """A thousandth or all."""
    assert load("local", variables={"MLOPS_DATA__PERCENTAGE": percentage}).data.percentage == float(percentage)


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"PERCENTAGE": "0"}, "data.percentage = 0: Input should be greater than 0"),
        ({"PERCENTAGE": "-1"}, "data.percentage = -1: Input should be greater than 0"),
        ({"PERCENTAGE": "101"}, "data.percentage = 101: Input should be less than or equal to 100"),
        ({"PERCENTAGE": "abc"}, "data.percentage = 'abc': Input should be a valid number"),
        ({"PERCENTAGE": ".nan"}, "data.percentage = nan: Input should be"),
        ({"PERCENTAGE": "null", "ROWS": "0"}, "data.rows = 0: Input should be greater than 0"),
        ({"PERCENTAGE": "null"}, "give either percentage or rows, and set the other to null"),
        ({"ROWS": "10"}, "give either percentage or rows, and set the other to null"),
        ({"MAX_TOKENS": "4096"}, "max_tokens needs a tokenizer to count them with"),
        ({"SOURCE": "azureml:chats"}, "a data asset is azureml:NAME:VERSION, or azureml:NAME:latest for the youngest"),
        ({"SEED": str(2**70)}, f"data.seed = {2**70}: Input should be less than {2**63}"),
        ({"SPLITS__EVAL": "x"}, "Input should be 'train', 'validation' or 'test'"),
    ],
)
def test_what_may_not_be_asked_for_is_answered_with_the_rule(variables: dict[str, str], rule: str) -> None:
    """Which setting, what it was, what it may be."""
    with pytest.raises(SettingsError) as error:
        load("local", variables={f"MLOPS_DATA__{name}": value for name, value in variables.items()})
    assert rule in str(error.value)


def test_the_stage_ends_with_2_and_the_rule(tmp_path: Path) -> None:
    """No traceback for a typing mistake, and no emulator started for it."""
    command = [sys.executable, "-m", "pipelines.prepare", "--environment", "local", "--run", "a"]
    environment = {"MLOPS_DATA__PERCENTAGE": "101", "AZUREML_EMULATOR_HOME": str(tmp_path / "home")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "MLOPS_DATA__PERCENTAGE: data.percentage = 101: Input should be less than or equal to 100" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert not list(tmp_path.iterdir())
