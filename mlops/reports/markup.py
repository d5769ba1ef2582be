"""Templates of pages: what strangers wrote is text in them, never markup."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mlops import times
from mlops.reports.figures import figure, signed
from mlops.reports.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@cache
def environment(*packages: str) -> Environment:
    """Return the HTML templates of packages; one found in an earlier package hides that of a later."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": times.duration, "moment": times.moment, "iso": times.iso}
    made.filters |= {"figure": figure, "signed": signed, "markdown": markdown}
    return made


def markdown(text: str) -> Markup:
    """Return Markdown as HTML to stand under a second-level heading; links, pictures and HTML in it are text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("js-default").disable(["link", "image", "autolink"])
    tokens = parser.parse(visible(text))
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = "h3"
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - escaped by the parser
