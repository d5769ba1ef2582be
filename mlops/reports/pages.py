"""Templates whose every expression is escaped for what is written: texts of strangers are never markup."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from mlops.reports.figures import figure, setting, signed
from mlops.reports.visible import visible
from mlops.times import duration

if TYPE_CHECKING:
    from jinja2 import Environment

MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>&|~$])")


@cache
def environment(kind: str) -> Environment:
    """Return templates whose every expression is escaped for what is written."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("mlops.reports"),
        autoescape=kind == "html",  # noqa: S701 - Markdown is escaped by `finalize`
        finalize=_visible if kind == "html" else _in_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["grouped"] = lambda number: f"{number:,.0f}"
    templates.filters |= {
        "fenced": fenced,
        "figure": figure,
        "signed": signed,
        "setting": setting,
        "duration": duration,
    }
    return templates


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
