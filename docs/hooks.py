"""Written by MkDocs itself at every build: the reference of the stages and their settings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel

from mlops import layers
from mlops.records import STAGES
from mlops.settings import FOLDER, file_schema

SECTIONS = {"finetune": ("finetune", "budget"), "prepare": ("data",), "rollout": ("rollout", "notify")}
"""The sections of the settings that a stage reads, where they are not called as it is; all read `workspace`."""
ALLOWED = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} or more",
    "pattern": "`{}`",
}
OUTSIDE = re.compile(r"\[([^]]+)\]\(\.\./[^)]+\)")
HEAD = """# Stages

Generated from the docstrings and the settings' schema when these pages are built. Every stage is started by
`nox -s STAGE -- --environment NAME --run RUN`, or `python -m pipelines.STAGE` with the same arguments; everything else
is a setting. What stands under *base* is the default or said by `base.yml`; a preset, an environment's file or an
`MLOPS_` variable may say otherwise, and `mlops settings show --environment NAME` says who did.
"""


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated page to the files of the folder."""
    files.append(File.generated(config, "stages.md", content=stages(file_schema())))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Leave links to files of the repository as text: they have no address on the site."""
    return OUTSIDE.sub(r"\1", markdown) if "/" not in page.file.src_uri else markdown


def on_post_page(output: str, **_: Any) -> str:
    """Name the search for screen readers: the theme leaves its dialog without a name."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def stages(schema: dict[str, Any]) -> str:
    """Return the page of the stages, in order."""
    base = layers.file(FOLDER / "base.yml").values
    described = [HEAD, "## Every stage\n", *section("workspace", schema, base)]
    for stage, record in STAGES.items():
        program = getattr(import_module(f"pipelines.{stage}"), stage)
        described += [f"## {stage}\n", f"{inspect.getdoc(program)}\n", *made(stage, record)]
        for name in SECTIONS.get(stage, (stage,)):
            described += section(name, schema, base)
    return "\n".join(described)


def made(stage: str, record: type[BaseModel]) -> Iterator[str]:
    """Yield what a stage's record holds."""
    fields = ", ".join(f"`{name}`" for name in record.model_fields)
    yield f"Leaves the record `{record.__name__}`, `runs/RUN/{stage}.json`: {inspect.getdoc(record)}\n"
    yield f"Its fields: {fields}.\n"


def section(name: str, schema: dict[str, Any], base: dict[str, Any]) -> Iterator[str]:
    """Yield a section of the settings as a table."""
    part = resolved(schema["properties"][name], schema)
    yield f"### `{name}`\n\n{part['description']}\n\n| setting | type | base | meaning |\n| --- | --- | --- | --- |"
    yield from rows(name, part, schema, base.get(name, {}))
    yield ""


def rows(path: str, part: dict[str, Any], schema: dict[str, Any], said: Any) -> Iterator[str]:
    """Yield a row for each setting of a part; parts of the part follow it."""
    for name, field in part["properties"].items():
        inner = resolved(field, schema)
        value = said.get(name, field.get("default")) if isinstance(said, dict) else field.get("default")
        if "properties" in inner:
            yield from rows(f"{path}.{name}", inner, schema, value)
        else:
            shown = "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
            shown = "see `base.yml`" if len(shown) > 60 else shown  # noqa: PLR2004 - what a column takes
            cells = (f"`{path}.{name}`", kind(inner, schema), shown, field.get("description", ""))
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def resolved(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference leads to, and of "this or null" the first."""
    options = [option for option in field.get("anyOf", ()) if option.get("type") != "null"]
    field = options[0] if options else field
    return schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def kind(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return the type of a setting and what is allowed."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    words = [str(field.get("type", ""))]
    if "items" in field:
        items = resolved(field["items"], schema)
        words = [f"list of {items.get('title') or kind(items, schema)}"]
    words += [
        text.format(f"{field[key]:g}" if isinstance(field[key], float) else field[key])
        for key, text in ALLOWED.items()
        if key in field
    ]
    return ", ".join(filter(None, words))
