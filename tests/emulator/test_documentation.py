"""`docs/emulator.md` names every route and every fault; `python tests/emulator/test_documentation.py` writes both."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from mlops.emulator import app
from mlops.emulator.context import GROUP, REGISTRY, SUBSCRIPTION, WORKSPACE
from mlops.emulator.faults.kinds import KINDS, Drawn

_DOCUMENT = Path(__file__).parents[2] / "docs/emulator.md"
_SHORT = {REGISTRY: "R", WORKSPACE: "W", GROUP: "G", SUBSCRIPTION: "S"}


def _routes() -> str:
    rows = [f"| `{route.method} {_shortened(route.path)}` | {_sentence(route.handler)} |" for route in app.routes()]
    return "\n".join(["| route | what it does |", "| --- | --- |", *rows])


def _shortened(path: str) -> str:
    for long, short in _SHORT.items():
        path = path.replace(long, short)
    return re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", path)


def _sentence(handler: object) -> str:
    return (inspect.getdoc(handler) or "").partition("\n")[0].replace("|", "\\|")


def _faults() -> str:
    rows = [f"| `{name}` | {_sentence(kind)} | {_options(name)} |" for name, kind in KINDS.items()]
    return "\n".join(["| kind | what it does | options |", "| --- | --- | --- |", *rows])


def _options(name: str) -> str:
    shared = {field.description for field in Drawn.model_fields.values()}
    own = {option: field.description for option, field in KINDS[name].model_fields.items()}
    return "; ".join(f"`{option}` {text}" for option, text in own.items() if text not in shared)


_TABLES = {"routes": _routes, "faults": _faults}


def _between(name: str, text: str) -> tuple[int, int]:
    begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
    return text.index(begin) + len(begin), text.index(end)


@pytest.mark.parametrize("name", _TABLES)
def test_nothing_is_left_out(name: str) -> None:
    """The document lists exactly what there is, in the words of the code."""
    text = _DOCUMENT.read_text()
    begin, end = _between(name, text)
    assert text[begin:end] == _TABLES[name](), "run: python tests/emulator/test_documentation.py"


def _write() -> None:
    text = _DOCUMENT.read_text()
    for name, table in _TABLES.items():
        begin, end = _between(name, text)
        text = text[:begin] + table() + text[end:]
    _DOCUMENT.write_text(text)


if __name__ == "__main__":
    _write()
