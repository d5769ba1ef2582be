"""The data card as Markdown and as a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from mlops.datasets.card import DataCard
from mlops.reports.data_card import html, markdown, write
from mlops.reports.pages import fenced

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements and attributes of a page, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Close the last element, which must be this one."""
        assert self.open.pop() == tag


def test_texts_of_the_data_are_never_markup(hostile_card: DataCard) -> None:
    """No script, no link, no handler, nothing loaded: the page holds what it shows, and every element is closed."""
    text = html(hostile_card)
    page = Page(text)
    assert page.open == []
    assert not page.tags & {"script", "img", "a", "iframe", "link", "object"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not [value for name, value in page.attributes if name in {"src", "href"} and not value.startswith("#")]
    assert "default-src 'none'" in text
    assert "url(" not in text.replace("url(#", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7*7 }}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_pictures_take_the_colors_of_the_page(hostile_card: DataCard) -> None:
    """Two pictures a split, light or dark as the reader's system is; the same card is the same bytes."""
    text = html(hostile_card)
    assert text.count("<svg") == 6
    assert "prefers-color-scheme: dark" in text
    assert "var(--accent)" in text
    assert "#010203" not in text
    assert html(hostile_card) == text


def test_markdown_keeps_texts_in_their_place(hostile_card: DataCard) -> None:
    """Texts stand in fences longer than any of theirs, or on one line with every sign escaped."""
    text = markdown(hostile_card)
    outside = re.sub(r"^(`{4,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside.replace("\\<script", "")
    assert "| [a]" not in outside
    assert "\x1b" not in text
    assert outside.count("`") == outside.count("\\`")
    tables = [line for line in outside.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in map(str.rstrip, tables))


def test_a_fence_is_longer_than_any_within() -> None:
    """Three at least."""
    assert fenced("a").startswith("```text\n")
    assert fenced("`````").startswith("``````text\n")


def test_all_three_files_are_written(hostile_card: DataCard, tmp_path: Path) -> None:
    """What is written as JSON makes the same card again."""
    page = write(hostile_card, tmp_path)
    assert page.read_text(encoding="utf-8") == html(hostile_card)
    assert DataCard.model_validate_json((tmp_path / "data-card.json").read_bytes()) == hostile_card
    assert (tmp_path / "data-card.md").read_text(encoding="utf-8") == markdown(hostile_card)
