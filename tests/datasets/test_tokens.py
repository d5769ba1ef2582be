"""Token counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE

from mlops.datasets.tokens import TEMPLATE_TOKENS, TokenLimits, find_tokenizer
from mlops.errors import DataError

if TYPE_CHECKING:
    from conftest import Hub


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small byte-level tokenizer, as most models have."""
    found = Tokenizer(BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    found.train_from_iterator(["the cat sat on the mat"] * 50, trainers.BpeTrainer(initial_alphabet=alphabet))
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    found.save(str(path))
    return path


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=2), max_tokens=st.integers(16, 80))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_decide_as_tokens_would(tokenizer: Path, texts: list[str], max_tokens: int) -> None:
    """The shortcut by bytes never changes the answer, in any language."""
    roles = ("system", "user") if len(texts) > 1 else ("user",)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    limits = TokenLimits(tokenizer, max_tokens)
    counted = sum(map(limits.count, texts)) + TEMPLATE_TOKENS * (len(texts) + 1)
    assert limits.truncates_every_answer([*messages, {"role": "assistant", "content": "x"}]) == (counted >= max_tokens)


def test_a_tokenizer_is_that_of_a_model_of_the_hub(hub: Hub, tokenizer: Path, tmp_path: Path) -> None:
    """Its one file is downloaded, nothing else of the model."""
    model = hub.add("nobody/model", {"tokenizer.json": tokenizer.read_bytes(), "model.parquet": b"large"}, {})
    path = find_tokenizer(f"hub:nobody/model@{model.commit}", cache=tmp_path)
    assert TokenLimits(path, 100).count("the cat") == TokenLimits(tokenizer, 100).count("the cat")
    assert not hub.asked("GET", "model.parquet")
    with pytest.raises(DataError, match="hub:nobody/other@main: does not exist, or is private"):
        find_tokenizer("hub:nobody/other@main", cache=tmp_path)


def test_a_tokenizer_is_a_file_or_in_a_folder(tokenizer: Path, tmp_path: Path) -> None:
    """A model's folder has one; anything else gets a sentence."""
    assert find_tokenizer(str(tokenizer), cache=tmp_path) == tokenizer
    assert find_tokenizer(str(tokenizer.parent), cache=tmp_path) == tokenizer
    with pytest.raises(DataError, match=r"data.tokenizer .*/tokenizer.json: No such file or directory"):
        find_tokenizer(str(tmp_path), cache=tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"is no tokenizer.json of the tokenizers library"):
        find_tokenizer(str(tmp_path), cache=tmp_path)
