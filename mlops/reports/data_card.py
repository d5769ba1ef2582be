"""The data card as Markdown and as one HTML page that needs nothing else; texts of the data are never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.reports import plots
from mlops.reports.pages import environment
from mlops.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.datasets.card import DataCard


def write(card: DataCard, folder: Path) -> Path:
    """Write `data-card.json`, `data-card.md` and `data-card.html` to a folder; return the page."""
    write_whole(folder / "data-card.json", card.model_dump_json(indent=2).encode() + b"\n")
    write_whole(folder / "data-card.md", markdown(card).encode())
    page = folder / "data-card.html"
    write_whole(page, html(card).encode())
    return page


def markdown(card: DataCard) -> str:
    """Return the card in GitHub's Markdown."""
    return environment("md").get_template("data-card.md.jinja").render(card=card)


def html(card: DataCard) -> str:
    """Return the card as a page: pictures and style are in it, and it may load and run nothing."""
    from markupsafe import Markup

    limit = card.settings["max_tokens"]
    pictures = {
        split.name: {
            "lengths": Markup(plots.length_histogram(split.lengths, limit=limit)),  # noqa: S704 - drawn by us
            "turns": Markup(plots.turn_histogram(split.turns)),  # noqa: S704
        }
        for split in card.splits
    }
    return environment("html").get_template("data-card.html.jinja").render(card=card, pictures=pictures)
