"""Templates of the studio; what strangers wrote is text in them, never markup."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mlops.reports import times
from mlops.reports.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment


def page(name: str, **shown: Any) -> str:
    """Return a template filled in."""
    return _environment().get_template(f"{name}.html.jinja").render(**shown)


@cache
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("mlops.studio"), PackageLoader("mlops.reports")]),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": times.duration, "moment": times.moment, "iso": times.iso}
    return environment
