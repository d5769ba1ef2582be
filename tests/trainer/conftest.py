"""A model of a few thousand weights and a handful of conversations, so that real training takes a second."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub.constants
import pytest
from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerBase, set_seed

from mlops.trainer.model_folder import write_model_folder
from mlops.trainer.tokenizer import train_tokenizer

COLORS = ("red", "green", "blue", "yellow", "black", "white", "pink", "brown")
CHATS = [
    [
        {"role": "user", "content": f"Do you like {color}?"},
        {"role": "assistant", "content": f"Yes, {color} is nice."},
        {"role": "user", "content": f"Why {color}, and not {other}?"},
        {"role": "assistant", "content": f"Because my {thing} is {color}."},
    ]
    for color in COLORS
    for other in ("gray", "gold")
    for thing in ("car", "cat")
]


@contextmanager
def closed_hub() -> Iterator[None]:
    """Close the Hub as the trainer's commands do, for a while: other tests of this process may want it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
            patch.setenv(name, "1")
        yield


@pytest.fixture(scope="module", autouse=True)
def hub() -> Iterator[None]:
    """Close the Hub for a module's tests."""
    with closed_hub():
        yield


@pytest.fixture(scope="session")
def chats() -> list[list[dict[str, str]]]:
    """Give the conversations."""
    return CHATS


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """Give a tokenizer that has read the conversations."""
    texts = [message["content"] for chat in CHATS for message in chat]
    return train_tokenizer(texts, vocab_size=400, max_length=256)


@pytest.fixture(scope="session")
def base_folder(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the MLflow folder of an untrained model."""
    set_seed(0)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    folder = tmp_path_factory.mktemp("models") / "base"
    with closed_hub():
        write_model_folder(
            Phi3ForCausalLM(config), tokenizer, folder, metadata={"base_model_name": "tiny"}, readme="# tiny"
        )
    return folder


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the conversations as a file of JSON Lines."""
    path = tmp_path_factory.mktemp("data") / "chats.jsonl"
    rows = [{"prompt": chat[0]["content"], "prompt_id": str(i), "messages": chat} for i, chat in enumerate(CHATS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
