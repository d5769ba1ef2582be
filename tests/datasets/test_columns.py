"""Which columns hold a conversation."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets.columns import Columns, detect, prompt_id
from mlops.datasets.validate import Problem, problem
from mlops.errors import DataError

HELLO = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]
SHAREGPT = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi.", "weight": 1}]
OTHER_WORDS = [{"role": "human", "content": "Hello?"}, {"role": "gpt", "content": "Hi."}]
SYSTEM = {"role": "system", "content": "Be kind."}
SHAPES: list[tuple[dict[str, Any], str, list[dict[str, str]]]] = [
    ({"messages": HELLO}, "messages: messages, role: role, content: content", HELLO),
    ({"messages": OTHER_WORDS}, "messages: messages, role: role, content: content", HELLO),
    ({"messages": orjson.dumps(HELLO).decode()}, "messages: messages, role: role, content: content", HELLO),
    ({"conversation": HELLO, "language": "en"}, "messages: conversation, role: role, content: content", HELLO),
    (
        {"conversations": SHAREGPT},
        "messages: conversations, role: from, content: value",
        HELLO,
    ),
    (
        {
            "system": "Be kind.",
            "conversations": [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}],
        },
        "messages: conversations, role: from, content: value, system: system",
        [SYSTEM, *HELLO],
    ),
    ({"prompt": "Hello?", "response": "Hi."}, "user: prompt, assistant: response", HELLO),
    ({"question": "Hello?", "answer": "Hi.", "id": 3}, "user: question, assistant: answer", HELLO),
    (
        {"system_prompt": "Be kind.", "question": "Hello?", "response": "Hi."},
        "user: question, assistant: response, system: system_prompt",
        [SYSTEM, *HELLO],
    ),
    ({"instruction": "Hello?", "input": "", "output": "Hi."}, "user: instruction + input, assistant: output", HELLO),
    ({"instruction": "Hello?", "output": "Hi."}, "user: instruction, assistant: output", HELLO),
    (
        {"instruction": "Hello?", "context": "Here.", "response": "Hi."},
        "user: instruction + context, assistant: response",
        [{"role": "user", "content": "Hello?\n\nHere."}, HELLO[1]],
    ),
]


@pytest.mark.parametrize(("raw", "shown", "messages"), SHAPES)
def test_the_common_shapes_are_recognized(raw: dict[str, Any], shown: str, messages: list[dict[str, str]]) -> None:
    """Messages, ShareGPT, question and answer, Alpaca, Dolly: what was recognized is shown, the row is ultrachat's."""
    columns = detect([raw], given={})
    assert str(columns) == shown
    row = columns.row(raw)
    prompt = next(message["content"] for message in messages if message["role"] == "user")
    assert row == {"prompt": prompt, "prompt_id": prompt_id(prompt), "messages": messages}
    assert set(raw) >= set(columns.names)


def test_settings_have_the_last_word() -> None:
    """A column that is named is taken, even where another would be recognized; the rest is still detected."""
    raw = {"messages": HELLO, "q": "How?", "a": "So.", "rules": "Be kind."}
    named = detect([raw], given={"prompt": "q", "response": "a", "system": "rules"})
    assert str(named) == "user: q, assistant: a, system: rules"
    assert str(detect([raw], given={"system": "rules"})).endswith("content: content, system: rules")


ALPACA = {"instruction": "Translate", "input": "Bonjour", "output": "Hello"}


@pytest.mark.parametrize("rows", [[ALPACA, SHAPES[10][0]], [SHAPES[10][0], ALPACA]])
def test_what_a_row_may_leave_out_is_found_in_another(rows: list[dict[str, Any]]) -> None:
    """An input or a system message: whichever row comes first, what the others have of it is not lost."""
    assert str(detect(rows, given={})) == "user: instruction + input, assistant: output"
    with_system = [row | {"rules": "Be kind."} for row in rows[:1]] + rows[1:]
    assert detect(with_system[::-1], given={"system": "rules"}).system == "rules"


