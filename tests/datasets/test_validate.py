"""Which conversations can be trained on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets.validate import problem


def row(*roles: str, content: str = "text") -> dict[str, object]:
    """Return a conversation with these roles."""
    return {"messages": [{"role": role, "content": content} for role in roles]}


@pytest.mark.parametrize("roles", [("user", "assistant"), ("system", "user", "assistant"), ("user", "assistant") * 3])
def test_alternating_conversations_pass(roles: tuple[str, ...]) -> None:
    """An optional system message, then user and assistant in turn, the assistant last."""
    assert problem(row(*roles)) is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({}, "list"),
        ({"messages": []}, "list"),
        ({"messages": ["hi"]}, "object"),
        ({"messages": [{"role": "user"}]}, "object"),
        (row("user", "assistant", content="  "), "empty"),
        (row("user", "assistant", content="a\0b"), "NUL"),
        (row("user", "assistant", content="\ud800"), "surrogate"),
        (row("bot", "user"), "'bot' is not one of"),
        (row("user"), "nobody answered"),
        (row("user", "user"), "alternate"),
        (row("assistant", "user"), "alternate"),
        (row("user", "assistant", "user"), "last message"),
        (row("user", "system", "assistant"), "alternate"),
    ],
)
def test_each_defect_has_its_reason(bad: dict[str, object], reason: str) -> None:
    """What Azure's preprocess step or Phi-3's template would refuse is refused here, with a reason a person reads."""
    found = problem(bad)
    assert found is not None
    assert reason in found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
    max_leaves=8,
)


@given(messages=JSON)
def test_no_row_crashes_the_validation(messages: object) -> None:
    """Whatever JSON is in a file, the answer is a reason or None, never an exception."""
    assert problem({"messages": messages}) is None or isinstance(problem({"messages": messages}), str)
