"""The 7,168 human conversations that come with the package chitchat-dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.datasets.readers.batch import Batch, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops.datasets.sources.shard import Shard

ROLES = ("user", "assistant")


def read(shard: Shard, *, wanted: Callable[[str], bool]) -> Iterator[Batch]:
    """Yield the conversations in the package's order."""
    from chitchat_dataset import Dataset

    rows = (_row(conversation["messages"]) for conversation in Dataset().values())
    yield from batches(enumerate(rows, start=shard.first_row), wanted=wanted)


def _row(turns: list[list[dict[str, str]]]) -> dict[str, Any]:
    """Return a conversation: the one who speaks first is the user.

    A turn is what one person wrote before the other answered; a last turn that nobody answered is left out, unless
    it is the only one.
    """
    texts = ["\n".join(message["text"] for message in turn) for turn in turns]
    answered = texts[: max(1, len(texts) // 2 * 2)]
    messages = [{"role": ROLES[index % 2], "content": text} for index, text in enumerate(answered)]
    return {"prompt": texts[0], "messages": messages}
