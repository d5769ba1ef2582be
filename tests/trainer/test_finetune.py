"""Fine-tuning learns, survives being killed and leaves a model that answers."""

# ruff: noqa: ARG002 (the Trainer names the arguments of its callbacks)

import dataclasses
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mlops.trainer import finetune as finetune_module
from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.finetune import build_trainer, finetune, read_conversations
from mlops.trainer.model_folder import load
from mlops.trainer.training_arguments import checkpoint_folder


@pytest.fixture
def arguments(base_folder: Path, data_file: Path, tmp_path: Path) -> FinetuneArguments:
    """Give settings under which the tiny model learns its conversations."""
    return FinetuneArguments(
        mlflow_model_path=base_folder,
        train_file_path=data_file,
        validation_file_path=data_file,
        test_file_path=data_file,
        mlflow_model_folder=tmp_path / "model",
        pytorch_model_folder=tmp_path / "checkpoint",
        num_train_epochs=3,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        apply_lora=True,
        lora_dropout=0.1,
    )


class KilledError(Exception):
    """Stands for the machine going away."""


class Killer(TrainerCallback):
    """Goes away in the second epoch."""

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Raise a little after the first epoch's checkpoint."""
        if state.epoch and state.epoch > 1.2:
            raise KilledError


def build_doomed_trainer(*parts: Any) -> Trainer:
    """Build the trainer that does not live to see its end."""
    trainer = build_trainer(*parts)
    trainer.add_callback(Killer())
    return trainer


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a written model."""
    return load_file(folder / "model" / "model.safetensors")


def test_model_learns_and_answers(arguments: FinetuneArguments, capsys: pytest.CaptureFixture[str]) -> None:
    """One run: progress lines, lower loss, a folder without machine paths, an answer in OpenAI's format."""
    finetune(arguments)
    lines = [line for line in capsys.readouterr().out.splitlines() if "eval_loss" in line]
    losses = [float(line.split("eval_loss ")[1].split()[0]) for line in lines]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    description = (arguments.mlflow_model_folder / "MLmodel").read_text(encoding="utf-8")
    assert str(arguments.mlflow_model_folder.parent) not in description
    assert {"transformers", "python_function"} == set(yaml.safe_load(description)["flavors"])
    load(arguments.pytorch_model_folder)
    model = mlflow.pyfunc.load_model(str(arguments.mlflow_model_folder))
    chat = {"messages": [{"role": "user", "content": "Do you like red?"}], "max_tokens": 5, "temperature": 0.0}
    first, second = (model.predict(chat)[0] for _ in range(2))
    assert first["choices"][0]["message"]["role"] == "assistant"
    assert first["choices"][0]["message"] == second["choices"][0]["message"]
    assert first["usage"]["completion_tokens"] <= 5


def test_lora_is_merged(arguments: FinetuneArguments) -> None:
    """The written weights have the base model's names and shapes; LoRA's layers and no others moved."""
    finetune(dataclasses.replace(arguments, num_train_epochs=1))
    before, after = weights(arguments.mlflow_model_path), weights(arguments.mlflow_model_folder)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "proj" in name}


def test_killed_run_ends_where_an_unbroken_one_does(
    arguments: FinetuneArguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming after the first epoch's checkpoint gives the weights of a run nobody stopped."""
    unbroken = dataclasses.replace(arguments, mlflow_model_folder=tmp_path / "unbroken")
    finetune(unbroken)

    with monkeypatch.context() as patch:
        patch.setattr(finetune_module, "build_trainer", build_doomed_trainer)
        with pytest.raises(KilledError):
            finetune(arguments)
    assert not arguments.mlflow_model_folder.exists()
    assert any(checkpoint_folder(arguments).iterdir())
    finetune(dataclasses.replace(arguments, resume_from_checkpoint=True))
    torch.testing.assert_close(weights(arguments.mlflow_model_folder), weights(unbroken.mlflow_model_folder))


def test_sequences_are_no_longer_than_the_model(arguments: FinetuneArguments) -> None:
    """-1 is the model's own length and more is cut to it."""
    model, tokenizer = load(arguments.model_path)
    for length, expected in ((-1, 256), (1000, 256), (32, 32)):
        changed = dataclasses.replace(arguments, max_seq_length=length)
        assert finetune_module.max_sequence_length(changed, model) == expected
    conversations = read_conversations(dataclasses.replace(arguments, max_seq_length=32), model, tokenizer)
    assert max(len(item.input_ids) for item in conversations.train) == 32
