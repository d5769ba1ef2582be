"""Packing changes how fast a model learns, never what."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from mlops.trainer.chat import IGNORED, EncodedConversation, encode
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
    """The first label of each conversation is ignored, and so is padding."""
    long, short = PackedSequence(), PackedSequence()
    long.append(conversation(2))
    long.append(conversation(3))
    short.append(conversation(2))
    batch = collate([long, short], pad_token_id=0)
    assert batch["labels"].tolist() == [[IGNORED, 2, IGNORED, 3, 3], [IGNORED, 2, IGNORED, IGNORED, IGNORED]]
    assert batch["position_ids"].tolist() == [[0, 1, 0, 1, 2], [0, 1, 0, 1, 2]]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_packed_loss_is_the_loss_alone(
    base_folder: Path, tokenizer: PreTrainedTokenizerBase, chats: Chats, implementation: str
) -> None:
    """A packed conversation has, to rounding, the loss it has alone: attention does not cross conversations."""
    model, _ = load(base_folder)
    model.set_attn_implementation(implementation)
    encoded = [encode(tokenizer, chat) for chat in chats[:6]]
    alone = score_conversations(model, tokenizer, encoded, batch_size=1)
    packed = pack(encoded, max_length=128)
    assert len(packed) < len(encoded)
    with torch.inference_mode():
        loss = model(**collate(packed, pad_token_id=tokenizer.pad_token_id)).loss
    expected = sum(score.total_loss for score in alone) / sum(score.num_tokens for score in alone)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
