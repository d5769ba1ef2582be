"""The data card as Markdown and as one HTML page that needs nothing else; texts of the data are never markup."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mlops.reports import plots
from mlops.reports.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment

    from mlops.datasets.card import DataCard

MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>&|~$])")


def write(card: DataCard, folder: Path) -> Path:
    """Write `data-card.json`, `data-card.md` and `data-card.html` to a folder; return the page."""
    folder.joinpath("data-card.json").write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    folder.joinpath("data-card.md").write_text(markdown(card), encoding="utf-8")
    page = folder / "data-card.html"
    page.write_text(html(card), encoding="utf-8")
    return page


def markdown(card: DataCard) -> str:
    """Return the card in GitHub's Markdown."""
    return _environment("md").get_template("data-card.md.jinja").render(card=card)


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
    return _environment("html").get_template("data-card.html.jinja").render(card=card, pictures=pictures)


@cache
def _environment(kind: str) -> Environment:
    """Return templates whose every expression is escaped for what is written."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.reports"),
        autoescape=kind == "html",  # noqa: S701 - Markdown is escaped by `finalize`
        finalize=_visible if kind == "html" else _in_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["grouped"] = lambda number: f"{number:,.0f}"
    environment.filters["fenced"] = fenced
    return environment


def _visible(value: Any) -> Any:
    return visible(value) if type(value) is str else value  # what is `Markup` was drawn by us


def _in_markdown(value: Any) -> Any:
    """Return a text that stands in one line of Markdown as it is."""
    if type(value) is not str:
        return value
    return MARKDOWN.sub(r"\\\1", " ".join(visible(value).split()))


class _Fenced(str):
    """Text between fences, which Markdown leaves alone."""

    __slots__ = ()


def fenced(text: str) -> _Fenced:
    """Return a text as a block of Markdown in which nothing is markup: its fence is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return _Fenced(f"{fence}text\n{visible(text)}\n{fence}")
