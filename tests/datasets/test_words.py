"""The hashed words of texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets import words

texts = st.lists(st.text(st.sampled_from("ab A.,'\n1\u00e9\u4f60\u0301\U0001f600")), max_size=6)


def spelled(text: str) -> list[bytes]:
    """Return the words of a text, as they are compared."""
    return words.normalize(text).split()


@given(texts, st.integers(1, 4))
def test_runs_have_the_same_hash_where_their_words_are_the_same(said: list[str], n: int) -> None:
    """One hash for the same words, another for others; a shorter text is one run, an empty one none."""
    hashes, bounds = words.split(said).grams(n)
    seen: dict[int, list[bytes]] = {}
    for index, text in enumerate(said):
        of_text = spelled(text)
        runs = [of_text[start : start + n] for start in range(max(1, len(of_text) - n + 1))] if of_text else []
        found = hashes[bounds[index] : bounds[index + 1]].tolist()
        assert len(found) == len(runs)
        for value, run in zip(found, runs, strict=True):
            assert seen.setdefault(value, run) == run
    assert len({tuple(run) for run in seen.values()}) == len(seen)


@given(texts, texts)
def test_a_text_has_the_same_hashes_wherever_it_stands(before: list[str], said: list[str]) -> None:
    """What stands before a text in a block does not change its hashes."""
    alone, together = words.split(said).grams(2), words.split([*before, *said]).grams(2)
    assert np.array_equal(alone[0], together[0][together[1][len(before)] :])


def test_case_and_punctuation_do_not_matter() -> None:
    """What a person would call the same words is the same, in every script."""
    assert spelled("Don't PANIC - it's 42!") == spelled("don t panic it s 42")
    assert spelled("\u00c9t\u00e9\u2026 na\u00efve\u201d") == spelled("\u00e9t\u00e9 na\u00efve")
    assert len(spelled("\u4f60\u597d\uff0c\u4e16\u754c")) == 4  # Han: a word each
    assert len(spelled("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35")) == 6  # Thai: a word each, too
    assert (
        len(spelled("\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e")) == 2
    )  # vowel signs belong to the word


def test_messages_join_into_one_text() -> None:
    """A run may begin in one message and end in the next, but not in another conversation."""
    joined = words.split(["a b", "c d", "e f"]).joined([2, 1])
    assert np.array_equal(joined.grams(3)[0], words.split(["a b c d", "e f"]).grams(3)[0])


def test_long_words_are_told_apart() -> None:
    """Words differ by their first 64 bytes and their length."""
    said = ["x" * 63 + "a", "x" * 63 + "b", "x" * 100, "x" * 101]
    assert len(set(words.split(said).grams(1)[0].tolist())) == 4