def test_an_input_that_is_named_is_a_part_of_the_question() -> None:
    """Beside any question; what is named and has no part in the conversation is refused."""
    raw = {"prompt": "Who?", "context": "Ada wrote.", "response": "Ada."}
    assert str(detect([raw], given={})) == "user: prompt, assistant: response"
    named = detect([raw], given={"input": "context"})
    assert str(named) == "user: prompt + context, assistant: response"
    unused = r"data.columns names input: context, which has no part in a conversation of messages: .*delete it"
    with pytest.raises(DataError, match=unused):
        detect([raw | {"messages": HELLO}], given={"input": "context", "messages": "messages"})


@pytest.mark.parametrize(
    ("given_columns", "sentence"),
    [
        ({"messages": "chats"}, r"data.columns names chats, but the source has text, label"),
        ({}, r"no conversation is recognized in text, label: name its columns in data.columns"),
        ({"prompt": "text"}, r"no conversation is recognized in text, label"),
    ],
)
def test_columns_that_are_not_there_are_said(given_columns: dict[str, str], sentence: str) -> None:
    """The message lists the columns there are."""
    with pytest.raises(DataError, match=sentence):
        detect([{"text": "Hello", "label": 1}], given=given_columns)


def test_a_prompt_column_is_trusted_only_if_it_is_the_prompt() -> None:
    """Ultrachat repeats the first message there; where it says the same in all rows it must not decide the split."""
    assert detect([{"prompt": "Hello?", "messages": HELLO}], given={}).prompt == "prompt"
    assert detect([{"prompt": "Be kind.", "messages": HELLO}], given={}).prompt is None
    assert detect([{"messages": HELLO}], given={}).prompt is None


def test_a_system_message_is_not_the_prompt() -> None:
    """All conversations may share one: the prompt is what the first user says."""
    row = detect([{"messages": [SYSTEM, *HELLO]}], given={}).row({"messages": [SYSTEM, *HELLO]})
    assert not isinstance(row, Problem)
    assert row["prompt"] == "Hello?"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "no-messages"),
        ({"conversations": None}, "no-messages"),
        ({"conversations": "hello"}, "no-messages"),
        ({"conversations": {"from": "human", "value": "x"}}, "no-messages"),
        ({"conversations": [{"from": "human"}]}, "not-a-message"),
        ({"conversations": ["Hello"]}, "not-a-message"),
        ({"conversations": [{"from": ["human"], "value": "x"}]}, "unknown-role"),
    ],
)
def test_a_row_of_another_shape_is_a_problem(raw: dict[str, Any], reason: str) -> None:
    """One row that lacks the column, or has something else in it, is no reason to stop."""
    found = Columns(messages="conversations", role="from", content="value").row(raw)
    assert isinstance(found, Problem)
    assert found.reason == reason


@pytest.mark.parametrize(("answer", "reason"), [(None, "not-text"), (7, "not-text"), (" ", "empty-text")])
def test_an_answer_that_is_no_text_is_left_to_the_rules(answer: object, reason: str) -> None:
    """A number is not turned into text on the way."""
    columns = detect([{"prompt": "Hello?", "response": "Hi."}], given={})
    row = columns.row({"prompt": "Hello?", "response": answer})
    assert not isinstance(row, Problem)
    found = problem(row)
    assert found is not None
    assert found.reason == reason
    assert isinstance(columns.row({"prompt": "Hello?"}), Problem)


JSON = st.recursive(
    st.none() | st.integers() | st.text() | st.just("human"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "value"]), inner),
    max_leaves=6,
)


@given(value=JSON, other=JSON)
def test_no_row_raises(value: object, other: object) -> None:
    """Whatever JSON stands in the columns, the answer is a row or a problem."""
    for raw, _, _ in SHAPES:
        columns = detect([raw], given={})
        found = columns.row(dict.fromkeys(raw, value) | {columns.names[-1]: other})
        assert isinstance(found, Problem) or problem(found) is None or problem(found)
