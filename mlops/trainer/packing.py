"""Pack conversations into sequences of one length, each conversation still on its own.

A conversation never sees its neighbours: positions start at 0 in each, and attention stays between the bounds that
the batch names (`attention`).
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


def collate(sequences: Sequence[PackedSequence]) -> dict[str, Any]:
    """Make a batch: one row of all conversations, without padding, with logits only where there is a label.

    `cu_seq_lens_q` are the conversations' bounds under the name by which FlashAttention knows them.
    """
    input_ids = torch.tensor([token for sequence in sequences for token in sequence.input_ids])
    position_ids = torch.tensor([position for sequence in sequences for position in sequence.position_ids])
    labels = torch.tensor([label for sequence in sequences for label in sequence.labels])
    starts = torch.nonzero(position_ids == 0).flatten()
    bounds = torch.cat([starts, torch.tensor([len(input_ids)])]).int()
    learned = torch.nonzero(labels != IGNORED).flatten()
    targets = labels[learned].unsqueeze(0)
    return {
        "input_ids": input_ids.unsqueeze(0),
        "position_ids": position_ids.unsqueeze(0),
        "cu_seq_lens_q": bounds,
        "max_length_q": int(bounds.diff().max()),
        "logits_to_keep": learned - 1,  # a token is predicted where the one before it stands
        "labels": targets,
        "shift_labels": targets,
        "use_cache": False,
    }
