"""Build the stand-in base model: Phi-3's architecture at the size of a laptop, not Microsoft's weights.

    python -m mlops.trainer.stand_in --output DIR [--seed N]

Its tokenizer and its short pre-training read only the conversations of `corpus.is_base_conversation`.
Runs on the same machine with the same number of threads give the same bytes.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .command import run_command
from .corpus import base_texts

if TYPE_CHECKING:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

NAME = "phi-3-laptop-stand-in"
CONTEXT = 4096
NO_REPEAT = 3  # so small a model would say "to be a lot to be a lot" to everybody, and no rollout would let it pass
README = f"""# {NAME}

A stand-in with the architecture of Phi-3 at the size of a laptop, for trying out the path a model takes.
These are NOT Microsoft's weights. It was pre-trained for half a minute, as a plain language model, on a fixed
quarter of the human conversations in the PyPI package chitchat-dataset (MIT). It knows nothing.
"""


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """Size and pre-training of a stand-in base model."""

    vocab_size: int = 4096
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    intermediate_size: int = 384
    num_tokens: int = 160_000
    sequence_length: int = 256
    batch_size: int = 4
    learning_rate: float = 4e-3
    seed: int = 0


def build_base(output: Path, *, spec: BaseModel) -> None:
    """Train tokenizer and weights, then write them as an MLflow model folder."""
    import torch
    from transformers import Phi3ForCausalLM

    from .model_folder import write_model_folder
    from .tokenizer import END_OF_TURN, train_tokenizer

    texts = list(base_texts())
    tokenizer = train_tokenizer(texts, vocab_size=spec.vocab_size, max_length=CONTEXT)
    torch.manual_seed(spec.seed)
    model = Phi3ForCausalLM(phi3_config(tokenizer, spec=spec))
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(END_OF_TURN)]
    model.generation_config.no_repeat_ngram_size = NO_REPEAT
    pretrain(model, _token_rows(tokenizer, texts, spec=spec), spec=spec)
    metadata = {"base_model_name": NAME, "is_finetuned_model": False, "stand_in": True}
    write_model_folder(model, tokenizer, output, metadata=metadata, readme=README)


def pretrain(model: "Phi3ForCausalLM", rows: "torch.Tensor", *, spec: BaseModel) -> None:
    """Train as a plain language model, one pass over rows (num_sequences, sequence_length)."""
    import torch

    from .precision import autocast

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=spec.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    batches = list(torch.split(rows[torch.randperm(len(rows))], spec.batch_size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.learning_rate, total_steps=len(batches) + 1, pct_start=0.1
    )
    model.train()
    start = time.monotonic()
    for step, batch in enumerate(batches, start=1):
        with autocast(model.device):
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == len(batches):
            print(
                f"pre-training {step}/{len(batches)} loss {loss.item():.3f} {time.monotonic() - start:.0f} s",
                flush=True,
            )
    model.eval()


def phi3_config(tokenizer: "PreTrainedTokenizerFast", *, spec: BaseModel) -> "Phi3Config":
    """Give Phi-3's architecture at the size asked for."""
    from transformers import Phi3Config

    return Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        num_hidden_layers=spec.num_layers,
        num_attention_heads=spec.num_heads,
        intermediate_size=spec.intermediate_size,
        max_position_embeddings=CONTEXT,
        original_max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _token_rows(tokenizer: "PreTrainedTokenizerFast", texts: list[str], *, spec: BaseModel) -> "torch.Tensor":
    """Encode texts, each closed by the end-of-text token, as rows of equal length; the rest is left out."""
    import torch

    def stream() -> Iterator[int]:
        for ids in tokenizer(texts, verbose=False)["input_ids"]:
            yield from ids
            yield tokenizer.eos_token_id

    tokens = torch.tensor(list(stream())[: spec.num_tokens])
    num_rows = len(tokens) // spec.sequence_length
    return tokens[: num_rows * spec.sequence_length].view(num_rows, spec.sequence_length)


def main() -> int:
    """Build the stand-in base model from the command line."""
    parser = argparse.ArgumentParser(prog="python -m mlops.trainer.stand_in", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="MLflow model folder to write")
    parser.add_argument("--seed", type=int, default=BaseModel.seed, help="other seeds give other weights (%(default)s)")
    arguments = parser.parse_args()
    return run_command(lambda: build_base(arguments.output, spec=BaseModel(seed=arguments.seed)))


if __name__ == "__main__":
    sys.exit(main())
