"""Four trainers of one model on the same packed conversations: ours and three peers."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, set_seed

import mlops.trainer.training_arguments
import mlops.trainer.weights
from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.chat import IGNORED
from mlops.trainer.finetune import Conversations, build_trainer, read_conversations
from mlops.trainer.packing import PackedSequence, pack
from mlops.trainer.training_arguments import settings, training_arguments
from mlops.trainer.weights import start

LENGTH, BATCH = 1024, 2


def trainers(folder: Path, precision: str, *, steps: int) -> dict[str, Callable[[], Trainer]]:
    """Return how to make each trainer; all have the same model, data, order and settings."""
    from mlops.trainer.model_folder import load_tokenizer

    arguments = FinetuneArguments(
        pytorch_model_path=folder / "model",
        train_file_path=folder / "chats.jsonl",
        test_file_path=folder / "chats.jsonl",
        mlflow_model_folder=folder / "out",
        max_seq_length=LENGTH,
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        precision=precision,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        logging_steps=1,
        evaluation_strategy="disable",
    )
    tokenizer = load_tokenizer(folder / "model")
    conversations = read_conversations(arguments, tokenizer)
    packed = random.Random(0).sample(pack(conversations.train, max_length=LENGTH), steps * BATCH)  # noqa: S311
    pad = tokenizer.pad_token_id

    def ours() -> Trainer:
        trainer = build_trainer(arguments, Conversations(train=conversations.train[:10], validation=[]))
        trainer.train_dataset = packed
        return trainer

    def plain(collator: Callable[..., Any]) -> Trainer:
        set_seed(arguments.seed)
        model = start(arguments, device=torch.device("cpu"))
        args = training_arguments(arguments, num_sequences=len(packed))
        return Trainer(model=model, args=args, data_collator=collator, train_dataset=packed)

    return {
        "ours": ours,
        "Trainer, packed": lambda: plain(partial(packed_batch, pad=pad)),
        "Trainer, not packed": lambda: plain(partial(padded_batch, pad=pad)),
        "TRL SFTTrainer": partial(trl, arguments, packed, tokenizer),
    }


def trl(arguments: FinetuneArguments, packed: list[PackedSequence], tokenizer: Any) -> Trainer:
    """Return TRL's trainer on the same sequences, whose conversations it keeps apart by their lengths."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": row.input_ids, "labels": row.labels, "seq_lengths": [len(part) for part in parts(row)]}
        for row in packed
    ]
    same = settings(arguments, num_sequences=len(packed)) | {"include_num_input_tokens_seen": "no"}
    config = SFTConfig(**same, max_length=LENGTH, packing=True, dataset_kwargs={"skip_prepare_dataset": True})
    model = start(arguments, device=torch.device("cpu"))
    trainer: Trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    return trainer


def parts(sequence: PackedSequence) -> list[range]:
    """Return where each conversation of a sequence stands."""
    starts = [index for index, position in enumerate(sequence.position_ids) if position == 0]
    return [range(*bounds) for bounds in zip(starts, [*starts[1:], len(sequence.position_ids)], strict=True)]


def packed_batch(sequences: list[PackedSequence], *, pad: int) -> dict[str, Any]:
    """Return a batch as transformers documents it for packed data: boundaries are read from the positions."""
    longest = max(len(sequence.input_ids) for sequence in sequences)
    rows = [(sequence, longest - len(sequence.input_ids)) for sequence in sequences]
    return {
        "input_ids": torch.tensor([row.input_ids + [pad] * more for row, more in rows]),
        "position_ids": torch.tensor([row.position_ids + list(range(more)) for row, more in rows]),
        "labels": torch.tensor([row.labels + [IGNORED] * more for row, more in rows]),
        "use_cache": False,
    }


def padded_batch(sequences: list[PackedSequence], *, pad: int) -> dict[str, Any]:
    """Return the same conversations one below the other, padded to the longest."""
    chats = [(sequence, part) for sequence in sequences for part in parts(sequence)]
    longest = max(len(part) for _, part in chats)

    def rows(name: str, filler: int) -> torch.Tensor:
        filled = [getattr(row, name)[part.start : part.stop] + [filler] * (longest - len(part)) for row, part in chats]
        return torch.tensor(filled)

    mask = torch.tensor([[1] * len(part) + [0] * (longest - len(part)) for _, part in chats])
    return {"input_ids": rows("input_ids", pad), "labels": rows("labels", IGNORED), "attention_mask": mask}


def useful_tokens(trainer: Trainer) -> float:
    """Return the tokens of an average step, without padding."""
    dataset: Any = trainer.train_dataset
    return BATCH * sum(len(sequence.input_ids) for sequence in dataset) / len(dataset)


def insist_on_bf16() -> None:
    """Compute in bf16 where it is asked for: without the instructions the trainer would not, the peers would."""
    for module in (mlops.trainer.training_arguments, mlops.trainer.weights):
        module.supports_bf16 = lambda _: True
