"""The command takes the component's inputs and refuses what the component refuses."""

import pytest

from mlops.trainer.arguments import FinetuneArguments, parse_arguments
from mlops.trainer.errors import TrainerError
from mlops.trainer.finetune import main
from mlops.trainer.training_arguments import evaluation_steps

REQUIRED = ["--train_file_path", "train.jsonl", "--mlflow_model_folder", "out", "--mlflow_model_path", "model"]


def test_defaults_are_the_components() -> None:
    """What is not given is what chat_completion_pipeline 0.0.82 would take."""
    arguments = parse_arguments(FinetuneArguments, REQUIRED)
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
        (["--apply_deepspeed", "true", "--apply_fsdp", "true"], "both shard the model"),
        (["--precision", "4"], "--precision 4 needs --apply_lora true"),
        (["--precision", "4", "--apply_lora", "true", "--apply_fsdp", "true"], "cannot be coupled with --apply_fsdp"),
        (
            ["--precision", "4", "--apply_lora", "true", "--apply_deepspeed", "true", "--deepspeed_stage", "3"],
            "cannot be coupled with --deepspeed_stage 3",
        ),
        (["--save_steps", "0"], "--save_steps is 0; it must be at least 1"),
    ],
)
def test_refusals(values: list[str], message: str) -> None:
    """A combination the service would fail on fails here, with its words where it has any."""
    with pytest.raises(TrainerError, match=message):
        parse_arguments(FinetuneArguments, [*REQUIRED, *values])


def test_a_users_mistake_is_one_message_and_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for what the user can correct."""
    assert main([*REQUIRED, "--learning_rate", "-1"]) == 2
    assert capsys.readouterr().err.startswith("error: Invalid learning rate")


def test_evaluation_interval_is_a_share_of_an_epoch() -> None:
    """evaluation_steps_interval counts epochs, eval_steps counts steps."""
    assert (
        evaluation_steps(parse_arguments(FinetuneArguments, [*REQUIRED, "--eval_steps", "7"]), num_sequences=100) == 7
    )
    values = [*REQUIRED, "--evaluation_steps_interval", "0.5", "--per_device_train_batch_size", "5"]
    assert evaluation_steps(parse_arguments(FinetuneArguments, values), num_sequences=100) == 10
