"""A score is the model's own loss."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from mlops.trainer.chat import encode
from mlops.trainer.model_folder import load
from mlops.trainer.score import by_length, score_conversations

Chats = list[list[dict[str, str]]]


def test_score_agrees_with_transformers(base_folder: Path, tokenizer: PreTrainedTokenizerBase, chats: Chats) -> None:
    """Batches, padding and chunks leave the loss that transformers computes for each conversation alone."""
    model, _ = load(base_folder)
    chats = [chats[0], chats[1][:2], chats[2], chats[3][:2]]
    encoded = [encode(tokenizer, chat) for chat in chats]
    scores = score_conversations(model, tokenizer, encoded, batch_tokens=200)
    with torch.inference_mode():
        for score, conversation in zip(scores, encoded, strict=True):
            inputs, labels = torch.tensor([conversation.input_ids]), torch.tensor([conversation.labels])
            assert score.loss == pytest.approx(float(model(input_ids=inputs, labels=labels).loss), rel=1e-5)


def test_bytes_are_those_of_the_answers(base_folder: Path, tokenizer: PreTrainedTokenizerBase, chats: Chats) -> None:
    """Bits per byte divide by the text of the assistant, so that tokenizers do not matter."""
    model, _ = load(base_folder)
    (score,) = score_conversations(model, tokenizer, [encode(tokenizer, chats[0])], batch_tokens=1)
    assert score.num_bytes == len("Yes, red is nice." + "Because my car is red.")


def test_conversation_without_answer_has_no_loss(
    base_folder: Path, tokenizer: PreTrainedTokenizerBase, chats: Chats
) -> None:
    """Where the cut left no assistant token the loss is None, not zero."""
    model, _ = load(base_folder)
    (score,) = score_conversations(model, tokenizer, [encode(tokenizer, chats[0]).truncate(4)], batch_tokens=1)
    assert (score.loss, score.perplexity, score.bits_per_byte) == (None, None, None)


@given(lengths=st.lists(st.integers(0, 60)), batch_tokens=st.integers(1, 200))
def test_batches_are_complete_and_little_of_them_is_padding(lengths: list[int], batch_tokens: int) -> None:
    """Every index is in one batch; more than one row fits the budget, each at least half as long as the longest."""
    batches = list(by_length(lengths, batch_tokens=batch_tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= batch_tokens
        assert all(lengths[index] * 2 >= longest for index in batch)


def test_rows_of_like_length_share_a_batch() -> None:
    """As many as the budget allows, longest first."""
    assert list(by_length([3, 9, 1, 7, 40, 2], batch_tokens=20)) == [[4], [1, 3], [0, 5], [2]]
