"""What a person would call an answer."""

from __future__ import annotations

import pytest

from mlops.rollout.answers import is_bad, rouge_1


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("I am fine, thanks. And you?", False),
        ("Grüße! 你好, как дела? 🙂", False),
        ("yes", False),
        ("cut in the middle of an emoji \ufffd\ufffd", False),
        ("", True),
        (" \n", True),
        ("I am \ufffd fine", True),
        ("beep\x07", True),
        ("#@!$ %^&* (){} #@!", True),
        ("the the the the the " * 10, True),
    ],
)
def test_empty_broken_and_looping_texts_are_bad(text: str, *, bad: bool) -> None:
    """Any language is fine; nothing, noise and loops are not."""
    assert is_bad(text) is bad


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("a b c d", "a b c d", 1.0),
        ("a b", "c d", 0.0),
        ("a b c d", "a b x y", 0.5),
        ("", "a", 0.0),
    ],
)
def test_rouge_counts_common_words_once_each(text: str, reference: str, score: float) -> None:
    """The F-measure of ROUGE-1, by hand."""
    assert rouge_1(text, reference) == score
