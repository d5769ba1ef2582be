"""The tag that says how to go on with a run."""

from __future__ import annotations

import json

import pytest

from mlops.errors import InputError
from mlops.workspace import pending


def test_a_tag_holds_the_inputs() -> None:
    """As they were said, in any alphabet."""
    inputs = {"environment": "dev", "run": "r", "override": "genügt für dev"}
    assert json.loads(pending.tag(inputs)[pending.PENDING]) == inputs


def test_what_azure_would_not_keep_is_refused() -> None:
    """256 characters are the most a tag may have: one more is said before the job is submitted."""
    room = pending.LONGEST_TAG - len(pending.tag({"override": ""})[pending.PENDING])
    assert pending.tag({"override": "x" * room})
    with pytest.raises(InputError, match=r"has 257 characters, 256 are the most\. Shorten the override"):
        pending.tag({"override": "x" * (room + 1)})
