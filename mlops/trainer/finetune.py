"""Fine-tune a chat model on the tokens its assistant wrote, inside an Azure ML job.

python -m mlops.trainer.finetune --mlflow_model_path DIR --train_file_path FILE --mlflow_model_folder DIR
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import FinetuneArguments, parse_arguments
from .command import run_command

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

    from .chat import EncodedConversation

LORA_MODULES = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]  # all of Phi-3's linear layers
README = """# {name}, fine-tuned

Fine-tuned from `{name}` on {num_rows} conversations, loss on the assistant's tokens only.

{settings}
"""


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """Encoded conversations to train and to validate on."""

    train: "list[EncodedConversation]"
    validation: "list[EncodedConversation]"


def finetune(arguments: FinetuneArguments) -> None:
    """Train, merge the LoRA weights into the model's and write the model as MLflow and plain folder.

    Raises TrainerError where the data or the model cannot be used.
    """
    from transformers import set_seed

    from .model_folder import find_parts, load, write_model_folder

    set_seed(arguments.seed)
    model, tokenizer = load(arguments.model_path, ignore_mismatched_sizes=arguments.ignore_mismatched_sizes)
    conversations = read_conversations(arguments, model, tokenizer)
    name = find_parts(arguments.model_path).name
    model = train(arguments, model, tokenizer, conversations)
    write_model_folder(
        model,
        tokenizer,
        arguments.mlflow_model_folder,
        metadata={"base_model_name": name, "is_finetuned_model": True},
        readme=_readme(arguments, name=name, num_rows=len(conversations.train)),
    )
    if arguments.pytorch_model_folder:
        _copy_checkpoint(arguments.mlflow_model_folder, arguments.pytorch_model_folder)


def read_conversations(
    arguments: FinetuneArguments, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase"
) -> Conversations:
    """Read, split and encode the data files."""
    from .data import encode_rows, read_rows, require_train_rows, split_rows

    validation_path = arguments.validation_file_path
    train, validation = split_rows(
        read_rows(arguments.train_file_path),
        read_rows(validation_path) if validation_path else None,
        has_test=arguments.test_file_path is not None,
    )
    require_train_rows(train, path=arguments.train_file_path)
    max_length = max_sequence_length(arguments, model)
    conversations = Conversations(
        train=encode_rows(tokenizer, train, max_length=max_length),
        validation=encode_rows(tokenizer, validation, max_length=max_length),
    )
    print(
        f"data: {len(train)} train rows, {len(validation)} validation rows, "
        f"{sum(item.num_targets for item in conversations.train):,} assistant tokens to learn",
        flush=True,
    )
    return conversations


def max_sequence_length(arguments: FinetuneArguments, model: "PreTrainedModel") -> int:
    """Give the length of a training sequence in tokens: -1 is the model's own, and no more than that."""
    own = int(model.config.max_position_embeddings)
    return own if arguments.max_seq_length == -1 else min(arguments.max_seq_length, own)


def train(
    arguments: FinetuneArguments,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    conversations: Conversations,
) -> "PreTrainedModel":
    """Run the Trainer, from the last checkpoint if asked, and give the model with LoRA merged in."""
    from transformers.trainer_utils import get_last_checkpoint

    trainer = build_trainer(arguments, model, tokenizer, conversations)
    folder = Path(str(trainer.args.output_dir))
    if not arguments.resume_from_checkpoint:
        shutil.rmtree(folder, ignore_errors=True)
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if last:
        print(f"resuming from {last}", flush=True)
    trainer.train(resume_from_checkpoint=last)
    trained: Any = trainer.model
    finished: PreTrainedModel = trained.merge_and_unload() if arguments.apply_lora else trained
    return finished


def build_trainer(
    arguments: FinetuneArguments,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    conversations: Conversations,
) -> "Trainer":
    """Set the Trainer up on packed sequences."""
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer

    from .callbacks import MlflowMetrics, ProgressLines
    from .packing import collate, pack
    from .training_arguments import training_arguments

    max_length = max_sequence_length(arguments, model)
    packed = pack(conversations.train, max_length=max_length)
    settings = training_arguments(arguments, num_sequences=len(packed))
    trainer = Trainer(
        model=_with_lora(model, arguments) if arguments.apply_lora else model,
        args=settings,
        data_collator=partial(collate, pad_token_id=tokenizer.pad_token_id),
        train_dataset=packed,
        eval_dataset=pack(conversations.validation, max_length=max_length),
    )
    trainer.remove_callback(PrinterCallback)
    mean_length = sum(len(sequence.input_ids) for sequence in packed) / len(packed)
    batch_size = settings.train_batch_size * settings.gradient_accumulation_steps
    trainer.add_callback(ProgressLines(tokens_per_step=mean_length * batch_size))
    trainer.add_callback(MlflowMetrics())
    if arguments.apply_early_stopping:
        trainer.add_callback(
            EarlyStoppingCallback(arguments.early_stopping_patience, arguments.early_stopping_threshold)
        )
    return trainer


def main(values: Sequence[str] | None = None) -> int:
    """Fine-tune from the command line."""
    return run_command(lambda: finetune(parse_arguments(values)))


def _with_lora(model: "PreTrainedModel", arguments: FinetuneArguments) -> Any:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules=LORA_MODULES,
    )
    return get_peft_model(model, lora)


def _readme(arguments: FinetuneArguments, *, name: str, num_rows: int) -> str:
    paths = ("path", "folder")
    settings = "\n".join(f"- {key}: {value}" for key, value in asdict(arguments).items() if not key.endswith(paths))
    return README.format(name=name, num_rows=num_rows, settings=settings)


def _copy_checkpoint(source: Path, folder: Path) -> None:
    """Write weights and tokenizer side by side, as `from_pretrained` reads them."""
    from .model_folder import find_parts

    parts = find_parts(source)
    for part in (parts.weights, parts.tokenizer):
        shutil.copytree(part, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
