"""Fine-tuning learns, survives being killed and leaves a model that answers."""

# ruff: noqa: ARG002 (the Trainer names the arguments of its callbacks)

import dataclasses
from contextlib import redirect_stdout
from io import StringIO
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
from mlops.trainer.checkpoints import last_checkpoint
from mlops.trainer.finetune import build_trainer, finetune, read_conversations
from mlops.trainer.model_folder import load, load_tokenizer
from mlops.trainer.training_arguments import checkpoint_folder


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run: with which settings, and what it printed."""

    arguments: FinetuneArguments
    printed: str


@pytest.fixture(scope="module")
def unbroken(base_folder: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a run under which the tiny model learns its conversations, which nobody stopped."""
    folder, printed = tmp_path_factory.mktemp("unbroken"), StringIO()
    arguments = FinetuneArguments(
        mlflow_model_path=base_folder,
        train_file_path=data_file,
        validation_file_path=data_file,
        test_file_path=data_file,
        mlflow_model_folder=folder / "model",
        pytorch_model_folder=folder / "checkpoint",
        num_train_epochs=3,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        logging_steps=2,
        precision="16",
        apply_lora=True,
        lora_dropout=0.1,
    )
    with redirect_stdout(printed):
        finetune(arguments)
    return Run(arguments, printed.getvalue())


class KilledError(Exception):
    """Stands for the machine going away."""


class Killer(TrainerCallback):
    """Goes away in the second epoch, between two checkpoints."""

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Raise a little after a checkpoint that no epoch ended with."""
        if state.epoch and state.epoch > 1.5:
            raise KilledError


def build_doomed_trainer(*parts: Any) -> Trainer:
    """Build the trainer that does not live to see its end."""
    trainer = build_trainer(*parts)
    trainer.add_callback(Killer())
    return trainer


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a written model."""
    return load_file(folder / "model" / "model.safetensors")


def test_the_model_learns_and_says_how_far_it_is(unbroken: Run) -> None:
    """Every line tells step and steps, those of training the tokens a second; the validated loss goes down."""
    lines = unbroken.printed.splitlines()
    losses = [float(line.split("eval_loss ")[1].split()[0]) for line in lines if "eval_loss" in line]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    steps = [line for line in lines if " loss " in line]
    assert steps
    assert all(line.startswith("step ") and " tokens_per_second " in line for line in steps)


def test_the_written_model_answers(unbroken: Run) -> None:
    """A folder without machine paths and without a way to attend of our own, an answer in OpenAI's format."""
    folder = unbroken.arguments.mlflow_model_folder
    description = (folder / "MLmodel").read_text(encoding="utf-8")
    assert str(folder.parent) not in description
    assert {"transformers", "python_function"} == set(yaml.safe_load(description)["flavors"])
    assert "attn_implementation" not in (folder / "model" / "config.json").read_text(encoding="utf-8")
    load(unbroken.arguments.pytorch_model_folder)
    model = mlflow.pyfunc.load_model(str(folder))
    chat = {"messages": [{"role": "user", "content": "Do you like red?"}], "max_tokens": 5, "temperature": 0.0}
    first, second = (model.predict(chat)[0] for _ in range(2))
    assert first["choices"][0]["message"]["role"] == "assistant"
    assert first["choices"][0]["message"] == second["choices"][0]["message"]
    assert first["usage"]["completion_tokens"] <= 5


def test_lora_is_merged(unbroken: Run) -> None:
    """The written weights have the base model's names and shapes; LoRA's layers and no others moved."""
    before, after = (
        weights(folder) for folder in (unbroken.arguments.mlflow_model_path, unbroken.arguments.mlflow_model_folder)
    )
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "proj" in name}


def test_killed_run_ends_where_an_unbroken_one_does(
    unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming in the middle of an epoch, past a checkpoint cut short, gives the weights of a run nobody stopped."""
    arguments = dataclasses.replace(unbroken.arguments, mlflow_model_folder=tmp_path / "model", save_steps=1)
    with monkeypatch.context() as patch:
        patch.setattr(finetune_module, "build_trainer", build_doomed_trainer)
        with pytest.raises(KilledError):
            finetune(arguments)
    assert not arguments.mlflow_model_folder.exists()
    last = last_checkpoint(checkpoint_folder(arguments))
    assert last
    torn = last.with_name("checkpoint-1000")
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"epoch": 1.', encoding="utf-8")
    finetune(dataclasses.replace(arguments, resume_from_checkpoint=True))
    torch.testing.assert_close(weights(arguments.mlflow_model_folder), weights(unbroken.arguments.mlflow_model_folder))


def test_sequences_are_no_longer_than_the_model(unbroken: Run) -> None:
    """-1 is the model's own length and more is cut to it."""
    arguments = unbroken.arguments
    for length, expected in ((-1, 256), (1000, 256), (32, 32)):
        assert finetune_module.max_sequence_length(dataclasses.replace(arguments, max_seq_length=length)) == expected
    tokenizer = load_tokenizer(arguments.model_path)
    conversations = read_conversations(dataclasses.replace(arguments, max_seq_length=32), tokenizer)
    assert max(len(item.input_ids) for item in conversations.train) == 32
