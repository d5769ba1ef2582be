"""Conversations straight from Arrow's columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.datasets.columns import Columns
from mlops.datasets.readers.batch import Sound
from mlops.datasets.readers.columnar import sound
from mlops.datasets.validate import Problem, problem

TEXTS = st.none() | st.sampled_from(["", " ", "\u2003", "a\0b", "\u00e4\U0001f600"]) | st.text(max_size=3)
NAMES = (("role", "content"), ("from", "value"))


def table(rows: list[dict[str, Any]], role: str, content: str) -> pa.RecordBatch:
    """Return rows with the schema of ultrachat_200k, under these names."""
    turn = pa.struct([(content, pa.string()), (role, pa.string())])
    return pa.RecordBatch.from_pylist(rows, pa.schema([("prompt", pa.string()), ("messages", pa.list_(turn))]))


@settings(deadline=None)  # the first example imports
@given(data=st.data(), names=st.sampled_from(NAMES), has_nulls=st.booleans(), begin=st.integers(0, 3))
def test_what_is_sound_is_what_the_rules_accept(
    data: st.DataObject, names: tuple[str, str], has_nulls: bool, begin: int
) -> None:
    """The rules find nothing in what is sound, and make the same of it; without nulls, nothing is missed."""
    role, content = names
    texts = TEXTS if has_nulls else TEXTS.filter(lambda text: text is not None)
    roles = st.sampled_from(["user", "assistant", "human", "gpt", "system", "tool"])
    alternating = st.integers(0, 5).map(lambda count: ["system"] * (count % 2) + ["user", "assistant"] * (count // 2))
    turns = (alternating | st.lists(roles, max_size=4)).flatmap(
        lambda who: st.tuples(*[st.fixed_dictionaries({content: texts, role: st.just(one)}) for one in who]).map(list)
    )
    rows = data.draw(st.lists(st.fixed_dictionaries({"prompt": texts, "messages": turns}), min_size=3, max_size=6))
    batch = table(rows, role, content).slice(begin)
    columns = Columns(messages="messages", role=role, content=content, prompt="prompt")
    found = sound(batch, batch.column("prompt").to_pylist(), columns)
    assert len(found) == batch.num_rows
    missed = 0
    for one, raw in zip(found, rows[begin:], strict=True):
        row = columns.row(raw)
        accepted = not isinstance(row, Problem) and problem(row) is None
        if one is not None:
            assert not isinstance(row, Problem)
            assert accepted
            assert one == Sound(row["prompt"], row["messages"])
        missed += accepted and one is None
    assert has_nulls or not missed


def test_other_shapes_are_left_to_the_rules() -> None:
    """A system column, a list of texts or another column of messages: every row is looked at by itself."""
    turn = [{"content": "hi", "role": "user"}, {"content": "ho", "role": "assistant"}]
    batch = table([{"prompt": "hi", "messages": turn}], "role", "content")
    plain = Columns(messages="messages", prompt="prompt")
    assert sound(batch, ["hi"], plain) == [Sound("hi", [{"role": t["role"], "content": t["content"]} for t in turn])]
    assert sound(batch, ["hi"], Columns(messages="messages", system="prompt")) == [None]
    assert sound(batch, ["hi"], Columns(messages="chat")) == [None]
    assert sound(batch, ["hi"], Columns(user=("prompt",), assistant="messages")) == [None]
    texts = pa.RecordBatch.from_pylist([{"messages": ["hi", "ho"]}])
    assert sound(texts, [None], plain) == [None]
    sharegpt = table([{"prompt": "hi", "messages": []}], "from", "value")
    assert sound(sharegpt, ["hi"], plain) == [None]
    assert sound(batch.select(["messages"]), [None], plain) == [None]
