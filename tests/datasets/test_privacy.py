"""Personal data and secrets in text."""

from __future__ import annotations

import time
from itertools import chain, pairwise

import pytest
from chitchat_dataset import Dataset
from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets import privacy
from mlops.datasets.columns import prompt_id


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail john.doe+x@mail.example.co.uk, please", "mail <EMAIL>, please"),
        ("call (212) 456-7890 or +44 20 7946 0958.", "call <PHONE> or <PHONE>."),
        ("card 4111-1111-1111-1111, 378282246310005", "card <CREDIT_CARD>, <CREDIT_CARD>"),
        ("to GB82 WEST 1234 5698 7654 32 or DE89370400440532013000", "to <IBAN> or <IBAN>"),
        ("id AKIAIOSFODNN7EXAMPLE!", "id <SECRET>!"),
        ("use ghp_" + "a1B2" * 9 + ".", "use <SECRET>."),
        ("use hf_" + "aB" * 17, "use <SECRET>"),
        ("use AIza" + "SyA" * 11 + "ab then", "use <SECRET> then"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N ok", "<SECRET> ok"),
        ("AccountKey=" + "Ab1+" * 22 + " ok", "<SECRET> ok"),
        ("see postgres://user:hunter2@db.internal/x", "see postgres<SECRET>db.internal/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nok", "<PRIVATE_KEY>\nok"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "<PRIVATE_KEY>"),
    ],
)
def test_what_is_personal_or_secret_is_masked(text: str, masked: str) -> None:
    """A placeholder says which kind stood there, and is counted as it; what stands around it stays."""
    assert privacy.mask(text) == masked
    assert privacy.placeholders(masked) == privacy.findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "in 2023-01-15 12:30:45 there were 1,234,567,890 of 3.14159265358979",
        "ISBN 978-3-16-148410-0, order 4111 1111 1111 1112, 10.0.0.1, 192.168.100.200:8080",
        "d41d8cd98f00b204e9800998ecf8427e 123e4567-e89b-12d3-a456-426614174000",
        "https://www.example.com/a/very/long-path_with_many-words/index.html?x=1234567890123456",
        "Donaudampfschifffahrtsgesellschaftskapitaen and hahahahahahahahahahahahahaha @ home, me@home",
        "so lets say 800 2200 300 and 15, or 9998017 * 9997647",
        "the password = is not told",
    ],
)
def test_what_is_not_stays(text: str) -> None:
    """Dates, sums, hashes, links and long words are nobody's."""
    assert privacy.find(text) == []


def test_human_conversations_are_left_alone() -> None:
    """In all of chitchat there are a few numbers and addresses, and nothing else is taken for one."""
    turns = chain.from_iterable(conversation["messages"] for conversation in list(Dataset().values())[:2500])
    texts = [message["text"] for turn in turns for message in turn]
    found = [text[finding.start : finding.end] for text in texts for finding in privacy.find(text)]
    assert all("@" in text or text.count("-") == 1 for text in found), found


@given(
    st.lists(st.sampled_from(["a@b.example.com", "hello \u00e9", "(212) 456-7890", "\ud800", " ", "\n", "@", "4111"]))
)
def test_findings_stand_apart(parts: list[str]) -> None:
    """They are in order, none overlaps another, and no address is left when they are masked."""
    text = "".join(parts)
    found = privacy.find(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert "EMAIL" not in privacy.findings(privacy.mask(text))
    assert sum(privacy.findings(text).values()) == len(found)


@pytest.mark.parametrize("part", ["12345 6789 ", "a", "a@", "://a:", "eyJ.", "-----BEGIN PRIVATE KEY", "1-", "AB12 "])
def test_no_text_takes_long(part: str) -> None:
    """Half a megabyte made to send patterns astray takes seconds, not minutes."""
    start = time.process_time()
    privacy.find(part * (500_000 // len(part)))
    assert time.process_time() - start < 15


def test_a_masked_row_has_the_id_of_its_masked_prompt() -> None:
    """All texts of a row are masked."""
    said = "I am a@b.example.com"
    row = {"prompt": said, "prompt_id": prompt_id(said), "messages": [{"role": "user", "content": said}]}
    masked = privacy.masked(row)
    assert masked["prompt"] == masked["messages"][0]["content"] == "I am <EMAIL>"
    assert masked["prompt_id"] == prompt_id("I am <EMAIL>")
