"""Pack conversations into sequences of one length, each conversation still on its own.

A conversation never sees its neighbours: positions start at 0 in each, and without an attention mask and
without a cache transformers reads the boundaries from them (`transformers.masking_utils`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .chat import IGNORED, EncodedConversation


@dataclass(kw_only=True)
class PackedSequence:
    """Conversations one behind the other."""

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def append(self, conversation: EncodedConversation) -> None:
        """Add a conversation at the end."""
        self.input_ids += conversation.input_ids
        self.position_ids += range(len(conversation.input_ids))
        # Nobody predicts the first token of a conversation from the last one of its neighbour.
        self.labels += [IGNORED, *conversation.labels[1:]]


def pack(conversations: Iterable[EncodedConversation], *, max_length: int) -> list[PackedSequence]:
    """Fill sequences of at most max_length tokens: longest first, each into the fullest that has room.

    Best-fit decreasing, so no conversation is split (Ding et al. 2024, "Fewer Truncations Improve
    Language Modeling"). Conversations are at most max_length long.
    """
    rooms: dict[int, list[PackedSequence]] = {}
    packed: list[PackedSequence] = []
    for conversation in sorted(conversations, key=lambda item: -len(item.input_ids)):
        length = len(conversation.input_ids)
        room = min((room for room in rooms if room >= length), default=None)
        sequence = PackedSequence() if room is None else rooms[room].pop()
        if room is None:
            packed.append(sequence)
            room = max_length
        elif not rooms[room]:
            del rooms[room]
        sequence.append(conversation)
        rooms.setdefault(room - length, []).append(sequence)
    return packed


def collate(sequences: Sequence[PackedSequence], *, pad_token_id: int) -> dict[str, Any]:
    """Make a batch, tensors of (sequences, longest): padding is a conversation of its own without labels."""
    longest = max(len(sequence.input_ids) for sequence in sequences)
    rows = [(sequence, longest - len(sequence.input_ids)) for sequence in sequences]
    return {
        "input_ids": torch.tensor([row.input_ids + [pad_token_id] * pad for row, pad in rows]),
        "position_ids": torch.tensor([row.position_ids + list(range(pad)) for row, pad in rows]),
        "labels": torch.tensor([row.labels + [IGNORED] * pad for row, pad in rows]),
        "use_cache": False,
    }
