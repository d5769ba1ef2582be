"""Conversations straight from Arrow's columns: what is plainly sound is never a row of the source's own shape."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mlops.datasets.columns import ROLES
from mlops.datasets.readers.batch import Sound
from mlops.datasets.validate import are_texts, take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyarrow import DataType, RecordBatch

    from mlops.datasets.columns import Columns

    Turns = tuple[list[int], list[str], list[str]]


def sound(batch: RecordBatch, prompts: Sequence[str | None], columns: Columns) -> list[Sound | None]:
    """Return the conversations of a batch; None stands for a row that must be looked at by itself."""
    turns = _turns(batch, columns)
    if turns is None:
        return [None] * len(batch)
    offsets, roles, contents = turns
    all_texts = are_texts(contents)
    found: list[Sound | None] = []
    for prompt, (start, stop) in zip(prompts, pairwise(offsets), strict=True):
        who, said = roles[start:stop], contents[start:stop]
        if take_turns(who) and (all_texts or are_texts(said)):
            messages = [{"role": role, "content": content} for role, content in zip(who, said, strict=True)]
            found.append(Sound(prompt or said[who[0] == "system"], messages))
        else:
            found.append(None)
    return found


def _turns(batch: RecordBatch, columns: Columns) -> Turns | None:
    """Return where each row begins in the list of all messages, and their roles and texts; None for other shapes."""
    if columns.messages not in batch.schema.names or columns.system:
        return None
    listed = batch.column(columns.messages)
    if not _is_plain(batch, listed.type, columns):
        return None
    offsets = listed.offsets.to_pylist()
    messages = listed.values.slice(offsets[0], offsets[-1] - offsets[0])
    roles, contents = messages.field(columns.role), messages.field(columns.content)
    if any(array.null_count for array in (listed, messages, roles, contents)):
        return None
    try:
        texts = contents.to_pylist()
        names = [ROLES.get(role, role) for role in roles.to_pylist()]
    except UnicodeDecodeError:
        return None
    return [offset - offsets[0] for offset in offsets], names, texts


def _is_plain(batch: RecordBatch, listed: DataType, columns: Columns) -> bool:
    """Return whether the prompt is a text, and the messages a list of structs with a role and a content, both texts."""
    from pyarrow.types import is_list, is_string, is_struct

    if not is_list(listed) or not is_struct(listed.value_type):
        return False
    turn, row = listed.value_type, batch.schema
    places = [(turn, columns.role), (turn, columns.content), *([(row, columns.prompt)] if columns.prompt else [])]
    return all(kind.get_field_index(name) >= 0 and is_string(kind.field(name).type) for kind, name in places)
