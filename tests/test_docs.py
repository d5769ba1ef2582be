"""What README and pages tell people to type and to follow."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from itertools import dropwhile
from pathlib import Path

import pytest

from mlops import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("*/README.md")])
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")


def commands(page: Path) -> list[list[str]]:
    """Return the words of every command in a page's shell blocks, without the variables before them."""
    text = "\n".join(SHELL.findall(page.read_text())).replace("\\\n", " ")
    parts = (part for line in text.splitlines() for part in line.split("&&"))
    split = (shlex.split(part, comments=True) for part in parts)
    return [words for every in split if (words := list(dropwhile(VARIABLE.match, every)))]


def sessions() -> set[str]:
    """Return the names of nox's sessions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    """`mlops` takes the arguments, nox has the session, Python the module or the file."""
    for words in commands(page):
        match words:
            case ["mlops", "emulator", *_]:
                pass  # its own parser, held by tests/emulator
            case ["mlops", *arguments]:
                cli._parser().parse_args(arguments)  # noqa: SLF001 - what `main` parses with; exits if it cannot
            case ["nox", "-s", *rest]:
                assert {*rest[: rest.index("--") if "--" in rest else None]} <= sessions(), words
            case ["python", "-m", module, *_]:
                assert importlib.util.find_spec(module), words
            case ["python", path, *_] if "/" in path:
                assert (ROOT / path).is_file(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A file of the repository, so that it does on GitHub, too: none to a page that only the built site has."""
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readmes_tree_names_every_package() -> None:
    """Who looks for a part finds it in one look, and nothing that is gone."""
    tree = re.findall(r"^      (\w+)/ ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(tree) == sorted(path.parent.name for path in (ROOT / "mlops").glob("*/__init__.py"))
