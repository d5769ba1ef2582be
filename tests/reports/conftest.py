"""A data card whose every text is hostile."""

from __future__ import annotations

import pytest

from mlops.datasets.card import Conversation, DataCard, Message, SplitFacts
from mlops.datasets.lengths import Lengths
from mlops.datasets.overlap.contamination import Leak
from mlops.datasets.overlap.duplicates import Example
from mlops.datasets.settings import DataSettings

HOSTILE = (
    "<script>alert(1)</script>\n```\n# <img src=x onerror=alert(1)> | [a](javascript:1) `b` {{ 7*7 }}\x1b[31m\u202e"
)


@pytest.fixture
def hostile_card() -> DataCard:
    """Return the card."""
    return hostile()


def hostile() -> DataCard:
    """Return a card with markup, escapes and template code wherever a text of the data can stand."""
    lengths = Lengths(
        unit="words", num_measured=3, mean=2, percentiles={50: 2, 95: 3}, longest=3, edges=(0, 1, 3), counts=(1, 2)
    )
    settings = DataSettings(
        source=HOSTILE, percentage=100, seed=0, validation_percentage=5, test_percentage=5, max_quarantine_percentage=5
    )
    split = SplitFacts(
        name="train",
        rows=3,
        sha256="0" * 64,
        messages=6,
        characters={"user": 9, "assistant": 1},
        turns={2: 2, 40: 1},
        lengths=lengths,
    )
    messages = (Message(role="user", content=HOSTILE), Message(role="assistant", content=HOSTILE))
    return DataCard(
        source=HOSTILE,
        revision=HOSTILE,
        license=HOSTILE,
        columns=HOSTILE,
        content_hash="0" * 64,
        settings_hash="1" * 64,
        settings=settings.model_dump(mode="json"),
        read=9,
        accepted=5,
        sampled_out=1,
        duplicates=1,
        quarantined={HOSTILE: 2},
        near_duplicates=1,
        contaminated=1,
        contaminated_by={HOSTILE: 1},
        splits=(split, split.model_copy(update={"name": "validation"}), split.model_copy(update={"name": "test"})),
        languages={"en": 3},
        ngrams={2: {HOSTILE: 3}},
        num_ngram_sampled=3,
        personal={"EMAIL": 2},
        examples=(Conversation(messages=messages, num_more=1),),
        near_duplicate_examples=(Example(HOSTILE, HOSTILE, 0.8),),
        leaks=(Leak(HOSTILE, HOSTILE, HOSTILE),),
    )
