"""The traps of the SDK are not stepped into, and what is pure stays pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("mlops/rollout", "mlops/operations", "mlops/workspace", "mlops/commands", "pipelines")
OURS = [path for room in ROOMS for path in sorted((ROOT / room).glob("*.py"))]
IMPURE = ("__init__", "bake", "journal", "probe", "runner", "smoke", "warm_up", "writer")
PURE = sorted({path.stem for path in (ROOT / "mlops" / "rollout").glob("*.py")} - {*IMPURE})


def calls(path: Path) -> set[str]:
    """Return the names of everything a module calls."""
    functions = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in functions}


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nobody_measures_with_the_sdk_or_writes_a_bare_endpoint(path: Path) -> None:
    """`invoke` retries and leaks its pin; a new entity written to an endpoint that exists zeroes its traffic."""
    assert "invoke" not in calls(path)
    assert "ManagedOnlineEndpoint" not in calls(path) or path.stem == "endpoints"


@pytest.mark.parametrize("module", PURE)
def test_what_is_pure_knows_neither_clock_nor_network_nor_files(module: str) -> None:
    """Time and requests come in as data."""
    tree = ast.parse((ROOT / "mlops" / "rollout" / f"{module}.py").read_text())
    imported = [node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)]
    imported += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {"time", "datetime", "httpx", "pathlib", "os", "random", "threading"} & set(imported)
