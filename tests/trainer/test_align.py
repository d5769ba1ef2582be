"""A second step of training moves the model towards the answers that people prefer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mlops.trainer.align import main
from mlops.trainer.errors import TrainerError
from mlops.trainer.preferences import read_preferences

ASKED = [{"role": "user", "content": "Do you like red?"}]
YES = [{"role": "assistant", "content": "Yes, red is nice."}]
NO = [{"role": "assistant", "content": "No, my car is blue."}]


def write(path: Path, *records: Any) -> Path:
    """Write one record a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_the_preferred_answer_gains(base_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loss starts at ln 2, where the model is its own reference, and falls; the written weights moved."""
    file = write(tmp_path / "train.jsonl", *[{"prompt": ASKED, "chosen": YES, "rejected": NO}] * 10)
    values = {
        "mlflow_model_path": base_folder,
        "train_file_path": file,
        "mlflow_model_folder": tmp_path / "model",
        "learning_rate": 0.01,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 3,
        "logging_steps": 1,
        "apply_lora": "true",
    }
    assert main([f"--{name}={value}" for name, value in values.items()]) == 0
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split(" loss ")[1].split()[0]) for line in lines if " loss " in line]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1] < 0.5
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (base_folder, tmp_path / "model"))
    assert before.keys() == after.keys()
    assert not all(torch.equal(before[name], after[name]) for name in before)


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
