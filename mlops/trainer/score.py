"""The loss of a model on each conversation by itself."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .chat import IGNORED, EncodedConversation

CHUNK = 1024  # positions whose logits (x vocabulary) are in memory at once


@dataclass(frozen=True, kw_only=True)
class Score:
    """Total negative log likelihood, in nats, of the tokens the assistant wrote; and what they spell."""

    total_loss: float
    num_tokens: int
    num_bytes: int

    @property
    def loss(self) -> float | None:
        """Give the mean a token, None where max_length left no assistant token."""
        return self.total_loss / self.num_tokens if self.num_tokens else None

    @property
    def perplexity(self) -> float | None:
        """Give exp(loss)."""
        return None if self.loss is None else math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float | None:
        """Give the loss in bits per byte of text, which compares models of different tokenizers."""
        return self.total_loss / math.log(2) / self.num_bytes if self.num_bytes else None

    def __add__(self, other: "Score") -> "Score":
        """Pool two scores, each token with equal weight."""
        return Score(
            total_loss=self.total_loss + other.total_loss,
            num_tokens=self.num_tokens + other.num_tokens,
            num_bytes=self.num_bytes + other.num_bytes,
        )


def score_conversations(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[EncodedConversation],
    *,
    batch_tokens: int,
) -> list[Score]:
    """Score every conversation, at most batch_tokens tokens at a time; the scores stand in the order given."""
    losses = [0.0] * len(conversations)
    for indices in by_length([len(item.input_ids) for item in conversations], batch_tokens=batch_tokens):
        batch = [conversations[index] for index in indices]
        for index, loss in zip(indices, _total_losses(model, tokenizer, batch), strict=True):
            losses[index] = loss
    return [
        Score(total_loss=loss, num_tokens=item.num_targets, num_bytes=_num_bytes(tokenizer, item))
        for loss, item in zip(losses, conversations, strict=True)
    ]


def by_length(lengths: Sequence[int], *, batch_tokens: int) -> Iterator[list[int]]:
    """Yield batches of indices, longest first: less padding than content, and at most batch_tokens tokens with it.

    A single one that is longer is a batch by itself; so is one more than twice as long as all others.
    """
    order = deque(sorted(range(len(lengths)), key=lambda index: -lengths[index]))
    while order:
        longest = max(1, lengths[order[0]])
        batch = [order.popleft()]
        while order and len(batch) < batch_tokens // longest and lengths[order[0]] * 2 >= longest:
            batch.append(order.popleft())
        yield batch


@torch.inference_mode()
def _total_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Sequence[EncodedConversation]
) -> list[float]:
    """Sum the losses of each conversation, with logits only where there is a label.

    Padding stands at the end, where causal attention keeps it from all that counts: no mask is needed.
    """
    input_ids = _padded([item.input_ids for item in batch], value=tokenizer.pad_token_id, device=model.device)
    labels = _padded([item.labels for item in batch], value=IGNORED, device=model.device)[:, 1:]
    hidden = model.get_decoder()(input_ids=input_ids, use_cache=False).last_hidden_state[:, :-1]
    rows, positions = torch.nonzero(labels != IGNORED, as_tuple=True)
    totals = torch.zeros(len(batch), dtype=torch.float64, device=model.device)
    for row, position in zip(rows.split(CHUNK), positions.split(CHUNK), strict=True):
        logits = model.get_output_embeddings()(hidden[row, position]).float()
        losses = cross_entropy(logits, labels[row, position], reduction="none")
        totals.index_add_(0, row, losses.double())
    return [float(total) for total in totals]


def _padded(rows: Sequence[Sequence[int]], *, value: int, device: torch.device) -> torch.Tensor:
    tensors = [torch.tensor(row) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=value).to(device)


def _num_bytes(tokenizer: PreTrainedTokenizerBase, conversation: EncodedConversation) -> int:
    written = [token for token in conversation.labels[1:] if token != IGNORED]
    return len(str(tokenizer.decode(written, skip_special_tokens=True)).encode())
