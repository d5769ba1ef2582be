"""What a second step of training learns from; that it learns is shown by tests/pipelines/test_finetune_jobs.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlops.trainer.errors import TrainerError
from mlops.trainer.preferences import read_preferences

ASKED = [{"role": "user", "content": "Do you like red?"}]
YES = [{"role": "assistant", "content": "Yes, red is nice."}]
NO = [{"role": "assistant", "content": "No, my car is blue."}]


def write(path: Path, *records: Any) -> Path:
    """Write one record a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"prompt": ASKED, "chosen": YES}, "line 1: rejected: no list of messages"),
        ({"prompt": ASKED, "chosen": ASKED, "rejected": NO}, "line 1: chosen must be one assistant message"),
        ({"prompt": [{"role": "bot"}], "chosen": YES, "rejected": NO}, "line 1: messages holds"),
    ],
)
def test_a_row_that_is_no_preference_stops(record: Any, message: str, tmp_path: Path) -> None:
    """The line and what it should hold are named, before a model is loaded."""
    with pytest.raises(TrainerError, match=message):
        read_preferences(write(tmp_path / "train.jsonl", record))
