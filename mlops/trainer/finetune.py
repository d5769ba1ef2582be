"""Fine-tune a chat model on the tokens its assistant wrote, inside an Azure ML job, on one GPU or many.

python -m mlops.trainer.finetune --mlflow_model_path DIR --train_file_path FILE --mlflow_model_folder DIR
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import FinetuneArguments, parse_arguments
from .command import run_command

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

    from .chat import EncodedConversation

README = """# {name}, fine-tuned

`{name}`, {what}; the loss is that of the assistant's tokens.

{settings}
"""


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """Encoded conversations to train and to validate on."""

    train: "list[EncodedConversation]"
    validation: "list[EncodedConversation]"

    def __str__(self) -> str:
        """Say how many, and how much there is to learn."""
        learned = sum(item.num_targets for item in self.train)
        return f"{len(self.train)} to train, {len(self.validation)} to validate, {learned:,} assistant tokens to learn"


def finetune(arguments: FinetuneArguments) -> None:
    """Train, merge the LoRA weights into the model's and write the model as MLflow and plain folder.

    Raises TrainerError where the data or the model cannot be used.
    """
    from transformers import set_seed

    from .model_folder import load_tokenizer

    set_seed(arguments.seed)
    tokenizer = load_tokenizer(arguments.model_path)
    conversations = read_conversations(arguments, tokenizer)
    trainer = build_trainer(arguments, conversations)
    if trainer.is_world_process_zero():
        print(f"conversations: {conversations}", flush=True)
    trained = train(arguments, trainer)
    if trainer.is_world_process_zero():
        write(arguments, tokenizer, trained, what=f"fine-tuned on {len(conversations.train)} conversations")


def read_conversations(arguments: FinetuneArguments, tokenizer: "PreTrainedTokenizerBase") -> Conversations:
    """Read, split and encode the data files."""
    from .data import encode_rows, read_rows, require_train_rows, split_rows

    validation_path = arguments.validation_file_path
    train, validation = split_rows(
        read_rows(arguments.train_file_path),
        read_rows(validation_path) if validation_path else None,
        has_test=arguments.test_file_path is not None,
    )
    require_train_rows(train, path=arguments.train_file_path)
    max_length = max_sequence_length(arguments)
    return Conversations(
        train=encode_rows(tokenizer, train, max_length=max_length),
        validation=encode_rows(tokenizer, validation, max_length=max_length),
    )


def max_sequence_length(arguments: FinetuneArguments) -> int:
    """Give the length of a training sequence in tokens: -1 is the model's own, and no more than that."""
    from .model_folder import load_config

    own = int(load_config(arguments.model_path).max_position_embeddings)
    return own if arguments.max_seq_length == -1 else min(arguments.max_seq_length, own)


def build_trainer(arguments: FinetuneArguments, conversations: Conversations) -> "Trainer":
    """Set the Trainer up on packed sequences."""
    from transformers import Trainer

    from .callbacks import callbacks
    from .packing import collate, pack
    from .training_arguments import training_arguments
    from .weights import learner

    max_length = max_sequence_length(arguments)
    packed = pack(conversations.train, max_length=max_length)
    # Before the weights: how they are loaded depends on how they will be sharded.
    settings = training_arguments(arguments, num_sequences=len(packed))
    return Trainer(
        model=learner(arguments, device=settings.device),
        args=settings,
        data_collator=collate,
        train_dataset=packed,
        eval_dataset=pack(conversations.validation, max_length=max_length),
        callbacks=callbacks(arguments),
    )


def train(arguments: FinetuneArguments, trainer: "Trainer") -> Path:
    """Run the Trainer, from the last checkpoint if asked, and give the folder with the best weights or adapter."""
    from transformers import PrinterCallback

    from .checkpoints import last_checkpoint

    trainer.remove_callback(PrinterCallback)
    folder = Path(str(trainer.args.output_dir))
    last = last_checkpoint(folder) if arguments.resume_from_checkpoint else None
    if trainer.is_world_process_zero():
        if last:
            print(f"resuming from {last}", flush=True)
        elif not arguments.resume_from_checkpoint:
            shutil.rmtree(folder, ignore_errors=True)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    trainer.save_model(str(folder / "trained"))
    return folder / "trained"


def write(arguments: FinetuneArguments, tokenizer: "PreTrainedTokenizerBase", trained: Path, *, what: str) -> None:
    """Write the model as an MLflow folder and, where asked for, as a plain one."""
    from .model_folder import find_parts, write_model_folder
    from .weights import finished

    name = find_parts(arguments.model_path).name
    write_model_folder(
        finished(arguments, trained),
        tokenizer,
        arguments.mlflow_model_folder,
        metadata={"base_model_name": name, "is_finetuned_model": True},
        readme=_readme(arguments, name=name, what=what),
    )
    shutil.rmtree(trained)
    if arguments.pytorch_model_folder:
        _copy_checkpoint(arguments.mlflow_model_folder, arguments.pytorch_model_folder)


def main(values: Sequence[str] | None = None) -> int:
    """Fine-tune from the command line."""
    return run_command(lambda: finetune(parse_arguments(FinetuneArguments, values)))


def _readme(arguments: FinetuneArguments, *, name: str, what: str) -> str:
    values = {key: value for key, value in asdict(arguments).items() if isinstance(value, bool | int | float | str)}
    settings = "\n".join(f"- {key}: {value}" for key, value in values.items())  # no paths, which mean nothing elsewhere
    return README.format(name=name, what=what, settings=settings)


def _copy_checkpoint(source: Path, folder: Path) -> None:
    """Write weights and tokenizer side by side, as `from_pretrained` reads them."""
    from .model_folder import find_parts

    parts = find_parts(source)
    for part in (parts.weights, parts.tokenizer):
        shutil.copytree(part, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
