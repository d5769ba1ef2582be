"""Which conversations can be trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from mlops.datasets.tokens import TokenLimits
from mlops.datasets.validate import Reason, _first_problem, _is_sound, problem

ROLES = ("system", "user", "assistant")


def row(*roles: str, content: object = "text") -> dict[str, object]:
    """Return a conversation with these roles."""
    return {"messages": [{"role": role, "content": content} for role in roles]}


@pytest.mark.parametrize("roles", [("user", "assistant"), ("system", "user", "assistant"), ("user", "assistant") * 40])
def test_alternating_conversations_pass(roles: tuple[str, ...]) -> None:
    """An optional system message, then user and assistant in turn, the assistant last."""
    assert problem(row(*roles)) is None


@pytest.mark.parametrize("text", ["né", "中文", "🙂", "a\u200b", "\ufeff", "\x7f"])
def test_text_is_any_unicode(text: str) -> None:
    """Whatever is a character may be said."""
    assert problem(row("user", "assistant", content=text)) is None


@pytest.mark.parametrize(
    ("bad", "reason", "sentence"),
    [
        ({}, "no-messages", "messages must be a list with at least one message"),
        ({"messages": []}, "no-messages", "messages must be a list with at least one message"),
        ({"messages": "hello"}, "no-messages", "messages must be a list with at least one message"),
        ({"messages": {"role": "user"}}, "no-messages", "messages must be a list with at least one message"),
        ({"messages": ["hi"]}, "not-a-message", "message 1 must be an object with role and content"),
        ({"messages": [{"role": "user"}]}, "not-a-message", "message 1 must be an object with role and content"),
        (row("user", "assistant", content=" \n"), "empty-text", "message 1, the user's, is empty"),
        (row("user", "assistant", content=""), "empty-text", "message 1, the user's, is empty"),
        (row("user", "assistant", content=3), "not-text", "message 1: content is int, it must be text"),
        (row("user", "assistant", content=None), "not-text", "message 1: content is NoneType, it must be text"),
        (
            row("user", "assistant", content=[{"type": "text"}]),
            "content-parts",
            "message 1: content is a list of parts",
        ),
        (row("user", "assistant", content="a\0b"), "nul", "message 1, the user's, holds a NUL character"),
        (row("user", "assistant", content="\ud800"), "not-unicode", "message 1, the user's, is not Unicode"),
        (row("bot", "user"), "unknown-role", "message 1: role 'bot' is not one of system, user, assistant"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "unknown-role", r"message 1: role \['user'\] is not"),
        (row("user"), "nobody-answered", "a conversation needs a user's message and an assistant's"),
        (row("system", "user"), "nobody-answered", "a conversation needs a user's message and an assistant's"),
        (row("user", "user"), "not-alternating", "must alternate between user and assistant, found user, user"),
        (row("assistant", "user"), "not-alternating", "must alternate"),
        (row("user", "assistant", "user"), "last-not-assistant", "the last message must be the assistant's"),
        (row("user", "system", "assistant"), "system-not-first", "only the first message may be the system's"),
    ],
)
def test_each_defect_has_its_reason(bad: dict[str, object], reason: str, sentence: str) -> None:
    """What Azure's preprocess step or a template would refuse is refused here: a word to count, a sentence to read."""
    found = problem(bad)
    assert found is not None
    assert found.reason == reason
    assert sentence.replace("\\", "") in found.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(ROLES) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": st.text(max_size=3)})


@given(messages=JSON | st.lists(MESSAGE, max_size=5))
def test_the_quick_answer_is_the_full_one(messages: object) -> None:
    """Whatever JSON a row holds, the loops in C and the rules in words agree, and neither raises."""
    assert _is_sound(messages) == (_first_problem(messages) is None)
    found = problem({"messages": messages})
    assert found is None or found.reason in Reason


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a byte-level tokenizer without merges: a token is a byte."""
    found = Tokenizer(BPE({letter: number for number, letter in enumerate(ByteLevel.alphabet())}, []))
    found.pre_tokenizer = ByteLevel(add_prefix_space=False)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    found.save(str(path))
    return path


@pytest.mark.parametrize(
    ("size", "reason"), [(10, None), (89, None), (90, "answer-truncated"), (5000, "answer-truncated")]
)
def test_a_row_that_would_lose_every_answer_is_refused(tokenizer: Path, size: int, reason: str | None) -> None:
    """100 tokens, of which two templates take 10: a question of 90 leaves nothing to learn from."""
    messages = [{"role": "user", "content": "x" * size}, {"role": "assistant", "content": "y" * 10_000}]
    found = problem({"messages": messages}, limits=TokenLimits(tokenizer, 100))
    assert (found.reason if found else None) == reason
