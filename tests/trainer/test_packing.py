"""Packing changes how fast a model learns, never what."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mlops.trainer.attention import register
from mlops.trainer.chat import EncodedConversation, encode
from mlops.trainer.model_folder import load
from mlops.trainer.packing import PackedSequence, collate, pack
from mlops.trainer.score import score_conversations

Chats = list[list[dict[str, str]]]


def conversation(length: int) -> EncodedConversation:
    """Give a conversation of a length, all of it written by the assistant."""
    return EncodedConversation(input_ids=[length] * length, assistant_mask=[True] * length)


@given(st.lists(st.integers(1, 20), max_size=40))
@settings(max_examples=50, deadline=None)
def test_every_conversation_is_packed_whole_and_once(lengths: list[int]) -> None:
    """No sequence is too long, none is lost, none is split."""
    packed = pack([conversation(length) for length in lengths], max_length=20)
    assert all(len(sequence.input_ids) <= 20 for sequence in packed)
    starts = [position for sequence in packed for position in sequence.position_ids]
    assert starts.count(0) == len(lengths)
    assert sorted(token for sequence in packed for token in sequence.input_ids) == sorted(
        length for length in lengths for _ in range(length)
    )


def test_nobody_predicts_the_start_of_a_neighbour() -> None:
    """A batch is one row without padding; each label is predicted from the token before it, of the same chat."""
    long, short = PackedSequence(), PackedSequence()
    long.append(conversation(2))
    long.append(conversation(3))
    short.append(conversation(2))
    batch = collate([long, short])
    assert batch["input_ids"].tolist() == [[2, 2, 3, 3, 3, 2, 2]]
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2, 0, 1]]
    assert (batch["cu_seq_lens_q"].tolist(), batch["max_length_q"]) == ([0, 2, 5, 7], 3)
    assert (batch["logits_to_keep"].tolist(), batch["labels"].tolist()) == ([0, 2, 3, 5], [[2, 3, 3, 2]])


def nats(model: PreTrainedModel, sequences: list[PackedSequence]) -> float:
    """Give the summed loss of a batch."""
    batch = collate(sequences)
    with torch.inference_mode():
        return float(model(**batch).loss) * batch["labels"].numel()


@pytest.mark.parametrize("implementation", ["conversations", "sdpa", "eager"])
def test_packed_loss_is_the_loss_alone(
    base_folder: Path, tokenizer: PreTrainedTokenizerBase, chats: Chats, implementation: str
) -> None:
    """A packed conversation has, to 1e-4, the loss it has alone, whatever its neighbors and the kind of attention."""
    model, _ = load(base_folder)
    encoded = [encode(tokenizer, chat) for chat in chats[:6]]
    alone = score_conversations(model, tokenizer, encoded, batch_tokens=1)
    model.set_attn_implementation(register() if implementation == "conversations" else implementation)
    for neighbors in ([], encoded[3:], encoded[:3]):
        rest = nats(model, pack(neighbors, max_length=128)) if neighbors else 0.0
        for conversation, score in zip(encoded, alone, strict=True):
            row = PackedSequence()
            for item in (*neighbors, conversation):
                row.append(item)
            loss = (nats(model, [row]) - rest) / score.num_tokens
            assert loss == pytest.approx(score.loss, abs=1e-4)
