"""One name per stage, everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mlops.records import STAGES

ROOT = Path(__file__).parent.parent


def functions(path: Path) -> dict[str, str]:
    """Return each function's first docstring line."""
    tree = ast.parse(path.read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in found}


@pytest.mark.parametrize("stage", STAGES)
def test_script_session_record_test_and_readme_agree(stage: str) -> None:
    """The stage's sentence is the same in the script, in `nox -l` and in the README; script and test file exist."""
    sentence = functions(ROOT / "pipelines" / f"{stage}.py")[stage]
    assert functions(ROOT / "noxfile.py")[stage] == sentence
    assert f"| `{stage}` | {sentence} |" in (ROOT / "README.md").read_text()
    assert (ROOT / "tests" / "pipelines" / f"test_{stage}.py").is_file()


def test_release_is_the_seven_in_order() -> None:
    """`release` performs every stage once, in the order of the records."""
    source = (ROOT / "pipelines" / "release.py").read_text()
    positions = [source.index(f"perform({stage}, context") for stage in STAGES]
    assert positions == sorted(positions)


def test_nothing_else_is_a_stage() -> None:
    """Every program in `pipelines` is one of the seven or the release."""
    programs = {path.stem for path in (ROOT / "pipelines").glob("*.py")} - {"__init__"}
    assert programs == {*STAGES, "release"}
