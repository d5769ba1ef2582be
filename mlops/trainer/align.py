"""Align a fine-tuned model with what people prefer (direct preference optimization), inside an Azure ML job.

python -m mlops.trainer.align --mlflow_model_path DIR --train_file_path FILE --mlflow_model_folder DIR

The files hold preferences; everything else is as in `finetune`. Rafailov et al. 2023, by TRL.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .arguments import AlignArguments, parse_arguments
from .command import run_command
from .finetune import max_sequence_length, train, write

METRICS = "dpo_"  # before the names of its metrics: the whole job's run has those of fine-tuning, too

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

    from .preferences import Preference


def align(arguments: AlignArguments) -> None:
    """Train on preferences and write the model as MLflow and plain folder; without validation the last tenth is that.

    Raises TrainerError where the data or the model cannot be used.
    """
    from transformers import set_seed

    from .model_folder import load_tokenizer
    from .preferences import read_preferences

    set_seed(arguments.seed)
    tokenizer = load_tokenizer(arguments.model_path)
    preferences = read_preferences(arguments.train_file_path)
    if arguments.validation_file_path:
        validation = read_preferences(arguments.validation_file_path)
    else:
        cut = len(preferences) * 9 // 10
        preferences, validation = preferences[:cut], preferences[cut:]
    trainer = build_trainer(arguments, tokenizer, preferences, validation)
    trained = train(arguments, trainer)
    if trainer.is_world_process_zero():
        write(arguments, tokenizer, trained, what=f"aligned by DPO on {len(preferences)} preferences")


def build_trainer(
    arguments: AlignArguments,
    tokenizer: "PreTrainedTokenizerBase",
    preferences: "list[Preference]",
    validation: "list[Preference]",
) -> "Trainer":
    """Set TRL's trainer up; the model as it is before the first step is the reference, asked once for all."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from .callbacks import callbacks
    from .lora import adapter
    from .training_arguments import settings
    from .weights import start

    config = DPOConfig(
        **settings(arguments, num_sequences=len(preferences)),
        beta=arguments.dpo_beta,
        max_length=max_sequence_length(arguments),
        precompute_ref_log_probs=True,
    )
    trainer: Trainer = DPOTrainer(
        model=start(arguments, device=config.device),
        args=config,
        train_dataset=Dataset.from_list(preferences),
        eval_dataset=Dataset.from_list(validation),
        processing_class=tokenizer,
        peft_config=adapter(arguments) if arguments.apply_lora else None,
        callbacks=callbacks(arguments, prefix=METRICS),
    )
    return trainer


def main(values: Sequence[str] | None = None) -> int:
    """Align from the command line."""
    return run_command(lambda: align(parse_arguments(AlignArguments, values)))


if __name__ == "__main__":
    sys.exit(main())
