"""The command takes the component's inputs and refuses what the component refuses."""

from pathlib import Path

import pytest

from mlops.trainer.arguments import parse_arguments
from mlops.trainer.errors import TrainerError
from mlops.trainer.finetune import main
from mlops.trainer.training_arguments import evaluation_steps, training_arguments

REQUIRED = ["--train_file_path", "train.jsonl", "--mlflow_model_folder", "out", "--mlflow_model_path", "model"]


def test_defaults_are_the_components() -> None:
    """What is not given is what chat_completion_pipeline 0.0.82 would take."""
    arguments = parse_arguments(REQUIRED)
    assert (arguments.learning_rate, arguments.num_train_epochs, arguments.lora_r, arguments.lora_alpha) == (
        2e-5,
        1,
        8,
        128,
    )
    assert (arguments.precision, arguments.max_seq_length, arguments.lr_scheduler_type) == ("32", -1, "linear")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["--learning_rate", "0"], "Learning rate should be greater than 0"),
        (["--optim", "sgd"], "--optim is 'sgd'; choose one of: adamw_torch, adafactor"),
        (["--lr_scheduler_type", "cosin"], "--lr_scheduler_type is 'cosin'"),
        (["--apply_deepspeed", "true", "--auto_find_batch_size", "true"], "cannot be coupled"),
        (["--apply_early_stopping", "true", "--evaluation_strategy", "disable"], "needs --evaluation_strategy"),
        (["--pytorch_model_path", "other"], "exactly one of"),
    ],
)
def test_refusals(values: list[str], message: str) -> None:
    """A combination the service would fail on fails here, with its words where it has any."""
    with pytest.raises(TrainerError, match=message):
        parse_arguments([*REQUIRED, *values])


def test_a_users_mistake_is_one_message_and_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for what the user can correct."""
    assert main([*REQUIRED, "--learning_rate", "-1"]) == 2
    assert capsys.readouterr().err.startswith("error: Invalid learning rate")


def test_deepspeed_without_cuda_is_said_and_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A laptop accepts the cloud's settings and says what it does not do."""
    values = [*REQUIRED, "--apply_deepspeed", "true", "--mlflow_model_folder", str(tmp_path / "out")]
    assert training_arguments(parse_arguments(values), num_sequences=10).deepspeed is None
    assert "DeepSpeed is not used: this machine has no CUDA device" in capsys.readouterr().out


def test_evaluation_interval_is_a_share_of_an_epoch() -> None:
    """evaluation_steps_interval counts epochs, eval_steps counts steps."""
    assert evaluation_steps(parse_arguments([*REQUIRED, "--eval_steps", "7"]), num_sequences=100) == 7
    values = [*REQUIRED, "--evaluation_steps_interval", "0.5", "--per_device_train_batch_size", "5"]
    assert evaluation_steps(parse_arguments(values), num_sequences=100) == 10
