"""How long conversations are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import CharDelimiterSplit

from mlops.datasets.lengths import lengths, measure
from mlops.errors import DataError


def row(*texts: str) -> dict[str, object]:
    """Return a conversation."""
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def test_words_without_a_tokenizer() -> None:
    """All messages count, and the last bar holds the few that are much longer."""
    found = lengths([row("a b", "c")] * 300 + [row("a " * 10_000)], tokenizer=None)
    assert (found.unit, found.longest, found.percentiles[50], found.num_measured) == ("words", 10_000, 3, 301)
    assert sum(found.counts) == 301
    assert found.edges[-1] < 10_000


def test_tokens_with_one(tmp_path: Path) -> None:
    """A tokenizer.json decides what a token is."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))  # noqa: S106 - not that kind of token
    tokenizer.pre_tokenizer = CharDelimiterSplit("-")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert measure([row("a-b-c d"), row("a")], tokenizer=tmp_path / "tokenizer.json").tolist() == [3, 1]
    with pytest.raises(DataError, match=r"data\.tokenizer"):
        measure([row("a")], tokenizer=tmp_path / "none.json")


def test_empty_conversations_have_a_histogram() -> None:
    """Nothing to see is no mistake."""
    assert sum(lengths([row("...")] * 3, tokenizer=None).counts) == 3
